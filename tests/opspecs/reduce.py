"""Rows of sums, means, spreads, norms, and of all and any."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from autograd.ops import reduce as ops

from .spec import LAYOUTS, Case, Spec, Values, axes, composite_case, fill, reduction_cases, shapes

anything = Values(-2.0, 2.0)
bools = Values(dtype="bool")


def _varying(draw: Any, rng: np.random.Generator) -> Case:
    """Rows of 3 elements or more, each with a clear spread."""
    shape = draw(shapes(min_ndim=1, min_side=3))
    x = fill(Values(-2.0, 2.0, apart=True), shape, rng, draw(st.sampled_from(LAYOUTS)))
    axis = draw(axes(x.ndim).filter(lambda axis: axis != ()))
    return Case((x,), {"axis": axis, "correction": draw(st.sampled_from([0, 1, 0.5])), "keepdims": draw(st.booleans())})


def _with_correction(reference: Any) -> Any:
    return lambda x, *, axis, correction, keepdims: reference(x, axis=axis, ddof=correction, keepdims=keepdims)


ROWS = [
    Spec(
        ops.sum,
        np.sum,
        reduction_cases(anything),
        adjoint=lambda y, x, *, axis, keepdims: ops.spread(y, x.shape, axis),
    ),
    Spec(
        ops.mean,
        np.mean,
        reduction_cases(anything, min_side=1),
        adjoint=lambda y, x, *, axis, keepdims: ops.spread(y, x.shape, axis) * (y.size / x.size),
    ),
    Spec(ops.var, _with_correction(np.var), composite_case(_varying)),
    Spec(ops.std, _with_correction(np.std), composite_case(_varying)),
    Spec(
        ops.norm,
        lambda x, *, axis, keepdims: np.sqrt((x * x).sum(axis=axis, keepdims=keepdims)),
        reduction_cases(Values(-2.0, 2.0, avoid=(0.0,), margin=0.4)),
    ),
    Spec(ops.all, np.all, reduction_cases(bools)),
    Spec(ops.any, np.any, reduction_cases(bools)),
    Spec(ops.count_nonzero, np.count_nonzero, reduction_cases(bools)),
]
