"""RMSprop: each weight divides its gradient by the gradient's own recent size.

One idea: Adagrad's sum becomes a running mean, so that old gradients are forgotten and the rate can grow again.
Read `adadelta.py` next, which sets the rate itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from autograd.backend import Array, Module

from .groups import Parameters, at_least_zero, within_one
from .optimizer import Optimizer
from .penalty import Penalty

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """w <- w - lr g / (s + eps), where s^2 <- alpha s^2 + (1 - alpha) g^2.

    `init` says where s starts. "zero", PyTorch's: at 0, so the first step is lr sqrt(1 / (1 - alpha)) times as long as
    later ones of the same gradient. "lecture": at s = |g|, the first gradient's own size, so that the first step is
    exactly -lr sign(g), whatever eps. `centered` subtracts the square of the mean gradient from s^2, which makes it a
    variance. With `momentum` the quotients g / (s + eps) are summed as in SGD. `weight_decay` adds weight_decay w to
    the gradient.

    Tieleman and Hinton 2012, lecture 6.5 (s kept, without eps); Graves 2013, equations 38 to 41 (centered); the start
    at |g| is that of Hung-yi Lee's lecture, Tips for Deep Learning.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        init: str = "zero",
        maximize: bool = False,
        penalties: Iterable[Penalty] = (),
    ) -> None:
        defaults: dict[str, Any] = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay}
        defaults |= {"momentum": momentum, "centered": centered, "init": init}
        super().__init__(params, defaults, penalties, maximize)

    @staticmethod
    def slots(options: dict[str, Any]) -> dict[str, float]:
        names = ["square_avg"]
        if options["momentum"]:
            names.append("momentum_buffer")
        if options["centered"]:
            names.append("grad_avg")
        return dict.fromkeys(names, 0.0)

    @staticmethod
    def check(options: dict[str, Any]) -> None:
        at_least_zero(options, "lr", "eps", "weight_decay", "momentum")
        within_one(options, "alpha")
        if options["init"] not in ("zero", "lecture"):
            raise ValueError(f'init must be "zero" or "lecture", got {options["init"]!r}.')
        if options["init"] == "lecture" and options["centered"]:
            raise ValueError('init="lecture" starts from one gradient, which has no variance: leave centered off.')

    @staticmethod
    def update(
        xp: Module,
        w: Array,
        g: Array,
        state: dict[str, Array],
        t: int,
        *,
        lr: float,
        alpha: float,
        eps: float,
        weight_decay: float,
        momentum: float,
        centered: bool,
        init: str,
    ) -> None:
        if weight_decay:
            g = g + weight_decay * w
        square = state["square_avg"]
        if init == "lecture" and t == 1:
            square += g * g
            step = xp.sign(g)  # g / s, and 0 where g is
        else:
            square *= alpha
            square += (1 - alpha) * g * g
            size = _variance(xp, square, g, state, alpha) if centered else square
            step = g / (xp.sqrt(size) + eps)
        if momentum:
            v = state["momentum_buffer"]
            v *= momentum
            v += step
            step = v
        w -= lr * step


def _variance(xp: Module, square: Array, g: Array, state: dict[str, Array], alpha: float) -> Array:
    """E[g^2] - E[g]^2, after E[g] has taken in `g`; never below 0, where rounding may put it."""
    mean = state["grad_avg"]
    mean *= alpha
    mean += (1 - alpha) * g
    return xp.maximum(square - mean * mean, 0)
