"""Losses as layers: each keeps its options and calls the function of `functional/loss.py`.

One idea: class weights are buffers, so they move with the Module. Read `container.py` next.
"""

from __future__ import annotations

from typing import Literal

from autograd.tensor import Tensor

from . import functional as F
from .module import Module

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "MSELoss",
    "NLLLoss",
    "SmoothL1Loss",
]

Reduction = Literal["mean", "sum", "none"]


def _check(name: str, reduction: str, *more: str) -> None:
    known = ("mean", "sum", "none", *more)
    if reduction not in known:
        raise ValueError(f"{name} got reduction={reduction!r}: it must be one of {', '.join(known)}.")


class CrossEntropyLoss(Module):
    """-log softmax(input)[target] for logits (N, C), (C,) or (N, C, ...) and integer labels, or probabilities.

    `weight`, (C,), weighs the classes; labels equal to `ignore_index` do not count; `label_smoothing` moves that share
    of the target to all classes evenly.
    """

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        _check("CrossEntropyLoss", reduction)
        self.register_buffer("weight", weight)
        self.ignore_index, self.reduction, self.label_smoothing = ignore_index, reduction, label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )

    def extra_repr(self) -> str:
        smoothing = f", label_smoothing={self.label_smoothing}" if self.label_smoothing else ""
        return f"reduction={self.reduction!r}{smoothing}"


class NLLLoss(Module):
    """-input[target], input holding log probabilities; arguments as those of CrossEntropyLoss."""

    weight: Tensor | None

    def __init__(
        self, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: Reduction = "mean"
    ) -> None:
        _check("NLLLoss", reduction)
        self.register_buffer("weight", weight)
        self.ignore_index, self.reduction = ignore_index, reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.nll_loss(input, target, self.weight, self.ignore_index, self.reduction)

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}"


class MSELoss(Module):
    """(input - target)^2."""

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        _check("MSELoss", reduction)
        self.reduction = reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(input, target, self.reduction)

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}"


class L1Loss(Module):
    """|input - target|."""

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        _check("L1Loss", reduction)
        self.reduction = reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(input, target, self.reduction)

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}"


class HuberLoss(Module):
    """d^2 / 2 for a difference |d| <= delta, beyond that delta (|d| - delta / 2)."""

    def __init__(self, reduction: Reduction = "mean", delta: float = 1.0) -> None:
        _check("HuberLoss", reduction)
        self.reduction, self.delta = reduction, delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.huber_loss(input, target, self.reduction, self.delta)

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}, delta={self.delta}"


class SmoothL1Loss(Module):
    """d^2 / (2 beta) for a difference |d| <= beta, beyond that |d| - beta / 2."""

    def __init__(self, *, reduction: Reduction = "mean", beta: float = 1.0) -> None:
        _check("SmoothL1Loss", reduction)
        self.reduction, self.beta = reduction, beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.smooth_l1_loss(input, target, self.reduction, self.beta)

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}, beta={self.beta}"


class BCELoss(Module):
    """-(target log(input) + (1 - target) log(1 - input)), times weight; both are probabilities."""

    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, *, reduction: Reduction = "mean") -> None:
        _check("BCELoss", reduction)
        self.register_buffer("weight", weight)
        self.reduction = reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy(input, target, self.weight, self.reduction)

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}"


class BCEWithLogitsLoss(Module):
    """BCELoss of sigmoid(input), without loss of digits; `pos_weight` weighs the part of the positive examples."""

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(
        self, weight: Tensor | None = None, *, reduction: Reduction = "mean", pos_weight: Tensor | None = None
    ) -> None:
        _check("BCEWithLogitsLoss", reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)
        self.reduction = reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(input, target, self.weight, self.reduction, self.pos_weight)

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}"


class KLDivLoss(Module):
    """target (log(target) - input), input holding log probabilities; "batchmean" is the divergence itself."""

    def __init__(
        self, *, reduction: Literal["mean", "sum", "none", "batchmean"] = "mean", log_target: bool = False
    ) -> None:
        _check("KLDivLoss", reduction, "batchmean")
        self.reduction, self.log_target = reduction, log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.kl_div(input, target, self.reduction, self.log_target)

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}, log_target={self.log_target}"
