"""Adam and AdamW: RMSprop with momentum, both corrected for their start at zero.

One idea: a running mean of the gradient says where to go, a running mean of its square how far each weight may go.
AdamW takes weight decay out of the gradient, so that it is not divided by the gradient's size.
Read `nadam.py` next.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from autograd.backend import Array, Module

from .groups import Parameters, at_least_zero
from .numbers import number
from .optimizer import Optimizer
from .penalty import Penalty

__all__ = ["Adam", "AdamW", "Betas", "check_adam", "decayed", "means", "pair"]

Betas = tuple[float, float]


class Adam(Optimizer):
    """w <- w - lr m^ / (sqrt(v^) + eps), with m^ and v^ the unbiased running means of g and of g^2.

    m <- beta1 m + (1 - beta1) g, m^ = m / (1 - beta1^t); v <- beta2 v + (1 - beta2) g^2, v^ = v / (1 - beta2^t).
    `amsgrad` puts the largest v so far in the place of v. `weight_decay` adds weight_decay w to the gradient, which
    then is divided with it; AdamW does not.

    Kingma and Ba 2015, algorithm 1; Reddi, Kale and Kumar 2018, algorithm 2 (amsgrad).
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: Betas = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        penalties: Iterable[Penalty] = (),
    ) -> None:
        defaults = {"lr": lr, "betas": pair(betas), "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad}
        super().__init__(params, defaults, penalties, maximize)

    @staticmethod
    def slots(options: dict[str, Any]) -> dict[str, float]:
        names = ["exp_avg", "exp_avg_sq"]
        if options["amsgrad"]:
            names.append("max_exp_avg_sq")
        return dict.fromkeys(names, 0.0)

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
        amsgrad: bool,
    ) -> None:
        # In the order of the paper's section 2: both corrections go into the rate and eps, which are numbers.
        # lr m^ / (sqrt(v^) + eps) is rate m / (sqrt(v) + eps') when rate = lr c / (1 - beta1^t) and eps' = eps c, where
        # c = sqrt(1 - beta2^t).
        if weight_decay:
            g = g + weight_decay * w
        beta1, beta2 = betas
        c = (1 - beta2**t) ** 0.5
        rate = lr * c / (1 - beta1**t)

        m, v = means(g, state, betas)
        if amsgrad:
            largest = state["max_exp_avg_sq"]
            xp.maximum(largest, v, out=largest)
            v = largest
        step = xp.sqrt(v)
        step += eps * c
        xp.divide(m, step, out=step)
        step *= rate
        w -= step


class AdamW(Adam):
    """w <- (1 - lr weight_decay) w, then Adam's step: weight decay beside the gradient, not in it.

    Loshchilov and Hutter 2019, algorithm 2, with the schedule's factor inside lr as in PyTorch.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: Betas = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        penalties: Iterable[Penalty] = (),
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, penalties=penalties)

    @staticmethod
    def update(
        xp: Module, w: Array, g: Array, state: dict[str, Array], t: int, *, weight_decay: float, **options: Any
    ) -> None:
        if weight_decay:
            w *= 1 - options["lr"] * weight_decay
        Adam.update(xp, w, g, state, t, weight_decay=0, **options)


def means(g: Array, state: dict[str, Array], betas: Betas) -> tuple[Array, Array]:
    """m and v, the running means of g and of its square, after this step; the state is changed in place."""
    (beta1, beta2), m, v = betas, state["exp_avg"], state["exp_avg_sq"]
    m *= beta1
    m += (1 - beta1) * g
    square = g * g
    square *= 1 - beta2
    v *= beta2
    v += square
    return m, v


def decayed(w: Array, g: Array, lr: float, weight_decay: float, decoupled: bool) -> Array:
    """g with weight_decay w added; where that is decoupled, g as it is, and w made shorter in place."""
    if weight_decay and not decoupled:
        return g + weight_decay * w
    if weight_decay:
        w *= 1 - lr * weight_decay
    return g


def pair(betas: Any) -> Betas:
    """Two betas as a tuple; raises ValueError for anything else."""
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise ValueError(f"betas must be two numbers, (beta1, beta2), got {betas!r}.")
    return betas[0], betas[1]


def check_adam(options: dict[str, Any]) -> None:
    """Raise ValueError for options of Adam's kin out of range."""
    at_least_zero(options, "lr", "eps", "weight_decay")
    pair(options["betas"])
    for beta in options["betas"]:
        if not 0 <= number("betas", beta) < 1:
            raise ValueError(f"betas must be at least 0 and below 1, got {options['betas']}.")
