"""Rows of products and running sums and products."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from autograd.ops import products as ops

from .spec import LAYOUTS, Case, Spec, Values, axes, composite_case, fill, reduction_cases, shapes

anything = Values(-2.0, 2.0)


def _with_zeros(draw: Any, rng: np.random.Generator) -> np.ndarray:
    x = fill(anything, draw(shapes(max_side=5)), rng, draw(st.sampled_from(LAYOUTS)))
    x[rng.random(x.shape) < draw(st.sampled_from([0.3, 0.0]))] = 0.0
    return x


def _product(draw: Any, rng: np.random.Generator) -> Case:
    x = _with_zeros(draw, rng)
    return Case((x,), {"axis": draw(axes(x.ndim)), "keepdims": draw(st.booleans())})


def _running_product(draw: Any, rng: np.random.Generator) -> Case:
    x = _with_zeros(draw, rng)
    return Case((x,), {"axis": draw(st.one_of(st.integers(-x.ndim, x.ndim - 1), st.none()) if x.ndim else st.none())})


def _running_sum(x: Any, *, axis: int | None, reverse: bool) -> Any:
    if axis is None:
        x, axis = x.ravel(), 0
    return np.flip(np.cumsum(np.flip(x, axis), axis), axis) if reverse else np.cumsum(x, axis)


def _in_turn(x: Any, a: Any, *, axis: int, reverse: bool) -> Any:
    x, a = np.moveaxis(x, axis, 0), np.moveaxis(a, axis, 0)
    out, order = np.array(x), range(len(x))
    for i in order[-2::-1] if reverse else order[1:]:
        out[i] = x[i] + (a[i + 1] * out[i + 1] if reverse else a[i] * out[i - 1])
    return np.moveaxis(out, 0, axis)


def _recurrent(draw: Any, rng: np.random.Generator) -> Case:
    shape = draw(shapes(min_ndim=1, max_side=5))
    x, a = (fill(anything, shape, rng, draw(st.sampled_from(LAYOUTS))) for _ in range(2))
    return Case((x, a), {"axis": draw(st.integers(-x.ndim, x.ndim - 1)), "reverse": draw(st.booleans())})


def _differences(draw: Any, rng: np.random.Generator) -> Case:
    x = fill(anything, draw(shapes(min_ndim=1)), rng, draw(st.sampled_from(LAYOUTS)))
    return Case((x,), {"axis": draw(st.integers(-x.ndim, x.ndim - 1)), "n": draw(st.integers(1, 3))})


ROWS = [
    Spec(ops.diff, np.diff, composite_case(_differences)),
    Spec(ops.prod, np.prod, composite_case(_product)),
    Spec(
        ops.cumsum,
        _running_sum,
        reduction_cases(anything, single=True, keepdims=False, options=[{"reverse": False}, {"reverse": True}]),
        adjoint=lambda y, x, *, axis, reverse: ops.cumsum(y, axis=axis, reverse=not reverse).reshape(x.shape),
    ),
    Spec(ops.cumprod, np.cumprod, composite_case(_running_product)),
    Spec(ops._recurrence, _in_turn, composite_case(_recurrent)),
    Spec(
        ops.cumulative_sum,
        np.cumulative_sum,
        reduction_cases(
            anything,
            single=True,
            keepdims=False,
            min_ndim=1,
            max_ndim=1,
            options=[{"include_initial": False}, {"include_initial": True}],
        ),
    ),
    Spec(
        ops.cumulative_prod,
        np.cumulative_prod,
        reduction_cases(
            anything,
            single=True,
            keepdims=False,
            min_ndim=1,
            max_ndim=1,
            options=[{"include_initial": False}, {"include_initial": True}],
        ),
    ),
]
