"""The rows of the error function and of the gamma function's logarithm and its slopes."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st

from autograd.ops import gamma, special

from .spec import Case, Spec, Values, elementwise_cases


def _slope(x: float, n: int = 0) -> float:
    """The n-th derivative of digamma by Euler and Maclaurin's sum, which begins at 60 or more, where little is left."""
    sign, total = (-1) ** (n + 1), 0.0
    while x < 60:
        total += sign * math.factorial(n) / x ** (n + 1)
        x += 1
    if not n:
        return total + math.log(x) - 1 / (2 * x) - 1 / (12 * x**2) + 1 / (120 * x**4) - 1 / (252 * x**6)
    terms = [math.factorial(n - 1), math.factorial(n) / (2 * x), math.factorial(n + 1) / (12 * x**2)]
    terms += [-math.factorial(n + 3) / (720 * x**4), math.factorial(n + 5) / (30240 * x**6)]
    return total + sign * math.fsum(terms) / x**n


def _with_order(case: Case, n: int) -> Case:
    return Case(case.inputs, {"n": n})


_AWAY = elementwise_cases(Values(-2.7, 8.0, avoid=(-2.0, -1.0, 0.0), margin=0.25))

ROWS = [
    Spec(special.erf, np.vectorize(math.erf, otypes=["float64"]), elementwise_cases(Values(-3.0, 3.0))),
    Spec(gamma.lgamma, np.vectorize(math.lgamma, otypes=["float64"]), _AWAY),
    Spec(gamma.digamma, np.vectorize(_slope, otypes=["float64"]), _AWAY),
    Spec(
        gamma.polygamma,
        np.vectorize(_slope, otypes=["float64"]),
        st.builds(_with_order, _AWAY, st.sampled_from([2, 1, 3])),
    ),
]
