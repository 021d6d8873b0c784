"""Logs that a spreadsheet or a script reads: steps as CSV, epochs as CSV or JSON lines.

One idea: a log never runs ahead of what a resume will repeat: steps beyond the checkpoint are cut off when the run goes
on, and what the checkpoint counts is written before it. Read `base.py` first.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograd.backend import Array, module_of
from nn.module import Module

from ..errors import UsageError
from ..files import append_bytes, finite, write_bytes
from ..history import Record, flat
from ..numbers import check_count
from .base import Callback

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["HistoryLog", "StepLog", "gradient_norm"]


def gradient_norm(model: Module) -> Array:
    """The 2-norm of all gradients as one vector: a 0-d array on their device."""
    gradients = [p.grad.data for p in model.parameters() if p.grad is not None]
    xp = module_of(gradients[0])
    return xp.sqrt(sum(xp.vdot(g, g) for g in gradients))


class StepLog(Callback):
    """Every `every`-th step, from the first on, as a row of a CSV file: step, loss, lr, gradient_norm.

    `step` counts updates from 1, `loss` is the batch's, `lr` the rate of this update, and the norm is that before
    clipping. The numbers stay on the device until there are many, so the log waits for a GPU seldom.
    """

    order = 50
    columns = ("step", "loss", "lr", "gradient_norm")

    def __init__(self, path: str | Path, *, every: int = 10) -> None:
        check_count("StepLog", "every", every)
        self.path, self.every = Path(path), every
        self._waiting: list[tuple[int, Array, float, Array]] = []

    def on_fit_begin(self, trainer: Trainer) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        kept = self._rows_until(trainer.step) if trainer.step and self.path.exists() else []
        write_bytes(self.path, _csv([self.columns, *kept]))

    def _rows_until(self, step: int) -> list[list[str]]:
        """The rows in the file up to a step. Raises UsageError for a file of another kind."""
        try:
            # A kill or a full disk may have cut the last line; what a resume repeats is written again.
            lines = [line for line in self.path.read_text().splitlines(keepends=True) if line.endswith("\n")]
            rows = [row for row in csv.reader(lines[1:]) if len(row) == len(self.columns)]
            return [row for row in rows if int(row[0]) <= step]
        except (ValueError, csv.Error) as error:
            raise UsageError(f"{self.path} is no log of steps ({error}): move it away, and go on.") from None

    def on_backward_end(self, trainer: Trainer, loss: Array) -> None:
        if trainer.step % self.every == 0:
            self._waiting.append((trainer.step + 1, loss, trainer.lr, gradient_norm(trainer.model)))
            if len(self._waiting) == 1000:
                self.flush()

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        self.flush()

    def flush(self) -> None:
        """Write what waits."""
        rows = [(step, float(loss), lr, float(norm)) for step, loss, lr, norm in self._waiting]
        self._waiting.clear()
        append_bytes(self.path, _csv(rows))

    def state_dict(self) -> dict[str, Any]:
        self.flush()  # the checkpoint counts these steps as done
        return {}


class HistoryLog(Callback):
    """The records of all epochs, written anew after each: to a .csv (nested names joined by dots) or .jsonl file.

    There, as in all that people read, epochs count from 1; in `trainer.history` they are places in a list, from 0.

    Raises ValueError for a path with another suffix.
    """

    order = 50

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if self.path.suffix not in (".csv", ".jsonl"):
            raise ValueError(f"HistoryLog writes .csv or .jsonl files, got {self.path.name}.")

    def on_fit_begin(self, trainer: Trainer) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if len(trainer.history):  # a run that goes on, maybe one of an earlier version, which counted from 0
            self._write(trainer)

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        self._write(trainer)

    def _write(self, trainer: Trainer) -> None:
        records = [record | {"epoch": record["epoch"] + 1} for record in trainer.history]
        if self.path.suffix == ".jsonl":
            write_bytes(self.path, "".join(json.dumps(finite(r), allow_nan=False) + "\n" for r in records).encode())
            return
        rows = [{k: v for k, v in flat(r) if not isinstance(v, (list, tuple))} for r in records]
        columns = list(dict.fromkeys(name for row in rows for name in row))
        write_bytes(self.path, _csv([columns, *([row.get(name, "") for name in columns] for row in rows)]))


def _csv(rows: Any) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
