"""pytrainr_client: ``trainr`` and ``predictr`` on a server, with the signatures and results of the local ones.

import pytrainr, pytrainr_client

server = pytrainr_client.connect("trainr.example.org:7272", token="trainr_...", ca="ca.pem")
pytrainr.set_seed(1)
model = server.trainr(Y, X, learningrate=0.1, hidden_dim=16, numepochs=10)   # the bits of pytrainr.trainr(...)
server.predictr(model, X)
"""

from pytrainr_client import _installed  # noqa: F401  before the others
from pytrainr_client.aio import AsyncClient, connect_async
from pytrainr_client.batches import Batch, BatchInfo
from pytrainr_client.client import Client, connect
from pytrainr_client.errors import InvalidArgumentError, NotFoundError, ServerError
from pytrainr_client.forks import ForkedError
from pytrainr_client.jobs import Job, JobInfo

__all__ = [
    "AsyncClient",
    "Batch",
    "BatchInfo",
    "Client",
    "ForkedError",
    "InvalidArgumentError",
    "Job",
    "JobInfo",
    "NotFoundError",
    "ServerError",
    "connect",
    "connect_async",
]
