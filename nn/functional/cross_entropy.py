"""Cross entropy of logits: softmax, logarithm and the choice of the label as one fat node.

One idea: together they have a gradient simpler than any of them alone, softmax(z) - onehot(y), and no overflow.
Read `labels.py` next.
"""

from __future__ import annotations

from math import inf
from typing import Any

from autograd import astype, exp, log, log_softmax, mean, sum, take_along_axis, where
from autograd.backend import is_array, module_of
from autograd.compile.cuda.eager import kernel_on_device
from autograd.compile.native import across
from autograd.compile.native.eager import SHORT_ROW, Loop
from autograd.fused import fused
from autograd.ops.cast import single
from autograd.tensor import Operand, bare

from .given import check_arrays, check_parts, number
from .labels import Labelled, Reduction, as_given, check_options, counted, labelled, of_each, starts, total
from .rows import ones

__all__ = ["cross_entropy"]


@fused
def cross_entropy(
    logits: Operand,
    target: Operand,
    weight: Operand = None,
    *,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    label_smoothing: float = 0.0,
) -> Operand:
    """-log softmax(logits)[target], averaged over the rows.

    logits are (N, C), (C,) or (N, C, d1, ...); target holds integer labels, of the same shape without the class axis,
    or probabilities of the logits' shape. `weight`, (C,), weighs the classes. Rows labelled `ignore_index` do not
    count, and the mean divides by the sum of the weights that count. `label_smoothing` moves that share of the target
    to all classes evenly (Szegedy et al. 2016, section 7). The conventions are PyTorch's: where no row counts the mean
    is NaN, 0 / 0, and its gradient 0.

    Raises ValueError for shapes that do not fit, labels outside 0 ... C-1, or options that are not known.
    """
    target = single(target)
    _check(logits, target, weight, ignore_index, reduction)
    label_smoothing = number("cross_entropy", "label_smoothing", label_smoothing, "it must be in [0, 1]", 0, 1)
    wide = single(logits)
    if wide is not logits:  # a sum over many rows would leave the range of float16
        options: dict[str, Any] = {"reduction": reduction, "label_smoothing": label_smoothing}
        loss = cross_entropy(wide, target, single(weight), ignore_index=ignore_index, **options)
        return astype(loss, logits.dtype)
    axis = 1 if logits.ndim > 1 else 0
    logp = log_softmax(logits, axis=axis)
    array = bare(target)
    if array.dtype.kind == "f":
        return _of_probabilities(logp, target, weight, axis, reduction, label_smoothing)
    xp = module_of(array)
    classes = logits.shape[axis]
    labels, counts, per_row = counted("cross_entropy", array, bare(weight), ignore_index, classes, logits.dtype)
    labels, counts, per_row = (xp.expand_dims(x, axis) for x in (labels, counts, per_row))
    # A choice, since infinity times 0 is NaN: the logits of a row that does not count may be -inf.
    losses = where(counts, -take_along_axis(logp, labels, axis=axis), 0.0) * per_row
    if label_smoothing:
        spread = logp if weight is None else logp * _along(bare(weight), axis, logits.ndim)
        even = where(counts, -sum(spread, axis=axis, keepdims=True), 0.0)
        losses = losses * (1 - label_smoothing) + even * (label_smoothing / logits.shape[axis])
    if reduction == "mean":
        return sum(losses) / xp.sum(per_row)
    return sum(losses) if reduction == "sum" else sum(losses, axis=axis)


def _of_probabilities(
    logp: Operand, target: Operand, weight: Operand, axis: int, reduction: Reduction, label_smoothing: float
) -> Operand:
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / logp.shape[axis]
    if weight is not None:
        target = target * _along(bare(weight), axis, logp.ndim)
    losses = -sum(logp * target, axis=axis)
    if reduction == "none":
        return losses
    return mean(losses) if reduction == "mean" else sum(losses)


def _along(weight: Any, axis: int, ndim: int) -> Any:
    """The class weights laid along the class axis."""
    return weight.reshape(*(-1 if i == axis else 1 for i in range(ndim)))


def _check(logits: Operand, target: Operand, weight: Operand, ignore_index: int, reduction: Reduction) -> None:
    check_arrays("cross_entropy", logits=logits)
    check_parts("cross_entropy", weight=weight)
    array = bare(target)
    if not is_array(array):
        raise TypeError(f"cross_entropy got a target of type {type(target).__name__}: pass an array or a Tensor.")
    if logits.ndim == 0:
        raise ValueError("cross_entropy got logits without axes: they must be (N, C), (C,) or (N, C, d1, ...).")
    labels = logits.shape[:1] + logits.shape[2:] if logits.ndim > 1 else ()
    if array.dtype.kind in "iu" and array.shape != labels:
        hint = "; drop its last axis" if array.shape == (*labels, 1) else ""
        hint = "; for one-hot ones write labels.argmax(axis=1)" if array.shape == logits.shape else hint
        raise ValueError(
            f"cross_entropy got logits of shape {logits.shape} and integer labels of shape {array.shape}: "
            f"the labels must have shape {labels}{hint}."
        )
    if array.dtype.kind == "f" and array.shape != logits.shape:
        raise ValueError(
            f"cross_entropy got logits of shape {logits.shape} and a target of {array.dtype} of shape {array.shape}: "
            "labels must be integers (astype('int64')); probabilities must have the shape of the logits."
        )
    if array.dtype.kind not in "iuf":
        way = "; write numpy.unique(words, return_inverse=True)[1]" if array.dtype.kind in "UO" else ""
        way = "; write labels.astype('int64')" if array.dtype.kind == "b" else way
        raise TypeError(
            f"cross_entropy got a target of {array.dtype}: labels must be integers, probabilities floats{way}."
        )
    if array.dtype.kind == "f" and ignore_index != -100:
        raise ValueError(
            f"cross_entropy got ignore_index={ignore_index} and probabilities: it names a label. Give labels, or a "
            "target of zeros where a row shall not count."
        )
    check_options("cross_entropy", logits.shape[1 if logits.ndim > 1 else 0], weight, ignore_index, reduction)


