"""macOS and Windows (issue 10.5): what is missing there is pretended to be missing here."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pytrainr_server.local import start_local_server
from pytrainr_server.store import files

from pytrainr import Model, RRandom, predictr, storage, trainr

ROOT = Path(__file__).resolve().parents[2]

WITHOUT = """
import os, signal, sys
import grpc.aio, numba, numpy, sqlalchemy  # theirs is theirs
for module, names in {
    os: ["fork", "register_at_fork", "sched_getaffinity", "sysconf", "uname", "getuid", "fchmod", "O_DIRECTORY"],
    signal: ["SIGKILL", "SIGHUP", "SIGUSR1", "SIGALRM", "alarm", "pthread_sigmask", "setitimer"],
}.items():
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
"""
USED = """
import asyncio
import numpy as np, pytrainr, pytrainr.cli, pytrainr_client
import pytrainr_server.cli, pytrainr_server.server, pytrainr_server.local, pytrainr_server.failpoints
pytrainr.set_threads(2)
X = pytrainr.RRandom(1).unif_rand(4000 * 10).reshape(4000, 10, 1)
for options in ({}, {"exact": True, "network_type": "gru"}):
    model = pytrainr.trainr(X, X, rng=pytrainr.RRandom(2), learningrate=0.01, hidden_dim=16, batch_size=1000,
                            epoch_function=[], **options)
    model.save("m.model")
    loaded = pytrainr.Model.load("m.model", mmap=True)
    assert np.array_equal(pytrainr.predictr(loaded, X), pytrainr.predictr(model, X))
pytrainr.set_threads(None)
assert pytrainr.thread_count() >= 1
print("done")
"""


def test_nothing_but_what_every_system_has_is_called(tmp_path):
    """Import, train in both arithmetics in threads, save, load and predict, without POSIX's own calls."""
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT + USED], cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == "done\n"


def test_no_text_file_is_opened_in_the_system_s_own_encoding(tmp_path):
    """cp1252 on Windows."""
    script = (
        "import pytrainr, pytrainr.cli, sys\n"
        "open('t.csv', 'w', encoding='utf-8').write('time,value\\n' + ''.join(f'{t},{t % 7}\\n' for t in range(80)))\n"
        "train = 'train t.csv --y value --time time --lookback 4 --learningrate 0.1 --numepochs 2 --out t.model'\n"
        "assert pytrainr.cli.main(train.split()) == 0\n"
        "assert pytrainr.cli.main('predict t.model t.csv --out p.csv'.split()) == 0\n"
    )
    command = [sys.executable, "-X", "warn_default_encoding", "-c", script]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert not [line for line in run.stderr.splitlines() if "EncodingWarning" in line and "/pytrainr/" in line]


@pytest.fixture
def small():
    X = RRandom(1).unif_rand(40).reshape(20, 2, 1)
    return X, trainr(X, X, learningrate=0.1, hidden_dim=3, epoch_function=[], rng=RRandom(1))


def test_a_model_that_windows_keeps_mapped_is_named_when_it_cannot_be_replaced(tmp_path, monkeypatch, small):
    X, model = small
    model.save(tmp_path / "m.model")

    def denied(source, target):
        raise PermissionError(13, "Access is denied", str(source))

    monkeypatch.setattr(storage.os, "replace", denied)
    with pytest.raises(PermissionError, match="Access is denied"):
        model.save(tmp_path / "m.model")
    monkeypatch.setattr(storage.os, "name", "nt")
    with monkeypatch.context():
        monkeypatch.setattr(storage, "Path", pathlib.PosixPath)  # Path() asks os.name which of the two it is
        with pytest.raises(PermissionError, match=r"m\.model cannot be replaced: Windows keeps a file that is open"):
            model.save(tmp_path / "m.model")
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["m.model"]
    assert np.array_equal(predictr(Model.load(tmp_path / "m.model"), X), predictr(model, X))


