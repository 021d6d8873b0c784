"""Pooling over windows of an image or a sequence, under PyTorch's names: the largest number, or the mean.

One idea: an axis of space is a number of each option, so one function serves for one axis and for two. A sequence is an
image of height 1. Read `adaptive_pool.py` next.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from autograd.backend import Array, host
from autograd.ops.cast import floated
from autograd.pooling import Pair, Sides
from autograd.tensor import Tensor

from .axes import Numbers, arguments_of, numbers_of
from .given import check_arrays, number
from .pool_windows import max_windows, sum_windows

__all__ = ["as_images", "avg_pool", "avg_pool1d", "avg_pool2d", "max_pool", "max_pool1d", "max_pool2d", "no_indices"]


def max_pool(
    axes: int,
    x: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    """`max_pool1d` or `max_pool2d`."""
    name = f"max_pool{axes}d"
    no_indices(name, return_indices)
    return _pooled(name, axes, x, kernel_size, stride, padding, dilation, ceil_mode, _maxima)


@arguments_of(max_pool)
def max_pool1d(*given: Any, **options: Any) -> Tensor:
    """The largest number of each window over the last axis: x is (N, C, L) or (C, L). See `max_pool2d`."""
    return max_pool(1, *given, **options)


@arguments_of(max_pool)
def max_pool2d(*given: Any, **options: Any) -> Tensor:
    """The largest number of each window: x is (N, C, H, W) or (C, H, W), and each channel is for itself.

    One window begins every `stride` places (by default they lie side by side) and takes every `dilation`-th place from
    there. `padding` places on each side of an axis are never chosen. With `ceil_mode` a last window may reach beyond
    the padding. A single number stands for all axes. NaN counts as largest, and of equal numbers the first gets the
    gradient.

    Raises ValueError for x of another rank, numbers that make no windows, and padding beyond half the window;
    NotImplementedError for `return_indices`.
    """
    return max_pool(2, *given, **options)


def avg_pool(
    axes: int,
    x: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """`avg_pool1d`, which has no `divisor_override`, or `avg_pool2d`."""
    name = f"avg_pool{axes}d"
    if divisor_override is not None:
        wanted = "it must be a number, or None for the count"
        divisor_override = number(name, "divisor_override", divisor_override, wanted)
    if divisor_override == 0:
        raise ValueError(f"{name} got divisor_override=0: it must be another number, or None for the count.")
    mean = functools.partial(_means, count_include_pad=count_include_pad, divisor=divisor_override)
    return _pooled(name, axes, x, kernel_size, stride, padding, 1, ceil_mode, mean)


def avg_pool1d(
    x: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window over the last axis: x is (N, C, L) or (C, L). See `avg_pool2d`."""
    return avg_pool(1, x, kernel_size, stride, padding, ceil_mode, count_include_pad)


@arguments_of(avg_pool)
def avg_pool2d(*given: Any, **options: Any) -> Tensor:
    """The mean of each window: x is (N, C, H, W) or (C, H, W), and each channel is for itself.

    Windows lie as in `max_pool2d`. Padding counts as zeros, or not at all where `count_include_pad` is False; what a
    window holds beyond the padding is never counted. `divisor_override` takes the place of the count.

    Raises ValueError for x of another rank, numbers that make no windows, padding beyond half the window, and a
    divisor of 0.
    """
    return avg_pool(2, *given, **options)


def no_indices(name: str, wanted: bool) -> None:
    """Raise NotImplementedError where indices are wanted."""
    if wanted:
        raise NotImplementedError(
            f"{name} gives no indices: leave return_indices out; autograd.pool_places gives the place in each window."
        )


def as_images(name: str, axes: int, x: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """`function` of x as (N, C, H, W), and its result with the axes of x; a sequence is an image of height 1."""
    check_arrays(name, x=x)
    if x.ndim not in (axes + 1, axes + 2):
        wanted = "H, W" if axes == 2 else "L"
        raise ValueError(f"{name} got x of shape {x.shape}: it must be (N, C, {wanted}) or (C, {wanted}).")
    batch = x.shape[:1] if x.ndim == axes + 2 else (1,)
    lengths = x.shape[-axes:] if axes == 2 else (1, *x.shape[-1:])
    plain = x.ndim == 4
    out = function(x if plain else x.reshape(*batch, x.shape[-axes - 1], *lengths))
    return out if plain else out.reshape(*x.shape[:-axes], *out.shape[-axes:])


def _pooled(
    name: str,
    axes: int,
    x: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None,
    padding: Numbers,
    dilation: Numbers,
    ceil_mode: bool,
    function: Callable[..., Tensor],
) -> Tensor:
    """`function` of x as (N, C, H, W) with the windows that PyTorch's arguments mean."""
    size = numbers_of(name, "kernel_size", kernel_size, axes, 1)
    # PyTorch takes an empty stride, too, for the default.
    if stride is None or (isinstance(stride, tuple) and not stride):
        stride = size
    step = numbers_of(name, "stride", stride, axes, 1)
    pad, apart = numbers_of(name, "padding", padding, axes, 0), numbers_of(name, "dilation", dilation, axes, 1)
    if any(p > k // 2 for p, k in zip(pad, size, strict=True)):
        raise ValueError(f"{name} got padding={padding} and kernel_size={kernel_size}: at most half the window fits.")

    def on_images(x: Tensor) -> Tensor:
        ends = [_end(*axis, ceil_mode) for axis in zip(x.shape[-axes:], size, step, pad, apart, strict=True)]
        one, none = ((1,), ((0, 0),)) if axes == 1 else ((), ())
        return function(
            x,
            size=one + size,
            stride=one + step,
            padding=none + tuple(zip(pad, ends, strict=True)),
            dilation=one + apart,
            padded=none + tuple((p, p) for p in pad),
        )

    return as_images(name, axes, x, on_images)


def _end(length: int, size: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    """How much padding there is behind, with what a last window takes that does not fit."""
    if not ceil_mode:
        return padding
    span = dilation * (size - 1) + 1
    count = -((span - length - 2 * padding) // stride) + 1
    # The last window must begin in x or in the padding before it.
    if (count - 1) * stride >= length + padding:
        count -= 1
    return max(padding, (count - 1) * stride + span - length - padding)


def _maxima(x: Tensor, *, padded: Sides, **options: Any) -> Tensor:
    return max_windows(x, **options)


def _means(x: Tensor, *, padded: Sides, count_include_pad: bool, divisor: int | None, **options: Any) -> Tensor:
    x = floated(x)
    if divisor is not None:
        return sum_windows(x, by=divisor, **options)
    within = padded if count_include_pad else ((0, 0), (0, 0))
    counts = _counts(x.shape[2:], options["size"], options["stride"], options["padding"], within)
    if isinstance(counts, int):
        return sum_windows(x, by=counts, **options)
    return sum_windows(x, **options) / Tensor(counts.astype(x.dtype), device=x.device)


@functools.lru_cache(maxsize=64)
def _counts(length: Pair, size: Pair, stride: Pair, padding: Sides, within: Sides) -> Any:
    """How many places of each window lie in x or `within` so much of the padding: one number, or (H', W')."""
    down, across = (_counts_along(*axis) for axis in zip(length, size, stride, padding, within, strict=True))
    counts = down[:, None] * across
    return int(counts[0, 0]) if counts.size and (counts == counts[0, 0]).all() else counts


def _counts_along(length: int, size: int, stride: int, padding: Pair, within: Pair) -> Array:
    starts = host.arange(0, length + sum(padding) - size + 1, stride) - padding[0]
    return host.minimum(starts + size, length + within[1]) - host.maximum(starts, -within[0])
