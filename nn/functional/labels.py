"""Labels: what losses of classes share, which pick one number of each row, at its label.

One idea: a label that does not count is told apart once, and a label out of range too; all the rest works on rows, the
places of their labels in the flat array, and how much each row counts. Read `nll.py` next.
"""

from __future__ import annotations

import functools
from math import inf
from typing import Any, Literal, NamedTuple

from autograd import take, where
from autograd.backend import Array, Module, host, module_of
from autograd.batching import every_example
from autograd.modes import is_tracing

from .axes import is_whole
from .rows import ones

__all__ = ["Labelled", "Reduction", "as_given", "check_options", "counted", "labelled", "of_each", "starts", "total"]

Reduction = Literal["mean", "sum", "none"]

# The kinds of labels that kernels take, each with the unsigned kind of its size.
_KINDS = ("i1", "i2", "i4", "i8", "u1", "u2", "u4")
_UNSIGNED = {host.dtype(kind): host.dtype(f"u{kind[1]}") for kind in _KINDS}


# For definitions


def check_options(name: str, classes: int, weight: Any, ignore_index: Any, reduction: Any) -> None:
    """Raise ValueError for weights, (C,), of another shape and a reduction that is none, TypeError for no label."""
    if weight is not None and tuple(weight.shape) != (classes,):
        raise ValueError(f"{name} got weight of shape {weight.shape}: it must be one for each class, {classes}.")
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f'{name} got reduction={reduction!r}: it must be "mean", "sum" or "none".')
    if not is_whole(ignore_index, -inf):
        raise TypeError(f"{name} got ignore_index={ignore_index!r}: it must be a label, a whole number.")


def counted(
    name: str, target: Array, weight: Any, ignore_index: int, classes: int, dtype: Any
) -> tuple[Array, Array, Array]:
    """The labels, 0 where they do not count; whether they do; and how much: their class's weight, or 1, or 0.

    Labels that are no classes raise ValueError on the host; on a GPU, where asking would wait for the device, they
    count as NaN. A trace leaves a check with what it traces.
    """
    xp = module_of(target)
    counts = target != ignore_index
    labels = xp.where(counts, target, 0)
    trace = is_tracing()
    if trace is not None:
        trace.check("check_labels", functools.partial(_refuse_wrong, name), target, ignore_index, classes)
    every = every_example(labels)
    on_host = module_of(every) is host
    if trace is None and on_host:
        _refuse_others(name, every, classes)
    per_row = xp.ones(labels.shape, dtype) if weight is None else take(weight, labels, axis=0)
    per_row = per_row * counts
    if not on_host and (trace is None or trace.device != "cpu"):
        per_row = where((labels >= 0) & (labels < classes), per_row, float("nan"))
    return labels, counts, per_row


def _refuse_others(name: str, labels: Array, classes: int) -> None:
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        raise ValueError(
            f"{name} got labels from {labels.min()} to {labels.max()}, and there are {classes} classes, "
            f"0 to {classes - 1}."
        )


def _refuse_wrong(name: str, target: Array, ignore_index: int, classes: int) -> None:
    """Raise ValueError for labels that are no classes, but for those to be ignored."""
    _refuse_others(name, host.where(target != ignore_index, target, 0), classes)


# For kernels on the host


class Labelled(NamedTuple):
    """Numbers of classes as rows, (N, C) or (N, C, D), and their labels, (N,) or (N, D).

    `places` are those of the labels in the flat rows; `counts` is how much each counts, or None where all count 1;
    `ignored` says which do not count at all, or is None.
    """

    rows: Array
    places: Array
    counts: Array | None
    ignored: Array | None


