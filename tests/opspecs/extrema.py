"""Rows of max, min and their positions."""

from __future__ import annotations

import numpy as np

from autograd.ops import extrema as ops

from .spec import Spec, Values, reduction_cases

apart = Values(-2.0, 2.0, apart=True)

ROWS = [
    Spec(ops.max, np.max, reduction_cases(apart, min_side=1)),
    Spec(ops.min, np.min, reduction_cases(apart, min_side=1)),
    Spec(ops.argmax, np.argmax, reduction_cases(apart, min_side=1, single=True), same_dtype=False),
    Spec(ops.argmin, np.argmin, reduction_cases(apart, min_side=1, single=True), same_dtype=False),
]
