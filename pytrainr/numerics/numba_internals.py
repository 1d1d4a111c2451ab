"""What Numba and llvmlite do not promise to keep: every such name that we use is here, and only here.

Tried on Numba 0.61 to 0.68 (`make versions`; docs/machines.md has the results). An older Numba is refused. On a newer
one nothing is taken for granted: ``FAST`` is false, every function goes through Numba's own pipeline, which takes
longer to compile and computes the same bits, and what cannot be kept on disk is compiled anew in each process.
``PYTRAINR_NUMBA=fallback`` asks for the same on a known Numba.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numba
from numba import types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.imputils import lower_constant
from numba.core.typing.templates import AttributeTemplate
from numba.extending import models, overload, register_model, typeof_impl

from pytrainr._loading import quickly
from pytrainr.forks import around_fork

__all__ = [
    "FAST",
    "NEWEST_TRIED",
    "OLDEST",
    "AttributeTemplate",
    "address_of",
    "by_class",
    "global_compiler_lock",
    "load_array_functions",
    "part",
    "rebuilt",
    "reduced",
    "target",
    "use_cache",
]

OLDEST, NEWEST_TRIED = (0, 61), (0, 68)


def _version() -> tuple[int, int]:
    major, minor, *_ = numba.__version__.split(".")
    return int(major), int(minor.split("+")[0])


if _version() < OLDEST:
    raise ImportError(
        f"pytrainr needs Numba {OLDEST[0]}.{OLDEST[1]} or newer, this is {numba.__version__}: pip install -U numba"
    )

FAST = _version() <= NEWEST_TRIED and os.environ.get("PYTRAINR_NUMBA") != "fallback"


@cache
def load_array_functions() -> None:
    """Before the first kernel is compiled: Numba imports all of scipy.linalg then, only to see whether it exists.

    It does, as we depend on it, and ``np.dot`` still loads what it needs of it when first compiled or called.
    """
    if not FAST:
        return
    numba_linalg: Any = importlib.import_module("numba.np.linalg")
    ensure_blas = numba_linalg.ensure_blas
    numba_linalg.ensure_blas = lambda: None
    try:
        importlib.import_module("numba.np.arraymath")
    finally:
        numba_linalg.ensure_blas = ensure_blas


if FAST:
    # A fork waits until no other thread compiles: in the child Numba's lock would stay with a thread that is not there.
    around_fork(global_compiler_lock.acquire, global_compiler_lock.release)


def target() -> tuple[str, ...]:
    """What Numba compiles for: triple, processor and its features, as ``NUMBA_CPU_NAME`` and the like may say."""
    if FAST:
        from numba.core.registry import cpu_target

        return tuple(cpu_target.target_context.codegen().magic_tuple())
    features = numba.config.CPU_FEATURES or llvm.get_host_cpu_features().flatten()
    return llvm.get_process_triple(), numba.config.CPU_NAME or llvm.get_host_cpu_name(), features


# compiled functions ---------------------------------------------------------------------------------------------------


def address_of(dispatcher: Any, kinds: tuple[Any, ...]) -> tuple[int, Any]:
    """Where the machine code of one version of a compiled function is, and what that returns."""
    compiled = dispatcher.overloads[kinds]
    return compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name), compiled.signature.return_type


def use_cache(dispatcher: Any, cache: Any) -> Any:
    """``dispatcher``, which asks ``cache`` before it compiles and hands it what it compiled.

    It compiles without looking for garbage, which would be a tenth of the time.
    """
    compile_now = dispatcher.compile

    def compile_here_or_elsewhere(kinds: Any) -> Any:
        cache.fetch(kinds)  # before Numba's lock is taken
        with global_compiler_lock, quickly():  # nobody else compiles between what the second finds and puts back
            return compile_now(kinds)

    dispatcher._cache, dispatcher.compile = cache, compile_here_or_elsewhere
    return dispatcher


def reduced(result: Any) -> Any:
    """A compiled function to be pickled, or None where it holds addresses of this process."""
    if result.lifted or result.library.has_dynamic_globals:
        return None
    return result._replace(type_annotation="")._reduce()


def rebuilt(context: Any, payload: Any) -> Any:
    """The compiled function again.

    Numba would first load all that it can compile, a fifth of the start; what is compiled only needs what it calls.
    """
    from numba.core.compiler import CompileResult

    _name_runtime() if FAST else context.refresh()
    return CompileResult._rebuild(context, *payload)


@cache
def _name_runtime() -> None:
    """Tell LLVM where the functions are that count references and take arrays from Python, as Numba itself does."""
    from numba.core.runtime import _nrt_python

    for name, address in _nrt_python.c_helpers.items():
        llvm.add_symbol(name if name.startswith("_") else f"NRT_{name}", address)


# functions by class ---------------------------------------------------------------------------------------------------


def by_class(name: str, find: Callable[[type], Any]) -> Any:
    """A function for compiled code that is, by the class of its first argument, one of several compiled ones.

    ``find`` says which. Numba's ``overload`` does the same by a function that passes everything on, and whose
    compilation is a tenth of a kernel's where it passes on a hundred numbers.
    """
    return _ByClass(name, find) if FAST else _overloaded(name, find)


class _ByClass:
    def __init__(self, name: str, find: Callable[[type], Any]) -> None:
        self.name, self.find = name, find


class _ByClassType(types.Callable, types.Opaque):
    """Such a function to Numba: for a call, that of the class."""

    def __init__(self, function: _ByClass) -> None:
        self.function = function
        super().__init__(f"by_class({function.name}, {id(function)})")

    def _chosen(self, first: Any) -> Any:
        return types.Dispatcher(self.function.find(first.instance_class))

    def get_call_type(self, context: Any, arguments: Any, keywords: Any) -> Any:
        return self._chosen(arguments[0]).get_call_type(context, arguments, keywords)

    def get_call_signatures(self) -> Any:
        return (), True

    def get_impl_key(self, signature: Any) -> Any:
        return self._chosen(signature.args[0]).get_impl_key(signature)


@typeof_impl.register(_ByClass)
def _type_of(function: Any, _: Any) -> Any:
    return _ByClassType(function)


register_model(_ByClassType)(models.OpaqueModel)


@lower_constant(_ByClassType)
def _constant(context: Any, builder: Any, kind: Any, function: Any) -> Any:
    return context.get_dummy_value()


def _overloaded(name: str, find: Callable[[type], Any]) -> Any:
    def function(*arguments):  # type: ignore[no-untyped-def]  # Numba wants what stands in for it to look the same
        raise NotImplementedError("only compiled code calls it")

    def chosen(*arguments):  # type: ignore[no-untyped-def]
        compiled = find(arguments[0].instance_class)
        return lambda *arguments: compiled(*arguments)

    function.__name__ = name
    overload(function)(chosen)
    return function


# parts ----------------------------------------------------------------------------------------------------------------


def part(function: Callable, **policy: Any) -> Any:
    """A part of kernels, compiled to LLVM's language, once, and to machine code only in the kernels."""
    if not FAST:
        return numba.njit(**policy)(function)
    own = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "forceinline": True}
    dispatcher = numba.njit(**policy, **own, pipeline_class=_part_compiler())(function)
    compile_now = dispatcher.compile
    # not once more for a constant, of which LLVM makes as much in the place of the call
    dispatcher.compile = lambda kinds: compile_now(tuple(map(types.unliteral, kinds)))
    return dispatcher


