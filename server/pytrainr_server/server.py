"""One running server: store, runner and gRPC front, from start to SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from trainr.v1 import (
    dataset_pb2,
    dataset_pb2_grpc,
    model_pb2,
    model_pb2_grpc,
    prediction_pb2,
    prediction_pb2_grpc,
    server_info_pb2,
    server_info_pb2_grpc,
    training_pb2,
    training_pb2_grpc,
)

from pytrainr import kernels, thread_count
from pytrainr_server import clock, telemetry
from pytrainr_server.config import Config, ConfigError
from pytrainr_server.descriptors import take_descriptors
from pytrainr_server.jobs.alone import CrashMark
from pytrainr_server.jobs.compilers import Compilers
from pytrainr_server.jobs.executors import opened_executor
from pytrainr_server.jobs.runner import MAX_WAITING_FOR_CALLERS, Places, Runner
from pytrainr_server.jobs.worker import WorkerSettings
from pytrainr_server.security.callers import Callers
from pytrainr_server.security.tls import server_credentials
from pytrainr_server.security.tokens import TokenStore
from pytrainr_server.service import connections
from pytrainr_server.service.admission import Admission
from pytrainr_server.service.batches import CREATE_MANY, WATCH_MANY, check_seen, check_size
from pytrainr_server.service.computed_models import ComputedModels
from pytrainr_server.service.datasets import DatasetService
from pytrainr_server.service.fair_threads import FairThreads
from pytrainr_server.service.guard import Guard, current_owner_or_none
from pytrainr_server.service.models import ModelService
from pytrainr_server.service.parts import Parts
from pytrainr_server.service.prediction import PredictionService
from pytrainr_server.service.receiving import Receiving
from pytrainr_server.service.server_info import ServerInfoService
from pytrainr_server.service.training import TrainingService
from pytrainr_server.store.quotas import Quota
from pytrainr_server.store.store import Store, StoreSettings, lock_directory, opened

if TYPE_CHECKING:
    from pytrainr_server.web.website import Website

STORE_THREADS = 8
FILE_THREADS = 2
SPARE_CALLS = 100  # for health probes while all others are taken
SWITCH_SECONDS = 0.0005
SERVICES = tuple(
    descriptor.full_name
    for module in (dataset_pb2, model_pb2, prediction_pb2, server_info_pb2, training_pb2)
    for descriptor in module.DESCRIPTOR.services_by_name.values()
)
log = logging.getLogger("pytrainr_server")


def _on_signals(stopping: asyncio.Event) -> None:
    """Set ``stopping`` where the process is told to end; on Windows also by Ctrl-Break and the console's end."""
    loop = asyncio.get_running_loop()
    names = ("SIGTERM", "SIGINT", "SIGBREAK")
    for number in (getattr(signal, name) for name in names if hasattr(signal, name)):
        try:
            loop.add_signal_handler(number, stopping.set)
        except NotImplementedError:  # Windows: Python's own handler, which wakes the loop
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stopping.set))


def _log_compiling(progress: kernels.Progress | None) -> None:
    if progress is not None:
        log.info("%s", progress)


def store_settings(config: Config) -> StoreSettings:
    """What opens the store of these settings."""
    return StoreSettings(
        config.database_url,
        config.data_dir,
        config.dataset_ttl_seconds,
        config.upload_ttl_seconds,
        config.max_stored_bytes,
        config.files,
        config.cache_bytes,
    )


