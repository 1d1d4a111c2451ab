"""All Numba policy in one place: flags, caching, and the few things LLVM can do that Numba does not offer.

Two kinds of kernels exist. A ``strict`` kernel computes what it says in the order it says it, because the order
of every floating-point operation is part of the promise to equal R to the bit. A ``fast`` kernel lets LLVM fuse
multiplications with additions and reorder sums; the exact arithmetic uses it. Both release the GIL, are cached on
disk and divide as NumPy does (Numba's Python division raises on zero, which prevents vectorisation).
"""

from __future__ import annotations

import atexit
import hashlib
import importlib
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from llvmlite import ir
from numba import extending, njit, types
from numba.core import caching
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering
from numba.np import linalg as numba_linalg

__all__ = [
    "FASTMATH",
    "KERNEL_POLICY",
    "fast",
    "fast_part",
    "intrinsic",
    "is_set",
    "strict",
    "strict_part",
]

# As mypy sees it, a function that Numba calls with a typing context first would lack that argument at every call.
intrinsic: Callable[[Callable], Any] = extending.intrinsic

_PACKAGE = Path(__file__).resolve().parents[1]


def _load_array_functions_without_scipy() -> None:
    """Numba, before its first kernel, imports all of scipy.linalg only to see whether it exists: a third of the start.

    It is, as we depend on it, and ``np.dot`` still loads what it needs of it when first compiled or called.
    """
    ensure_blas = numba_linalg.ensure_blas
    numba_linalg.ensure_blas = lambda: None
    try:
        importlib.import_module("numba.np.arraymath")
    finally:
        numba_linalg.ensure_blas = ensure_blas


_load_array_functions_without_scipy()


