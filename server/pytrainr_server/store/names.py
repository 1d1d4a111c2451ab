"""Resource names and ids."""

from __future__ import annotations

import re
import secrets

from pytrainr_server.errors import ServiceError, invalid

_ID = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
MAX_ID = 63
_SHA256 = re.compile(r"[0-9a-f]{64}")
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,100}")


def new_key() -> str:
    """A key that no one can guess or meet twice."""
    return secrets.token_hex(16)


def new_id(prefix: str) -> str:
    """An id for a job or model whose caller gave none."""
    return f"{prefix}-{secrets.token_hex(8)}"


def checked_id(text: str, field: str) -> str:
    """The id, if it is one."""
    if not _ID.fullmatch(text):
        raise invalid(
            field,
            f"is {text[:80]!r}; an id is a lower-case letter, then lower-case letters, digits and dashes, "
            "63 at most, the last not a dash",
        )
    return text


def checked_request_id(text: str) -> str | None:
    """The request's id, if it is one; None for none."""
    if text and not _REQUEST_ID.fullmatch(text):
        raise invalid("request_id", "should be a UUID, or other printable ASCII text of at most 100 characters")
    return text or None


def job_name(id: str) -> str:
    """ "trainingJobs/{job}"."""
    return f"trainingJobs/{id}"


def job_id(name: str, field: str = "name") -> str:
    """The id in a job's name."""
    return checked_id(_after("trainingJobs/", name, field), field)


def batch_name(id: str) -> str:
    """ "trainingBatches/{batch}"."""
    return f"trainingBatches/{id}"


def batch_id(name: str, field: str = "name") -> str:
    """The id in a batch's name."""
    return checked_id(_after("trainingBatches/", name, field), field)


def dataset_name(sha256: str) -> str:
    """ "datasets/{sha256}"."""
    return f"datasets/{sha256}"


def dataset_sha256(name: str, field: str = "name") -> str:
    """The hash in a dataset's name."""
    return checked_sha256(_after("datasets/", name, field), field)


def checked_sha256(text: str, field: str) -> str:
    """The hash, if it is one."""
    if not _SHA256.fullmatch(text):
        raise invalid(field, f"is {text[:80]!r}; a SHA-256 is 64 lower-case hexadecimal digits")
    return text


def model_name(id: str, version: int) -> str:
    """ "models/{model}@{version}"."""
    return f"models/{id}@{version}"


def model_parts(name: str, field: str = "name") -> tuple[str, int | str | None]:
    """The id in a model's name, and its version's number, its alias, or None."""
    id, at, version = _after("models/", name, field).partition("@")
    checked_id(id, field)
    if not at:
        return id, None
    if version.isascii() and version.isdigit() and len(version) < 19:
        return id, int(version)
    return id, checked_id(version, field)


def _after(prefix: str, name: str, field: str) -> str:
    if not name.startswith(prefix):
        raise _wrong(prefix, name, field)
    return name[len(prefix) :]


def _wrong(prefix: str, name: str, field: str) -> ServiceError:
    return invalid(field, f"is {name[:80]!r}; it should begin with {prefix!r}")
