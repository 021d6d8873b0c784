"""Rows of what moves numbers about: broadcasting, reshaping, axes in another order."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from autograd.ops import shape as ops

from .spec import LAYOUTS, Case, Spec, Values, axes, broadcasting, composite_case, fill, shapes, whole

anything = Values(-2.0, 2.0)


def any_array(draw: Any, rng: np.random.Generator, **limits: int) -> np.ndarray:
    return fill(anything, draw(shapes(**limits)), rng, draw(st.sampled_from(LAYOUTS)))


def broadcast_case(draw: Any, rng: np.random.Generator) -> Case:
    shape = draw(shapes())
    return Case((fill(anything, draw(broadcasting(shape)), rng, draw(st.sampled_from(LAYOUTS))),), {"shape": shape})


def sum_case(draw: Any, rng: np.random.Generator) -> Case:
    x = any_array(draw, rng)
    return Case((x,), {"shape": draw(broadcasting(x.shape))})


def summed(x: np.ndarray, *, shape: tuple[int, ...]) -> np.ndarray:
    extra = x.ndim - len(shape)
    x = x.sum(axis=tuple(range(extra)))
    return x.sum(axis=tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True)


def reshape_case(draw: Any, rng: np.random.Generator) -> Case:
    x = any_array(draw, rng)
    shape = [n for length in x.shape for n in draw(st.sampled_from([(length,), (1, length), (length, 1)]))]
    order = draw(st.permutations(shape[::-1]))
    if x.size and draw(st.booleans()):
        order = [-1, *order[1:]]
    return Case((x,), {"shape": tuple(order) if order[:1] != [-1] or x.ndim else ()})


def order_case(draw: Any, rng: np.random.Generator) -> Case:
    x = any_array(draw, rng)
    order = draw(st.permutations(range(x.ndim)[::-1]))
    return Case((x,), {"axes": tuple(order)})


def flip_case(draw: Any, rng: np.random.Generator) -> Case:
    x = any_array(draw, rng)
    return Case((x,), {"axis": draw(axes(x.ndim))})


def roll_case(draw: Any, rng: np.random.Generator) -> Case:
    x = any_array(draw, rng)
    axis = draw(axes(x.ndim))
    steps = whole(-5, 5, first=1)
    shift = draw(st.tuples(*[steps] * len(axis)) if isinstance(axis, tuple) and axis else steps)
    return Case((x,), {"shift": shift, "axis": None if axis == () else axis})


ROWS = [
    Spec(
        ops._broadcast_to,
        lambda x, *, shape: np.broadcast_to(x, shape),
        composite_case(broadcast_case),
        adjoint=lambda y, x, *, shape: ops.sum_to(y, shape=x.shape),
    ),
    Spec(
        ops._sum_to,
        summed,
        composite_case(sum_case),
        adjoint=lambda y, x, *, shape: ops.broadcast_to(y, shape=x.shape),
    ),
    Spec(
        ops._reshape,
        lambda x, *, shape: np.reshape(x, shape),
        composite_case(reshape_case),
        adjoint=lambda y, x, *, shape: ops.reshape(y, x.shape),
    ),
    Spec(
        ops._permute_dims,
        lambda x, *, axes: np.transpose(x, axes),
        composite_case(order_case),
        adjoint=lambda y, x, *, axes: ops.permute_dims(y, np.argsort(axes).tolist()),
    ),
    Spec(
        ops.flip,
        lambda x, *, axis: np.flip(x, axis),
        composite_case(flip_case),
        adjoint=lambda y, x, *, axis: ops.flip(y, axis=axis),
    ),
    Spec(
        ops._roll,
        lambda x, *, shift, axis: np.roll(x, shift, axis),
        composite_case(roll_case),
        adjoint=lambda y, x, *, shift, axis: ops.roll(
            y, [-n for n in shift] if isinstance(shift, tuple) else -shift, axis=axis
        ),
    ),
]
