"""Epilogues: ReLU and its backward, done by the products beside which they stand.

One idea: cuBLASLt cuts off what is below 0 before it stores a product, and leaves a bit for each element that it let
through. The product that brings the gradient back takes these bits, lets through the same elements, and adds its rows
up, which is the gradient of a bias. So of a layer nothing is left but its products. Whether that is faster is asked of
the device. Read `windows.py` next.
"""

# Note [What pays]
# An epilogue saves a launch and a pass over memory, but fewer algorithms know it, and they may be slower. So all of a
# ReLU is offered first, forward, backward and sums, then less of it, and an offer is taken where the device has timed
# its products to be worth it, with epilogues and without. A device that times nothing takes none.

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from math import prod

from ...backend import host
from ...cuda.blas import Product as Plain
from ..native.groups import Group, Member, Step
from ..native.layout import Ref, whole
from ..native.memory import reads_of
from ..native.products import Activation, Product
from ..program import Program, Variable
from .biases import without_members
from .products import plain

__all__ = ["Pays", "with_epilogues"]

Refs = dict[Variable, Ref]
Pays = Callable[[Sequence[Plain], Sequence[Plain], int], bool]  # with epilogues, without, and bytes that need not move


@dataclass(frozen=True)
class Bend:
    """A member that does to a product what an epilogue does; `sums` is the member that adds up the rows of that."""

    place: int  # of the product
    product: Product
    member: Member
    sums: Member | None = None

    def by(self, activation: Activation) -> Product:
        """The product that does it."""
        return replace(
            self.product, instruction=replace(self.product.instruction, out=self.member.out), activation=activation
        )


Offer = list[tuple[Bend, Product]]  # what products do now, and those that do it all


def with_epilogues(steps: list[Step], program: Program, refs: Refs, tf32: bool, pays: Pays) -> list[Step]:
    """The steps in which products do what follows them, where that pays; see Note [What pays]."""
    kept = [refs[variable].base for variable in program.kept()]
    numbers = count(1 + max((variable.index for variable in refs), default=0))
    for out in [step.instruction.out for step in steps if isinstance(step, Product)]:
        scene = Scene(steps, refs, kept)
        forward = scene.forward(out)
        if forward is None:
            continue
        aux = Variable(next(numbers), (_bits(forward.product),), host.dtype("uint8"))
        for offer in _offers(forward, scene.backwards(forward), aux):
            if _is_worth_it(offer, tf32, pays):
                refs[aux] = whole(aux)
                steps = _swept(scene.replaced(offer), refs, kept)
                break
    return steps


def _offers(forward: Bend, backwards: list[Bend], aux: Variable) -> Iterator[Offer]:
    """All of a ReLU, less of it, and forward alone."""
    for summed in (True, False):
        if any(bend.sums for bend in backwards) or (backwards and not summed):
            yield [
                (forward, forward.by(Activation("relu_aux", aux))),
                *((bend, bend.by(_slope(bend, aux, summed))) for bend in backwards),
            ]
    yield [(forward, forward.by(Activation("relu")))]


def _slope(bend: Bend, aux: Variable, summed: bool) -> Activation:
    if summed and bend.sums is not None:
        return Activation("drelu_bgrad", aux, bend.sums.out)
    return Activation("drelu", aux)


def _bits(product: Product) -> int:
    """The bytes that a bit for each element takes."""
    out = product.instruction.out
    return Plain.packed(prod(out.shape[:-1]), out.shape[-1], 1, str(out.dtype), epilogue="relu_aux").aux_bytes


def _is_worth_it(offer: Offer, tf32: bool, pays: Pays) -> bool:
    apart = [plain(bend.product, tf32) for bend, _ in offer]
    fused = [plain(product, tf32) for _, product in offer]
    saved = sum(2 * bend.member.out.nbytes for bend, _ in offer)
    return pays([p for p in fused if p], [p for p in apart if p], saved)


class Scene:
    """Steps, with who makes and who reads what."""

    def __init__(self, steps: list[Step], refs: Refs, kept: list[Variable]) -> None:
        self.steps = steps
        self.readers = Counter([*kept, *(variable for step in steps for variable in reads_of(step, refs))])
        self.products = {step.instruction.out: (i, step) for i, step in enumerate(steps) if isinstance(step, Product)}
        self.members = [(step, m) for step in steps if isinstance(step, Group) for m in step.members.values()]

    def forward(self, product: Variable) -> Bend | None:
        """The ReLU of a product, where nobody else reads that."""
        cut = (self._bend(member, _beside_0(member)) for _, member in self.members if member.name == "maximum")
        return next((bend for bend in cut if bend is not None and bend.product.instruction.out is product), None)

    def backwards(self, forward: Bend) -> list[Bend]:
        """The products that are let through where its ReLU let through, and are not wanted as they were."""
        positive = {m.out for _, m in self.members if m.name == "greater" and _is_over_0(m, forward.member.out)}
        found = []
        for group, member in self.members:
            for table, mask in (member.operands, member.operands[::-1]) if member.name == "multiply" else ():
                if mask.ref is None or not mask.ref.is_whole or mask.ref.base not in positive:
                    continue
                bend = self._bend(member, table.ref)
                if bend is not None and bend.place > forward.place and bend.product.bias is None:
                    found.append(replace(bend, sums=_sums(group, member)))
        return found

    def _bend(self, member: Member, table: Ref | None) -> Bend | None:
        """What the member does to a product, which is all that it reads of a table."""
        if table is None or not table.is_whole or self.readers[table.base] != 1 or member.kind != "element":
            return None
        place, product = self.products.get(table.base, (0, None))
        alike = member.out.dtype == table.base.dtype and member.out.shape == table.base.shape
        if product is None or product.activation is not None or not alike or member.instruction.after is not None:
            return None
        return Bend(place, product, member) if plain(product, tf32=False) else None

    def replaced(self, offer: Offer) -> list[Step]:
        """The steps with other products, and without what these do."""
        products = {bend.place: product for bend, product in offer}
        gone = {out for bend, product in offer for out in product.made if out is not bend.product.instruction.out}
        return without_members([products.get(i, step) for i, step in enumerate(self.steps)], gone)


def _beside_0(member: Member) -> Ref | None:
    """The operand that stands beside a 0."""
    first, second = member.operands
    return first.ref if second.constant == 0 else second.ref if first.constant == 0 else None


def _is_over_0(member: Member, x: Variable) -> bool:
    """Whether it compares all of x, in order, with 0."""
    first, second = member.operands
    return second.constant == 0 and first.ref is not None and first.ref.is_whole and first.ref.base is x


def _sums(group: Group, table: Member) -> Member | None:
    """The member that adds up the rows of another, all axes but the last."""
    shape = table.out.shape
    for member in group.members.values() if group.table == (prod(shape[:-1]), shape[-1]) else ():
        source = member.operands[0].ref
        alike = member.out.dtype == table.out.dtype
        if member.kind == "column" and member.name == "sum" and source and source.base is table.out and alike:
            return member
    return None


def _swept(steps: list[Step], refs: Refs, kept: list[Variable]) -> list[Step]:
    """The steps without members that nobody reads."""
    while True:
        read = {*kept, *(variable for step in steps for variable in reads_of(step, refs))}
        unread = {out for step in steps if isinstance(step, Group) for out in step.ways if out not in read}
        if not unread:
            return steps
        steps = without_members(steps, unread)
