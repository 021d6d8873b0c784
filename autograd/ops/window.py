"""Windows that slide over the last axes, and their adjoint: laying windows over each other and adding.

One idea: convolution, pooling and moving averages all read overlapping windows; with the windows as axes of their own
they are matrix products and reductions. Reading windows costs nothing (a view); adding them up again goes one strided
slice at a time, over the places in a window or over the windows, whichever are fewer. Read `convolution.py` next.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from ..backend import Array, Module
from ..errors import ShapeError
from ..primitive import primitive
from ..shapes import Shape
from ..tensor import Operand
from .shape import lengths_of

__all__ = ["overlap_add", "windows"]

Lengths = int | Sequence[int]


def _each(given: Lengths, count: int, name: str) -> Shape:
    """One positive number for each of `count` axes; a single number stands for all."""
    numbers = lengths_of(given)
    numbers = numbers * count if len(numbers) == 1 else numbers
    if len(numbers) != count or min(numbers, default=1) < 1:
        raise ValueError(f"windows: {name} {given} must be one number, or one for each of {count} axes, at least 1.")
    return numbers


def _counts(length: Shape, size: Shape, stride: Shape, dilation: Shape) -> Shape:
    """How many windows fit along each axis."""
    spans = [d * (k - 1) + 1 for k, d in zip(size, dilation, strict=True)]
    if any(span > n for span, n in zip(spans, length, strict=True)):
        raise ShapeError(
            f"windows: windows of {size} places with dilation {dilation} reach over {tuple(spans)} places, "
            f"but there are only {length}."
        )
    return tuple((n - span) // s + 1 for n, span, s in zip(length, spans, stride, strict=True))


@primitive
def windows(xp: Module, x: Operand, *, size: Lengths, stride: Lengths = 1, dilation: Lengths = 1) -> Array:
    """The windows over the last axes of x, as many as `size` has numbers. A view.

    x of shape (..., n1, ..., nk) gives (..., m1, ..., mk, size1, ..., sizek), with m windows along an axis: m = (n -
    dilation * (size - 1) - 1) // stride + 1. One begins every `stride` places and takes every `dilation`-th from there.

    Raises ShapeError when x has fewer axes or is smaller than a window.
    """
    size = lengths_of(size)
    count = len(size)
    if x.ndim < count:
        raise ShapeError(f"windows: x of shape {x.shape} has fewer than the {count} axes of windows of size {size}.")
    size, stride = _each(size, count, "size"), _each(stride, count, "stride")
    dilation = _each(dilation, count, "dilation")
    _counts(x.shape[x.ndim - count :], size, stride, dilation)
    spans = tuple(d * (k - 1) + 1 for k, d in zip(size, dilation, strict=True))
    every = xp.lib.stride_tricks.sliding_window_view(x, spans, tuple(range(x.ndim - count, x.ndim)))
    return every[(..., *(slice(None, None, step) for step in (*stride, *dilation)))]


@windows.vjp
def _(g: Operand, x_shape: Shape, size: Lengths, stride: Lengths, dilation: Lengths) -> Operand:
    count = len(lengths_of(size))
    return overlap_add(g, length=x_shape[len(x_shape) - count :], stride=stride, dilation=dilation)


@primitive
def overlap_add(xp: Module, x: Operand, *, length: Lengths, stride: Lengths = 1, dilation: Lengths = 1) -> Array:
    """Windows laid where `windows` takes them from, and added where they overlap: the adjoint of `windows`.

    x of shape (..., m1, ..., mk, size1, ..., sizek) gives (..., *length).

    Raises ShapeError when that many windows of that size are not those of an array of such a length.
    """
    length = lengths_of(length)
    count = len(length)
    stride, dilation = _each(stride, count, "stride"), _each(dilation, count, "dilation")
    outer, size = x.shape[: x.ndim - 2 * count], x.shape[x.ndim - count :]
    counts = x.shape[len(outer) : len(outer) + count]
    if x.ndim < 2 * count or _counts(length, size, stride, dilation) != counts:
        raise ShapeError(f"overlap_add: x of shape {x.shape} does not hold the windows of an array of length {length}.")
    out = xp.zeros((*outer, *length), dtype=x.dtype)
    if math.prod(size) <= math.prod(counts):
        # One place of all windows at a time: they lie `stride` apart.
        for place in itertools.product(*map(range, size)):
            starts = [i * d for i, d in zip(place, dilation, strict=True)]
            target = [slice(a, a + s * (m - 1) + 1, s) for a, s, m in zip(starts, stride, counts, strict=True)]
            out[(..., *target)] += x[(..., *place)]
    else:
        # One whole window at a time: its places lie `dilation` apart.
        for window in itertools.product(*map(range, counts)):
            starts = [i * s for i, s in zip(window, stride, strict=True)]
            target = [slice(a, a + d * (k - 1) + 1, d) for a, d, k in zip(starts, dilation, size, strict=True)]
            out[(..., *target)] += x[(..., *window, *(slice(None),) * count)]
    return out


@overlap_add.vjp
def _(g: Operand, x_shape: Shape, length: Lengths, stride: Lengths, dilation: Lengths) -> Operand:
    count = len(lengths_of(length))
    return windows(g, size=x_shape[len(x_shape) - count :], stride=stride, dilation=dilation)
