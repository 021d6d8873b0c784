"""Products: matrix products of a program as cuBLASLt takes them.

One idea: a product of stacks is one command where each stack has a single step from matrix to matrix. A stack that has
several, as the heads of an attention in (batch, length, heads, width), is packed first by a kernel, once for all
products that read it. Read `windows.py` next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import prod
from typing import NamedTuple

from ...cuda.blas import Product as Plain
from ..native.groups import Group, Member, Step
from ..native.kernels import Memory
from ..native.layout import Ref, joined_axes
from ..native.products import Product, leading
from ..program import Program, Variable
from .commands import Launch, Multiply, Place, Span, span_of
from .nests import packed_copy

__all__ = ["Products", "with_biases"]

Reserve = Callable[[int], Place]


class Factor(NamedTuple):
    """A stack of matrices in memory."""

    place: Place
    transposed: bool
    leading: int
    step: int  # from matrix to matrix
    span: Span


class Products:
    """Writes the products of one program."""

    def __init__(self, memory: Memory, reserve: Reserve, tf32: bool) -> None:
        self.memory, self.reserve, self.tf32 = memory, reserve, tf32
        self._places: dict[Ref, Place] = {}  # of what was packed

    def commands(self, product: Product) -> Iterator[Launch | Multiply]:
        """A product, after what packs its factors."""
        out, a, b, bias = product.instruction.out, product.a, product.b, product.bias
        stack = () if len(a.shape) == len(b.shape) == 2 else out.shape[:-2]
        factors = []
        for ref in (a, b):
            step = _step(ref, stack)
            if step is None:
                factor, packing = self._pack(ref)
                yield from packing
            else:
                factor = self._factor(ref, step)
            factors.append(factor)
        first, second = factors
        (m, k), n = a.shape[-2:], b.shape[-1]
        plain = Plain(
            m=m,
            n=n,
            k=k,
            a_transposed=first.transposed,
            b_transposed=second.transposed,
            lda=first.leading,
            ldb=second.leading,
            ldc=n,
            dtype=str(out.dtype),
            batch=prod(stack),
            stride_a=first.step,
            stride_b=second.step,
            stride_c=m * n if stack else 0,
            tf32=self.tf32 and out.dtype == "float32",
            epilogue=None if bias is None else "bias",
        )
        reads = {first.span, second.span}
        added = None
        if bias is not None:
            slot, start = self.memory.place(bias.base)
            reads.add(span_of(bias.base, (slot, start)))
            added = slot, start + bias.offset * bias.base.dtype.itemsize
        place = self.memory.place(out)
        writes = frozenset({span_of(out, place)})
        yield Multiply(plain, first.place, second.place, place, added, frozenset(reads), writes, repr(out))

    def _factor(self, ref: Ref, step: int) -> Factor:
        known = leading(ref)
        assert known is not None
        slot, start = self.memory.place(ref.base)
        first = slot, start + ref.offset * ref.base.dtype.itemsize
        return Factor(first, *known, step, span_of(ref.base, (slot, start)))

    def _pack(self, ref: Ref) -> tuple[Factor, list[Launch]]:
        """A factor in order, and what copies it there, if it is not there yet."""
        *stack, rows, columns = ref.shape
        transposed = ref.strides[-2] == 1 and columns > 1
        lies = ref
        if transposed:
            *steps, down, right = ref.strides
            lies = replace(ref, shape=(*stack, columns, rows), strides=(*steps, right, down))
        packing = []
        if lies not in self._places:
            size = prod(lies.shape) * lies.base.dtype.itemsize
            self._places[lies] = self.reserve(size)
            packing = [packed_copy(lies, self._places[lies], self.memory)]
        slot, start = place = self._places[lies]
        span = slot, start, start + prod(lies.shape) * lies.base.dtype.itemsize
        return Factor(place, transposed, lies.shape[-1], rows * columns, span), packing


def with_biases(steps: list[Step], program: Program, refs: dict[Variable, Ref]) -> list[Step]:
    """The steps in which a bias is added by the product that it belongs to, where nobody else reads that product.

    A loop that adds it to do more with the sum reads that sum from memory then, where the product was before: so a sum
    that is kept for backward, as that before GELU, is written once and not twice.
    """
    readers = Counter(refs[v].base for i in program.instructions for v in i.variables() if v in refs)
    readers.update(refs[v].base for v in program.kept())
    made = {step.instruction.out: i for i, step in enumerate(steps) if isinstance(step, Product)}
    done: list[Step | None] = list(steps)
    for i, step in enumerate(steps):
        for out, member in step.members.items() if isinstance(step, Group) else ():
            found = _added(member)
            if found is None:
                continue
            factor, bias = found
            product = steps[made[factor]] if factor in made else None
            outside = bias.base in {v for _, v in program.places}  # so it is there already
            if isinstance(product, Product) and outside and readers[factor] == 1 and out.shape == factor.shape:
                instruction = replace(product.instruction, out=out)
                done[made[factor]] = replace(product, instruction=instruction, bias=bias)
                done[i] = _without(done[i], out)
    return [step for step in done if step is not None]


def _without(group: Step | None, out: Variable) -> Group | None:
    """The group without a member, which is read from memory; None where it has no other."""
    assert isinstance(group, Group)
    ways = {variable: way for variable, way in group.ways.items() if variable is not out}
    return replace(group, ways=ways) if ways else None


def _added(member: Member) -> tuple[Variable, Ref] | None:
    """What a row is added to, in each of its rows, by a member that does so, and the row."""
    if member.name != "add" or not member.out.shape or str(member.out.dtype) not in ("float32", "float64"):
        return None
    columns = member.out.shape[-1]
    for table, row in (member.operands, member.operands[::-1]):
        if table.ref is None or row.ref is None or not table.ref.is_whole:
            continue
        same = table.ref.base.dtype == row.ref.base.dtype == member.out.dtype
        if same and row.ref.shape == (columns,) and row.ref.strides in ((1,), (0,)):
            return table.ref.base, row.ref
    return None


def _step(ref: Ref, stack: tuple[int, ...]) -> int | None:
    """The step from matrix to matrix; None where there are several."""
    own = ref.strides[:-2]
    axes = joined_axes(stack, (0,) * (len(stack) - len(own)) + own)
    if not axes:
        return 0
    return axes[0][1] if len(axes) == 1 else None
