"""Products: matrix products of a program as cuBLASLt takes them.

One idea: a product of stacks is one command where each stack has a single step from matrix to matrix. A stack that has
several, as the heads of an attention in (batch, length, heads, width), is packed first by a kernel, once for all
products that read it. Read `biases.py` next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import prod
from typing import NamedTuple

from ...cuda.blas import Product as Plain
from ..native.kernels import Memory
from ..native.layout import Ref, joined_axes
from ..native.products import Product, leading
from .commands import Launch, Multiply, Place, Span, span_of
from .nests import packed_copy

__all__ = ["Products"]

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


def _step(ref: Ref, stack: tuple[int, ...]) -> int | None:
    """The step from matrix to matrix; None where there are several."""
    own = ref.strides[:-2]
    axes = joined_axes(stack, (0,) * (len(stack) - len(own)) + own)
    if not axes:
        return 0
    return axes[0][1] if len(axes) == 1 else None
