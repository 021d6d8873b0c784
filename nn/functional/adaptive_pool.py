"""Pooling over the parts of an image or a sequence, under PyTorch's names: as many as are asked for, of any length.

One idea: parts that are equally long and equally far apart are windows. Of others means are taken part by part, first
down, then across, or in C at once; for the largest numbers they are filled up to the longest with what they have
already.
Read `pad.py` next.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import autograd as ag
from autograd.backend import Array, Module, host
from autograd.compile.native import cut_parts
from autograd.compile.native.ordered import in_order
from autograd.fused import fused
from autograd.ops.cast import floated
from autograd.pooling import Pair
from autograd.tensor import Operand, Tensor

from .axes import is_whole
from .pool import as_images, no_indices
from .pool_windows import max_windows, sum_windows

__all__ = ["adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool2d"]

Parts = int | Sequence[int | None] | None


def adaptive_avg_pool1d(x: Tensor, output_size: Parts) -> Tensor:
    """The mean of each of `output_size` parts of the last axis: x is (N, C, L) or (C, L)."""
    return _adaptive("adaptive_avg_pool1d", 1, x, output_size, _mean)


def adaptive_avg_pool2d(x: Tensor, output_size: Parts) -> Tensor:
    """The mean of each part of x, (N, C, H, W) or (C, H, W), cut into `output_size` parts down and across.

    A single number stands for both axes, None for as many parts as there are places. Part i of n over a length begins
    at floor(i * length / n) and ends before ceil((i + 1) * length / n), so that parts may overlap by one place.

    Raises ValueError for x of another rank, and parts that are not at least one.
    """
    return _adaptive("adaptive_avg_pool2d", 2, x, output_size, _mean)


def adaptive_max_pool2d(x: Tensor, output_size: Parts, return_indices: bool = False) -> Tensor:
    """The largest number of each part of x, which is cut as `adaptive_avg_pool2d` does."""
    no_indices("adaptive_max_pool2d", return_indices)
    return _adaptive("adaptive_max_pool2d", 2, x, output_size, _top)


def _adaptive(
    name: str, axes: int, x: Tensor, output_size: Parts, function: Callable[[Tensor, Pair], Tensor]
) -> Tensor:
    """`function` of x as (N, C, H, W) and how many parts it is cut into, down and across."""
    given: Any = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,) * axes
    if len(given) != axes or not all(n is None or is_whole(n, 1) for n in given):
        raise ValueError(
            f"{name} got output_size={output_size!r}: it must be one whole number for each axis, at least 1, or None."
        )

    def on_images(x: Tensor) -> Tensor:
        parts = [n if part is None else part for part, n in zip(given, x.shape[-axes:], strict=True)]
        return function(x, (parts[0], parts[1]) if axes == 2 else (1, parts[0]))

    return as_images(name, axes, x, on_images)


@functools.lru_cache(maxsize=64)
def _cut(length: int, parts: int) -> tuple[Any, Any]:
    """Where the parts of a length begin, and where they end."""
    steps = host.arange(parts)
    return steps * length // parts, -(-(steps + 1) * length // parts)


def _windows(length: int, parts: int) -> Pair | None:
    """Size and stride of the windows that the parts of a length are; None where these are no windows."""
    starts, ends = _cut(length, parts)
    size, stride = int(ends[0]), int(starts[1]) if parts > 1 else length
    regular = stride > 0 and bool((starts == stride * host.arange(parts)).all() and (ends - starts == size).all())
    return (size, stride) if regular else None


def _filled(x: Tensor, axis: int, parts: int) -> tuple[Tensor, int]:
    """x with its parts along an axis side by side, filled up to the longest with their last places, and its length."""
    starts, ends = _cut(x.shape[axis], parts)
    longest = int((ends - starts).max())
    places = host.minimum(starts[:, None] + host.arange(longest), ends[:, None] - 1).reshape(-1)
    return (x if len(places) == x.shape[axis] else ag.take(x, Tensor(places, device=x.device), axis=axis)), longest


def _options(down: Pair, across: Pair) -> dict[str, Any]:
    """Windows of these sizes and strides."""
    size, stride = zip(down, across, strict=True)
    return {"size": size, "stride": stride, "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}


def _top(x: Tensor, parts: Pair) -> Tensor:
    down, across = (_windows(length, n) for length, n in zip(x.shape[2:], parts, strict=True))
    # A repetition comes after its original, so it never gets the gradient.
    if down is None:
        x, longest = _filled(x, 2, parts[0])
        down = longest, longest
    if across is None:
        x, longest = _filled(x, 3, parts[1])
        across = longest, longest
    return max_windows(x, **_options(down, across))


def _mean(x: Tensor, parts: Pair) -> Tensor:
    x = floated(x)
    if parts == (1, 1):
        return ag.mean(x, axis=(2, 3), keepdims=True)
    down, across = (_windows(length, n) for length, n in zip(x.shape[2:], parts, strict=True))
    if down is not None and across is not None:
        return sum_windows(x, by=down[0] * across[0], **_options(down, across))
    return _mean_parts(x, parts=parts)


@fused
def _mean_parts(x: Operand, *, parts: Pair) -> Operand:
    """The mean of each part of x (N, C, H, W)."""
    return _means(_means(x, 2, parts[0]), 3, parts[1])


def _means(x: Operand, axis: int, parts: int) -> Operand:
    """The mean of each part along an axis."""
    if parts == x.shape[axis]:
        return x
    lead = (slice(None),) * axis
    cut = zip(*(places.tolist() for places in _cut(x.shape[axis], parts)), strict=True)
    means = [ag.mean(x[(*lead, slice(start, end))], axis=axis, keepdims=True) for start, end in cut]
    return ag.concat(means, axis=axis)


def _forward(xp: Module, x: Array, *, parts: Pair) -> Any:
    if xp is not host or not cut_parts.takes(x):
        return NotImplemented
    in_planes = x.flags.c_contiguous
    out = cut_parts.means(_laid(x, in_planes), *map(_cut, x.shape[2:], parts))
    return _shaped(out, (*x.shape[:2], *parts), in_planes), in_planes


def _backward(
    xp: Module, g: Array, needs: tuple[bool], inputs: tuple[Array], in_planes: bool, *, parts: Pair
) -> tuple[Array]:
    (x,) = inputs
    of_x = cut_parts.slopes(
        _laid(g.astype(x.dtype, copy=False), in_planes), x.shape[2:], *map(_cut, x.shape[2:], parts)
    )
    return (_shaped(of_x, x.shape, in_planes),)


def _laid(x: Array, in_planes: bool) -> Array:
    """(N, C, H, W) as (N * C, H, W, 1), or with its channels last."""
    return in_order(x).reshape(-1, *x.shape[2:], 1) if in_planes else in_order(x.transpose(0, 2, 3, 1))


def _shaped(x: Array, shape: tuple[int, ...], in_planes: bool) -> Array:
    """The way back."""
    return x.reshape(shape) if in_planes else x.transpose(0, 3, 1, 2)


_mean_parts.kernel(_forward, _backward)
