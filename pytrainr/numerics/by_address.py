"""Functions that compiled code calls by their address: each is compiled, and cached, by itself, whoever calls it.

All have one signature, two pointers to whole numbers: the ``row``, what was settled beforehand (sizes, places, options)
and the ``call``, what changes from call to call (where the memories are, how many samples). A call costs 3 ns. What a
function sees of the two is unpacked into NamedTuples: numbers, and arrays as views of the memories.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from pytrainr.numerics import compiling
from pytrainr.numerics.compiled_once import Function
from pytrainr.numerics.jit import FASTMATH, intrinsic
from pytrainr.numerics.numba_internals import global_compiler_lock
from pytrainr.numerics.views import View, contiguous_view

__all__ = ["ByAddress", "Kind", "Unpacked", "call_at", "memory_address"]

_INDEX = ir.IntType(64)
_NUMBERS = types.CPointer(types.int64)
_KINDS = _NUMBERS, _NUMBERS


@intrinsic
def call_at(typing: Any, address: Any, row: Any, call: Any) -> Any:
    """Call the function at ``address`` with two pointers."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = context.call_conv.get_function_type(types.none, _KINDS)
        function = builder.inttoptr(arguments[0], kind.as_pointer())
        status, _ = context.call_conv.call_function(builder, function, types.none, _KINDS, arguments[1:])
        with cgutils.if_unlikely(builder, status.is_error):
            context.call_conv.return_status_propagate(builder, status)
        return context.get_dummy_value()

    return types.void(types.int64, _NUMBERS, _NUMBERS), generate


@intrinsic
def memory_address(typing: Any, array: types.Array) -> Any:
    """Where the first element of ``array`` lies, as a number; the array must stay alive."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.ptrtoint(data, _INDEX)

    return types.int64(array), generate


class Kind(NamedTuple):
    """An array in a row: its place in the memory, then its ``sizes``; a None among these is the number of samples.

    Where a kind has samples its place is per sample.
    """

    sizes: tuple[str | None, ...]

    @property
    def entries(self) -> int:
        return 1 + sum(size is not None for size in self.sizes)


class Unpacked(NamedTuple):
    """A NamedTuple for compiled code: its class, the kinds of its fields (``int``, ``float`` or a :class:`Kind`).

    ``first`` is its first entry in the row; ``memory`` the entry of the call that holds the memory's address, None
    where it is all numbers, which then lie in the row (or, with ``in_call``, in the call). A ``transposed`` matrix has
    its sizes exchanged.
    """

    name: str
    shown_as: type
    kinds: tuple[Any, ...]
    first: int = 0
    memory: int | None = None
    samples: int = 0
    transposed: bool = False
    in_call: bool = False

    def intrinsic(self, dtype: types.Type) -> Any:
        """A function of (row, call) for compiled code that returns the NamedTuple."""
        fields = tuple(
            View(dtype, len(kind.sizes), "C")
            if isinstance(kind, Kind)
            else types.int64
            if kind is int
            else types.float64
            for kind in self.kinds
        )
        if len(set(fields)) == 1:
            result: Any = types.NamedUniTuple(fields[0], len(fields), self.shown_as)
        else:
            result = types.NamedTuple(fields, self.shown_as)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            row, call = arguments

            def entry(pointer: Any, place: int) -> Any:
                return builder.load(builder.gep(pointer, [ir.Constant(_INDEX, place)]), typ=_INDEX)

            samples = entry(call, self.samples)
            if self.memory is not None:
                element = context.get_data_type(dtype)
                memory = builder.inttoptr(entry(call, self.memory), element.as_pointer())
            values, place = [], self.first
            for kind, field in zip(self.kinds, fields, strict=True):
                if not isinstance(kind, Kind):
                    number = entry(call if self.in_call else row, place)
                    values.append(builder.bitcast(number, ir.DoubleType()) if kind is float else number)
                    place += 1
                    continue
                start, sizes, following = entry(row, place), [], place + 1
                for size in kind.sizes:
                    sizes.append(samples if size is None else entry(row, following))
                    following += size is not None
                if None in kind.sizes:
                    start = builder.mul(start, samples)
                elif self.transposed:
                    sizes.reverse()
                values.append(contiguous_view(context, builder, field, builder.gep(memory, [start]), sizes))
                place += kind.entries
            return context.make_tuple(builder, result, values)

        def unpacked(typing: Any, row: Any, call: Any) -> Any:
            return result(_NUMBERS, _NUMBERS), generate

        unpacked.__name__ = self.name
        return intrinsic(unpacked)


class ByAddress:
    """A part for compiled code (see ``numerics.jit``) as a function by address, for each precision.

    The part's parameters are names of ``unpacked``, of which it is given those it asks for. ``name`` and the file of
    ``module`` say where its entry in the cache belongs.
    """

    def __init__(self, part: Any, name: str, module: str, unpacked: Sequence[Unpacked]) -> None:
        self.part, self.name, self.module = part, name, module
        self.unpacked = {each.name: each for each in unpacked}
        self.functions: dict[str, Function] = {}
        for dtype in ("float64", "float32"):
            compiling.register(f"{module}.{name}.{dtype}", _Later(self, dtype))

    def announce(self, dtype: Any) -> None:
        """It will be needed soon: a helper may compile it."""
        self._function(np.dtype(dtype).name).version(_KINDS).announce()

    def address(self, dtype: Any) -> int:
        """The address for arrays of ``dtype``; compiled, or taken from the cache, the first time."""
        return self._function(np.dtype(dtype).name).version(_KINDS).address()

    def _function(self, dtype: str) -> Function:
        with global_compiler_lock:  # two threads would make two, of one name
            if dtype not in self.functions:
                self.functions[dtype] = self._made(dtype)
            return self.functions[dtype]

    def _made(self, dtype: str) -> Function:
        names = self.part.py_func.__code__.co_varnames[: self.part.py_func.__code__.co_argcount]
        scope: dict[str, Any] = {name: self.unpacked[name].intrinsic(getattr(types, dtype)) for name in names}
        scope |= {"part": self.part, "__name__": self.module}
        arguments = ", ".join(f"{name}(_row, _call)" for name in names)
        source = f"def function(_row, _call):\n    part({arguments})"
        exec(compile(source, str(sys.modules[self.module].__file__), "exec"), scope)
        function: Callable = scope["function"]
        function.__qualname__ = f"{self.name}.{dtype}"
        return Function(function, fastmath=FASTMATH)


class _Later:
    """Stands for a function that is not made before it is wanted, in a process that helps."""

    def __init__(self, function: ByAddress, dtype: str) -> None:
        self.function, self.dtype = function, dtype

    def compile(self, kinds: Any) -> None:
        self.function.address(self.dtype)
