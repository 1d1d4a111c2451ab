from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class GetServerInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ServerInfo(_message.Message):
    __slots__ = ("version", "max_message_bytes", "chunk_bytes", "inline_bytes", "max_jobs", "max_stored_bytes", "stored_bytes", "max_epoch_samples", "grace_seconds", "epoch_functions", "layers", "max_batch")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    CHUNK_BYTES_FIELD_NUMBER: _ClassVar[int]
    INLINE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_JOBS_FIELD_NUMBER: _ClassVar[int]
    MAX_STORED_BYTES_FIELD_NUMBER: _ClassVar[int]
    STORED_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_EPOCH_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    GRACE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FUNCTIONS_FIELD_NUMBER: _ClassVar[int]
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    MAX_BATCH_FIELD_NUMBER: _ClassVar[int]
    version: str
    max_message_bytes: int
    chunk_bytes: int
    inline_bytes: int
    max_jobs: int
    max_stored_bytes: int
    stored_bytes: int
    max_epoch_samples: int
    grace_seconds: float
    epoch_functions: _containers.RepeatedScalarFieldContainer[str]
    layers: _containers.RepeatedScalarFieldContainer[str]
    max_batch: int
    def __init__(self, version: _Optional[str] = ..., max_message_bytes: _Optional[int] = ..., chunk_bytes: _Optional[int] = ..., inline_bytes: _Optional[int] = ..., max_jobs: _Optional[int] = ..., max_stored_bytes: _Optional[int] = ..., stored_bytes: _Optional[int] = ..., max_epoch_samples: _Optional[int] = ..., grace_seconds: _Optional[float] = ..., epoch_functions: _Optional[_Iterable[str]] = ..., layers: _Optional[_Iterable[str]] = ..., max_batch: _Optional[int] = ...) -> None: ...
