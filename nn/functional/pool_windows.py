"""The largest number of each window of images, and the sum: channels in axis 1 outside, and last inside.

One idea: with channels last, one place of all windows is read in long runs of memory. What comes out is a view of
memory with channels last, and the next layer finds it so. Read `pool.py` next.
"""

from __future__ import annotations

from typing import Any

import autograd as ag
from autograd import pooling
from autograd.backend import Array, Module
from autograd.fused import fused
from autograd.pooling import Pair, Sides, geometry
from autograd.tensor import Operand

__all__ = ["max_windows", "sum_windows"]

LAST, SECOND = (0, 2, 3, 1), (0, 3, 1, 2)  # channels last, and back


@fused
def max_windows(x: Operand, *, size: Pair, stride: Pair, padding: Sides, dilation: Pair) -> Operand:
    """The largest number of each window: (N, C, H, W) gives (N, C, H', W')."""
    options: dict[str, Any] = {"size": size, "stride": stride, "padding": padding, "dilation": dilation}
    last = ag.permute_dims(x, LAST)
    return ag.permute_dims(ag.pool_pick(last, ag.pool_places(last, **options), **options), SECOND)


def _forward(xp: Module, x: Array, *, size: Pair, stride: Pair, padding: Sides, dilation: Pair) -> Any:
    last = xp.ascontiguousarray(x.transpose(LAST))
    out = pooling.largest(last, geometry(last.shape[1:3], size, stride, padding, dilation))
    return out.transpose(SECOND), (last, out)


def _backward(
    xp: Module,
    g: Array,
    needs: tuple[bool],
    inputs: tuple[Array],
    residuals: tuple[Array, Array],
    **options: Any,
) -> tuple[Array]:
    last, out = residuals
    length = last.shape[1:3]
    places = pooling.places_of(last, out, geometry(length, **options))
    g = xp.ascontiguousarray(g.transpose(LAST))
    return (pooling.pool_put(g, places, length=length, **options).transpose(SECOND),)


max_windows.kernel(_forward, _backward)


def sum_windows(x: Operand, **options: Any) -> Operand:
    """The sum of each window: (N, C, H, W) gives (N, C, H', W'); options as those of `max_windows`."""
    return ag.permute_dims(ag.pool_sum(ag.permute_dims(x, LAST), **options), SECOND)
