"""Shapes and axes as plain tuples: pure helpers that every family of operations uses.

One idea: an axis is counted from the front before anything else is done with it. Read `dtypes.py` next.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

__all__ = ["Axis", "Shape", "at_axis", "axes_of", "is_axis", "kept_shape", "normalize_axis"]

Shape = tuple[int, ...]
Axis = int | Sequence[int] | None


def is_axis(axis: Any) -> bool:
    """Whether it is a whole number, or several in a tuple or a list."""
    parts = axis if isinstance(axis, (tuple, list)) else (axis,)
    return all(isinstance(part, (int, Integral)) and not isinstance(part, bool) for part in parts)


def normalize_axis(axis: int, ndim: int) -> int:
    """An axis counted from the front. Raises ValueError when x has no such axis, TypeError for what is none."""
    if not isinstance(axis, (int, Integral)):
        raise TypeError(f"an axis is a whole number, got {axis!r}.")
    if not -ndim <= axis < ndim:
        known = f"{ndim} axes ({-ndim} to {ndim - 1})" if ndim else "a single number, which has no axes"
        raise ValueError(f"axis {axis} is out of range for {known}.")
    return axis % ndim


def axes_of(axis: Axis, ndim: int) -> Shape:
    """The axes that `axis` names, counted from the front: all of them for None.

    A single number has no axis; 0 and -1 name none of it, as in NumPy. Raises ValueError for an axis out of range, or
    named twice, TypeError for what is none.
    """
    if axis is None or (ndim == 0 and axis in (0, -1)):
        return tuple(range(ndim))
    given = axis if isinstance(axis, (tuple, list)) else (axis,)
    axes = tuple(normalize_axis(a, ndim) for a in given)
    if len(set(axes)) != len(axes):
        raise ValueError(f"axis {axis} names the same axis twice.")
    return axes


def kept_shape(shape: Shape, axis: Axis) -> Shape:
    """`shape` with length 1 in place of each reduced axis, as a reduction with keepdims=True gives."""
    axes = axes_of(axis, len(shape))
    return tuple(1 if i in axes else length for i, length in enumerate(shape))


def at_axis(axis: int, part: Any) -> tuple[Any, ...]:
    """The index of a part along an axis, counted from the front: [:, :, part] for axis 2."""
    return (*(slice(None),) * axis, part)
