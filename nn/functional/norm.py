"""Normalisations: rows or columns with mean 0 and variance 1, then scaled and shifted.

One idea: layer, batch and root-mean-square normalisation are one function over different axes, `standardize`, with one
kernel. Read `batch_norm.py` next.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import autograd as ag
from autograd.backend import Array, Module, host
from autograd.compile.cuda.eager import kernel_on_device
from autograd.compile.native.eager import Loop
from autograd.fused import fused
from autograd.ops.cast import floated, in_single
from autograd.tensor import Operand, Tensor

from .axes import numbers
from .given import check_arrays, check_parts, number
from .rows import LONGEST, ones, sum_of_rows

__all__ = ["layer_norm", "rms_norm", "standardize"]

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
    out = x * ag.rsqrt(ag.mean(x * x, axis=axes, keepdims=True) + eps)
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
    residuals: _Row | tuple[Array, Array],
    *,
    axes: Axes,
    eps: float,
    centre: bool,
) -> tuple[Any, Any, Any]:
    _, weight, bias = inputs
    if isinstance(residuals, _Row) or residuals[1].ndim == 1 < residuals[0].ndim:
        return _backward_of_rows(xp, g, needs, inputs, residuals, centre)
    plain, scale = residuals
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
    """Whether the axes are the last ones, not too long, of an array in one piece, and the parameters of their shape."""
    first = x.ndim - len(axes)
    own = x.shape[first:]
    return (
        axes == tuple(range(first, x.ndim))
        and x.size > 0
        and math.prod(own) <= LONGEST
        and x.dtype.itemsize >= 4
        and x.flags.c_contiguous
        and (weight is None or weight.shape == own)
        and (bias is None or bias.shape == own)
    )


class _Row(NamedTuple):
    """What a loop keeps of the rows: their means (None where none was taken off), and by what each was multiplied."""

    mean: Any
    scale: Array

    def plain(self, rows: Array) -> Array:
        """The rows before weight and bias."""
        return (rows if self.mean is None else rows - self.mean) * self.scale


def _rows(x: Tensor, *given: Tensor, eps: float, centre: bool, weighted: bool, biased: bool) -> tuple[Tensor, ...]:
    """The result, and the scale and the mean of each row: for a loop in C."""
    mean = ag.mean(x, axis=1, keepdims=True) if centre else None
    plain = x if mean is None else x - mean
    scale = ag.rsqrt(ag.mean(plain * plain, axis=1, keepdims=True) + eps)
    out = plain * scale
    out = out * given[0] if weighted else out
    out = out + given[-1] if biased else out
    return (out, scale) if mean is None else (out, scale, mean)


def _slopes(g: Tensor, x: Tensor, scale: Tensor, *given: Tensor, centre: bool, weighted: bool) -> tuple[Tensor, ...]:
    """The gradients of x, weight and bias; `_backward` says why."""
    plain = (x - given[0] if centre else x) * scale
    of_plain = g * given[-1] if weighted else g
    along = plain * ag.mean(of_plain * plain, axis=1, keepdims=True)
    if centre:
        along = along + ag.mean(of_plain, axis=1, keepdims=True)
    return (of_plain - along) * scale, ag.sum(g * plain, axis=0), ag.sum(g, axis=0)


_rows_loop, _slopes_loop = Loop(_rows, by_rows=True), Loop(_slopes, by_rows=True)


def _forward_of_rows(xp: Module, x: Array, weight: Any, bias: Any, axes: Axes, eps: float, centre: bool) -> Any:
    length = math.prod(x.shape[i] for i in axes)
    rows = x.reshape(-1, length)
    given = [p.reshape(length) for p in (weight, bias) if p is not None]
    found = _rows_loop(rows, *given, eps=eps, centre=centre, weighted=weight is not None, biased=bias is not None)
    if found is not None:
        out, scale, *mean = found
        return out.reshape(x.shape), _Row(mean[0] if centre else None, scale)
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
    residuals: _Row | tuple[Array, Array],
    centre: bool,
) -> tuple[Any, Any, Any]:
    x, weight, bias = inputs
    if isinstance(residuals, _Row):
        length = x.size // residuals.scale.size
        rows = x.reshape(-1, length)
        given = [p.reshape(-1, length) for p in (g, x)] + [residuals.scale]
        given += [residuals.mean] if centre else []
        given += [] if weight is None else [weight.reshape(length)]
        found = _slopes_loop(*given, centre=centre, weighted=weight is not None) if needs[0] else None
        if found is not None:
            of_x, of_weight, of_bias = found
            return (
                of_x.reshape(x.shape),
                of_weight.reshape(weight.shape) if needs[1] else None,
                of_bias.reshape(bias.shape) if needs[2] else None,
            )
        plain, scale = residuals.plain(rows), residuals.scale[:, 0]
    else:
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


standardize.kernel(_forward, _backward, kernel_on_device(standardize.definition, _forward, _backward))


def layer_norm(
    x: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """x with mean 0 and variance 1 over its last axes, of `normalized_shape`, times weight, plus bias.

    Ba, Kiros and Hinton 2016, equation 4. Raises ValueError when the last axes, weight or bias are of other shapes.
    """
    axes = _last_axes("layer_norm", x, normalized_shape, weight=weight, bias=bias)
    eps = number("layer_norm", "eps", eps)
    return in_single(standardize, x, weight, bias, axes=axes, eps=eps)


def rms_norm(
    x: Tensor, normalized_shape: int | Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """x divided by the root of its mean square over its last axes, of `normalized_shape`, times weight.

    `eps` is by default the distance from 1 to the next number of x's dtype. Zhang and Sennrich 2019, equation 4. Raises
    ValueError when the last axes or weight are of other shapes.
    """
    axes = _last_axes("rms_norm", x, normalized_shape, weight=weight)
    x = floated(x)
    eps = float(ag.finfo(x.dtype).eps) if eps is None else number("rms_norm", "eps", eps)
    return in_single(standardize, x, weight, axes=axes, eps=eps, centre=False)


def _last_axes(name: str, x: Tensor, shape: int | Sequence[int], **parameters: Tensor | None) -> Axes:
    shape = numbers(name, "normalized_shape", shape)
    check_arrays(name, x=x)
    check_parts(name, **parameters)
    if not shape or x.shape[-len(shape) :] != shape:
        raise ValueError(f"{name}({shape}) got x of shape {x.shape}: the last axes must be {shape}.")
    for kind, parameter in parameters.items():
        if parameter is not None and parameter.shape != shape:
            raise ValueError(f"{name}({shape}) got {kind} of shape {parameter.shape}: it must be {shape}.")
    return tuple(range(x.ndim - len(shape), x.ndim))
