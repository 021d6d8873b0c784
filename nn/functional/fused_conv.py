"""Convolution of batches with PyTorch's layout, each way one fat node: channels in axis 1 outside, and last inside.

One idea: x is looked at with its channels last, convolved, and the result looked at with its channels in axis 1: views,
which the next layer turns back again, so that a chain of convolutions copies nothing. What C convolves channel by
channel stays in the order in which it comes. One axis of space is two, of which the second has length 1. On the host a
kernel does it, in C or in NumPy, on a GPU a tape of what it does to channels last. Read `conv.py` next.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import autograd as ag
from autograd import convolution as arrays
from autograd.backend import Array, Module, host
from autograd.compile.cuda.eager import kernel_on_device
from autograd.compile.native import images
from autograd.compile.native.ordered import in_order
from autograd.convolution import Finish, Geometry, Pair, Sides
from autograd.fused import fused
from autograd.modes import casting, is_tracing
from autograd.ops.convolution import convolve, convolve_input, convolve_weight
from autograd.tensor import Operand

from .activation import relu
from .linear import Activation
from .rows import let_through, sum_of_rows, sums_of_rows

__all__ = ["conv", "conv_transpose"]


def _channels_last(x: Any) -> Any:
    """(N, C, H, W) as (N, H, W, C), or (N, C, L) as (N, L, 1, C): L stands where blocks of a few rows are taken."""
    if x.ndim == 3:
        x = ag.reshape(x, (*x.shape, 1))
    return ag.permute_dims(x, (0, 2, 3, 1))


def _channels_first(x: Any, ndim: int) -> Any:
    """The way back, to as many axes as there were."""
    x = ag.permute_dims(x, (0, 3, 1, 2))
    return ag.reshape(x, x.shape[:3]) if ndim == 3 else x


@fused
def conv(
    x: Operand,
    weight: Operand,
    bias: Operand = None,
    *,
    stride: Pair,
    padding: Sides,
    dilation: Pair,
    groups: int,
    activation: Activation = None,
) -> Operand:
    """x (N, C, H, W) or (N, C, L), convolved, plus bias (O,), then ReLU where `activation="relu"`."""
    options: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return _channels_first(_conv_last(_channels_last(x), weight, bias, activation=activation, **options), x.ndim)


def _conv_last(x: Operand, weight: Operand, bias: Operand, *, activation: Activation, **options: Any) -> Operand:
    """The same of x (N, H, W, C), which gives (N, H', W', O)."""
    out = convolve(x, _channels_last(weight), **options)
    out = out if bias is None else out + bias
    return relu(out) if activation == "relu" else out


@fused
def conv_transpose(
    x: Operand,
    weight: Operand,
    bias: Operand = None,
    *,
    length: Pair,
    stride: Pair,
    padding: Sides,
    dilation: Pair,
    groups: int,
) -> Operand:
    """x (N, C, H, W) or (N, C, L), spread over `length` by the adjoint of a convolution, plus bias."""
    options: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return _channels_first(_transpose_last(_channels_last(x), weight, bias, length=length, **options), x.ndim)


def _transpose_last(x: Operand, weight: Operand, bias: Operand, **options: Any) -> Operand:
    """The same of x (N, H, W, C), which gives (N, *length, O)."""
    out = convolve_input(x, _channels_last(weight), **options)
    return out if bias is None else out + bias


def _is_plain(x: Any, weight: Any, bias: Any) -> bool:
    """Whether the kernels on the host take it: arrays of one dtype that BLAS knows, outside a trace."""
    if is_tracing() is not None or casting() is not None:
        return False
    return x.dtype.char in "fd" and weight.dtype == x.dtype and (bias is None or bias.dtype == x.dtype)


def _last(x: Array) -> Array:
    """What `_channels_last` makes of an array on the host."""
    return (x if x.ndim == 4 else x[..., None]).transpose(0, 2, 3, 1)


def _first(x: Array, ndim: int) -> Array:
    """The way back, as `_channels_first`."""
    x = x.transpose(0, 3, 1, 2)
    return x.reshape(x.shape[:3]) if ndim == 3 else x


def _packed(x: Array) -> Array:
    """x with its channels last, one after the other in memory; no copy where a convolution gave it."""
    return in_order(_last(x))


def _laid(x: Array, geo: Geometry, *names: str) -> Array:
    """The same, but as it lies where C reads it in either order in all that it does by these names."""
    return images.laid(_last(x), geo, *names)


def _geometry(x: Array, w: Array, options: dict[str, Any]) -> Geometry:
    """That of x convolved by w, which has its channels last."""
    return arrays.geometry("convolve", _last(x).shape, w.shape, **options)


def _finish(bias: Any, activation: Activation) -> Finish:
    """Add the bias to a part of a result, then ReLU, in place."""

    def finish(part: Array) -> None:
        # NumPy is quick where rows are long: the bias is repeated for a row of pixels, and so are the zeros.
        if bias is not None:
            host.add(part, host.tile(bias, (part.shape[2], 1)), out=part)
        if activation == "relu":
            host.maximum(part, host.zeros(part.shape[2:], part.dtype), out=part)

    return finish


# In C where that is faster and can be had, else in NumPy; of arrays with their channels last. C writes into `out`


def _convolve(
    x: Array, w: Array, bias: Any = None, activation: Activation = None, out: Any = None, **options: Any
) -> Array:
    geo = arrays.geometry("convolve", x.shape, w.shape, **options)
    if images.takes("convolve", geo, x, w):
        return images.convolve(x, w, geo, bias, activation == "relu", out)
    return arrays.convolve_and(_finish(bias, activation), in_order(x), w, **options)


def _convolve_input(y: Array, w: Array, bias: Any = None, out: Any = None, *, length: Pair, **options: Any) -> Array:
    geo = arrays.geometry_of("convolve_input", y.shape, w.shape, length=length, **options)
    if images.takes("convolve_input", geo, y, w):
        return images.convolve_input(y, w, geo, bias, out)
    found = arrays.convolve_input(in_order(y), w, length=length, **options)
    _finish(bias, None)(found)
    return found


def _convolve_weight(x: Array, y: Array, *, size: Pair, **options: Any) -> Array:
    geo = arrays.geometry_of("convolve_weight", x.shape, y.shape, size=size, **options)
    if images.takes("convolve_weight", geo, x, y):
        return images.convolve_weight(x, y, geo)
    return arrays.convolve_weight(in_order(x), in_order(y), size=size, **options)


def _convolve_both(x: Array, w: Array, y: Array, out: Any, **options: Any) -> tuple[Array, Array]:
    geo = arrays.geometry("convolve", x.shape, w.shape, **options)
    if images.takes("convolve_input", geo, y, w) and images.takes("convolve_weight", geo, x, y):
        return images.convolve_input(y, w, geo, out=out), images.convolve_weight(x, y, geo)
    return arrays.convolve_both(in_order(x), w, in_order(y), **options)


# The kernels on the host


def _conv_forward(xp: Module, x: Any, weight: Any, bias: Any, *, activation: Activation, **options: Any) -> Any:
    if not _is_plain(x, weight, bias):
        return NotImplemented
    w = _packed(weight)
    out = _convolve(_laid(x, _geometry(x, w, options), "convolve"), w, bias, activation, **options)
    return _first(out, x.ndim), out if activation == "relu" else None


def _conv_backward(
    xp: Module,
    g: Array,
    needs: tuple[bool, bool, bool],
    inputs: tuple[Array, Array, Any],
    out: Any,
    *,
    activation: Activation,
    **options: Any,
) -> tuple[Any, Any, Any]:
    x, weight, _ = inputs
    w = _packed(weight)
    geo = _geometry(x, w, options)
    asked = [name for name, needed in zip(("convolve_input", "convolve_weight"), needs, strict=False) if needed]
    g = _laid(g, geo, *asked) if out is None else let_through(xp, _packed(g), out)
    of_x = of_weight = None
    room = _like(x, geo.is_depthwise and not g.flags.c_contiguous) if needs[0] else None
    if needs[0] and needs[1]:
        of_x, of_weight = _convolve_both(_laid(x, geo, asked[1]), w, g, _last(room), **options)
    elif needs[0]:
        of_x = _convolve_input(g, w, out=_last(room), length=_space(x), **options)
    elif needs[1]:
        of_weight = _convolve_weight(_laid(x, geo, *asked), g, size=_space(weight), **options)
    return (
        None if of_x is None else _of_x(of_x, x, room),
        None if of_weight is None else _of_weight(of_weight, x),
        _of_bias(xp, g) if needs[2] else None,
    )


def _transpose_forward(xp: Module, x: Any, weight: Any, bias: Any, **options: Any) -> Any:
    if not _is_plain(x, weight, bias):
        return NotImplemented
    w = _packed(weight)
    geo = arrays.geometry_of("convolve_input", _last(x).shape, w.shape, **options)
    out = _convolve_input(_laid(x, geo, "convolve_input"), w, bias, **options)
    return _first(out, x.ndim), None


def _transpose_backward(
    xp: Module,
    g: Array,
    needs: tuple[bool, bool, bool],
    inputs: tuple[Array, Array, Any],
    residuals: None,
    *,
    length: Pair,
    **options: Any,
) -> tuple[Any, Any, Any]:
    x, weight, _ = inputs
    w = _packed(weight)
    geo = _geometry(g, w, options)
    asked = [name for name, needed in zip(("convolve", "convolve_weight"), needs, strict=False) if needed]
    g = _laid(g, geo, *asked)
    of_x = room = None
    if needs[0]:
        room = _like(x, geo.is_depthwise and not g.flags.c_contiguous)
        of_x = _convolve(g, w, out=_last(room), **options)
    return (
        None if of_x is None else _of_x(of_x, x, room),
        _of_weight(_convolve_weight(g, _laid(x, geo, "convolve_weight"), size=_space(weight), **options), x)
        if needs[1]
        else None,
        _of_bias(xp, g) if needs[2] else None,
    )


# Gradients in primitives, for those that are differentiated again


@conv.recorded
def _conv_recorded(
    g: Any, needs: Any, inputs: Any, residuals: Any, *, activation: Activation, **options: Any
) -> tuple[Any, Any, Any]:
    x, weight, bias = inputs
    g, of_x, of_weight = _channels_last(g), None, None
    if activation == "relu":
        out = residuals[0] if isinstance(residuals, tuple) else residuals  # a tape leaves more
        g = g * (out > 0)
    if needs[0]:
        of_x = _channels_first(convolve_input(g, _channels_last(weight), length=_space(x), **options), x.ndim)
    if needs[1]:
        of_weight = _channels_first(convolve_weight(_channels_last(x), g, size=_space(weight), **options), x.ndim)
    return of_x, of_weight, ag.sum_to(g, shape=bias.shape) if needs[2] else None


@conv_transpose.recorded
def _transpose_recorded(
    g: Any, needs: Any, inputs: Any, residuals: Any, *, length: Pair, **options: Any
) -> tuple[Any, Any, Any]:
    x, weight, bias = inputs
    g, of_x, of_weight = _channels_last(g), None, None
    if needs[0]:
        of_x = _channels_first(convolve(g, _channels_last(weight), **options), x.ndim)
    if needs[1]:
        of_weight = _channels_first(convolve_weight(g, _channels_last(x), size=_space(weight), **options), x.ndim)
    return of_x, of_weight, ag.sum_to(g, shape=bias.shape) if needs[2] else None


def _by_tapes(definition: Callable[..., Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The kernel on a GPU of a definition for channels last; where there is no tape yet, the definition does it."""
    forward_last, backward_last = kernel_on_device(definition, _declined, _declined)

    def forward(xp: Module, x: Any, weight: Any, bias: Any, **options: Any) -> Any:
        made = forward_last(xp, _channels_last(x), weight, bias, **options)
        if made is NotImplemented:
            return made
        out, tape = made
        return _channels_first(out, x.ndim), (out if options.get("activation") else None, tape)

    def backward(
        xp: Module, g: Array, needs: Any, inputs: tuple[Array, Array, Any], residuals: tuple[Any, Any], **options: Any
    ) -> tuple[Any, Any, Any]:
        x, weight, bias = inputs
        out, tape = residuals
        g = _channels_last(g)
        if out is not None:  # so the convolution need not be done again to know where ReLU let through
            g, options = let_through(xp, g, out), {**options, "activation": None}
        of_x, *others = backward_last(xp, g, needs, (_channels_last(x), weight, bias), tape, **options)
        return (None if of_x is None else _channels_first(of_x, x.ndim), *others)

    return forward, backward


