"""Group normalisation: every group of channels of every sample with mean 0 and variance 1, then scaled and shifted.

One idea: what is large is a matrix with a row for each channel of each sample, as in batch normalisation, and its loops
in C serve here too; a group is some rows that lie together, so its mean and variance follow from those of its rows.
Where channels are last a kernel reads them so (`autograd/compile/native/groups_last.py`). And in the definition all
that is large keeps the shape of x, so that a compiled step reads images wherever channels lie.
Read `batch_norm_loops.py` next.
"""

from __future__ import annotations

import math
from typing import Any

import autograd as ag
from autograd.backend import Array, Module, host
from autograd.compile.cuda.eager import kernel_on_device
from autograd.compile.native import groups_last
from autograd.compile.native.ordered import in_order
from autograd.fused import fused
from autograd.ops.cast import in_single
from autograd.tensor import Operand, Tensor

from . import batch_norm_loops as loops
from .axes import is_whole
from .given import check_arrays, check_parts, number
from .rows import repeated

__all__ = ["group_norm"]


def group_norm(
    x: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """x, (N, C, ...), with mean 0 and variance 1 in each of `num_groups` groups of channels, times weight, plus bias.

    Each case is normalised by itself; weight and bias are (C,). Wu and He 2018, equations 1 to 3. Raises ValueError for
    x without channels, for channels that do not divide into the groups, and for parameters that are not (C,).
    """
    check_arrays("group_norm", x=x)
    check_parts("group_norm", weight=weight, bias=bias)
    if x.ndim < 2 or not is_whole(num_groups, 1) or x.shape[1] % num_groups:
        raise ValueError(
            f"group_norm got x of shape {x.shape} and num_groups={num_groups!r}: x must be (N, C, ...), with channels "
            "that divide into a whole number of groups."
        )
    channels = x.shape[1]
    for kind, parameter in {"weight": weight, "bias": bias}.items():
        if parameter is not None and parameter.shape != (channels,):
            raise ValueError(
                f"group_norm got {kind} of shape {parameter.shape} and x of shape {x.shape}: it must be ({channels},)."
            )
    eps = number("group_norm", "eps", eps)
    return in_single(_by_groups, x, weight, bias, groups=num_groups, eps=eps)


@fused
def _by_groups(x: Operand, weight: Operand = None, bias: Operand = None, *, groups: int, eps: float) -> Operand:
    """x, (N, C, ...), with mean 0 and variance 1 in each of so many groups, times weight, plus bias, both (C,)."""
    batch, channels = x.shape[:2]
    each, along = (batch, groups, channels // groups), (batch, channels) + (1,) * (x.ndim - 2)
    space = tuple(range(2, x.ndim))

    def mean_of_groups(x: Operand) -> Operand:
        """One number for each channel: as all have as many places, the mean of a group is that of its means."""
        means = ag.reshape(ag.mean(x, axis=space) if space else x, each)
        return ag.broadcast_to(ag.mean(means, axis=2, keepdims=True), each)

    plain = x - ag.reshape(mean_of_groups(x), along)
    scale = ag.rsqrt(mean_of_groups(plain * plain) + eps)
    scale = scale if weight is None else scale * ag.reshape(weight, each[1:])
    out = plain * ag.reshape(scale, along)
    return out if bias is None else out + ag.reshape(bias, along[1:])


def _forward(xp: Module, x: Array, weight: Any, bias: Any, *, groups: int, eps: float) -> Any:
    if x.dtype.kind != "f" or x.dtype.itemsize < 4 or not x.size:
        return NotImplemented
    if any(p is not None and p.dtype != x.dtype for p in (weight, bias)):
        return NotImplemented
    if xp is host and groups_last.takes(x):
        out, *kept = groups_last.normalized(host.moveaxis(x, 1, -1), weight, bias, groups, eps)
        return host.moveaxis(out, -1, 1), kept
    batch, channels, *space = x.shape
    places = math.prod(space)
    length = loops.length_of_rows(places) or places
    each = batch, groups, channels // groups, places // length
    rows = _ordered(xp, x).reshape(-1, length)
    means, squares = (numbers.reshape(each) for numbers in loops.moments(rows))
    mean = means.mean(axis=(2, 3), keepdims=True)
    # Of rows put together (Chan, Golub and LeVeque 1983, equation 1.5).
    squares = squares + (means - mean) ** 2 * length
    scale = 1 / xp.sqrt(squares.mean(axis=(2, 3), keepdims=True) / length + eps)
    shift = xp.zeros((), x.dtype) if bias is None else _by_channel(bias, groups)
    mean_row = _row(xp, mean, each)
    factor = scale if weight is None else scale * _by_channel(weight, groups)
    out = loops.standardized(rows, mean_row, _row(xp, factor, each), _row(xp, shift, each))
    return out.reshape(x.shape), (rows, mean_row, scale, each)


def _backward(
    xp: Module,
    g: Array,
    needs: tuple[bool, bool, bool],
    inputs: tuple[Array, Any, Any],
    residuals: Any,
    *,
    groups: int,
    eps: float,
) -> tuple[Any, Any, Any]:
    x, weight, _ = inputs
    if isinstance(residuals, list):  # of channels that are last
        x, g = host.moveaxis(x, 1, -1), in_order(host.moveaxis(g, 1, -1))
        of_x, of_weight, of_bias = groups_last.slopes(x, g.astype(x.dtype, copy=False), weight, *residuals)
        return host.moveaxis(of_x, -1, 1), of_weight if needs[1] else None, of_bias if needs[2] else None
    rows, mean_row, scale, each = residuals
    g_rows = _ordered(xp, g).reshape(rows.shape)
    products, sums = (
        numbers.reshape(each).sum(axis=3, keepdims=True) for numbers in loops.sums_of_rows(rows, g_rows, mean_row)
    )
    of_weight = (products * scale).sum(axis=0).reshape(-1) if needs[1] else None
    of_bias = sums.sum(axis=0).reshape(-1) if needs[2] else None
    if not needs[0]:
        return None, of_weight, of_bias
    # What x moves in mean and scale is taken off again: g loses its parts along 1 and along the result.
    count = each[2] * each[3] * rows.shape[1]
    factor = scale if weight is None else scale * _by_channel(weight, groups)
    along = (products * factor).sum(axis=2, keepdims=True) * scale * scale / -count
    part = (sums * factor).sum(axis=2, keepdims=True) / count
    of_x = loops.slopes(rows, g_rows, mean_row, *(_row(xp, numbers, each) for numbers in (along, part, factor)))
    return of_x.reshape(g.shape), of_weight, of_bias


def _ordered(xp: Module, x: Array) -> Array:
    return in_order(x) if xp is host else xp.ascontiguousarray(x)


def _by_channel(parameter: Array, groups: int) -> Array:
    """One number for each channel, (C,), beside those for each sample, group, channel of it and piece of that."""
    return parameter.reshape(1, groups, -1, 1)


def _row(xp: Module, numbers: Array, each: tuple[int, ...]) -> Array:
    """One number for each row, (R, 1)."""
    return repeated(xp, numbers, each).reshape(-1, 1)


_by_groups.kernel(_forward, _backward, kernel_on_device(_by_groups.definition, _forward, _backward))
