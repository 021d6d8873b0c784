"""Trainer: the loop, in one place, with nothing hidden.

One idea: an update is batch, forward, backward, clip, step, schedule, and everything else hangs on the events between
them. The state of the loop is a dictionary, taken between two updates; from it a run goes on as if it had never
stopped, to the last bit. Read `formulas.py` for what a step computes, `callbacks/base.py` and `checkpoint.py` next.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any

from autograd import no_grad, random
from autograd.backend import Array, module_of, move
from autograd.hints import Elsewhere, telling
from autograd.tensor import Tensor, wrap
from autograd.words import OF_TRAINERS
from nn.module import Module
from optim import Optimizer, ReduceLROnPlateau, Schedule

from .callbacks.base import Callback
from .data.batches import Batches
from .formulas import Compile, Formulas
from .given import check_more, check_numbers, check_parts, check_state, checked, is_rows, pair
from .history import History, Record
from .interrupt import Interrupt, deferred
from .metrics import Means, Metric, accuracy, are_labels, evaluating
from .numbers import check_count, check_number
from .rows import pieces, slices

__all__ = ["EVALUATION_ROWS", "SHUFFLE", "Data", "Trainer"]

Data = tuple[Array, Array]

SHUFFLE = 1  # the stream of the seed from which the order of the rows is drawn
EVALUATION_ROWS = 1000  # rows in a batch of an evaluation: large enough for BLAS, small enough for the cache


class Trainer:
    """One visible loop: `Trainer(model, loss, optimizer).fit(train, val, epochs=8, batch_size=128)`.

    `loss(output, y)` gives the mean over the rows as a scalar Tensor; `metrics` are functions of bare arrays (see
    `metrics.py`), by name; without them the accuracy is measured, where y holds the class of each row. A `schedule` is
    stepped after every update (ReduceLROnPlateau after every epoch, with the validation loss, or the training loss
    where there is none). Penalties are the optimizer's.

    `clip_norm` and `clip_value` clip the gradients before an update. `accumulate=n` sends each batch through the model
    in n pieces, weighed by their rows: the same update as the whole batch, in less memory. `seed` decides the order of
    the rows; layers that draw (Dropout) have generators of their own, which are saved and restored with the rest.

    `compile` "auto" compiles updates (see `autograd.compile`) from the 501st on, when they repay it, True all of them,
    False none; `describe_steps()` says how they run. Events, and what callbacks see, are the same. Python that a model
    or a loss does besides computing, such as counting its calls, wants False.

    A callback sets `stop` to a reason, and `failure` to an exception that `fit` shall raise at its end.
    """

    def __init__(
        self,
        model: Module,
        loss: Callable[[Tensor, Tensor], Tensor],
        optimizer: Optimizer,
        *,
        schedule: Schedule | ReduceLROnPlateau | None = None,
        metrics: Mapping[str, Metric] | None = None,
        callbacks: Iterable[Callback] = (),
        clip_norm: float | None = None,
        clip_value: float | None = None,
        accumulate: int = 1,
        seed: int = 0,
        device: str = "cpu",
        compile: Compile = "auto",
    ) -> None:
        check_count("Trainer", "accumulate", accumulate)
        for name, limit in (("clip_norm", clip_norm), ("clip_value", clip_value)):
            if limit is not None:
                check_number("Trainer", name, limit, least=0)
        if not isinstance(device, str):
            raise TypeError(f'Trainer takes a device such as "cpu" or "cuda", got {device!r}.')
        check_parts(model, loss, optimizer, schedule, {} if metrics is None else metrics)
        self.model = model.to(device)
        self.loss, self.optimizer, self.schedule = loss, optimizer, schedule
        self.metrics = {"accuracy": accuracy} if metrics is None else dict(metrics)
        self._chosen = metrics is not None
        self.callbacks = sorted(checked(callbacks), key=lambda callback: callback.order)
        self.clip_norm, self.clip_value, self.accumulate = clip_norm, clip_value, accumulate
        self.device, self.compile = device, compile
        self.formulas = self._formulas()
        self.shuffle = random.Generator(seed, stream=SHUFFLE)
        self.history = History()
        self.epoch = 0  # epochs that are complete
        self.step = 0  # updates made
        self.stop: str | None = None
        self.failure: Exception | None = None
        self.running = Means()  # over the batches of this epoch
        self.batches: Batches | None = None
        self.epochs = 0  # of this fit
        self.updates = 0  # of this fit
        self.train_data: Data | None = None
        self.val_data: Data | None = None
        self._interrupt = Interrupt()  # of this fit
        self._batches_state: dict[str, Any] | None = None
        self._spent = 0.0  # seconds of training before this fit
        self._started: float | None = None  # when this fit began
        self._epoch_began = 0.0  # seconds of training before this epoch

    # The loop

    @telling
    def fit(
        self,
        train: Data,
        val: Data | None = None,
        *,
        epochs: int,
        batch_size: int,
        updates: int | None = None,
        evaluate_rows: int | None = None,
        shuffle: bool = True,
    ) -> History:
        """Train until `epochs` epochs are complete (counted from the first fit or the checkpoint that was loaded), or
        until `updates` updates are made, whichever comes first.

        `train` and `val` are pairs of arrays or Tensors (x, y) with a row per case, which `shuffle` puts in a new order
        before each epoch. After each epoch both are measured in evaluation mode, of the training rows the first
        `evaluate_rows`. A further fit goes on, inside an epoch that was cut short if it has the same batches, and warns
        where there is nothing to do. Ctrl-C ends the step at hand, tells `on_interrupt` and raises KeyboardInterrupt; a
        second one stops at once.
        """
        check_count("fit", "epochs", epochs, least=0)
        check_count("fit", "batch_size", batch_size)
        if updates is not None:
            check_count("fit", "updates", updates, least=0)
        if evaluate_rows is not None:
            check_count("fit", "evaluate_rows", evaluate_rows)
        if is_rows(train) and is_rows(val):  # fit(x, y), as elsewhere
            train, val = (train, val), None
        if self.batches is not None:  # neither new nor resumed
            check_more(epochs, self.epoch)
        self._prepare(train, val, epochs, batch_size, updates, shuffle)
        with deferred() as self._interrupt, self._timed():
            interrupt = self._interrupt
            try:
                self._tell("on_fit_begin")
                while self.epoch < epochs and self.stop is None and not self._all_made():
                    self._run_epoch(interrupt, evaluate_rows)
                    if interrupt and self.epoch < epochs and self.stop is None:
                        self._tell("on_interrupt")
                        raise KeyboardInterrupt
                self._tell("on_fit_end")
            except BaseException:
                self._tell("on_abort")
                raise
        if self.failure is not None:
            raise self.failure
        return self.history

    def interrupt(self) -> None:
        """What Ctrl-C does in a fit, for a callback to do: end the step at hand, save, raise KeyboardInterrupt."""
        self._interrupt.asked = True

    def _run_epoch(self, interrupt: Interrupt, evaluate_rows: int | None) -> None:
        """The batches of one epoch, or what a resume left of it, and its record; an interrupt leaves it open."""
        assert self.batches is not None
        if self.running.rows == 0:
            self._epoch_began = self.seconds
            self._tell("on_epoch_begin")
        self.model.train()
        for x, y in islice(self.batches, min(max(self.updates - self.step, 0), sys.maxsize)):
            self._tell("on_batch_begin", x, y)
            loss = self.backward(x, y)
            self._tell("on_backward_end", loss)
            if self._stopped():  # a callback found the gradients unfit for use
                return self._end_epoch(evaluate_rows, complete=False)
            self.update()
            self._tell("on_batch_end", loss)
            if interrupt:
                self._batches_state = self.batches.state_dict()
                return None
            if self._stopped():
                break
        return self._end_epoch(evaluate_rows, complete=not self.batches.is_open())

    def backward(self, x: Array, y: Array) -> Array:
        """Set the gradients of the batch's mean loss, and give that loss as a 0-d array on the device."""
        whole = self.batches is None or len(x) == min(self.batches.batch_size, len(self.batches.x))
        total, seen = self._run("gradients", wrap(x), wrap(y), self.accumulate, whole=whole)
        for (loss, output), (_, part_y) in zip(seen, pieces(x, y, self.accumulate), strict=True):
            self.running.add(self._measured(loss, output, part_y), len(part_y))
        return total

    def update(self) -> None:
        """Clip the gradients, step the optimizer and the schedule, and count the update."""
        self._run("update", self.clip_value, self.clip_norm, whole=True)
        if isinstance(self.schedule, Schedule):
            self.schedule.step()
        self.step += 1

    def _run(self, name: str, *arguments: Any, whole: bool) -> Any:
        self._renew_formulas()
        return self.formulas.run(name, *arguments, step=self.step, whole=whole)

    def _renew_formulas(self) -> None:
        """Make others where the model, the loss or the optimizer was replaced."""
        if self.formulas.parts != (self.model, self.loss, self.optimizer):
            self.formulas = self._formulas()

    def _formulas(self, refused: Mapping[str, str] | None = None) -> Formulas:
        parts = (self.model, self.loss, self.optimizer)
        return Formulas(*parts, device=self.device, compile=self.compile, refused=refused)

    def _end_epoch(self, evaluate_rows: int | None, complete: bool) -> None:
        assert self.train_data is not None
        assert self.batches is not None
        if complete:
            self.batches.end_epoch()
        else:
            self._batches_state = self.batches.state_dict()
        x, y = self.train_data
        record: Record = {"epoch": self.epoch, "step": self.step}
        record |= {f"running_{name}": value for name, value in self.running.read().items()}
        measured = self.evaluate(x[:evaluate_rows], y[:evaluate_rows])
        record |= {f"train_{name}": value for name, value in measured.items()}
        if self.val_data is not None:
            record |= {f"val_{name}": value for name, value in self.evaluate(*self.val_data).items()}
        record |= {"lr": self.lr, "seconds": self.seconds - self._epoch_began}
        if not complete:
            record["partial"] = True
        self.running = Means()
        self.history.append(record)
        if complete:
            self.epoch += 1
            if isinstance(self.schedule, ReduceLROnPlateau):
                self.schedule.step(record.get("val_loss", record["train_loss"]))
        self._tell("on_epoch_end", record)

    @telling
    def evaluate(
        self, data: Data | Array, y: Array | None = None, batch_size: int = EVALUATION_ROWS
    ) -> dict[str, float]:
        """The mean loss and metrics over all rows of a pair (x, y), as `fit` takes it, or of x and y one by one.

        In evaluation mode, without a graph.
        """
        check_count("evaluate", "batch_size", batch_size)
        x, y = pair(data if y is None else (data, y), "evaluate((x, y))")
        if not len(x):
            raise ValueError("Trainer.evaluate got no rows: a mean needs at least one.")
        means = Means()
        with evaluating(self.model), no_grad():
            for part_x, part_y in slices(x, y, batch_size):
                part_x, part_y = move(part_x, self.device), move(part_y, self.device)
                whole = len(part_x) == EVALUATION_ROWS
                loss, output = self._run("outputs", wrap(part_x), wrap(part_y), whole=whole)
                means.add(self._measured(loss, output, part_y), len(part_x))
        return means.read()

    def _measured(self, loss: Array, output: Array, y: Array) -> dict[str, Array]:
        metrics = dict(self.metrics)
        if not (self._chosen or are_labels(output, y)):  # a regression, say
            metrics.pop("accuracy", None)
        values = {name: metric(output, y) for name, metric in metrics.items()}
        check_numbers(values)
        # A metric may give what a later step writes to, such as a parameter, and its values are kept.
        return {"loss": loss} | {name: module_of(value).array(value) for name, value in values.items()}

    def _prepare(
        self, train: Data, val: Data | None, epochs: int, batch_size: int, updates: int | None, shuffle: bool
    ) -> None:
        self.train_data = self._here(train)
        self.val_data = None if val is None else self._here(val)
        self.epochs = epochs
        batches = Batches(*self.train_data, batch_size, shuffle=shuffle, generator=self.shuffle)
        state, given = self._batches_state, 0
        recorded = self.batches is not None and self.running.rows == 0  # the part of an epoch that was made
        if state is not None and state["epoch"] and (not recorded or batches.fits(state)):
            batches.load_state_dict(state)
            given = state["epoch"]["given"]
        else:
            self.running = Means()
        self.batches, self._batches_state = batches, None
        last = self.step + (epochs - self.epoch) * len(batches) - given
        self.updates = last if updates is None else min(updates, last)
        self._renew_formulas()
        self.stop = self.failure = None

    @contextmanager
    def _timed(self) -> Iterator[None]:
        self._started = time.perf_counter()
        try:
            yield
        finally:
            self._spent, self._started = self.seconds, None

    def _here(self, data: Data) -> Data:
        x, y = pair(data)
        return move(x, self.device), move(y, self.device)

    def _all_made(self) -> bool:
        """Whether all updates are made, and measured as well."""
        return self.step >= self.updates and self.running.rows == 0

    def _stopped(self) -> bool:
        return self.stop is not None

    def _tell(self, event: str, *arguments: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(self, *arguments)

    # What callbacks read

    @property
    def lr(self) -> float:
        """The learning rate of the first parameter group, for the next update."""
        return float(self.optimizer.param_groups[0]["lr"])

    @property
    def seconds(self) -> float:
        """Seconds of training so far, those before a resume included."""
        return self._spent + (0.0 if self._started is None else time.perf_counter() - self._started)

    def describe_steps(self) -> str:
        """How updates are made now, compiled or eager, and why."""
        return self.formulas.describe(self.step)

    def generators(self) -> dict[str, random.Generator]:
        """Every generator that a run may draw from: the shuffle's, those in the model's Modules, the default one."""
        found = {"shuffle": self.shuffle, "default": random.default}
        for path, module in self.model.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, random.Generator):
                    found[f"model.{path}.{name}" if path else f"model.{name}"] = value
        return found

    # Exact resume

    def state_dict(self) -> dict[str, Any]:
        """Everything that decides how the run goes on, as copies: nested dictionaries of arrays and plain values.

        Taken between two updates. Penalties, the loss and the data are the program's and stay out.
        """
        batches = self._batches_state if self.batches is None else self.batches.state_dict()
        return {
            "epoch": self.epoch,
            "step": self.step,
            "seconds": self.seconds,
            "epoch_began": self._epoch_began,
            "running": self.running.state_dict(),
            "history": [dict(record) for record in self.history],
            "batches": batches,
            "generators": {name: generator.state_dict() for name, generator in self.generators().items()},
            "model": {name: tensor.data.copy() for name, tensor in self.model.state_dict().items()},
            "optimizer": self.optimizer.state_dict(),
            "schedule": None if self.schedule is None else self.schedule.state_dict(),
            "callbacks": {name: callback.state_dict() for name, callback in self._named_callbacks()},
            "refused": self.formulas.refused,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken: the next `fit`, with the same data and settings, repeats what came then.

        Raises TypeError for what is no such state, ValueError when the model, the optimizer or the generators are not
        those of the state; everything is as it was before then.
        """
        check_state(state)
        generators = self.generators()
        if generators.keys() != state["generators"].keys():
            raise ValueError(
                f"the state has the generators {', '.join(state['generators'])}, this trainer has "
                f"{', '.join(generators)}: build the same model."
            )
        if (self.schedule is None) != (state["schedule"] is None):
            raise ValueError("either the state or this trainer has a schedule, and the other has none: build the same.")
        batches, refused = state["batches"], state.get("refused")
        before = self.state_dict()
        try:
            self._load(state, generators)
        except BaseException:
            self._load(before, generators)
            raise
        self.batches, self._batches_state = None, batches
        self.formulas = self._formulas(refused)  # those there were hold on to what was replaced

    def _load(self, state: Mapping[str, Any], generators: Mapping[str, random.Generator]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.schedule is not None:
            self.schedule.load_state_dict(state["schedule"])
        for name, generator in generators.items():
            generator.load_state_dict(state["generators"][name])
        callbacks = dict(self._named_callbacks())
        for name in callbacks.keys() & state["callbacks"].keys():
            callbacks[name].load_state_dict(state["callbacks"][name])
        self.epoch, self.step = state["epoch"], state["step"]
        self._spent, self._epoch_began = state["seconds"], state["epoch_began"]
        self.running.load_state_dict(state["running"])
        self.history.records[:] = [dict(record) for record in state["history"]]

    def _named_callbacks(self) -> Iterator[tuple[str, Callback]]:
        """The callbacks by class, numbered where there are several of one."""
        counts: dict[str, int] = {}
        for callback in self.callbacks:
            name = type(callback).__name__
            counts[name] = counts.get(name, 0) + 1
            yield (name if counts[name] == 1 else f"{name} {counts[name]}"), callback


for _name, _instead in OF_TRAINERS.items():
    setattr(Trainer, _name, Elsewhere(_name, _instead))
