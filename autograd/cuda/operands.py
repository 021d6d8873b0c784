"""From the shapes and strides of two arrays to the product of cuBLASLt that multiplies them.

One idea: most views need no copy. A transposed matrix is a flag, a slice of columns is a longer way from row to row, a
stack is a stride, one matrix for a whole stack makes of it one tall matrix. What is left is a short loop, or a copy
where that is cheaper. All is numbers here, no array and no GPU. Read `products.py` next.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .product import Product

__all__ = ["Multiplication", "multiplication"]

Shape = tuple[int, ...]

COPY = 4  # a copy takes the host about as long as two products, and the GPU has to read and write the array besides


class Multiplication(NamedTuple):
    """How the product of two arrays is done: a Product, started once for each of the `offsets` into a, b and c."""

    product: Product
    shape: Shape  # of the result, which is packed
    offsets: list[tuple[int, int, int]]  # in elements
    copy_a: bool  # whether a has to be laid out anew first
    copy_b: bool


class Matrix(NamedTuple):
    """How the last two axes of an array lie in memory."""

    transposed: bool
    distance: int


class Run(NamedTuple):
    """Axes in front of the matrices that all three arrays walk evenly."""

    length: int
    a: int
    b: int
    c: int


def multiplication(a: Shape, a_strides: Shape, b: Shape, b_strides: Shape, dtype: str, tf32: bool) -> Multiplication:
    """The cheapest way to multiply arrays of these shapes, with strides in elements; nothing in them may be empty.

    Vectors count as a row or a column. Raises ValueError for shapes that do not fit, as `matmul` does.
    """
    shape = _result(a, b)
    row, column = len(a) == 1, len(b) == 1
    a, a_strides = ((1, *a), (0, *a_strides)) if row else (a, a_strides)
    b, b_strides = ((*b, 1), (*b_strides, 0)) if column else (b, b_strides)
    ways = []
    for copy_a, copy_b in itertools.product((False, True), repeat=2):
        of_a, of_b = packed(a) if copy_a else a_strides, packed(b) if copy_b else b_strides
        found = _product(a, of_a, b, of_b, dtype, tf32)
        if found is not None:
            cost = len(found[1]) + COPY * (copy_a + copy_b)
            ways.append((cost, Multiplication(found[0], shape, found[1], copy_a, copy_b)))
    return min(ways, key=lambda way: way[0])[1]


def packed(shape: Shape) -> Shape:
    """The strides, in elements, of an array whose last axis lies closest."""
    return (*itertools.accumulate(shape[:0:-1], lambda x, y: x * y, initial=1),)[::-1] if shape else ()


def _result(a: Shape, b: Shape) -> Shape:
    if not a or not b or a[-1] != b[-2:][0]:
        raise ValueError(f"shapes {a} and {b} do not fit")
    front = broadcast(a[:-2], b[:-2])
    return (*front, *a[-2:-1], *(b[-1:] if len(b) > 1 else ()))


def broadcast(a: Shape, b: Shape) -> Shape:
    """The shape that both shapes stretch to. Raises ValueError where there is none."""
    lengths = []
    for x, y in itertools.zip_longest(reversed(a), reversed(b), fillvalue=1):
        if x != y and 1 not in (x, y):
            raise ValueError(f"shapes {a} and {b} do not broadcast")
        lengths.append(y if x == 1 else x)
    return tuple(reversed(lengths))


def _product(
    a: Shape, a_strides: Shape, b: Shape, b_strides: Shape, dtype: str, tf32: bool
) -> tuple[Product, list[tuple[int, int, int]]] | None:
    """The product and where it is started; None where a matrix cannot be read as it lies."""
    (m, k), n = a[-2:], b[-1]
    left, right = matrix((m, k), a_strides[-2:]), matrix((k, n), b_strides[-2:])
    if left is None or right is None or min(0, *a_strides, *b_strides) < 0:
        return None
    front = broadcast(a[:-2], b[:-2])
    c_strides = packed((*front, m, n))
    runs = _joined(
        Run(length, *strides)
        for length, *strides in zip(
            front, _stretched(a, a_strides, front), _stretched(b, b_strides, front), c_strides[:-2], strict=True
        )
    )
    runs, m, left = _as_one_tall(runs, m, k, n, left)
    runs.sort(key=lambda run: run.length)
    batch = runs.pop() if runs else Run(1, 0, 0, 0)
    turned, distances = (left.transposed, right.transposed), (left.distance, right.distance, n)
    return Product(m, n, k, *turned, *distances, dtype, *batch, tf32=tf32), _starts(runs)


def matrix(shape: Shape, strides: Sequence[int]) -> Matrix | None:
    """How a matrix with these strides can be read: row by row, or else column by column; None where neither goes."""
    (rows, columns), (down, along) = shape, strides
    if columns == 1 or along == 1:
        distance = columns if rows == 1 else down
        if distance >= columns:
            return Matrix(False, distance)
    if rows == 1 or down == 1:
        distance = rows if columns == 1 else along
        if distance >= rows:
            return Matrix(True, distance)
    return None


def _stretched(shape: Shape, strides: Shape, front: Shape) -> Shape:
    """The strides over the axes in front: 0 where an axis is repeated."""
    own = tuple(0 if length == 1 else stride for length, stride in zip(shape[:-2], strides, strict=False))
    return (0,) * (len(front) - len(own)) + own


def _joined(runs: Iterator[Run]) -> list[Run]:
    """Neighbours made one where the outer step is as long as the whole inner walk, for all three arrays."""
    joined: list[Run] = []
    for run in runs:
        if run.length == 1:
            continue
        if joined and joined[-1][1:] == (run.a * run.length, run.b * run.length, run.c * run.length):
            run = run._replace(length=run.length * joined.pop().length)
        joined.append(run)
    return joined


def _starts(runs: list[Run]) -> list[tuple[int, int, int]]:
    """Where in a, b and c each round of the loops over these runs begins."""
    starts = [(0, 0, 0)]
    for run in runs:
        starts = [(a + i * run.a, b + i * run.b, c + i * run.c) for a, b, c in starts for i in range(run.length)]
    return starts


def _as_one_tall(runs: list[Run], m: int, k: int, n: int, left: Matrix) -> tuple[list[Run], int, Matrix]:
    """Where one b serves the last run, and the rows of a go on evenly through it, they make one tall matrix."""
    if runs and not left.transposed:
        run = runs[-1]
        distance = run.a if m == 1 else left.distance
        if run.b == 0 and run.a == m * distance and run.c == m * n and distance >= k:
            return runs[:-1], m * run.length, Matrix(False, distance)
    return runs, m, left