@lru_cache(maxsize=8)
def _source_stamp(folder: Path) -> str:
    """A digest of every source file that a kernel in ``folder`` can call: its own folder and ``numerics``.

    Numba's own stamp looks only at the file of the outermost function, so an edit to a function that is called
    from another file would leave a stale kernel in the cache.
    """
    digest = hashlib.sha256()
    for path in sorted({*folder.rglob("*.py"), *Path(__file__).parent.rglob("*.py")}):
        status = path.stat()
        digest.update(f"{path.relative_to(_PACKAGE)} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _stamped(locator: Any) -> Any:
    """Numba's cache locator ``locator``, for this package's files only, with the stamp above."""

    class StampedLocator(locator):
        @classmethod
        def from_function(cls, function: Any, file: str) -> Any:
            inside = os.path.abspath(file).startswith(str(_PACKAGE) + os.sep)
            found = super().from_function(function, file) if inside else None
            if found is not None:
                found.pytrainr_folder = Path(file).resolve().parent
            return found

        def ensure_cache_path(self) -> None:
            _check_writable(self.get_cache_path())

        def get_source_stamp(self) -> str:
            return _source_stamp(self.pytrainr_folder)

    return StampedLocator


@cache
def _check_writable(folder: str) -> None:
    """Raise ``OSError`` where a cache cannot be kept in ``folder``; asked once, where Numba asks for each kernel."""
    os.makedirs(folder, exist_ok=True)
    tempfile.TemporaryFile(dir=folder).close()


class _ProcessLocator(caching._SourceFileBackedLocatorMixin, caching._CacheLocator):
    """Where nothing can be kept: neither beside the sources nor in the user's cache folder, as in some containers.

    Numba would refuse to import us. Kernels are then cached for the life of the process.
    """

    def __init__(self, function: Any, file: str) -> None:
        self._py_file, self._lineno = file, function.__code__.co_firstlineno
        self._cache_path = os.path.join(_process_folder(), self.get_suitable_cache_subpath(file))

    def get_cache_path(self) -> str:
        return self._cache_path


@lru_cache(maxsize=1)
def _process_folder() -> str:
    folder = tempfile.mkdtemp(prefix="pytrainr-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


_locators = [*caching.CacheImpl._locator_classes, _ProcessLocator]
caching.CacheImpl._locator_classes = [
    *(_stamped(locator) for locator in _locators),
    *caching.CacheImpl._locator_classes,
]


def _library(state: Any) -> Any:
    """A library of machine code to be, whose parts are optimised only as a whole, and once.

    Numba optimises each function first by itself, and the whole twice, to remove counts of references that our
    kernels do not have.
    """
    library = state.targetctx.codegen().create_library(state.func_id.func_qualname)
    library._optimize_functions = lambda module: setattr(module, "data_layout", library._codegen._data_layout)

    def optimise() -> None:
        passes, builder = library._codegen._module_pass_manager()
        passes.run(library._final_module, builder)

    library._optimize_final_module = optimise
    return library


@register_pass(mutates_CFG=True, analysis_only=False)
class _KernelLowering(NativeLowering):
    """Numba's last step, with a library of ours."""

    _name = "pytrainr_kernel_lowering"

    def run_pass(self, state: Any) -> bool:
        state.library = _library(state)
        state.library.enable_object_caching()
        return bool(super().run_pass(state))


@register_pass(mutates_CFG=True, analysis_only=False)
class _PartLowering(NativeLowering):
    """Numba's last step without the machine code."""

    _name = "pytrainr_part_lowering"

    def run_pass(self, state: Any) -> bool:
        state.flags.no_compile = True
        state.library = library = _library(state)
        # What the part calls is linked into the kernel beside it, once, not into the part and all that call it.
        library.finalize = lambda: setattr(library, "_finalized", True)
        super().run_pass(state)
        key = object().__reduce_ex__  # callers find a function by its address to be; any distinct builtin serves
        libraries = [library, *library._linking_libraries]
        state.targetctx.insert_user_function(key, state.cr.fndesc, libraries)
        state.cr = state.cr._replace(cfunc=key)
        return True


class _Compiler(CompilerBase):
    """Numba's compiler with another last step."""

    lowering: type

    def define_pipelines(self) -> list[Any]:
        pipeline = DefaultPassBuilder.define_nopython_pipeline(self.state)
        pipeline.passes = [(self.lowering if step is NativeLowering else step, why) for step, why in pipeline.passes]
        pipeline._finalized = False
        pipeline.finalize()
        return [pipeline]


class _KernelCompiler(_Compiler):
    lowering = _KernelLowering


class _PartCompiler(_Compiler):
    lowering = _PartLowering


KERNEL_POLICY: dict[str, Any] = {
    "nogil": True,
    "cache": True,
    "error_model": "numpy",
    "pipeline_class": _KernelCompiler,
}
_PART_POLICY: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
FASTMATH = {"contract", "reassoc", "arcp", "nsz"}


def strict(function: Callable) -> Callable:
    """Compile a kernel whose floating-point operations keep their written order (R's arithmetic)."""
    return njit(**KERNEL_POLICY)(function)


def fast(function: Callable) -> Callable:
    """Compile a kernel in which LLVM may fuse and reorder operations; NaN and Inf keep their meaning."""
    return njit(fastmath=FASTMATH, **KERNEL_POLICY)(function)


def strict_part(function: Callable) -> Callable:
    """Compile a part of ``strict`` kernels: callable from compiled code only, and always put in place of the call.

    Numba makes machine code and a Python entry of every function by itself, and again in each of its callers. A part
    is translated to LLVM's language once and becomes machine code only in the kernels: less than half the compile time.
    In place of the call, because an array is passed on the stack, word by word.
    """
    return njit(**_PART_POLICY, pipeline_class=_PartCompiler, forceinline=True)(function)


def fast_part(function: Callable) -> Callable:
    """The same for ``fast`` kernels."""
    return njit(fastmath=FASTMATH, **_PART_POLICY, pipeline_class=_PartCompiler, forceinline=True)(function)


@intrinsic
def is_set(typing: Any, flag: types.Array) -> Any:
    """Whether ``flag[0]`` is non-zero, read from memory each time: another thread may have set it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        value = builder.load_atomic(array.data, ordering="monotonic", align=1)
        return builder.icmp_unsigned("!=", value, ir.Constant(value.type, 0))

    return types.boolean(flag), generate
