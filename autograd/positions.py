"""Arrays of positions that may point outside: read and written where no one can be asked whether they do.

One idea: NumPy looks and refuses. To look on a GPU would wait for it, and its library wraps such a position round, to
another row. So a kind of array can have ways of its own here, by which a wrong position shows in the result: it reads
NaN, and makes NaN of what it is written into. Read `ops/index.py` next; `cuda/gather.py` has the GPU's ways.
"""

from __future__ import annotations

from typing import Any, Protocol

from .backend import Array

__all__ = ["Positions", "has_positions", "read_at", "written_at"]


class Positions(Protocol):
    """What a kind of array does about positions outside."""

    def part(self, x: Array, index: Any) -> Array:
        """x[index], and NaN, or 0 where there are no floats, for each element at a position outside."""

    def spoil(self, x: Array, index: Any) -> None:
        """Make NaN, or 0, of all of x if a position in `index` is outside."""


_positions: dict[type, Positions] = {}


def has_positions(array_type: type, positions: Positions) -> None:
    """Let arrays of a type be read and written in a way of their own."""
    _positions[array_type] = positions


def read_at(x: Array, index: Any) -> Array:
    """x[index]."""
    own = _positions.get(type(x))
    return x[index] if own is None else own.part(x, index)


def written_at(x: Array, index: Any) -> None:
    """To be called after x[index] was written."""
    own = _positions.get(type(x))
    if own is not None:
        own.spoil(x, index)
