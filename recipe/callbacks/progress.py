"""Progress on the terminal: a live bar where there is one, a line an epoch everywhere.

One idea: the bar reads the running loss only when it is redrawn, a few times a second, so a GPU is not kept waiting.
Read `base.py` first.
"""

from __future__ import annotations

import sys
import time
from typing import IO, TYPE_CHECKING, Any

from autograd.backend import Array

from ..history import Record
from ..metrics import error_percent, in_percent
from .base import Callback

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["Progress"]

_REDRAW = 0.2  # seconds


class Progress(Callback):
    """Prints a line for each epoch and, on a terminal with the package rich, a bar with metrics and time to go.

    Another line says so when updates begin to run in another way, compiled or eager. Where the lines cannot be written
    any more, as behind `| head` or on a full disk, the fit is interrupted, so that what was trained is saved.

    `live` None looks whether `stream` (stdout by default) is a terminal.
    """

    order = 70

    def __init__(self, *, stream: IO[str] | None = None, live: bool | None = None) -> None:
        self.stream = sys.stdout if stream is None else stream
        self.live = self.stream.isatty() if live is None else live
        self._bar: Any = None
        self._task: Any = None
        self._redrawn = 0.0
        self._steps: dict[str, Any] = {}  # how updates were made when it was last said

    def on_fit_begin(self, trainer: Trainer) -> None:
        self._steps = _way(trainer)
        if self.live and (bar := _bar(self.stream)) is not None:
            self._bar = bar
            self._task = bar.add_task("", total=trainer.updates, completed=trainer.step, text="")
            bar.start()

    def on_batch_end(self, trainer: Trainer, loss: Array) -> None:
        now = time.monotonic()
        if self._bar is not None and now - self._redrawn >= _REDRAW:
            self._redrawn = now
            running = "  ".join(f"{name} {value:.3f}" for name, value in trainer.running.read().items())
            text = f"epoch {trainer.epoch + 1}/{trainer.epochs}  {running}"
            self._bar.update(self._task, completed=trainer.step, text=text)

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=trainer.step)
        if _way(trainer) != self._steps:
            self._steps = _way(trainer)
            self._print(f"steps {trainer.describe_steps()}", trainer)
        self._print(line(record, trainer.epochs), trainer)

    def on_fit_end(self, trainer: Trainer) -> None:
        self._close()
        if trainer.stop is not None:
            self._print(f"stopped: {trainer.stop}", trainer)

    def on_interrupt(self, trainer: Trainer) -> None:
        self._close()

    def on_abort(self, trainer: Trainer) -> None:
        self._close()

    def _print(self, text: str, trainer: Trainer) -> None:
        if self._bar is None:
            try:
                print(text, file=self.stream, flush=True)
            except OSError:
                trainer.interrupt()
        else:
            self._bar.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _way(trainer: Trainer) -> dict[str, Any]:
    """What is compiled, and why the rest is not."""
    way = trainer.formulas.way(trainer.step)
    return {"compiled": way["compiled"], "why_not": way["why_not"]}


def line(record: Record, epochs: int) -> str:
    """One epoch in one line: losses in evaluation mode, errors where there are accuracies, the rate to go on with."""
    parts = [f"epoch {record['epoch'] + 1:>{len(str(epochs))}}/{epochs}"]
    for part in ("train", "val"):
        if f"{part}_loss" in record:
            text = f"{part} loss {record[f'{part}_loss']:.4f}"
            if f"{part}_accuracy" in record:
                text += f", error {in_percent(error_percent(record[f'{part}_accuracy']))}"
            parts.append(text)
    parts += [f"next lr {record['lr']:.2e}", f"{record['seconds']:.1f} s"]
    return "  ".join(parts)


def _bar(stream: IO[str]) -> Any:
    """A bar of the package rich that vanishes at the end, or None where rich is not installed."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    except ImportError:
        return None
    columns = (BarColumn(bar_width=12), TextColumn("{task.percentage:>3.0f} %"), TextColumn("{task.fields[text]}"))
    times = (TimeElapsedColumn(), TextColumn("to go"), TimeRemainingColumn())
    return Progress(*columns, *times, console=Console(file=stream), transient=True, refresh_per_second=5)
