"""Normalisations: rows or columns with mean 0 and variance 1, then scaled and shifted.

One idea: layer, batch and root-mean-square normalisation are one function over different axes, `standardize`, with one
kernel. Read `loss.py` next.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import autograd as ag
from autograd.backend import Array, Module, host, module_of
from autograd.fused import fused
from autograd.tensor import Operand, Tensor

from .rows import ones, sum_of_rows

__all__ = ["batch_norm", "layer_norm", "rms_norm", "standardize"]

Axes = tuple[int, ...]


@fused
def standardize(
    x: Operand, weight: Operand = None, bias: Operand = None, *, axes: Axes, eps: float, centre: bool = True
) -> Operand:
    """x less its mean over `axes` (unless `centre` is False), divided by the root of the mean square of that plus eps.

    Then times `weight`, plus `bias`, which broadcast to x.
    """
    if centre:
        x = x - ag.mean(x, axis=axes, keepdims=True)
    out = x / ag.sqrt(ag.mean(x * x, axis=axes, keepdims=True) + eps)
    out = out if weight is None else out * weight
    return out if bias is None else out + bias


def _forward(xp: Module, x: Array, weight: Any, bias: Any, *, axes: Axes, eps: float, centre: bool) -> Any:
    if x.dtype.kind != "f" or any(a is not None and a.dtype != x.dtype for a in (weight, bias)):
        return NotImplemented
    if xp is host and _in_rows(x, weight, bias, axes):
        return _forward_of_rows(xp, x, weight, bias, axes, eps, centre)
    plain = x - xp.mean(x, axis=axes, keepdims=True) if centre else xp.array(x)
    scale = xp.mean(plain * plain, axis=axes, keepdims=True)
    scale += eps
    scale = 1 / xp.sqrt(scale)
    plain *= scale
    out = xp.array(plain) if weight is None else plain * weight
    if bias is not None:
        out += bias
    return out, (plain, scale)


def _backward(
    xp: Module,
    g: Array,
    needs: tuple[bool, bool, bool],
    inputs: tuple[Array, Any, Any],
    residuals: tuple[Array, Array],
    *,
    axes: Axes,
    eps: float,
    centre: bool,
) -> tuple[Any, Any, Any]:
    _, weight, bias = inputs
    plain, scale = residuals
    if scale.ndim == 1 < plain.ndim:
        return _backward_of_rows(xp, g, needs, inputs, residuals, centre)
    of_weight = ag.sum_to(g * plain, weight.shape) if needs[1] else None
    of_bias = ag.sum_to(g, bias.shape) if needs[2] else None
    if not needs[0]:
        return None, of_weight, of_bias
    # What x moves in the mean and in the scale is taken off again: g loses its parts along 1 and along the result.
    of_plain = xp.array(g) if weight is None else g * weight
    along = plain * xp.mean(of_plain * plain, axis=axes, keepdims=True)
    if centre:
        along += xp.mean(of_plain, axis=axes, keepdims=True)
    of_plain -= along
    of_plain *= scale
    return of_plain, of_weight, of_bias


# Layer normalisation's case, the rows of one matrix: there every mean, and every sum over rows, is a product by BLAS.


def _in_rows(x: Array, weight: Any, bias: Any, axes: Axes) -> bool:
    """Whether the axes are the last ones, of an array in one piece, and the parameters of their shape."""
    first = x.ndim - len(axes)
    own = x.shape[first:]
    return (
        axes == tuple(range(first, x.ndim))
        and x.size > 0
        and x.dtype.itemsize >= 4
        and x.flags.c_contiguous
        and (weight is None or weight.shape == own)
        and (bias is None or bias.shape == own)
    )


def _forward_of_rows(xp: Module, x: Array, weight: Any, bias: Any, axes: Axes, eps: float, centre: bool) -> Any:
    length = math.prod(x.shape[i] for i in axes)
    rows = x.reshape(-1, length)
    plain = rows - (xp.dot(rows, ones(length, x.dtype)) * (1 / length))[:, None] if centre else rows.copy()
    scale = xp.einsum("ij,ij->i", plain, plain)
    scale *= 1 / length
    scale += eps
    xp.sqrt(scale, out=scale)
    xp.divide(1, scale, out=scale)
    plain *= scale[:, None]
    out = plain.copy() if weight is None else plain * weight.reshape(length)
    if bias is not None:
        out += bias.reshape(length)
    return out.reshape(x.shape), (plain, scale)


def _backward_of_rows(
    xp: Module,
    g: Array,
    needs: tuple[bool, bool, bool],
    inputs: tuple[Array, Any, Any],
    residuals: tuple[Array, Array],
    centre: bool,
) -> tuple[Any, Any, Any]:
    x, weight, bias = inputs
    plain, scale = residuals
    length = plain.shape[1]
    g = g.reshape(-1, length)
    along = g * plain
    of_weight = sum_of_rows(xp, along).reshape(weight.shape) if needs[1] else None
    of_bias = sum_of_rows(xp, g).reshape(bias.shape) if needs[2] else None
    if not needs[0]:
        return None, of_weight, of_bias
    # As in `_backward`: with these weights the products of a row are the means of what it gives to `plain`.
    mean = (ones(length, x.dtype) if weight is None else weight.reshape(length)) * (1 / length)
    shares = xp.dot(along, mean)[:, None]
    of_x = g.copy() if weight is None else g * weight.reshape(length)
    if centre:
        of_x -= xp.dot(g, mean)[:, None]
    of_x -= xp.multiply(plain, shares, out=along)
    of_x *= scale[:, None]
    return of_x.reshape(x.shape), of_weight, of_bias


standardize.kernel(_forward, _backward)


def layer_norm(
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """x with mean 0 and variance 1 over its last axes, of `normalized_shape`, times weight, plus bias.

    Ba, Kiros and Hinton 2016, equation 4. Raises ValueError when the last axes, weight or bias are of other shapes.
    """
    axes = _last_axes("layer_norm", x, normalized_shape, weight=weight, bias=bias)
    return standardize(x, weight, bias, axes=axes, eps=eps)


def rms_norm(
    x: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """x divided by the root of its mean square over its last axes, of `normalized_shape`, times weight.

    `eps` is by default the distance from 1 to the next number of x's dtype. Zhang and Sennrich 2019, equation 4. Raises
    ValueError when the last axes or weight are of other shapes.
    """
    axes = _last_axes("rms_norm", x, normalized_shape, weight=weight)
    if eps is None:
        eps = float(module_of(0.0).finfo(x.dtype).eps)
    return standardize(x, weight, axes=axes, eps=eps, centre=False)


def _last_axes(name: str, x: Tensor, shape: Sequence[int], **parameters: Tensor | None) -> Axes:
    shape = tuple(shape)
    if not shape or x.shape[-len(shape) :] != shape:
        raise ValueError(f"{name}({shape}) got x of shape {x.shape}: the last axes must be {shape}.")
    for kind, parameter in parameters.items():
        if parameter is not None and parameter.shape != shape:
            raise ValueError(f"{name}({shape}) got {kind} of shape {parameter.shape}: it must be {shape}.")
    return tuple(range(x.ndim - len(shape), x.ndim))


def batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """x, (N, C) or (N, C, ...), with mean 0 and variance 1 in each channel, times weight, plus bias.

    When training, mean and variance are the batch's, and the running ones (None for none) move towards them by the
    share `momentum`, the variance with divisor n - 1; otherwise the running ones are used. Ioffe and Szegedy 2015,
    algorithms 1 and 2. Raises ValueError for x without channels, for parameters that are not (C,), for a batch with
    one value in each channel, and for evaluation without running statistics.
    """
    if x.ndim < 2:
        raise ValueError(f"batch_norm got x of shape {x.shape}: it must be (N, C) or (N, C, ...).")
    channels = x.shape[1]
    given = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    for name, tensor in given.items():
        if tensor is not None and tensor.shape != (channels,):
            raise ValueError(
                f"batch_norm got {name} of shape {tensor.shape} and x of shape {x.shape}: it must be ({channels},)."
            )
    along = (channels,) + (1,) * (x.ndim - 2)
    scale = weight if weight is None or x.ndim == 2 else ag.reshape(weight, along)
    shift = bias if bias is None or x.ndim == 2 else ag.reshape(bias, along)
    if training:
        axes = (0, *range(2, x.ndim))
        count = x.size // channels if channels else 0
        if count <= 1:
            raise ValueError(
                f"batch_norm in training got x of shape {x.shape}: the variance of {count} value in each channel is no "
                "statistic; use a larger batch, or eval()."
            )
        _learn(x.data, running_mean, running_var, axes, count, momentum)
        return standardize(x, scale, shift, axes=axes, eps=eps)
    if running_mean is None or running_var is None:
        raise ValueError("batch_norm outside training needs running_mean and running_var: pass them, or training=True.")
    centred = x - ag.reshape(running_mean, along)
    spread = ag.rsqrt(ag.reshape(running_var, along) + eps)
    out = centred * (spread if scale is None else spread * scale)
    return out if shift is None else out + shift


def _learn(
    x: Array, running_mean: Tensor | None, running_var: Tensor | None, axes: Axes, count: int, momentum: float
) -> None:
    """Move the running statistics towards those of x.

    They get new arrays: to write into the old ones in the middle of a forward would make the engine look for what was
    written over.
    """
    if running_mean is not None:
        running_mean.data = _moved(running_mean.data, x.mean(axis=axes), momentum)
    if running_var is not None:
        running_var.data = _moved(running_var.data, x.var(axis=axes) * (count / (count - 1)), momentum)


def _moved(old: Array, new: Array, momentum: float) -> Array:
    return (old * (1 - momentum) + new * momentum).astype(old.dtype, copy=False)
