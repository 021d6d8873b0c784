"""The row of the error function."""

from __future__ import annotations

import math

import numpy as np

from autograd.ops import special as ops

from .spec import Spec, Values, elementwise_cases

ROWS = [
    Spec(ops.erf, np.vectorize(math.erf, otypes=["float64"]), elementwise_cases(Values(-3.0, 3.0))),
]
