"""What comes in at the port, whoever sends it: memory stays flat, others are served (issues 18.6 and 18.8)."""

from __future__ import annotations

import random
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pytrainr_server import LocalServer, start_local_server
from trainr.addresses import AddressError, parse_address
from trainr.v1 import training_pb2, training_pb2_grpc

from tests.service.conftest import create_token
from tests.service.test_bad_input import training

MIB = 1 << 20
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING = 0, 1, 3, 4, 6
LIST = "/trainr.v1.TrainingService/ListTrainingJobs"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    flags = ["--max-message-bytes", str(4 * MIB), "--grace-seconds", "600"]
    with start_local_server(tmp_path_factory.mktemp("port"), flags=flags) as started:
        yield started


@pytest.fixture
def unharmed(server: LocalServer) -> Iterator[None]:
    """Afterwards the server answers others, and has taken no memory for good."""
    process = psutil.Process(server.process.pid)
    served(server)
    before = process.memory_info().rss
    yield
    served(server)
    assert process.memory_info().rss - before < 64 * MIB
    assert "Traceback" not in server.log.read_text()


def served(server: LocalServer) -> None:
    with grpc.insecure_channel(server.address) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=300)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


def connected(server: LocalServer) -> socket.socket:
    host, _, port = server.address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=300)


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name: str, value: str) -> bytes:
    """A header without compression; both shorter than 127 bytes."""
    return b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def call_headers(path: str) -> bytes:
    fields = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "a"}
    fields |= {"content-type": "application/grpc", "te": "trailers"}
    return b"".join(literal(name, value) for name, value in fields.items())


def sent_until_closed(connection: socket.socket, pieces: Iterator[bytes]) -> bytes:
    """Send until the other side has had enough; what it said."""
    connection.settimeout(0.05)
    received = b""
    for piece in pieces:
        try:
            connection.sendall(piece)
            received += connection.recv(65_536)
        except TimeoutError:
            continue
        except OSError:
            break
    connection.settimeout(5)
    try:
        while data := connection.recv(65_536):
            received += data
    except OSError:
        pass
    return received


def test_random_bytes_close_the_connection(server: LocalServer, unharmed: None) -> None:
    chance = random.Random(1)
    for number in range(40):
        with connected(server) as connection:
            start = PREFACE + frame(SETTINGS, 0, 0, b"") if number % 2 else b""
            connection.sendall(start + chance.randbytes(chance.randrange(1, 3000)))


def test_pings_without_end_close_the_connection(server: LocalServer, unharmed: None) -> None:
    def pings() -> Iterator[bytes]:
        yield PREFACE + frame(SETTINGS, 0, 0, b"")
        for _ in range(200):
            yield frame(PING, 0, 0, bytes(8)) * 50

    with connected(server) as connection:
        assert b"too_many_pings" in sent_until_closed(connection, pings())


def test_rapid_resets(server: LocalServer, unharmed: None) -> None:
    """Calls begun and given up at once, as fast as they can be sent."""
    headers, reset = call_headers(LIST), struct.pack(">I", 8)

    def calls() -> Iterator[bytes]:
        yield PREFACE + frame(SETTINGS, 0, 0, b"")
        for first in range(1, 6001, 200):
            streams = range(first, first + 200, 2)
            yield b"".join(frame(HEADERS, 4, s, headers) + frame(RESET, 0, s, reset) for s in streams)

    with connected(server) as connection:
        sent_until_closed(connection, calls())


def test_headers_without_end_are_refused(server: LocalServer, unharmed: None) -> None:
    with grpc.insecure_channel(server.address) as channel:
        call = channel.unary_unary(LIST)
        metadata = [(f"x-{number}", "y" * 1000) for number in range(60)]
        with pytest.raises(grpc.RpcError):
            call(b"", metadata=metadata, timeout=300)


def test_messages_that_expand_are_cut_where_the_limit_is(server: LocalServer, unharmed: None) -> None:
    """64 MiB of zeros are 64 KiB in gzip; the limit of 4 MiB is for what comes out."""
    with grpc.insecure_channel(server.address) as channel:
        call = channel.unary_unary("/trainr.v1.PredictionService/Predict")
        for _ in range(3):
            with pytest.raises(grpc.RpcError) as error:
                call(bytes(64 * MIB), compression=grpc.Compression.Gzip, timeout=300)
            assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED  # type: ignore[attr-defined]


