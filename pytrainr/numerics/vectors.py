"""Arithmetic on a whole vector register, written as formulas: ``Lanes`` overloads the operators to emit LLVM code.

    @strict_formula
    def doubled(x):
        return x + x

    doubled(memory_of(values), start, count)    # in compiled code: up to a register's worth of values, in place

A formula may return a pair (result, in range); where a lane is out of range nothing is stored and the call is False.

An equation over whole arrays is a map: it names its results, and is called with arrays for these and its parameters.

    @strict_map("after")
    def next_state(z, before, candidate):
        return (1.0 - z) * before + z * candidate

    next_state(after, z, before, candidate)     # in compiled code: vectors, or matrices, with contiguous rows

A vector among matrices is the same for every row. LLVM would make the same of a loop, if it could see that no array
overlaps another.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils, errors

from pytrainr.numerics.jit import intrinsic
from pytrainr.numerics.numba_internals import target

__all__ = [
    "Lanes",
    "Registers",
    "counted",
    "fast_map",
    "fuses",
    "lanes",
    "lanes_of",
    "load_some",
    "masked",
    "memory_of",
    "moved",
    "multiply_add",
    "no_unrolling",
    "registers",
    "rows_of",
    "same_memory",
    "splat",
    "store_some",
    "strict_formula",
    "strict_map",
]


class Registers(NamedTuple):
    """A processor's vector registers: how wide, how many, and whether one instruction multiplies and adds."""

    bytes: int
    number: int
    fused: bool

    @classmethod
    def of(cls, triple: str, features: str) -> Registers:
        """Those of processors with ``features``, such as "+avx2,+fma", of the architecture that ``triple`` names."""
        present = set(features.split(","))
        if triple.startswith(("aarch64", "arm64")):
            return cls(16, 32, True)
        if "+avx512f" in present:
            return cls(64, 32, "+fma" in present)
        return cls(32 if "+avx2" in present else 16, 16, "+fma" in present)


@lru_cache(maxsize=1)
def registers() -> Registers:
    """Those that Numba compiles for."""
    triple, _, features = target()
    return Registers.of(triple, features)


def lanes_of(bits: int) -> int:
    """How many numbers of ``bits`` bits a vector register holds."""
    return 8 * registers().bytes // bits


@intrinsic
def fuses(typing: Any) -> Any:
    """Whether the processor has fused multiply-adds, so that ``Lanes.fma`` rounds once; known while compiling."""
    return types.boolean(), lambda context, builder, signature, arguments: ir.Constant(ir.IntType(1), registers().fused)


@intrinsic
def lanes(typing: Any, memory: types.CPointer) -> Any:
    """How many of the numbers in ``memory`` a vector register holds."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return ir.Constant(ir.IntType(64), lanes_of(memory.dtype.bitwidth))

    return types.int64(memory), generate


@intrinsic
def memory_of(typing: Any, array: types.Array) -> Any:
    """A pointer to the first element of ``array``, which must stay alive: far cheaper to pass on than the array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, arguments[0]).data

    return types.CPointer(array.dtype)(array), generate


@intrinsic
def rows_of(typing: Any, array: types.Array) -> Any:
    """(rows, width, elements from row to row); a contiguous array is one long row."""
    if array.ndim != 2 and array.layout != "C":
        raise errors.TypingError(f"rows_of needs a matrix or a contiguous array, it got {array}")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        given = context.make_array(array)(context, builder, arguments[0])
        size = given.nitems.type
        rows = [ir.Constant(size, 1), given.nitems, ir.Constant(size, 0)]
        if array.layout != "C":
            step = cgutils.unpack_tuple(builder, given.strides)[0]
            rows = [*cgutils.unpack_tuple(builder, given.shape), builder.sdiv(step, given.itemsize)]
        return context.make_tuple(builder, signature.return_type, rows)

    return types.UniTuple(types.int64, 3)(array), generate


@intrinsic
def moved(typing: Any, memory: types.CPointer, elements: Any) -> Any:
    """The pointer ``elements`` further on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.gep(arguments[0], [arguments[1]])

    return memory(memory, types.int64), generate


@intrinsic
def same_memory(typing: Any, memory: types.CPointer, room: types.Array) -> Any:
    """The memory of ``room`` as a pointer of the kind of ``memory``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[1])(context, builder, arguments[1]).data
        return builder.bitcast(data, context.get_value_type(memory))

    return memory(memory, room), generate


