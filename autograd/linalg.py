"""The Array API's `linalg`: products of matrices, solving, factors.

One idea: names alone. The functions are in `ops/linalg.py` and `ops/linalg_solve.py`. Read `random.py` next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .ops.diagonal import diagonal, trace
from .ops.linalg import cross, matmul, matrix_transpose, outer, tensordot, vecdot
from .ops.linalg_solve import SlogdetResult, cholesky, det, inv, slogdet, solve

__all__ = [
    "SlogdetResult",
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "inv",
    "matmul",
    "matrix_transpose",
    "outer",
    "slogdet",
    "solve",
    "tensordot",
    "trace",
    "vecdot",
]

if not TYPE_CHECKING:  # a type checker shall find what is not there

    def __getattr__(name):
        from .hints import missing  # only a wrong name asks for this

        raise missing("autograd.linalg", name)
