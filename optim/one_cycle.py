"""The one-cycle schedule: the rate up and far down again in one run, the momentum the other way.

One idea: two or three phases, in each of which an option goes from one value to another along half a cosine or a line.
Read `plateau.py` next.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from math import cos, pi

from .numbers import above, at_least, number
from .optimizer import Optimizer
from .schedule import Curve, Schedule, groups_of, per_group

__all__ = ["OneCycleLR"]

Phase = tuple[float, float, float]  # where it ends, the value at its beginning, the value at its end


class OneCycleLR(Schedule):
    """lr rises from max_lr / div_factor to `max_lr`, then falls to 1 / final_div_factor of where it began.

    The rise takes the share `pct_start` of the `total_steps` (or `epochs` times `steps_per_epoch`). Meanwhile the
    momentum (beta1 of Adam) goes from `max_momentum` down to `base_momentum` and back, unless `cycle_momentum` is off.
    With `three_phase` the fall mirrors the rise and a third phase goes on to the end. Call `step()` after each update.

    Raises ValueError when stepped beyond `total_steps`. Smith and Topin 2018; the curves are fastai's and PyTorch's.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
    ) -> None:
        if total_steps is None and epochs is not None and steps_per_epoch is not None:
            total_steps = epochs * steps_per_epoch
        if total_steps is None or not number("OneCycleLR: total_steps", total_steps) >= 1:
            raise ValueError(
                "OneCycleLR needs total_steps, or epochs and steps_per_epoch, above 0; "
                f"got total_steps {total_steps}, epochs {epochs}, steps_per_epoch {steps_per_epoch}."
            )
        for divisor, value in (("div_factor", div_factor), ("final_div_factor", final_div_factor)):
            above(0, f"OneCycleLR: {divisor}", value)
        if not 0 <= number("OneCycleLR: pct_start", pct_start) <= 1:
            raise ValueError(f"OneCycleLR: pct_start must lie between 0 and 1, got {pct_start}.")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f'OneCycleLR: anneal_strategy must be "cos" or "linear", got {anneal_strategy!r}.')

        rise, last = pct_start * total_steps - 1, total_steps - 1
        ends = [rise, 2 * rise, last] if three_phase else [rise, last]

        def curve(values: list[float]) -> Curve:
            phases = [(end, *pair) for end, pair in zip(ends, pairwise(values), strict=True)]
            return partial(_value, phases, anneal_strategy, total_steps)

        groups = groups_of("OneCycleLR", optimizer)
        if cycle_momentum and not groups[0].keys() & {"betas", "momentum"}:
            raise ValueError(
                f"OneCycleLR: {type(optimizer).__name__} has no momentum to go down and up: pass cycle_momentum=False."
            )
        rates: list[Curve] = []
        for top in _each("max_lr", max_lr, len(groups)):
            low = top / div_factor
            rates.append(curve([low, top, *([low] if three_phase else []), low / final_div_factor]))
        curves: dict[str, Curve | list[Curve]] = {"lr": rates}
        if cycle_momentum:
            lows = _each("base_momentum", base_momentum, len(groups))
            highs = _each("max_momentum", max_momentum, len(groups))
            curves["beta1" if "betas" in groups[0] else "momentum"] = [
                curve([high, low, high, *([high] if three_phase else [])])
                for low, high in zip(lows, highs, strict=True)
            ]
        super().__init__(optimizer, curves)


def _each(option: str, given: float | list[float], groups: int) -> list[float]:
    """A value for each group, none of them below 0."""
    return [at_least(0, f"OneCycleLR: {option}", value) for value in per_group(option, given, groups)]


def _value(phases: list[Phase], strategy: str, total_steps: int, t: int, start: float) -> float:
    """The value at t: in the first phase that has not ended, or in the last."""
    if t > total_steps:
        raise ValueError(f"OneCycleLR was made for {total_steps} steps and has made them: make it for more.")
    i = next((i for i, (end, _, _) in enumerate(phases) if t <= end), len(phases) - 1)
    begin = phases[i - 1][0] if i else 0.0
    end, first, last = phases[i]
    share = (t - begin) / (end - begin) if end != begin else 1.0
    return _anneal(first, last, share, strategy)


def _anneal(first: float, last: float, share: float, strategy: str) -> float:
    if strategy == "linear":
        return first + (last - first) * share
    return last + (first - last) / 2 * (1 + cos(pi * share))
