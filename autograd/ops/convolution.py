"""Convolution over two axes of space, channels last, and its two adjoints.

One idea: a convolution is linear in x and linear in the weight, so three primitives are closed: the rules of each are
the other two, at every order. How one is computed on arrays is in `autograd/convolution`, and
`nn/functional/fused_conv.py` has PyTorch's layout. Read `pooling.py` next.
"""

from __future__ import annotations

from typing import Any

from .. import convolution as arrays
from ..backend import Array, Module, device_of
from ..convolution import Geometry, Pair, Sides, geometry, windows
from ..errors import ShapeError
from ..modes import is_tracing
from ..primitive import primitive
from ..shapes import Shape
from ..tensor import Operand
from .rounded import rounded

__all__ = ["convolve", "convolve_input", "convolve_weight"]


@primitive
def _convolve(
    xp: Module, x: Operand, w: Operand, *, stride: Pair, padding: Sides, dilation: Pair, groups: int
) -> Array:
    """The weight of each feature slid over x, and at each place the sum of the products: PyTorch's convolution.

    x is (N, H, W, C), w (O, kh, kw, C / groups), the result (N, H', W', O) with H' = (H + top + bottom - dilation *
    (kh - 1) - 1) // stride + 1 windows down, and W' alike. `padding` is ((top, bottom), (left, right)), zeros around x.
    The channels of x and of the result are split into `groups`, each convolved by itself.

    Raises ShapeError for shapes that do not fit each other or the groups, and for windows larger than the padded x.
    """
    geo = geometry("convolve", _shape(x), _shape(w), stride, padding, dilation, groups)
    x, w = _alike(xp, x, w)
    if _is_on_host(x):
        return arrays.convolve(x, w, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return windows.convolve(xp, x, w, geo)


@primitive
def _convolve_input(
    xp: Module,
    y: Operand,
    w: Operand,
    *,
    length: Pair,
    stride: Pair,
    padding: Sides,
    dilation: Pair,
    groups: int,
) -> Array:
    """y, of the shape of a convolution's result, spread over an x of `length`: the adjoint of `convolve` in x.

    y is (N, H', W', O), w (O, kh, kw, C / groups), the result (N, *length, C). Also called transposed convolution.

    Raises ShapeError where `convolve` does, and for a y that is not of the shape of the result for such a `length`.
    """
    w_shape = _shape(w)
    channels = w_shape[-1] * groups if w_shape else 0
    x_shape = (*_shape(y)[:1], *length, channels)
    geo = geometry("convolve_input", x_shape, w_shape, stride, padding, dilation, groups)
    _check_result("convolve_input", _shape(y), geo)
    y, w = _alike(xp, y, w)
    if _is_on_host(y):
        return arrays.convolve_input(
            y, w, length=length, stride=stride, padding=padding, dilation=dilation, groups=groups
        )
    return windows.convolve_input(xp, y, w, geo)


@primitive
def convolve_weight(
    xp: Module,
    x: Operand,
    y: Operand,
    *,
    size: Pair,
    stride: Pair,
    padding: Sides,
    dilation: Pair,
    groups: int,
) -> Array:
    """The products of x with y, of the shape of a convolution's result, at each place of a window of `size`.

    The adjoint of `convolve` in w: x is (N, H, W, C), y (N, H', W', O), the result (O, *size, C / groups).

    Raises ShapeError where `convolve` does, and for a y that is not of the shape of the result for such a `size`.
    """
    x_shape, y_shape = _shape(x), _shape(y)
    w_shape = (*y_shape[-1:], *size, x_shape[-1] // groups if x_shape and groups else 0)
    geo = geometry("convolve_weight", x_shape, w_shape, stride, padding, dilation, groups)
    _check_result("convolve_weight", y_shape, geo)
    x, y = _alike(xp, x, y)
    if _is_on_host(x):
        return arrays.convolve_weight(x, y, size=size, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return windows.convolve_weight(xp, x, y, geo)


def _is_on_host(x: Array) -> bool:
    """Whether NumPy does it, now or for a trace, which writes it down as one call."""
    return is_tracing() is not None or device_of(x) == "cpu"


def _has_channels_apart(x: Operand, w: Operand, options: dict[str, Any]) -> bool:
    """Whether each channel is convolved by itself: no tensor core is of use there."""
    return bool(options["groups"] > 1 and w.shape[-1:] == (1,))


convolve = rounded(_convolve, unless=_has_channels_apart)
convolve_input = rounded(_convolve_input, unless=_has_channels_apart)


def _shape(x: Operand) -> Shape:
    return getattr(x, "shape", ())


def _alike(xp: Module, a: Array, b: Array) -> tuple[Array, Array]:
    """Both with the dtype of their product."""
    if a.dtype == b.dtype:
        return a, b
    dtype = xp.result_type(a.dtype, b.dtype)
    return a.astype(dtype, copy=False), b.astype(dtype, copy=False)


def _check_result(name: str, y_shape: Shape, geo: Geometry) -> None:
    if y_shape != geo.out_shape:
        raise ShapeError(
            f"{name}: y has shape {y_shape}; the convolution of x of shape {geo.x_shape} by a weight of shape "
            f"{geo.w_shape} gives {geo.out_shape}."
        )


_convolve.vjp(
    x=lambda g, w, x_shape, stride, padding, dilation, groups: _convolve_input(
        g, w, length=x_shape[1:3], stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
    w=lambda g, x, w_shape, stride, padding, dilation, groups: convolve_weight(
        x, g, size=w_shape[1:3], stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
)
_convolve_input.vjp(
    y=lambda g, w, stride, padding, dilation, groups: _convolve(
        g, w, stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
    w=lambda g, y, w_shape, stride, padding, dilation, groups: convolve_weight(
        g, y, size=w_shape[1:3], stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
)
convolve_weight.vjp(
    x=lambda g, y, x_shape, stride, padding, dilation, groups: _convolve_input(
        y, g, length=x_shape[1:3], stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
    y=lambda g, x, stride, padding, dilation, groups: _convolve(
        x, g, stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
)
