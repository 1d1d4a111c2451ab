"""The tables. Times are seconds since 1970; states are the numbers of trainr.v1.JobState."""

from __future__ import annotations

from enum import IntEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()


class State(IntEnum):
    """The state of a job."""

    QUEUED = 1
    RUNNING = 2
    PAUSED = 3
    SUCCEEDED = 4
    FAILED = 5
    CANCELLED = 6


UNFINISHED = (State.QUEUED, State.RUNNING, State.PAUSED)

schema_version = Table("schema_version", metadata, Column("version", Integer, nullable=False))

tokens = Table(
    "tokens",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("owner", String(200), nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("create_time", Double, nullable=False),
    Column("expire_time", Double, nullable=False, default=0.0),
    Column("revoke_time", Double, nullable=False, default=0.0),
)

jobs = Table(
    "jobs",
    metadata,
    Column("key", String(32), primary_key=True),
    Column("owner", String(200), nullable=False),
    Column("id", String(63), nullable=False),
    Column("request_id", String(100)),
    Column("request_hash", LargeBinary),
    Column("training_bytes", BigInteger, nullable=False),
    Column("pauses", Boolean, nullable=False, default=False),
    Column("model_id", String(63), nullable=False),
    Column("keep_model", Boolean, nullable=False),
    Column("initial_model_key", String(32)),
    Column("ttl_seconds", Double, nullable=False),
    Column("create_time", Double, nullable=False),
    # Where it is.
    Column("state", Integer, nullable=False),
    Column("epoch", BigInteger, nullable=False, default=0),
    Column("numepochs", BigInteger, nullable=False),
    Column("progress", Double, nullable=False, default=0.0),
    Column("mean_error", Double),
    Column("start_time", Double, nullable=False, default=0.0),
    Column("end_time", Double, nullable=False, default=0.0),
    Column("expire_time", Double, nullable=False, default=0.0),
    Column("model_key", String(32)),
    Column("model_name", String(200), nullable=False, default=""),
    Column("random_state", LargeBinary),
    Column("random_state_sha256", LargeBinary),
    Column("error_code", Integer, nullable=False, default=0),
    Column("error_reason", String(100), nullable=False, default=""),
    Column("error_message", String(4000), nullable=False, default=""),
    Column("error_field", String(200), nullable=False, default=""),
    # Who works on it: a lease that another server may take over once it has run out.
    Column("worker", String(200), nullable=False, default=""),
    Column("lease", String(32), nullable=False, default=""),
    Column("lease_until", Double, nullable=False, default=0.0),
    Column("not_before", Double, nullable=False, default=0.0),
    Column("resumed", BigInteger, nullable=False, default=0),
    Column("cancel_requested", Boolean, nullable=False, default=False),
    Column("yield_requested", Boolean, nullable=False, default=False),
    # How often a server died while it trained the job, since the last checkpoint; how often a process of its own did.
    Column("server_deaths", Integer, nullable=False, default=0, server_default="0"),
    Column("worker_deaths", Integer, nullable=False, default=0, server_default="0"),
    # About how much memory its training takes.
    Column("memory_bytes", BigInteger, nullable=False, default=0, server_default="0"),
    # With which arithmetic it was begun; another would end with other bits. Empty: it does not matter.
    Column("arithmetic", String(100), nullable=False, default="", server_default=""),
    # Which of its owner's jobs begins first: the one with the higher number.
    Column("priority", Integer, nullable=False, default=0, server_default="0"),
    # The batch that it was created with, if it was, and its place there, counted from 0.
    Column("batch_id", String(63), nullable=False, default="", server_default=""),
    Column("batch_place", BigInteger, nullable=False, default=0, server_default="0"),
    # Successive halving: after which epoch it waits for the others (0: no more), how good it is, why it was dropped.
    Column("halt_epoch", BigInteger, nullable=False, default=0, server_default="0"),
    Column("compared", Double),
    Column("dropped", String(200), nullable=False, default="", server_default=""),
    # Who waits for it: a job of Train whose caller has been gone since before `abandon_time` is cancelled.
    Column("detached", Boolean, nullable=False, default=True),
    Column("attached_to", String(200), nullable=False, default=""),
    Column("abandon_time", Double, nullable=False, default=0.0),
    UniqueConstraint("owner", "id"),
    UniqueConstraint("owner", "request_id"),
)
# How many jobs wait, and how much an owner has stored, is asked for every new job: the indexes have the answers.
Index("jobs_waiting", jobs.c.state, jobs.c.create_time, jobs.c.owner)
Index("jobs_stored", jobs.c.owner, jobs.c.create_time, jobs.c.training_bytes)
# An owner's line, however long it is.
Index("jobs_in_line", jobs.c.owner, jobs.c.state, jobs.c.priority.desc(), jobs.c.create_time)

Index("jobs_of_batch", jobs.c.owner, jobs.c.batch_id, jobs.c.state)

# Jobs that were created together.
batches = Table(
    "batches",
    metadata,
    Column("owner", String(200), primary_key=True),
    Column("id", String(63), primary_key=True),
    Column("request_id", String(100)),
    Column("request_hash", LargeBinary),
    Column("create_time", Double, nullable=False),
    # Successive halving: "EPOCHS:KEPT ...", after how many epochs how many are kept; empty without.
    Column("rungs", String(1000), nullable=False, default=""),
    UniqueConstraint("owner", "request_id"),
)

# What to do: a serialised trainr.v1.Training whose large arrays are named datasets. Beside the jobs, not in their rows:
# a database that has to step over it on the way to a row's other columns gets slower with every job.
trainings = Table(
    "trainings",
    metadata,
    Column("job_key", String(32), primary_key=True),
    Column("training", LargeBinary, nullable=False),
    Column("sha256", LargeBinary),  # of the training; none where it was stored before there were any
)

# The epochs of a job that ended before it needed a file of its own.
epoch_logs = Table(
    "epoch_logs",
    metadata,
    Column("job_key", String(32), primary_key=True),
    Column("records", LargeBinary, nullable=False),
)

# What is said about a job, for its owner to read.
job_lines = Table(
    "job_lines",
    metadata,
    Column("key", String(32), primary_key=True),
    Column("job_key", String(32), nullable=False),
    Column("time", Double, nullable=False),
    Column("level", Integer, nullable=False),
    Column("text", String(1000), nullable=False),
)
Index("job_lines_of_job", job_lines.c.job_key, job_lines.c.time)

# The answers of a caller's epoch functions, kept until a checkpoint includes them.
continuations = Table(
    "continuations",
    metadata,
    Column("job_key", String(32), primary_key=True),
    Column("epoch", BigInteger, primary_key=True),
    Column("request", LargeBinary, nullable=False),
    Column("sha256", LargeBinary),
)

models = Table(
    "models",
    metadata,
    Column("key", String(32), primary_key=True),
    Column("owner", String(200), nullable=False),
    Column("id", String(63), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("request_id", String(100)),
    Column("create_time", Double, nullable=False),
    Column("expire_time", Double, nullable=False, default=0.0),
    Column("size_bytes", BigInteger, nullable=False),
    Column("job_id", String(63), nullable=False, default=""),
    Column("network_type", String(63), nullable=False),
    Column("exact", Boolean, nullable=False),
    Column("synapse_dim", Text, nullable=False),
    Column("numepochs", BigInteger, nullable=False),
    Column("final_error", Double),
    UniqueConstraint("owner", "id", "version"),
    UniqueConstraint("owner", "request_id"),
)

Index("models_stored", models.c.owner, models.c.size_bytes)

# The content of a small model: a serialised trainr.v1.Model. A larger one has a file.
model_contents = Table(
    "model_contents",
    metadata,
    Column("model_key", String(32), primary_key=True),
    Column("sha256", LargeBinary, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

# The number of the newest version ever stored, so that a deleted version's number is never used again.
model_versions = Table(
    "model_versions",
    metadata,
    Column("owner", String(200), primary_key=True),
    Column("id", String(63), primary_key=True),
    Column("newest", BigInteger, nullable=False),
)

model_aliases = Table(
    "model_aliases",
    metadata,
    Column("owner", String(200), primary_key=True),
    Column("id", String(63), primary_key=True),
    Column("alias", String(63), primary_key=True),
    Column("version", BigInteger, nullable=False),
)

datasets = Table(
    "datasets",
    metadata,
    Column("owner", String(200), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("create_time", Double, nullable=False),
    Column("expire_time", Double, nullable=False),
)

Index("datasets_stored", datasets.c.owner, datasets.c.size_bytes)

job_datasets = Table(
    "job_datasets",
    metadata,
    Column("job_key", String(32), primary_key=True),
    Column("sha256", String(64), primary_key=True),
)

uploads = Table(
    "uploads",
    metadata,
    Column("owner", String(200), primary_key=True),
    Column("upload_id", String(100), primary_key=True),
    Column("file", String(32), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("committed_bytes", BigInteger, nullable=False),
    Column("touch_time", Double, nullable=False),
    # Who writes it, where files are shared by servers: one that took it up anew is another.
    Column("writer", String(32), nullable=False, default="", server_default=""),
)

# Where files are shared by servers: what there is, and what it belongs to. What is small is kept here itself.
shared_files = Table(
    "shared_files",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("belongs_to", String(64), nullable=False),
    Column("part", BigInteger, nullable=False, default=0),
    Column("sha256", LargeBinary, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("content", LargeBinary),
)
Index("shared_files_of", shared_files.c.kind, shared_files.c.belongs_to, shared_files.c.part)

# The epochs of a job since its last checkpoint, where files are shared by servers: anyone may watch it.
epoch_records = Table(
    "epoch_records",
    metadata,
    Column("job_key", String(32), primary_key=True),
    Column("first", BigInteger, primary_key=True),  # how many epochs come before
    Column("records", LargeBinary, nullable=False),
)
