"""Rows of the functions that move in steps; none has a gradient."""

from __future__ import annotations

import numpy as np

from autograd.ops import discrete as ops

from .spec import Spec, Values, elementwise_cases

tenths = Values(-2.0, 2.0)
whole = Values(-2, 2, dtype="int64")
bools = Values(dtype="bool")
places = Values(0, 5, dtype="int64")
not_zero = Values(-2.0, 2.0, avoid=(0.0,))


def _compared(name: str) -> list[Spec]:
    op, reference = getattr(ops, name), getattr(np, name)
    return [
        Spec(op, reference, elementwise_cases(tenths, tenths), same_dtype=False),
        Spec(op, reference, elementwise_cases(whole, whole), label="ints", same_dtype=False),
    ]


def _bits(name: str) -> list[Spec]:
    op, reference = getattr(ops, f"bitwise_{name}"), getattr(np, f"bitwise_{name}")
    return [
        Spec(op, reference, elementwise_cases(whole, whole)),
        Spec(op, reference, elementwise_cases(bools, bools), label="bools"),
    ]


ROWS = [
    *(
        row
        for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
        for row in _compared(name)
    ),
    *(
        Spec(getattr(ops, name), getattr(np, name), elementwise_cases(bools, bools))
        for name in ("logical_and", "logical_or", "logical_xor")
    ),
    Spec(ops.logical_not, np.logical_not, elementwise_cases(bools)),
    *(row for name in ("and", "or", "xor") for row in _bits(name)),
    Spec(ops.bitwise_invert, np.invert, elementwise_cases(whole)),
    Spec(ops.bitwise_left_shift, np.left_shift, elementwise_cases(whole, places)),
    Spec(ops.bitwise_right_shift, np.right_shift, elementwise_cases(whole, places)),
    *(
        Spec(getattr(ops, name), getattr(np, name), elementwise_cases(tenths), same_dtype=False)
        for name in ("isnan", "isinf", "isfinite", "signbit")
    ),
    *(
        Spec(getattr(ops, name), getattr(np, name), elementwise_cases(tenths))
        for name in ("sign", "floor", "ceil", "trunc", "round")
    ),
    *(
        Spec(getattr(ops, name), np.positive, elementwise_cases(whole), label="ints")
        for name in ("floor", "ceil", "trunc", "round")
    ),
    Spec(ops.floor_divide, np.floor_divide, elementwise_cases(tenths, not_zero)),
    Spec(ops.nextafter, np.nextafter, elementwise_cases(tenths, tenths)),
]