def _declined(*given: Any, **options: Any) -> Any:
    return NotImplemented


def _space(x: Array) -> Pair:
    """The lengths of the axes of space, two of them."""
    return x.shape[2], (*x.shape, 1)[3]


def _like(x: Array, planes: bool = False) -> Array:
    """Memory for a gradient of x, with its channels last there, that is no view: a leaf would copy one to keep it."""
    if planes:  # or, where those of the result are, in axis 1
        return host.empty(x.shape, x.dtype)
    shape = (x.shape[0], *_space(x), x.shape[1])
    return host.empty_like(_first(host.empty(shape, x.dtype), x.ndim))


def _of_x(found: Array, x: Array, room: Any) -> Array:
    return room if room is not None and found.base is room else _first(found, x.ndim)


def _of_weight(found: Array, x: Array) -> Array:
    # An optimizer walks over it together with the weight, whose channels are in axis 1.
    return host.ascontiguousarray(_first(found, x.ndim))


def _of_bias(xp: Module, g: Array) -> Array:
    if xp is host and not g.flags.c_contiguous:  # as it lies, its channels in axis 1
        planes = host.moveaxis(g, 3, 1).reshape(len(g) * g.shape[3], -1)
        return sums_of_rows(planes).reshape(len(g), -1).sum(axis=0)
    return sum_of_rows(xp, g.reshape(math.prod(g.shape[:3]), g.shape[3]))


conv.kernel(_conv_forward, _conv_backward, _by_tapes(_conv_last))
conv_transpose.kernel(_transpose_forward, _transpose_backward, _by_tapes(_transpose_last))