class Lanes:
    """A vector of numbers, or of truths, in a register while code is emitted; Python numbers join in as constants."""

    def __init__(self, builder: Any, value: Any, flags: Sequence[str] = ()) -> None:
        self.builder, self.value, self.flags = builder, value, flags

    @property
    def bits(self) -> int:
        """The width of one number."""
        element = self.value.type.element
        return {ir.DoubleType: 64, ir.FloatType: 32}.get(type(element)) or element.width

    @property
    def is_float(self) -> bool:
        return not isinstance(self.value.type.element, ir.IntType)

    def _new(self, value: Any) -> Lanes:
        return Lanes(self.builder, value, self.flags)

    def constant(self, number: float) -> Lanes:
        """``number`` in every lane."""
        kind = self.value.type
        return self._new(ir.Constant(kind, [number] * kind.count))

    def _value(self, other: Any) -> Any:
        return other.value if isinstance(other, Lanes) else self.constant(other).value

    def _arithmetic(self, name: str, left: Any, right: Any) -> Lanes:
        left, right = self._value(left), self._value(right)
        if self.is_float:
            return self._new(getattr(self.builder, "f" + name)(left, right, flags=self.flags))
        return self._new(getattr(self.builder, name)(left, right))

    def __add__(self, other: Any) -> Lanes:
        return self._arithmetic("add", self, other)

    def __radd__(self, other: Any) -> Lanes:
        return self._arithmetic("add", other, self)

    def __sub__(self, other: Any) -> Lanes:
        return self._arithmetic("sub", self, other)

    def __rsub__(self, other: Any) -> Lanes:
        return self._arithmetic("sub", other, self)

    def __mul__(self, other: Any) -> Lanes:
        return self._arithmetic("mul", self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Lanes:
        return self._arithmetic("div", self, other)

    def __rtruediv__(self, other: Any) -> Lanes:
        return self._arithmetic("div", other, self)

    def __neg__(self) -> Lanes:
        return self._new(self.builder.fneg(self.value))

    def __and__(self, other: Any) -> Lanes:
        return self._new(self.builder.and_(self.value, self._value(other)))

    def __or__(self, other: Any) -> Lanes:
        return self._new(self.builder.or_(self.value, self._value(other)))

    def __xor__(self, other: Any) -> Lanes:
        return self._new(self.builder.xor(self.value, self._value(other)))

    def __lshift__(self, places: int) -> Lanes:
        return self._new(self.builder.shl(self.value, self._value(places)))

    def __rshift__(self, places: int) -> Lanes:
        return self._new(self.builder.lshr(self.value, self._value(places)))

    def _compared(self, operator: str, other: Any) -> Lanes:
        compare = self.builder.fcmp_ordered if self.is_float else self.builder.icmp_signed
        return self._new(compare(operator, self.value, self._value(other)))

    def __lt__(self, other: Any) -> Lanes:
        return self._compared("<", other)

    def __le__(self, other: Any) -> Lanes:
        return self._compared("<=", other)

    def __gt__(self, other: Any) -> Lanes:
        return self._compared(">", other)

    def __ge__(self, other: Any) -> Lanes:
        return self._compared(">=", other)

    def equals(self, other: Any) -> Lanes:
        """Where the numbers are equal; NaN equals nothing, not even itself."""
        return self._compared("==", other)

    def where(self, chosen: Any, otherwise: Any) -> Lanes:
        """For truths: ``chosen`` where true, else ``otherwise``; at least one of them must be ``Lanes``."""
        model = chosen if isinstance(chosen, Lanes) else otherwise
        return model._new(self.builder.select(self.value, model._value(chosen), model._value(otherwise)))

    def fma(self, factor: Any, summand: Any) -> Lanes:
        """``self * factor + summand``, rounded once where the processor can, else twice."""
        return self._new(multiply_add(self.builder, self.value, self._value(factor), self._value(summand)))

    def _unary(self, name: str, *others: Any) -> Lanes:
        kind = self.value.type
        function_type = ir.FunctionType(kind, [kind] * (1 + len(others)))
        full_name = f"llvm.{name}.v{kind.count}f{self.bits}"
        function = cgutils.get_or_insert_function(self.builder.module, function_type, full_name)
        return self._new(self.builder.call(function, [self.value, *map(self._value, others)]))

    def __abs__(self) -> Lanes:
        return self._unary("fabs")

    def floor(self) -> Lanes:
        return self._unary("floor")

    def truncated(self) -> Lanes:
        """The whole number next to it on the side of 0."""
        return self._unary("trunc")

    def rounded(self) -> Lanes:
        """The nearest whole number, halves to even."""
        return self._unary("rint")

    def with_sign_of(self, other: Lanes) -> Lanes:
        return self._unary("copysign", other)

    def as_bits(self) -> Lanes:
        """The numbers' bits as integers."""
        return self._new(self.builder.bitcast(self.value, ir.VectorType(ir.IntType(self.bits), self.value.type.count)))

    def as_float(self) -> Lanes:
        """The numbers whose bits these integers are."""
        element = ir.DoubleType() if self.bits == 64 else ir.FloatType()
        return self._new(self.builder.bitcast(self.value, ir.VectorType(element, self.value.type.count)))

    def to_integer(self) -> Lanes:
        """Whole numbers as integers of the same width."""
        return self._new(self.builder.fptosi(self.value, ir.VectorType(ir.IntType(self.bits), self.value.type.count)))

    def look_up(self, name: str, table: Sequence[int]) -> Lanes:
        """Entries of a constant table of integers, by these integers."""
        builder, kind = self.builder, self.value.type
        array = ir.ArrayType(kind.element, len(table))
        stored = builder.module.globals.get(name)
        if stored is None:
            stored = ir.GlobalVariable(builder.module, array, name)
            stored.linkage, stored.global_constant = "internal", True
            stored.initializer = ir.Constant(array, list(table))
        start = builder.bitcast(stored, kind.element.as_pointer())
        result = ir.Constant(kind, ir.Undefined)
        for lane in range(kind.count):
            index = builder.extract_element(self.value, ir.Constant(ir.IntType(32), lane))
            entry = builder.load(builder.gep(start, [index]), typ=kind.element)
            result = builder.insert_element(result, entry, ir.Constant(ir.IntType(32), lane))
        return self._new(result)


def splat(builder: Any, count: int, value: Any) -> Any:
    """A vector with ``value`` in all of its ``count`` lanes."""
    i32 = ir.IntType(32)
    undefined = ir.Constant(ir.VectorType(value.type, count), ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(i32, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(i32, count), [0] * count))


def multiply_add(builder: Any, factor: Any, other: Any, summand: Any, fused: bool | None = None) -> Any:
    """``factor * other + summand`` of numbers or vectors, rounded once where the processor can, else twice.

    Where it cannot, LLVM would call the C library for every number, which is a hundred times slower.
    """
    if not (registers().fused if fused is None else fused):
        return builder.fadd(builder.fmul(factor, other), summand)
    kind = factor.type
    vector = isinstance(kind, ir.VectorType)
    name = f"llvm.fma.{f'v{kind.count}{kind.element.intrinsic_name}' if vector else kind.intrinsic_name}"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)
    return builder.call(function, [factor, other, summand])


