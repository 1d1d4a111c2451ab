"""Which kernels are being compiled, by whom; and other processes that compile beside this one.

What a kernel calls by address is compiled by itself, so it can be compiled at the same time. Whoever meets such a
function while compiling puts it on a list; helpers, Python processes without a terminal that import nothing of the
user's, take from it, leave the result in the kernels' folder, and add what they meet themselves. Whoever needs a kernel
waits for the helper that has it and compiles others meanwhile. So everything also works, and is only slower, where no
helper can be started: on one processor, inside another program's Python, or in a child of a fork.

A server's process compiles nothing itself, since Numba lets one thread compile at a time and what others wait for may
be a stranger's: ``compile_elsewhere`` gives it another way to its kernels.

``listen`` says who is told about it; without anybody a line on the standard error tells what takes so long.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NamedTuple, TextIO

import numba

from pytrainr.forks import in_child
from pytrainr.numerics import kernel_folder
from pytrainr.numerics.numba_internals import load_array_functions

__all__ = [
    "Helper",
    "Line",
    "Progress",
    "Task",
    "begin",
    "can_start_helpers",
    "compile_elsewhere",
    "compiled_so_far",
    "end",
    "fetch",
    "help_out",
    "helper_count",
    "listen",
    "now_compiling",
    "obtain",
    "register",
    "want",
]

_MOST_HELPERS = 3
_SILENT_SECONDS = 0.7  # what is shorter needs no explanation
_IDLE_SECONDS = 5.0  # a helper without work ends


class Task(NamedTuple):
    """A kernel of ``module`` to be compiled for arguments of these ``kinds``."""

    module: str
    name: str
    kinds: tuple[Any, ...]

    def __str__(self) -> str:
        return self.name.removeprefix("pytrainr.")


class Progress(NamedTuple):
    """The kernel under way, or one of several: number ``number`` of the ``known`` that this process needs so far."""

    kernel: str
    number: int
    known: int

    def __str__(self) -> str:
        return f"compiling {self.kernel} ({self.number} of {self.known}), once for this machine"


_kernels: dict[str, Any] = {}


def register(name: str, dispatcher: Any) -> None:
    """Every kernel by its name, for helpers."""
    _kernels[name] = dispatcher


def compile_here(task: Task) -> None:
    """Load the kernel, or compile it, in this process."""
    if task.name not in _kernels:
        import_module(task.module)
    try:
        _kernels[task.name].compile(task.kinds)
    except BaseException:
        end(task)  # or it would seem to go on for ever
        raise


# what is wanted, and who does it --------------------------------------------------------------------------------------


class _List:
    """Tasks: those that wait, those under way (here or in a helper), and how many are done."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.waiting: dict[Task, None] = {}
        self.helped: set[Task] = set()
        self.here: list[Task] = []
        self.done = 0
        self.helpers = 0
        self.may_start = _can_help()

    def want(self, task: Task) -> None:
        with self.changed:
            if self.may_start and task not in self.helped and task not in self.here:
                self.waiting[task] = None
                self.start_helpers(self.helpers + len(self.waiting))
                self.changed.notify_all()

    def start_helpers(self, wanted: int) -> None:
        while self.may_start and self.helpers < min(wanted, helper_count()):
            self.helpers += 1
            threading.Thread(target=_supervise, args=(self,), daemon=True, name="pytrainr-compiling").start()

    def take(self) -> Task | None:
        """For a helper: the next task; None after a while without any."""
        end = time.monotonic() + _IDLE_SECONDS
        with self.changed:
            while not self.waiting and (left := end - time.monotonic()) > 0:
                self.changed.wait(left)
            if not self.waiting:
                self.helpers -= 1
                return None
            task = next(iter(self.waiting))
            del self.waiting[task]
            self.helped.add(task)
        _tell()
        return task

    def returned(self, task: Task) -> None:
        with self.changed:
            self.helped.discard(task)
            self.done += 1
            self.changed.notify_all()
        _tell()

    def lost_helper(self) -> None:
        """One could not be started, or has ended in the midst of its work: do without."""
        with self.changed:
            self.helpers -= 1
            self.may_start = False
            if not self.helpers:
                self.waiting.clear()
            self.changed.notify_all()

    def obtain(self, task: Task) -> None:
        while True:
            with self.changed:
                self.waiting.pop(task, None)
                if task not in self.helped:
                    return
                other = next(iter(self.waiting), None)
                if other is None:
                    self.changed.wait(0.2)
                    continue
                del self.waiting[other]
            compile_here(other)

    def progress(self) -> Progress | None:
        with self.changed:
            current = [*self.here, *self.helped]
            if not current:
                return None
            known = self.done + len(current) + len(self.waiting)
            return Progress(str(current[-1] if self.here else current[0]), self.done + 1, known)


def helper_count() -> int:
    """As many as there are processors beside this one's."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = os.environ.get("PYTRAINR_THREADS", "")
    if wanted.isdecimal():
        processors = min(processors, int(wanted))
    return max(0, min(processors - 1, _MOST_HELPERS))


def can_start_helpers() -> bool:
    """Whether this is a Python that can be started again."""
    is_python = Path(sys.executable or "").name.lower().startswith(("python", "pypy"))
    return is_python and not getattr(sys, "frozen", False)


def _can_help() -> bool:
    return can_start_helpers() and helper_count() > 0


_list = _List()


def _forget_in_child() -> None:
    """A forked child has none of the threads and shares the helpers' pipes with its parent: it compiles by itself."""
    global _list
    _list = _List()
    _list.may_start = False


in_child(_forget_in_child)


def want(task: Task) -> None:
    """``task`` will be needed: whoever has time may compile it."""
    _report(task) if _report else _list.want(task)


