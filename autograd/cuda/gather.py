"""Gather: the parts of an array of the GPU at some positions, and NaN where there is no such position.

One idea: to ask whether a position is outside would wait for the GPU, so it is seen in the result. CuPy's own indexing
wraps it round, and a network trains on with another word's vector. Read `precision.py` next.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import prod
from typing import Any

from ..backend import Array, Module, is_floating

__all__ = ["taking"]

_READS = "raw T x, I position, T wrong, int64 length, int64 taken, int64 behind"
_EACH = """
const long long at = (long long)position + (position < 0 ? length : 0);
y = at < 0 || at >= length ? wrong : x[(i / taken * length + at) * behind + i % behind];
"""


def taking(library: Module) -> Callable[..., Array]:
    """NumPy's take along an axis, as one kernel: NaN at positions outside, 0 where the array holds no floats."""

    @cache
    def kernel() -> Any:
        return library.ElementwiseKernel(_READS, "T y", _EACH, "tapegrad_take")

    def take(x: Array, indices: Array, axis: int) -> Array:
        before, length, behind = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
        out = library.empty((*before, *indices.shape, *behind), x.dtype)
        if out.size:
            wrong = x.dtype.type(float("nan") if is_floating(x.dtype) or x.dtype.kind == "c" else 0)
            positions = indices.reshape(indices.shape + (1,) * len(behind))
            kernel()(x, positions, wrong, length, prod(indices.shape) * prod(behind), prod(behind), out)
        return out

    return take
