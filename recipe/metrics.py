"""Metrics, and the means of them over many rows.

One idea: a metric is a function (output, y) -> the mean over the rows as a 0-d array on their device; nothing here
waits for a GPU until somebody reads a number. Read `trainer.py` next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from autograd.backend import Array, module_of
from nn.module import Module

__all__ = ["Means", "Metric", "accuracy", "evaluating"]

Metric = Callable[[Array, Array], Array]


def accuracy(logits: Array, y: Array) -> Array:
    """The share of rows whose largest logit is at the label: logits (rows, classes), y (rows,) of integers."""
    xp = module_of(logits)
    return xp.asarray((logits.argmax(axis=1) == y).mean())


class Means:
    """Means of named values over rows, gathered batch by batch and weighed by the rows of each.

    The sums are float64 on the device of what is added, so that adding does not wait; `read` does.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.sums: dict[str, Any] = {}

    def add(self, values: Mapping[str, Array], rows: int) -> None:
        """Add the means over `rows` more rows."""
        self.rows += rows
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value.astype("float64") * rows

    def read(self) -> dict[str, float]:
        """The means, by name, as Python numbers."""
        return {name: float(total) / self.rows for name, total in self.sums.items()}

    def state_dict(self) -> dict[str, Any]:
        """Rows and sums as plain numbers."""
        return {"rows": self.rows, "sums": {name: float(total) for name, total in self.sums.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.rows, self.sums = state["rows"], dict(state["sums"])


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
