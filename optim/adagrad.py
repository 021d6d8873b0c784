"""Adagrad: each weight divides its rate by the size of its own gradients so far.

One idea: a weight that has seen large gradients gets small steps, and a weight that has seen few gets large ones.
Read `rmsprop.py` next, which forgets old gradients.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from autograd.backend import Array, Module

from .groups import Parameters, at_least_zero
from .optimizer import Optimizer
from .penalty import Penalty

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    """w <- w - lr_t g / (sqrt(sum) + eps), where sum <- sum + g^2 and lr_t = lr / (1 + (t - 1) lr_decay).

    `sum` starts at `initial_accumulator_value`. `weight_decay` adds weight_decay w to the gradient.

    Duchi, Hazan and Singer 2011, the diagonal form of figure 1.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
        penalties: Iterable[Penalty] = (),
    ) -> None:
        defaults = {"lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay}
        defaults |= {"initial_accumulator_value": initial_accumulator_value, "eps": eps}
        super().__init__(params, defaults, penalties, maximize)

    @staticmethod
    def slots(options: dict[str, Any]) -> dict[str, float]:
        return {"sum": options["initial_accumulator_value"]}

    @staticmethod
    def check(options: dict[str, Any]) -> None:
        at_least_zero(options, "lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")

    @staticmethod
    def update(
        xp: Module,
        w: Array,
        g: Array,
        state: dict[str, Array],
        t: int,
        *,
        lr: float,
        lr_decay: float,
        weight_decay: float,
        initial_accumulator_value: float,
        eps: float,
    ) -> None:
        if weight_decay:
            g = g + weight_decay * w
        total = state["sum"]
        total += g * g
        step = xp.sqrt(total)
        step += eps
        w -= lr / (1 + (t - 1) * lr_decay) * g / step
