"""LiveView: the callback that puts a run on a board.

One idea: a clock decides when something is shown, and nothing else; so a step costs one look at the clock, and once a
second a few numbers are read. The run, its records and its files are the same with and without it.
Read `server.py` next.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from autograd.backend import Array

from ..callbacks.base import Callback
from ..callbacks.monitors import rms, weights_of
from ..files import finite
from ..history import Record
from ..metrics import error_percent
from .board import Board
from .state import MOST_POINTS, Point, gradients, state_of, thinned

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["LiveView"]

TICK = 1.0  # seconds between two times that something is shown


class LiveView(Callback):
    """Shows the run whose run.json is `run` (as RunFile keeps it) under a name on a board.

    Besides what run.json tells after each epoch, once a second: the loss and the error of the batches since the last
    time, and the root mean square of each layer's gradient in the batch at hand, before clipping.
    """

    order = 65  # after the run file, whose dictionary it reads

    def __init__(self, board: Board, run: Mapping[str, Any], name: str) -> None:
        self.board, self.run, self.name = board, run, name
        self._shown_at = 0.0
        self._due = False
        self._stale = True  # whether run.json has news
        self._parts: dict[str, Any] = {}  # what run.json told when last looked at
        self._running: dict[str, list[Point]] = {"loss": [], "error": []}
        self._gradients: dict[str, list[Point]] = {}
        self._seen: tuple[int, dict[str, float]] = (0, {})  # rows of this epoch and their sums, when last looked at

    def on_fit_begin(self, trainer: Trainer) -> None:
        self._gradients = gradients(self.run)  # of the epochs before a resume
        self._seen = (trainer.running.rows, trainer.running.state_dict()["sums"])
        self.board.update(name=self.name)
        self._show(trainer)

    def on_epoch_begin(self, trainer: Trainer) -> None:
        self._seen = (0, {})

    def on_backward_end(self, trainer: Trainer, loss: Array) -> None:
        self._due = self._overdue()
        if self._due:
            at = (trainer.step + 1) / _per_epoch(trainer)
            for layer, weight in weights_of(trainer.model):
                if weight.grad is not None:
                    _add(self._gradients.setdefault(layer, []), (at, finite(rms(weight.grad.data))))

    def on_batch_end(self, trainer: Trainer, loss: Array) -> None:
        if self._due:
            self._look(trainer)
            self._show(trainer)

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        self._stale = True
        if self._overdue():
            self._show(trainer)

    def on_fit_end(self, trainer: Trainer) -> None:
        self._stale = True
        self._show(trainer)
        self.board.update(status="concluding")

    def on_interrupt(self, trainer: Trainer) -> None:
        self._stale = True
        self._show(trainer)

    def on_abort(self, trainer: Trainer) -> None:
        if self.run["status"] == "running":
            self.board.update(status="aborted")

    def conclude(self) -> None:
        """Show how the run ended: the test and the verdict that stands."""
        parts = state_of(self.run)
        self.board.update(**{name: parts[name] for name in ("status", "stop", "test", "verdict")})

    def _overdue(self) -> bool:
        return time.monotonic() - self._shown_at >= TICK

    def _look(self, trainer: Trainer) -> None:
        """Add the means over the batches since the last look."""
        rows_then, sums_then = self._seen
        self._seen = rows, sums = trainer.running.rows, trainer.running.state_dict()["sums"]
        at = trainer.step / _per_epoch(trainer)
        means = {name: (total - sums_then.get(name, 0.0)) / (rows - rows_then) for name, total in sums.items()}
        _add(self._running["loss"], (at, finite(means["loss"])))
        if "accuracy" in means:
            _add(self._running["error"], (at, finite(error_percent(means["accuracy"]))))

    def _show(self, trainer: Trainer) -> None:
        self._shown_at = time.monotonic()
        if self._stale:
            self._stale, self._parts = False, state_of(self.run)
        lines = self._parts["curves"]
        live = {
            "progress": {
                "epoch": trainer.epoch,
                "epochs": trainer.epochs,
                "step": trainer.step,
                "steps": trainer.updates,
                "seconds": trainer.seconds,
                "lr": trainer.lr,
            },
            "curves": {name: {**lines[name], **thinned({"running": self._running[name]})} for name in lines},
            "gradients": thinned(self._gradients),
        }
        self.board.update(**{**self._parts, **live})


def _per_epoch(trainer: Trainer) -> int:
    assert trainer.batches is not None
    return len(trainer.batches)


def _add(points: list[Point], point: Point) -> None:
    """Add a point; of too many every second one is forgotten."""
    points.append(point)
    if len(points) > 2 * MOST_POINTS:
        del points[1:-1:2]
