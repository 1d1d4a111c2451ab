from trainr.v1 import model_pb2 as _model_pb2
from trainr.v1 import tensor_pb2 as _tensor_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PredictRequest(_message.Message):
    __slots__ = ("stored_model", "model", "x", "hidden", "keep_output_dim", "extra")
    STORED_MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    X_FIELD_NUMBER: _ClassVar[int]
    HIDDEN_FIELD_NUMBER: _ClassVar[int]
    KEEP_OUTPUT_DIM_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    stored_model: str
    model: _model_pb2.Model
    x: _tensor_pb2.Tensor
    hidden: bool
    keep_output_dim: bool
    extra: _containers.RepeatedCompositeFieldContainer[_model_pb2.Option]
    def __init__(self, stored_model: _Optional[str] = ..., model: _Optional[_Union[_model_pb2.Model, _Mapping]] = ..., x: _Optional[_Union[_tensor_pb2.Tensor, _Mapping]] = ..., hidden: bool = ..., keep_output_dim: bool = ..., extra: _Optional[_Iterable[_Union[_model_pb2.Option, _Mapping]]] = ...) -> None: ...

class PredictResponse(_message.Message):
    __slots__ = ("prediction", "store", "extra")
    PREDICTION_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    prediction: _tensor_pb2.Tensor
    store: _containers.RepeatedCompositeFieldContainer[_tensor_pb2.Tensor]
    extra: _containers.RepeatedCompositeFieldContainer[_model_pb2.Option]
    def __init__(self, prediction: _Optional[_Union[_tensor_pb2.Tensor, _Mapping]] = ..., store: _Optional[_Iterable[_Union[_tensor_pb2.Tensor, _Mapping]]] = ..., extra: _Optional[_Iterable[_Union[_model_pb2.Option, _Mapping]]] = ...) -> None: ...

class PredictStreamRequest(_message.Message):
    __slots__ = ("stored_model", "model", "samples", "x")
    STORED_MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    X_FIELD_NUMBER: _ClassVar[int]
    stored_model: str
    model: _model_pb2.Model
    samples: int
    x: _tensor_pb2.Tensor
    def __init__(self, stored_model: _Optional[str] = ..., model: _Optional[_Union[_model_pb2.Model, _Mapping]] = ..., samples: _Optional[int] = ..., x: _Optional[_Union[_tensor_pb2.Tensor, _Mapping]] = ...) -> None: ...

class PredictStreamResponse(_message.Message):
    __slots__ = ("offset", "prediction")
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_FIELD_NUMBER: _ClassVar[int]
    offset: int
    prediction: _tensor_pb2.Tensor
    def __init__(self, offset: _Optional[int] = ..., prediction: _Optional[_Union[_tensor_pb2.Tensor, _Mapping]] = ...) -> None: ...
