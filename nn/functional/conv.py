"""Convolution under PyTorch's names, over one axis of space or two: what it asks of its arguments, and what they mean.

One idea: an axis of space is a number of each option, so one function serves for any number of axes; what it makes of
the options, `fused_conv.py` convolves. Read `pool_windows.py` next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import autograd as ag
from autograd.convolution import Pair
from autograd.errors import ShapeError
from autograd.tensor import Tensor

from . import fused_conv
from .axes import Numbers, arguments_of, numbers_of
from .given import check_arrays, check_parts
from .linear import Activation

__all__ = ["conv", "conv1d", "conv2d", "conv_transpose", "conv_transpose1d", "conv_transpose2d", "reach", "sides_of"]

Padding = Numbers | Literal["same", "valid"]


# Over any number of axes


def conv(
    axes: int,
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
    """`conv1d` or `conv2d`."""
    name = f"conv{axes}d"
    _check(name, axes, x, weight, groups)
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
                f"{name} got x of shape {x.shape} and weight of shape {weight.shape}: a window of {k} places with "
                f"dilation {d} reaches over {d * (k - 1) + 1}, and the padded x has only {length + sum(side)}."
            )
    options = {**_over_two(steps, sides, holes), "groups": groups, "activation": activation}
    return _batched(axes, x, lambda x: fused_conv.conv(x, weight, bias, **options))


def conv_transpose(
    axes: int,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
) -> Tensor:
    """`conv_transpose1d` or `conv_transpose2d`."""
    name = f"conv_transpose{axes}d"
    _check(name, axes, x, weight, groups)
    channels = x.shape[-axes - 1]
    if channels != weight.shape[0] or channels % groups:
        raise ShapeError(
            f"{name} got x of shape {x.shape}, with {channels} channels, and weight of shape {weight.shape} with "
            f"groups={groups}: weight must be (in_channels, out_channels / groups, {_SPACE[axes]}), and groups must "
            "divide in_channels."
        )
    _check_bias(name, bias, weight.shape[1] * groups)
    steps, holes = numbers_of(name, "stride", stride, axes, 1), numbers_of(name, "dilation", dilation, axes, 1)
    cut = numbers_of(name, "padding", padding, axes, 0)
    kept = numbers_of(name, "output_padding", output_padding, axes, 0)
    size, space = weight.shape[2:], x.shape[-axes:]
    if any(extra >= max(s, d) for extra, s, d in zip(kept, steps, holes, strict=True) if extra):
        raise ValueError(
            f"{name} got output_padding={output_padding}, stride={stride} and dilation={dilation}: output_padding must "
            "be below one of the others."
        )
    # At the end less is cut off; where more is kept than was to be cut, there is nothing: zeros.
    sides = tuple((p, max(p - extra, 0)) for p, extra in zip(cut, kept, strict=True))
    beyond = [max(extra - p, 0) for p, extra in zip(cut, kept, strict=True)]
    length = tuple(n - sum(side) for n, side in zip(reach(space, steps, holes, size), sides, strict=True))
    if min(length) < 1:
        raise ShapeError(
            f"{name} got x of shape {x.shape} and weight of shape {weight.shape}: of the result padding={padding} "
            "leaves nothing."
        )
    options = {**_over_two(steps, sides, holes), "groups": groups, "length": _two(length, 1)}
    if not any(beyond):
        return _batched(axes, x, lambda x: fused_conv.conv_transpose(x, weight, bias, **options))
    out = _batched(axes, x, lambda x: fused_conv.conv_transpose(x, weight, **options))
    out = ag.pad(out, [(0, 0)] * (out.ndim - axes) + [(0, extra) for extra in beyond])
    return out if bias is None else out + ag.reshape(bias, (-1, *(1,) * axes))


# The functions of PyTorch's names


@arguments_of(conv)
def conv1d(*given: Any, **options: Any) -> Tensor:
    """`conv2d` over one axis: x (N, C, L) or (C, L), weight (O, C / groups, k), the result (N, O, L') or (O, L')."""
    return conv(1, *given, **options)


@arguments_of(conv)
def conv2d(*given: Any, **options: Any) -> Tensor:
    """The weight slid over x: the sum of products at each place, plus bias, then ReLU if `activation="relu"`.

    x is (N, C, H, W) or (C, H, W), weight (O, C / groups, kh, kw), bias (O,) or None, the result (N, O, H', W') or
    (O, H', W') with H' = (H + 2 padding - dilation (kh - 1) - 1) // stride + 1. `padding` is of zeros, as many at both
    ends, or "valid" for none, or "same" for as many as keep H' = H, the odd one at the end. The channels of x and of
    the result are split into `groups`. The weight is not turned: what PyTorch calls convolution is a correlation.

    Raises ValueError for shapes that do not fit, options that are not known, and windows larger than the padded x.
    """
    return conv(2, *given, **options)


@arguments_of(conv_transpose)
def conv_transpose1d(*given: Any, **options: Any) -> Tensor:
    """`conv_transpose2d` over one axis: x (N, C, L) or (C, L), weight (C, O / groups, k)."""
    return conv_transpose(1, *given, **options)


@arguments_of(conv_transpose)
def conv_transpose2d(*given: Any, **options: Any) -> Tensor:
    """Each number of x spread over a window by the weight, and windows added where they overlap, plus bias.

    The gradient of `conv2d` in its x, as a layer: x is (N, C, H, W) or (C, H, W), weight (C, O / groups, kh, kw), bias
    (O,) or None, the result (N, O, H', W') or (O, H', W') with H' = (H - 1) stride - 2 padding + dilation (kh - 1) +
    1 + output_padding. `padding` is cut off at both ends, `output_padding` of it kept at the end: it says which of the
    lengths is meant that a convolution with that stride would make H.

    Raises ValueError for shapes that do not fit, or an output_padding that is neither below stride nor dilation.
    """
    return conv_transpose(2, *given, **options)


# What they read


_SPACE = {1: "k", 2: "kh, kw"}
_AXES = {1: ("(N, C, L)", "(C, L)"), 2: ("(N, C, H, W)", "(C, H, W)")}


def _check(name: str, axes: int, x: Any, weight: Any, groups: int) -> None:
    check_arrays(name, x=x, weight=weight)
    if x.ndim not in (axes + 1, axes + 2) or weight.ndim != axes + 2:
        with_batch, without = _AXES[axes]
        raise ShapeError(
            f"{name} got x of shape {x.shape} and weight of shape {weight.shape}: x must be "
            f"{with_batch} or {without}, and weight must have {axes + 2} axes."
        )
    if not isinstance(groups, int) or groups < 1:
        raise ValueError(f"{name} got groups={groups!r}: it must be a whole number, at least 1.")


def _check_bias(name: str, bias: Any, channels: int) -> None:
    check_parts(name, bias=bias)
    if bias is not None and bias.shape != (channels,):
        raise ShapeError(f"{name} got bias of shape {bias.shape}: it must be (out_channels,), here ({channels},).")


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


def reach(
    length: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...], size: tuple[int, ...]
) -> tuple[int, ...]:
    """How many places of each axis the windows have together that begin `stride` apart, one for each of a length."""
    return tuple((n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(length, stride, dilation, size, strict=True))


# How it is conv: over two axes of space, with an axis for the batch


def _two(numbers: tuple[Any, ...], alone: Any) -> Any:
    """For each of two axes of space; `alone` for the second where there is one only."""
    return (*numbers, alone)[:2]


def _over_two(stride: tuple[int, ...], padding: tuple[Pair, ...], dilation: tuple[int, ...]) -> dict[str, Any]:
    return {"stride": _two(stride, 1), "padding": _two(padding, (0, 0)), "dilation": _two(dilation, 1)}


def _batched(axes: int, x: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """`function` of x as a batch, and its result with an axis for the batch only if x has one."""
    if x.ndim == axes + 2:
        return function(x)
    out = function(ag.expand_dims(x, axis=0))
    return ag.reshape(out, out.shape[1:])
