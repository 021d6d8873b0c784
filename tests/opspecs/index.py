"""Rows of reading and writing by an index, and of picking whole parts along an axis."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from autograd.ops import index as ops

from .shape import any_array, anything
from .spec import Case, Spec, broadcasting, composite_case, fill, shapes, whole


def indices(draw: Any, rng: np.random.Generator, shape: tuple[int, ...], *, repeats: bool = True) -> Any:
    """An index into an array of `shape`: ints, slices, None, an Ellipsis, integer arrays and masks, mixed."""
    parts: list[Any] = []
    picked = draw(st.sampled_from([(3,), (1,), (), (2, 2)] if repeats else [(1,), ()]))
    axis = 0
    while axis < len(shape):
        n = shape[axis]
        kinds, picking = ["slice", "slice", "mask", "new"], ["array", "int"] * (n > 0)
        kind = draw(st.sampled_from(kinds + picking if axis else picking + kinds))
        axis += kind != "new" or len(parts) > 4
        if kind == "new":
            parts.append(None)
        elif kind == "int":
            parts.append(draw(st.integers(-n, n - 1)))
        elif kind == "array":
            parts.append(rng.integers(-n, n, picked[draw(st.integers(0, len(picked))) :]))
        elif kind == "mask" and not any(isinstance(part, np.ndarray) for part in parts):
            mask = np.zeros(n, bool)  # as many places as the integer arrays are long: the two go together
            mask[rng.permutation(n)[: picked[-1] if picked else 1]] = True
            parts.append(mask if mask.sum() in (1, picked[-1] if picked else 1) else slice(None))
        else:
            ends = st.one_of(st.none(), st.integers(-n - 1, n + 1))
            parts.append(slice(draw(ends), draw(ends), draw(st.sampled_from([-1, None, 1, 2, -2]))))
    cut = draw(st.integers(0, len(parts)))
    form = draw(st.sampled_from(["all", "dots", "fewer"]))
    if form == "fewer":
        parts = parts[:cut]
    elif form == "dots":
        parts.insert(cut, Ellipsis)
    return parts[0] if len(parts) == 1 and draw(st.booleans()) else tuple(parts)


def getitem_case(draw: Any, rng: np.random.Generator) -> Case:
    x = any_array(draw, rng)
    return Case((x,), {"index": indices(draw, rng, x.shape)})


def put_at_case(draw: Any, rng: np.random.Generator) -> Case:
    shape = draw(shapes())
    index = indices(draw, rng, shape)
    return Case((fill(anything, np.zeros(shape)[index].shape, rng),), {"index": index, "shape": shape})


def put(x: np.ndarray, *, index: Any, shape: tuple[int, ...]) -> np.ndarray:
    out = np.zeros(shape, x.dtype)
    np.add.at(out, index, x)
    return out


def set_at_case(draw: Any, rng: np.random.Generator) -> Case:
    x = any_array(draw, rng)
    index = indices(draw, rng, x.shape, repeats=False)
    value = fill(anything, draw(broadcasting(x[index].shape)), rng)
    return Case((x, value), {"index": index})


def assigned(x: np.ndarray, value: np.ndarray, *, index: Any) -> np.ndarray:
    out = x.copy()
    out[index] = value
    return out


def survives_case(draw: Any, rng: np.random.Generator) -> Case:
    x = any_array(draw, rng)
    return Case((x,), {"index": indices(draw, rng, x.shape)})


def survivors(x: np.ndarray, *, index: Any) -> np.ndarray:
    places = np.arange(x.size).reshape(x.shape)[index].ravel().tolist()
    last = {place: turn for turn, place in enumerate(places)}
    return np.array([last[p] == turn for turn, p in enumerate(places)], x.dtype).reshape(x[index].shape)


def picks(draw: Any, rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.integers(-n, n, draw(shapes(max_ndim=2)))


def take_case(draw: Any, rng: np.random.Generator) -> Case:
    x = any_array(draw, rng, min_ndim=1, min_side=1)
    axis = draw(st.integers(-x.ndim, x.ndim - 1))
    return Case((x, picks(draw, rng, x.shape[axis])), {"axis": axis})


def index_add_case(draw: Any, rng: np.random.Generator) -> Case:
    length = draw(whole(1, 4, first=3))
    positions = picks(draw, rng, length)
    before, after = draw(shapes(max_ndim=1)), draw(st.sampled_from([(2,), (), (17,)]))
    x = fill(anything, (*before, *positions.shape, *after), rng)
    axis = len(before) - (x.ndim - positions.ndim + 1) * draw(st.booleans())
    return Case((x, positions), {"axis": axis, "length": length})


def index_added(x: np.ndarray, positions: np.ndarray, *, axis: int, length: int) -> np.ndarray:
    axis %= x.ndim - positions.ndim + 1
    out = np.zeros((*x.shape[:axis], length, *x.shape[axis + positions.ndim :]), x.dtype)
    np.add.at(out, (*(slice(None),) * axis, positions), x)
    return out


ROWS = [
    Spec(
        ops.getitem,
        lambda x, *, index: x[index],
        composite_case(getitem_case),
        adjoint=lambda y, x, *, index: ops.put_at(y, index=index, shape=x.shape),
        synchronizes=True,
    ),
    Spec(
        ops.put_at,
        put,
        composite_case(put_at_case),
        adjoint=lambda y, x, *, index, shape: ops.getitem(y, index=index),
        synchronizes=True,
    ),
    Spec(ops.set_at, assigned, composite_case(set_at_case), synchronizes=True),
    Spec(ops.survives_at, survivors, composite_case(survives_case), synchronizes=True),
    Spec(
        ops.take,
        lambda x, positions, *, axis: np.take(x, positions, axis),
        composite_case(take_case),
        adjoint=lambda y, x, positions, *, axis: ops.index_add(y, positions, axis=axis % x.ndim, length=x.shape[axis]),
    ),
    Spec(
        ops.index_add,
        index_added,
        composite_case(index_add_case),
        adjoint=lambda y, x, positions, *, axis, length: ops.take(y, positions, axis=axis),
    ),
]
