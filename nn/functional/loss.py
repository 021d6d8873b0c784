"""Losses: how far a prediction is from its target, one number for each and their mean or sum.

One idea: a loss never broadcasts. A prediction (N, 1) against a target (N,) would silently compare all pairs and train
a network to predict the mean, so shapes that differ are an error here. Cross entropy and `nll_loss` have files of their
own, and `total_loss.py` makes one step of a loss and its mean; `vectors.py` has the distances of triplets. Read
`embedding.py` next.
"""

from __future__ import annotations

from math import nextafter
from typing import Any, Literal

import autograd as ag
from autograd.backend import host, module_of
from autograd.batching import every_example
from autograd.hints import telling
from autograd.ops.cast import floated, single
from autograd.tensor import Operand, Tensor, bare

from .activation import logsigmoid, relu
from .given import check_arrays, number
from .labels import Reduction
from .total_loss import LOSSES, total_loss
from .vectors import pairwise_distance
from .weighed_loss import weighed_logistic

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "smooth_l1_loss",
    "triplet_margin_loss",
]


# Distances


@telling
def mse_loss(input: Tensor, target: Operand, reduction: Reduction = "mean") -> Tensor:
    """(input - target)^2. Raises ValueError for shapes that differ."""
    _same_shape("mse_loss", input, target)
    return _total("mse_loss", input, target, reduction, "square")


@telling
def l1_loss(input: Tensor, target: Operand, reduction: Reduction = "mean") -> Tensor:
    """|input - target|; the slope at 0 is 0. Raises ValueError for shapes that differ."""
    _same_shape("l1_loss", input, target)
    return _total("l1_loss", input, target, reduction, "absolute")


@telling
def huber_loss(input: Tensor, target: Operand, reduction: Reduction = "mean", delta: float = 1.0) -> Tensor:
    """d^2 / 2 for a difference |d| <= delta, beyond that delta (|d| - delta / 2); Huber 1964.

    Raises ValueError for shapes that differ, or delta <= 0.
    """
    delta = number("huber_loss", "delta", delta, "it must be greater than 0", nextafter(0, 1))
    _same_shape("huber_loss", input, target)
    return _total("huber_loss", input, target, reduction, "huber", delta)


@telling
def smooth_l1_loss(input: Tensor, target: Operand, reduction: Reduction = "mean", beta: float = 1.0) -> Tensor:
    """`huber_loss` divided by beta: d^2 / (2 beta) for |d| <= beta, beyond that |d| - beta / 2; Girshick 2015.

    Raises ValueError for shapes that differ, or beta < 0.
    """
    beta = number("smooth_l1_loss", "beta", beta, "it must be 0 or greater", 0)
    _same_shape("smooth_l1_loss", input, target)
    if not beta:
        return _total("smooth_l1_loss", input, target, reduction, "absolute")
    return _total("smooth_l1_loss", input, target, reduction, "huber", beta) / beta


@telling
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: Reduction = "mean",
) -> Tensor:
    """max(d(anchor, positive) - d(anchor, negative) + margin, 0), with d their `pairwise_distance`.

    With `swap` the negative counts as near as it is to the nearer of anchor and positive; Balntas et al. 2016. Raises
    ValueError for shapes that differ.
    """
    margin = number("triplet_margin_loss", "margin", margin)
    _same_shape("triplet_margin_loss", anchor, positive)
    _same_shape("triplet_margin_loss", anchor, negative)
    near, far = (pairwise_distance(anchor, x, p, eps) for x in (positive, negative))
    if swap:
        far = ag.minimum(far, pairwise_distance(positive, negative, p, eps))
    return _reduced("triplet_margin_loss", relu(near - far + margin), reduction)


# Probabilities


_TARGETS = "it must be labels 0 and 1, or probabilities; labels -1 and 1 become those by (y + 1) / 2."


def _check_shares(name: str, what: str, given: Operand, wanted: str) -> None:
    array = every_example(_array(given))
    if module_of(array) is host and array.size and not (array.min() >= 0 and array.max() <= 1):
        raise ValueError(f"{name} got {what} from {array.min()} to {array.max()}: {wanted}")


@telling
def binary_cross_entropy(
    input: Tensor, target: Operand, weight: Operand = None, reduction: Reduction = "mean"
) -> Tensor:
    """-(target log(input) + (1 - target) log(1 - input)), times weight; input and target are probabilities.

    Logarithms are cut off at -100, as in PyTorch. Prefer `binary_cross_entropy_with_logits`, which loses no digits.
    Raises ValueError for shapes that differ, or, in eager code on the CPU, input or target outside [0, 1]; elsewhere
    such an input makes the loss NaN.
    """
    name = "binary_cross_entropy"
    _same_shape(name, input, target)
    _check_shares(name, "input", input, "it must be probabilities; logits go to binary_cross_entropy_with_logits.")
    _check_shares(name, "target", target, _TARGETS)
    if weight is None:
        return _total(name, input, target, reduction, "shares")
    _check_broadcasts(name, "weight", weight, input)
    return _reduced(name, LOSSES["shares"].of(input, target, 0.0) * weight, reduction)


