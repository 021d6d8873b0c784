"""Adadelta: RMSprop whose rate is the size of its own recent steps, so that a step has the unit of a weight.

One idea: the ratio of two running sizes, of the steps and of the gradients, replaces the hand-set rate.
Read `adam.py` next, which adds momentum.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from autograd.backend import Array, Module

from .groups import Parameters, at_least_zero, within_one
from .optimizer import Optimizer
from .penalty import Penalty

__all__ = ["Adadelta"]


class Adadelta(Optimizer):
    """w <- w - lr d, where d = sqrt(E[d^2] + eps) / sqrt(E[g^2] + eps) g.

    E[g^2] and E[d^2] are running means that keep `rho` of the old: E[g^2] takes in this step's gradient before it is
    used, E[d^2] this step after. `weight_decay` adds weight_decay w to the gradient.

    Zeiler 2012, algorithm 1; `lr` is PyTorch's, 1 in the paper.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        penalties: Iterable[Penalty] = (),
    ) -> None:
        defaults = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, defaults, penalties, maximize)

    @staticmethod
    def slots(options: dict[str, Any]) -> dict[str, float]:
        return {"square_avg": 0.0, "acc_delta": 0.0}

    @staticmethod
    def check(options: dict[str, Any]) -> None:
        at_least_zero(options, "lr", "eps", "weight_decay")
        within_one(options, "rho")

    @staticmethod
    def update(
        xp: Module,
        w: Array,
        g: Array,
        state: dict[str, Array],
        t: int,
        *,
        lr: float,
        rho: float,
        eps: float,
        weight_decay: float,
    ) -> None:
        if weight_decay:
            g = g + weight_decay * w
        gg, dd = state["square_avg"], state["acc_delta"]
        gg *= rho
        gg += (1 - rho) * g * g
        delta = xp.sqrt((dd + eps) / (gg + eps)) * g
        dd *= rho
        dd += (1 - rho) * delta * delta
        w -= lr * delta
