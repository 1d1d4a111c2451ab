"""Functions that are compiled once and called by address, instead of being copied into every kernel that uses them.

Numba links whatever a kernel calls into the kernel and optimises it there again. With hundreds of vector routines
behind a matrix product that takes minutes. A function decorated here is compiled, and cached, by itself; a kernel
holds nothing but its name. Where a kernel is compiled or comes from the cache, the functions it names are made
available first: Numba keeps a list of what to call then, with the kernel.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
from numba import njit, types
from numba.core import caching, cgutils

from pytrainr.numerics.jit import FASTMATH, KERNEL_POLICY, intrinsic

__all__ = ["compiled_once", "fast_compiled_once"]


class _CacheImpl(caching.CompileResultCacheImpl):
    """Numba's, but what comes from the cache hands that list on to what is compiled with it, as fresh code does."""

    def rebuild(self, target_context: Any, payload: Any) -> Any:
        result = super().rebuild(target_context, payload)
        result.library._reload_init.update(result.reload_init)
        return result


caching.FunctionCache._impl_class = _CacheImpl


class _Function:
    """Its versions for the types it has been called with."""

    def __init__(self, function: Callable, **policy: Any) -> None:
        self.name = f"{function.__module__}.{function.__qualname__}"
        self.dispatcher = njit(**KERNEL_POLICY, **policy)(function)
        self.versions: dict[tuple[types.Type, ...], _Version] = {}

    def version(self, kinds: tuple[types.Type, ...]) -> _Version:
        if kinds not in self.versions:
            self.versions[kinds] = _Version(self, kinds)
        return self.versions[kinds]


class _Version:
    """One function for some types of arguments; calling it makes its machine code known to LLVM by its symbol."""

    def __init__(self, function: _Function, kinds: tuple[types.Type, ...]) -> None:
        self.function, self.kinds = function, kinds
        self.symbol = f"{function.name}({', '.join(map(str, kinds))})"
        self.returned: Any = None

    def __call__(self) -> None:
        if self.returned is None:
            self.function.dispatcher.compile(self.kinds)
            compiled: Any = self.function.dispatcher.overloads[self.kinds]
            address = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
            llvm.add_symbol(self.symbol, address)
            self.returned = compiled.signature.return_type

    def __reduce__(self) -> Any:
        return _version, (self.function.name, self.kinds)


_FUNCTIONS: dict[str, _Function] = {}


def _version(name: str, kinds: tuple[types.Type, ...]) -> _Version:
    return _FUNCTIONS[name].version(kinds)


def compiled_once(function: Callable) -> Any:
    """Decorate a strict function for use in compiled code: compiled once for each combination of argument types."""
    return _compiled_once(function)


def fast_compiled_once(function: Callable) -> Any:
    """The same for a function in which LLVM may fuse and reorder operations."""
    return _compiled_once(function, fastmath=FASTMATH)


def _compiled_once(function: Callable, **policy: Any) -> Any:
    known = _FUNCTIONS[f"{function.__module__}.{function.__qualname__}"] = _Function(function, **policy)

    def call(typing: Any, *arguments: types.Type) -> Any:
        version = known.version(tuple(map(types.unliteral, arguments)))
        version()

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            context.active_code_library._reload_init.add(version)
            function_type = context.call_conv.get_function_type(version.returned, version.kinds)
            external = cgutils.get_or_insert_function(builder.module, function_type, version.symbol)
            status, result = context.call_conv.call_function(builder, external, version.returned, version.kinds, values)
            with cgutils.if_unlikely(builder, status.is_error):
                context.call_conv.return_status_propagate(builder, status)
            return result

        return version.returned(*version.kinds), generate

    parameters = [inspect.Parameter("typing", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    parameters += inspect.signature(function).parameters.values()
    call.__name__, call.__doc__ = function.__name__, function.__doc__
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return intrinsic(call)
