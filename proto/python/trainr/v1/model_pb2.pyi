from trainr.v1 import tensor_pb2 as _tensor_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ModelFileFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODEL_FILE_FORMAT_UNSPECIFIED: _ClassVar[ModelFileFormat]
    MODEL_FILE_FORMAT_TRAINR: _ClassVar[ModelFileFormat]
    MODEL_FILE_FORMAT_RDS: _ClassVar[ModelFileFormat]
    MODEL_FILE_FORMAT_C: _ClassVar[ModelFileFormat]
    MODEL_FILE_FORMAT_ONNX: _ClassVar[ModelFileFormat]
MODEL_FILE_FORMAT_UNSPECIFIED: ModelFileFormat
MODEL_FILE_FORMAT_TRAINR: ModelFileFormat
MODEL_FILE_FORMAT_RDS: ModelFileFormat
MODEL_FILE_FORMAT_C: ModelFileFormat
MODEL_FILE_FORMAT_ONNX: ModelFileFormat

class Null(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Value(_message.Message):
    __slots__ = ("double_value", "int64_value", "bool_value", "string_value", "tensor_value", "list_value", "option_list_value", "function_value", "null_value", "layer_value")
    DOUBLE_VALUE_FIELD_NUMBER: _ClassVar[int]
    INT64_VALUE_FIELD_NUMBER: _ClassVar[int]
    BOOL_VALUE_FIELD_NUMBER: _ClassVar[int]
    STRING_VALUE_FIELD_NUMBER: _ClassVar[int]
    TENSOR_VALUE_FIELD_NUMBER: _ClassVar[int]
    LIST_VALUE_FIELD_NUMBER: _ClassVar[int]
    OPTION_LIST_VALUE_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_VALUE_FIELD_NUMBER: _ClassVar[int]
    NULL_VALUE_FIELD_NUMBER: _ClassVar[int]
    LAYER_VALUE_FIELD_NUMBER: _ClassVar[int]
    double_value: float
    int64_value: int
    bool_value: bool
    string_value: str
    tensor_value: _tensor_pb2.Tensor
    list_value: ValueList
    option_list_value: OptionList
    function_value: str
    null_value: Null
    layer_value: Layer
    def __init__(self, double_value: _Optional[float] = ..., int64_value: _Optional[int] = ..., bool_value: bool = ..., string_value: _Optional[str] = ..., tensor_value: _Optional[_Union[_tensor_pb2.Tensor, _Mapping]] = ..., list_value: _Optional[_Union[ValueList, _Mapping]] = ..., option_list_value: _Optional[_Union[OptionList, _Mapping]] = ..., function_value: _Optional[str] = ..., null_value: _Optional[_Union[Null, _Mapping]] = ..., layer_value: _Optional[_Union[Layer, _Mapping]] = ...) -> None: ...

class Layer(_message.Message):
    __slots__ = ("kind", "option")
    KIND_FIELD_NUMBER: _ClassVar[int]
    OPTION_FIELD_NUMBER: _ClassVar[int]
    kind: str
    option: _containers.RepeatedCompositeFieldContainer[Option]
    def __init__(self, kind: _Optional[str] = ..., option: _Optional[_Iterable[_Union[Option, _Mapping]]] = ...) -> None: ...

class ValueList(_message.Message):
    __slots__ = ("value",)
    VALUE_FIELD_NUMBER: _ClassVar[int]
    value: _containers.RepeatedCompositeFieldContainer[Value]
    def __init__(self, value: _Optional[_Iterable[_Union[Value, _Mapping]]] = ...) -> None: ...

class Option(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: Value
    def __init__(self, name: _Optional[str] = ..., value: _Optional[_Union[Value, _Mapping]] = ...) -> None: ...

class OptionList(_message.Message):
    __slots__ = ("option",)
    OPTION_FIELD_NUMBER: _ClassVar[int]
    option: _containers.RepeatedCompositeFieldContainer[Option]
    def __init__(self, option: _Optional[_Iterable[_Union[Option, _Mapping]]] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("field", "exact", "mean_error")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    EXACT_FIELD_NUMBER: _ClassVar[int]
    MEAN_ERROR_FIELD_NUMBER: _ClassVar[int]
    field: _containers.RepeatedCompositeFieldContainer[Option]
    exact: bool
    mean_error: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, field: _Optional[_Iterable[_Union[Option, _Mapping]]] = ..., exact: bool = ..., mean_error: _Optional[_Iterable[float]] = ...) -> None: ...

class ModelPart(_message.Message):
    __slots__ = ("model", "chunk", "last")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    model: Model
    chunk: _tensor_pb2.TensorChunk
    last: bool
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ..., chunk: _Optional[_Union[_tensor_pb2.TensorChunk, _Mapping]] = ..., last: bool = ...) -> None: ...

class StoredModel(_message.Message):
    __slots__ = ("name", "version", "alias", "create_time", "expire_time", "size_bytes", "training_job", "network_type", "exact", "synapse_dim", "numepochs", "final_error")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    TRAINING_JOB_FIELD_NUMBER: _ClassVar[int]
    NETWORK_TYPE_FIELD_NUMBER: _ClassVar[int]
    EXACT_FIELD_NUMBER: _ClassVar[int]
    SYNAPSE_DIM_FIELD_NUMBER: _ClassVar[int]
    NUMEPOCHS_FIELD_NUMBER: _ClassVar[int]
    FINAL_ERROR_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    alias: _containers.RepeatedScalarFieldContainer[str]
    create_time: float
    expire_time: float
    size_bytes: int
    training_job: str
    network_type: str
    exact: bool
    synapse_dim: _containers.RepeatedScalarFieldContainer[int]
    numepochs: int
    final_error: float
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., alias: _Optional[_Iterable[str]] = ..., create_time: _Optional[float] = ..., expire_time: _Optional[float] = ..., size_bytes: _Optional[int] = ..., training_job: _Optional[str] = ..., network_type: _Optional[str] = ..., exact: bool = ..., synapse_dim: _Optional[_Iterable[int]] = ..., numepochs: _Optional[int] = ..., final_error: _Optional[float] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models", "next_page_token")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[StoredModel]
    next_page_token: str
    def __init__(self, models: _Optional[_Iterable[_Union[StoredModel, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteModelRequest(_message.Message):
    __slots__ = ("name", "allow_missing")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ALLOW_MISSING_FIELD_NUMBER: _ClassVar[int]
    name: str
    allow_missing: bool
    def __init__(self, name: _Optional[str] = ..., allow_missing: bool = ...) -> None: ...

class DeleteModelResponse(_message.Message):
    __slots__ = ("deleted",)
    DELETED_FIELD_NUMBER: _ClassVar[int]
    deleted: int
    def __init__(self, deleted: _Optional[int] = ...) -> None: ...

class SetModelAliasRequest(_message.Message):
    __slots__ = ("name", "alias", "remove")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    REMOVE_FIELD_NUMBER: _ClassVar[int]
    name: str
    alias: str
    remove: bool
    def __init__(self, name: _Optional[str] = ..., alias: _Optional[str] = ..., remove: bool = ...) -> None: ...

class ImportModelRequest(_message.Message):
    __slots__ = ("model_id", "request_id", "part")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    request_id: str
    part: ModelPart
    def __init__(self, model_id: _Optional[str] = ..., request_id: _Optional[str] = ..., part: _Optional[_Union[ModelPart, _Mapping]] = ...) -> None: ...

class ExportModelRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class WriteModelFileRequest(_message.Message):
    __slots__ = ("stored_model", "model", "format", "name")
    STORED_MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    stored_model: str
    model: Model
    format: ModelFileFormat
    name: str
    def __init__(self, stored_model: _Optional[str] = ..., model: _Optional[_Union[Model, _Mapping]] = ..., format: _Optional[_Union[ModelFileFormat, str]] = ..., name: _Optional[str] = ...) -> None: ...

class ModelFilePart(_message.Message):
    __slots__ = ("size_bytes", "data")
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    size_bytes: int
    data: bytes
    def __init__(self, size_bytes: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class ReadModelFileRequest(_message.Message):
    __slots__ = ("size_bytes", "data")
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    size_bytes: int
    data: bytes
    def __init__(self, size_bytes: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...
