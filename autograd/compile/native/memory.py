"""Memory: where each variable of a native program lies.

One idea: a variable needs memory from the step that makes it to the last that reads it, so those that are never wanted
at once share a place in one arena. What is written to a parameter at the end is written there at once, where nobody
reads the old value any more and nothing can fail any more; what is returned is written into the array that will be
returned. Read `members.py` next.
"""

from __future__ import annotations

from typing import Any

from ...backend import host
from ..program import Program, Variable
from .groups import Group
from .kernels import Check, Kernel
from .layout import Ref
from .moves import Move
from .products import Product
from .schedule import Call, Step

__all__ = ["Plan", "reads_of"]

_ALIGNED = 64  # bytes


class Plan:
    """The place of everything: a slot (an address set at each call) or an offset in the arena.

    A place in the arena is another's so many steps after its last reader: where the next step need not wait for that
    one, as on a GPU, it shall not have to wait for its memory. Results may lie `turned` in the arrays that are given
    back, where they have more than two axes, as images have.
    """

    def __init__(
        self, program: Program, refs: dict[Variable, Ref], steps: list[Step], after: int = 0, turned: bool = False
    ) -> None:
        self.program, self.refs, self.steps, self.after, self.turned = program, refs, steps, after, turned
        self._zeros = program.zeros()
        self.made = {variable: i for i, step in enumerate(steps) for variable in _made(step)}
        self._last_risk = max((i for i, step in enumerate(steps) if isinstance(step, (Call, Check))), default=-1)
        self.last: dict[Variable, int] = {}  # the last step that reads it
        self.read: set[Variable] = set()  # what must be in memory
        for i, step in enumerate(steps):
            for variable in reads_of(step, refs):
                self.last[variable] = i
                if self.made.get(variable) != i:
                    self.read.add(variable)
        for i, step in enumerate(steps):
            if isinstance(step, Kernel) and step.scratch is not None:
                self.last[step.scratch] = i
                self.read.add(step.scratch)
        for variable in program.kept():
            base = refs[variable].base
            self.last[base] = len(steps)
            self.read.add(base)

        self.slots: dict[Variable, int] = {}
        outside = [*program.arguments, *(v for _, v in program.places), *(v for v, _ in program.constants)]
        for variable in outside:
            self.slots[variable] = 1 + len(self.slots)
        self.aliases: dict[Variable, Variable] = {}  # a written variable -> that of the place it is written to
        self.in_place = self._written_in_place()
        self.fresh = self._fresh()
        self.numbers = self._numbers()
        self.draws = self._draws()
        self.offsets: dict[Variable, int] = {}
        self.arena_bytes = self._lay_out()

    def peak(self) -> dict[str, int]:
        """The bytes that a call holds at its peak beside arguments, parameters and state, by what they are."""
        written = [variable for place, variable in self.program.writes if place not in self.in_place]
        return {
            "working memory": self.arena_bytes,
            "results and gradients": sum(variable.nbytes for variable in [*self.program.results, *written]),
            "constants": sum(array.nbytes for _, array in self.constants()),
        }

    # For the source

    def place(self, base: Variable) -> tuple[int, int]:
        """The number of an address that a call sets, and the bytes from there."""
        base = self.aliases.get(base, base)
        return (self.slots[base], 0) if base in self.slots else (0, self.offsets[base])

    def is_stored(self, variable: Variable) -> bool:
        """Whether it must be written to memory, for others to read."""
        return variable in self.read

    def is_safe(self, variable: Variable) -> bool:
        """Whether no step after the one that makes it can raise an error: a check, or a function of NumPy's."""
        return self.made[variable] > self._last_risk

    def is_zero(self, base: Variable) -> bool:
        """Whether a variable is a constant that is zero everywhere."""
        return base in self._zeros

    def order(self, variable: Variable) -> int:
        """Which of the numbers that change from call to call it is."""
        return self.numbers.index(variable)

    def constants(self) -> list[tuple[Variable, Any]]:
        """Those that must be in memory, each with its array."""
        return [(variable, array) for variable, array in self.program.constants if variable in self.read]

    # Decisions

    def _written_in_place(self) -> set[Any]:
        """The places into which the new value may be written by the very step that computes it."""
        variables = {id(place): variable for place, variable in self.program.places}
        found = set()
        for place, new in self.program.writes:
            old = variables.get(id(place))
            ref = self.refs[new]
            base = ref.base
            if old is None or not ref.is_whole or base in self.aliases or base not in self.made:
                continue
            if old.shape != new.shape or old.dtype != new.dtype or old in map(self._base, self.program.kept()):
                continue
            step = self.steps[self.made[base]]
            if (
                isinstance(step, Group)
                and self.is_safe(base)
                and self.last.get(old, -1) <= self.made[base]
                and _reads_in_step(step, base, old)
            ):
                self.aliases[base] = old
                found.add(place)
        return found

    def _base(self, variable: Variable) -> Variable:
        return self.refs[variable].base

    def _fresh(self) -> list[tuple[int, Variable]]:
        """The results that are written into the arrays that are returned: their numbers, and what is written there."""
        found = []
        for i, variable in enumerate(self.program.results):
            ref = self.refs[variable]
            taken = ref.base in self.aliases or ref.base in self.slots
            fits = ref.is_whole or (self.turned and len(ref.shape) > 2 and ref.is_turned)
            if not taken and fits and ref.base in self.made:
                self.slots[ref.base] = 1 + len(self.slots)
                found.append((i, ref.base))
        return found

    def _numbers(self) -> list[Variable]:
        """The numbers that C reads."""
        known = {variable for _, variable in self.program.numbers}
        members = [member for step in self.steps if isinstance(step, Group) for member in step.members.values()]
        found = [operand.number for member in members for operand in member.operands if operand.number in known]
        return list(dict.fromkeys(found))

    def _draws(self) -> list[Variable]:
        """The draws that C reads; each has a slot, the address of its three words."""
        found: dict[Variable, None] = {}
        for step in self.steps:
            if isinstance(step, Kernel) and step.draw is not None:
                found[step.draw] = None
        for variable in found:
            self.slots[variable] = 1 + len(self.slots)
        return list(found)

    def _lay_out(self) -> int:
        """Give each variable that lies in the arena its offset; gives the size of the arena in bytes."""
        waiting = [v for v in self.made if v in self.read and v.dtype is not None]
        waiting = [v for v in waiting if v not in self.slots and v not in self.aliases]
        placed = host.empty((4, len(waiting)), host.int64)  # from step, to step, from byte, to byte
        total = 0
        for count, variable in enumerate(sorted(waiting, key=_bytes, reverse=True)):
            first, last, size = self.made[variable], self.last[variable] + self.after, _bytes(variable)
            from_step, to_step, start, stop = placed[:, :count]
            at_once = host.flatnonzero((from_step <= last) & (first <= to_step))
            at_once = at_once[host.argsort(start[at_once], kind="stable")]
            # Where it could begin: behind all that lie before one of these, or behind all.
            free = host.maximum.accumulate(host.append(0, stop[at_once]))
            fits = host.append(free[:-1] + size <= start[at_once], True)
            offset = int(free[host.argmax(fits)])
            self.offsets[variable] = offset
            placed[:, count] = first, last, offset, offset + size
            total = max(total, offset + size)
        return total


