"""The table of operations: one row, at least, for every primitive and every fused function.

One idea: a test is a law over a table, so a new operation is tested by adding a row. Each family of operations has a
file here of the same name as in `autograd/ops` (and nn has one), with its rows in `ROWS`. Read `spec.py` next, then
`laws.py`.
"""

from __future__ import annotations

from . import (
    along,
    cast,
    choice,
    convolution,
    discrete,
    elementwise,
    extrema,
    index,
    join,
    linalg,
    linalg_factors,
    nn,
    pooling,
    products,
    reduce,
    search,
    shape,
    sort,
    special,
    stable,
    trigonometric,
    window,
)
from .spec import Case, Spec, Values

__all__ = ["SPECS", "Case", "Spec", "Values"]

FAMILIES = (
    elementwise,
    trigonometric,
    special,
    choice,
    discrete,
    reduce,
    extrema,
    products,
    stable,
    sort,
    search,
    shape,
    index,
    along,
    join,
    linalg,
    linalg_factors,
    window,
    convolution,
    cast,
    nn,
    pooling,
)

SPECS: list[Spec] = [row for family in FAMILIES for row in family.ROWS]