class Server:
    """A server. ``executor`` may be any ``concurrent.futures.Executor``; by default a pool of threads trains."""

    def __init__(self, config: Config, executor: Executor | None = None) -> None:
        self.config = config
        self.addresses: list[str] = []
        self._executor = executor
        self._own_executor = executor is None
        # The directory is this server's alone, so a later server in it may take back what this one has leased.
        self._name = f"{socket.gethostname()}:{Path(config.data_dir).resolve()}"

    async def run(self, ready: Callable[[list[str]], None] | None = None) -> None:
        """Serve until SIGTERM or SIGINT; ``ready`` gets the addresses, the page's last, once calls are answered."""
        stopping = asyncio.Event()
        _on_signals(stopping)
        await self._start()
        try:
            log.info("serving on %s", ", ".join(self.addresses))
            if ready:
                ready(self.addresses + ([self._website.address] if self._website else []))
            await stopping.wait()
        finally:
            await self._stop()

    async def _start(self) -> None:
        config = self.config
        take_descriptors()
        kernels.listen(_log_compiling)
        if kernels.can_start_helpers():
            kernels.compile_elsewhere(Compilers(thread_count() + 1).obtain)
        self._store = self._open_store()
        self._lock = lock_directory(config.data_dir)
        self._crash_mark = CrashMark(self._store.directories.root)
        if crash := self._crash_mark.take():
            log.error("the last server on this directory died by a fault:\n%s", crash)
        self._crash_mark.watch()
        self._store.jobs.leave_all(self._name, clock.now() + config.grace_seconds)
        self._store_threads = FairThreads("store", STORE_THREADS)
        self._file_threads = FairThreads("files", FILE_THREADS)
        self._prediction_threads = FairThreads("predict", config.prediction_threads)
        if self._executor is None:
            threads = config.training_threads + MAX_WAITING_FOR_CALLERS
            self._executor = ThreadPoolExecutor(threads, "train")
        self._runner = self._make_runner(self._executor)
        self._runner.take_up(crashed=bool(crash))
        self._store.remove_leftovers()
        self._metrics = telemetry.serve_metrics(*config.metrics_address) if config.metrics else None
        self._grpc = self._make_grpc()
        self._bind()
        await self._grpc.start()
        if self._website is not None:
            await self._website.start()
        self._runner.start()
        for service in ("", *SERVICES):
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
        self._parts = Parts(self._store, self._executor, self._health, self._run)
        await self._parts.start()
        telemetry.tell_health("", "")

    def _open_store(self) -> Store:
        settings = store_settings(self.config)
        try:
            return opened(settings)
        except OSError as error:
            raise ConfigError(f"the data directory {self.config.data_dir} cannot be used: {error.strerror}") from error

    def _make_runner(self, executor: Executor) -> Runner:
        config = self.config
        settings = WorkerSettings(
            store_settings(config),
            config.checkpoint_seconds,
            config.lease_seconds,
            config.pause_seconds,
            config.job_memory_bytes,
        )
        quota = Quota(config.max_owner_places, config.max_owner_memory_bytes)
        places = Places(config.training_threads, config.training_memory_bytes, executor, quota)
        return Runner(self._store, executor, settings, self._name, places)

    def _make_grpc(self) -> grpc.aio.Server:
        config = self.config
        run = self._run
        tokens = TokenStore(self._store.database)
        receiving = Receiving(config.messages_under_way, config.max_message_seconds)
        most = config.max_jobs
        checks = {CREATE_MANY: partial(check_size, most=most), WATCH_MANY: partial(check_seen, most=most)}
        guard = Guard(Callers(config, tokens), run, receiving, config.max_calls, config.max_owner_calls, checks)
        self._guard = guard
        server = grpc.aio.server(
            interceptors=(guard,),
            maximum_concurrent_rpcs=config.max_calls + SPARE_CALLS,
            options=[
                ("grpc.max_receive_message_length", config.max_message_bytes),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", 0),
                # A client that is gone without a word is noticed, and cannot hold memory for long.
                ("grpc.keepalive_time_ms", 30_000),
                ("grpc.keepalive_timeout_ms", 10_000),
                ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.max_ping_strikes", 10),
                # A connection that never says what it wants, or that asks for ever more at once.
                ("grpc.server_handshake_timeout_ms", 10_000),
                ("grpc.max_concurrent_streams", config.max_owner_calls + SPARE_CALLS),
                ("grpc.max_metadata_size", 16_384),
                ("grpc.absolute_max_metadata_size", 32_768),
                connections.SERVER_OPTION,
            ],
        )
        admission = Admission(self._store, config, self._name, self._runner)
        self._training = TrainingService(self._store, config, admission, run, self._remove, self._name)
        training_pb2_grpc.add_TrainingServiceServicer_to_server(self._training, server)
        computed = ComputedModels(self._store, config, self._prediction_threads)
        models = ModelService(self._store, config, run, self._remove, computed)
        model_pb2_grpc.add_ModelServiceServicer_to_server(models, server)
        predictions = PredictionService(config, run, computed)
        prediction_pb2_grpc.add_PredictionServiceServicer_to_server(predictions, server)
        datasets = DatasetService(self._store, config, run)
        dataset_pb2_grpc.add_DatasetServiceServicer_to_server(datasets, server)
        server_info_pb2_grpc.add_ServerInfoServiceServicer_to_server(
            ServerInfoService(self._store, config, run), server
        )
        self._website = self._make_website(guard, computed, (self._training, models, predictions, datasets), tokens)
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        shown = [*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME]
        if config.channelz:
            from grpc_channelz.v1 import channelz, channelz_pb2

            channelz.add_channelz_servicer(server)
            shown += [service.full_name for service in channelz_pb2.DESCRIPTOR.services_by_name.values()]
        if config.reflection:
            reflection.enable_server_reflection(shown, server)
        return server

    def _make_website(
        self, guard: Guard, computed: ComputedModels, services: Sequence[Any], tokens: TokenStore
    ) -> Website | None:
        if not self.config.web:
            return None
        try:
            from pytrainr_server.web.api import Api
            from pytrainr_server.web.calls import Calls
            from pytrainr_server.web.website import Website
        except ModuleNotFoundError as error:
            raise ConfigError(f"the page needs {error.name}: pip install 'pytrainr[web]'") from error
        calls = Calls(guard, self._run, services)
        api = Api(self._store, self.config, self._run, calls, computed, self.addresses, tokens.all)
        return Website(self.config, api)

    def _bind(self) -> None:
        credentials = server_credentials(self.config)
        for address in (address.target for address in self.config.addresses):
            try:
                if credentials is None:
                    port = self._grpc.add_insecure_port(address)
                else:
                    port = self._grpc.add_secure_port(address, credentials)
            except RuntimeError as error:
                raise ConfigError(f"cannot listen on {address}: is it in use, or not this machine's?") from error
            self.addresses.append(address if address.startswith("unix:") else f"{address.rpartition(':')[0]}:{port}")

    async def _run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run what touches the store in a thread, so that the loop stays free for other calls."""
        return await self._store_threads.run(current_owner_or_none(), function, *arguments)

    async def _remove(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run what removes files; it waits while a backup copies them, and nobody else waits with it."""
        return await self._file_threads.run(current_owner_or_none(), function, *arguments)

    async def _stop(self) -> None:
        """Say that no more will be taken, checkpoint, leave; within the time for it."""
        log.info("going down")
        telemetry.tell_health("", "going down")
        seconds = self.config.shutdown_seconds
        await self._parts.stop()
        await self._health.enter_graceful_shutdown()
        # Streams of Train end with UNAVAILABLE: their callers try again and find the job where it was.
        self._training.close()
        if self._website is not None:
            await self._website.stop()
        patience = min(1.0, seconds / 8)
        # Before gRPC stops: it cancels what it has not handed over yet, and a cancelled call is not tried again.
        await self._guard.close(patience)
        await self._grpc.stop(patience)
        await self._training.left()
        in_time = await asyncio.to_thread(self._runner.stop, seconds / 2)
        if not in_time:
            log.warning("some jobs could not be given back in time; they go on from their last checkpoint")
        if self._metrics is not None:
            self._metrics.shutdown()
        for threads in (self._store_threads, self._file_threads, self._prediction_threads):
            threads.shutdown(wait=in_time)
        if self._executor is not None and self._own_executor:
            self._executor.shutdown(wait=in_time, cancel_futures=True)
        self._store.database.close()
        opened.cache_clear()
        self._crash_mark.stop()
        self._lock.close()


def serve(config: Config, ready: Callable[[list[str]], None] | None = None) -> None:
    """Run a server until it is told to stop."""
    telemetry.set_up_logs(config.log_level, config.log_format)
    # A call is answered by several threads in turn; each hand-over may wait this long for a thread that is busy.
    sys.setswitchinterval(SWITCH_SECONDS)
    telemetry.set_up_tracing(config.tracing)
    with opened_executor(config.executor, config.training_threads) as executor:
        asyncio.run(Server(config, executor).run(ready))
