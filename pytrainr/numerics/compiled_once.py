"""Functions that are compiled once and called by address, instead of being copied into every kernel that uses them.

Numba links whatever a kernel calls into the kernel and optimises it there again. With hundreds of vector routines
behind a matrix product that takes minutes. A function decorated here is compiled, and cached, by itself. A kernel asks
for its address when it first calls it, and only then is it loaded, or compiled if it never was: what a training does
not use costs nothing.

Such a function writes to the memory that it is given and returns nothing, or a number if it is annotated with ``float``
or ``int``: what calls it can be compiled before it, or beside it.
"""

from __future__ import annotations

import ctypes
import inspect
import pickle
import threading
import traceback
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils

from pytrainr.numerics import compiling
from pytrainr.numerics.jit import FASTMATH, intrinsic, kernel
from pytrainr.numerics.kernel_cache import KernelCache
from pytrainr.numerics.numba_internals import address_of, global_compiler_lock

__all__ = [
    "Version",
    "announce",
    "called",
    "compiled_on_demand",
    "compiled_once",
    "fast_compiled_on_demand",
    "fast_compiled_once",
]

_RETURNED = {"float": types.float64, "int": types.int64}
_BYTE = ir.IntType(8).as_pointer()
_SIZE = ir.IntType(64)


class Function:
    """A function's versions for the types it is called with."""

    def __init__(self, function: Callable, **policy: Any) -> None:
        self.module, self.name = function.__module__, f"{function.__module__}.{function.__qualname__}"
        self.dispatcher, self.cache = kernel(function, no_cpython_wrapper=True, **policy), KernelCache(function)
        self.returned = _RETURNED.get(str(inspect.signature(function).return_annotation), types.none)
        self.versions: dict[tuple[types.Type, ...], Version] = {}
        self.called: Callable | None = None

    def version(self, kinds: tuple[types.Type, ...]) -> Version:
        return self.versions.setdefault(kinds, Version(self, kinds))


class Version:
    """One function for some types of arguments."""

    def __init__(self, function: Function, kinds: tuple[types.Type, ...]) -> None:
        self.function, self.kinds = function, kinds
        self.known_address = 0

    def __repr__(self) -> str:
        return f"{self.function.name}({', '.join(map(str, self.kinds))})"

    def __reduce__(self) -> Any:
        return _version, (self.function.module, self.function.name, self.kinds)

    def announce(self) -> None:
        """It will be needed soon."""
        if not self.known_address and not self.function.cache.has(self.kinds):
            compiling.want(self.function.cache.task(self.kinds))

    def address(self) -> int:
        """Where its machine code is; loads or compiles it first."""
        if not self.known_address:
            self.function.cache.fetch(self.kinds)
        with global_compiler_lock:  # one thread makes it; a fork waits for this lock
            if not self.known_address:
                compiling.compile_here(self.function.cache.task(self.kinds))
                address, returned = address_of(self.function.dispatcher, self.kinds)
                if returned != self.function.returned:
                    raise TypeError(f"{self} returns {returned}, but is annotated as {self.function.returned}")
                self.known_address = address
        return self.known_address


_FUNCTIONS: dict[str, Function] = {}


def _version(module: str, name: str, kinds: tuple[types.Type, ...]) -> Version:
    import_module(module)
    return _FUNCTIONS[name].version(kinds)


def compiled_once(function: Callable) -> Any:
    """Decorate a strict function for use in compiled code: compiled once for each combination of argument types."""
    return _compiled_once(function)


def compiled_on_demand(function: Callable) -> Any:
    """The same for what few calls need: it is compiled when one does, not as soon as something could call it."""
    return _compiled_once(function, announced=False)


def fast_compiled_once(function: Callable) -> Any:
    """The same for a function in which LLVM may fuse and reorder operations."""
    return _compiled_once(function, fastmath=FASTMATH)


def fast_compiled_on_demand(function: Callable) -> Any:
    """The same again for what few calls need."""
    return _compiled_once(function, announced=False, fastmath=FASTMATH)


def called(function: Any, *kinds: types.Type) -> tuple[Any, Callable]:
    """How an intrinsic calls the decorated ``function`` with such arguments: the signature, and what emits the call."""
    return function.known.called(None, *kinds)  # type: ignore[no-any-return]


def announce(function: Any, *kinds: types.Type) -> None:
    """Say that the decorated ``function`` will be needed for such arguments, before what calls it is compiled."""
    function.known.version(kinds).announce()


