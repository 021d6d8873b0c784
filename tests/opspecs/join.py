"""Rows of joining and cutting."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from autograd.ops import join as ops

from .shape import any_array, anything
from .spec import Case, Spec, composite_case, fill, shapes, whole


def concat_case(draw: Any, rng: np.random.Generator) -> Case:
    shape = draw(shapes(min_ndim=1))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    lengths = [draw(whole(0, 3, first)) for first in range(1, 1 + draw(whole(1, 4, first=3)))]
    at = axis % len(shape)
    return Case(tuple(fill(anything, (*shape[:at], n, *shape[at + 1 :]), rng) for n in lengths), {"axis": axis})


def stack_case(draw: Any, rng: np.random.Generator) -> Case:
    shape = draw(shapes())
    count = draw(whole(1, 4, first=3))
    axis = draw(st.integers(-len(shape) - 1, len(shape)))
    return Case(tuple(fill(anything, shape, rng) for _ in range(count)), {"axis": axis})


def widths(ndim: int) -> st.SearchStrategy[Any]:
    return st.tuples(*[st.tuples(whole(0, 2, first=1), whole(0, 2))] * ndim)


def pad_case(draw: Any, rng: np.random.Generator) -> Case:
    x = any_array(draw, rng)
    return Case((x,), {"widths": draw(widths(x.ndim)), "value": 0})


def crop_case(draw: Any, rng: np.random.Generator) -> Case:
    x = any_array(draw, rng, min_side=4, max_side=6)
    return Case((x,), {"widths": draw(widths(x.ndim))})


def cropped(x: np.ndarray, *, widths: Any) -> np.ndarray:
    return x[tuple(slice(before, n - after) for n, (before, after) in zip(x.shape, widths, strict=True))]


ROWS = [
    Spec(ops._concat, lambda *xs, axis: np.concatenate(xs, axis), composite_case(concat_case)),
    Spec(ops._stack, lambda *xs, axis: np.stack(xs, axis), composite_case(stack_case)),
    Spec(
        ops._pad,
        lambda x, *, widths, value: np.pad(x, widths) if x.ndim else x,
        composite_case(pad_case),
        adjoint=lambda y, x, *, widths, value: ops.crop(y, widths=widths),
    ),
    Spec(
        ops.crop,
        cropped,
        composite_case(crop_case),
        adjoint=lambda y, x, *, widths: ops._pad(y, widths=widths, value=0),
    ),
]
