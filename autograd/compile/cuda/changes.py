"""Changes: the steps in which products do what loops did, and what is then left of the loops.

One idea: what nobody reads need not be made. So it is said what products give instead and who reads that, and all that
only led there falls away by itself; where a product is still read as it was, the change is none. Read `epilogues.py`
next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import NamedTuple

from ...backend import host
from ...cuda.blas import Product as Plain
from ..native.dialect import Dialect
from ..native.groups import Group, Member
from ..native.kernels import Refs
from ..native.layout import Ref, whole
from ..native.products import Activation, Product
from ..native.schedule import Step, schedule
from ..program import Instruction, Program, Variable
from .bends import Bend, Scene
from .biases import half_of, new_variable

__all__ = ["Change", "Changes", "Choice"]

_ALIGNED = 16  # bytes: what is not given begins at multiples of that at least


class Choice(NamedTuple):
    """A bend, and the epilogue that does it or a part of it."""

    bend: Bend
    epilogue: str


class Cast(NamedTuple):
    """What a member becomes: a cast of `source`, as `like` in its group casts something else."""

    like: Variable
    source: Variable


@dataclass
class Change:
    """What becomes of the steps of a scene."""

    scene: Scene
    before: list[Product]
    products: dict[int, Product]  # by their places
    gone: set[Variable]  # members
    casts: dict[Variable, Cast]
    sums: dict[int, list[Step]]  # what casts sums, behind the products that make them

    def steps(self) -> list[Step]:
        """The steps that come of it."""
        left: list[Step] = []
        for i, step in enumerate(self.scene.steps):
            if isinstance(step, Group) and not (self.gone | self.casts.keys()).isdisjoint(step.ways):
                ways = {out: self._ways(step, out) for out in step.ways if out not in self.gone}
                left += [replace(step, ways=ways)] if ways else []
            else:
                left += [self.products.get(i, step) if isinstance(step, Product) else step, *self.sums.get(i, [])]
        return left

    def _ways(self, group: Group, out: Variable) -> dict[tuple[int, int], Member]:
        cast = self.casts.get(out)
        if cast is None:
            return group.ways[out]
        like = group.ways[cast.like]
        return {table: _as_cast(way, like[table], cast.source) for table, way in group.ways[out].items()}

    def saved(self) -> int:
        """The bytes that loops read and write before and not after."""
        touched = {id(self.scene.groups[out]): self.scene.groups[out] for out in self.gone | self.casts.keys()}
        casts = sum(member.out.nbytes + _bytes_read(member) for steps in self.sums.values() for member in _of(steps))
        return sum(self._moved(group, False) - self._moved(group, True) for group in touched.values()) - casts

    def _moved(self, group: Group, after: bool) -> int:
        """The bytes that a loop reads and writes."""
        gone, casts = (self.gone, self.casts) if after else (set[Variable](), dict[Variable, Cast]())
        left = [member for out, member in group.members.items() if out not in gone]
        made, read = {member.out for member in left}, set[Variable]()
        for member in left:
            cast = casts.get(member.out)
            read |= {cast.source} if cast else _bases(member)
        written = [out for out in made if self._is_stored(group, out, gone, casts)]
        return sum(variable.nbytes for variable in (*read - made, *written))

    def _is_stored(self, group: Group, out: Variable, gone: set[Variable], casts: dict[Variable, Cast]) -> bool:
        scene = self.scene
        readers = [r for r in scene.readers.get(out, []) if r is None or r.out not in gone | casts.keys()]
        return out in scene.kept or any(r is None or scene.groups[r.out] is not group for r in readers)


class Changes:
    """Those that can be made to a program's steps."""

    def __init__(self, program: Program, refs: Refs, dialect: Dialect) -> None:
        self.program, self.refs, self.dialect = program, refs, dialect
        self._halves: dict[Ref, Instruction] = {}
        written = {refs[variable].base for _, variable in program.writes}
        self._anywhere = written | {variable for _, variable in program.places}

    def aux_of(self, forward: Bend) -> Variable:
        """What a product leaves for backward: a bit for each element of ReLU, or what went into GELU."""
        out = forward.out
        if forward.kind == "gelu":
            return new_variable(self.refs, out.shape, out.dtype)
        told = Plain.packed(prod(out.shape[:-1]), out.shape[-1], 1, str(out.dtype), epilogue="relu_aux")
        return new_variable(self.refs, (told.aux_bytes,), host.dtype("uint8"))

    def made(self, scene: Scene, choices: Sequence[Choice], aux: Variable | None = None) -> Change | None:
        """The change that these make; None where a product would still be read as it was before."""
        before = [bend.source.product for bend, _ in choices]
        change = Change(scene, before, {}, set(), {}, {})
        removed: set[Variable] = set()
        for bend, epilogue in choices:
            place, product = bend.source.place, bend.source.product
            sums = self._sums(change, bend) if "bgrad" in epilogue else None
            has_aux = epilogue.endswith("_aux") or epilogue.startswith("d")
            if epilogue != bend.kind:
                source = aux if epilogue.endswith("_aux") else bend.out
                change.casts |= {out: Cast(like, source) for out, like in bend.casts.items() if source is not None}
            change.products[place] = replace(
                product,
                instruction=replace(product.instruction, out=bend.out),
                bias=self._bias(scene, bend),
                activation=Activation(epilogue, aux if has_aux else None, sums),
            )
            removed |= {out for out in (bend.out, bend.sums if sums is not None else None) if out in scene.members}
        unread = _fallen(change, removed)
        changed = [product.instruction.out for product in before]
        outs = {product.instruction.out for product in change.products.values()}
        return change if all(out in unread or out in outs for out in changed) else None

    def _bias(self, scene: Scene, bend: Bend) -> Ref | None:
        bias, out = bend.source.bias, bend.out
        if bias is None or bias.base.dtype == out.dtype:
            return bend.source.product.bias if bias is None else bias
        if bias not in self._halves:
            self._halves[bias] = half_of(scene.members[out].instruction, bias, self.refs)
        return self.refs[self._halves[bias].out]

    def casts_of_biases(self, steps: list[Step]) -> list[Step]:
        """What casts the biases that products of these steps add."""
        added = {step.bias.base for step in steps if isinstance(step, Product) and step.bias is not None}
        return self._scheduled(*(cast for cast in self._halves.values() if cast.out in added))

    def _sums(self, change: Change, bend: Bend) -> Variable:
        """Where a product puts sums, in its own dtype."""
        assert bend.sums is not None
        dtype = bend.out.dtype
        if bend.sums.dtype == dtype:
            return bend.sums
        sums = new_variable(self.refs, bend.sums.shape, dtype)
        cast = change.scene.widening
        assert cast is not None
        instruction = replace(cast, inputs=(sums, *cast.inputs[1:]), out=bend.sums, after=None)
        change.sums[bend.source.place] = self._scheduled(instruction)
        return sums

    def _scheduled(self, *instructions: Instruction) -> list[Step]:
        return schedule(replace(self.program, instructions=[*instructions]), self.refs, self.dialect)

    def alignment(self, products: Sequence[Product]) -> int:
        """What all addresses that products are given are multiples of, in bytes."""
        bits = _ALIGNED
        for product in products:
            beside = [whole(variable) for variable in product.made] + ([product.bias] if product.bias else [])
            for ref in (product.a, product.b, *beside):
                size = ref.base.dtype.itemsize
                bits |= size if ref.base in self._anywhere else size * ref.offset
        return bits & -bits


