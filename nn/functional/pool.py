"""Pooling over windows of an image or a sequence: the largest number, or the mean.

One idea: outside the axes are PyTorch's, (N, C, H, W); inside, channels are last, so that one place of all windows is
read in long runs of memory. What comes out is a view of memory with channels last, and the next layer finds it so.
Read `loss.py` next.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import autograd as ag
from autograd import pooling
from autograd.backend import Array, Module, host
from autograd.fused import fused
from autograd.pooling import Pair, Sides, geometry
from autograd.tensor import Operand, Tensor

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_max_pool2d",
    "avg_pool1d",
    "avg_pool2d",
    "max_pool1d",
    "max_pool2d",
]

Lengths = int | Sequence[int]

LAST, SECOND = (0, 2, 3, 1), (0, 3, 1, 2)  # channels last, and back


def max_pool1d(
    x: Tensor,
    kernel_size: Lengths,
    stride: Lengths | None = None,
    padding: Lengths = 0,
    dilation: Lengths = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    """The largest number of each window over the last axis: x is (N, C, L) or (C, L). See `max_pool2d`."""
    _no_indices("max_pool1d", return_indices)
    return _pooled("max_pool1d", 1, x, kernel_size, stride, padding, dilation, ceil_mode, _max_pool)


def max_pool2d(
    x: Tensor,
    kernel_size: Lengths,
    stride: Lengths | None = None,
    padding: Lengths = 0,
    dilation: Lengths = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    """The largest number of each window: x is (N, C, H, W) or (C, H, W), and each channel is for itself.

    One window begins every `stride` places (by default they lie side by side) and takes every `dilation`-th place from
    there. `padding` places on each side of an axis are never chosen. With `ceil_mode` a last window may reach beyond
    the padding. A single number stands for all axes. NaN counts as largest, and of equal numbers the first gets the
    gradient.

    Raises ValueError for x of another rank, numbers that make no windows, and padding beyond half the kernel;
    NotImplementedError for `return_indices`.
    """
    _no_indices("max_pool2d", return_indices)
    return _pooled("max_pool2d", 2, x, kernel_size, stride, padding, dilation, ceil_mode, _max_pool)


def avg_pool1d(
    x: Tensor,
    kernel_size: Lengths,
    stride: Lengths | None = None,
    padding: Lengths = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window over the last axis: x is (N, C, L) or (C, L). See `avg_pool2d`."""
    mean = functools.partial(_mean_pool, count_include_pad=count_include_pad, divisor=None)
    return _pooled("avg_pool1d", 1, x, kernel_size, stride, padding, 1, ceil_mode, mean)


