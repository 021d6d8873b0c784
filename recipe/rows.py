"""Rows in order, some at a time.

One idea: x and y are cut at the same places. Read `trainer.py` for both uses.
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd.backend import Array

__all__ = ["pieces", "slices"]


def slices(x: Array, y: Array, size: int) -> Iterator[tuple[Array, Array]]:
    """The rows in order, `size` at a time, the last ones fewer."""
    return ((x[start : start + size], y[start : start + size]) for start in range(0, len(x), size))


def pieces(x: Array, y: Array, count: int) -> Iterator[tuple[Array, Array]]:
    """The rows in at most `count` pieces, of one length but for the last."""
    return slices(x, y, -(-len(x) // count))
