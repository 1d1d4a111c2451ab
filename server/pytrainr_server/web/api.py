"""What the page asks for, as JSON."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import Any

import numpy as np
from aiohttp import web
from sqlalchemy import Row
from trainr import wire
from trainr.v1 import dataset_pb2, model_pb2, prediction_pb2, tensor_pb2, training_pb2

import pytrainr
from pytrainr_server import clock
from pytrainr_server.config import Config
from pytrainr_server.errors import Code, ServiceError, invalid, precondition
from pytrainr_server.jobs import specification
from pytrainr_server.security.callers import LOCAL_OWNER
from pytrainr_server.service.computed_models import ComputedModels
from pytrainr_server.service.follow import Run
from pytrainr_server.service.model_files import FORMATS as FILE_FORMATS
from pytrainr_server.store import names
from pytrainr_server.store.jobs import random_state_of, training_of
from pytrainr_server.store.schema import UNFINISHED, State
from pytrainr_server.store.store import Store
from pytrainr_server.web import rows, views
from pytrainr_server.web.calls import Caller, Calls
from pytrainr_server.web.code import python_code, r_code
from pytrainr_server.web.headers import put_headers
from pytrainr_server.web.live import Feed
from pytrainr_server.web.trainings import Trainings, options_of

CALLER, SESSION = "caller", "session"
"""Where a request keeps its ``Caller`` and its ``Session``, None for one that is not signed in."""
PAGE = 100
LIVE_JOBS = 100
MAX_COMPARED = 100
COMPARED_POINTS = 20_000
MAX_USERS_LOOKED_AT = 1000
FORMATS = {model_pb2.ModelFileFormat.Name(number).rpartition("_")[2].lower(): number for number in FILE_FORMATS}
"""What ``format`` may be in the address of a model's file: "trainr", "rds", "c", "onnx"."""


