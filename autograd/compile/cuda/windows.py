"""Windows: lines of CUDA C that walk over the places of a window, and over the windows that hold an element.

One idea: what is spread from windows is gathered instead: a thread for each element of x asks which windows hold it,
and adds up what they have for it, place by place, in one order for ever. So nothing is added by two threads at once,
and a program gives the same bits at every call. Read `convolution.py` next.
"""

# Note [Names]
# An element of x, channels last, is (b, y, x, c), one of a result is (b, oy, ox, c), or (b, oy, ox, o) where it has
# other channels than x. A place in a window has row u and column v, and the number k = u * (width of the window) + v.

# Note [Index]
# A GPU calculates in 32 bits, and takes several instructions for a 64-bit product and some forty for a division. What a
# kernel does with one number is so little that its place costs more: so its lines say `index`, which is 32 bits wide
# where no number that they work out comes near what these hold, see `index_type`.

# Note [Neighbours]
# Channels lie beside one another, and what holds for one holds for the next: where it is, and which windows hold it. So
# a thread takes up to 16 bytes of them, as one load or store, where all arrays lie so that it can: see `neighbours`.
# X0 is what so many of x0 are in C, and Y0 of y0.

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import prod
from typing import Any, NamedTuple

from ...convolution import Pair, Sides
from ..native.layout import Ref
from ..native.members import ctype
from .nests import Elements
from .writer import is_one_load

__all__ = [
    "Walk",
    "coordinates",
    "each_place",
    "each_window",
    "neighbours",
    "pieces",
    "reach",
    "unrolled",
    "where",
]

_MOST_UNROLLED = 16  # places of a window


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

    @property
    def inside(self) -> str:
        """Whether (y, x) is an element of x, and no padding."""
        return " && ".join(f"{at} >= 0 && {at} < {n}" for at, n in zip("yx", self.length, strict=True))

    @property
    def most(self) -> int:
        """No position that a kernel works out is further from 0, in x or outside."""
        axes = zip(self.length, self.counts, self.size, self.stride, self.padding, self.dilation, strict=True)
        return max(n + count * step + k * apart + sum(sides) for n, count, k, step, sides, apart in axes)


def reach(ref: Ref) -> int:
    """No element lies further from the first, and no coordinate of one times its step is larger."""
    return sum((n - 1) * abs(step) for n, step in zip(ref.shape, ref.strides, strict=True))


def neighbours(channels: int, *arrays: tuple[Elements, Sequence[int]]) -> int:
    """How many channels a thread takes of arrays, each with its strides; see Note [Neighbours]."""
    for count in (16, 8, 4, 2):
        if channels % count == 0 and all(_are_one_load(count, *array) for array in arrays):
            return count
    return 1


def _are_one_load(count: int, array: Elements, strides: Sequence[int]) -> bool:
    *steps, step = strides
    beside = step == 1 and all(step % count == 0 for step in steps)
    return beside and is_one_load(array.place, count * array.dtype.itemsize)


def pieces(count: int, **dtypes: Any) -> Iterator[str]:
    """Lines that say what so many elements of x0, y0, ... are; see Note [Neighbours]."""
    for name, dtype in dtypes.items():
        yield f"using {name.upper()} = Beside<{ctype(dtype)}, {count}>;"


def unrolled(count: int, *lines: str) -> Iterator[str]:
    """Lines for each of so many channels; they know which, m."""
    yield "#pragma unroll"
    yield f"for (int m = 0; m < {count}; m++) {{"
    yield from (f"  {line}" for line in lines)
    yield "}"


def coordinates(shape: Sequence[int], names: str, index: str, number: str = "i") -> Iterator[str]:
    """Lines that work out where along each axis element `number` of an array is, see Note [Names], and `index`."""
    kind = "unsigned" if index == "int" else index  # which is divided without a look at its sign
    yield f"using index = {index};"
    yield f"{kind} rest = {number};"
    last = next((i for i, n in enumerate(shape) if n > 1), 0)
    for i, (n, name) in reversed(list(enumerate(zip(shape, names.split(), strict=True)))):
        yield f"const index {name} = {'0' if n == 1 else 'rest' if i == last else f'rest % {n}'};"
        if n > 1 and i != last:
            yield f"rest /= {n};"


def where(strides: Sequence[int], names: str) -> str:
    """The place of the element with these coordinates in an array of these strides."""
    steps = zip(strides, names.split(), strict=True)
    return " + ".join(name if step == 1 else f"{name} * {step}" for step, name in steps if step) or "0"


def each_place(walk: Walk, lines: Iterable[str]) -> Iterator[str]:
    """Lines for each place of the window (oy, ox) that is no padding; they know k, and y and x."""
    height, width = walk.size
    yield from _unrolls(walk)
    yield f"for (index u = 0; u < {height}; u++) {{"
    yield f"  const index y = {walk.y};"
    yield f"  if (y < 0 || y >= {walk.length[0]}) continue;"
    yield from (f"  {line}" for line in _unrolls(walk))
    yield f"  for (index v = 0; v < {width}; v++) {{"
    yield f"    const index x = {walk.x}, k = u * {width} + v;"
    yield f"    if (x < 0 || x >= {walk.length[1]}) continue;"
    yield from (f"    {line}" for line in lines)
    yield "  }"
    yield "}"


def each_window(walk: Walk, lines: Iterable[str]) -> Iterator[str]:
    """Lines for each window that holds the element (y, x); they know oy and ox, and k, its place in that window."""
    yield from _unrolls(walk)
    yield from _windows_along(walk, 0, "y", "u")
    yield from (f"  {line}" for line in _unrolls(walk))
    yield from (f"  {line}" for line in _windows_along(walk, 1, "x", "v"))
    yield f"    const index k = u * {walk.size[1]} + v;"
    yield from (f"    {line}" for line in lines)
    yield "  }"
    yield "}"


def _windows_along(walk: Walk, axis: int, at: str, place: str) -> Iterator[str]:
    """The head of a loop over the windows that have coordinate `at` of this axis at one of their places."""
    size, count, stride, apart = (numbers[axis] for numbers in (walk.size, walk.counts, walk.stride, walk.dilation))
    shifted = f"{at} + {walk.padding[axis][0]}"
    wrong = [f"from_{at} < 0", f"o{at} >= {count}"]
    if apart == 1:  # it is every n-th place of a window, n the stride, from a first one on
        step, first = stride, f"({shifted}) % {stride} + "
        wrong += [f"{place} >= {size}"] if size % step else []
    else:  # all are tried
        step, first = 1, ""
        wrong += [f"from_{at} % {stride}"]
    yield f"for (index t{at} = 0; t{at} < {-(-size // step)}; t{at}++) {{"
    yield f"  const index {place} = {first}t{at} * {step};"
    yield f"  const index from_{at} = {shifted} - {place} * {apart}, o{at} = from_{at} / {stride};"
    yield f"  if ({' || '.join(wrong)}) continue;"


def _unrolls(walk: Walk) -> Iterator[str]:
    if prod(walk.size) <= _MOST_UNROLLED:  # then what is read at all places is on its way at once
        yield "#pragma unroll"
