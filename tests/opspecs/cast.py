"""Rows of changes of dtype and device."""

from __future__ import annotations

import numpy as np

from autograd.ops import cast as ops

from .spec import Spec, Values, elementwise_cases

anything = Values(-2.0, 2.0)

ROWS = [
    Spec(
        ops._astype,
        lambda x, *, dtype: x.astype(dtype),
        elementwise_cases(anything, options=[{"dtype": "float64"}]),
        adjoint=lambda y, x, *, dtype: y,
        same_dtype=False,
    ),
    Spec(
        ops.move,
        lambda x, *, device, home: np.asarray(x),
        elementwise_cases(anything, options=[{"device": "cpu", "home": "cpu"}]),
        adjoint=lambda y, x, *, device, home: y,
    ),
]
