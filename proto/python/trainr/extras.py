"""What a package of the server or the client needs beyond the base installation."""

from __future__ import annotations

from importlib.util import find_spec

__all__ = ["require"]

CLIENT = ("grpc", "grpc_status", "google.protobuf")
SERVER = (*CLIENT, "grpc_health", "grpc_reflection", "prometheus_client", "sqlalchemy")


def require(who: str, extra: str, modules: tuple[str, ...]) -> None:
    """Raise ``ModuleNotFoundError`` that says what to install where one of the modules is missing.

    Looks for them without loading any.
    """
    missing = [name for name in modules if not _is_there(name)]
    if missing:
        raise ModuleNotFoundError(
            f"{who} needs {', '.join(missing)}, not part of the base installation: pip install 'pytrainr[{extra}]'",
            name=missing[0],
        )


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # not even the package it would be in
        return False
