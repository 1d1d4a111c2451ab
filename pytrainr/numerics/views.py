"""Views that own nothing: arrays for the inside of kernels, without reference counting.

Numba counts the references to an array at every slice and every call, atomically; in a small network that is half of
the time. A view must not outlive its memory: whoever takes one of an array made in the same function says ``keep``
after its last use.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils, errors
from numba.extending import models, register_model
from numba.np import arrayobj

from pytrainr.numerics.jit import intrinsic, strict_part
from pytrainr.numerics.vectors import counted

__all__ = [
    "View",
    "borrowed",
    "borrowed_kind",
    "boxed",
    "columns",
    "contiguous_view",
    "four_gates",
    "keep",
    "read_ahead",
    "three_gates",
    "unboxed",
    "view",
]


_INDEX = ir.IntType(64)


class View(types.Array):
    """An array whose memory belongs to another one."""

    def __init__(self, dtype: Any, ndim: int, layout: Any, readonly: bool = False, aligned: bool = True) -> None:
        super().__init__(
            dtype, ndim, layout, readonly=readonly, aligned=aligned, name=f"view({dtype}, {ndim}d, {layout})"
        )

    def copy(self, dtype: Any = None, ndim: Any = None, layout: Any = None, readonly: Any = None) -> Any:
        return View(
            self.dtype if dtype is None else dtype,
            self.ndim if ndim is None else ndim,
            self.layout if layout is None else layout,
        )


@register_model(View)
class _ViewModel(models.StructModel):
    """The fields of Numba's arrays, but none that Numba counts references of."""

    def __init__(self, manager: Any, kind: View) -> None:
        fields = [
            ("meminfo", types.voidptr),
            ("parent", types.voidptr),
            ("nitems", types.intp),
            ("itemsize", types.intp),
            ("data", types.CPointer(kind.dtype)),
            ("shape", types.UniTuple(types.intp, kind.ndim)),
            ("strides", types.UniTuple(types.intp, kind.ndim)),
        ]
        super().__init__(manager, kind, fields)

    def traverse(self, builder: Any) -> list[Any]:
        """Nothing in it is counted: Numba, which would look at every field at every assignment, need not look."""
        return []

    # A call passes where a contiguous view begins and its sizes, and the callee makes the rest of these: a third of the
    # words, of which Numba would pass each on.

    def get_argument_type(self) -> Any:
        if not self._is_contiguous:
            return super().get_argument_type()
        return self.get_model(self.get_field_position("data")).get_argument_type(), *[_INDEX] * self._fe_type.ndim

    def as_argument(self, builder: Any, value: Any) -> Any:
        if not self._is_contiguous:
            return super().as_argument(builder, value)
        return self.get(builder, value, "data"), *cgutils.unpack_tuple(builder, self.get(builder, value, "shape"))

    def from_argument(self, builder: Any, value: Any) -> Any:
        if not self._is_contiguous:
            return super().from_argument(builder, value)
        data, *sizes = value
        return self.contiguous(builder, data, sizes)

    @property
    def _is_contiguous(self) -> bool:
        return self._fe_type.layout == "C"

    def contiguous(self, builder: Any, data: Any, sizes: list[Any]) -> Any:
        """A view of the memory at ``data``, row after row in the shape ``sizes``."""
        itemsize = ir.Constant(_INDEX, self._fe_type.dtype.bitwidth // 8)
        strides: list[Any] = []
        step = itemsize
        for size in reversed(sizes):
            strides.insert(0, step)
            step = builder.mul(step, size)
        number = sizes[0]
        for size in sizes[1:]:
            number = builder.mul(number, size)
        fields = {
            "nitems": number,
            "itemsize": itemsize,
            "data": data,
            "shape": cgutils.pack_array(builder, sizes),
            "strides": cgutils.pack_array(builder, strides),
        }
        result = cgutils.get_null_value(self.get_value_type())
        for name, value in fields.items():
            result = self.set(builder, result, value, name)
        return result


@intrinsic
def keep(typing: Any, value: Any) -> Any:
    """Keeps ``value`` alive up to here."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.get_dummy_value()

    return types.void(value), generate


def borrowed_kind(kind: types.Type) -> types.Type:
    """The type of what :func:`borrowed` makes of a value of type ``kind``."""
    if isinstance(kind, types.Array):
        return View(kind.dtype, kind.ndim, kind.layout)
    if not isinstance(kind, types.BaseTuple):
        return kind
    fields = tuple(map(borrowed_kind, kind.types))
    if isinstance(kind, types.BaseNamedTuple):
        return types.BaseTuple.from_types(fields, kind.instance_class)
    return types.BaseTuple.from_types(fields)


def _borrow(context: Any, builder: Any, kind: types.Type, value: Any) -> Any:
    own_kind = borrowed_kind(kind)
    if isinstance(kind, types.Array):
        given, result = (arrayobj.make_array(each)(context, builder) for each in (kind, own_kind))
        given._setvalue(value)
        null = cgutils.get_null_value(cgutils.voidptr_t)
        result.meminfo, result.parent = null, null
        for field in ("nitems", "itemsize", "data", "shape", "strides"):
            setattr(result, field, getattr(given, field))
        return result._getvalue()
    if not isinstance(kind, types.BaseTuple):
        return value
    fields = cgutils.unpack_tuple(builder, value, len(kind))
    return context.make_tuple(
        builder, own_kind, [_borrow(context, builder, *of) for of in zip(kind, fields, strict=True)]
    )


@intrinsic
def borrowed(typing: Any, values: types.BaseTuple) -> Any:
    """``values``, arrays and NamedTuples of arrays at any depth, with a view in place of each array.

    The arrays must stay alive.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _borrow(context, builder, values, arguments[0])

    return borrowed_kind(values)(values), generate


@intrinsic
def boxed(typing: Any, values: types.BaseTuple) -> Any:
    """The place, in the caller's frame, of a copy of ``values``: a call that is given it is spared the words of each.

    It is there until the caller returns, and what it views is not counted.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        model = context.data_model_manager[values]
        return cgutils.alloca_once_value(builder, model.as_data(builder, arguments[0]))

    return types.CPointer(values)(values), generate


@intrinsic
def unboxed(typing: Any, place: types.CPointer) -> Any:
    """What :func:`boxed` put there."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.data_model_manager[place.dtype].load_from_data_pointer(builder, arguments[0])

    return place.dtype(place), generate


def contiguous_view(context: Any, builder: Any, kind: View, data: Any, sizes: list[Any]) -> Any:
    """Emit a view of the memory at ``data``, row after row in the shape ``sizes``."""
    return context.data_model_manager[kind].contiguous(builder, data, sizes)


@intrinsic
def view(typing: Any, memory: types.Array, start: Any, shape: types.BaseTuple) -> Any:
    """``size`` elements of contiguous memory from ``start`` on in a shape of their own, as a view."""
    if memory.layout != "C":
        raise errors.TypingError("view() needs contiguous memory")
    kind = View(memory.dtype, len(shape), "C")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = arrayobj.make_array(memory)(context, builder, arguments[0])
        sizes = [
            context.cast(builder, size, given, types.intp)
            for given, size in zip(signature.args[2].types, cgutils.unpack_tuple(builder, arguments[2]), strict=True)
        ]
        return contiguous_view(context, builder, kind, builder.gep(array.data, [arguments[1]]), sizes)

    return kind(memory, types.int64, shape), generate


@intrinsic
def columns(typing: Any, array: types.Array, first: Any, count: Any) -> Any:
    """``array[..., first : first + count]`` as a view; nothing is checked."""
    kind = View(array.dtype, array.ndim, "A")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        given = arrayobj.make_array(array)(context, builder, arguments[0])
        result = arrayobj.make_array(kind)(context, builder)
        *others, _ = cgutils.unpack_tuple(builder, given.shape)
        null = cgutils.get_null_value(cgutils.voidptr_t)
        result.meminfo, result.parent = null, null
        result.data = builder.gep(given.data, [arguments[1]])
        result.itemsize, result.strides = given.itemsize, given.strides
        result.nitems = arguments[2]
        for size in others:
            result.nitems = builder.mul(result.nitems, size)
        result.shape = cgutils.pack_array(builder, [*others, arguments[2]])
        return result._getvalue()

    return kind(array, types.int64, types.int64), generate


_LINE = 64  # bytes that come into the cache together
_MOST_LINES = 8  # of a sample; the processor fetches the rest by itself
_SAMPLES_AHEAD = 4


@intrinsic
def _fetch(typing: Any, array: types.Array, row: Any) -> Any:
    """Begin to load ``array[row]`` into the cache."""
    bits = ir.IntType(32)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        given = arrayobj.make_array(array)(context, builder, arguments[0])
        step = cgutils.unpack_tuple(builder, given.strides)[0]
        start = cgutils.pointer_add(builder, given.data, builder.mul(arguments[1], step), cgutils.voidptr_t)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, bits, bits, bits])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        most = ir.Constant(step.type, _MOST_LINES * _LINE)
        end = builder.select(builder.icmp_signed("<", step, most), step, most)
        with counted(builder, ir.Constant(step.type, 0), end, ir.Constant(step.type, _LINE)) as offset:
            at = cgutils.pointer_add(builder, start, offset)
            builder.call(prefetch, [at, bits(0), bits(3), bits(1)])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


@strict_part
def read_ahead(samples, order, begin, end):
    """Begin to load the ``samples`` (·, steps, variables) that come a little after those of ``order[begin:end]``.

    They lie anywhere in memory, and to wait for each takes as long as a tenth of a small network's gradient.
    """
    for place in range(begin + _SAMPLES_AHEAD, min(end + _SAMPLES_AHEAD, order.size)):
        _fetch(samples, order[place])


@strict_part
def three_gates(gates):
    """(n, 3·hidden) as three matrices (n, hidden)."""
    hidden = gates.shape[1] // 3
    return columns(gates, 0, hidden), columns(gates, hidden, hidden), columns(gates, 2 * hidden, hidden)


@strict_part
def four_gates(gates):
    """(n, 4·hidden) as four matrices (n, hidden)."""
    hidden = gates.shape[1] // 4
    return (
        columns(gates, 0, hidden),
        columns(gates, hidden, hidden),
        columns(gates, 2 * hidden, hidden),
        columns(gates, 3 * hidden, hidden),
    )
