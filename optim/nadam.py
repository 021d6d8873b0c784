"""NAdam: Adam that looks ahead, with the momentum of the step to come in the place of the one just made.

One idea: Nesterov's momentum, written so that a step needs no gradient but the one at hand. Read `radam.py` next.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from autograd.backend import Array, Module

from .adam import Betas, check_adam, decayed, means, pair
from .groups import Parameters, at_least_zero
from .optimizer import Optimizer
from .penalty import Penalty

__all__ = ["NAdam"]


class NAdam(Optimizer):
    """w <- w - lr (mu' m / (1 - P mu') + (1 - mu) g / (1 - P)) / (sqrt(v^) + eps), with Adam's m and v^.

    The momentum mu = beta1 (1 - 0.96^(t momentum_decay) / 2) grows from step to step; mu' is that of the next step, P
    the product of all so far, kept for each weight as all state is. `weight_decay` adds weight_decay w to the
    gradient, or, where it is `decoupled_weight_decay`, takes lr weight_decay w off the weight as AdamW does.

    Dozat 2016, algorithm 8.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 2e-3,
        betas: Betas = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        penalties: Iterable[Penalty] = (),
    ) -> None:
        defaults = {"lr": lr, "betas": pair(betas), "eps": eps, "weight_decay": weight_decay}
        defaults |= {"momentum_decay": momentum_decay, "decoupled_weight_decay": decoupled_weight_decay}
        super().__init__(params, defaults, penalties, maximize)

    @staticmethod
    def slots(options: dict[str, Any]) -> dict[str, float]:
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0, "mu_product": 1.0}

    @staticmethod
    def check(options: dict[str, Any]) -> None:
        check_adam(options)
        at_least_zero(options, "momentum_decay")

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
        momentum_decay: float,
        decoupled_weight_decay: bool,
    ) -> None:
        g = decayed(w, g, lr, weight_decay, decoupled_weight_decay)
        beta1, beta2 = betas
        mu = beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))
        ahead = beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * momentum_decay))

        m, v = means(g, state, betas)
        product = state["mu_product"]
        product *= mu
        size = xp.sqrt(v * (1 / (1 - beta2**t))) + eps
        step = (lr * ahead) * m / (1 - ahead * product) + (lr * (1 - mu)) * g / (1 - product)
        w -= step / size
