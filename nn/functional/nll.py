"""Negative log likelihood: the choice of the label, the last step of cross entropy, as one fat node.

One idea: one number of each row is read, so its gradient is zeros with one number written into each.
Read `loss.py` next.
"""

from __future__ import annotations

from typing import Any

from autograd import astype, squeeze, sum, take_along_axis, where
from autograd.backend import Array, Module, module_of
from autograd.compile.cuda.eager import kernel_on_device
from autograd.fused import fused
from autograd.ops.cast import floated, single
from autograd.tensor import Operand, bare

from .given import check_arrays, check_parts
from .labels import Labelled, Reduction, as_given, check_options, counted, labelled, of_each, total

__all__ = ["nll_loss"]


@fused
def nll_loss(
    input: Operand,
    target: Operand,
    weight: Operand = None,
    *,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
) -> Operand:
    """-input[target], where input holds log probabilities: the last step of `cross_entropy`.

    input is (N, C), (C,) or (N, C, d1, ...); target holds integer labels of that shape without C. `weight`, (C,),
    weighs the classes; labels equal to `ignore_index` do not count; the mean divides by the sum of the weights that
    count, and is NaN, with a gradient of 0, where none does. Raises TypeError for labels that are no integers,
    ValueError for shapes that do not fit or labels outside 0 ... C-1 (on a GPU, where asking would wait for the device,
    they make the loss NaN).
    """
    _check(input, target, weight, ignore_index, reduction)
    input = floated(input)
    wide = single(input)
    if wide is not input:
        loss = nll_loss(wide, target, single(weight), ignore_index=ignore_index, reduction=reduction)
        return astype(loss, input.dtype)
    axis = 1 if input.ndim > 1 else 0
    array = bare(target)
    classes = input.shape[axis]
    labels, counts, per_row = counted("nll_loss", array, bare(weight), ignore_index, classes, input.dtype)
    xp = module_of(array)
    picked = squeeze(take_along_axis(input, xp.expand_dims(labels, axis), axis=axis), axis=axis)
    losses = where(counts, -picked, 0.0) * per_row  # a choice, since infinity times 0 is NaN
    if reduction == "mean":
        return sum(losses) / xp.sum(per_row)
    return sum(losses) if reduction == "sum" else losses


def _check(input: Operand, target: Operand, weight: Operand, ignore_index: int, reduction: Reduction) -> None:
    check_arrays("nll_loss", input=input, target=target)
    check_parts("nll_loss", weight=weight)
    labels = bare(target)
    module_of(labels)  # which refuses what is none
    if input.ndim == 0:
        raise ValueError("nll_loss got input without axes: it must be (N, C), (C,) or (N, C, d1, ...).")
    wanted = input.shape[:1] + input.shape[2:] if input.ndim > 1 else ()
    if labels.dtype.kind not in "iu":
        what = "; a one-hot target becomes labels by argmax(axis=1)" if labels.shape == input.shape else ""
        raise TypeError(f"nll_loss got a target of {labels.dtype}: labels must be integers, astype('int64'){what}.")
    if labels.shape != wanted:
        what = "a one-hot target becomes labels by argmax(axis=1)" if labels.shape == input.shape else "reshape them"
        raise ValueError(
            f"nll_loss got input of shape {input.shape} and labels of shape {labels.shape}: they must have shape "
            f"{wanted}; {what}."
        )
    check_options("nll_loss", input.shape[1 if input.ndim > 1 else 0], weight, ignore_index, reduction)


def _forward(xp: Module, input: Any, target: Any, weight: Any, *, ignore_index: int, reduction: Reduction) -> Any:
    read = labelled(xp, input, target, weight, ignore_index)
    found = None if read is None else total(-read.rows.take(read.places), read, reduction, target.shape)
    return NotImplemented if found is None else (found[0], (read, found[1]))


def _backward(
    xp: Module,
    g: Array,
    needs: tuple[bool, ...],
    inputs: tuple[Any, ...],
    residuals: tuple[Labelled, float],
    **options: Any,
) -> tuple[Array, None, None]:
    read, scale = residuals
    gradient = xp.zeros(read.rows.shape, g.dtype)
    gradient.reshape(-1)[read.places] = -of_each(g, read, scale)
    return as_given(gradient, inputs[0].shape), None, None


nll_loss.kernel(_forward, _backward, kernel_on_device(nll_loss.definition, _forward, _backward))
