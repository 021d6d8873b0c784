"""Rows of sort, argsort, topk, median and quantile."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from autograd.ops import sort as ops

from .spec import LAYOUTS, Case, Spec, Values, composite_case, fill, reduction_cases, shapes, whole

apart = Values(-2.0, 2.0, apart=True)


def _ordered(draw: Any, rng: np.random.Generator) -> Case:
    shape = draw(shapes(min_ndim=1))
    x = fill(apart, shape, rng, draw(st.sampled_from(LAYOUTS)))
    return Case((x,), {"axis": draw(st.integers(-x.ndim, x.ndim - 1)), "descending": draw(st.booleans())})


def _argsort(x: Any, *, axis: int, descending: bool) -> Any:
    return np.argsort(-x if descending else x, axis=axis, kind="stable")


def _sort(x: Any, *, axis: int, descending: bool) -> Any:
    return np.flip(np.sort(x, axis=axis), axis) if descending else np.sort(x, axis=axis)


def largest_of_topk(x: Any, k: int, *, axis: int, largest: bool) -> Any:
    """The values of `topk`: one array, as the laws want it."""
    return ops.topk(x, k, axis=axis, largest=largest)[0]


def _topk(draw: Any, rng: np.random.Generator) -> Case:
    case = _ordered(draw, rng)
    axis = case.options["axis"]
    k = draw(whole(0, case.inputs[0].shape[axis], first=1))
    return Case((*case.inputs, k), {"axis": axis, "largest": case.options["descending"]})


def _first_positions(x: Any, *, k: int, axis: int, largest: bool) -> Any:
    return np.take(_argsort(x, axis=axis, descending=largest), np.arange(k), axis=axis)


def _options_of_topk(draw: Any, rng: np.random.Generator) -> Case:
    case = _topk(draw, rng)
    return Case(case.inputs[:1], {"k": case.inputs[1], **case.options})


def _reference_of_topk(x: Any, k: int, *, axis: int, largest: bool) -> Any:
    return np.take(_sort(x, axis=axis, descending=largest), np.arange(k), axis=axis)


def _quantile(draw: Any, rng: np.random.Generator) -> Case:
    case = draw(reduction_cases(apart, min_side=1, single=True))
    return Case((*case.inputs, draw(st.sampled_from([0.0, 0.2, 0.5, 0.75, 1.0]))), case.options)


ROWS = [
    Spec(ops.argsort, _argsort, composite_case(_ordered), same_dtype=False),
    Spec(ops._ranked, _first_positions, composite_case(_options_of_topk), same_dtype=False),
    Spec(ops.sort, _sort, composite_case(_ordered)),
    Spec(largest_of_topk, _reference_of_topk, composite_case(_topk)),
    Spec(ops.quantile, np.quantile, composite_case(_quantile)),
    Spec(ops.median, np.median, reduction_cases(apart, min_side=1, single=True)),
]