def avg_pool2d(
    x: Tensor,
    kernel_size: Lengths,
    stride: Lengths | None = None,
    padding: Lengths = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window: x is (N, C, H, W) or (C, H, W), and each channel is for itself.

    Windows lie as in `max_pool2d`. Padding counts as zeros, or not at all where `count_include_pad` is False; what a
    window holds beyond the padding is never counted. `divisor_override` takes the place of the count.

    Raises ValueError for x of another rank, numbers that make no windows, padding beyond half the kernel, and a
    divisor of 0.
    """
    if divisor_override == 0:
        raise ValueError("avg_pool2d got divisor_override=0: it must be another number, or None for the count.")
    mean = functools.partial(_mean_pool, count_include_pad=count_include_pad, divisor=divisor_override)
    return _pooled("avg_pool2d", 2, x, kernel_size, stride, padding, 1, ceil_mode, mean)


def adaptive_avg_pool1d(x: Tensor, output_size: Lengths) -> Tensor:
    """The mean of each of `output_size` parts of the last axis: x is (N, C, L) or (C, L)."""
    return _as_images("adaptive_avg_pool1d", 1, x, lambda x: _adaptive("adaptive_avg_pool1d", 1, x, output_size, _mean))


def adaptive_avg_pool2d(x: Tensor, output_size: int | Sequence[int | None] | None) -> Tensor:
    """The mean of each part of x, (N, C, H, W) or (C, H, W), cut into `output_size` parts down and across.

    A single number stands for both axes, None for as many parts as there are places. Part i of n over a length begins
    at floor(i * length / n) and ends before ceil((i + 1) * length / n), so that parts may overlap by one place.

    Raises ValueError for x of another rank, and parts that are not at least one.
    """
    return _as_images("adaptive_avg_pool2d", 2, x, lambda x: _adaptive("adaptive_avg_pool2d", 2, x, output_size, _mean))


def adaptive_max_pool2d(
    x: Tensor, output_size: int | Sequence[int | None] | None, return_indices: bool = False
) -> Tensor:
    """The largest number of each part of x, which is cut as `adaptive_avg_pool2d` does."""
    _no_indices("adaptive_max_pool2d", return_indices)
    return _as_images("adaptive_max_pool2d", 2, x, lambda x: _adaptive("adaptive_max_pool2d", 2, x, output_size, _top))


def _no_indices(name: str, wanted: bool) -> None:
    if wanted:
        raise NotImplementedError(
            f"{name} gives no indices: leave return_indices out; autograd.pool_places gives the place in each window."
        )


def _as_images(name: str, axes: int, x: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """`function` of x as (N, C, H, W), and its result with the axes of x; a sequence is an image of height 1."""
    if x.ndim not in (axes + 1, axes + 2):
        wanted = "H, W" if axes == 2 else "L"
        raise ValueError(f"{name} got x of shape {x.shape}: it must be (N, C, {wanted}) or (C, {wanted}).")
    batch = x.shape[:1] if x.ndim == axes + 2 else (1,)
    lengths = x.shape[-axes:] if axes == 2 else (1, *x.shape[-1:])
    plain = x.ndim == 4
    out = function(x if plain else x.reshape(*batch, x.shape[-axes - 1], *lengths))
    return out if plain else out.reshape(*x.shape[:-axes], *out.shape[-axes:])


def _each(name: str, what: str, given: Lengths, axes: int, least: int) -> tuple[int, ...]:
    """One number for each axis of space, from one for all or one for each."""
    numbers = (given,) if isinstance(given, int) else tuple(given)
    numbers = numbers * axes if len(numbers) == 1 else numbers
    if len(numbers) != axes or min(numbers) < least:
        wanted = "one number" + (", or two" if axes == 2 else "")
        raise ValueError(f"{name} got {what}={given}: it must be {wanted}, at least {least}.")
    return numbers


def _pooled(
    name: str,
    axes: int,
    x: Tensor,
    kernel_size: Lengths,
    stride: Lengths | None,
    padding: Lengths,
    dilation: Lengths,
    ceil_mode: bool,
    function: Callable[..., Tensor],
) -> Tensor:
    """`function` of x as (N, C, H, W) with the windows that PyTorch's arguments mean."""
    size = _each(name, "kernel_size", kernel_size, axes, 1)
    # PyTorch takes an empty stride, too, for the default.
    step = size if stride is None or stride == () else _each(name, "stride", stride, axes, 1)
    pad, apart = _each(name, "padding", padding, axes, 0), _each(name, "dilation", dilation, axes, 1)
    if any(p > k // 2 for p, k in zip(pad, size, strict=True)):
        raise ValueError(f"{name} got padding={padding} and kernel_size={kernel_size}: at most half the kernel fits.")

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

    return _as_images(name, axes, x, on_images)


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


# The largest


@fused
def _max_windows(x: Operand, *, size: Pair, stride: Pair, padding: Sides, dilation: Pair) -> Operand:
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


_max_windows.kernel(_forward, _backward)


def _max_pool(x: Tensor, *, padded: Sides, **options: Any) -> Tensor:
    return _max_windows(x, **options)


# The mean


def _mean_pool(x: Tensor, *, padded: Sides, count_include_pad: bool, divisor: int | None, **options: Any) -> Tensor:
    sums = ag.permute_dims(ag.pool_sum(ag.permute_dims(x, LAST), **options), SECOND)
    if divisor is not None:
        return sums / divisor
    within = padded if count_include_pad else ((0, 0), (0, 0))
    counts = _counts(x.shape[2:], options["size"], options["stride"], options["padding"], within)
    return sums / (counts if isinstance(counts, int) else Tensor(counts.astype(x.dtype), device=x.device))


@functools.lru_cache(maxsize=64)
def _counts(length: Pair, size: Pair, stride: Pair, padding: Sides, within: Sides) -> Any:
    """How many places of each window lie in x or `within` so much of the padding: one number, or (H', W')."""
    down, across = (_counts_along(*axis) for axis in zip(length, size, stride, padding, within, strict=True))
    counts = down[:, None] * across
    return int(counts[0, 0]) if (counts == counts[0, 0]).all() else counts


def _counts_along(length: int, size: int, stride: int, padding: Pair, within: Pair) -> Array:
    starts = host.arange(0, length + sum(padding) - size + 1, stride) - padding[0]
    return host.minimum(starts + size, length + within[1]) - host.maximum(starts, -within[0])


# Parts


def _adaptive(name: str, axes: int, x: Tensor, output_size: Any, function: Callable[..., Tensor]) -> Tensor:
    given = (output_size,) * axes if output_size is None or isinstance(output_size, int) else tuple(output_size)
    lengths = x.shape[-axes:]
    if len(given) != axes or any(n is not None and n < 1 for n in given):
        raise ValueError(f"{name} got output_size={output_size}: it must be one number for each axis, at least 1.")
    parts = tuple(n if part is None else part for part, n in zip(given, lengths, strict=True))
    return function(x, parts if axes == 2 else (1, *parts))


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
    return _max_windows(x, **_side_by_side(size))


def _mean(x: Tensor, parts: Pair) -> Tensor:
    if parts == (1, 1):
        return ag.mean(x, axis=(2, 3), keepdims=True)
    x, size, (down, across) = _parts(x, parts, 0.0)
    sums = ag.permute_dims(ag.pool_sum(ag.permute_dims(x, LAST), **_side_by_side(size)), SECOND)
    counts = down.reshape(parts[0], -1).sum(axis=1)[:, None] * across.reshape(parts[1], -1).sum(axis=1)
    return sums / Tensor(counts.astype(x.dtype), device=x.device)