PREDICT = "/trainr.v1.PredictionService/Predict"


def begun_messages(token: str) -> bytes:
    """A connection on which a hundred calls begin a message of 3 MiB each, and do not go on."""
    headers = call_headers(PREDICT) + literal("authorization", f"Bearer {token}")
    begun = b"\x00" + struct.pack(">I", 3 * MIB) + bytes(300)
    calls = [frame(HEADERS, 4, s, headers) + frame(DATA, 0, s, begun) for s in range(1, 201, 2)]
    return PREFACE + frame(SETTINGS, 0, 0, b"") + b"".join(calls)


def test_slow_senders_end_with_a_reason_and_keep_nobody_waiting(tmp_path: Path) -> None:
    """Three hundred calls of one owner whose messages never end, and handshakes that stop: another owner is served
    meanwhile, no memory is held for what has not come, and the server ends each call and says why."""
    alice, bob = (create_token(tmp_path, owner) for owner in ("alice", "bob"))
    flags = ["--max-message-bytes", str(4 * MIB), "--max-message-seconds", "10", "--memory-bytes", str(512 * MIB)]
    with start_local_server(tmp_path, flags=flags) as server:
        process = psutil.Process(server.process.pid)
        served(server)
        before = process.memory_info().rss
        slow = [connected(server) for _ in range(6)]
        with grpc.insecure_channel(server.address) as channel:
            for index, connection in enumerate(slow):
                connection.sendall(begun_messages(alice) if index % 2 else PREFACE[:5])
            silent = channel.stream_unary(PREDICT).future(never(), metadata=[("authorization", f"Bearer {alice}")])
            stub = training_pb2_grpc.TrainingServiceStub(channel)
            for _ in range(20):
                served(server)
                stub.ListTrainingJobs(
                    training_pb2.ListTrainingJobsRequest(), metadata=[("authorization", f"Bearer {bob}")], timeout=300
                )
            assert silent.exception(timeout=300) is not None
            assert silent.code() in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED)
            assert any(reason in silent.details() for reason in ("did not come within 10 s", "Too many messages"))
        assert process.memory_info().rss - before < 64 * MIB
        eventually(lambda: server.log.read_text().count("code=DEADLINE_EXCEEDED") >= 4)
        for connection in slow:
            connection.close()
        served(server)
        assert "Traceback" not in server.log.read_text()


def test_who_is_not_known_is_told_so_before_a_message_is_taken(tmp_path: Path) -> None:
    """Without a token the end comes although the message never does."""
    create_token(tmp_path, "alice")
    with start_local_server(tmp_path) as server, grpc.insecure_channel(server.address) as channel:
        call = channel.stream_unary(PREDICT).future(never())
        assert call.exception(timeout=300) is not None
        assert call.code() == grpc.StatusCode.UNAUTHENTICATED


def never() -> Iterator[bytes]:
    """A message that does not come."""
    time.sleep(30)
    yield b""


def eventually(what: Callable[[], bool], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_cancel_is_heard_beside_many_idle_connections(server: LocalServer) -> None:
    """More sockets than one page of gRPC's list. Grace is ten minutes: what ends the job is the cancel."""
    idle = []
    try:
        for _ in range(600):
            connection = connected(server)
            connection.sendall(PREFACE + frame(SETTINGS, 0, 0, b""))
            idle.append(connection)
        message = training(options={"numepochs": 10**8})
        with grpc.insecure_channel(server.address) as channel:
            stub = training_pb2_grpc.TrainingServiceStub(channel)
            call = stub.Train(training_pb2.TrainRequest(training=message))
            name = next(call).accepted.name
            request = training_pb2.GetTrainingJobRequest(name=name)
            eventually(lambda: stub.GetTrainingJob(request).epoch > 0)
            call.cancel()
            eventually(lambda: stub.GetTrainingJob(request).state == training_pb2.JOB_STATE_CANCELLED)
    finally:
        for connection in idle:
            connection.close()


def test_a_path_too_long_for_a_unix_socket_says_so(tmp_path: Path) -> None:
    path = "/" + "x" * 107
    with pytest.raises(AddressError, match="107 bytes at most, this one has 108"):
        parse_address(f"unix:{path}")
    assert parse_address(f"unix:{path[:107]}").target == f"unix:{path[:107]}"
    with pytest.raises(RuntimeError, match="107 bytes at most"):
        start_local_server(tmp_path, listen=f"unix:{path}")
