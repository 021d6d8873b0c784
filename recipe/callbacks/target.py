"""A goal to stop at: what is watched has become as good as was wished for.

One idea: one comparison after each epoch. Read `watched.py` for which way is better.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..history import Record
from ..numbers import check_number
from .base import Callback
from .watched import Watched

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["Target"]


class Target(Callback):
    """Stops after the first whole epoch in which `monitor` is at `value` or better; `mode` as in EarlyStopping."""

    def __init__(self, monitor: str, value: float, mode: str | None = None) -> None:
        check_number("Target", "value", value)
        self.watched = Watched(monitor, mode)
        self.value = value

    def on_fit_begin(self, trainer: Trainer) -> None:
        if len(trainer.history):
            self._look(trainer, trainer.history.last)  # a run that was killed when it had stopped does not go on

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        self._look(trainer, record)

    def _look(self, trainer: Trainer, record: Record) -> None:
        if not record.get("partial") and self.watched.read(record) <= self.watched.sign * self.value:
            name = self.watched.monitor
            trainer.stop = f"target: {name} is {record[name]:.4g}, and {self.value:.4g} was wished for"
