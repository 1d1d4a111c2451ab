"""Who calls: a token's owner, a client certificate's name, or, on loopback without either, the local user."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pytrainr_server.config import Config
from pytrainr_server.security.tokens import TokenStore, unauthenticated

LOCAL_OWNER = "local"
_SCHEME = "bearer "

MAX_OWNER = 150


class Callers:
    """Finds the owner in whose name a call is made."""

    def __init__(self, config: Config, tokens: TokenStore) -> None:
        self._config = config
        self._tokens = tokens

    def known_owner(
        self, metadata: Iterable[tuple[str, str | bytes]], peer: Mapping[str, Iterable[bytes]]
    ) -> str | None:
        """The owner as far as it is known without asking the database."""
        for name, value in metadata:
            if name == "authorization":
                return self._tokens.remembered_owner(_bearer(value))
        return self.owner((), peer) if self._tokens.remembered else None

    def owner(self, metadata: Iterable[tuple[str, str | bytes]], peer: Mapping[str, Iterable[bytes]]) -> str:
        """The owner. Raises UNAUTHENTICATED where none can be told."""
        for name, value in metadata:
            if name == "authorization":
                return self._tokens.owner(_bearer(value))
        names = list(peer.get("x509_common_name", ()))
        if self._config.tls_client_ca and names:
            name = names[0].decode("utf-8", "replace")
            if not 0 < len(name) <= MAX_OWNER or not name.isprintable():
                raise unauthenticated(
                    f"The certificate's common name should be printable and have at most {MAX_OWNER} characters."
                )
            return "certificate:" + name
        if self._token_needed():
            raise unauthenticated("A token is needed: send the header 'authorization: Bearer TOKEN'.")
        return LOCAL_OWNER

    def _token_needed(self) -> bool:
        if self._config.tokens != "auto":
            return self._config.tokens == "always"
        return self._config.exposed or self._tokens.exist()


def _bearer(value: str | bytes) -> str:
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    if text[: len(_SCHEME)].lower() != _SCHEME:
        raise unauthenticated("The authorization header should be 'Bearer TOKEN'.")
    return text[len(_SCHEME) :].strip()
