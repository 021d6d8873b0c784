"""Batch normalisation: every channel with mean 0 and variance 1 over the batch, then scaled and shifted.

One idea: with channels last a batch of images is a matrix with a column for each channel, so a batch of vectors and one
of images are the same work, and neither is copied when its memory lies so already. Images that lie with their channels
in axis 1 are a matrix too, with a row for each channel of each sample. Read `group_norm.py` next.
"""

# Note [A few rows at a time]
# What is computed of a matrix and used at once stays in the cache when only a few of its rows are worked on at a time.
# And one row of numbers is added to every row of a matrix, or multiplied with it, in half the time or less when rows
# are longer than 4096 numbers, half of NumPy's buffer; so the channels of several places make one row.

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

import autograd as ag
from autograd.backend import Array, Module, host, module_of
from autograd.batching import Batched
from autograd.compile.native.ordered import in_order
from autograd.errors import VmapError
from autograd.fused import fused
from autograd.ops.cast import in_single, single
from autograd.tensor import Operand, Tensor

from . import batch_norm_loops as loops
from .given import check_arrays, check_parts, number
from .norm import standardize
from .rows import repeated, sum_of_rows

__all__ = ["batch_norm"]

BLOCK = 1 << 16  # numbers
LONG, LONG_IN_C = 1 << 12, 255  # what a long row has more than
FEW = 128  # places


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
    check_arrays("batch_norm", x=x)
    if x.ndim < 2:
        raise ValueError(f"batch_norm got x of shape {x.shape}: it must be (N, C) or (N, C, ...).")
    channels = x.shape[1]
    given = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    check_parts("batch_norm", **given)
    for name, tensor in given.items():
        if tensor is not None and tensor.shape != (channels,):
            raise ValueError(
                f"batch_norm got {name} of shape {tensor.shape} and x of shape {x.shape}: it must be ({channels},)."
            )
    eps = number("batch_norm", "eps", eps)
    if not training:
        return _by_running(x, running_mean, running_var, weight, bias, eps)
    count = x.size // channels if channels else 0
    if count <= 1:
        raise ValueError(
            f"batch_norm in training got x of shape {x.shape}: the variance of {count} value in each channel is no "
            "statistic; use a larger batch, or eval()."
        )
    found: list[Array] = []
    out = in_single(_by_batch, x, weight, bias, eps=eps, found=found)
    if running_mean is not None or running_var is not None:
        if isinstance(x.data, Batched):
            raise VmapError(
                "batch_norm inside vmap would move its running statistics by each example: call eval(), or take "
                "track_running_stats=False, or GroupNorm, which has none."
            )
        mean, var = found or _moments(single(x.data))
        if running_mean is not None:
            running_mean.data = _moved(running_mean.data, mean, momentum)
        if running_var is not None:
            running_var.data = _moved(running_var.data, var * (count / (count - 1)), momentum)
    return out


def _moved(old: Array, new: Array, momentum: float) -> Array:
    """The old moved towards the new, as a new array.

    To write into the old one in the middle of a forward would make the engine look for what was written over.
    """
    return (old * (1 - momentum) + new * momentum).astype(old.dtype, copy=False)


