"""What the kernels of layers share: arrays as one matrix of rows, sums over them, and ReLU's gradient.

One idea: on the host the obvious spelling is not always the quick one; a sum is a product with ones, which BLAS does in
half the time of NumPy's own or less. Read `linear.py` next.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import autograd as ag
from autograd.backend import host
from autograd.compile.native.eager import Loop
from autograd.ops.short_rows import reducing

__all__ = ["LONGEST", "SMALL", "as_rows", "let_through", "ones", "repeated", "sum_of_rows", "sums_of_rows", "zeros"]

# Elements up to which an array is compared with as many zeros: NumPy does that far faster than with the number 0, as
# long as the zeros stay in the cache.
SMALL = 65_536

LONGEST = 16_384  # elements of a row; of more, a sum from one to the next in single precision would lose
_RUN = 2048  # rows that BLAS adds up: of fewer it would make all sums in one thread


def as_rows(x: Any) -> Any:
    """x as one matrix, a row for each position of the leading axes."""
    return x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def repeated(xp: Any, x: Any, shape: tuple[int, ...]) -> Any:
    """A new array of a shape that x broadcasts to, filled with x."""
    out = xp.empty(shape, x.dtype)
    out[...] = x
    return out


def let_through(xp: Any, g: Any, out: Any) -> Any:
    """g where ReLU gave more than 0, else 0; NumPy multiplies two arrays of floats faster than floats and bools."""
    if xp is not host:
        return g * (out > 0)
    made = _let_through(g, out)
    if made is not None:
        return made[0]
    nothing = zeros(out.shape, out.dtype) if out.size <= SMALL else 0
    mask = (out > nothing).astype(g.dtype)
    mask *= g
    return mask


_let_through = Loop(lambda g, out: g * (out > 0), least=1 << 13)


@functools.lru_cache(maxsize=32)
def ones(length: int, dtype: Any) -> Any:
    """A vector of ones on the host, made once for each length; only read."""
    return host.ones(length, dtype)


@functools.lru_cache(maxsize=16)
def zeros(shape: tuple[int, ...], dtype: Any) -> Any:
    """Zeros on the host, made once for each shape; only read."""
    return host.zeros(shape, dtype)


def sum_of_rows(xp: Any, x: Any) -> Any:
    """The sum of a matrix, (rows, columns), over axis 0: (columns,).

    BLAS adds one row to the other, and of equal numbers a million lose a thousandth so: runs are added up apart.
    """
    if xp is not host:
        return x.sum(axis=0)
    runs = len(x) // _RUN
    if runs < 4:
        return ones(len(x), x.dtype).dot(x)
    whole = x[: runs * _RUN].reshape(runs, _RUN, x.shape[1])
    sums = sum_of_rows(xp, host.matmul(ones(_RUN, x.dtype), whole))
    return sums if len(x) == runs * _RUN else sums + ones(len(x) - runs * _RUN, x.dtype).dot(x[runs * _RUN :])


def sums_of_rows(x: Any) -> Any:
    """The sum of each row of a matrix on the host, (rows, columns): (rows,).

    A loop in single precision would lose of very long ones.
    """
    made = _sums_of_rows(x) if x.shape[1] <= LONGEST else None
    return reducing(host).sum(x, axis=1) if made is None else made[0][:, 0]


_sums_of_rows = Loop(lambda x: ag.sum(x, axis=1, keepdims=True), by_rows=True)
