from trainr.v1 import model_pb2 as _model_pb2
from trainr.v1 import tensor_pb2 as _tensor_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class JobState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_STATE_UNSPECIFIED: _ClassVar[JobState]
    JOB_STATE_QUEUED: _ClassVar[JobState]
    JOB_STATE_RUNNING: _ClassVar[JobState]
    JOB_STATE_PAUSED: _ClassVar[JobState]
    JOB_STATE_SUCCEEDED: _ClassVar[JobState]
    JOB_STATE_FAILED: _ClassVar[JobState]
    JOB_STATE_CANCELLED: _ClassVar[JobState]
JOB_STATE_UNSPECIFIED: JobState
JOB_STATE_QUEUED: JobState
JOB_STATE_RUNNING: JobState
JOB_STATE_PAUSED: JobState
JOB_STATE_SUCCEEDED: JobState
JOB_STATE_FAILED: JobState
JOB_STATE_CANCELLED: JobState

class TrainingOptions(_message.Message):
    __slots__ = ("learningrate", "learningrate_decay", "momentum", "hidden_dim", "network_type", "numepochs", "sigmoid", "use_bias", "batch_size", "seq_to_seq_unsync", "update_rule", "epoch_function", "loss_function", "keep_store", "exact", "extra", "layer")
    LEARNINGRATE_FIELD_NUMBER: _ClassVar[int]
    LEARNINGRATE_DECAY_FIELD_NUMBER: _ClassVar[int]
    MOMENTUM_FIELD_NUMBER: _ClassVar[int]
    HIDDEN_DIM_FIELD_NUMBER: _ClassVar[int]
    NETWORK_TYPE_FIELD_NUMBER: _ClassVar[int]
    NUMEPOCHS_FIELD_NUMBER: _ClassVar[int]
    SIGMOID_FIELD_NUMBER: _ClassVar[int]
    USE_BIAS_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    SEQ_TO_SEQ_UNSYNC_FIELD_NUMBER: _ClassVar[int]
    UPDATE_RULE_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FUNCTION_FIELD_NUMBER: _ClassVar[int]
    LOSS_FUNCTION_FIELD_NUMBER: _ClassVar[int]
    KEEP_STORE_FIELD_NUMBER: _ClassVar[int]
    EXACT_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    learningrate: float
    learningrate_decay: float
    momentum: float
    hidden_dim: _containers.RepeatedScalarFieldContainer[int]
    network_type: str
    numepochs: int
    sigmoid: str
    use_bias: bool
    batch_size: float
    seq_to_seq_unsync: bool
    update_rule: str
    epoch_function: _containers.RepeatedScalarFieldContainer[str]
    loss_function: str
    keep_store: bool
    exact: bool
    extra: _containers.RepeatedCompositeFieldContainer[_model_pb2.Option]
    layer: _containers.RepeatedCompositeFieldContainer[_model_pb2.Layer]
    def __init__(self, learningrate: _Optional[float] = ..., learningrate_decay: _Optional[float] = ..., momentum: _Optional[float] = ..., hidden_dim: _Optional[_Iterable[int]] = ..., network_type: _Optional[str] = ..., numepochs: _Optional[int] = ..., sigmoid: _Optional[str] = ..., use_bias: bool = ..., batch_size: _Optional[float] = ..., seq_to_seq_unsync: bool = ..., update_rule: _Optional[str] = ..., epoch_function: _Optional[_Iterable[str]] = ..., loss_function: _Optional[str] = ..., keep_store: bool = ..., exact: bool = ..., extra: _Optional[_Iterable[_Union[_model_pb2.Option, _Mapping]]] = ..., layer: _Optional[_Iterable[_Union[_model_pb2.Layer, _Mapping]]] = ...) -> None: ...