def _by_running(
    x: Tensor, mean: Tensor | None, var: Tensor | None, weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    if mean is None or var is None:
        raise ValueError("batch_norm outside training needs running_mean and running_var: pass them, or training=True.")
    along = _along(x)
    spread = ag.rsqrt(var + eps)
    out = (x - ag.reshape(mean, along)) * ag.reshape(spread if weight is None else spread * weight, along)
    return out if bias is None else out + ag.reshape(bias, along)


def _along(x: Operand) -> tuple[int, ...]:
    """The shape in which one number for each channel broadcasts to x."""
    return (x.shape[1],) + (1,) * (x.ndim - 2)


def _moments(x: Array) -> tuple[Array, Array]:
    """Mean and variance of each channel, by the very steps of `standardize`: a compiled step then takes them once."""
    xp, axes = module_of(x), (0, *range(2, x.ndim))
    mean = xp.mean(x, axis=axes, keepdims=True)
    plain = x - mean
    return mean.reshape(-1), xp.mean(plain * plain, axis=axes, keepdims=True).reshape(-1)


@fused
def _by_batch(
    x: Operand, weight: Operand = None, bias: Operand = None, *, eps: float, found: list[Array] | None = None
) -> Operand:
    """x, (N, C, ...), with mean 0 and variance 1 in each channel, times weight, plus bias, both (C,).

    The kernel adds the mean and the variance to the list `found`; the definition leaves it empty.
    """
    along = _along(x)
    scale = weight if weight is None else ag.reshape(weight, along)
    shift = bias if bias is None else ag.reshape(bias, along)
    return standardize(x, scale, shift, axes=(0, *range(2, x.ndim)), eps=eps)


class _Columns:
    """An array (N, C, ...) as a matrix of long rows, each with all channels of several places, one after the other.

    See Note [A few rows at a time].
    """

    def __init__(self, xp: Module, x: Array) -> None:
        self.xp, self.channels = xp, x.shape[1]
        last = x.transpose(0, *range(2, x.ndim), 1)
        last = in_order(last) if xp is host else xp.ascontiguousarray(last)
        self.shape = last.shape
        self.in_c = xp is host and loops.takes(last)
        long = LONG_IN_C if self.in_c else LONG
        self.together = _together(x.size // self.channels, self.channels, long) if xp is host else 1
        self.rows = last.reshape(-1, self.together * self.channels)

    def row(self, numbers: Array) -> Array:
        """One number for each channel, as a long row."""
        return self.xp.tile(numbers, self.together) if self.together > 1 else numbers

    def like(self) -> Array:
        return self.xp.empty(self.rows.shape, self.rows.dtype)

    def back(self, rows: Array) -> Array:
        """Rows as an array (N, C, ...), a view."""
        return rows.reshape(self.shape).transpose(0, len(self.shape) - 1, *range(1, len(self.shape) - 1))

    def alike(self, g: Array) -> Array:
        """The rows of another array of this shape."""
        return _Columns(self.xp, g).rows.reshape(self.rows.shape)

    def moments(self, count: int) -> tuple[Array, Array]:
        """Mean and variance of each channel, by loops in C."""
        mean = self.folded(loops.total(self.rows)) / count
        return mean, self.folded(loops.sum_of_squares(self.rows, self.row(mean))) / count

    def sums(self, g_rows: Array, mean: Array) -> tuple[Array, Array]:
        """The sums of (x - mean) g and of g, by a loop in C."""
        products, sums = loops.sums_of_columns(self.rows, g_rows, mean)
        return self.folded(products), self.folded(sums)

    def blocks(self) -> Iterator[slice]:
        """Slices of the rows that together are the matrix."""
        count, length = self.rows.shape
        step = max(1, BLOCK // length) if self.xp is host else count
        return (slice(start, start + step) for start in range(0, count, step))

    def total(self, rows: Array, by: Array | None = None) -> Array:
        """The sums over rows, or over their products with others; one number for each channel."""
        if by is None:
            sums = sum_of_rows(self.xp, rows)
        else:
            sums = host.einsum("ij,ij->j", rows, by) if self.xp is host else (rows * by).sum(axis=0)
        return self.folded(sums)

    def folded(self, sums: Array) -> Array:
        """One number for each channel, of a long row."""
        return sum_of_rows(self.xp, sums.reshape(self.together, self.channels)) if self.together > 1 else sums


class _Rows:
    """An array (N, C, ...) in order as a matrix for loops in C, each row a channel of a sample, or a piece of one."""

    in_c = True

    def __init__(self, x: Array, length: int) -> None:
        self.shape, self.channels = x.shape, x.shape[1]
        self.rows = in_order(x).reshape(-1, length)
        self.each = (x.shape[0], self.channels, len(self.rows) // (x.shape[0] * self.channels))

    def row(self, numbers: Array) -> Array:
        """One number for each channel, as a number for each row."""
        return repeated(host, numbers[:, None], self.each).reshape(-1, 1)

    def back(self, rows: Array) -> Array:
        """Rows as an array (N, C, ...), a view."""
        return rows.reshape(self.shape)

    def alike(self, g: Array) -> Array:
        """The rows of another array of this shape."""
        return in_order(g).reshape(self.rows.shape)

    def folded(self, sums: Array) -> Array:
        """One number for each channel, of one for each row."""
        return sums.reshape(self.each).sum(axis=2).sum(axis=0)

    def moments(self, count: int) -> tuple[Array, Array]:
        """Mean and variance of each channel: of its rows, put together (Chan, Golub and LeVeque 1983, equation 1.5)."""
        means, squares = loops.moments(self.rows)
        mean = self.folded(means) / (len(self.rows) // self.channels)
        means -= self.row(mean)
        squares += means * means * self.rows.shape[1]
        return mean, self.folded(squares) / count

    def sums(self, g_rows: Array, mean: Array) -> tuple[Array, Array]:
        """The sums of (x - mean) g and of g."""
        products, sums = loops.sums_of_rows(self.rows, g_rows, mean)
        return self.folded(products), self.folded(sums)


@functools.lru_cache(maxsize=64)
def _together(places: int, channels: int, long: int) -> int:
    """The channels of how many places make a `long` row; one, where there are too few to make up for that."""
    if places <= FEW:
        return 1
    dividing = [n for n in range(1, max(1, BLOCK // channels) + 1) if places % n == 0]
    return next((n for n in dividing if n * channels > long), dividing[-1])


def _forward(xp: Module, x: Array, weight: Any, bias: Any, *, eps: float, found: list[Array] | None) -> Any:
    shapes = {a.shape for a in (weight, bias) if a is not None}
    if x.dtype.kind != "f" or x.ndim < 2 or not x.size or shapes - {x.shape[1:2]}:
        return NotImplemented
    if any(a is not None and a.dtype != x.dtype for a in (weight, bias)):
        return NotImplemented
    lies_in_order = xp is host and x.flags.c_contiguous and loops.takes(x)
    length = loops.length_of_rows(math.prod(x.shape[2:])) if lies_in_order else None
    table: Any = _Columns(xp, x) if length is None else _Rows(x, length)
    count = x.size // table.channels
    compute = _in_c if table.in_c else _in_blocks
    mean, var, scale, out = compute(table, weight, bias, eps, count)
    if found is not None:
        found += [mean, var]
    return table.back(out), (table, table.row(mean), scale)


Found = tuple[Array, Array, Array, Array]  # mean, variance, 1 / sqrt(variance + eps), and the result


def _in_c(table: _Columns | _Rows, weight: Any, bias: Any, eps: float, count: int) -> Found:
    mean, var = table.moments(count)
    scale = 1 / host.sqrt(var + eps)
    shift = host.zeros_like(mean) if bias is None else bias
    given = (mean, scale if weight is None else scale * weight, shift)
    return mean, var, scale, loops.standardized(table.rows, *map(table.row, given))


def _in_blocks(columns: _Columns, weight: Any, bias: Any, eps: float, count: int) -> Found:
    xp, rows = columns.xp, columns.rows
    mean: Any = sum(columns.total(rows[block]) for block in columns.blocks()) / count
    mean_row = columns.row(mean)
    out = columns.like()
    var: Any = 0
    for block in columns.blocks():
        plain = xp.subtract(rows[block], mean_row, out=out[block])
        var = var + columns.total(plain, plain)
    var = var / count
    scale = 1 / xp.sqrt(var + eps)
    scale_row = columns.row(scale if weight is None else scale * weight)
    bias_row = None if bias is None else columns.row(bias)
    for block in columns.blocks():
        part = out[block]
        part *= scale_row
        if bias_row is not None:
            part += bias_row
    return mean, var, scale, out


def _backward(
    xp: Module,
    g: Array,
    needs: tuple[bool, bool, bool],
    inputs: tuple[Array, Any, Any],
    residuals: tuple[Any, Array, Array],
    *,
    eps: float,
    found: list[Array] | None,
) -> tuple[Any, Any, Any]:
    table, mean_row, scale = residuals
    weight = inputs[1]
    g_rows = table.alike(g)
    if table.in_c:
        plain, (of_weight, of_bias) = None, table.sums(g_rows, mean_row)
    else:
        plain, of_weight, of_bias = _sums_in_blocks(table, g_rows, mean_row)
    of_weight = of_weight * scale
    if not needs[0]:
        return None, of_weight if needs[1] else None, of_bias if needs[2] else None
    # What x moves in mean and scale is taken off again: g loses its parts along 1 and along the result.
    count = g_rows.size // table.channels
    along, part, factor = of_weight * scale / -count, of_bias / count, scale if weight is None else scale * weight
    if plain is None:
        of_x = loops.slopes(table.rows, g_rows, mean_row, *map(table.row, (along * factor, part * factor, factor)))
    else:
        of_x = _slopes_in_blocks(table, plain, g_rows, *map(table.row, (along, part, factor)))
    return table.back(of_x), of_weight if needs[1] else None, of_bias if needs[2] else None


def _sums_in_blocks(columns: _Columns, g_rows: Array, mean_row: Array) -> tuple[Array, Any, Any]:
    """The rows less their mean, the sums of their products with those of g, and of those of g."""
    less_mean, products, sums = columns.like(), 0, 0
    for block in columns.blocks():
        plain = columns.xp.subtract(columns.rows[block], mean_row, out=less_mean[block])
        products = products + columns.total(plain, g_rows[block])
        sums = sums + columns.total(g_rows[block])
    return less_mean, products, sums


def _slopes_in_blocks(columns: _Columns, plain: Array, g_rows: Array, along: Array, part: Array, scale: Array) -> Array:
    """((x - mean) along + g - part) scale, in the place of x - mean."""
    for block in columns.blocks():
        moving = plain[block]
        moving *= along
        moving += g_rows[block]
        moving -= part
        moving *= scale
    return plain


_by_batch.kernel(_forward, _backward)
