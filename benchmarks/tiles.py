"""Which register tiles are fast: multiply-adds per nanosecond of each height and width, for each kind of registers.

    python benchmarks/tiles.py [--terms 16 64] [--segments 1 8]

What ``pytrainr.numerics.tiles`` has in its table is marked. Tiles are compiled for AVX2 and for what the
processor has, and read matrices that fit in the first cache.
"""

from __future__ import annotations

import argparse
import ctypes
import time
from collections.abc import Callable
from typing import NamedTuple

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir

from pytrainr.numerics.tiles import Tile, shapes
from pytrainr.numerics.vectors import Registers

HOST_FEATURES = llvm.get_host_cpu_features()
TARGETS = {"haswell": "+avx2,+fma"}
if HOST_FEATURES["avx512f"]:
    TARGETS[llvm.get_host_cpu_name()] = HOST_FEATURES.flatten()
INDEX = ir.IntType(64)


class Run(NamedTuple):
    """What is asked of a tile."""

    terms: int
    segments: int


def repeated(tile: Tile, cpu: str, features: str, run: Run) -> Callable[[int], None]:
    """The tile as a function that computes it so many times."""
    module = ir.Module()
    pointer = tile.element.as_pointer()
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [INDEX, pointer, pointer, pointer]), "repeated")
    times, out, a, b = function.args
    before, body, after = (function.append_basic_block(name) for name in ("before", "body", "after"))
    ir.IRBuilder(before).branch(body)
    builder = ir.IRBuilder(body)
    left = builder.phi(INDEX)
    columns = tile.vectors * tile.lanes
    sizes = [columns], [run.terms, 1, run.terms * tile.rows], [columns, run.terms * columns]
    out_step, a_steps, b_steps = ([ir.Constant(INDEX, size) for size in group] for group in sizes)
    rest = [ir.Constant(INDEX, number) for number in (run.terms, run.segments, 1, tile.lanes)]
    builder.call(tile.declare(module), [out, *out_step, a, *a_steps, b, *b_steps, *rest])
    less = builder.sub(left, ir.Constant(INDEX, 1))
    left.add_incoming(times, before)
    left.add_incoming(less, body)
    builder.cbranch(builder.icmp_unsigned("!=", less, ir.Constant(INDEX, 0)), body, after)
    ir.IRBuilder(after).ret_void()
    parsed = llvm.parse_assembly(str(module))
    target = llvm.Target.from_default_triple()
    machine = target.create_target_machine(cpu=cpu, features=features, opt=3, codemodel="jitdefault", jit=True)
    passes = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=3))
    passes.getModulePassManager().run(parsed, passes)
    engine = llvm.create_mcjit_compiler(parsed, machine)
    engine.finalize_object()
    address = engine.get_function_address("repeated")
    call = ctypes.CFUNCTYPE(None, ctypes.c_int64, *[ctypes.c_void_p] * 3)(address)
    terms = run.segments * run.terms
    arrays = [_aligned(size) for size in (tile.rows * columns, terms * tile.rows, terms * columns)]

    def calls(times: int) -> None:
        call(times, *(array.ctypes.data for array in arrays))

    calls.keep = engine, arrays  # type: ignore[attr-defined]
    return calls


def _aligned(size: int) -> np.ndarray:
    """Zeros that begin with a line of the cache."""
    room = np.zeros(size + 8)
    first = -room.ctypes.data // 8 % 8
    return room[first : first + size]


def speed(tile: Tile, cpu: str, features: str, run: Run) -> float:
    """Multiply-adds per nanosecond, of the quickest of many short tries."""
    calls = repeated(tile, cpu, features, run)
    work = tile.rows * tile.vectors * tile.lanes * run.terms * run.segments
    times = max(1, 400_000 // work)
    tries = []
    for _ in range(60):
        started = time.process_time_ns()
        calls(times)
        tries.append(time.process_time_ns() - started)
    return work * times / min(tries)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--terms", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--segments", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--fused", action="store_true", help="fused multiply-adds instead of R's order")
    arguments = parser.parse_args()
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    for cpu, features in TARGETS.items():
        registers = Registers.of("x86_64", features)
        for segments in arguments.segments:
            for terms in arguments.terms:
                print(f"{cpu}, {segments} segments of {terms} terms: rows: vectors:speed, * as in the table")
                for rows in range(1, 9):
                    used = shapes(registers).widths(segments > 1)
                    line = []
                    for vectors in range(1, 11):
                        if rows * vectors > registers.number * 7 // 8:
                            break
                        kind = {"segmented": segments > 1, "masked": False, "strict": not arguments.fused}
                        tile = Tile(registers, ir.DoubleType(), rows, vectors, **kind)
                        mark = "*" if rows <= len(used) and vectors == used[rows - 1] else ""
                        line.append(f"{vectors}:{speed(tile, cpu, features, Run(terms, segments)):.1f}{mark}")
                    print(f"  {rows}  {'  '.join(line)}", flush=True)


if __name__ == "__main__":
    main()
