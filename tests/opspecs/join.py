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


def repeated_case(draw: Any, rng: np.random.Generator) -> Case:
    x = any_array(draw, rng, min_ndim=1, min_side=1)
    return Case((x,), _ends(draw, x.ndim))


def folded_case(draw: Any, rng: np.random.Generator) -> Case:
    x = any_array(draw, rng, min_ndim=1, min_side=6, max_side=8)
    return Case((x,), _ends(draw, x.ndim))


def _ends(draw: Any, ndim: int) -> dict[str, Any]:
    axis, before, after = draw(st.integers(0, ndim - 1)), draw(whole(0, 2, first=1)), draw(whole(0, 3))
    return {"axis": axis, "before": before, "after": after, "mode": draw(st.sampled_from(MODES))}


def repeated(x: np.ndarray, *, axis: int, before: int, after: int, mode: Any) -> np.ndarray:
    return np.pad(x, [(before, after) if i == axis else (0, 0) for i in range(x.ndim)], mode)


def folded(x: np.ndarray, *, axis: int, before: int, after: int, mode: Any) -> np.ndarray:
    length = x.shape[axis] - before - after
    out = np.zeros((length, *np.delete(x.shape, axis)), x.dtype)
    np.add.at(out, np.pad(np.arange(length), (before, after), mode), np.moveaxis(x, axis, 0))
    return np.moveaxis(out, 0, axis)


def crop_case(draw: Any, rng: np.random.Generator) -> Case:
    x = any_array(draw, rng, min_side=4, max_side=6)
    return Case((x,), {"widths": draw(widths(x.ndim))})


def cropped(x: np.ndarray, *, widths: Any) -> np.ndarray:
    return x[tuple(slice(before, n - after) for n, (before, after) in zip(x.shape, widths, strict=True))]


MODES = ["edge", "reflect", "symmetric", "wrap"]
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
        ops._repeated,
        repeated,
        composite_case(repeated_case),
        adjoint=lambda y, x, **options: ops._folded(y, **options),
    ),
    Spec(
        ops._folded,
        folded,
        composite_case(folded_case),
        adjoint=lambda y, x, **options: ops._repeated(y, **options),
    ),
    Spec(
        ops.crop,
        cropped,
        composite_case(crop_case),
        adjoint=lambda y, x, *, widths: ops._pad(y, widths=widths, value=0),
    ),
]