def compile_elsewhere(obtain: Callable[[Task], None]) -> None:
    """From now on ``obtain(task)`` is called by the thread that needs a kernel which is not in the folder, before it
    takes a lock, and returns when the kernel is there. Where it is not then, it is compiled here."""
    global _elsewhere
    _elsewhere = obtain
    _list.may_start = False  # no other helpers


def fetch(task: Task, is_kept: Callable[[], bool]) -> None:
    """A thread that holds no lock will need ``task`` at once."""
    if _elsewhere is not None and not is_kept():
        begin(task)
        try:
            _elsewhere(task)
        finally:
            end(task)


_elsewhere: Callable[[Task], None] | None = None


def obtain(task: Task) -> None:
    """Returns when ``task`` is in the kernels' folder, or is to be compiled here."""
    _list.obtain(task)


def begin(task: Task) -> None:
    """``task`` is now compiled here; more is likely to follow, and a helper needs a second to be ready."""
    with _list.changed:
        _list.here.append(task)
        _list.start_helpers(1)
    _tell()


def end(task: Task) -> None:
    """It no longer is."""
    with _list.changed:
        if task in _list.here:
            _list.here.remove(task)
            _list.done += 1
    _tell()


# helpers --------------------------------------------------------------------------------------------------------------

_HELPER = (
    "import sys; sys.path[:] = sys.argv[2:]; from pytrainr.numerics import compiling; compiling.help_out(sys.argv[1])"
)
_report: Callable[[Task], None] | None = None


def _start() -> subprocess.Popen[bytes]:
    config = {name: getattr(numba.config, name, None) for name in ("CPU_NAME", "CPU_FEATURES", "CACHE_DIR")}
    environment = os.environ | {f"NUMBA_{name}": str(value) for name, value in config.items() if value}
    path = [entry for entry in sys.path if isinstance(entry, str)]
    return subprocess.Popen(
        [sys.executable, "-c", _HELPER, str(kernel_folder.folder()), *path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=os.name == "posix",  # Ctrl-C is not for it
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )


_READY = Task("", "ready", ())


class Helper:
    """A process that compiles for this one, from when it is ready, which takes a second: whoever needs a kernel sooner
    has it by then. Raises ``OSError`` where none can be started."""

    def __init__(self) -> None:
        self._process = _start()
        assert self._process.stdout is not None
        if _received(self._process.stdout) != _READY:
            self.close()
            raise OSError("the process that was to compile has ended")

    def compile(self, task: Task, announce: Callable[[Task], None]) -> bool:
        """Whether it is done, well or not; ``announce`` hears of what will be needed beside it. False: it has died."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            _send(self._process.stdin, task)
            while (answer := _received(self._process.stdout)) != task:
                if answer is None:
                    return False
                announce(answer)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """It ends when it has done what it is at."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def _supervise(tasks: _List) -> None:
    """A helper's life, seen from here."""
    try:
        helper = Helper()
    except OSError:
        tasks.lost_helper()
        return
    while (task := tasks.take()) is not None:
        try:
            if not helper.compile(task, tasks.want):
                tasks.lost_helper()
                break
        finally:
            tasks.returned(task)
    helper.close()


def help_out(kernels: str) -> None:
    """A helper's work: compile what is read from the standard input into the folder ``kernels``."""
    global _report
    kernel_folder.use(Path(kernels))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nobody reads what may be printed
    _list.may_start = False
    _report = lambda task: _send(answers, task)  # noqa: E731
    load_array_functions()
    _send(answers, _READY)
    while (task := _received(sys.stdin.buffer)) is not None:
        with contextlib.suppress(Exception):  # whoever needs it compiles it again, and hears the reason
            compile_here(task)
        _send(answers, task)


def _send(stream: IO[bytes], task: Task) -> None:
    text = pickle.dumps(task)
    stream.write(len(text).to_bytes(8, "little") + text)
    stream.flush()


def _received(stream: IO[bytes]) -> Task | None:
    """None at the end."""
    size = int.from_bytes(stream.read(8), "little")
    text = stream.read(size) if size else b""
    return pickle.loads(text) if size and len(text) == size else None


# telling --------------------------------------------------------------------------------------------------------------


class Line:
    """A line that says what is going on, on ``stream`` or the standard error, until called with None.

    On a terminal it is the same one again and again, else one that stays.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream
        self.since: float | None = None
        self.shown = self.left = False

    def __call__(self, progress: object) -> None:
        stream = self.stream or sys.stderr
        if stream is None:
            return
        if progress is None:
            if self.shown:
                stream.write("\r\x1b[K")
                stream.flush()
            self.shown = False
            return
        self.since = self.since or time.monotonic()
        if time.monotonic() < self.since + _SILENT_SECONDS:
            return
        if stream.isatty():
            stream.write(f"\rpytrainr: {progress} …\x1b[K")
            stream.flush()
            self.shown = True
        elif not self.left:
            self.left = True
            print(f"pytrainr: {progress} …", file=stream, flush=True)


_listener: Callable[[Progress | None], None] = Line()


def listen(listener: Callable[[Progress | None], None]) -> None:
    """Tell ``listener`` of every change: what is being compiled, or None. It is called from any thread."""
    global _listener
    _listener = listener


def compiled_so_far() -> int:
    """How many kernels this process and its helpers have compiled."""
    return _list.done


def now_compiling() -> Progress | None:
    """What is being compiled in this process and its helpers, if anything."""
    return _list.progress()


def _tell() -> None:
    if _report is None:
        with contextlib.suppress(OSError, ValueError):  # nothing depends on somebody's hearing it
            _listener(_list.progress())
