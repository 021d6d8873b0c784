"""Convolution on arrays: channels last, two axes of space, and both adjoints. Each is one instruction of a trace.

One idea: here are array functions, as NumPy would have them, and in the files beside this the ways to compute them, of
which `_way` takes the fastest. The primitives with their rules are in `ops/convolution.py`. Read `geometry.py` next.
"""

from __future__ import annotations

from typing import Any

from ..backend import Array, host, module_of
from ..instruction import instruction
from . import columns, depthwise, windows, winograd
from .geometry import Finish, Geometry, Pair, Sides, geometry, geometry_of

__all__ = [
    "Finish",
    "Geometry",
    "Pair",
    "Sides",
    "convolve",
    "convolve_and",
    "convolve_both",
    "convolve_input",
    "convolve_planes",
    "convolve_planes_input",
    "convolve_weight",
    "geometry",
    "geometry_of",
]


@instruction
def convolve(x: Array, w: Array, *, stride: Pair, padding: Sides, dilation: Pair, groups: int) -> Array:
    """The result of sliding each feature's weight, w (O, kh, kw, C / groups), over x (N, H, W, C): (N, H', W', O)."""
    geo = geometry("convolve", x.shape, w.shape, stride, padding, dilation, groups)
    way = _way(x, geo)
    return windows.convolve(module_of(x), x, w, geo) if way is None else way.convolve(x, w, geo)


@instruction
def convolve_input(
    y: Array, w: Array, *, length: Pair, stride: Pair, padding: Sides, dilation: Pair, groups: int
) -> Array:
    """The adjoint of `convolve` in x: y (N, H', W', O) spread over (N, *length, C)."""
    options: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    geo = geometry_of("convolve_input", y.shape, w.shape, length=length, **options)
    way = _way(y, geo)
    return windows.convolve_input(module_of(y), y, w, geo) if way is None else way.convolve_input(y, w, geo)


@instruction
def convolve_weight(
    x: Array, y: Array, *, size: Pair, stride: Pair, padding: Sides, dilation: Pair, groups: int
) -> Array:
    """The adjoint of `convolve` in w: what moves (O, *size, C / groups) along y, of shape (N, H', W', O)."""
    options: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    geo = geometry_of("convolve_weight", x.shape, y.shape, size=size, **options)
    way = _way(x, geo)
    return windows.convolve_weight(module_of(x), x, y, geo) if way is None else way.convolve_weight(x, y, geo)


# Of images that lie with their channels in axis 1


@instruction
def convolve_planes(x: Array, w: Array, **options: Any) -> Array:
    """What `convolve` gives, of x (N, C, H, W) as (N, O, H', W')."""
    return module_of(x).ascontiguousarray(convolve(x.transpose(0, 2, 3, 1), w, **options).transpose(0, 3, 1, 2))


@instruction
def convolve_planes_input(y: Array, w: Array, **options: Any) -> Array:
    """What `convolve_input` gives, of y (N, O, H', W') as (N, C, *length)."""
    return module_of(y).ascontiguousarray(convolve_input(y.transpose(0, 2, 3, 1), w, **options).transpose(0, 3, 1, 2))


# For kernels of fused functions, outside any trace


def convolve_and(finish: Finish, x: Array, w: Array, **options: Any) -> Array:
    """What `convolve` gives, each part of it changed by `finish` while it is in the cache."""
    geo = geometry("convolve", x.shape, w.shape, **options)
    way = _way(x, geo)
    if way is not None:
        return way.convolve(x, w, geo, finish)
    out = windows.convolve(module_of(x), x, w, geo)
    finish(out)
    return out


def convolve_both(x: Array, w: Array, y: Array, **options: Any) -> tuple[Array, Array]:
    """What `convolve_input` and `convolve_weight` give, where they can share some of the work."""
    geo = geometry("convolve", x.shape, w.shape, **options)
    if _way(y, geo) is winograd:
        return winograd.gradients(x, w, y, geo)
    return (
        convolve_input(y, w, length=geo.length, **options),
        convolve_weight(x, y, size=geo.size, **options),
    )


# The choice


def _way(x: Array, geo: Geometry) -> Any:
    """The module that computes it fastest; None on a GPU, for numbers that BLAS does not know, and for no numbers."""
    if module_of(x) is not host or x.dtype.char not in "fd" or geo.is_empty:
        return None
    if geo.is_depthwise:
        return depthwise
    return winograd if x.dtype.char == "f" and winograd.is_for(geo) and winograd.pays(geo) else columns
