"""Products: matrix products of a program as cuBLASLt takes them.

One idea: a product of stacks is one command where each stack has a single step from matrix to matrix. A stack that has
several, as the heads of an attention in (batch, length, heads, width), is packed first by a kernel, once for all
products that read it. Read `biases.py` next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from typing import NamedTuple

from ...cuda.blas import Product as Plain
from ..native.kernels import Memory
from ..native.layout import Ref, joined_axes
from ..native.products import Product, leading
from ..program import Variable
from .commands import Launch, Multiply, Place, Span, span_of
from .nests import packed_copy
from .writer import Reserve

__all__ = ["Products", "plain"]


class Lies(NamedTuple):
    """How the matrices of a stack lie."""

    transposed: bool
    leading: int
    step: int = 0  # from matrix to matrix


class Factor(NamedTuple):
    """A stack of matrices in memory."""

    place: Place
    lies: Lies
    span: Span


def plain(product: Product, tf32: bool) -> Plain | None:
    """A product as cuBLASLt is told it; None where it is one of stacks, or its factors have to be packed first."""
    ways = [leading(ref) for ref in (product.a, product.b) if len(ref.shape) == 2]
    known = [Lies(*way) for way in ways if way is not None]
    return _told(product, known[0], known[1], (), tf32) if len(known) == 2 else None


def _told(product: Product, a: Lies, b: Lies, stack: tuple[int, ...], tf32: bool) -> Plain:
    out, (m, k), n = product.instruction.out, product.a.shape[-2:], product.b.shape[-1]
    return Plain(
        m=m,
        n=n,
        k=k,
        a_transposed=a.transposed,
        b_transposed=b.transposed,
        lda=a.leading,
        ldb=b.leading,
        ldc=n,
        dtype=str(out.dtype),
        batch=prod(stack),
        stride_a=a.step,
        stride_b=b.step,
        stride_c=m * n if stack else 0,
        tf32=tf32 and out.dtype == "float32",
        epilogue=_epilogue(product),
    )


def _epilogue(product: Product) -> str | None:
    parts = [product.activation.epilogue] if product.activation else []
    return "_".join([*parts, *(["bias"] if product.bias is not None else [])]) or None


class Products:
    """Writes the products of one program."""

    def __init__(self, memory: Memory, reserve: Reserve, tf32: bool) -> None:
        self.memory, self.reserve, self.tf32 = memory, reserve, tf32
        self._places: dict[Ref, Place] = {}  # of what was packed

    def commands(self, product: Product) -> Iterator[Launch | Multiply]:
        """A product, after what packs its factors."""
        out, a, b = product.instruction.out, product.a, product.b
        stack = () if len(a.shape) == len(b.shape) == 2 else out.shape[:-2]
        factors = []
        for ref in (_stretched(a, stack), _stretched(b, stack)):
            step = _step(ref)
            if step is None:
                factor, packing = self._pack(ref)
                yield from packing
            else:
                factor = self._factor(ref, step)
            factors.append(factor)
        first, second = factors
        told = _told(product, first.lies, second.lies, stack, self.tf32)
        reads = frozenset({first.span, second.span, *map(self._span, product.beside)})
        writes = frozenset(map(self._span, product.made))
        places = first.place, second.place, self.memory.place(out)
        yield Multiply(told, *places, self._vector(product), self._aux(product), reads, writes, repr(out))

    def _vector(self, product: Product) -> Place | None:
        """The bias that is added, or where the sums go."""
        if product.bias is not None:
            slot, start = self.memory.place(product.bias.base)
            return slot, start + product.bias.offset * product.bias.base.dtype.itemsize
        activation = product.activation
        return None if activation is None or activation.sums is None else self.memory.place(activation.sums)

    def _aux(self, product: Product) -> Place | None:
        activation = product.activation
        return None if activation is None or activation.aux is None else self.memory.place(activation.aux)

    def _span(self, variable: Variable) -> Span:
        return span_of(variable, self.memory.place(variable))

    def _factor(self, ref: Ref, step: int) -> Factor:
        known = leading(ref)
        assert known is not None
        slot, start = self.memory.place(ref.base)
        first = slot, start + ref.offset * ref.base.dtype.itemsize
        return Factor(first, Lies(*known, step), span_of(ref.base, (slot, start)))

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
        return Factor(place, Lies(transposed, lies.shape[-1], rows * columns), span), packing


def _stretched(ref: Ref, stack: tuple[int, ...]) -> Ref:
    """A factor as a stack of this shape: matrices that serve several times lie 0 apart."""
    front, matrix = ref.shape[:-2], ref.shape[-2:]
    own = tuple(0 if length == 1 else step for length, step in zip(front, ref.strides, strict=False))
    return replace(ref, shape=(*stack, *matrix), strides=(*(0,) * (len(stack) - len(own)), *own, *ref.strides[-2:]))


def _step(ref: Ref) -> int | None:
    """The step from matrix to matrix; None where there are several, or where it goes back."""
    axes = joined_axes(ref.shape[:-2], ref.strides[:-2])
    if not axes:
        return 0
    return axes[0][1] if len(axes) == 1 and axes[0][1] >= 0 else None
