"""Bends: members that do to a product, or with it, what an epilogue of cuBLASLt does.

One idea: a product in bfloat16 is cast before loops work with it, and cast again before the next product reads what
they made. So a value is looked at together with its casts, and what a product can do of it ends with the last of them.
Read `changes.py` next.
"""

# Note [What is a bend]
# ReLU is max(z, 0) of a product z; backward multiplies another product by z > 0. GELU, that with tanh, is known by its
# formula. Of bfloat16 z is the product cast to float32, with a bias where one is added, and what comes of it is only
# wanted in bfloat16 again. GELU is left to loops in float32 and float64: cuBLASLt's tanh is off by more than the
# rounding of these.

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

from ..native.groups import Group, Member
from ..native.kernels import Refs
from ..native.layout import Ref, whole
from ..native.memory import reads_of
from ..native.products import Product
from ..native.schedule import Step
from ..program import Program, Variable
from .biases import ALIGNED, table_and_row
from .formulas import GELU, GELU_BACKWARD, Formula, G, Z, formula_of, is_same
from .products import plain

__all__ = ["Bend", "Scene", "Source"]


@dataclass(frozen=True)
class Source:
    """A product as loops see it: `values` hold it in the dtype that they work in, `bias` added where there is one."""

    place: int  # among the steps
    product: Product
    bias: Ref | None
    values: frozenset[Variable]


@dataclass(frozen=True)
class Bend:
    """What an epilogue of this `kind` does of loops: a product gives `out` and, where they are wanted, `sums`.

    Then `casts` are casts of what the product leaves in memory; beside each stands a cast that there is now.
    """

    kind: str
    source: Source
    out: Variable
    sums: Variable | None = None
    casts: dict[Variable, Variable] = field(default_factory=dict)


