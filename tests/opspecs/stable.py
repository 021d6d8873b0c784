"""Rows of logsumexp, softmax, sigmoid and their relatives."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from autograd.ops import stable as ops

from .spec import LAYOUTS, Case, Spec, Values, axes, composite_case, elementwise_cases, fill, reduction_cases, shapes

anything = Values(-2.0, 2.0)
far = Values(-30.0, 30.0)


def _reference_of_softmax(x: Any, *, axis: Any) -> Any:
    return np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True)


def _softmax(draw: Any, rng: np.random.Generator) -> Case:
    shape = draw(shapes(min_ndim=1))
    return Case((fill(anything, shape, rng, draw(st.sampled_from(LAYOUTS))),), {"axis": draw(axes(len(shape)))})


ROWS = [
    Spec(
        ops.logsumexp,
        lambda x, *, axis, keepdims: np.log(np.exp(x).sum(axis=axis, keepdims=keepdims)),
        reduction_cases(anything, min_side=1),
    ),
    Spec(ops.softmax, _reference_of_softmax, composite_case(_softmax)),
    Spec(ops.log_softmax, lambda x, *, axis: np.log(_reference_of_softmax(x, axis=axis)), composite_case(_softmax)),
    Spec(ops.logaddexp, np.logaddexp, elementwise_cases(anything, anything)),
    Spec(ops.sigmoid, lambda x: 1 / (1 + np.exp(-x)), elementwise_cases(far), rtol=1e-11),
    Spec(ops.softplus, lambda x: np.log1p(np.exp(x)), elementwise_cases(anything)),
]
