"""What the kernels of layers share: ReLU's gradient, and the sum of rows, as NumPy does them fastest.

One idea: on the host the obvious spelling is not always the quick one. Read `linear.py` next.
"""

from __future__ import annotations

import functools
from typing import Any

from autograd.backend import host

__all__ = ["let_through", "sum_of_rows"]


def let_through(xp: Any, g: Any, out: Any) -> Any:
    """g where ReLU gave more than 0, else 0; NumPy multiplies two arrays of floats faster than floats and bools."""
    if xp is not host:
        return g * (out > 0)
    mask = (out > 0).astype(g.dtype)
    mask *= g
    return mask


def sum_of_rows(xp: Any, g: Any) -> Any:
    """The sum over axis 0; BLAS, by a product with ones, takes half the time of NumPy's own."""
    return xp.dot(_ones(len(g), g.dtype), g) if xp is host else g.sum(axis=0)


@functools.lru_cache(maxsize=8)
def _ones(length: int, dtype: Any) -> Any:
    """A vector of ones on the host, made once for each batch size; only read."""
    return host.ones(length, dtype)