def _forward(
    xp: Any, logits: Any, target: Any, weight: Any, *, ignore_index: int, reduction: Reduction, label_smoothing: float
) -> Any:
    smooth = label_smoothing == 0 or (type(label_smoothing) is float and 0 < label_smoothing <= 1)
    read = labelled(xp, logits, target, weight, ignore_index) if smooth else None
    if read is None or (label_smoothing and read.counts is not None):
        return NotImplemented  # the definition does the rest, and refuses what is wrong
    made = _normalised(xp, read.rows, read.places, bool(label_smoothing), read.counts is not None)
    if made is None:
        return NotImplemented
    probabilities, totals, picked, means = made
    losses = totals - (picked * (1 - label_smoothing) + means * label_smoothing if label_smoothing else picked)
    found = total(losses, read, reduction, target.shape)
    if found is None:
        return NotImplemented
    loss, scale = found
    whole = loss.sum() if loss.ndim else loss
    # NaN is also what is left of an infinite largest logit less itself.
    return NotImplemented if whole != whole else (loss, (probabilities, read, scale))


def _normalised(xp: Any, logits: Any, places: Any, smooth: bool, weighed: bool) -> tuple[Any, Any, Any, Any] | None:
    """The softmax; and of each row, less its largest, the logarithm of the sum of powers, what stands at its place, and
    where it is `smooth` the mean.

    None for rows that are `weighed` where one is -inf throughout: it may be one that does not count.
    """
    found = across.normalized(logits) if logits.ndim == 3 else None
    largest, made = found or (_largest(logits), None)
    if weighed and largest.min() == -inf:
        return None
    if made is None and logits.ndim == 2 and logits.shape[1] >= SHORT_ROW and _softmax.takes(logits):
        made = _softmax(logits, largest[:, None])
    if made is not None:
        powers, totals, means = made
        of_rows = largest.shape
        return powers, totals.reshape(of_rows), logits.take(places) - largest, means.reshape(of_rows)
    shifted = xp.subtract(logits, largest[:, None], order="C")
    picked = shifted.take(places)
    means = _over_classes(shifted) / logits.shape[1] if smooth else None
    powers = xp.exp(shifted, out=shifted)
    totals = _over_classes(powers)
    powers /= totals[:, None]
    return powers, xp.log(totals, out=totals), picked, means


def _largest(logits: Any) -> Any:
    """The largest of each row of logits, (N, C) or (N, C, D)."""
    if logits.ndim == 3:
        return logits.max(axis=1)
    # NumPy takes them out of a flat array faster than by pairs of indices.
    return logits.take(starts(*logits.shape) + logits.argmax(axis=1))


def _softmax_of_rows(x: Any, largest: Any) -> tuple[Any, Any, Any]:
    """Of each row the softmax, the logarithm of its powers' sum, and the mean of what the powers are taken of."""
    shifted = x - largest
    powers = exp(shifted)
    total = sum(powers, axis=1, keepdims=True)
    return powers / total, log(total), mean(shifted, axis=1, keepdims=True)


_softmax = Loop(_softmax_of_rows, by_rows=True, least=1 << 14)


def _over_classes(x: Any) -> Any:
    """The sums of x, (N, C) or (N, C, D), over the classes."""
    return x.dot(ones(x.shape[1], x.dtype)) if x.ndim == 2 else x.sum(axis=1)


def _backward(
    xp: Any,
    g: Any,
    needs: tuple[bool, ...],
    inputs: tuple[Any, ...],
    residuals: tuple[Any, Labelled, float],
    *,
    label_smoothing: float,
    **options: Any,
) -> tuple[Any, None, None]:
    probabilities, read, scale = residuals
    scaled = of_each(g, read, scale)
    of_rows = scaled[:, None] if scaled.ndim else scaled
    gradient = probabilities * of_rows
    if label_smoothing:
        gradient -= of_rows * (label_smoothing / probabilities.shape[1])
        scaled = scaled * (1 - label_smoothing)
    gradient.reshape(-1)[read.places] -= scaled
    return as_given(gradient, inputs[0].shape), None, None


cross_entropy.kernel(_forward, _backward, kernel_on_device(cross_entropy.definition, _forward, _backward))
