"""Rows of where, maximum, minimum, clip and copysign."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from autograd.ops import choice as ops

from .spec import LAYOUTS, Case, Spec, Values, broadcasting, composite_case, elementwise_cases, fill, generators, shapes

anything = Values(-2.0, 2.0)
not_zero = Values(-2.0, 2.0, avoid=(0.0,))


@st.composite
def _clear_of_ties(draw: Any) -> Case:
    """Two inputs that differ by 0.1 at least: one lies on even tenths of a grid, the other on odd ones."""
    rng = draw(generators())
    shape = draw(shapes())
    layout = draw(st.sampled_from(LAYOUTS))
    whole = fill(Values(-5, 5, dtype="int64"), shape, rng, layout)
    other = fill(Values(-5, 5, dtype="int64"), draw(broadcasting(shape)), rng, layout)
    return Case((whole * 0.4, other * 0.4 + 0.2))


def _clip(draw: Any, rng: np.random.Generator) -> Case:
    x = fill(Values(-2.0, 2.0, avoid=(-0.5, 0.5)), draw(shapes()), rng, draw(st.sampled_from(LAYOUTS)))
    limits = draw(st.sampled_from([(-0.5, 0.5), (None, 0.5), (-0.5, None), (None, None), (-0.5,), ()]))
    return Case((x, *limits))


def _clip_by_arrays(draw: Any, rng: np.random.Generator) -> Case:
    shape = draw(shapes())
    low = fill(Values(-1.0, -0.3), draw(broadcasting(shape)), rng)
    high = fill(Values(0.3, 1.0), draw(broadcasting(shape)), rng)
    steps = fill(Values(-1, 1, dtype="int64"), shape, rng)  # 1.3 lies outside, 0 inside, whatever the limits are
    return Case((steps * 1.3, low, high))


def _reference_of_clip(x: Any, low: Any = None, high: Any = None) -> Any:
    return np.minimum(np.maximum(x, -np.inf if low is None else low), np.inf if high is None else high)


ROWS = [
    Spec(ops.where, np.where, elementwise_cases(Values(dtype="bool"), anything, anything)),
    Spec(
        ops.where,
        np.where,
        elementwise_cases(Values(dtype="bool"), anything).map(lambda c: Case((*c.inputs, 0.0))),
        label="number",
    ),
    Spec(ops.maximum, np.maximum, _clear_of_ties()),
    Spec(ops.minimum, np.minimum, _clear_of_ties()),
    Spec(ops.clip, _reference_of_clip, composite_case(_clip)),
    Spec(ops.clip, _reference_of_clip, composite_case(_clip_by_arrays), label="arrays"),
    Spec(ops.copysign, np.copysign, elementwise_cases(not_zero, not_zero)),
]
