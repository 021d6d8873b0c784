"""Stored: what a later loop can make from what it reads anyway is not written to memory for it.

One idea: x less its mean is wanted by each loop of a normalisation, and follows from x and a few numbers. To make it
again in every loop takes no time beside reading it, and writing it costs twice that. `passes/again.py` does so between
forward and backward, before it is known what becomes one loop; here the loops are known. Read `memory.py` next.
"""

# Note [What pays]
# To store an array costs as much as to read it two more times. To make it again costs what a loop does not read anyway
# of what it is made of: large arrays, since a few numbers are always in a cache. It is made by members of its loop that
# are cheap, from what that loop reads, which is in memory for all later ones; a parameter that is written to later is
# not read in its place. A compiler makes one instruction of a product and a sum where it can, which rounds once, so
# what is made again may differ in its last bit, and is not looked for among what was made the first time.

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from ..passes.dead import without_dead
from ..program import Instruction, Program, Variable, replace_variables
from .dialect import HOST, Dialect
from .groups import Group
from .layout import Ref, layouts
from .schedule import Step, schedule

__all__ = ["Scheduled", "with_less_stored"]

_CHEAP = {"add", "subtract", "multiply", "negative", "maximum", "minimum", "square"}
_EXACT = {"equal", "not_equal"}
_LARGE = 1 << 16  # bytes; less is not worth the trouble
_FEW = 8  # times smaller is what is always in a cache
_LONGEST = 6  # instructions
_TIMES = 3  # what is made again may let others be


class Scheduled(NamedTuple):
    """A program, where its variables lie, and its steps."""

    program: Program
    refs: dict[Variable, Ref]
    steps: list[Step]


def with_less_stored(program: Program, dialect: Dialect = HOST) -> Scheduled:
    """The program in which loops make again what pays, see Note [What pays], in its order."""
    made = _scheduled(program, dialect)
    if any(_is_large(instruction.out) for instruction in program.instructions):
        for _ in range(_TIMES):
            found = _Loops(*made).program()
            if found is None:
                break
            made = _scheduled(found, dialect)
    return made


def _scheduled(program: Program, dialect: Dialect) -> Scheduled:
    refs = layouts(program)
    return Scheduled(program, refs, schedule(program, refs, dialect))


