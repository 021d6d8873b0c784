"""Metrics, and the means of them over many rows.

One idea: a metric is a function (output, y) -> the mean over the rows as a 0-d array on their device; nothing here
waits for a GPU until somebody reads a number. Read `trainer.py` next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from autograd.backend import Array, module_of, to_host
from nn.module import Module

__all__ = ["Means", "Metric", "accuracy", "are_labels", "error_percent", "evaluating", "in_percent"]

_KEPT = 1024  # batches whose values are kept

Metric = Callable[[Array, Array], Array]


def accuracy(logits: Array, y: Array) -> Array:
    """The share of rows whose largest logit is at the label: logits (rows, classes, ...), y (rows, ...) of integers.

    Of y with a number for each class, one-hot or probabilities, the largest one is the label. Raises ValueError for
    anything else, such as one logit a row.
    """
    xp = module_of(logits)
    labels = y.argmax(axis=1) if y.shape == logits.shape and logits.ndim > 1 else y
    if not are_labels(logits, labels):
        raise ValueError(
            f"accuracy got outputs of shape {logits.shape} and targets of {y.dtype} of shape {y.shape}: it compares "
            "(rows, classes) with whole numbers (rows,); for others give Trainer metrics of your own, or metrics={}."
        )
    return xp.asarray((logits.argmax(axis=1) == labels).mean())


def error_percent(accuracy: float | None) -> Any:
    """The share of rows that are wrong, in per cent; None where no accuracy is known."""
    return None if accuracy is None else 100.0 * (1.0 - accuracy)


def in_percent(value: float, decimals: int = 2) -> str:
    """Per cent for reading. What is not all or nothing is not shown as 100 % or 0 %, to which it may be rounded."""
    rounded, least = round(value, decimals), 10.0**-decimals
    if rounded == 0 and value > 0:
        return f"<{least:.{decimals}f} %"
    if rounded == 100 and value < 100:
        return f">{100 - least:.{decimals}f} %"
    return f"{value:.{decimals}f} %"


def are_labels(logits: Array, y: Array) -> bool:
    """Whether y is the class of each row of logits, as a whole number."""
    return y.dtype.kind in "iu" and logits.ndim == y.ndim + 1 and logits.shape[1] > 1


class Means:
    """Means of named values over rows, gathered batch by batch and weighed by the rows of each, in float64.

    What is added is kept as it is until somebody reads a mean, or until there is much of it: to add up on a GPU would
    take several kernels a batch, and to fetch each value would wait for it.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._sums: dict[str, float] = {}
        self._added: list[tuple[Mapping[str, Array], int]] = []

    def add(self, values: Mapping[str, Array], rows: int) -> None:
        """Add the means over `rows` more rows."""
        self.rows += rows
        self._added.append((values, rows))
        if len(self._added) == _KEPT:
            self._add_up()

    def read(self) -> dict[str, float]:
        """The means, by name, as Python numbers."""
        return {name: total / self.rows for name, total in self._add_up().items()}

    def state_dict(self) -> dict[str, Any]:
        """Rows and sums as plain numbers."""
        return {"rows": self.rows, "sums": dict(self._add_up())}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.rows, self._sums, self._added = state["rows"], dict(state["sums"]), []

    def _add_up(self) -> dict[str, float]:
        """The sums, with all that was added: one wait for each name."""
        added, self._added = self._added, []
        for name in dict.fromkeys(name for values, _ in added for name in values):
            values, rows = zip(*((values[name], rows) for values, rows in added if name in values), strict=True)
            numbers = to_host(module_of(values[0]).stack(values)).astype("float64").tolist()
            # One after the other: a run that is resumed in between has the same bits.
            for number, count in zip(numbers, rows, strict=True):
                self._sums[name] = self._sums.get(name, 0.0) + number * count
        return self._sums


@contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """The model in evaluation mode inside, each of its Modules as it was afterwards."""
    were = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in were:
            module.training = training