class Scene:
    """Steps, with who makes and who reads what."""

    def __init__(self, steps: list[Step], program: Program, refs: Refs) -> None:
        self.steps = steps
        self.given = {variable for _, variable in program.places}
        self.kept = {refs[variable].base for variable in program.kept()}
        self.groups: dict[Variable, Group] = {}  # in which it is made
        self.members: dict[Variable, Member] = {}
        self.readers: dict[Variable, list[Member | None]] = {}  # None: no member
        self.made: dict[Variable, int] = {}  # the place of the product that makes it
        self.held: dict[Variable, int] = {}  # the place of the product that it holds
        self.places: dict[Variable, int] = {}  # of its group
        for place, step in enumerate(steps):
            for base in reads_of(step, refs) if not isinstance(step, Group) else ():
                self.readers.setdefault(base, []).append(None)
            for member in step.members.values() if isinstance(step, Group) else ():
                assert isinstance(step, Group)
                self.groups[member.out], self.members[member.out], self.places[member.out] = step, member, place
                for base in {operand.ref.base for operand in member.operands if operand.ref is not None}:
                    self.readers.setdefault(base, []).append(member)
        wide = (m.instruction for m in self.members.values() if m.name == "positive" and str(m.out.dtype) == "float32")
        self.widening = next((i for i in wide if _is_narrow(i.inputs[0])), None)  # a cast from bfloat16 to float32
        for place, step in enumerate(steps):
            if isinstance(step, Product):
                self.made[step.instruction.out] = place
                self.held.update((value, place) for value in self._values(step))

    def source_of(self, out: Variable) -> Source | None:
        """The product that makes a variable, if it can have an epilogue."""
        return self.source(self.made[out]) if out in self.made else None

    def source(self, place: int) -> Source | None:
        """The product at a place, if it can have an epilogue."""
        product = self.steps[place]
        if not isinstance(product, Product) or product.activation is not None or plain(product, tf32=False) is None:
            return None
        out = product.instruction.out
        values = frozenset(self._values(product))
        if not _is_narrow(out):
            return Source(place, product, None, values)
        if out.shape[-1] % ALIGNED:
            return None
        added = {m.out: row for value in values for m in self._element(value) for row in _rows(m, value)}
        rows = set(added.values())
        if product.bias is None and len(rows) == 1 and all(row.base in self.given for row in rows):
            return Source(place, product, rows.pop(), frozenset(added))
        return Source(place, product, None, values)

    def forward(self, source: Source) -> Bend | None:
        """The ReLU or GELU of a product."""
        for value in _in_order(source.values):
            for member in self._element(value):
                if member.name == "maximum" and _beside_0(member) is value:
                    bend = self._bend("relu", source, member.out)
                    if bend is not None:
                        return bend
        for value in _in_order(source.values) if _is_narrow(source.product.instruction.out) else []:
            for made in self._made(self.groups[value], dict.fromkeys(source.values, Z), GELU):
                bend = self._bend("gelu", source, made)
                if bend is not None:
                    return replace(bend, casts=self._casts(source))
        return None

    def backwards(self, forward: Bend) -> list[Bend]:
        """The products whose gradients go back through it, in order, one for each."""
        found = self._let_through(forward) if forward.kind == "relu" else self._sloped(forward)
        by_place = {bend.source.place: bend for bend in found if bend.source.bias is bend.source.product.bias is None}
        return [bend for place, bend in sorted(by_place.items()) if place > forward.source.place]

    def summed(self, source: Source) -> Bend | None:
        """The sums over the rows of a product's factor, where a loop does nothing else and nobody waits for it."""
        if source.product.bias is not None:
            return None
        source = replace(source, bias=None)
        for kind, ref in (("bgrad_a", _turned(source.product.a)), ("bgrad_b", source.product.b)):
            if ref.is_whole and (not _is_narrow(ref.base) or ref.shape[-1] % ALIGNED == 0):
                for table in self._wide(ref.base):
                    sums = self._summed_alone(table, ref, source.place)
                    if sums is not None:
                        return Bend(kind, source, source.product.instruction.out, sums)
        return None

    def _summed_alone(self, table: Variable, ref: Ref, place: int) -> Variable | None:
        for member in self.readers.get(table, []):
            if member is None or member.kind != "column" or member.name != "sum" or member.out.dtype != table.dtype:
                continue
            added = member.operands[0].ref
            if added is None or not added.is_whole:
                continue
            group = self.groups[member.out]
            alone = group.ways.keys() <= {member.out, *({table} - {ref.base})} and group.table == ref.shape
            if alone and all(m is not None and self.places[m.out] > place for m in self.readers.get(member.out, [])):
                return member.out
        return None

    def _let_through(self, forward: Bend) -> Iterator[Bend]:
        values = set(forward.source.values)
        cut = {m.out for v in values for m in self._element(v) if m.name == "maximum" and _beside_0(m) is v}
        positive = [m.out for v in values | cut for m in self._element(v) if m.name == "greater" and _is_over_0(m, v)]
        for mask in _in_order(positive):
            for member in self._element(mask):
                if member.name != "multiply":
                    continue
                for table, other in (member.operands, member.operands[::-1]):
                    if other.ref is not None and other.ref.base is mask and other.ref.is_whole:
                        yield from self._back(forward, member.out, table.ref)

    def _sloped(self, forward: Bend) -> Iterator[Bend]:
        z = dict.fromkeys(forward.source.values, Z)
        for value, place in self.held.items():
            if place > forward.source.place and value in self.groups:
                for made in self._made(self.groups[value], {**z, value: G}, GELU_BACKWARD):
                    yield from self._back(forward, made, whole(value))

    def _back(self, forward: Bend, made: Variable, table: Ref | None) -> Iterator[Bend]:
        """What is made of all of a product in backward; what is rounded then may only be wanted so, or added up."""
        value = table.base if table is not None and table.is_whole else made
        source = self.source(self.held[value]) if value in self.held else None
        bend = None if source is None else self._bend(forward.kind, source, made)
        if bend is None:
            return
        group, narrow = self.groups[made], bend.out is not made
        readers = [m for m in self.readers[made] if m is None or (m.out is not bend.out and m.kind != "column")]
        if not narrow or (value in group.ways and not readers and made not in self.kept):
            yield replace(bend, sums=_sums(group, self.members[made]), casts={made: value} if narrow else {})

    def _bend(self, kind: str, source: Source, made: Variable) -> Bend | None:
        """What ends with `made`, or with its cast to the product's dtype; None where no product could give it."""
        given = source.product.instruction.out
        ends = [made] if made.dtype == given.dtype else self._casts_to(given.dtype, made)
        for end in ends[:1]:
            alike = end.shape == given.shape and end.dtype == given.dtype
            if alike and self.members[end].instruction.after is None and self.members[end].kind == "element":
                return Bend(kind, source, end)
        return None

    def _casts(self, source: Source) -> dict[Variable, Variable]:
        """The values of a product that are made again for backward, each with the cast that it is, or has before it."""
        found = {}
        for member in (self.members[value] for value in source.values):
            bases = [operand.ref.base for operand in member.operands if operand.ref is not None]
            like = next((base for base in bases if base in self.held), member.out)
            if member.instruction.after is not None and like in self.groups[member.out].ways:
                found[member.out] = like
        return found

    def _made(self, group: Group, known: dict[Variable, Formula], wanted: Formula) -> list[Variable]:
        """What a group casts to bfloat16 that is this formula of what is known."""
        members, formulas = self.members, dict[Variable, Formula | None](known)
        cast = [m.operands[0].ref for m in group.members.values() if m.name == "positive" and _is_narrow(m.out)]
        bases = [ref.base for ref in cast if ref is not None and ref.is_whole]
        return [base for base in bases if is_same(formula_of(base, members, formulas), wanted)]

    def _element(self, variable: Variable) -> list[Member]:
        """Who reads it element by element, and gives as many."""
        readers = self.readers.get(variable, [])
        return [m for m in readers if m is not None and m.kind == "element" and m.out.shape == variable.shape]

    def _values(self, product: Product) -> list[Variable]:
        """What holds a product in the dtype that loops work in."""
        out = product.instruction.out
        return [value for value in self._wide(out) if value.shape == out.shape]

    def _wide(self, variable: Variable) -> list[Variable]:
        """A variable itself, or of bfloat16 its casts to float32."""
        return self._casts_to("float32", variable) if _is_narrow(variable) else [variable]

    def _casts_to(self, dtype: Any, variable: Variable) -> list[Variable]:
        readers = [m for m in self.readers.get(variable, []) if m is not None and m.name == "positive"]
        casts = [m.out for m in readers if m.operands[0].ref is not None and m.operands[0].ref.is_whole]
        return [out for out in casts if out.dtype == dtype]


