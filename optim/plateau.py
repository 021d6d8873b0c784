"""Reduce the learning rate when a measured quantity has stopped improving.

One idea: this one is no function of t but of what was measured, so it keeps its own counts.
This is the last file of the room.
"""

from __future__ import annotations

from math import inf
from typing import Any

from autograd.hints import Telling
from autograd.modes import refuse_in_trace

from .numbers import at_least, check_numbers
from .optimizer import Optimizer
from .schedule import check_state, groups_of, per_group

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(Telling):
    """Multiplies lr by `factor` when more than `patience` calls of `step(metric)` running brought no better metric.

    Better, with `mode="min"`, is below best * (1 - threshold) (`threshold_mode="rel"`) or below best - threshold
    ("abs"); with "max" it is above the same with the other sign. After a reduction `cooldown` calls are not counted. lr
    never falls below `min_lr`, and a change of `eps` or less is not made. A metric that is NaN is not better.
    """

    _counts = ("best", "num_bad_epochs", "cooldown_counter", "last_epoch")

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        groups = groups_of("ReduceLROnPlateau", optimizer)
        for option, value in {"patience": patience, "cooldown": cooldown, "eps": eps, "factor": factor}.items():
            at_least(0, f"ReduceLROnPlateau: {option}", value)
        check_numbers("ReduceLROnPlateau", threshold=threshold)
        if not factor < 1:
            raise ValueError(f"ReduceLROnPlateau: factor must be below 1, got {factor}.")
        if mode not in ("min", "max"):
            raise ValueError(f'ReduceLROnPlateau: mode must be "min" or "max", got {mode!r}.')
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f'ReduceLROnPlateau: threshold_mode must be "rel" or "abs", got {threshold_mode!r}.')
        self.optimizer = optimizer
        self.mode, self.threshold, self.threshold_mode = mode, threshold, threshold_mode
        self.factor, self.patience, self.cooldown, self.eps = factor, patience, cooldown, eps
        least = per_group("min_lr", min_lr, len(groups))
        self.min_lrs = [at_least(0, "ReduceLROnPlateau: min_lr", lr) for lr in least]
        self.best = inf if mode == "min" else -inf
        self.num_bad_epochs = 0
        self.cooldown_counter = 0
        self.last_epoch = 0

    def step(self, metrics: Any) -> None:
        """Take in the newest value (a number, or what `float` makes one of) and reduce lr if it is time.

        Raises TraceError inside a compiled function.
        """
        refuse_in_trace(f"calls {type(self).__name__}.step()")
        if metrics is None or isinstance(metrics, str):
            raise TypeError(f"ReduceLROnPlateau.step takes the newest value of the metric, a number, got {metrics!r}.")
        metric = float(metrics)
        self.last_epoch += 1
        if self._is_better(metric):
            self.best = metric
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0

    def _is_better(self, metric: float) -> bool:
        sign = -1 if self.mode == "min" else 1
        if self.threshold_mode == "rel":
            goal = self.best * (1 + sign * self.threshold)
        else:
            goal = self.best + sign * self.threshold
        return metric < goal if self.mode == "min" else metric > goal

    def _reduce(self) -> None:
        for group, least in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
            lr = max(group["lr"] * self.factor, least)
            if group["lr"] - lr > self.eps:
                group["lr"] = lr

    def get_last_lr(self) -> list[float]:
        """The learning rate that each group has now."""
        refuse_in_trace("asks a schedule for its rates")
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """The counts, as plain numbers; the rates themselves are in the optimizer's state."""
        refuse_in_trace("takes the state of a schedule")
        return {name: getattr(self, name) for name in self._counts}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        check_state("ReduceLROnPlateau", state_dict, *self._counts)
        for name in self._counts:
            setattr(self, name, state_dict[name])

    def __repr__(self) -> str:
        return f"ReduceLROnPlateau(best={self.best}, bad epochs {self.num_bad_epochs} of {self.patience})"
