"""A quantity that should become better: which way that is, and the best value so far.

One idea: "min" and "max" differ by a sign only. Read `early_stopping.py` next.
"""

from __future__ import annotations

import math
from typing import Any

from ..history import Record
from ..numbers import check_number

__all__ = ["Watched"]


class Watched:
    """The value of `monitor` in each record. `mode` is "min" or "max"; None takes "max" for an accuracy, else "min".

    Raises ValueError for another mode.
    """

    def __init__(self, monitor: str, mode: str | None = None, min_delta: float = 0.0) -> None:
        if not isinstance(monitor, str):
            raise TypeError(f'what is monitored is named as in the records, "val_loss" say, got {monitor!r}.')
        if mode is None:
            mode = "max" if monitor.endswith("accuracy") else "min"
        if mode not in ("min", "max"):
            raise ValueError(f'mode must be "min" or "max", got {mode!r}.')
        check_number("EarlyStopping", "min_delta", min_delta, least=0)
        self.monitor, self.mode, self.min_delta = monitor, mode, min_delta
        self.sign = 1.0 if mode == "min" else -1.0
        self.best = math.inf  # times sign, so that less is better
        self.epoch: int | None = None  # of the best value

    def read(self, record: Record) -> float:
        """The value in a record, times the sign. Raises KeyError, with what there is, where it is missing."""
        if self.monitor not in record:
            numbers = [name for name, value in record.items() if isinstance(value, (int, float))]
            raise KeyError(f"the epoch's record has no {self.monitor!r} to monitor; it has {', '.join(numbers)}.")
        return self.sign * float(record[self.monitor])

    def improves(self, record: Record) -> bool:
        """Whether the record's value is better than the best by more than `min_delta`; then it is the best from now on.

        NaN is never better.
        """
        value = self.read(record)
        if not value < self.best - self.min_delta:
            return False
        self.best, self.epoch = value, record["epoch"]
        return True

    def state_dict(self) -> dict[str, Any]:
        """The best value and its epoch."""
        return {"best": self.best, "epoch": self.epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.best, self.epoch = state["best"], state["epoch"]
