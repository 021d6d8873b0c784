"""Evidence: the callback that gathers, while a run goes on, what a diagnosis needs.

One idea: measure a little, often, on few rows, and keep plain numbers: a look at the first 1000 training rows before
the first update and after each epoch, one pass over the data at the start. The run itself is not touched, and ends in
the same weights with it as without. Read `facts.py` for what the rules take from it.

Its form, as it stands in run.json; `selected_epoch` and that of `contradicted` are places in the curves, from 0:

    {"schema": 1, "task": "classification" | "regression" | "other",
     "setup": {rows, classes, label counts, shares and entropies, input mean and std, how far the validation inputs are
               from them, the first loss, that of guessing},
     "looks": [one for each epoch, and one before: {"epoch": complete epochs, "movement", "weight_norm",
               and by layer "gradient_rms", "dead", "saturated", "row_cosine", "movement_by_layer", "identical_units"}],
     "curves": {"train_loss": [one for each epoch], "train_score", "running_score", "val_loss", "val_score", "lr"},
     "contradicted": {"epoch", "share", "rows", "val_share", "val_rows"}, "predicted", "labelled", "val_chance",
     "activations", "dropout", "updates", "selected_epoch", "stop", "not_finite",
     "weights": {layer: {"shape", "start", "end": histograms}}}
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd import no_grad
from autograd.backend import Array, move, to_host
from autograd.tensor import wrap

from ..callbacks.base import Callback
from ..callbacks.early_stopping import EarlyStopping
from ..files import finite
from ..history import Record
from . import measure, probe
from .facts import curves_of

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["Evidence"]

_INPUT_ROWS = 10_000  # rows for the mean and std of the inputs
_BATCHES = 200  # batches of the first epoch whose labels are looked at


class Evidence(Callback):
    """Gathers evidence into `data`, in the form above; `to_json()` gives it at any time.

    `rows` is how many training rows are looked at for gradients and activations, `doubted_rows` for how many the labels
    are compared with what the best net so far thinks, `val_rows` with how many the last net's predictions are counted.
    """

    order = 10  # after the callbacks that stop a run or restore its weights, before those that write it down

    def __init__(self, rows: int = 1000, doubted_rows: int = 3000, val_rows: int = 5000) -> None:
        self.rows, self.doubted_rows, self.val_rows = rows, doubted_rows, val_rows
        self.data: dict[str, Any] = {}
        self._start: dict[str, Any] = {}  # the weights before the first update, by layer
        self._entropies: list[float] = []  # of the labels of the first epoch's batches
        self._sizes: list[int] = []
        self._best_val = math.inf

    def to_json(self) -> dict[str, Any]:
        """The evidence so far as plain JSON; what is not finite is null."""
        plain: dict[str, Any] = finite(self.data)
        return plain

    # Events

    def on_fit_begin(self, trainer: Trainer) -> None:
        if self.data:  # a run that goes on
            return
        assert trainer.train_data is not None
        x, y = trainer.train_data
        first = probe.look(trainer.model, trainer.loss, x[: self.rows], y[: self.rows])
        task = _task(to_host(y[:1]), first.output)
        self.data = {"schema": 1, "task": task, "setup": _setup(trainer, task, first), "looks": [], "curves": {}}
        self.data |= {"activations": first.activations, "dropout": _largest_dropout(trainer)}
        if trainer.step == 0:
            self._start = probe.host_weights(trainer.model)
            self._keep(trainer, first)

    def on_batch_begin(self, trainer: Trainer, x: Array, y: Array) -> None:
        if trainer.epoch == 0 and self.data["task"] == "classification" and len(self._entropies) < _BATCHES:
            self._entropies.append(measure.entropy(to_host(y)))
            self._sizes.append(len(y))

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        assert trainer.train_data is not None
        x, y = trainer.train_data
        self._keep(trainer, probe.look(trainer.model, trainer.loss, x[: self.rows], y[: self.rows]))
        self.data["curves"] = self._curves(trainer)
        self.data["updates"] = trainer.step
        if self._entropies and "batch_label_entropy" not in self.data["setup"]:
            self._compare_batches(to_host(y))
        val_loss = record.get("val_loss", math.inf)
        if val_loss < self._best_val and self.data["task"] == "classification":
            self._best_val = val_loss
            self.data["contradicted"] = self._doubt(trainer, record["epoch"])

    def on_fit_end(self, trainer: Trainer) -> None:
        self._finish(trainer)

    def on_interrupt(self, trainer: Trainer) -> None:
        self._finish(trainer)

    # What they do

    def _keep(self, trainer: Trainer, found: probe.Look) -> None:
        """Add a look to the evidence, with how far the weights have come."""
        weights = probe.host_weights(trainer.model)
        entry: dict[str, Any] = {
            "epoch": len(trainer.history),
            "gradient_rms": found.gradient_rms,
            "dead": found.dead,
            "saturated": found.saturated,
            "row_cosine": found.row_cosine,
            "identical_units": {name: measure.identical_units(w) for name, w in list(weights.items())[:-1]},
        }
        if self._start and self.data["looks"]:
            entry["movement"] = measure.movement([*weights.values()], [*self._start.values()])
            entry["movement_by_layer"] = {
                name: measure.movement([w], [self._start[name]]) for name, w in weights.items()
            }
            entry["weight_norm"] = _ratio(measure.norm(weights.values()), measure.norm(self._start.values()))
        self.data["looks"].append(finite(entry))
        if self.data["task"] == "classification":
            classes = self.data["setup"]["classes"]
            assert trainer.train_data is not None
            self.data["predicted"] = measure.label_counts(found.output.argmax(axis=1), classes)
            self.data["labelled"] = measure.label_counts(to_host(trainer.train_data[1][: self.rows]), classes)

    def _curves(self, trainer: Trainer) -> dict[str, list[Any]]:
        curves: dict[str, list[Any]] = finite(curves_of(trainer.history.records))
        if self.data["task"] == "regression":
            for part, guess in (("train", "guess_loss"), ("running", "guess_loss"), ("val", "val_guess_loss")):
                base = self.data["setup"].get(guess)
                if base and f"{part}_loss" in curves:
                    losses = curves[f"{part}_loss"]
                    curves[f"{part}_score"] = [None if loss is None else 1.0 - loss / base for loss in losses]
        return curves

    def _compare_batches(self, y: Any) -> None:
        """The label entropy of the batches as they came, and of as many of the same sizes after a fair shuffle."""
        order = np.random.default_rng(0).permutation(len(y))
        ends = np.minimum(np.cumsum(self._sizes), len(y))
        shuffled = [measure.entropy(part) for part in np.split(y[order], ends)[: len(ends)] if len(part)]
        setup = self.data["setup"]
        setup["batch_label_entropy"] = float(np.mean(self._entropies))
        setup["shuffled_label_entropy"] = float(np.mean(shuffled))

    def _doubt(self, trainer: Trainer, epoch: int) -> dict[str, Any]:
        assert trainer.train_data is not None
        assert trainer.val_data is not None
        found: dict[str, Any] = {"epoch": epoch}
        for part, data in (("", trainer.train_data), ("val_", trainer.val_data)):
            x, y = (rows[: self.doubted_rows] for rows in data)
            logits = np.concatenate(list(probe.outputs(trainer.model, x)))
            found[f"{part}share"] = measure.contradicted_share(measure.softmax(logits), to_host(y))
            found[f"{part}rows"] = len(y)
        return found

    def _finish(self, trainer: Trainer) -> None:
        self.data["stop"] = trainer.stop
        failed = trainer.stop is not None and trainer.stop.startswith("not finite")
        self.data["not_finite"] = trainer.stop if failed else None
        self.data["selected_epoch"] = next(
            (c.best_epoch for c in trainer.callbacks if isinstance(c, EarlyStopping) and c.restore_best), None
        )
        if self.data["task"] == "classification" and trainer.val_data is not None:
            x, y = (part[: self.val_rows] for part in trainer.val_data)
            classes = self.data["setup"]["classes"]
            predicted = np.concatenate([part.argmax(axis=1) for part in probe.outputs(trainer.model, x)])
            self.data["val_chance"] = measure.agreement_by_chance(
                measure.label_counts(predicted, classes), measure.label_counts(to_host(y), classes)
            )
        elif self.data["task"] == "regression":
            self.data["val_chance"] = 0.0
        self.data["weights"] = {
            name: {"shape": list(w.shape), "end": measure.histogram(w)}
            | ({"start": measure.histogram(self._start[name])} if name in self._start else {})
            for name, w in probe.host_weights(trainer.model).items()
        }

    # Resume

    def state_dict(self) -> dict[str, Any]:
        return {
            "data": self.to_json(),
            "start": self._start,
            "entropies": self._entropies,
            "sizes": self._sizes,
            "best_val": self._best_val if math.isfinite(self._best_val) else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.data, self._start = state["data"], state["start"]
        self._entropies, self._sizes = list(state["entropies"]), list(state["sizes"])
        self._best_val = math.inf if state["best_val"] is None else state["best_val"]


def _task(y: Any, output: Any) -> str:
    if y.dtype.kind in "iu" and y.ndim == 1 and output.ndim == 2:
        return "classification"
    return "regression" if y.dtype.kind == "f" else "other"


def _setup(trainer: Trainer, task: str, first: probe.Look) -> dict[str, Any]:
    """What can be known before the first update."""
    assert trainer.train_data is not None
    x, y = (to_host(part) for part in trainer.train_data)
    found: dict[str, Any] = {"train_rows": len(x), "val_rows": 0, "first_loss": first.loss}
    some = _some(x)
    if some is not None:
        found |= {"input_mean": float(some.mean()), "input_std": float(some.std())}
    if task == "classification":
        found["classes"] = classes = first.output.shape[1]
        found["label_counts"] = measure.label_counts(y, classes)
    found["guess_loss"] = _guess_loss(trainer, task, first.output, y, y)
    if trainer.val_data is not None:
        val_x, val_y = (to_host(part) for part in trainer.val_data)
        found["val_rows"] = len(val_x)
        if some is not None:
            found["val_input_shift"] = measure.shift(some, _some(val_x))
        found["duplicate_share"], found["repeated_share"] = measure.equal_rows(x, val_x)
        if task == "classification":
            found["val_label_counts"] = measure.label_counts(val_y, classes)
        found["val_guess_loss"] = _guess_loss(trainer, task, first.output, y, val_y)
    return found


def _some(x: Any) -> Any:
    """Rows enough for a mean; None where the inputs are numbers of words."""
    return x[:: max(1, len(x) // _INPUT_ROWS)] if x.dtype.kind == "f" else None


def _guess_loss(trainer: Trainer, task: str, output: Any, train_y: Any, y: Any) -> float | None:
    """The loss of a net that gives all classes the same logit, or of one that answers the mean of `train_y`."""
    if task == "other":
        return None
    rows = min(len(y), 10_000)
    answer = np.zeros((rows, *output.shape[1:]), output.dtype)
    if task == "regression":
        answer += train_y.mean(axis=0, dtype=np.float64).astype(output.dtype)
    with no_grad():
        loss = trainer.loss(wrap(move(answer, trainer.device)), wrap(move(y[:rows], trainer.device)))
    # A loss of log probabilities takes zeros for certainty.
    value = float(loss.data)
    return math.log(output.shape[1]) if task == "classification" and value <= 0 else value


def _largest_dropout(trainer: Trainer) -> float:
    drops: Any = [module for module in trainer.model.modules() if type(module).__name__.startswith("Dropout")]
    return max((float(module.p) for module in drops), default=0.0)


def _ratio(number: float, base: float) -> float | None:
    return number / base if base else None
