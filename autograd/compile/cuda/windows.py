"""Windows: lines of CUDA C that walk over the places of a window, and over the windows that hold an element.

One idea: what is spread from windows is gathered instead: a thread for each element of x asks which windows hold it,
and adds up what they have for it, place by place, in one order for ever. So nothing is added by two threads at once,
and a program gives the same bits at every call. Read `convolution.py` next.
"""

# Note [Names]
# An element of x, channels last, is (b, y, x, c), one of a result is (b, oy, ox, c), or (b, oy, ox, o) where it has
# other channels than x. A place in a window has row u and column v, and the number k = u * (width of the window) + v.

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import prod
from typing import NamedTuple

from ...convolution import Pair, Sides

__all__ = ["Walk", "coordinates", "each_place", "each_window", "where"]

_MOST_UNSIGNED = (1 << 32) - 1


class Walk(NamedTuple):
    """How windows lie over an x of `length`: `counts` of them down and across."""

    length: Pair
    counts: Pair
    size: Pair
    stride: Pair
    padding: Sides
    dilation: Pair

    @property
    def y(self) -> str:
        """Where row u of the window (oy, ox) is in x."""
        return f"oy * {self.stride[0]} - {self.padding[0][0]} + u * {self.dilation[0]}"

    @property
    def x(self) -> str:
        """Where its column v is."""
        return f"ox * {self.stride[1]} - {self.padding[1][0]} + v * {self.dilation[1]}"


def coordinates(shape: Sequence[int], names: str, number: str = "i") -> Iterator[str]:
    """Lines that work out where along each axis element number e of an array is, see Note [Names]; e is `number`."""
    # Divisions by constants are several times as fast in 32 bits.
    yield f"const {'unsigned' if prod(shape) <= _MOST_UNSIGNED else 'long'} e = {number};"
    outside, rest = 1, prod(shape)
    for n, name in zip(shape, names.split(), strict=True):
        rest //= n
        found = f"e{f' / {rest}' if rest > 1 else ''}{f' % {n}' if outside > 1 else ''}" if n > 1 else "0"
        yield f"const int {name} = {found};"
        outside *= n


def where(strides: Sequence[int], names: str) -> str:
    """The place of the element with these coordinates in an array of these strides."""
    steps = zip(strides, names.split(), strict=True)
    return " + ".join(f"(long){name} * {step}" for step, name in steps if step) or "0"


def each_place(walk: Walk, lines: Iterable[str]) -> Iterator[str]:
    """Lines for each place of the window (oy, ox) that is no padding; they know k, and y and x."""
    height, width = walk.size
    yield f"for (int u = 0; u < {height}; u++) {{"
    yield f"  const int y = {walk.y};"
    yield f"  if (y < 0 || y >= {walk.length[0]}) continue;"
    yield f"  for (int v = 0; v < {width}; v++) {{"
    yield f"    const int x = {walk.x}, k = u * {width} + v;"
    yield f"    if (x < 0 || x >= {walk.length[1]}) continue;"
    yield from (f"    {line}" for line in lines)
    yield "  }"
    yield "}"


def each_window(walk: Walk, lines: Iterable[str]) -> Iterator[str]:
    """Lines for each window that holds the element (y, x); they know oy and ox, and k, its place in that window."""
    (height, width), (down, across), (rows, columns) = walk.size, walk.stride, walk.counts
    (top, _), (left, _) = walk.padding
    yield f"for (int u = 0; u < {height}; u++) {{"
    yield f"  const int from_top = y + {top} - u * {walk.dilation[0]}, oy = from_top / {down};"
    yield f"  if (from_top < 0 || from_top % {down} || oy >= {rows}) continue;"
    yield f"  for (int v = 0; v < {width}; v++) {{"
    yield f"    const int from_left = x + {left} - v * {walk.dilation[1]}, ox = from_left / {across};"
    yield f"    if (from_left < 0 || from_left % {across} || ox >= {columns}) continue;"
    yield f"    const int k = u * {width} + v;"
    yield from (f"    {line}" for line in lines)
    yield "  }"
    yield "}"
