"""Adamax: Adam with the largest gradient so far, slowly forgotten, in the place of the root of a mean square.

One idea: the more a mean of powers is of a high power, the more it is the largest of them; for an infinite one it is
that alone, which needs no correction for its start. Read `rprop.py` next.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from autograd.backend import Array, Module

from .adam import Betas, check_adam, pair
from .groups import Parameters
from .optimizer import Optimizer
from .penalty import Penalty

__all__ = ["Adamax"]


class Adamax(Optimizer):
    """w <- w - lr m^ / u, with m^ Adam's running mean of g and u <- max(beta2 u, |g| + eps).

    `weight_decay` adds weight_decay w to the gradient. Kingma and Ba 2015, algorithm 2, with PyTorch's eps.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 2e-3,
        betas: Betas = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        penalties: Iterable[Penalty] = (),
    ) -> None:
        defaults = {"lr": lr, "betas": pair(betas), "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, defaults, penalties, maximize)

    @staticmethod
    def slots(options: dict[str, Any]) -> dict[str, float]:
        return {"exp_avg": 0.0, "exp_inf": 0.0}

    @staticmethod
    def check(options: dict[str, Any]) -> None:
        check_adam(options)

    @staticmethod
    def update(
        xp: Module,
        w: Array,
        g: Array,
        state: dict[str, Array],
        t: int,
        *,
        lr: float,
        betas: Betas,
        eps: float,
        weight_decay: float,
    ) -> None:
        if weight_decay:
            g = g + weight_decay * w
        (beta1, beta2), m, u = betas, state["exp_avg"], state["exp_inf"]
        m *= beta1
        m += (1 - beta1) * g
        u *= beta2
        xp.maximum(u, xp.abs(g) + eps, out=u)
        w -= (lr / (1 - beta1**t)) * m / u