def labelled(xp: Module, x: Any, target: Any, weight: Any, ignore_index: Any) -> Labelled | None:
    """x, (N, C) or (N, C, d1, ...), and its labels; None for what only a definition does, or refuses."""
    unsigned = _UNSIGNED.get(getattr(target, "dtype", None)) if xp is host else None  # a number has no dtype
    if unsigned is None or type(ignore_index) is not int or x is None or x.ndim < 2:
        return None
    # Of float16 a definition makes float32 first, whose sums over many rows stay finite.
    if target.shape != x.shape[:1] + x.shape[2:] or not x.size or x.dtype.char not in "fd":
        return None
    if x.ndim > 2:
        x, target = x.reshape(*x.shape[:2], -1), target.reshape(len(target), -1)
        if not x.flags.c_contiguous and x.transpose(0, 2, 1).flags.c_contiguous:  # the classes lie last
            x, target = x.transpose(0, 2, 1).reshape(-1, x.shape[1]), target.reshape(-1)
    counts = ignored = None
    # As unsigned numbers negative labels are huge, so one look finds every label out of range. (NumPy finds where the
    # largest stands, and takes it from there, in a third of the time of maximum.reduce, and in half for short rows.)
    labels = target.view(unsigned)
    if ignore_index >= 0 or weight is not None or labels.item(labels.argmax()) >= x.shape[1]:
        ignored = target == ignore_index
        target = xp.where(ignored, 0, target)
        counts = _counts(target, ignored, weight, x)
        if counts is None:
            return None
    return Labelled(x, _places(xp, x, target), counts, ignored)


def _counts(labels: Array, ignored: Array, weight: Any, x: Array) -> Any:
    """How much each row counts; None for what only a definition does, or refuses."""
    classes, dtype = x.shape[1], x.dtype
    if labels.min() < 0 or labels.max() >= classes:
        return None
    if weight is not None and (getattr(weight, "dtype", None) != dtype or weight.shape != (classes,)):
        return None
    counts = (~ignored).astype(dtype)
    if weight is not None:
        counts *= weight.take(labels)
    return counts if counts.sum() else None


@functools.lru_cache(maxsize=8)
def starts(rows: int, columns: int) -> Any:
    """Where each row begins in a flat array, on the host, made once for each shape; only read."""
    return host.arange(0, rows * columns, columns)


def _places(xp: Module, x: Array, target: Array) -> Array:
    if x.ndim == 2:
        return starts(*x.shape) + target
    rows, classes, positions = x.shape
    first = starts(rows, classes * positions)[:, None]
    return first + target.astype("int64", copy=False) * positions + xp.arange(positions)


def total(losses: Array, read: Labelled, reduction: str, shape: tuple[int, ...]) -> tuple[Any, float] | None:
    """The losses of all rows, which are changed, reduced to one number, or of that shape; and what scaled them.

    None for a reduction that is not known.
    """
    counts = read.counts
    if read.ignored is not None:
        losses[read.ignored] = 0  # infinity times 0 is NaN
    if reduction == "none":
        return (losses if counts is None else losses * counts).reshape(shape), 1.0
    if reduction not in ("mean", "sum"):
        return None
    weights = ones(losses.size, losses.dtype) if counts is None else counts.reshape(-1)
    scale = 1.0 if reduction == "sum" else 1.0 / (losses.size if counts is None else counts.sum())
    return losses.reshape(-1).dot(weights) * scale, scale


def of_each(g: Array, read: Labelled, scale: float) -> Any:
    """The gradient of each row's loss, of `total`'s result; one number where all have the same."""
    # Of one number [()] makes a scalar, which NumPy multiplies sooner than an array without axes.
    g = g.reshape(read.places.shape) if g.ndim else g[()]
    return g * scale if read.counts is None else read.counts * (g * scale)


def as_given(gradient: Array, shape: tuple[int, ...]) -> Array:
    """The gradient of the rows in the shape given; that of images is (N, C, D), or (N D, C) with the classes last."""
    if gradient.ndim == 2 and len(shape) > 2:
        gradient = gradient.reshape(shape[0], -1, shape[1]).transpose(0, 2, 1)
    return gradient.reshape(shape)
