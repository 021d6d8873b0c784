"""Rprop: a step of its own for each weight, which grows as long as the slope keeps its sign and shrinks when it turns.

One idea: how steep the loss is says little of how far to go, so of the gradient its sign alone is taken. It is meant
for the gradient of all data: the sign of a batch's turns by chance. Read `clip.py` next.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from autograd.backend import Array, Module

from .groups import Parameters, at_least_zero
from .numbers import above, at_least, number
from .optimizer import Optimizer
from .penalty import Penalty

__all__ = ["Rprop"]

Pair = tuple[float, float]


class Rprop(Optimizer):
    """w <- w - sign(g) s, with the step s of a weight multiplied by one of `etas` before.

    s begins at `lr` and stays within `step_sizes`. Where g has the sign of the gradient before it, s grows by the
    second of `etas`; where the sign has turned it shrinks by the first, and the weight waits for one step.

    Riedmiller and Braun 1993, in the form without going back of Igel and Hüsken 2000 (iRprop-), as in PyTorch.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-2,
        etas: Pair = (0.5, 1.2),
        step_sizes: Pair = (1e-6, 50.0),
        *,
        maximize: bool = False,
        penalties: Iterable[Penalty] = (),
    ) -> None:
        defaults = {"lr": lr, "etas": _pair("etas", etas), "step_sizes": _pair("step_sizes", step_sizes)}
        super().__init__(params, defaults, penalties, maximize)

    @staticmethod
    def slots(options: dict[str, Any]) -> dict[str, float]:
        return {"prev": 0.0, "step_size": options["lr"]}

    @staticmethod
    def check(options: dict[str, Any]) -> None:
        at_least_zero(options, "lr")
        shrink, grow = options["etas"]
        if not 0 < number("etas", shrink) < 1 < number("etas", grow):
            raise ValueError(f"etas must be one number between 0 and 1 and one above 1, got {options['etas']}.")
        least, most = options["step_sizes"]
        at_least(above(0, "step_sizes", least), "step_sizes", most)

    @staticmethod
    def update(
        xp: Module, w: Array, g: Array, state: dict[str, Array], t: int, *, lr: float, etas: Pair, step_sizes: Pair
    ) -> None:
        (shrink, grow), (least, most) = etas, step_sizes
        before, s = state["prev"], state["step_size"]
        same = xp.sign(g) * xp.sign(before)
        s *= xp.where(same > 0, grow, xp.where(same < 0, shrink, 1.0))
        s[...] = xp.maximum(xp.minimum(s, most), least)
        before[...] = xp.where(same < 0, 0.0, g)
        w -= xp.sign(before) * s


def _pair(name: str, given: Any) -> Pair:
    """Two numbers as a tuple; raises ValueError for anything else."""
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise ValueError(f"Rprop: {name} must be two numbers, got {given!r}.")
    return given[0], given[1]
