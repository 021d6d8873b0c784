"""The Array API's `linalg`: products of matrices, solving, factors.

One idea: names alone. The functions are in the files of `ops/` that begin with `linalg`. Read `random.py` next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .ops.diagonal import diagonal, trace
from .ops.linalg import cross, matmul, matrix_transpose, outer, tensordot, vecdot
from .ops.linalg_factors import EighResult, QRResult, SVDResult, eigh, eigvalsh, matrix_rank, pinv, qr, svd, svdvals
from .ops.linalg_norms import matrix_norm, vector_norm
from .ops.linalg_solve import SlogdetResult, cholesky, det, inv, matrix_power, slogdet, solve, solve_triangular

__all__ = [
    "EighResult",
    "QRResult",
    "SVDResult",
    "SlogdetResult",
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "inv",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_triangular",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]

if not TYPE_CHECKING:  # a type checker shall find what is not there

    def __getattr__(name):
        from .hints import missing  # only a wrong name asks for this

        raise missing("autograd.linalg", name)
