"""All Numba policy in one place: flags, caching, and the few things LLVM can do that Numba does not offer.

Two kinds of kernels exist. A ``strict`` kernel computes what it says in the order it says it, because the order
of every floating-point operation is part of the promise to equal R to the bit. A ``fast`` kernel lets LLVM fuse
multiplications with additions and reorder sums; the exact arithmetic uses it. Both release the GIL, are cached on
disk and divide as NumPy does (Numba's Python division raises on zero, which prevents vectorisation).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import extending, njit, typeof, types

from pytrainr.numerics import compiling
from pytrainr.numerics.kernel_cache import KernelCache
from pytrainr.numerics.numba_internals import part, use_cache

__all__ = ["FASTMATH", "compile_ahead", "fast", "fast_part", "intrinsic", "is_set", "kernel", "strict", "strict_part"]

# As mypy sees it, a function that Numba calls with a typing context first would lack that argument at every call.
intrinsic: Callable[[Callable], Any] = extending.intrinsic

_POLICY: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
FASTMATH = {"contract", "reassoc", "arcp", "nsz"}


def kernel(function: Callable, **policy: Any) -> Any:
    """``function`` compiled for each combination of argument types, and kept on disk."""
    cache = KernelCache(function)
    dispatcher = use_cache(njit(**_POLICY, **policy, no_cfunc_wrapper=True)(function), cache)
    compiling.register(cache.name, dispatcher)
    return dispatcher


def compile_ahead(function: Any, *arguments: Any) -> None:
    """Say that the kernel ``function`` will be called with such arguments: it can be compiled by then."""
    kinds, cache = tuple(map(typeof, arguments)), KernelCache(function.py_func)
    if not cache.has(kinds):
        compiling.want(cache.task(kinds))


def strict(function: Callable) -> Callable:
    """Compile a kernel whose floating-point operations keep their written order (R's arithmetic)."""
    return kernel(function)


def fast(function: Callable) -> Callable:
    """Compile a kernel in which LLVM may fuse and reorder operations; NaN and Inf keep their meaning."""
    return kernel(function, fastmath=FASTMATH)


def strict_part(function: Callable) -> Callable:
    """Compile a part of ``strict`` kernels: callable from compiled code only, and always put in place of the call.

    Numba makes machine code and a Python entry of every function by itself, and again in each of its callers. A part
    is translated to LLVM's language once and becomes machine code only in the kernels: less than half the compile time.
    In place of the call, because an array is passed on the stack, word by word.
    """
    return part(function, **_POLICY)


def fast_part(function: Callable) -> Callable:
    """The same for ``fast`` kernels."""
    return part(function, **_POLICY, fastmath=FASTMATH)


@intrinsic
def is_set(typing: Any, flag: types.Array) -> Any:
    """Whether ``flag[0]`` is non-zero, read from memory each time: another thread may have set it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        value = builder.load_atomic(array.data, ordering="monotonic", align=1)
        return builder.icmp_unsigned("!=", value, ir.Constant(value.type, 0))

    return types.boolean(flag), generate