class Training(_message.Message):
    __slots__ = ("y", "x", "model", "stored_model", "options", "random_state", "seed", "pause_each_epoch", "model_id", "ttl_seconds", "priority")
    Y_FIELD_NUMBER: _ClassVar[int]
    X_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    STORED_MODEL_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    RANDOM_STATE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    PAUSE_EACH_EPOCH_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    TTL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    y: _tensor_pb2.Tensor
    x: _tensor_pb2.Tensor
    model: _model_pb2.Model
    stored_model: str
    options: TrainingOptions
    random_state: _tensor_pb2.RandomState
    seed: int
    pause_each_epoch: bool
    model_id: str
    ttl_seconds: int
    priority: int
    def __init__(self, y: _Optional[_Union[_tensor_pb2.Tensor, _Mapping]] = ..., x: _Optional[_Union[_tensor_pb2.Tensor, _Mapping]] = ..., model: _Optional[_Union[_model_pb2.Model, _Mapping]] = ..., stored_model: _Optional[str] = ..., options: _Optional[_Union[TrainingOptions, _Mapping]] = ..., random_state: _Optional[_Union[_tensor_pb2.RandomState, _Mapping]] = ..., seed: _Optional[int] = ..., pause_each_epoch: bool = ..., model_id: _Optional[str] = ..., ttl_seconds: _Optional[int] = ..., priority: _Optional[int] = ...) -> None: ...

class TrainingJob(_message.Message):
    __slots__ = ("name", "state", "epoch", "numepochs", "progress", "mean_error", "create_time", "start_time", "end_time", "model", "random_state", "error_code", "error_reason", "error_message", "request_id", "detached", "resumed", "expire_time", "error_field", "priority", "training_batch", "batch_place")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    NUMEPOCHS_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    MEAN_ERROR_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    RANDOM_STATE_FIELD_NUMBER: _ClassVar[int]
    ERROR_CODE_FIELD_NUMBER: _ClassVar[int]
    ERROR_REASON_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    DETACHED_FIELD_NUMBER: _ClassVar[int]
    RESUMED_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    TRAINING_BATCH_FIELD_NUMBER: _ClassVar[int]
    BATCH_PLACE_FIELD_NUMBER: _ClassVar[int]
    name: str
    state: JobState
    epoch: int
    numepochs: int
    progress: float
    mean_error: float
    create_time: float
    start_time: float
    end_time: float
    model: str
    random_state: _tensor_pb2.RandomState
    error_code: int
    error_reason: str
    error_message: str
    request_id: str
    detached: bool
    resumed: int
    expire_time: float
    error_field: str
    priority: int
    training_batch: str
    batch_place: int
    def __init__(self, name: _Optional[str] = ..., state: _Optional[_Union[JobState, str]] = ..., epoch: _Optional[int] = ..., numepochs: _Optional[int] = ..., progress: _Optional[float] = ..., mean_error: _Optional[float] = ..., create_time: _Optional[float] = ..., start_time: _Optional[float] = ..., end_time: _Optional[float] = ..., model: _Optional[str] = ..., random_state: _Optional[_Union[_tensor_pb2.RandomState, _Mapping]] = ..., error_code: _Optional[int] = ..., error_reason: _Optional[str] = ..., error_message: _Optional[str] = ..., request_id: _Optional[str] = ..., detached: bool = ..., resumed: _Optional[int] = ..., expire_time: _Optional[float] = ..., error_field: _Optional[str] = ..., priority: _Optional[int] = ..., training_batch: _Optional[str] = ..., batch_place: _Optional[int] = ...) -> None: ...