def _is_narrow(variable: Variable) -> bool:
    return str(variable.dtype) == "bfloat16"


def _in_order(variables: Iterable[Variable]) -> list[Variable]:
    return sorted(variables, key=lambda variable: variable.index)


def _turned(ref: Ref) -> Ref:
    return replace(ref, shape=ref.shape[::-1], strides=ref.strides[::-1])


def _rows(member: Member, value: Variable) -> list[Ref]:
    """The row that a member adds to this value."""
    return [row for table, row in table_and_row(member) if table.is_whole and table.base is value]


def _beside_0(member: Member) -> Variable | None:
    """What stands beside a 0, whole."""
    first, second = member.operands
    ref = first.ref if second.constant == 0 else second.ref if first.constant == 0 else None
    return ref.base if ref is not None and ref.is_whole else None


def _is_over_0(member: Member, x: Variable) -> bool:
    """Whether it compares all of x, in order, with 0."""
    first, second = member.operands
    return second.constant == 0 and first.ref is not None and first.ref.is_whole and first.ref.base is x


def _sums(group: Group, table: Member) -> Variable | None:
    """The member that adds up the rows of another, all axes but the last."""
    shape = table.out.shape
    for member in group.members.values() if group.table == (prod(shape[:-1]), shape[-1]) else ():
        source = member.operands[0].ref
        alike = member.out.dtype == table.out.dtype
        if member.kind == "column" and member.name == "sum" and source and source.base is table.out and alike:
            return member.out
    return None
