"""TLS and mutual TLS, with certificates that are read again when their files change."""

from __future__ import annotations

import logging
import ssl
import threading
from pathlib import Path

import grpc

from pytrainr_server.config import Config, ConfigError

log = logging.getLogger("pytrainr_server.security")


def server_credentials(config: Config) -> grpc.ServerCredentials | None:
    """The credentials for the ports; None where the settings name no certificate.

    Raises :class:`ConfigError` for files that cannot be read.
    """
    if not config.tls_certificate:
        return None
    files = _Files(config)
    return grpc.dynamic_ssl_server_credentials(
        files.configuration(), files.changed, require_client_authentication=bool(config.tls_client_ca)
    )


def web_context(config: Config) -> ssl.SSLContext | None:
    """TLS for the page, with the same files; None where the settings name no certificate.

    Raises :class:`ConfigError` for files that cannot be used.
    """
    if not config.tls_certificate:
        return None
    files, context = _Files(config), _context(config)
    newest = [context]

    def on_handshake(connection: ssl.SSLObject, name: str | None, old: ssl.SSLContext) -> None:
        if files.changed() is not None:
            try:
                newest[0] = _context(config)
            except ConfigError as error:
                log.error("the old certificate stays in use for the page: %s", error)
        connection.context = newest[0]

    context.sni_callback = on_handshake
    return context


def _context(config: Config) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(config.tls_certificate, config.tls_key)
        if config.tls_client_ca:
            context.load_verify_locations(config.tls_client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"the TLS files cannot be used for the page: {error}") from error
    return context


class _Files:
    """The PEM files, and whether they have changed."""

    def __init__(self, config: Config) -> None:
        self._certificate = Path(config.tls_certificate)
        self._key = Path(config.tls_key)
        self._client_ca = Path(config.tls_client_ca) if config.tls_client_ca else None
        self._lock = threading.Lock()
        self._stamp = self._stamps()

    def _stamps(self) -> tuple[tuple[int, int], ...]:
        stamps = []
        for path in (self._certificate, self._key, self._client_ca):
            if path is not None:
                try:
                    status = path.stat()
                except OSError as error:
                    raise ConfigError(f"the TLS file {path} cannot be read: {error.strerror}") from error
                stamps.append((status.st_mtime_ns, status.st_ino))
        return tuple(stamps)

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        """What the files hold now."""
        try:
            return grpc.ssl_server_certificate_configuration(
                [(self._key.read_bytes(), self._certificate.read_bytes())],
                root_certificates=self._client_ca.read_bytes() if self._client_ca else None,
            )
        except OSError as error:
            raise ConfigError(f"the TLS file {error.filename} cannot be read: {error.strerror}") from error

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Asked by gRPC at every handshake: the new configuration, or None to keep the old one."""
        try:
            with self._lock:
                stamp = self._stamps()
                if stamp == self._stamp:
                    return None
                configuration = self.configuration()
                self._stamp = stamp
        except ConfigError as error:
            log.error("the old certificate stays in use: %s", error)
            return None
        log.info("certificates read again")
        return configuration
