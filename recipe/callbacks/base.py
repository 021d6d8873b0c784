"""Callback: what may watch or stop a run.

One idea: the trainer tells each event to every callback, in one order, and a callback answers by reading the trainer,
by adding to the epoch's record, or by setting `trainer.stop` to a reason. Read `early_stopping.py` for a use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autograd.backend import Array
from autograd.hints import Telling

from ..history import Record

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["Callback"]


class Callback(Telling):
    """The base of all callbacks; every event does nothing until a subclass says otherwise.

    `order` sorts the callbacks of a trainer (equal ones keep the order in which they were given): those that measure
    are at 0, those that write down at 50, the checkpoint, which must see what all others did, at 100.

    A callback with a memory that must outlive a kill gives it as `state_dict()`, fit for JSON but for arrays.
    """

    order: int = 0

    def __init_subclass__(cls) -> None:
        """Raises TypeError for an `on_...` that is no event, since nobody would tell it."""
        for name in vars(cls):
            if name.startswith("on_") and not hasattr(Callback, name):
                events = ", ".join(event for event in vars(Callback) if event.startswith("on_"))
                raise TypeError(f"{cls.__name__}.{name} is no event, so nobody would call it; events are {events}.")

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Training begins or goes on; data, batches and history are there."""

    def on_epoch_begin(self, trainer: Trainer) -> None:
        """An epoch begins, or goes on after a part that has a record of its own (other resumes are not told)."""

    def on_batch_begin(self, trainer: Trainer, x: Array, y: Array) -> None:
        """A batch was drawn, nothing computed yet."""

    def on_backward_end(self, trainer: Trainer, loss: Array) -> None:
        """The gradients are there, not yet clipped; `loss` is the batch's mean, a 0-d array on the device."""

    def on_batch_end(self, trainer: Trainer, loss: Array) -> None:
        """The update is made and `trainer.step` counts it."""

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        """The epoch was measured; what is added to `record` is kept in the history."""

    def on_fit_end(self, trainer: Trainer) -> None:
        """Training is over, for whatever reason but an interrupt."""

    def on_interrupt(self, trainer: Trainer) -> None:
        """Ctrl-C: the last step is complete, and this is the moment to save."""

    def on_abort(self, trainer: Trainer) -> None:
        """An exception ends `fit` where it stands (a second Ctrl-C is one too): close what is open, save nothing."""

    def state_dict(self) -> dict[str, Any]:
        """The callback's memory, for a checkpoint."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
