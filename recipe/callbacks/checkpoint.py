"""Saving the run while it goes on: the newest state, to resume from, and the best weights, to use.

One idea: a checkpoint is taken between two updates and replaces the one before in one rename, so whenever the process
dies there is a whole one. Read `../checkpoint.py` for what is in it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nn
from autograd.backend import Array

from .. import checkpoint
from ..history import Record
from ..numbers import check_count, check_number
from .base import Callback
from .watched import Watched

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["ModelCheckpoint"]


class ModelCheckpoint(Callback):
    """Writes `folder`/checkpoint.safetensors after every epoch, on Ctrl-C, and every `every_steps` or `every_seconds`.

    `best` names the value of the records by which `folder`/best.safetensors is kept, the weights alone of the best
    epoch so far; None keeps none, nor does "val_..." where there are no validation rows. `mode` and `min_delta`
    as in EarlyStopping: with the same ones these are the weights that it puts back. A folder that is not there is made.
    `beside` is kept in the checkpoint with the state, by names that the state has not.

    Raises KeyError at the end of the first epoch where the records have no value of that name.
    """

    order = 100

    def __init__(
        self,
        folder: str | Path,
        *,
        every_steps: int | None = None,
        every_seconds: float | None = None,
        best: str | None = "val_loss",
        mode: str | None = None,
        min_delta: float = 0.0,
        beside: Mapping[str, Any] | None = None,
    ) -> None:
        if every_steps is not None:
            check_count("ModelCheckpoint", "every_steps", every_steps)
        if every_seconds is not None:
            check_number("ModelCheckpoint", "every_seconds", every_seconds, least=0)
        check_number("ModelCheckpoint", "min_delta", min_delta, least=0)
        self.path = Path(folder) / "checkpoint.safetensors"
        self.best_path = Path(folder) / "best.safetensors"
        self.every_steps, self.every_seconds = every_steps, every_seconds
        self.beside = dict(beside or {})
        self.watched = None if best is None else Watched(best, mode, min_delta)
        self._saved_at = 0.0

    def on_fit_begin(self, trainer: Trainer) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._saved_at = time.monotonic()

    def on_batch_end(self, trainer: Trainer, loss: Array) -> None:
        due = self.every_steps is not None and trainer.step % self.every_steps == 0
        late = self.every_seconds is not None and time.monotonic() - self._saved_at >= self.every_seconds
        # A run that stops here may be resumed here: the record of the part is not yet in the history.
        if due or late or trainer.stop is not None:
            self.save(trainer)

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        if record.get("partial"):
            if trainer.stop is None:  # the last update was inside an epoch, and nothing comes after it
                self.save(trainer)
            return
        if self.watched is not None and self._can_be_read(record) and self.watched.improves(record):
            about = {"epoch": record["epoch"], self.watched.monitor: record[self.watched.monitor]}
            nn.save(trainer.model, self.best_path, metadata={"about": json.dumps(about)})
        self.save(trainer)

    def _can_be_read(self, record: Record) -> bool:
        """Whether the record has what is watched, or should have: a run without validation rows has no "val_..."."""
        assert self.watched is not None
        return "val_loss" in record or not self.watched.monitor.startswith("val_")

    def on_interrupt(self, trainer: Trainer) -> None:
        self.save(trainer)

    def save(self, trainer: Trainer) -> None:
        """Write the newest state now."""
        checkpoint.save(self.path, self.beside | trainer.state_dict())
        self._saved_at = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        return {} if self.watched is None else self.watched.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self.watched is not None and state:
            self.watched.load_state_dict(state)
