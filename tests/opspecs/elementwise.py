"""Rows of arithmetic, powers, exponentials and logarithms."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from autograd.ops import elementwise as ops

from .spec import Case, Spec, Values, composite_case, elementwise_cases, fill, shapes

anything = Values(-2.0, 2.0)
not_zero = Values(-2.0, 2.0, avoid=(0.0,), margin=0.4)
positive = Values(0.5, 3.0)


def _power_by_number(draw: Any, rng: np.random.Generator) -> Case:
    """A base as it may be for that exponent: negative and 0 for a whole one, else above 0."""
    exponent = draw(st.sampled_from([3, 0, 1, 2, 2.0, 5, 0.5, 1.5, -1, -2, -0.5]))
    base = positive if exponent < 0 or exponent != int(exponent) else anything
    x = fill(base, draw(shapes()), rng)
    if base is anything and x.size and draw(st.booleans()):
        x.reshape(-1)[0] = 0.0
    return Case((x, exponent))


def _power_of_number(draw: Any, rng: np.random.Generator) -> Case:
    return Case((draw(st.sampled_from([2, 0.5, 3.0])), fill(anything, draw(shapes()), rng)))


def _remainder(draw: Any, rng: np.random.Generator) -> Case:
    """Quotients a quarter away from every whole number."""
    shape = draw(shapes())
    x2 = fill(Values(-3.0, 3.0, avoid=(0.0,), margin=1.0), shape, rng)
    return Case((x2 * (rng.integers(-3, 4, shape) + rng.uniform(0.25, 0.75, shape)), x2))


def _complex(draw: Any, rng: np.random.Generator) -> Case:
    shape = draw(shapes())
    return Case((fill(anything, shape, rng) + 1j * fill(anything, shape, rng),))


ROWS = [
    Spec(ops.positive, np.positive, elementwise_cases(anything), adjoint=lambda y, x: y),
    *(
        row
        for name, derives in (
            ("conj", {"adjoint": lambda y, x: y}),
            ("real", {"adjoint": lambda y, x: y}),
            ("imag", {}),
        )
        for row in (
            Spec(getattr(ops, name), getattr(np, name), elementwise_cases(anything), **derives),
            Spec(getattr(ops, name), getattr(np, name), composite_case(_complex), "complex", ()),
        )
    ),
    Spec(ops.negative, np.negative, elementwise_cases(anything), adjoint=lambda y, x: -y),
    Spec(ops.add, np.add, elementwise_cases(anything, anything)),
    Spec(ops.add, np.add, elementwise_cases(anything).map(lambda c: Case((*c.inputs, 2.5))), label="number"),
    Spec(ops.subtract, np.subtract, elementwise_cases(anything, anything)),
    Spec(ops.subtract, np.subtract, elementwise_cases(anything).map(lambda c: Case((2, *c.inputs))), label="number"),
    Spec(ops.multiply, np.multiply, elementwise_cases(anything, anything)),
    Spec(
        ops.multiply,
        np.multiply,
        elementwise_cases(anything).map(lambda c: Case((*c.inputs, -2.5))),
        label="number",
        adjoint=lambda y, x, factor: y * factor,
    ),
    Spec(ops.divide, np.divide, elementwise_cases(anything, not_zero)),
    Spec(ops.divide, np.divide, elementwise_cases(not_zero).map(lambda c: Case((2.0, *c.inputs))), label="number"),
    Spec(ops.remainder, np.remainder, composite_case(_remainder)),
    Spec(ops.abs, np.abs, elementwise_cases(not_zero)),
    Spec(ops.hypot, np.hypot, elementwise_cases(not_zero, not_zero)),
    Spec(ops.square, np.square, elementwise_cases(anything)),
    Spec(ops.sqrt, np.sqrt, elementwise_cases(positive)),
    Spec(ops.rsqrt, lambda x: 1 / np.sqrt(x), elementwise_cases(positive)),
    Spec(ops.reciprocal, lambda x: 1 / x, elementwise_cases(not_zero)),
    Spec(ops.pow, np.power, elementwise_cases(positive, anything)),
    Spec(ops.pow, lambda x1, x2: np.power(x1, float(x2)), composite_case(_power_by_number), label="to a number"),
    Spec(ops.pow, np.power, composite_case(_power_of_number), label="of a number"),
    Spec(ops.exp, np.exp, elementwise_cases(anything)),
    Spec(ops.expm1, np.expm1, elementwise_cases(anything)),
    Spec(ops.log, np.log, elementwise_cases(positive)),
    Spec(ops.log1p, np.log1p, elementwise_cases(Values(-0.6, 2.0))),
    Spec(ops.log2, np.log2, elementwise_cases(positive)),
    Spec(ops.log10, np.log10, elementwise_cases(positive)),
]