class TrainingBatch(_message.Message):
    __slots__ = ("name", "size", "queued", "running", "paused", "succeeded", "failed", "cancelled", "epoch", "numepochs", "create_time", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    SUCCEEDED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    NUMEPOCHS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    size: int
    queued: int
    running: int
    paused: int
    succeeded: int
    failed: int
    cancelled: int
    epoch: int
    numepochs: int
    create_time: float
    request_id: str
    def __init__(self, name: _Optional[str] = ..., size: _Optional[int] = ..., queued: _Optional[int] = ..., running: _Optional[int] = ..., paused: _Optional[int] = ..., succeeded: _Optional[int] = ..., failed: _Optional[int] = ..., cancelled: _Optional[int] = ..., epoch: _Optional[int] = ..., numepochs: _Optional[int] = ..., create_time: _Optional[float] = ..., request_id: _Optional[str] = ...) -> None: ...

class EpochEvent(_message.Message):
    __slots__ = ("epoch", "mean_error", "learningrate", "next_learningrate", "validation_loss")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    MEAN_ERROR_FIELD_NUMBER: _ClassVar[int]
    LEARNINGRATE_FIELD_NUMBER: _ClassVar[int]
    NEXT_LEARNINGRATE_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_LOSS_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    mean_error: float
    learningrate: float
    next_learningrate: float
    validation_loss: float
    def __init__(self, epoch: _Optional[int] = ..., mean_error: _Optional[float] = ..., learningrate: _Optional[float] = ..., next_learningrate: _Optional[float] = ..., validation_loss: _Optional[float] = ...) -> None: ...

class EpochsEvent(_message.Message):
    __slots__ = ("epoch",)
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    epoch: _containers.RepeatedCompositeFieldContainer[EpochEvent]
    def __init__(self, epoch: _Optional[_Iterable[_Union[EpochEvent, _Mapping]]] = ...) -> None: ...

class ProgressEvent(_message.Message):
    __slots__ = ("epoch", "progress", "queue_position", "compiling")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    QUEUE_POSITION_FIELD_NUMBER: _ClassVar[int]
    COMPILING_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    progress: float
    queue_position: int
    compiling: str
    def __init__(self, epoch: _Optional[int] = ..., progress: _Optional[float] = ..., queue_position: _Optional[int] = ..., compiling: _Optional[str] = ...) -> None: ...

class PauseEvent(_message.Message):
    __slots__ = ("epoch", "random_state")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    RANDOM_STATE_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    random_state: _tensor_pb2.RandomState
    def __init__(self, epoch: _Optional[int] = ..., random_state: _Optional[_Union[_tensor_pb2.RandomState, _Mapping]] = ...) -> None: ...

class TrainingEvent(_message.Message):
    __slots__ = ("accepted", "epochs", "progress", "pause", "model", "finished")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    PAUSE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    accepted: TrainingJob
    epochs: EpochsEvent
    progress: ProgressEvent
    pause: PauseEvent
    model: _model_pb2.ModelPart
    finished: TrainingJob
    def __init__(self, accepted: _Optional[_Union[TrainingJob, _Mapping]] = ..., epochs: _Optional[_Union[EpochsEvent, _Mapping]] = ..., progress: _Optional[_Union[ProgressEvent, _Mapping]] = ..., pause: _Optional[_Union[PauseEvent, _Mapping]] = ..., model: _Optional[_Union[_model_pb2.ModelPart, _Mapping]] = ..., finished: _Optional[_Union[TrainingJob, _Mapping]] = ...) -> None: ...

class TrainRequest(_message.Message):
    __slots__ = ("training", "request_id", "after_epoch", "detach")
    TRAINING_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    DETACH_FIELD_NUMBER: _ClassVar[int]
    training: Training
    request_id: str
    after_epoch: int
    detach: bool
    def __init__(self, training: _Optional[_Union[Training, _Mapping]] = ..., request_id: _Optional[str] = ..., after_epoch: _Optional[int] = ..., detach: bool = ...) -> None: ...

class CreateTrainingJobRequest(_message.Message):
    __slots__ = ("training", "training_job_id", "request_id")
    TRAINING_FIELD_NUMBER: _ClassVar[int]
    TRAINING_JOB_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    training: Training
    training_job_id: str
    request_id: str
    def __init__(self, training: _Optional[_Union[Training, _Mapping]] = ..., training_job_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetTrainingJobRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListTrainingJobsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "state", "training_batch")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    TRAINING_BATCH_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    state: _containers.RepeatedScalarFieldContainer[JobState]
    training_batch: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., state: _Optional[_Iterable[_Union[JobState, str]]] = ..., training_batch: _Optional[str] = ...) -> None: ...

