"""Pooling over the parts of an image or a sequence, under PyTorch's names: as many as are asked for, of any length.

One idea: parts of unequal lengths are filled up to the longest and laid side by side; then they are windows.
Read `patches.py` next.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import autograd as ag
from autograd.backend import host
from autograd.pooling import Pair
from autograd.tensor import Tensor

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
    given = (output_size,) * axes if output_size is None or isinstance(output_size, int) else tuple(output_size)
    if len(given) != axes or any(n is not None and n < 1 for n in given):
        raise ValueError(f"{name} got output_size={output_size}: it must be one number for each axis, at least 1.")

    def on_images(x: Tensor) -> Tensor:
        parts = [n if part is None else part for part, n in zip(given, x.shape[-axes:], strict=True)]
        return function(x, (parts[0], parts[1]) if axes == 2 else (1, parts[0]))

    return as_images(name, axes, x, on_images)


@functools.lru_cache(maxsize=64)
def _cut(length: int, parts: int) -> tuple[int, Any, Any]:
    """A length cut into parts: how long the longest is, the places of each, filled up to that with its last, and which
    of them fill up.
    """
    starts = host.arange(parts) * length // parts
    ends = -(-(host.arange(parts) + 1) * length // parts)
    longest = int((ends - starts).max())
    places = starts[:, None] + host.arange(longest)
    return longest, host.minimum(places, ends[:, None] - 1).reshape(-1), (places < ends[:, None]).reshape(-1)


def _parts(x: Tensor, parts: Pair, fill: float | None) -> tuple[Tensor, Pair, Any]:
    """x with its parts side by side and equally long, how long that is, and which places were there before.

    What fills them up is a repetition, or the number `fill`.
    """
    sizes, kept = [], []
    for axis, n in zip((2, 3), parts, strict=True):
        longest, places, own = _cut(x.shape[axis], n)
        if len(places) != x.shape[axis]:
            x = ag.take(x, Tensor(places, device=x.device), axis=axis)
            if fill is not None and not own.all():
                along = own.reshape((-1, 1) if axis == 2 else (1, -1))
                x = ag.where(Tensor(along, device=x.device), x, fill)
        sizes.append(longest)
        kept.append(own)
    return x, (sizes[0], sizes[1]), kept


def _side_by_side(size: Pair) -> dict[str, Any]:
    return {"size": size, "stride": size, "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}


def _top(x: Tensor, parts: Pair) -> Tensor:
    # A repetition comes after its original, so it never gets the gradient.
    x, size, _ = _parts(x, parts, None)
    return max_windows(x, **_side_by_side(size))


def _mean(x: Tensor, parts: Pair) -> Tensor:
    if parts == (1, 1):
        return ag.mean(x, axis=(2, 3), keepdims=True)
    x, size, (down, across) = _parts(x, parts, 0.0)
    if down.all() and across.all():
        return sum_windows(x, by=size[0] * size[1], **_side_by_side(size))
    counts = down.reshape(parts[0], -1).sum(axis=1)[:, None] * across.reshape(parts[1], -1).sum(axis=1)
    return sum_windows(x, **_side_by_side(size)) / Tensor(counts.astype(x.dtype), device=x.device)
