"""Rows of picking along an axis place by place."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from autograd.ops import along

from .shape import anything
from .spec import Case, Spec, composite_case, fill, shapes, whole


def along_case(draw: Any, rng: np.random.Generator, full_length: bool) -> Case:
    """x and positions whose other axes broadcast against each other."""
    shape = draw(shapes(min_ndim=1, min_side=1))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    at, count = axis % len(shape), draw(whole(0, 3))
    length = shape[at]
    x_shape, own = list(shape), list(shape)
    for i in range(len(shape)):
        stretched = draw(st.sampled_from(["neither", "neither", "x", "indices"]))
        (x_shape if stretched == "x" else own)[i] = 1 if stretched != "neither" else shape[i]
    own[at], x_shape[at] = count, length if full_length else count
    positions = rng.integers(-length, length, own)
    options = {"axis": axis} if full_length else {"axis": axis, "length": length}
    return Case((fill(anything, tuple(x_shape), rng), positions), options)


def scattered(x: np.ndarray, positions: np.ndarray, *, axis: int, length: int) -> np.ndarray:
    x, positions = np.broadcast_arrays(x, positions)
    shape = list(x.shape)
    shape[axis] = length
    out = np.zeros(shape, x.dtype)
    for place in np.ndindex(x.shape):
        target = list(place)
        target[axis] = positions[place]
        out[tuple(target)] += x[place]
    return out


def taken_along(x: np.ndarray, positions: np.ndarray, *, axis: int) -> np.ndarray:
    at = axis % x.ndim
    common = np.broadcast_shapes(
        (*x.shape[:at], 1, *x.shape[at + 1 :]), (*positions.shape[:at], 1, *positions.shape[at + 1 :])
    )
    x = np.broadcast_to(x, (*common[:at], x.shape[at], *common[at + 1 :]))
    positions = np.broadcast_to(positions, (*common[:at], positions.shape[at], *common[at + 1 :]))
    return np.take_along_axis(x, positions, axis)


ROWS = [
    Spec(
        along.take_along_axis,
        taken_along,
        composite_case(lambda draw, rng: along_case(draw, rng, full_length=True)),
    ),
    Spec(
        along.scatter_add,
        scattered,
        composite_case(lambda draw, rng: along_case(draw, rng, full_length=False)),
    ),
]
