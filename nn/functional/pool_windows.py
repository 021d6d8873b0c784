"""The largest number of each window of images, and the sum: channels in axis 1 outside, and last inside.

One idea: with channels last, one place of all windows is read in long runs of memory. What comes out is a view of
memory with channels last, and the next layer finds it so. On a GPU a tape does what is done to channels last.
Read `pool.py` next.
"""

# Note [Planes]
# Images that lie in order, (N, C, H, W), are as many images of one channel that have it last. Where windows lie side by
# side, and where they are summed, C is as fast with these, and nothing is turned round.

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd as ag
from autograd import pooling
from autograd.backend import Array, Module, host
from autograd.compile.cuda.eager import kernel_on_device
from autograd.compile.native import pools
from autograd.compile.native.ordered import in_order
from autograd.fused import fused
from autograd.pooling import Pair, Sides, geometry
from autograd.tensor import Operand

__all__ = ["max_windows", "sum_windows"]

LAST, SECOND = (0, 2, 3, 1), (0, 3, 1, 2)  # channels last, and back


@fused
def max_windows(x: Operand, *, size: Pair, stride: Pair, padding: Sides, dilation: Pair) -> Operand:
    """The largest number of each window: (N, C, H, W) gives (N, C, H', W')."""
    options: dict[str, Any] = {"size": size, "stride": stride, "padding": padding, "dilation": dilation}
    return ag.permute_dims(_largest(ag.permute_dims(x, LAST), **options), SECOND)


def _largest(x: Operand, **options: Any) -> Operand:
    """The same of x (N, H, W, C), which gives (N, H', W', C)."""
    return ag.pool_pick(x, ag.pool_places(x, **options), **options)


def _forward_last(xp: Module, x: Array, *, size: Pair, stride: Pair, padding: Sides, dilation: Pair) -> Any:
    x = in_order(x) if xp is host else xp.ascontiguousarray(x)
    if xp is host and pools.takes(x, size):
        out, places = pools.largest_and_places(x, size=size, stride=stride, padding=padding, dilation=dilation)
        return out, places
    out = pooling.largest(x, geometry(x.shape[1:3], size, stride, padding, dilation))
    return out, (x, out)


def _backward_last(
    xp: Module,
    g: Array,
    needs: tuple[bool],
    inputs: tuple[Array],
    residuals: Any,
    **options: Any,
) -> tuple[Array]:
    g, length = in_order(g) if xp is host else xp.ascontiguousarray(g), inputs[0].shape[1:3]
    if isinstance(residuals, tuple):
        x, out = residuals
        return (pooling.pool_put(g, pooling.places_of(x, out, geometry(length, **options)), length=length, **options),)
    put = pools.put if g.dtype == inputs[0].dtype else pooling.pool_put
    return (put(g, residuals, length=length, **options),)


def _turned(forward: Callable[..., Any], backward: Callable[..., Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """A kernel of channels last as one of channels in axis 1, see Note [Planes]."""

    def turned_forward(xp: Module, x: Array, **options: Any) -> Any:
        if xp is host and x.flags.c_contiguous and pools.takes_planes(x, **options):
            out, residuals = forward(xp, _planes(x), **options)
            return out.reshape(*x.shape[:2], *out.shape[1:3]), residuals
        out, residuals = forward(xp, x.transpose(LAST), **options)
        return out.transpose(SECOND), residuals

    def turned_backward(
        xp: Module, g: Array, needs: tuple[bool], inputs: tuple[Array], residuals: Any, **options: Any
    ) -> tuple[Array]:
        (x,) = inputs
        if isinstance(residuals, host.ndarray) and len(residuals) != len(x):  # of planes
            (of_x,) = backward(xp, _planes(in_order(g)), needs, (_planes(x),), residuals, **options)
            return (of_x.reshape(x.shape),)
        (of_x,) = backward(xp, g.transpose(LAST), needs, (x.transpose(LAST),), residuals, **options)
        return (of_x.transpose(SECOND),)

    return turned_forward, turned_backward


def _planes(x: Array) -> Array:
    """(N, C, H, W) in order as (N * C, H, W, 1)."""
    return x.reshape(-1, *x.shape[2:], 1)


_on_host = _forward_last, _backward_last
max_windows.kernel(*_turned(*_on_host), _turned(*kernel_on_device(_largest, *_on_host)))


@fused
def sum_windows(x: Operand, *, size: Pair, stride: Pair, padding: Sides, dilation: Pair, by: int = 1) -> Operand:
    """The sum of each window, divided `by` a number: (N, C, H, W) gives (N, C, H', W')."""
    options: dict[str, Any] = {"size": size, "stride": stride, "padding": padding, "dilation": dilation}
    sums = ag.permute_dims(ag.pool_sum(ag.permute_dims(x, LAST), **options), SECOND)
    return sums if by == 1 else sums / by


def _sums(xp: Module, x: Array, *, by: int, **options: Any) -> Any:
    if xp is not host or not pools.takes(x):
        return NotImplemented
    if x.flags.c_contiguous:
        out = pools.sums(_planes(x), by, **options)
        return out.reshape(*x.shape[:2], *out.shape[1:3]), True
    return pools.sums(in_order(x.transpose(LAST)), by, **options).transpose(SECOND), False


def _spread(
    xp: Module, g: Array, needs: tuple[bool], inputs: tuple[Array], in_planes: bool, *, by: int, **options: Any
) -> tuple[Array]:
    (x,) = inputs
    if g.dtype != x.dtype:
        g = g.astype(x.dtype)
    if in_planes:
        return (pools.spread(_planes(in_order(g)), by, length=x.shape[2:], **options).reshape(x.shape),)
    return (pools.spread(in_order(g.transpose(LAST)), by, length=x.shape[2:], **options).transpose(SECOND),)


sum_windows.kernel(_sums, _spread)