class ListTrainingJobsResponse(_message.Message):
    __slots__ = ("training_jobs", "next_page_token")
    TRAINING_JOBS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    training_jobs: _containers.RepeatedCompositeFieldContainer[TrainingJob]
    next_page_token: str
    def __init__(self, training_jobs: _Optional[_Iterable[_Union[TrainingJob, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CancelTrainingJobRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DeleteTrainingJobRequest(_message.Message):
    __slots__ = ("name", "allow_missing")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ALLOW_MISSING_FIELD_NUMBER: _ClassVar[int]
    name: str
    allow_missing: bool
    def __init__(self, name: _Optional[str] = ..., allow_missing: bool = ...) -> None: ...

class DeleteTrainingJobResponse(_message.Message):
    __slots__ = ("deleted",)
    DELETED_FIELD_NUMBER: _ClassVar[int]
    deleted: int
    def __init__(self, deleted: _Optional[int] = ...) -> None: ...

class WatchTrainingJobRequest(_message.Message):
    __slots__ = ("name", "after_epoch")
    NAME_FIELD_NUMBER: _ClassVar[int]
    AFTER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    name: str
    after_epoch: int
    def __init__(self, name: _Optional[str] = ..., after_epoch: _Optional[int] = ...) -> None: ...

class ContinueTrainingRequest(_message.Message):
    __slots__ = ("name", "epoch", "field", "random_state", "finish")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    RANDOM_STATE_FIELD_NUMBER: _ClassVar[int]
    FINISH_FIELD_NUMBER: _ClassVar[int]
    name: str
    epoch: int
    field: _containers.RepeatedCompositeFieldContainer[_model_pb2.Option]
    random_state: _tensor_pb2.RandomState
    finish: bool
    def __init__(self, name: _Optional[str] = ..., epoch: _Optional[int] = ..., field: _Optional[_Iterable[_Union[_model_pb2.Option, _Mapping]]] = ..., random_state: _Optional[_Union[_tensor_pb2.RandomState, _Mapping]] = ..., finish: bool = ...) -> None: ...

class DetachTrainingJobRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class Halving(_message.Message):
    __slots__ = ("eta", "epochs")
    ETA_FIELD_NUMBER: _ClassVar[int]
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    eta: int
    epochs: int
    def __init__(self, eta: _Optional[int] = ..., epochs: _Optional[int] = ...) -> None: ...

class CreateTrainingJobsRequest(_message.Message):
    __slots__ = ("training", "training_batch_id", "request_id", "halving")
    TRAINING_FIELD_NUMBER: _ClassVar[int]
    TRAINING_BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    HALVING_FIELD_NUMBER: _ClassVar[int]
    training: _containers.RepeatedCompositeFieldContainer[Training]
    training_batch_id: str
    request_id: str
    halving: Halving
    def __init__(self, training: _Optional[_Iterable[_Union[Training, _Mapping]]] = ..., training_batch_id: _Optional[str] = ..., request_id: _Optional[str] = ..., halving: _Optional[_Union[Halving, _Mapping]] = ...) -> None: ...

class GetTrainingBatchRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class WatchTrainingBatchRequest(_message.Message):
    __slots__ = ("name", "seen_place")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SEEN_PLACE_FIELD_NUMBER: _ClassVar[int]
    name: str
    seen_place: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, name: _Optional[str] = ..., seen_place: _Optional[_Iterable[int]] = ...) -> None: ...

class TrainingBatchEvent(_message.Message):
    __slots__ = ("progress", "ended")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    progress: TrainingBatch
    ended: TrainingJob
    def __init__(self, progress: _Optional[_Union[TrainingBatch, _Mapping]] = ..., ended: _Optional[_Union[TrainingJob, _Mapping]] = ...) -> None: ...

class CancelTrainingBatchRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DeleteTrainingBatchRequest(_message.Message):
    __slots__ = ("name", "allow_missing", "models")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ALLOW_MISSING_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    name: str
    allow_missing: bool
    models: bool
    def __init__(self, name: _Optional[str] = ..., allow_missing: bool = ..., models: bool = ...) -> None: ...

class DeleteTrainingBatchResponse(_message.Message):
    __slots__ = ("deleted",)
    DELETED_FIELD_NUMBER: _ClassVar[int]
    deleted: int
    def __init__(self, deleted: _Optional[int] = ...) -> None: ...
