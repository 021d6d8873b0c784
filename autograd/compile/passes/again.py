"""Again: what a loop of backward can compute from what it reads anyway is not kept for it from forward on.

One idea: of the five arrays that the gradient of GELU wants four follow from the fifth, element by element, in the very
loop that wants them. To compute them again there takes no more time than to write them and to read them back, and a
fifth of the memory. Read `biases.py` next.
"""

# Note [What is computed again]
# A step holds most at one of its products, the turn, mostly the last one of forward. What is made before it and read
# after it is kept. The way to a variable are the instructions, cheap and element by element, that lead to it from what
# is kept. A variable is late when its way is gone again after the turn, at its home: before the first loop there that
# reads some of the way (but not what is broadcast on it, a mask say, which the loops of all layers may read). All large
# arrays from which the way starts must be read by loops there as it is, so that none is read just for this, unless it
# is smaller, as bfloat16 is beside its cast to float32. What else reads a late variable, such as the product for a
# weight's gradient, waits for it.
#
# What a normalisation of rows keeps, a row less its mean say, follows from an array that is in memory for others to
# read, as the sum of a residual is, and from values of its rows, which are few. Then that array is kept to be read in
# its place: backward reads as much, and forward writes one array less. So it is of a weight that is cast to be
# multiplied, and decayed to be updated: it is decayed by the loop that updates it.
#
# Cheap instructions that stand after the turn, but read nothing that is made there, count as made before: schedule.py
# would join them to the loops of forward, and what they give would be kept.

from __future__ import annotations

import itertools
from bisect import bisect_right
from dataclasses import dataclass, replace

from ..program import CASTS, Instruction, Program, Variable, replace_variables

__all__ = ["with_less_kept"]

_CHEAP = {"absolute", "add", "divide", "equal", "exp", "greater", "greater_equal", "less", "less_equal", "logical_and"}
_CHEAP |= {"logical_not", "logical_or", "maximum", "minimum", "multiply", "negative", "not_equal", "sign", "sqrt"}
_CHEAP |= {"square", "subtract", "tanh", "where"}
_PRODUCTS = {"convolve", "convolve_planes", "dot", "matmul"}
_LARGE = 1 << 16  # bytes; less is not worth the trouble
_LONGEST = 24  # instructions of a way
_PASSED_ON = 2  # products: what no later one needs, such as the gradient of an output, is not kept


@dataclass(frozen=True)
class _Way:
    """The instructions to a variable, by their numbers, and what they start from."""

    starts: frozenset[Variable]
    steps: frozenset[int] = frozenset()


def with_less_kept(program: Program, large: int = _LARGE) -> Program:
    """The program in which backward computes again what it can, where that is `large`, in bytes."""
    return _Again(program, large).program()


