"""Rows of circular and hyperbolic functions and their inverses."""

from __future__ import annotations

import numpy as np

from autograd.ops import trigonometric as ops

from .spec import Spec, Values, elementwise_cases

anything = Values(-2.0, 2.0)
within_one = Values(-0.6, 0.6)
not_zero = Values(-2.0, 2.0, avoid=(0.0,), margin=0.4)

ROWS = [
    Spec(ops.sin, np.sin, elementwise_cases(anything)),
    Spec(ops.cos, np.cos, elementwise_cases(anything)),
    Spec(ops.tan, np.tan, elementwise_cases(Values(-1.0, 1.0))),
    Spec(ops.asin, np.arcsin, elementwise_cases(within_one)),
    Spec(ops.acos, np.arccos, elementwise_cases(within_one)),
    Spec(ops.atan, np.arctan, elementwise_cases(anything)),
    Spec(ops.atan2, np.arctan2, elementwise_cases(not_zero, not_zero)),
    Spec(ops.sinh, np.sinh, elementwise_cases(anything)),
    Spec(ops.cosh, np.cosh, elementwise_cases(anything)),
    Spec(ops.tanh, np.tanh, elementwise_cases(anything)),
    Spec(ops.asinh, np.arcsinh, elementwise_cases(anything)),
    Spec(ops.acosh, np.arccosh, elementwise_cases(Values(1.5, 4.0))),
    Spec(ops.atanh, np.arctanh, elementwise_cases(within_one)),
]
