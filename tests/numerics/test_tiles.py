"""The register tiles of every kind of processor, whichever this one is: none is missing, and each fits."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import llvmlite.binding as llvm
import pytest
from llvmlite import ir

from pytrainr.numerics.linalg import _part
from pytrainr.numerics.tiles import Shapes, Tile, shapes
from pytrainr.numerics.vectors import Registers


class Target(NamedTuple):
    """A processor to compile for, and its vector registers."""

    triple: str
    cpu: str
    features: str
    registers: Registers


X86, ARM = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"
AVX512 = "+avx,+avx2,+fma,+avx512f,+avx512cd,+avx512bw,+avx512dq,+avx512vl"
TARGETS = [
    Target(X86, "x86-64", "+sse2", Registers(16, 16, False)),
    Target(X86, "sandybridge", "+sse4.2,+avx", Registers(16, 16, False)),
    Target(X86, "bdver1", "+sse4.2,+avx,+fma4", Registers(16, 16, False)),
    Target(X86, "haswell", "+avx,+avx2,+fma", Registers(32, 16, True)),
    Target(X86, "skylake-avx512", AVX512, Registers(64, 32, True)),
    Target(X86, "znver4", AVX512, Registers(64, 32, True)),
    Target(ARM, "generic", "+neon", Registers(16, 32, True)),
]
each_target = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.cpu)
each_segmented = pytest.mark.parametrize("segmented", [False, True], ids=["single", "segmented"])


@each_target
def test_registers_are_recognised(target: Target) -> None:
    assert Registers.of(target.triple, target.features) == target.registers


@each_target
@each_segmented
def test_loops_advance_and_find_their_tile(target: Target, segmented: bool) -> None:
    """Issue 10: the heights that the loops ask for and the widths that there are come from one table.

    They did not, and a processor without AVX-512 was asked for four rows of tiles of no width, for ever.
    """
    widths = shapes(target.registers).widths(segmented)
    for rows in range(1, 40):
        widest = widths[min(rows, len(widths)) - 1]
        row = 0
        while row < rows:
            height = _part.py_func(rows - row, len(widths))
            assert 1 <= height <= len(widths)
            assert 1 <= widest <= widths[height - 1]
            row += height
    assert 1 <= min(shapes(target.registers).in_panel) <= shapes(target.registers).panel


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Shapes(single=(6, 4, 3, 2, 2, 2), segmented=(4, 2, 2, 0), panel=2), "wide at every height"),  # once, on AVX2
        (Shapes(single=(0,), segmented=(4, 2, 2), panel=1), "wide at every height"),
        (Shapes(single=(), segmented=(4, 2, 2), panel=1), "wide at every height"),
        (Shapes(single=(6, 2, 3), segmented=(4, 2, 2), panel=2), "wider than a lower one"),
        (Shapes(single=(6, 4, 3, 3, 3), segmented=(4, 2, 2), panel=2), "needs 19 registers of 16"),
        (Shapes(single=(6, 4, 3), segmented=(4, 4, 4), panel=2), "needs 17 registers of 16"),
        (Shapes(single=(6, 4, 3), segmented=(4, 2, 2), panel=7), "a panel should be 1 to 6 vectors wide, not 7"),
    ],
)
def test_a_broken_table_is_refused_when_it_is_built(broken: Shapes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        broken.checked(16)


class Assembly:
    """A tile as a processor would run it."""

    def __init__(self, target: Target, tile: Tile) -> None:
        module = ir.Module()
        module.triple = target.triple
        tile.declare(module).linkage = "external"
        parsed = llvm.parse_assembly(str(module))
        kind = llvm.Target.from_triple(target.triple)
        machine = kind.create_target_machine(cpu=target.cpu, features=target.features, opt=3, reloc="pic")
        parsed.data_layout = str(machine.target_data)
        passes = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=3))
        passes.getModulePassManager().run(parsed, passes)
        self.lines = machine.emit_assembly(parsed).splitlines()

    def term_loops(self) -> list[list[str]]:
        """The loops with products that are a single block: that of the segments has another within."""
        labels, loops = {}, []
        for number, line in enumerate(self.lines):
            if found := re.match(r"(\.L\w+):", line):
                labels[found[1]] = number
            elif found := re.match(r"\s+(?:j\w+|b|b\.\w+|cbn?z\s+\w+,)\s+(\.L\w+)", line):
                loops.append((labels.get(found[1], number), number))
        found_loops = [
            self.lines[first : last + 1]
            for first, last in loops
            if first < last and not any(first < label <= last for label in labels.values())
        ]
        return [loop for loop in found_loops if any(re.search(r"\bv?f?mul|fmadd|fmla", line) for line in loop)]

    def register_kinds(self) -> set[str]:
        """ "x", "y" and "z" for xmm and the like, or "v"."""
        return set(re.findall(r"%([xyz])mm\d", "\n".join(self.lines))) or {"v"}


VECTOR_TO_STACK = re.compile(r"\bv?mov\w*\s+%[xyz]mm\d+, \S*\(%rsp\)|\bst[rp]\s+[qdv]\d.*\[sp")


@pytest.fixture(autouse=True, scope="module")
def all_processors() -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


@each_target
@each_segmented
@pytest.mark.parametrize("strict", [True, False], ids=["strict", "fused"])
@pytest.mark.parametrize("element", [ir.DoubleType(), ir.FloatType()], ids=["float64", "float32"])
def test_assembly(target: Target, segmented: bool, strict: bool, element: Any) -> None:
    """Whole registers are used, sums stay in them while terms are added, and nothing is called."""
    kind = {16: "x", 32: "y", 64: "z"}[target.registers.bytes] if target.triple == X86 else "v"
    for rows, vectors in enumerate(shapes(target.registers).widths(segmented), 1):
        tile = Tile(target.registers, element, rows, vectors, segmented=segmented, masked=False, strict=strict)
        assembly = Assembly(target, tile)
        assert kind in assembly.register_kinds(), tile.name
        loops = assembly.term_loops()
        assert loops, tile.name
        for loop in loops:
            assert not [line for line in loop if VECTOR_TO_STACK.search(line)], (tile.name, loop)
        fused = [line for line in assembly.lines if re.search("fmadd|fmla", line)]
        assert bool(fused) == (target.registers.fused and not strict), tile.name
        assert not [line for line in assembly.lines if re.search(r"\b(call\w*|bl)\s", line)], tile.name
