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
from numba.extending import infer_getattr, lower_getattr_generic, models, register_model

from pytrainr.numerics import compiling
from pytrainr.numerics.compiled_once import Function
from pytrainr.numerics.jit import FASTMATH, intrinsic
from pytrainr.numerics.numba_internals import AttributeTemplate, global_compiler_lock
from pytrainr.numerics.views import View, contiguous_view

__all__ = ["ByAddress", "Kind", "Unpacked", "call_at", "following_row", "memory_address"]

_INDEX = ir.IntType(64)
_BYTES = 8
_NUMBERS = types.CPointer(types.int64)
_KINDS = _NUMBERS, _NUMBERS


@intrinsic
def call_at(typing: Any, address: Any, row: Any, call: Any) -> Any:
    """Call the function at ``address`` with two pointers."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = context.call_conv.get_function_type(types.none, _KINDS)
        function = builder.inttoptr(arguments[0], kind.as_pointer())
        pointers = [builder.bitcast(argument, _INDEX.as_pointer()) for argument in arguments[1:]]
        status, _ = context.call_conv.call_function(builder, function, types.none, _KINDS, pointers)
        with cgutils.if_unlikely(builder, status.is_error):
            context.call_conv.return_status_propagate(builder, status)
        return context.get_dummy_value()

    return types.void(types.int64, row, call), generate


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


def _entries(kind: Any) -> int:
    return kind.entries if isinstance(kind, Kind) else 1


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

    @property
    def names(self) -> tuple[str, ...]:
        return self.shown_as._fields  # type: ignore[attr-defined,no-any-return]

    def field(self, name: str) -> tuple[Any, int]:
        """The kind of a field, and its first entry."""
        number = self.names.index(name)
        return self.kinds[number], self.first + sum(map(_entries, self.kinds[:number]))

    @property
    def end(self) -> int:
        """The entry after its last."""
        return self.first + sum(map(_entries, self.kinds))

    def extents(self) -> tuple[int, int]:
        """How many entries of the row and of the call are certainly there."""
        if self.in_call:
            return 0, self.end
        return self.end, 0 if self.memory is None else 1 + max(self.memory, self.samples)

    def intrinsic(self, dtype: types.Type) -> Any:
        """A function of (row, call) for compiled code that returns what is seen of them as the NamedTuple."""
        kind = _Seen(self, dtype)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointers = context.call_conv.get_arguments(builder.function)
            for pointer, entries in zip(pointers, self.extents(), strict=True):  # LLVM may read these before a loop
                pointer.attributes.align = _BYTES
                pointer.attributes.dereferenceable = max(pointer.attributes.dereferenceable, _BYTES * entries)
            seen = cgutils.create_struct_proxy(kind)(context, builder)
            seen.row, seen.call = arguments
            return seen._getvalue()

        def unpacked(typing: Any, row: Any, call: Any) -> Any:
            return kind(_NUMBERS, _NUMBERS), generate

        unpacked.__name__ = self.name
        return intrinsic(unpacked)


class _Seen(types.Type):
    """A NamedTuple of the row and the call, to Numba: the two pointers, from which a field is read where it is used.

    So whoever hands it on hands on two words, not the hundred of all its arrays.
    """

    def __init__(self, unpacked: Unpacked, dtype: types.Type) -> None:
        self.unpacked, self.dtype, self.instance_class = unpacked, dtype, unpacked.shown_as
        super().__init__(f"{unpacked.name}({unpacked.shown_as.__name__}, {dtype})")

    @property
    def key(self) -> Any:
        return self.unpacked, self.dtype


@register_model(_Seen)
class _SeenModel(models.StructModel):
    def __init__(self, manager: Any, kind: _Seen) -> None:
        super().__init__(manager, kind, [("row", _NUMBERS), ("call", _NUMBERS)])


@infer_getattr
class _SeenFields(AttributeTemplate):
    key = _Seen

    def generic_resolve(self, seen: _Seen, name: str) -> Any:
        if name not in seen.unpacked.names:
            return None
        kind, _ = seen.unpacked.field(name)
        if isinstance(kind, Kind):
            return View(seen.dtype, len(kind.sizes), "C")
        return types.int64 if kind is int else types.float64


@lower_getattr_generic(_Seen)
def _read_field(context: Any, builder: Any, seen: _Seen, value: Any, name: str) -> Any:
    unpacked, given = seen.unpacked, cgutils.create_struct_proxy(seen)(context, builder, value)
    kind, first = unpacked.field(name)

    def entry(pointer: Any, place: int | None) -> Any:
        loaded = builder.load(builder.gep(pointer, [ir.Constant(_INDEX, place)]), typ=_INDEX)
        loaded.set_metadata("invariant.load", builder.module.add_metadata([]))  # nobody writes there meanwhile
        return loaded

    if not isinstance(kind, Kind):
        number = entry(given.call if unpacked.in_call else given.row, first)
        return builder.bitcast(number, ir.DoubleType()) if kind is float else number
    sizes, following = [], first + 1
    for size in kind.sizes:
        sizes.append(entry(given.call, unpacked.samples) if size is None else entry(given.row, following))
        following += size is not None
    start = entry(given.row, first)
    if None in kind.sizes:
        start = builder.mul(start, entry(given.call, unpacked.samples))
    elif unpacked.transposed:
        sizes.reverse()
    memory = builder.inttoptr(entry(given.call, unpacked.memory), context.get_data_type(seen.dtype).as_pointer())
    return contiguous_view(context, builder, View(seen.dtype, len(sizes), "C"), builder.gep(memory, [start]), sizes)


@intrinsic
def following_row(typing: Any, seen: _Seen) -> Any:
    """The row that lies in the same row, after all that is ``seen``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        row = cgutils.create_struct_proxy(seen)(context, builder, arguments[0]).row
        return builder.gep(row, [ir.Constant(_INDEX, seen.unpacked.end)])

    return _NUMBERS(seen), generate


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