class Api:
    """The routes under /api."""

    def __init__(
        self,
        store: Store,
        config: Config,
        run: Run,
        calls: Calls,
        computed: ComputedModels,
        addresses: list[str],
        tokens: Callable[[], list[Row[Any]]],
    ) -> None:
        self._store = store
        self._config = config
        self._run = run
        self.calls = calls
        self._computed = computed
        self._addresses = addresses
        self._tokens = tokens
        self._trainings = Trainings(store.jobs)
        self._feeds: dict[str | None, Feed] = {}
        self._began = clock.now()

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Say which path is answered by what."""
        for path, handler in {
            "/api/session": self._get_session,
            "/api/live": self._live,
            "/api/jobs": self._jobs,
            "/api/jobs/{id}": self._job,
            "/api/jobs/{id}/curve": self._curve,
            "/api/jobs/{id}/watch": self._watch,
            "/api/compare": self._compare,
            "/api/models": self._models,
            "/api/models/{id}": self._versions,
            "/api/models/{id}/{version}": self._model,
            "/api/models/{id}/{version}/weights": self._weights,
            "/api/models/{id}/{version}/file": self._file,
            "/api/datasets": self._datasets,
            "/api/datasets/{sha256}": self._dataset,
            "/api/server": self._server,
        }.items():
            router.add_get(path, handler)
        for path, handler in {
            "/api/jobs/{id}/cancel": self._cancel,
            "/api/jobs/{id}/train-on": self._train_on,
            "/api/models/{id}/{version}/alias": self._alias,
            "/api/models/{id}/{version}/predict": self._predict,
        }.items():
            router.add_post(path, handler)
        router.add_delete("/api/jobs/{id}", self._delete_job)

    async def body(self, request: web.Request) -> dict[str, Any]:
        """The request's JSON object. Raises INVALID_ARGUMENT."""
        try:
            found = await request.json()
        except (ValueError, RecursionError) as error:
            raise invalid("body", "should be JSON") from error
        if not isinstance(found, dict):
            raise invalid("body", "should be a JSON object")
        return found

    async def _get_session(self, request: web.Request) -> web.StreamResponse:
        """Whose page it is; who is not signed in learns whether that needs a token."""
        session, needed, owner = request[SESSION], False, ""
        try:
            owner = await self.calls.owner(request[CALLER])
        except ServiceError as error:
            if error.code != Code.UNAUTHENTICATED:
                raise
            session, needed = None, True
        if session is None:
            return web.json_response({"owner": None, "token_needed": needed})
        shown = {"owner": owner, "secret": session.secret, "operator": self.is_operator(owner)}
        return web.json_response(shown)

    # jobs -------------------------------------------------------------------------------------------------------------

    async def _jobs(self, request: web.Request) -> web.StreamResponse:
        """A page of jobs, newest first; ``state`` and ``search`` choose."""
        query = request.query
        states = [State[name.upper()] for name in query.getall("state", []) if name.upper() in State.__members__]
        after = names_after(query.get("after", ""))
        search, everyone = query.get("search", "")[:100], bool(query.get("all"))
        found, counts = await self.calls.look(request[CALLER], "ListJobs", self._page, states, search, after, everyone)
        last = found[PAGE - 1] if len(found) > PAGE else None
        return web.json_response(
            {
                "jobs": found[:PAGE],
                "counts": counts,
                "after": f"{last['created']!r},{last['id']}" if last else "",
            }
        )

    def _page(
        self, owner: str, states: list[State], search: str, after: tuple[float, str] | None, everyone: bool
    ) -> tuple[list[dict[str, Any]], dict[str, int]]:
        whose = self._whose(owner, everyone)
        found = self._store.jobs.page(whose, states, PAGE + 1, after, containing=search)
        return [*map(self._job_json, found)], self._counts(whose)

    def _whose(self, owner: str, everyone: bool) -> str | None:
        """Whose jobs are listed: the owner's, or, for who may see what concerns all, everyone's (None)."""
        if everyone and not self.is_operator(owner):
            message = "Only owners named by --web-operators see the jobs of all."
            raise ServiceError(Code.PERMISSION_DENIED, "NOT_AN_OPERATOR", message)
        return None if everyone else owner

    def _counts(self, owner: str | None) -> dict[str, int]:
        return {state.name.lower(): count for state, count in self._store.jobs.counts(owner).items()}

    def _job_json(self, job: Row[Any]) -> dict[str, Any]:
        return views.job_json(job, self._trainings.of(job.key))

    async def _live(self, request: web.Request) -> web.StreamResponse:
        """Events: the newest jobs, those that run, and how many there are in each state."""
        caller = request[CALLER]
        whose = self._whose(await self.calls.owner(caller), bool(request.query.get("all")))
        if whose not in self._feeds:
            self._feeds[whose] = Feed(lambda: self._run(self._newest, whose))

        async def news() -> AsyncGenerator[str, None]:
            async with self.calls.held(caller, "Live"), aclosing(self._feeds[whose].messages()) as messages:
                async for message in messages:
                    await self.calls.owner(caller)  # a token may have been revoked meanwhile
                    yield message

        return await _stream(request, news())

    def _newest(self, whose: str | None) -> dict[str, Any]:
        running = self._store.jobs.page(whose, [State.RUNNING, State.PAUSED], LIVE_JOBS, None)
        newest = self._store.jobs.page(whose, [], LIVE_JOBS, None)
        found = {job.key: job for job in (*running, *newest)}
        return {"jobs": [*map(self._job_json, found.values())], "counts": self._counts(whose)}

    async def _job(self, request: web.Request) -> web.StreamResponse:
        found = await self.calls.look(request[CALLER], "GetJob", self._whole_job, request.match_info["id"])
        return web.json_response(found)

    def _whole_job(self, owner: str, id: str) -> dict[str, Any]:
        job = self._store.jobs.get(owner, names.checked_id(id, "id"))
        training = self._trainings.of(job.key)
        address = self._addresses[0] if self._addresses else ""
        return {
            **views.job_json(job, training),
            "options": options_of(training),
            "log": views.log_of(job, self._store.jobs.lines(job.key)),
            "python": python_code(training, address),
            "r": r_code(training, address),
        }

    async def _curve(self, request: web.Request) -> web.StreamResponse:
        points = whole(request.query.get("points", ""), "points", views.MAX_POINTS)
        found = await self.calls.look(
            request[CALLER], "GetCurve", self._epochs, request.match_info["id"], min(points, views.MAX_POINTS)
        )
        return web.json_response(found)

    def _epochs(self, owner: str, id: str, points: int) -> dict[str, Any]:
        ((job, records),) = self._store.jobs.with_logs(owner, [names.checked_id(id, "id")])
        return self._thinned(job, records, points)

    def _thinned(self, job: Row[Any], records: bytes | None, points: int) -> dict[str, Any]:
        return views.curve(self._store.epoch_log(job.key).thinned(points, records))

    async def _compare(self, request: web.Request) -> web.StreamResponse:
        """Several jobs with their options and curves."""
        ids = [*dict.fromkeys(request.query.get("jobs", "").split(","))]
        if len(ids) > MAX_COMPARED:
            raise invalid("jobs", f"are {len(ids)}; at most {MAX_COMPARED} are compared at once")
        return web.json_response(await self.calls.look(request[CALLER], "CompareJobs", self._compared, ids))

    def _compared(self, owner: str, ids: list[str]) -> dict[str, Any]:
        points = min(COMPARED_POINTS // len(ids), views.MAX_POINTS)
        jobs = self._store.jobs.with_logs(owner, [names.checked_id(id, "jobs") for id in ids])
        return {
            "jobs": [
                {
                    **self._job_json(job),
                    "options": options_of(self._trainings.of(job.key)),
                    "curve": self._thinned(job, records, points),
                }
                for job, records in jobs
            ]
        }

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        """Events: a job's epochs from one on, its progress, its end."""
        after = whole(request.headers.get("Last-Event-ID") or request.query.get("after", ""), "after", 0)
        asked = training_pb2.WatchTrainingJobRequest(name=names.job_name(request.match_info["id"]), after_epoch=after)
        return await _stream(request, self._events(request[CALLER], asked))

    async def _events(self, caller: Caller, asked: training_pb2.WatchTrainingJobRequest) -> AsyncGenerator[str, None]:
        async for event in self.calls.many(caller, "WatchTrainingJob", asked):
            kind = event.WhichOneof("event")
            if kind == "epochs":
                yield json.dumps({"epochs": [*map(views.epoch_json, event.epochs.epoch)]})
            elif kind == "progress":
                shown = event.progress
                yield json.dumps(
                    {"progress": shown.progress, "position": shown.queue_position, "compiling": shown.compiling}
                )
            elif kind == "finished":
                yield json.dumps({"finished": State(event.finished.state).name.lower()})

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        name = names.job_name(request.match_info["id"])
        asked = training_pb2.CancelTrainingJobRequest(name=name)
        await self.calls.one(request[CALLER], "CancelTrainingJob", asked)
        return web.json_response({})

    async def _delete_job(self, request: web.Request) -> web.StreamResponse:
        name = names.job_name(request.match_info["id"])
        asked = training_pb2.DeleteTrainingJobRequest(name=name)
        await self.calls.one(request[CALLER], "DeleteTrainingJob", asked)
        return web.json_response({})

    async def _train_on(self, request: web.Request) -> web.StreamResponse:
        """A new job that goes on from where this one ended, on the same data, for as many epochs again."""
        caller, id = request[CALLER], request.match_info["id"]
        training = await self.calls.look(caller, "GetTraining", self._training_on, id)
        asked = training_pb2.CreateTrainingJobRequest(training=training)
        created = await self.calls.one(caller, "CreateTrainingJob", asked)
        return web.json_response({"id": created.name.removeprefix("trainingJobs/")})

    def _training_on(self, owner: str, id: str) -> training_pb2.Training:
        job = self._store.jobs.get(owner, names.checked_id(id, "id"))
        if job.state in UNFINISHED or not job.model_name:
            raise precondition("NO_MODEL", "There is no model to train on; the job should have ended with one.")
        before = training_pb2.Training.FromString(training_of(self._store.jobs.to_do(job.key)))
        # As in R all options are those of the model; the random numbers go on as well.
        training = training_pb2.Training(x=before.x, y=before.y, stored_model=job.model_name)
        if job.random_state:
            training.random_state.ParseFromString(random_state_of(job))
        if job.keep_model:
            training.model_id = job.model_id
        return training

    # models -----------------------------------------------------------------------------------------------------------

    async def _models(self, request: web.Request) -> web.StreamResponse:
        asked = model_pb2.ListModelsRequest(page_size=PAGE, page_token=request.query.get("after", ""))
        page = await self.calls.one(request[CALLER], "ListModels", asked)
        return web.json_response({"models": [*map(_stored, page.models)], "after": page.next_page_token})

    async def _versions(self, request: web.Request) -> web.StreamResponse:
        asked = model_pb2.ListModelsRequest(
            page_size=PAGE, page_token=request.query.get("after", ""), parent=f"models/{request.match_info['id']}"
        )
        page = await self.calls.one(request[CALLER], "ListModels", asked)
        return web.json_response({"models": [*map(_stored, page.models)], "after": page.next_page_token})

    async def _model(self, request: web.Request) -> web.StreamResponse:
        name = _model_name(request)
        stored = await self.calls.one(request[CALLER], "GetModel", model_pb2.GetModelRequest(name=name))
        inside = await self._inside(request, "LookAtModel", views.model_json)
        return web.json_response({**_stored(stored), **inside})

    async def _inside(self, request: web.Request, name: str, look: Callable[[pytrainr.Model], Any]) -> Any:
        return await self.calls.aside(request[CALLER], name, self._computed.look_at, _model_name(request), look)

    async def _weights(self, request: web.Request) -> web.StreamResponse:
        wanted = request.query.get("name", "")

        def picture(model: pytrainr.Model) -> dict[str, Any]:
            found = views.weights_of(model)
            if wanted not in found:
                raise invalid("name", f"is {wanted[:80]!r}; the model has {', '.join(found)}")
            return views.heat_map(wanted, found[wanted])

        return web.json_response(await self._inside(request, "LookAtWeights", picture))

    async def _file(self, request: web.Request) -> web.StreamResponse:
        """The model as a file, to be kept."""
        format = request.query.get("format", "trainr")
        if format not in FORMATS:
            raise invalid("format", f"is {format[:40]!r}; it should be one of {', '.join(FORMATS)}")
        ending = FILE_FORMATS[FORMATS[format]].ending
        name = f"{request.match_info['id']}-{request.match_info['version']}{ending}"
        asked = model_pb2.WriteModelFileRequest(
            stored_model=_model_name(request), format=FORMATS[format], name=request.match_info["id"]
        )
        response = web.StreamResponse(
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Disposition": f'attachment; filename="{name}"',
            }
        )
        put_headers(response, request)
        async with aclosing(self.calls.many(request[CALLER], "WriteModelFile", asked)) as parts:
            async for part in parts:
                if not response.prepared:
                    response.content_length = part.size_bytes
                    await response.prepare(request)
                await response.write(part.data)
        return response

    async def _alias(self, request: web.Request) -> web.StreamResponse:
        body = await self.body(request)
        asked = model_pb2.SetModelAliasRequest(
            name=_model_name(request), alias=str(body.get("alias", "")), remove=bool(body.get("remove"))
        )
        return web.json_response(_stored(await self.calls.one(request[CALLER], "SetModelAlias", asked)))

    async def _predict(self, request: web.Request) -> web.StreamResponse:
        """The prediction for pasted rows, or for the first sequences of a stored data set."""
        body, caller = await self.body(request), request[CALLER]
        if body.get("job"):
            x = await self.calls.look(caller, "ReadData", self._first_sequences, str(body["job"]))
        else:
            x = rows.sequences_of(str(body.get("rows", "")))
        asked = prediction_pb2.PredictRequest(
            stored_model=_model_name(request), x=wire.encode_array(x), keep_output_dim=True
        )
        answer = await self.calls.one(caller, "Predict", asked)
        predicted = wire.decode_array(answer.prediction, "prediction")
        found = {"prediction": views.sequences(predicted), "x": views.sequences(x)}
        if body.get("states"):
            found["states"] = await self._inside(request, "LookAtStates", lambda model: views.states_of(model, x))
            found["gates"] = await self._inside(request, "LookAtGates", lambda model: views.gates_of(model, x))
        return web.json_response(found)

    # data sets --------------------------------------------------------------------------------------------------------

    def _first_sequences(self, owner: str, id: str) -> np.ndarray:
        job = self._store.jobs.get(owner, names.checked_id(id, "job"))
        return np.array(self._array(owner, job, "x")[: views.MAX_SEQUENCES])

    def _array(self, owner: str, job: Row[Any], which: str) -> np.ndarray:
        training = training_pb2.Training.FromString(training_of(self._store.jobs.to_do(job.key)))
        tensor: tensor_pb2.Tensor = getattr(training, which)
        if tensor.dataset:
            self._store.datasets.get(owner, names.dataset_sha256(tensor.dataset))
        return specification.arrays(self._store)(tensor, which.upper())

    async def _datasets(self, request: web.Request) -> web.StreamResponse:
        asked = dataset_pb2.ListDatasetsRequest(page_size=PAGE, page_token=request.query.get("after", ""))
        page = await self.calls.one(request[CALLER], "ListDatasets", asked)
        users = await self.calls.look(request[CALLER], "ListUsers", self._users)
        found = [
            {
                "sha256": (sha256 := each.name.removeprefix("datasets/")),
                "size": each.size_bytes,
                "created": each.create_time,
                "expires": each.expire_time,
                "users": users.get(sha256, [])[:20],
            }
            for each in page.datasets
        ]
        return web.json_response({"datasets": found, "after": page.next_page_token})

    def _users(self, owner: str) -> dict[str, list[dict[str, Any]]]:
        """The newest jobs of each data set, and as what they use it."""
        found: dict[str, list[dict[str, Any]]] = {}
        for job in self._store.jobs.page(owner, [], MAX_USERS_LOOKED_AT, None):
            training = self._trainings.of(job.key)
            for which, tensor in (("X", training.x), ("Y", training.y)):
                if tensor.dataset:
                    use = {"job": job.id, "as": which, "dim": list(tensor.dim)}
                    found.setdefault(tensor.dataset.removeprefix("datasets/"), []).append(use)
        return found

    async def _dataset(self, request: web.Request) -> web.StreamResponse:
        """The first sequences of a data set, with the shape that a job gave it."""
        found = await self.calls.look(request[CALLER], "LookAtData", self._look_at, request.match_info["sha256"])
        return web.json_response(found)

    def _look_at(self, owner: str, sha256: str) -> dict[str, Any]:
        self._store.datasets.get(owner, names.checked_sha256(sha256, "sha256"))
        users = self._users(owner).get(sha256, [])
        if not users:
            return {"users": []}
        job = self._store.jobs.get(owner, users[0]["job"])
        return {"users": users[:100], **views.sequences(self._array(owner, job, users[0]["as"].lower()))}

    # the server -------------------------------------------------------------------------------------------------------

    async def _server(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(await self.calls.look(request[CALLER], "GetServer", self._about))

    def _about(self, owner: str) -> dict[str, Any]:
        config, disk = self._config, shutil.disk_usage(self._config.data_dir)
        found: dict[str, Any] = {
            "owner": owner,
            "version": pytrainr.__version__,
            "python": sys.version.split()[0],
            "numpy": np.__version__,
            "addresses": self._addresses,
            "training_threads": config.training_threads,
            "prediction_threads": config.prediction_threads,
            "memory": config.memory_bytes,
            "stored": self._store.stored_bytes(owner),
            "may_store": config.max_stored_bytes,
            "jobs": self._counts(owner),
        }
        if self.is_operator(owner):
            found["all_jobs"] = {state.name.lower(): count for state, count in self._store.jobs.counts().items()}
            found["began"] = self._began
            found["queue"] = self._store.jobs.queue()
            found["workers"] = [worker._asdict() for worker in self._store.jobs.workers()]
            found["disk"] = {"free": disk.free, "total": disk.total}
            found["tokens"] = [
                {
                    "id": token.id,
                    "owner": token.owner,
                    "created": token.create_time,
                    "expires": token.expire_time,
                    "revoked": token.revoke_time,
                }
                for token in self._tokens()
            ]
        return found

    def is_operator(self, owner: str) -> bool:
        """Whether an owner may see what concerns all."""
        return owner in self._config.web_operators or (owner == LOCAL_OWNER and self._config.web_loopback)


def names_after(text: str) -> tuple[float, str] | None:
    """Where a page begins. Raises INVALID_ARGUMENT."""
    if not text:
        return None
    time, _, id = text.partition(",")
    try:
        return float(time), names.checked_id(id, "after")
    except ValueError as error:
        raise invalid("after", "is not one that this server gave") from error


def whole(text: str, field: str, default: int) -> int:
    """A whole number of a query. Raises INVALID_ARGUMENT."""
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise invalid(field, f"is {text[:40]!r}; it should be a whole number, zero or more")
    return int(text)


def _model_name(request: web.Request) -> str:
    return f"models/{request.match_info['id']}@{request.match_info['version']}"


def _stored(model: model_pb2.StoredModel) -> dict[str, Any]:
    id, _, version = model.name.removeprefix("models/").partition("@")
    return {
        "id": id,
        "version": int(version),
        "aliases": list(model.alias),
        "created": model.create_time,
        "expires": model.expire_time,
        "size": model.size_bytes,
        "job": model.training_job.removeprefix("trainingJobs/"),
        "network": f"{'exact ' if model.exact else ''}{model.network_type}",
        "dims": list(model.synapse_dim),
        "numepochs": model.numepochs,
        "error": views.number(model.final_error),
    }


async def _stream(request: web.Request, messages: AsyncGenerator[str, None]) -> web.StreamResponse:
    """Server-sent events. What goes wrong before the first is an answer of its own, later an event "failed"."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
    put_headers(response, request)
    await response.prepare(request)
    with suppress(ConnectionError):  # the browser has gone
        async with aclosing(messages):
            try:
                async for message in messages:
                    await response.write(f"data: {message}\n\n".encode())
            except ServiceError as error:
                text = json.dumps({"message": error.message, "again": error.code == Code.UNAVAILABLE})
                await response.write(f"event: failed\ndata: {text}\n\n".encode())
    return response
