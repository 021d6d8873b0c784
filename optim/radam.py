"""RAdam: Adam that waits with dividing by the gradient's size until it knows that size well enough.

One idea: in the first steps the mean of g^2 is made of few gradients and varies wildly; how many it is worth is known
in closed form, and gives the factor that a warm-up would have been tuned for. Read `adamax.py` next.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from autograd.backend import Array, Module

from .adam import Betas, check_adam, decayed, means, pair
from .groups import Parameters
from .optimizer import Optimizer
from .penalty import Penalty

__all__ = ["RAdam"]


class RAdam(Optimizer):
    """w <- w - lr r m^ / (sqrt(v^) + eps') where v^ is worth more than 5 gradients, and w - lr m^ before that.

    v^ is worth rho_t = rho - 2 t beta2^t / (1 - beta2^t) gradients, rho = 2 / (1 - beta2) - 1 in the end, and
    r^2 = (rho_t - 4) (rho_t - 2) rho / ((rho - 4) (rho - 2) rho_t). eps stands beside sqrt(v), before its correction,
    as in PyTorch. `weight_decay` and `decoupled_weight_decay` are as in NAdam.

    Liu, Jiang, He, Chen, Liu, Gao and Han 2020, algorithm 2; the paper's 4 is 5 in PyTorch and the authors' code.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: Betas = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        penalties: Iterable[Penalty] = (),
    ) -> None:
        defaults = {"lr": lr, "betas": pair(betas), "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**defaults, "decoupled_weight_decay": decoupled_weight_decay}, penalties, maximize)

    @staticmethod
    def slots(options: dict[str, Any]) -> dict[str, float]:
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0}

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
        decoupled_weight_decay: bool,
    ) -> None:
        g = decayed(w, g, lr, weight_decay, decoupled_weight_decay)
        beta1, beta2 = betas
        m, v = means(g, state, betas)
        rate, kept = lr / (1 - beta1**t), beta2**t
        most = 2 / (1 - beta2) - 1
        worth = most - 2 * t * kept / (1 - kept)
        if worth > 5:
            r = ((worth - 4) * (worth - 2) * most / ((most - 4) * (most - 2) * worth)) ** 0.5
            w -= (rate * r * (1 - kept) ** 0.5) * m / (xp.sqrt(v) + eps)
        else:
            w -= rate * m