def _part_compiler() -> Any:
    global _PART_COMPILER
    if _PART_COMPILER is None:
        _PART_COMPILER = _make_part_compiler()
    return _PART_COMPILER


_PART_COMPILER: Any = None


def _make_part_compiler() -> Any:
    from numba.core.compiler import CompilerBase, DefaultPassBuilder
    from numba.core.compiler_machinery import register_pass
    from numba.core.typed_passes import NativeLowering

    @register_pass(mutates_CFG=True, analysis_only=False)
    class PartLowering(NativeLowering):
        """Numba's last step without the machine code."""

        _name = "pytrainr_part_lowering"

        def run_pass(self, state: Any) -> bool:
            state.flags.no_compile = True
            state.library = library = state.targetctx.codegen().create_library(state.func_id.func_qualname)
            # A part is optimised in the kernels; what it calls is linked into these beside it, once, not into the part.
            library._optimize_functions = lambda module: setattr(module, "data_layout", library._codegen._data_layout)
            library.finalize = lambda: setattr(library, "_finalized", True)
            super().run_pass(state)
            key = object().__reduce_ex__  # callers find a function by its address to be; any distinct builtin serves
            libraries = [library, *library._linking_libraries]
            state.targetctx.insert_user_function(key, state.cr.fndesc, libraries)
            state.cr = state.cr._replace(cfunc=key)
            return True

    class PartCompiler(CompilerBase):
        """Numba's compiler with that last step."""

        def define_pipelines(self) -> list[Any]:
            pipeline = DefaultPassBuilder.define_nopython_pipeline(self.state)
            pipeline.passes = [(PartLowering if step is NativeLowering else step, why) for step, why in pipeline.passes]
            pipeline._finalized = False
            pipeline.finalize()
            return [pipeline]

    return PartCompiler
