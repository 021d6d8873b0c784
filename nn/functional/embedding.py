"""Embedding and one-hot: numbers that stand for words, digits or classes, as vectors.

One idea: an embedding picks rows of a table, so its gradient is g added up at the rows that were picked; `take` does
both. Read `dropout.py` next.
"""

from __future__ import annotations

import functools

import autograd as ag
from autograd.backend import Array, Module, host, module_of
from autograd.batching import every_example
from autograd.modes import is_tracing
from autograd.primitive import elementwise
from autograd.tensor import Operand, Tensor, bare

from .axes import is_whole
from .given import check_arrays

__all__ = ["embedding", "one_hot"]


@elementwise
def gated(xp: Module, x: Operand, gate: Operand) -> Array:
    """x; its gradient goes through where `gate` holds, and not elsewhere."""
    return xp.positive(xp.broadcast_arrays(x, gate)[0])


gated.vjp(x=lambda g, gate: g * gate)


def embedding(indices: Operand, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """Rows of `weight`, (number, features), by integer indices of any shape: the result is (*indices.shape, features).

    The row `padding_idx` gets no gradient. Raises TypeError for indices that are no integers, ValueError for a table
    that is no matrix, IndexError for an index outside 0 ... number - 1 (on a GPU its row is NaN, since asking would
    wait for the device).
    """
    array = _indices("embedding", indices)
    check_arrays("embedding", weight=weight)
    if weight.ndim != 2:
        raise ValueError(f"embedding got weight of shape {weight.shape}: it must be (number, features).")
    number = weight.shape[0]
    if padding_idx is not None and not (is_whole(padding_idx, -number) and padding_idx < number):
        raise ValueError(f"embedding got padding_idx={padding_idx!r}, and its table has {number} rows.")
    _check_range("embedding", array, number)
    rows = ag.take(weight, array, axis=0)
    if padding_idx is not None:
        rows = gated(rows, (array != padding_idx % number)[..., None])
    return rows


def one_hot(x: Operand, num_classes: int = -1) -> Tensor:
    """1 at the place of each label and 0 elsewhere, int64: labels of any shape give (*x.shape, num_classes).

    By default there are as many classes as the largest label needs, which waits for a GPU. Raises TypeError for labels
    that are no integers, IndexError for labels outside (on a GPU they give a row of zeros).
    """
    array = _indices("one_hot", x)
    xp = module_of(array)
    if not is_whole(num_classes, -1):
        raise ValueError(f"one_hot got num_classes={num_classes!r}: it must be a whole number, or -1 to be found.")
    if num_classes == -1:
        num_classes = int(array.max()) + 1 if array.size else 0
    _check_range("one_hot", array, num_classes)
    if xp is host:
        places = xp.zeros(array.size * num_classes, "int64")
        places[xp.arange(0, places.size, num_classes or 1) + array.ravel().astype("int64", copy=False)] = 1
        return Tensor(places.reshape(*array.shape, num_classes))
    return Tensor(array[..., None] == xp.arange(num_classes)).astype("int64")


def _indices(name: str, x: Operand) -> Array:
    array = bare(x)
    if isinstance(array, (int, float)):
        raise TypeError(f"{name} got the number {array}: indices are an array or a Tensor, Tensor([{array}]).")
    module_of(array)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} got indices of {array.dtype}: they must be integers; use astype('int64').")
    return array


def _check_range(name: str, array: Array, number: int) -> None:
    trace, array = is_tracing(), every_example(array)
    if trace is not None:
        trace.check("check_range", functools.partial(_refuse_outside, name, number), array)
    elif module_of(array) is host:
        _refuse_outside(name, number, array)


def _refuse_outside(name: str, number: int, array: Array) -> None:
    if not array.size:
        return
    least, largest = array.min(), array.max()
    if least < 0 or largest >= number:
        raise IndexError(f"{name} got indices from {least} to {largest}, and there are {number}, 0 to {number - 1}.")
