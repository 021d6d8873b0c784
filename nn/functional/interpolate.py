"""Images and sequences of another size: each place takes the nearest one, or lies between two (`interpolate`).

One idea: the axes are done one after the other. Along one of them every new place is a share of one old place and the
rest of the next, so that all together are a product with a matrix; whoever takes the nearest alone needs no product.
Read `attention_weights.py` next.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import autograd as ag
from autograd.backend import Array, host
from autograd.hints import telling
from autograd.ops.cast import floated
from autograd.tensor import Tensor

from .axes import Numbers, numbers_of
from .given import check_arrays, number

__all__ = ["Factors", "interpolate"]

Factors = float | Sequence[float]

_AXES = {"nearest": (1, 2), "linear": (1,), "bilinear": (2,)}  # of space, that a mode is for
_MOST = 1e9  # a factor
_SHAPES = {(1, 2): "(N, C, L) or (N, C, H, W)", (1,): "(N, C, L)", (2,): "(N, C, H, W)"}


@telling
def interpolate(
    input: Tensor,
    size: Numbers | None = None,
    scale_factor: Factors | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """x, (N, C, L) or (N, C, H, W), with axes of space of other lengths: `size`, or the old ones times `scale_factor`.

    A single number stands for all axes. With the mode "nearest" each place takes the number of an old one; with
    "linear", for (N, C, L), and "bilinear", for (N, C, H, W), it lies between two on each axis. There `align_corners`
    lays the outermost places over the old ones; otherwise a place is a piece of the axis, and its middle counts.

    A length is rounded down, but the places lie as far apart as `scale_factor` says, as in PyTorch. What is not finite
    makes all of its row NaN where the mode is no "nearest". Raises ValueError for another mode, x of another rank and
    lengths that are none, or given both ways.
    """
    check_arrays("interpolate", input=input)
    if mode not in _AXES:
        means = "; for means of areas write nn.functional.adaptive_avg_pool2d(x, size)" if mode == "area" else ""
        raise ValueError(f'interpolate got mode={mode!r}: it must be "nearest", "linear" or "bilinear"{means}.')
    axes = input.ndim - 2
    if axes not in _AXES[mode]:
        shapes = _SHAPES[_AXES[mode]]
        raise ValueError(f"interpolate got x of shape {input.shape}: for mode={mode!r} it must be {shapes}.")
    if mode == "nearest" and align_corners is not None:
        raise ValueError('interpolate got align_corners and mode="nearest", which has no use for it: leave it out.')
    x = input if mode == "nearest" else floated(input)
    for axis, length, factor in _wanted(input.shape[2:], size, scale_factor):
        old = x.shape[axis]
        if mode == "nearest":
            # Of images that stay as long, or become twice as long, PyTorch does not look at the factor itself.
            x = _taken(x, axis, length, None if axes == 2 and length in (old, 2 * old) else factor)
        elif length != old:
            x = _mixed(x, axis, _shares(old, length, factor, bool(align_corners), x.dtype))
    return x


def _wanted(
    lengths: tuple[int, ...], size: Numbers | None, scale_factor: Factors | None
) -> list[tuple[int, int, float | None]]:
    """The axes, the last one first, with the length that each shall have, and its factor where that is given."""
    if (size is None) == (scale_factor is None):
        given = "neither" if size is None else "both"
        raise ValueError(f"interpolate takes one of size and scale_factor, got {given}.")
    count = len(lengths)
    if size is not None:
        wanted: Any = [(n, None) for n in numbers_of("interpolate", "size", size, count, 1)]
    else:
        factors: Any = scale_factor if isinstance(scale_factor, (list, tuple)) else (scale_factor,) * count
        if len(factors) != count:
            raise ValueError(
                f"interpolate got scale_factor={scale_factor!r}: it must be one number, or {count} of them."
            )
        factors = [
            float(number("interpolate", "scale_factor", f, "it must be a number above 0", 0, _MOST)) for f in factors
        ]
        wanted = [(math.floor(n * f), f) for n, f in zip(lengths, factors, strict=True)]
    if not all(n for n, _ in wanted) or not all(lengths):
        raise ValueError(f"interpolate cannot make {[n for n, _ in wanted]} places of {list(lengths)}: some are none.")
    return [(2 + i, *wanted[i]) for i in reversed(range(count))]


def _taken(x: Tensor, axis: int, length: int, factor: float | None) -> Tensor:
    """x with the nearest of its places along an axis for each of as many as `length`."""
    old = x.shape[axis]
    places = _nearest(old, length, factor)
    times = length // old
    if length == times * old and bool((places == host.arange(length) // times).all()):
        return x if times == 1 else ag.repeat(x, times, axis=axis)
    return ag.take(x, Tensor(places, device=x.device), axis=axis)


def _mixed(x: Tensor, axis: int, shares: Array) -> Tensor:
    """x with an axis multiplied by a matrix, in its own dtype inside `autocast` too."""
    matrix = ag.asarray(shares, device=x.device)
    with ag.autocast(enabled=False):
        return x @ matrix if axis == x.ndim - 1 else matrix.mT @ x


@functools.lru_cache(maxsize=64)
def _nearest(old: int, length: int, factor: float | None) -> Array:
    """The old place for each new one, in float32 as PyTorch counts."""
    step = host.float32(old / length if factor is None else 1.0 / factor)
    return host.minimum((host.arange(length, dtype="float32") * step).astype("int64"), old - 1)


@functools.lru_cache(maxsize=16)
def _shares(old: int, length: int, factor: float | None, corners: bool, dtype: Any) -> Array:
    """The matrix (old, length) of what each old place adds to each new one."""
    new = host.arange(length)
    if corners:
        at = new * ((old - 1) / max(length - 1, 1))
    else:
        at = host.maximum((new + 0.5) * (old / length if factor is None else 1.0 / factor) - 0.5, 0.0)
    before = host.minimum(at.astype("int64"), old - 1)
    rest = host.minimum(at - before, 1.0)
    shares = host.zeros((old, length))
    shares[before, new] = 1.0 - rest
    shares[host.minimum(before + 1, old - 1), new] += rest
    return shares.astype(dtype)