def _compiled_once(function: Callable, announced: bool = True, **policy: Any) -> Any:
    known = Function(function, **policy)
    _FUNCTIONS[known.name] = known

    def call(typing: Any, *arguments: types.Type) -> Any:
        version = known.version(tuple(map(types.unliteral, arguments)))
        if announced:
            version.announce()

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            kind = context.call_conv.get_function_type(known.returned, version.kinds)
            entry = _entry(builder.module, version, kind)
            status, result = context.call_conv.call_function(builder, entry, known.returned, version.kinds, values)
            with cgutils.if_unlikely(builder, status.is_error):
                context.call_conv.return_status_propagate(builder, status)
            return result

        return known.returned(*version.kinds), generate

    parameters = [inspect.Parameter("typing", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    parameters += [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in inspect.signature(function).parameters.values()
    ]
    call.__name__, call.__doc__ = function.__name__, function.__doc__
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    made = intrinsic(call)
    made.known, known.called = known, call
    return made


# how a kernel finds a function ----------------------------------------------------------------------------------------


def _entry(module: Any, version: Version, kind: Any) -> Any:
    """A function in ``module`` that calls ``version``: whatever lies in a cell, at first what asks for the address."""
    name = f"pytrainr.call.{version}"
    if name in module.globals:
        return module.globals[name]
    pointer = kind.as_pointer()
    cell = ir.GlobalVariable(module, pointer, f"pytrainr.address.{version}")
    cell.linkage, cell.initializer = "internal", _first_call(module, version, kind, cell)
    entry = ir.Function(module, kind, name)
    entry.linkage = "internal"
    entry.attributes.add("alwaysinline")
    builder = ir.IRBuilder(entry.append_basic_block("entry"))
    builder.ret(builder.call(builder.load(cell, typ=pointer), entry.args))
    return entry


def _first_call(module: Any, version: Version, kind: Any, cell: Any) -> Any:
    """A function in ``module`` that asks for the address of ``version``, puts it into ``cell`` and calls it."""
    text = pickle.dumps(version)
    bytes_of_text = ir.ArrayType(ir.IntType(8), len(text))
    stored = ir.GlobalVariable(module, bytes_of_text, f"pytrainr.version.{version}")
    stored.linkage, stored.global_constant = "internal", True
    stored.initializer = ir.Constant(bytes_of_text, bytearray(text))
    ask = cgutils.get_or_insert_function(module, ir.FunctionType(_BYTE, [_BYTE, _SIZE]), _SYMBOL)
    first = ir.Function(module, kind, f"pytrainr.first.{version}")
    first.linkage = "internal"
    for attribute in ("noinline", "cold"):
        first.attributes.add(attribute)
    builder = ir.IRBuilder(first.append_basic_block("entry"))
    again, found = first.append_basic_block("ask"), first.append_basic_block("found")
    builder.branch(again)
    builder.position_at_end(again)
    address = builder.call(ask, [builder.bitcast(stored, _BYTE), ir.Constant(_SIZE, len(text))])
    builder.cbranch(cgutils.is_not_null(builder, address), found, again)
    builder.position_at_end(found)
    function = builder.bitcast(address, kind.as_pointer())
    builder.store(function, cell)
    builder.ret(builder.call(function, first.args))
    return first


def _find(text: int, size: int) -> int:
    """What a kernel calls, from any thread. Where it gives 0 it is asked again."""
    version: Version = pickle.loads(ctypes.string_at(text, size))
    return version.known_address or _uninterrupted(partial(_address, version))


def _address(version: Version) -> int:
    try:
        return version.address()
    except Exception:  # no exception can leave a kernel from here, but the status of a call can
        traceback.print_exc()
        return _FAILURE


def _uninterrupted(function: Callable[[], int]) -> int:
    """``function()``; what a signal raises in the main thread meanwhile, such as Ctrl-C, it raises a little later."""
    if threading.current_thread() is not threading.main_thread():
        return function()
    answer: list[int] = []
    done = threading.Event()

    def work() -> None:
        answer.append(function())
        done.set()

    threading.Thread(target=work, name="pytrainr-find", daemon=True).start()
    raised: BaseException | None = None
    while not done.is_set():
        try:
            done.wait()
        except BaseException as error:
            raised = error
    if raised is not None:  # by then the kernel runs, and Python hears of it after that
        threading.Timer(0.01, _raise_in, (threading.get_ident(), type(raised))).start()
    return answer[0]


def _raise_in(thread: int, kind: type[BaseException]) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(kind))


_SYMBOL = "pytrainr.find"
_FIND = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)(_find)
_FAIL = ctypes.CFUNCTYPE(ctypes.c_int32)(lambda: -100)  # a status that Numba reports as an unknown error
_FAILURE = ctypes.cast(_FAIL, ctypes.c_void_p).value or 0
llvm.add_symbol(_SYMBOL, ctypes.cast(_FIND, ctypes.c_void_p).value)
