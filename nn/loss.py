"""Losses as layers: each keeps its options and calls the function of `functional/loss.py`.

One idea: class weights are buffers, so they move with the Module. Read `container.py` next.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from autograd.tensor import Tensor

from . import functional as F
from .functional.labels import Reduction
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
    "TripletMarginLoss",
]


class _Loss(Module):
    """What all losses share: what becomes of the losses of the elements."""

    reductions: ClassVar[tuple[str, ...]] = ("mean", "sum", "none")

    def _set_reduction(self, reduction: Any) -> None:
        if reduction not in self.reductions:
            wanted = ", ".join(self.reductions)
            raise ValueError(f"{type(self).__name__} got reduction={reduction!r}: it must be one of {wanted}.")
        self.reduction = reduction

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}"


class CrossEntropyLoss(_Loss):
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
        self._set_reduction(reduction)
        self.register_buffer("weight", weight)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

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
        return super().extra_repr() + smoothing


class NLLLoss(_Loss):
    """-input[target], input holding log probabilities; arguments as those of CrossEntropyLoss."""

    weight: Tensor | None

    def __init__(
        self, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: Reduction = "mean"
    ) -> None:
        self._set_reduction(reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.nll_loss(input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class MSELoss(_Loss):
    """(input - target)^2."""

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        self._set_reduction(reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(input, target, self.reduction)


class L1Loss(_Loss):
    """|input - target|."""

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        self._set_reduction(reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(input, target, self.reduction)


class HuberLoss(_Loss):
    """d^2 / 2 for a difference |d| <= delta, beyond that delta (|d| - delta / 2)."""

    def __init__(self, reduction: Reduction = "mean", delta: float = 1.0) -> None:
        self._set_reduction(reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.huber_loss(input, target, self.reduction, self.delta)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, delta={self.delta}"


class SmoothL1Loss(_Loss):
    """d^2 / (2 beta) for a difference |d| <= beta, beyond that |d| - beta / 2."""

    def __init__(self, *, reduction: Reduction = "mean", beta: float = 1.0) -> None:
        self._set_reduction(reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.smooth_l1_loss(input, target, self.reduction, self.beta)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, beta={self.beta}"


class TripletMarginLoss(_Loss):
    """max(d(anchor, positive) - d(anchor, negative) + margin, 0), with d the p-norm of a difference."""

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        *,
        reduction: Reduction = "mean",
    ) -> None:
        self._set_reduction(reduction)
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_loss(
            anchor, positive, negative, self.margin, self.p, self.eps, self.swap, self.reduction
        )

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, margin={self.margin}, p={self.p}, eps={self.eps}, swap={self.swap}"


class BCELoss(_Loss):
    """-(target log(input) + (1 - target) log(1 - input)), times weight; both are probabilities."""

    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, *, reduction: Reduction = "mean") -> None:
        self._set_reduction(reduction)
        self.register_buffer("weight", weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy(input, target, self.weight, self.reduction)


class BCEWithLogitsLoss(_Loss):
    """BCELoss of sigmoid(input), without loss of digits; `pos_weight` weighs the part of the positive examples."""

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(
        self, weight: Tensor | None = None, *, reduction: Reduction = "mean", pos_weight: Tensor | None = None
    ) -> None:
        self._set_reduction(reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(input, target, self.weight, self.reduction, self.pos_weight)


class KLDivLoss(_Loss):
    """target (log(target) - input), input holding log probabilities; "batchmean" is the divergence itself."""

    reductions = (*_Loss.reductions, "batchmean")

    def __init__(
        self, *, reduction: Literal["mean", "sum", "none", "batchmean"] = "mean", log_target: bool = False
    ) -> None:
        self._set_reduction(reduction)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.kl_div(input, target, self.reduction, self.log_target)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, log_target={self.log_target}"