class _Again:
    """One walk over a program; `late[i]` is what is at home at instruction i."""

    def __init__(self, program: Program, large: int) -> None:
        self.before, self.large = program, large
        self.instructions = program.instructions
        self.made = {instruction.out: i for i, instruction in enumerate(self.instructions)}
        self.readers: dict[Variable, list[int]] = {}
        for i, instruction in enumerate(self.instructions):
            for variable in dict.fromkeys(instruction.variables()):
                self.readers.setdefault(variable, []).append(i)
        self._products = [i for i, instruction in enumerate(self.instructions) if instruction.name in _PRODUCTS]
        self.ends = {*program.kept()}  # they are there to the end in any case
        self.turn = self._turn()
        self.early = self._early()
        self.ways = {variable: _Way(frozenset([variable])) for variable in self.readers.keys() - self.made.keys()}
        self.late: dict[int, list[Variable]] = {}
        self.read_again: set[Variable] = set()  # what loops of backward read because of what is late
        for instruction in self.instructions:
            self._decide(instruction)

    # What is late

    def _turn(self) -> int:
        """The product before which most is kept."""
        products = self._products
        changes = [0] * (len(products) + 1)
        for variable in self.made.keys() & self.readers.keys() - self.ends:
            first = bisect_right(products, self.made[variable])
            stop = bisect_right(products, self.readers[variable][-1])
            if stop - first > _PASSED_ON:
                changes[first] += variable.nbytes
                changes[stop] -= variable.nbytes
        kept = list(itertools.accumulate(changes))
        return products[kept.index(max(kept))] if max(kept) else 0

    def _early(self) -> set[Variable]:
        """What is there at the turn, or could be: cheap functions of what is."""
        early = self.readers.keys() - self.made.keys()
        for i, instruction in enumerate(self.instructions):
            if i < self.turn or (_is_cheap(instruction) and early.issuperset(instruction.variables())):
                early.add(instruction.out)
        return early

    def _decide(self, instruction: Instruction) -> None:
        """Find the way to what an instruction gives, and its home if it is late."""
        out, inputs = instruction.out, {*instruction.variables()}
        if out not in self.early:
            return
        is_kept = self.made[out] > self.turn or self.readers.get(out, [0])[-1] > self.turn
        if _is_cheap(instruction) and inputs <= self.ways.keys():
            ways = [self.ways[variable] for variable in inputs]
            steps = frozenset([self.made[out]]).union(*(way.steps for way in ways))
            way = _Way(frozenset().union(*(way.starts for way in ways)), steps)
            home = self._home(out, way) if is_kept else None
            if is_kept and home is None and self._follows(instruction):
                way = _Way(frozenset(inputs), frozenset([self.made[out]]))
                home = self._home(out, way, read_anyway=True)
                self.read_again |= inputs if home is not None else set()
            if home is not None:
                self.late.setdefault(home, []).append(out)
            if home is not None or not is_kept:
                self.ways[out] = way
                return
        if self.made[out] < self.turn:
            self.ways[out] = _Way(frozenset([out]))

    def _follows(self, instruction: Instruction) -> bool:
        """Whether loops alone want it, and it follows from an array in memory, as large at most, and from little.

        That is values of its rows; or numbers, where a cast reads the array before, to whose loop it would be joined.
        """
        out, inputs = instruction.out, {*instruction.variables()}
        tables = [x for x in inputs if x.shape == out.shape and x.nbytes <= out.nbytes and self._is_in_memory(x)]
        late = (self.instructions[i] for i in self.readers.get(out, []) if i > self.turn)
        if len(tables) != 1 or len(inputs) < 2 or not all(map(_is_cheap, late)):
            return False
        rest = inputs - {*tables}
        if all(x.shape == (*out.shape[:-1], 1) for x in rest) and out.shape[-1] > 1:
            return True
        readers = (self.instructions[i] for i in self.readers[tables[0]] if i < self.turn)
        cast = any(reader.name in CASTS and reader is not instruction for reader in readers)
        return cast and tables[0] not in self.made and all(x.dtype is None for x in rest)

    def _is_in_memory(self, variable: Variable) -> bool:
        """Whether it is given, or somebody reads it before the turn, but behind a product."""
        made = self.made.get(variable)
        last = max((i for i in self.readers[variable] if i <= self.turn), default=0)
        return made is None or bisect_right(self._products, made) < bisect_right(self._products, last)

    def _home(self, variable: Variable, way: _Way, read_anyway: bool = False) -> int | None:
        """Before which instruction to go the way again; None where that would not pay."""
        if variable in self.ends or variable.nbytes < self.large or len(way.steps) > _LONGEST:
            return None
        unread = sum(start.nbytes for start in way.starts - self.read_again if not self._loops(start))
        if unread >= max(self.large, variable.nbytes) and not read_anyway:
            return None
        tables = [start for start in way.starts if start.shape == variable.shape] or way.starts
        passed = [*tables, *(self.instructions[step].out for step in way.steps)]
        homes = [i for v in passed for i in self._loops(v) if self.instructions[i].out.shape == variable.shape]
        begin, home = max(self.made.get(start, 0) for start in way.starts), min(homes, default=0)
        apart = any(instruction.name in _PRODUCTS for instruction in self.instructions[begin:home])
        return home if apart else None  # one loop could do all of it at once

    def _loops(self, variable: Variable) -> list[int]:
        """The cheap instructions after the turn that read this, and something that is made there."""
        readers = [(i, self.instructions[i]) for i in self.readers.get(variable, [])]
        return [i for i, reader in readers if _is_cheap(reader) and reader.out not in self.early]

    # The program that comes of it

    def program(self) -> Program:
        """What comes of it."""
        if not self.late:
            return self.before
        self.gone = {variable for variables in self.late.values() for variable in variables}
        self.missing = set(self.gone)  # what waits, or is waited for
        self.again: dict[Variable, Variable] = {}
        self.count = max(variable.index for variable in self.made.keys() | self.readers.keys())
        self.new = self.instructions[: self.turn + 1]
        waiting: list[Instruction] = []
        for i, instruction in enumerate(self.instructions[len(self.new) :], len(self.new)):
            if i in self.late:
                self._go(self.late[i], instruction)
            waiting = [old for old in [*waiting, instruction] if not self._put(old)]
        return replace(self.before, instructions=self.new)

    def _go(self, variables: list[Variable], reader: Instruction) -> None:
        """Go the ways of these, no sooner than what else the reader at their home reads is there."""
        order = {instruction.out: i for i, instruction in enumerate(self.new) if instruction.out not in self.early}
        after = max(order.keys() & {*reader.variables()}, key=order.__getitem__, default=self.new[-1].out)
        for step in sorted(set().union(*(self.ways[variable].steps for variable in variables))):
            old = self.instructions[step]
            if old.out in self.again:
                continue
            self.count += 1
            out = Variable(self.count, old.out.shape, old.out.dtype)
            self.new.append(replace(self._now(old), out=out, after=after))
            self.again[old.out] = out
            self.missing.discard(old.out)

    def _put(self, old: Instruction) -> bool:
        """Put an instruction behind the others, if it need not wait."""
        if old.out in self.gone:
            return True
        if not self.missing.isdisjoint(old.variables()):
            self.missing.add(old.out)
            return False
        self.missing.discard(old.out)
        self.new.append(self._now(old))
        return True

    def _now(self, old: Instruction) -> Instruction:
        inputs, options = replace_variables((old.inputs, old.options), lambda v: self.again.get(v, v))
        return replace(old, inputs=inputs, options=options)


def _is_cheap(instruction: Instruction) -> bool:
    if instruction.name in CASTS:
        (x,) = instruction.variables()
        return x.dtype is not None and x.dtype.itemsize < instruction.out.dtype.itemsize
    return instruction.name in _CHEAP and not instruction.options
