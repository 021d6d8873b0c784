"""Rows of nonzero, searchsorted, isin and the different elements."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from autograd.ops import search as ops

from .spec import LAYOUTS, Case, Spec, Values, composite_case, elementwise_cases, fill, shapes, whole

anything = Values(-2.0, 2.0)
apart = Values(-2.0, 2.0, apart=True)
few = Values(-2, 2, dtype="int64")
bools = Values(dtype="bool")


def _searched(draw: Any, rng: np.random.Generator) -> Case:
    ordered = np.sort(fill(anything, (draw(whole(0, 4, first=4)),), rng))
    looked_for = fill(anything, draw(shapes()), rng, draw(st.sampled_from(LAYOUTS)))
    return Case((ordered, looked_for), {"side": draw(st.sampled_from(["left", "right"]))})


def _among(draw: Any, rng: np.random.Generator) -> Case:
    x1, x2 = (fill(few, draw(shapes()), rng) for _ in range(2))
    return Case((x1, x2), {"invert": draw(st.booleans())})


ROWS = [
    Spec(
        ops._nonzero,
        lambda x: np.stack(x.nonzero()),
        elementwise_cases(bools, min_ndim=1),
        synchronizes=True,
        by_values=True,
    ),
    Spec(ops._searchsorted, np.searchsorted, composite_case(_searched), differentiable=(), same_dtype=False),
    Spec(ops.isin, np.isin, composite_case(_among)),
    Spec(ops.unique_values, lambda x: np.unique(x), elementwise_cases(apart), synchronizes=True, by_values=True),
]