class _Loops:
    """One look at the loops of a program."""

    def __init__(self, program: Program, refs: dict[Variable, Ref], steps: list[Step]) -> None:
        self.before, self.refs = program, refs
        self.maker = {instruction.out: instruction for instruction in program.instructions}
        self.ready = {instruction.out: i for i, step in enumerate(steps) for instruction in _instructions(step)}
        self.kept = {refs[variable].base for variable in program.kept()}
        written = {id(place) for place, _ in program.writes}
        self.written = {variable for place, variable in program.places if id(place) in written}
        loops = {i: step for i, step in enumerate(steps) if isinstance(step, Group)}
        self.place = {out: i for i, loop in loops.items() for out in loop.ways}  # of what is a member, its loop
        members = (member for loop in loops.values() for member in loop.members.values())
        # In their order, from which it follows what is found.
        self.elements = dict.fromkeys(m.out for m in members if m.kind == "element" and not m.per_row)
        self.readers = self._readers()
        self.comparing = {self.place[i.out] for i in program.instructions if i.name in _EXACT and i.out in self.place}
        # What each loop reads from memory, and which of that is made last, behind which it makes others again.
        self.reads = {i: {base for base in loop.reads if base not in loop.ways} for i, loop in loops.items()}
        made = {loop: reads & self.ready.keys() for loop, reads in self.reads.items()}
        self.behind = {loop: max(reads, key=self._when) for loop, reads in made.items() if reads}

    def _readers(self) -> dict[Variable, set[int]]:
        """By variable, the loops that read it, and -1 for what is none."""
        readers: dict[Variable, set[int]] = {}
        for instruction in self.before.instructions:
            for variable in instruction.variables():
                readers.setdefault(variable, set()).add(self.place.get(instruction.out, -1))
        return readers

    def program(self) -> Program | None:
        """What comes of it; None where all stays as it is."""
        again: dict[int, dict[Variable, list[Variable]]] = {}  # loop -> what it makes again, each with its way
        for out in self.elements:
            loops = self.readers.get(out, set()) - {self.place[out]}
            if not _is_large(out) or out in self.kept or not loops or -1 in loops:
                continue
            way, starts = self._way(out)
            large = {start for start in starts if start.nbytes * _FEW > out.nbytes}
            unread = sum(len(large - self.reads[loop]) for loop in loops)
            if not way or unread >= len(loops) + 2 or not self._may_make(out, way, large, loops):
                continue
            for loop in loops:
                again.setdefault(loop, {})[out] = way
                self.reads[loop] |= large
        return self._with(again) if again else None

    def _may_make(self, out: Variable, way: list[Variable], large: set[Variable], loops: set[int]) -> bool:
        """Whether these loops can make an element again, from what is there still, and give what they gave."""
        if not large.isdisjoint(self.written):
            return False
        if _may_round_otherwise({self.maker[step].name for step in way}) and loops & self.comparing:
            return False
        # Else it would join its own loop.
        return all(loop in self.behind and self.ready[self.behind[loop]] > self.place[out] for loop in loops)

    def _when(self, variable: Variable) -> tuple[int, int]:
        return self.ready[variable], variable.index

    def _way(self, out: Variable) -> tuple[list[Variable], set[Variable]]:
        """The members of its loop that lead to an element, in order, and what they start from; none if one is dear."""
        way: dict[Variable, None] = {}
        starts: set[Variable] = set()
        waiting = [out]
        while waiting:
            variable = waiting.pop()
            made = self.maker[variable]
            if variable in way:
                continue
            if made.name not in _CHEAP or made.options or len(way) == _LONGEST:
                return [], set()
            way[variable] = None
            for read in made.variables():
                if read not in self.refs:
                    continue
                base = self.refs[read].base
                if self.place.get(base, -1) != self.place[out]:
                    starts.add(base)
                elif base in self.elements and base is read and base.shape == out.shape:
                    waiting.append(read)
                elif base in self.elements or base.nbytes * _FEW > out.nbytes:
                    return [], set()
                else:
                    starts.add(base)
        return sorted(way, key=lambda variable: variable.index), starts

    def _with(self, again: dict[int, dict[Variable, list[Variable]]]) -> Program:
        count = max(v.index for i in self.before.instructions for v in (i.out, *i.variables()))
        new: dict[int, dict[Variable, Variable]] = {loop: {} for loop in again}
        instructions: list[Instruction] = []
        for instruction in self.before.instructions:
            loop = self.place.get(instruction.out, -1)
            made = new.get(loop, {})
            for variable in instruction.variables():
                for step in again.get(loop, {}).get(variable, ()):
                    if step not in made:
                        count += 1
                        copy = Variable(count, step.shape, step.dtype)
                        instructions.append(_renamed(self.maker[step], made, copy, self.behind[loop]))
                        made[step] = copy
            wanted = {v: made[v] for v in again.get(loop, ()) if v in made}
            instructions.append(_renamed(instruction, wanted, instruction.out, instruction.after))
        return without_dead(replace(self.before, instructions=instructions))


def _is_large(variable: Variable) -> bool:
    return variable.nbytes >= _LARGE


def _may_round_otherwise(names: set[str]) -> bool:
    """Whether a compiler may make one instruction of a product and a sum, here and not there."""
    return not names.isdisjoint({"multiply", "square"}) and not names.isdisjoint({"add", "subtract"})


def _renamed(old: Instruction, names: dict[Variable, Variable], out: Variable, after: Variable | None) -> Instruction:
    inputs, options = replace_variables((old.inputs, old.options), lambda v: names.get(v, v))
    return replace(old, inputs=inputs, options=options, out=out, after=after)


def _instructions(step: Step) -> list[Instruction]:
    if isinstance(step, Group):
        return [member.instruction for member in step.members.values()]
    return [step.instruction]
