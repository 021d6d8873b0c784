"""Stochastic gradient descent, plain, with momentum, and with Nesterov's.

One idea: step against the gradient; momentum steps against a decaying sum of the gradients so far. The other rules
are variations of this file. Read `adagrad.py` next, where each weight gets a rate of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from autograd.backend import Array, Module

from .groups import Parameters, at_least_zero
from .numbers import number
from .optimizer import Optimizer
from .penalty import Penalty

__all__ = ["SGD"]


class SGD(Optimizer):
    """w <- w - lr v, where v <- momentum v + (1 - dampening) g, or v = g without momentum.

    The first v is g itself, but (1 - dampening) g where momentum is set after the first step. With `nesterov` the step
    is along g + momentum v, the gradient's value as seen a step ahead, and along g while a schedule has momentum at 0.
    `weight_decay` adds weight_decay w to the gradient of every parameter, biases too (`penalties=[L2(lam)]` spares
    them). PyTorch's form, in which lr multiplies the whole sum: in Polyak's and the lecture's, v <- momentum v - lr g,
    the same steps come out as long as lr is constant.

    Polyak 1964; Sutskever, Martens, Dahl and Hinton 2013, section 2.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        penalties: Iterable[Penalty] = (),
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "dampening": dampening}
        defaults |= {"weight_decay": weight_decay, "nesterov": nesterov}
        if nesterov and not momentum:
            raise ValueError(f"SGD: nesterov needs a momentum above 0, got {momentum}.")
        super().__init__(params, defaults, penalties, maximize)

    @staticmethod
    def slots(options: dict[str, Any]) -> dict[str, float]:
        return {"momentum_buffer": 0.0} if options["momentum"] else {}

    @staticmethod
    def check(options: dict[str, Any]) -> None:
        at_least_zero(options, "lr", "momentum", "weight_decay")
        number("dampening", options["dampening"])
        if options["nesterov"] and options["dampening"]:
            raise ValueError(f"nesterov goes with no dampening, got dampening {options['dampening']}.")

    @staticmethod
    def update(
        xp: Module,
        w: Array,
        g: Array,
        state: dict[str, Array],
        t: int,
        *,
        lr: float,
        momentum: float,
        dampening: float,
        weight_decay: float,
        nesterov: bool,
    ) -> None:
        if weight_decay:
            g = g + weight_decay * w
        if momentum:
            v = state["momentum_buffer"]
            v *= momentum
            v += (1 - dampening) * g if dampening and t > 1 else g
            g = g + momentum * v if nesterov else v
        w -= lr * g