@telling
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Operand,
    weight: Operand = None,
    reduction: Reduction = "mean",
    pos_weight: Operand = None,
) -> Tensor:
    """`binary_cross_entropy` of sigmoid(input), without overflow or loss of digits.

    `pos_weight` weighs the part of the positive examples; it and `weight` broadcast to input. Raises ValueError for
    shapes that differ, or, in eager code on the CPU, a target outside [0, 1].
    """
    name = "binary_cross_entropy_with_logits"
    _same_shape(name, input, target)
    _check_shares(name, "target", target, _TARGETS)
    input = floated(input)
    if weight is None and pos_weight is None:
        return _total(name, input, target, reduction, "logistic")
    for kind, given in (("weight", weight), ("pos_weight", pos_weight)):
        if given is not None:
            _check_broadcasts(name, kind, given, input)
    if reduction in ("mean", "sum"):
        of_zero = 1.0 if weight is None else weight
        of_one = of_zero if pos_weight is None else of_zero * pos_weight
        return weighed_logistic(input, target, of_zero, of_one, mean=reduction == "mean")
    log_p = logsigmoid(input)
    if pos_weight is not None:
        log_p = log_p * ((pos_weight - 1.0) * target + 1.0)
    losses = (1.0 - target) * input - log_p
    return _reduced(name, _weighed(name, losses, weight), reduction)


@telling
def kl_div(
    input: Tensor,
    target: Operand,
    reduction: Literal["mean", "sum", "none", "batchmean"] = "mean",
    log_target: bool = False,
) -> Tensor:
    """target (log(target) - input), where input holds log probabilities, and target too with `log_target`.

    The Kullback-Leibler divergence itself is reduction "batchmean", the sum divided by the length of axis 0; "mean"
    divides by the number of elements, as in PyTorch. Raises ValueError for shapes that differ.
    """
    _same_shape("kl_div", input, target)
    input, target = floated(input, target), floated(target)
    wide = single(input)
    if wide is not input:
        return ag.astype(kl_div(wide, single(target), reduction, log_target), input.dtype)
    if log_target:
        losses = ag.exp(target) * (target - input)
    else:
        # 0 log(0) is 0: the logarithm is taken of 1 there.
        losses = target * (ag.log(ag.where(target == 0, 1.0, target)) - input)
    if reduction == "batchmean":
        if input.ndim == 0:
            raise ValueError('kl_div divides by the length of axis 0 with "batchmean", and this input has no axes.')
        return ag.sum(losses) / input.shape[0]
    return _reduced("kl_div", losses, reduction)


# What they share


def _array(x: Operand) -> Any:
    array = bare(x)
    module_of(array)  # which refuses what is none
    return array


def _same_shape(name: str, input: Operand, target: Operand) -> None:
    check_arrays(name, input=input)
    shape = getattr(_array(target), "shape", ())
    if input.shape == shape:
        return
    hint = "reshape one of them"
    if input.shape == (*shape, 1):
        hint = "drop the last axis of the input: input.squeeze(-1)"
    elif (*input.shape, 1) == shape:
        hint = "drop the last axis of the target: target.squeeze(-1)"
    raise ValueError(
        f"{name} got input of shape {input.shape} and target of shape {shape}, which would broadcast or fail: "
        f"they must be the same; {hint}."
    )


def _weighed(name: str, losses: Tensor, weight: Operand) -> Tensor:
    if weight is None:
        return losses
    _check_broadcasts(name, "weight", weight, losses)
    return losses * weight


def _check_broadcasts(name: str, kind: str, weight: Operand, x: Tensor) -> None:
    shape = getattr(_array(weight), "shape", ())
    tail = x.shape[x.ndim - len(shape) :] if len(shape) <= x.ndim else None
    if tail is None or any(length not in (1, wanted) for length, wanted in zip(shape, tail, strict=True)):
        raise ValueError(f"{name} got {kind} of shape {shape}: it must broadcast to {x.shape}.")


def _total(name: str, input: Tensor, target: Operand, reduction: str, kind: str, by: float = 0.0) -> Tensor:
    input = floated(input, target)
    if reduction in ("mean", "sum"):
        return total_loss(input, target, kind=kind, by=by, mean=reduction == "mean")
    return _reduced(name, LOSSES[kind].of(input, target, by), reduction)


def _reduced(name: str, losses: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return ag.mean(losses)
    if reduction == "sum":
        return ag.sum(losses)
    if reduction == "none":
        return losses
    raise ValueError(f'{name} got reduction={reduction!r}: it must be "mean", "sum" or "none".')