def _made(step: Step) -> list[Variable]:
    if isinstance(step, Kernel):
        return [v for v in (step.instruction.out, step.second, step.scratch) if v is not None]
    if isinstance(step, Product):
        return step.made
    return list(step.ways) if isinstance(step, Group) else [step.instruction.out]


def reads_of(step: Step, refs: dict[Variable, Ref]) -> list[Variable]:
    """What a step reads, each as the variable whose memory it lies in."""
    if isinstance(step, Group):
        operands = [operand for member in step.members.values() for operand in member.operands]
        return [operand.ref.base for operand in operands if operand.ref is not None]
    if isinstance(step, Product):
        return [step.a.base, step.b.base, *step.beside]
    if isinstance(step, Kernel):
        return [ref.base for ref in step.reads]
    if isinstance(step, Check):
        return [step.positions.base]
    if isinstance(step, Move):
        sources = [source.base for _, source in step.parts]
        return sources if step.base is None else [*sources, step.base.base]
    return [refs[variable].base if variable in refs else variable for variable in step.instruction.variables()]


def _reads_in_step(group: Group, new: Variable, old: Variable) -> bool:
    """Whether the group reads the old value only where it writes the new one, and not after."""
    rows, columns = group.table
    members = group.members
    writer = members[new]
    if writer.kind not in ("element", "row"):
        return False
    wanted = (columns, 1) if writer.kind == "element" else (1, 0)
    for member in members.values():
        for operand in member.operands:
            if operand.ref is None or operand.ref.base is not old:
                continue
            same = operand.ref.offset == 0 and all(
                n == 1 or got == wanted for n, got, wanted in zip((rows, columns), operand.strides, wanted, strict=True)
            )
            before = list(members).index(member.out) <= list(members).index(new)
            if (
                not same
                or member.per_row != writer.per_row
                or member.stage > writer.stage
                or (member.stage == writer.stage and not before)
            ):
                return False
    return True


def _bytes(variable: Variable) -> int:
    return max(_ALIGNED, -(-variable.nbytes // _ALIGNED) * _ALIGNED)
