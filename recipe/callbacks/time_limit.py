"""A limit on the seconds of training.

One idea: one event, one decision; the shortest example of a callback. Read `target.py` next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autograd.backend import Array

from ..numbers import check_number
from .base import Callback

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["REASON", "TimeLimit"]

REASON = "time limit"  # what the reason of such a stop begins with


class TimeLimit(Callback):
    """Stops after `seconds` of training, those before a resume included, at the end of the step then at hand.

    The epoch that is cut short gets a record with "partial"; a checkpoint keeps the place inside it, so that a resume
    (with a larger limit) goes on exactly there.
    """

    def __init__(self, seconds: float) -> None:
        check_number("TimeLimit", "seconds", seconds, above=0)
        self.limit = seconds

    def on_batch_end(self, trainer: Trainer, loss: Array) -> None:
        if trainer.seconds > self.limit:
            trainer.stop = f"{REASON}: {self.limit:g} s of training are over"
