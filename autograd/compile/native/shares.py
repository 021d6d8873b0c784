"""Shares: a kernel of two arrays whose parts each have room of their own, and whose sums are added up afterwards.

One idea: what several ways to convolve have in common is how they are called: f(a, b, out, room, part, lengths). One
text serves a compiled step; eager code calls the same function with lengths that it is given. Read `rings.py` next.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import NamedTuple

from ...backend import host
from ...convolution import Geometry
from ..program import Instruction, Variable
from .kernels import Listed, Refs, Statements
from .template import TYPES, address, filled

__all__ = ["LAST", "Lies", "Way", "Work", "shared"]

Lies = tuple[bool, bool]  # whether the first image that is read has its channels in axis 1, and the second
LAST: Lies = (False, False)


class Work(NamedTuple):
    """How one of these instructions is done."""

    numbers: tuple[int, ...]  # of the record of lengths
    parts: int
    room: int  # elements that all parts work in
    sums: int  # how many sums of a weight's gradient are made, to be added up; 1 where there is nothing to add


class Way(NamedTuple):
    """Functions in C that do instructions in parts."""

    functions: dict[str, tuple[str, ...]]  # by instruction, the texts with the function `{way}_{instruction}_@`
    work_of: Callable[..., Work]  # (instruction, geometry, bytes of a number), and how images lie where it `turns` them
    record: str  # the type of the lengths
    about: str
    packs: frozenset[str] = (
        frozenset()
    )  # those before which `{way}_pack_{instruction}_@(b, bias, room, lengths)` is called
    turns: bool = False  # whether it reads images with their channels in axis 1 too, and turns them as it does

    def planned(self, name: str, geo: Geometry, itemsize: int, lies: Lies = LAST) -> Work:
        """How an instruction is done, of images that lie so."""
        return self.work_of(name, geo, itemsize, lies) if self.turns else self.work_of(name, geo, itemsize)


def shared(
    instruction: Instruction, refs: Refs, geo: Geometry, name_of_way: str, way: Way, name: str, lies: Lies
) -> Statements:
    """The kernel of an instruction, what `name` does, over arrays that lie as this way reads them."""
    out = instruction.out
    kind, _, ending = TYPES[str(out.dtype)]
    work = way.planned(name, geo, out.dtype.itemsize, lies)
    a, b, *bias = reads = [refs[variable] for variable in instruction.inputs]
    size = prod(out.shape)
    behind = work.sums * size if work.sums > 1 else 0
    scratch = Variable(-1, ((work.room + behind) * out.dtype.itemsize,), host.dtype("uint8"))

    def result(listed: Listed) -> str:
        return f"({kind} *){listed.address(out)}"

    def sums(listed: Listed) -> str:
        return f"({kind} *){listed.address(scratch)} + {work.room}L"

    record = f"static const {way.record} g = {{{', '.join(map(str, work.numbers))}}};"

    def pack(listed: Listed) -> str:
        given = [address(b, listed, kind), *(address(ref, listed, kind) for ref in bias or ())] + ["0"] * (not bias)
        given.append(f"({kind} *){listed.address(scratch)}")
        return f"  {{ {record}\n    {name_of_way}_pack_{name}_{ending}({', '.join(given)}, &g); }}"

    def statements(listed: Listed) -> str:
        return (
            f"  {{ {record}\n"
            f"    {name_of_way}_{name}_{ending}({address(a, listed, kind)}, {address(b, listed, kind)}, "
            f"{sums(listed) if behind else result(listed)}, ({kind} *){listed.address(scratch)}, "
            f"{'part' if work.parts > 1 else 0}, &g); }}"
        )

    def add_up(listed: Listed) -> str:
        return (
            f"  {{ {kind} *w = {result(listed)};\n"
            f"    const {kind} *s = {sums(listed)};\n"
            f"    for (long i = 0; i < {size}; i++) {{ w[i] = s[i];\n"
            f"      for (long part = 1; part < {work.sums}; part++) w[i] += s[{size}L * part + i]; }} }}"
        )

    return Statements(
        instruction,
        reads,
        statements=statements,
        functions=tuple(filled(text, out.dtype) for text in way.functions[name]),
        scratch=scratch,
        about=way.about,
        parts=work.parts,
        beginning=pack if name in way.packs else None,
        ending=add_up if behind else None,
    )
