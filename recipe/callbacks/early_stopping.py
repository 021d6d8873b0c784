"""Early stopping: end the run where the validation set stops getting better, and go back to the best weights.

One idea: a criterion is a pure function of the errors measured so far, so each can be read, tested and exchanged.
Source: Prechelt, "Early stopping - but when?", 1998, section 2. Read `watched.py` for the best value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..history import Record
from ..numbers import check_count, check_number
from .base import Callback
from .watched import Watched

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["EarlyStopping", "generalization_loss", "progress_quotient", "strips_rising"]


def generalization_loss(validation: Sequence[float]) -> float:
    """GL(t) = 100 (E_va(t) / E_opt(t) - 1): by how many per cent the error is above the least so far.

    What is no number is not the least; where there is no number yet, nothing is lost.
    """
    least = min((value for value in validation if value == value), default=None)
    if least is None:
        return 0.0
    return 100.0 * (validation[-1] / least - 1.0) if least > 0 else (0.0 if validation[-1] <= least else float("inf"))


def progress_quotient(validation: Sequence[float], training: Sequence[float], strip: int = 5) -> float:
    """PQ(t) = GL(t) / P_k(t), with P_k(t) = 1000 (sum of E_tr over the last k epochs / (k times their least) - 1).

    Where training has stopped moving altogether (P_k = 0) any loss of generalization is infinitely much of it.
    """
    last = training[-strip:]
    least = min(last)
    progress = 1000.0 * (sum(last) / (len(last) * least) - 1.0) if least > 0 else 0.0
    loss = generalization_loss(validation)
    if progress <= 0:
        return float("inf") if loss > 0 else 0.0
    return loss / progress


def strips_rising(validation: Sequence[float], strip: int = 5) -> int:
    """How many strips of k epochs in a row, up to the last full one, ended with a larger error than the strip before.

    UP_s stops when this is s: UP_1 after E_va(t) > E_va(t - k), UP_s after UP_(s-1) at t - k and E_va(t) > E_va(t - k).
    """
    ends = validation[strip - 1 :: strip]
    count = 0
    for earlier, later in zip(reversed(ends[:-1]), reversed(ends[1:]), strict=True):
        if not later > earlier:
            break
        count += 1
    return count


class EarlyStopping(Callback):
    """Stops the run by a criterion, and with `restore_best` puts the weights of the best epoch back at its end.

    `monitor` is a value of the epoch's record; `mode` "min" or "max" (None: by its name); better means better by more
    than `min_delta`. The criteria:

    * "patience": `patience` epochs in a row without a better value;
    * "GL": generalization_loss > alpha;
    * "PQ": progress_quotient > alpha, looked at after each strip of `strip` epochs;
    * "UP": `patience` strips of `strip` epochs in a row ended worse than the one before.

    GL and PQ compare errors by their ratio, so they want a quantity of mode "min". After the run `best_epoch` is the
    selected epoch and `stopped_epoch` the last one, or None when the run came to its end.

    Raises ValueError for options that make no sense together.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        *,
        patience: int = 5,
        min_delta: float = 0.0,
        mode: str | None = None,
        restore_best: bool = True,
        criterion: str = "patience",
        alpha: float = 5.0,
        strip: int = 5,
    ) -> None:
        self.watched = Watched(monitor, mode, min_delta)
        criteria: dict[str, Callable[[], str | None]] = {
            "patience": self._patience,
            "GL": self._loss,
            "PQ": self._quotient,
            "UP": self._rising,
        }
        if criterion not in criteria:
            raise ValueError(f"EarlyStopping: criterion must be one of {', '.join(criteria)}, got {criterion!r}.")
        if criterion in ("GL", "PQ") and self.watched.mode == "max":
            raise ValueError(
                f"EarlyStopping: {criterion} compares errors by their ratio and cannot watch {monitor}, of which more "
                'is better: monitor "val_loss", or take the criterion "patience" or "UP".'
            )
        check_count("EarlyStopping", "patience", patience)
        check_count("EarlyStopping", "strip", strip)
        check_number("EarlyStopping", "alpha", alpha, above=0)
        self.patience, self.alpha, self.strip, self.restore_best = patience, alpha, strip, restore_best
        self.values: list[float] = []  # of the monitored quantity, times its sign
        self.training: list[float] = []  # training errors, for PQ
        self.stopped_epoch: int | None = None
        self._epoch = -1  # the last one, which need not be number len(values) - 1: the run may have begun without it
        self._stop: str | None = None  # the reason, once there was one
        self._reason = criteria[criterion]
        self._best_weights: dict[str, Any] | None = None

    @property
    def best_epoch(self) -> int | None:
        """The epoch with the best value so far."""
        return self.watched.epoch

    def on_fit_begin(self, trainer: Trainer) -> None:
        trainer.stop = self._stop or trainer.stop  # a run killed after it had stopped does not go on

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        if record.get("partial"):
            return
        if self.watched.improves(record) and self.restore_best:
            self._best_weights = {name: tensor.data.copy() for name, tensor in trainer.model.state_dict().items()}
        self._epoch = record["epoch"]
        self.values.append(self.watched.read(record))
        self.training.append(float(record["train_loss"]))
        reason = self._reason()
        if reason is not None:
            self.stopped_epoch = record["epoch"]
            best = "none" if self.best_epoch is None else f"number {self.best_epoch + 1}"
            self._stop = trainer.stop = f"early stopping: {reason}; the best epoch was {best}"

    def on_fit_end(self, trainer: Trainer) -> None:
        if self._best_weights is not None:
            trainer.model.load_state_dict(self._best_weights)

    def _patience(self) -> str | None:
        waited = len(self.values) if self.best_epoch is None else self._epoch - self.best_epoch
        if waited < self.patience:
            return None
        return f"{self.watched.monitor} has not improved for {waited} epochs"

    def _loss(self) -> str | None:
        loss = generalization_loss(self.values)
        return f"GL is {loss:.3g}, above {self.alpha:g}" if loss > self.alpha else None

    def _quotient(self) -> str | None:
        if len(self.values) % self.strip:
            return None
        quotient = progress_quotient(self.values, self.training, self.strip)
        return f"PQ is {quotient:.3g}, above {self.alpha:g}" if quotient > self.alpha else None

    def _rising(self) -> str | None:
        if len(self.values) % self.strip or strips_rising(self.values, self.strip) < self.patience:
            return None
        return f"{self.watched.monitor} became worse over {self.patience} strips of {self.strip} epochs"

    def state_dict(self) -> dict[str, Any]:
        return {
            "watched": self.watched.state_dict(),
            "values": list(self.values),
            "training": list(self.training),
            "stopped_epoch": self.stopped_epoch,
            "stop": self._stop,
            "best_weights": self._best_weights,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.watched.load_state_dict(state["watched"])
        self.values, self.training = list(state["values"]), list(state["training"])
        self.stopped_epoch, self._stop = state["stopped_epoch"], state["stop"]
        self._best_weights = state["best_weights"]