def _fallen(change: Change, removed: set[Variable]) -> set[Variable]:
    """Take away the members that are `removed`, and all that nobody reads without them; gives what nobody reads."""
    scene, counts, unread = change.scene, dict[Variable, int](), set[Variable]()
    left = [*removed]

    def count(variable: Variable, more: int) -> None:
        if variable not in counts:
            counts[variable] = len(scene.readers.get(variable, [])) + (variable in scene.kept)
        counts[variable] += more
        if not counts[variable]:
            unread.add(variable)
            if variable in scene.members and variable not in removed:
                left.append(variable)

    for out, cast in change.casts.items():
        for base in _bases(scene.members[out]):
            count(base, -1)
        count(cast.source, 1)
    for out in change.casts:
        count(out, 0)
    while left:
        out = left.pop()
        if out in change.gone:
            continue
        change.gone.add(out)
        bases = {change.casts.pop(out).source} if out in change.casts else _bases(scene.members[out])
        for base in bases:
            count(base, -1)
    return unread


def _bases(member: Member) -> set[Variable]:
    return {operand.ref.base for operand in member.operands if operand.ref is not None}


def _bytes_read(member: Member) -> int:
    return sum(base.nbytes for base in _bases(member))


def _of(steps: list[Step]) -> list[Member]:
    return [member for step in steps if isinstance(step, Group) for member in step.members.values()]


def _as_cast(way: Member, like: Member, source: Variable) -> Member:
    """The cast of a source, in the place of what a member gave."""
    instruction = replace(like.instruction, inputs=(source, *like.instruction.inputs[1:]), out=way.out)
    (operand,) = like.operands
    return replace(like, instruction=instruction, operands=[replace(operand, ref=whole(source))], stage=way.stage)
