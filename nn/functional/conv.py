"""Convolution with PyTorch's layout: channels in axis 1 outside, and last inside.

One idea: x is looked at with its channels last, convolved, and the result looked at with its channels in axis 1: views,
which the next layer turns back again, so that a chain of convolutions copies nothing. One axis of space is two, of
which the second has length 1. Read `norm.py` next.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import autograd as ag
from autograd import convolution as arrays
from autograd.backend import Array, Module, host
from autograd.convolution import Finish, Pair, Sides
from autograd.errors import ShapeError
from autograd.fused import fused
from autograd.modes import is_tracing
from autograd.ops.convolution import convolve, convolve_input
from autograd.tensor import Operand, Tensor

from .activation import relu
from .linear import Activation
from .rows import let_through, sum_of_rows

__all__ = ["conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "numbers_of", "sides_of"]

Numbers = int | Sequence[int]
Padding = Numbers | Literal["same", "valid"]


# Channels in axis 1 and channels last


def _channels_last(x: Any) -> Any:
    """(N, C, H, W) as (N, H, W, C), or (N, C, L) as (N, L, 1, C): L stands where blocks of a few rows are taken."""
    if x.ndim == 3:
        x = ag.reshape(x, (*x.shape, 1))
    return ag.permute_dims(x, (0, 2, 3, 1))


def _channels_first(x: Any, ndim: int) -> Any:
    """The way back, to as many axes as there were."""
    x = ag.permute_dims(x, (0, 3, 1, 2))
    return ag.reshape(x, x.shape[:3]) if ndim == 3 else x


# The two fused functions


@fused
def _conv(
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
    out = convolve(
        *(_channels_last(x), _channels_last(weight)), stride=stride, padding=padding, dilation=dilation, groups=groups
    )
    out = out if bias is None else out + bias
    return _channels_first(relu(out) if activation == "relu" else out, x.ndim)


@fused
def _conv_transpose(
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
    out = convolve_input(
        *(_channels_last(x), _channels_last(weight)),
        length=length,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )
    return _channels_first(out if bias is None else out + bias, x.ndim)


def _is_plain(xp: Module, x: Any, weight: Any, bias: Any) -> bool:
    """Whether the kernels take it: arrays of one dtype that BLAS knows, on the host, outside a trace."""
    if xp is not host or is_tracing() is not None:
        return False
    return x.dtype.char in "fd" and weight.dtype == x.dtype and (bias is None or bias.dtype == x.dtype)


def _packed(x: Array) -> Array:
    """x with its channels last, one after the other in memory; no copy where a convolution gave it."""
    return host.ascontiguousarray(_channels_last(x))


def _finish(bias: Any, activation: Activation) -> Finish:
    """Add the bias to a part of a result, then ReLU, in place."""

    def finish(part: Array) -> None:
        # NumPy is quick where rows are long: the bias is repeated for a row of pixels, and so are the zeros.
        if bias is not None:
            host.add(part, host.tile(bias, (part.shape[2], 1)), out=part)
        if activation == "relu":
            host.maximum(part, host.zeros(part.shape[2:], part.dtype), out=part)

    return finish


def _conv_forward(xp: Module, x: Any, weight: Any, bias: Any, *, activation: Activation, **options: Any) -> Any:
    if not _is_plain(xp, x, weight, bias):
        return NotImplemented
    out = arrays.convolve_and(_finish(bias, activation), _packed(x), _packed(weight), **options)
    return _channels_first(out, x.ndim), out if activation == "relu" else None


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
    g = _packed(g)
    if out is not None:
        g = let_through(xp, g, out)
    of_x = of_weight = None
    if needs[0] and needs[1]:
        of_x, of_weight = arrays.convolve_both(_packed(x), _packed(weight), g, **options)
    elif needs[0]:
        of_x = arrays.convolve_input(g, _packed(weight), length=_space(x), **options)
    elif needs[1]:
        of_weight = arrays.convolve_weight(_packed(x), g, size=_space(weight), **options)
    return (
        None if of_x is None else _of_x(of_x, x),
        None if of_weight is None else _of_weight(of_weight, x),
        _of_bias(xp, g) if needs[2] else None,
    )


def _transpose_forward(xp: Module, x: Any, weight: Any, bias: Any, **options: Any) -> Any:
    if not _is_plain(xp, x, weight, bias):
        return NotImplemented
    out = arrays.convolve_input(_packed(x), _packed(weight), **options)
    _finish(bias, None)(out)
    return _channels_first(out, x.ndim), None


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
    g = _packed(g)
    return (
        _of_x(arrays.convolve(g, _packed(weight), **options), x) if needs[0] else None,
        _of_weight(arrays.convolve_weight(g, _packed(x), size=_space(weight), **options), x) if needs[1] else None,
        _of_bias(xp, g) if needs[2] else None,
    )


def _space(x: Array) -> Pair:
    """The lengths of the axes of space, two of them."""
    return x.shape[2], (*x.shape, 1)[3]


def _of_x(found: Array, x: Array) -> Array:
    return _channels_first(found, x.ndim)


def _of_weight(found: Array, x: Array) -> Array:
    # An optimizer walks over it together with the weight, whose channels are in axis 1.
    return host.ascontiguousarray(_channels_first(found, x.ndim))


def _of_bias(xp: Module, g: Array) -> Array:
    return sum_of_rows(xp, g.reshape(math.prod(g.shape[:3]), g.shape[3]))


_conv.kernel(_conv_forward, _conv_backward)
_conv_transpose.kernel(_transpose_forward, _transpose_backward)


# The functions of PyTorch's names


def conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Padding = 0,
    dilation: Numbers = 1,
    groups: int = 1,
    *,
    activation: Activation = None,
) -> Tensor:
    """`conv2d` over one axis: x (N, C, L) or (C, L), weight (O, C / groups, k), the result (N, O, L') or (O, L')."""
    return _convolved("conv1d", 1, x, weight, bias, stride, padding, dilation, groups, activation)


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Padding = 0,
    dilation: Numbers = 1,
    groups: int = 1,
    *,
    activation: Activation = None,
) -> Tensor:
    """Each kernel slid over x: the sum of products at each place, plus bias, then ReLU if `activation="relu"`.

    x is (N, C, H, W) or (C, H, W), weight (O, C / groups, kh, kw), bias (O,) or None, the result (N, O, H', W') or
    (O, H', W') with H' = (H + 2 padding - dilation (kh - 1) - 1) // stride + 1. `padding` is of zeros, as many at both
    ends, or "valid" for none, or "same" for as many as keep H' = H, the odd one at the end. The channels of x and of
    the result are split into `groups`. The kernel is not turned: what PyTorch calls convolution is a correlation.

    Raises ValueError for shapes that do not fit, options that are not known, and kernels larger than the padded x.
    """
    return _convolved("conv2d", 2, x, weight, bias, stride, padding, dilation, groups, activation)


def conv_transpose1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
) -> Tensor:
    """`conv_transpose2d` over one axis: x (N, C, L) or (C, L), weight (C, O / groups, k)."""
    return _transposed("conv_transpose1d", 1, x, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
) -> Tensor:
    """Each number of x spread over a window by its kernel, and windows added where they overlap, plus bias.

    The gradient of `conv2d` in its x, as a layer: x is (N, C, H, W) or (C, H, W), weight (C, O / groups, kh, kw), bias
    (O,) or None, the result (N, O, H', W') or (O, H', W') with H' = (H - 1) stride - 2 padding + dilation (kh - 1) +
    1 + output_padding. `padding` is cut off at both ends, `output_padding` of it kept at the end: it says which of the
    lengths is meant that a convolution with that stride would make H.

    Raises ValueError for shapes that do not fit, or an output_padding that is neither below stride nor dilation.
    """
    return _transposed("conv_transpose2d", 2, x, weight, bias, stride, padding, output_padding, groups, dilation)


def _convolved(
    name: str,
    axes: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Numbers,
    padding: Padding,
    dilation: Numbers,
    groups: int,
    activation: Activation,
) -> Tensor:
    _check(name, axes, x, weight, bias, groups)
    if activation not in (None, "relu"):
        raise ValueError(f'{name} got activation={activation!r}: it must be None or "relu".')
    steps, holes = numbers_of(name, "stride", stride, axes, 1), numbers_of(name, "dilation", dilation, axes, 1)
    size = weight.shape[2:]
    sides = sides_of(name, padding, size, steps, holes)
    channels = x.shape[-axes - 1]
    if channels != weight.shape[1] * groups or weight.shape[0] % groups:
        raise ShapeError(
            f"{name} got x of shape {x.shape}, with {channels} channels, and weight of shape {weight.shape} with "
            f"groups={groups}: weight must be (out_channels, in_channels / groups, {_SPACE[axes]}), and groups must "
            "divide both numbers of channels."
        )
    _check_bias(name, bias, weight.shape[0])
    for length, k, d, side in zip(x.shape[-axes:], size, holes, sides, strict=True):
        if d * (k - 1) + 1 > length + sum(side):
            raise ShapeError(
                f"{name} got x of shape {x.shape} and weight of shape {weight.shape}: a kernel of {k} places with "
                f"dilation {d} reaches over {d * (k - 1) + 1}, and the padded x has only {length + sum(side)}."
            )
    options: dict[str, Any] = {
        **{"stride": _two(steps, 1), "padding": _two(sides, (0, 0)), "dilation": _two(holes, 1)},
        **{"groups": groups, "activation": activation},
    }
    if x.ndim == axes + 2:
        return _conv(x, weight, bias, **options)
    out = _conv(ag.expand_dims(x, axis=0), weight, bias, **options)
    return ag.reshape(out, out.shape[1:])


def _transposed(
    name: str,
    axes: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Numbers,
    padding: Numbers,
    output_padding: Numbers,
    groups: int,
    dilation: Numbers,
) -> Tensor:
    _check(name, axes, x, weight, bias, groups)
    channels = x.shape[-axes - 1]
    if channels != weight.shape[0] or channels % groups:
        raise ShapeError(
            f"{name} got x of shape {x.shape}, with {channels} channels, and weight of shape {weight.shape} with "
            f"groups={groups}: weight must be (in_channels, out_channels / groups, {_SPACE[axes]}), and groups must "
            "divide in_channels."
        )
    _check_bias(name, bias, weight.shape[1] * groups)
    steps, holes = numbers_of(name, "stride", stride, axes, 1), numbers_of(name, "dilation", dilation, axes, 1)
    cut, kept = (
        numbers_of(name, "padding", padding, axes, 0),
        numbers_of(name, "output_padding", output_padding, axes, 0),
    )
    size, space = weight.shape[2:], x.shape[-axes:]
    if any(extra >= max(s, d) for extra, s, d in zip(kept, steps, holes, strict=True) if extra):
        raise ValueError(
            f"{name} got output_padding={output_padding}, stride={stride} and dilation={dilation}: output_padding must "
            "be below one of the others."
        )
    # At the end less is cut off; where more is kept than was to be cut, there is nothing: zeros.
    sides = tuple((p, max(p - extra, 0)) for p, extra in zip(cut, kept, strict=True))
    beyond = [max(extra - p, 0) for p, extra in zip(cut, kept, strict=True)]
    length = tuple(
        (n - 1) * s + d * (k - 1) + 1 - sum(side)
        for n, s, d, k, side in zip(space, steps, holes, size, sides, strict=True)
    )
    if min(length) < 1:
        raise ShapeError(
            f"{name} got x of shape {x.shape} and weight of shape {weight.shape}: of the result padding={padding} "
            "leaves nothing."
        )
    options: dict[str, Any] = {
        **{"stride": _two(steps, 1), "padding": _two(sides, (0, 0)), "dilation": _two(holes, 1)},
        **{"groups": groups, "length": _two(length, 1)},
    }
    batched = x if x.ndim == axes + 2 else ag.expand_dims(x, axis=0)
    if any(beyond):
        out = _conv_transpose(batched, weight, **options)
        out = ag.pad(out, [(0, 0), (0, 0), *((0, extra) for extra in beyond)])
        out = out if bias is None else out + ag.reshape(bias, (-1, *(1,) * axes))
    else:
        out = _conv_transpose(batched, weight, bias, **options)
    return out if batched is x else ag.reshape(out, out.shape[1:])


# What they read


_SPACE = {1: "k", 2: "kh, kw"}
_AXES = {1: ("(N, C, L)", "(C, L)"), 2: ("(N, C, H, W)", "(C, H, W)")}


def _check(name: str, axes: int, x: Any, weight: Any, bias: Any, groups: int) -> None:
    if x is None:
        raise TypeError(f"{name} got None in the place of x: does the forward before it return its result?")
    if getattr(x, "ndim", 0) not in (axes + 1, axes + 2) or weight.ndim != axes + 2:
        with_batch, without = _AXES[axes]
        raise ShapeError(
            f"{name} got x of shape {getattr(x, 'shape', ())} and weight of shape {weight.shape}: x must be "
            f"{with_batch} or {without}, and weight must have {axes + 2} axes."
        )
    if not isinstance(groups, int) or groups < 1:
        raise ValueError(f"{name} got groups={groups!r}: it must be a whole number, at least 1.")


def _check_bias(name: str, bias: Any, channels: int) -> None:
    if bias is not None and bias.shape != (channels,):
        raise ShapeError(f"{name} got bias of shape {bias.shape}: it must be (out_channels,), here ({channels},).")


def numbers_of(name: str, option: str, given: Numbers, axes: int, least: int) -> tuple[int, ...]:
    """One number for each axis of space; a single number stands for all.

    Raises ValueError for another count, and for what is not a whole number of at least `least`.
    """
    numbers = (given,) * axes if isinstance(given, int) else tuple(given)
    numbers = numbers * axes if len(numbers) == 1 else numbers
    if len(numbers) != axes or not all(isinstance(n, int) and n >= least for n in numbers):
        each = "one whole number" if axes == 1 else f"one whole number, or one for each of {axes} axes"
        raise ValueError(f"{name} got {option}={given!r}: it must be {each}, at least {least}.")
    return numbers


def sides_of(
    name: str, padding: Padding, size: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[Pair, ...]:
    """The padding before and after each axis of space, of which `size`, `stride` and `dilation` have a number each.

    Raises ValueError for a word that is not known, and for "same" with a stride.
    """
    if not isinstance(padding, str):
        return tuple((n, n) for n in numbers_of(name, "padding", padding, len(size), 0))
    if padding not in ("same", "valid"):
        raise ValueError(f'{name} got padding={padding!r}: it must be "same", "valid", or numbers.')
    if padding == "valid":
        return ((0, 0),) * len(size)
    if max(stride) > 1:
        raise ValueError(
            f'{name} got padding="same" and stride={stride}: only with stride 1 can lengths stay the same.'
        )
    spans = [d * (k - 1) for k, d in zip(size, dilation, strict=True)]
    return tuple((span // 2, span - span // 2) for span in spans)


def _two(numbers: tuple[Any, ...], alone: Any) -> Any:
    """For each of two axes of space; `alone` for the second where there is one only."""
    return (*numbers, alone)[:2]