def test_a_file_that_windows_keeps_mapped_waits_for_the_next_collection_of_garbage(tmp_path, monkeypatch):
    file = tmp_path / "mapped"
    file.touch()
    monkeypatch.setattr(pathlib.Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(PermissionError(13, "in use")))
    with pytest.raises(PermissionError):
        files.remove(file)
    monkeypatch.setattr(files.os, "name", "nt")
    assert not files.remove(file)
    monkeypatch.undo()
    assert files.remove(file)
    assert not file.exists()


def test_where_folders_cannot_be_opened_they_are_not_synced(tmp_path, monkeypatch):
    opened = os.open

    def no_folders(path, *arguments, **given):
        if os.path.isdir(path):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **given)

    monkeypatch.setattr(files.os, "open", no_folders)
    with files.replacing(tmp_path / "file") as file:
        file.write(b"whole")
    assert (tmp_path / "file").read_bytes() == b"whole"


def test_windows_locks_are_used_where_there_is_no_fcntl(tmp_path, monkeypatch):
    from pytrainr_server.store import store

    called = []

    class Msvcrt:
        LK_LOCK, LK_NBLCK = 1, 2

        @staticmethod
        def locking(handle, mode, count):
            called.append((mode, count))
            if len(called) > 1:
                raise OSError(13, "Permission denied")

    monkeypatch.setattr(store.sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "msvcrt", Msvcrt)
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with store.lock_directory(tmp_path), pytest.raises(store.DirectoryInUseError):
        store.lock_directory(tmp_path)
    assert called == [(Msvcrt.LK_NBLCK, 1)] * 2


def test_a_local_server_checkpoints_and_leaves_without_a_signal(tmp_path, monkeypatch):
    """On Windows SIGTERM is the end of a process, so `stop` must not need it."""
    with start_local_server(tmp_path) as server:
        monkeypatch.setattr(server.process, "terminate", None)
        monkeypatch.setattr(server.process, "send_signal", None)
        assert server.stop() == 0
        assert "going down" in server.log.read_text(encoding="utf-8")


def test_where_the_loop_takes_no_signal_handlers_python_s_own_stop_the_server(tmp_path):
    """As on Windows, where asyncio has no add_signal_handler."""
    script = (
        "import asyncio.unix_events as events, sys\n"
        "from asyncio import AbstractEventLoop\n"
        "events._UnixSelectorEventLoop.add_signal_handler = AbstractEventLoop.add_signal_handler\n"
        "import asyncio.runners\n"
        "from pytrainr_server.__main__ import main\n"
        "sys.exit(main())"
    )
    ready = tmp_path / "ready"
    command = [sys.executable, "-c", script, "serve", "--data-dir", str(tmp_path / "data"), "--listen", "127.0.0.1:0"]
    with open(tmp_path / "log", "w+b") as log:
        server = subprocess.Popen([*command, "--ready-file", str(ready)], stdout=log, stderr=log)
        try:
            while not ready.exists():
                assert server.poll() is None, (tmp_path / "log").read_text(encoding="utf-8")
            server.send_signal(signal.SIGTERM)
            assert server.wait(60) == 0
        finally:
            server.kill()
    assert "going down" in (tmp_path / "log").read_text(encoding="utf-8")


def test_a_grpc_without_its_private_names_counts_every_connection_as_open():
    script = (
        "from grpc._cython import cygrpc\n"
        "del cygrpc.channelz_get_servers\n"
        "from pytrainr_server.service import connections\n"
        "print(connections.is_open('ipv4:127.0.0.1:1'))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "True\n"


def test_without_an_80_bit_long_double_sums_are_compensated():
    """ARM and others: the module that teaches Numba the x87's format is told that it is there."""
    script = (
        "import platform; platform.machine = lambda: 'arm64'\n"
        "import numpy as np, pytrainr\n"
        "from pytrainr.numerics import long_double\n"
        "assert not long_double.HAS_LONG_DOUBLE\n"
        "means = np.empty(1); long_double.column_means(means, np.asfortranarray([[1e16], [1.0], [-1e16], [2.0]]))\n"
        "print(means[0])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout == "0.75\n"