def masked(builder: Any, kind: str, at: Any, mask: Any, value: Any) -> Any:
    """A "load" or "store" of the lanes in ``mask``; ``value`` is what is stored, or what the other lanes get."""
    i32, vector = ir.IntType(32), value.type
    bits = 8 * _bytes_of(vector)
    align = ir.Constant(i32, bits // 8)
    if kind == "load":
        function_type, arguments = ir.FunctionType(vector, [at.type, i32, mask.type, vector]), [at, align, mask, value]
    else:
        function_type = ir.FunctionType(ir.VoidType(), [vector, at.type, i32, mask.type])
        arguments = [value, at, align, mask]
    name = f"llvm.masked.{kind}.v{vector.count}f{bits}.p0"
    return builder.call(cgutils.get_or_insert_function(builder.module, function_type, name), arguments)


def load_some(builder: Any, at: Any, mask: Any, whole: Any) -> Any:
    """The lanes in ``mask``, else 0; ``whole`` says that it has all. Only in AVX-512 do masks cost nothing."""
    vector = at.type.pointee
    zero = ir.Constant(vector, [0.0] * vector.count)
    if registers().bytes == 64:
        return masked(builder, "load", at, mask, zero)
    with builder.if_else(whole, likely=True) as (plainly, otherwise):
        with plainly:
            full = builder.load(at, align=_bytes_of(vector), typ=vector)
            after_full = builder.block
        with otherwise:
            part = masked(builder, "load", at, mask, zero)
            after_part = builder.block
    loaded = builder.phi(vector)
    loaded.add_incoming(full, after_full)
    loaded.add_incoming(part, after_part)
    return loaded


def store_some(builder: Any, at: Any, mask: Any, whole: Any, value: Any) -> None:
    """Store the lanes in ``mask``; the same."""
    if registers().bytes == 64:
        masked(builder, "store", at, mask, value)
        return
    with builder.if_else(whole, likely=True) as (plainly, otherwise):
        with plainly:
            builder.store(value, at, align=_bytes_of(value.type))
        with otherwise:
            masked(builder, "store", at, mask, value)


def _bytes_of(vector: Any) -> int:
    """Of one of its numbers."""
    return 8 if isinstance(vector.element, ir.DoubleType) else 4


def strict_formula(function: Callable) -> Any:
    """A formula for compiled code, computed just as written."""

    def applied(typing: Any, memory: types.CPointer, start: Any, count: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            memory_value, start_value, count_value = arguments
            number = lanes_of(memory.dtype.bitwidth)
            vector = ir.VectorType(context.get_data_type(memory.dtype), number)
            i32 = ir.IntType(32)
            limit = splat(builder, number, builder.trunc(count_value, i32))
            mask = builder.icmp_signed("<", ir.Constant(ir.VectorType(i32, number), list(range(number))), limit)
            at = builder.bitcast(builder.gep(memory_value, [start_value]), vector.as_pointer())
            whole = builder.icmp_signed(">=", count_value, ir.Constant(count_value.type, number))
            result = function(Lanes(builder, load_some(builder, at, mask, whole)))
            if not isinstance(result, tuple):
                store_some(builder, at, mask, whole, result.value)
                return ir.Constant(ir.IntType(1), 1)
            result, in_range = result
            bits = builder.bitcast(in_range.value, ir.IntType(number))
            all_in_range = builder.icmp_unsigned("==", bits, ir.Constant(ir.IntType(number), -1))
            with builder.if_then(all_in_range, likely=True):
                store_some(builder, at, mask, whole, result.value)
            return all_in_range

        return types.boolean(memory, start, count), generate

    return intrinsic(applied)


# maps -----------------------------------------------------------------------------------------------------------------


def no_unrolling(module: Any) -> Any:
    """Loop metadata: what is emitted here is unrolled enough, and more would only cost compile time."""
    disable = module.add_metadata([ir.MetaDataString(module, "llvm.loop.unroll.disable")])
    loop = module.add_metadata([ir.MetaDataString(module, "pytrainr.loop")])
    loop.operands = (loop, disable)  # LLVM wants a node that names itself first
    return loop


@contextmanager
def counted(builder: Any, start: Any, end: Any, step: Any) -> Iterator[Any]:
    """Emit a loop over start, start + step, … below end; yields the counter."""
    before = builder.block
    body, after = builder.append_basic_block("counted"), builder.append_basic_block("counted.end")
    builder.cbranch(builder.icmp_signed("<", start, end), body, after)
    builder.position_at_end(body)
    counter = builder.phi(start.type)
    counter.add_incoming(start, before)
    yield counter
    following = builder.add(counter, step)
    counter.add_incoming(following, builder.block)
    branch = builder.cbranch(builder.icmp_signed("<", following, end), body, after)
    branch.set_metadata("llvm.loop", no_unrolling(builder.module))
    builder.position_at_end(after)


class _Operand:
    """An array of a map: its memory, and how its rows lie there."""

    def __init__(self, context: Any, builder: Any, kind: types.Array, value: Any) -> None:
        array = context.make_array(kind)(context, builder, value)
        self.builder, self.data, self.size = builder, array.data, array.nitems
        self.shape = cgutils.unpack_tuple(builder, array.shape)
        self.row_bytes = cgutils.unpack_tuple(builder, array.strides)[0] if kind.ndim == 2 else None

    def row(self, number: Any) -> Any:
        """The address of a row's first number; a vector is the same row every time."""
        if self.row_bytes is None:
            return self.data
        return cgutils.pointer_add(self.builder, self.data, self.builder.mul(number, self.row_bytes))


class _Map:
    """One use of a map: its code for arrays of given kinds."""

    def __init__(self, formula: Callable, results: list[str], kinds: dict[str, Any], flags: Sequence[str]) -> None:
        self.formula, self.results, self.kinds, self.flags = formula, results, kinds, flags
        self.parameters = list(inspect.signature(formula).parameters)
        self.arrays = [name for name, kind in kinds.items() if not isinstance(kind, (types.Number, types.Boolean))]
        for name in self.arrays:
            kind = kinds[name]
            if not isinstance(kind, types.Array) or (kind.ndim > 2 and kind.layout != "C"):
                raise errors.TypingError(f"{name} should be a vector, a matrix or a contiguous array, it is {kind}")
        dimensions = {kinds[name].ndim for name in self.arrays}
        contiguous = all(kinds[name].ndim == 1 or kinds[name].layout == "C" for name in self.arrays)
        self.is_one_row = len(dimensions) == 1 and contiguous
        self.dtype = kinds[results[0]].dtype
        self.lanes = lanes_of(self.dtype.bitwidth)

    def emit(self, context: Any, builder: Any, values: Sequence[Any]) -> None:
        """The loops over rows and vectors."""
        self.builder = builder
        self.vector = ir.VectorType(context.get_data_type(self.dtype), self.lanes)
        operands = {}
        self.scalars = {}
        for (name, kind), value in zip(self.kinds.items(), values, strict=True):
            if name in self.arrays:
                operands[name] = _Operand(context, builder, kind, value)
            else:
                scalar = context.cast(builder, value, kind, self.dtype)
                self.scalars[name] = Lanes(builder, splat(builder, self.lanes, scalar), self.flags)
        if self.is_one_row:
            width = operands[self.results[0]].size
            self._emit_row({name: operand.data for name, operand in operands.items()}, width)
        else:
            rows, width = next(operand.shape for operand in operands.values() if operand.row_bytes is not None)
            with counted(builder, ir.Constant(rows.type, 0), rows, ir.Constant(rows.type, 1)) as number:
                self._emit_row({name: operand.row(number) for name, operand in operands.items()}, width)

    def _emit_row(self, starts: dict[str, Any], width: Any) -> None:
        builder, size, i32 = self.builder, width.type, ir.IntType(32)
        zero, step = ir.Constant(size, 0), ir.Constant(size, self.lanes)
        iota = ir.Constant(ir.VectorType(i32, self.lanes), list(range(self.lanes)))

        def first(count: Any) -> Any:
            """The mask of the first ``count`` lanes, or of all."""
            return builder.icmp_signed("<", iota, splat(builder, self.lanes, builder.trunc(count, i32)))

        if registers().bytes == 64:  # masks cost nothing, a second copy of the formula much compilation
            with counted(builder, zero, width, step) as place:
                self._emit_vector(starts, place, first(builder.sub(width, place)))
            return
        tail = builder.and_(width, ir.Constant(size, self.lanes - 1))
        whole = builder.sub(width, tail)
        with counted(builder, zero, whole, step) as place:
            self._emit_vector(starts, place, None)
        with builder.if_then(builder.icmp_signed("!=", tail, zero)):
            self._emit_vector(starts, whole, first(tail))

    def _emit_vector(self, starts: dict[str, Any], place: Any, mask: Any) -> None:
        """Load, compute, store; of the lanes in ``mask``, if there is one."""
        builder, align = self.builder, self.dtype.bitwidth // 8
        at = {
            name: builder.bitcast(builder.gep(start, [place]), self.vector.as_pointer())
            for name, start in starts.items()
        }

        def loaded(name: str) -> Lanes:
            if name in self.scalars:
                return self.scalars[name]
            if mask is None:
                return Lanes(builder, builder.load(at[name], align=align, typ=self.vector), self.flags)
            zero = ir.Constant(self.vector, [0.0] * self.lanes)
            return Lanes(builder, masked(builder, "load", at[name], mask, zero), self.flags)

        computed = self.formula(*map(loaded, self.parameters))
        for name, result in zip(self.results, computed if len(self.results) > 1 else [computed], strict=True):
            if mask is None:
                builder.store(result.value, at[name], align=align)
            else:
                masked(builder, "store", at[name], mask, result.value)


def _map(results: str, flags: Sequence[str]) -> Callable[[Callable], Any]:
    def decorated(formula: Callable) -> Any:
        wanted, given = results.split(", "), list(inspect.signature(formula).parameters)
        names = [name for name in wanted if name not in given] + given

        def applied(typing: Any, *kinds: Any) -> Any:
            use = _Map(formula, wanted, dict(zip(names, kinds, strict=True)), flags)

            def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
                use.emit(context, builder, values)
                return context.get_dummy_value()

            return types.void(*kinds), generate

        applied.__name__, applied.__doc__ = formula.__name__, formula.__doc__
        parameters = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in ("typing", *names)]
        applied.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return intrinsic(applied)

    return decorated


def strict_map(results: str) -> Callable[[Callable], Any]:
    """A map computed just as written; ``results`` names what the formula returns, separated by commas.

    A result of the name of a parameter is written where that was read. Numbers are given as they are.
    """
    return _map(results, ())


def fast_map(results: str) -> Callable[[Callable], Any]:
    """The same, in which LLVM may fuse multiplications with additions."""
    return _map(results, ("contract",))
