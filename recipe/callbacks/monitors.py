"""Monitors: gradients, activations and weights, layer by layer, as entries of the epoch's record.

One idea: what makes training fail is seen inside the network first: gradients that vanish on the way back, units that
are silent for every row, weights that die or explode. These numbers are for the logs and the live view; a diagnosis
looks for itself (`../diagnose/evidence.py`). Read `base.py` first.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd import no_grad
from autograd.backend import Array, module_of, to_host
from autograd.tensor import Tensor, wrap
from nn.module import Module

from ..history import Record
from ..metrics import evaluating
from ..numbers import check_count, check_number
from ..units import flat_share
from .base import Callback

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["ActivationMonitor", "GradientMonitor", "WeightMonitor", "rms", "weights_of"]


def weights_of(model: Module) -> Iterator[tuple[str, Tensor]]:
    """The weights (no biases, slopes or norm parameters) by their layer's name, in the model's order."""
    for name, parameter in model.named_parameters():
        if parameter.role == "weight":
            yield name.removesuffix(".weight"), parameter


def rms(array: Array) -> float:
    """The root of the mean square, as a Python number."""
    xp = module_of(array)
    return float(xp.sqrt(xp.mean(xp.square(array))))


class GradientMonitor(Callback):
    """How large the gradients are, per layer: means over every `every`-th step of the epoch.

    Adds to the record "gradient_rms" (the root of the mean square of the weights' gradient, before clipping),
    "gradient_ratio" (first layer's / last layer's: far below 1 when the gradient vanishes on its way back) and
    "update_ratio" (rms of the update / rms of the weights; about 1e-3 is usual).
    """

    def __init__(self, every: int = 100) -> None:
        check_count("GradientMonitor", "every", every)
        self.every = every
        self._sums: dict[str, dict[str, float]] = {"gradient_rms": {}, "update_ratio": {}}
        self._count = 0
        self._before: dict[str, Array] = {}

    def on_backward_end(self, trainer: Trainer, loss: Array) -> None:
        if trainer.step % self.every:
            return
        weights = {name: w for name, w in weights_of(trainer.model) if w.grad is not None}
        self._before = {name: w.data.copy() for name, w in weights.items()}
        self._add("gradient_rms", {name: rms(w.grad.data) for name, w in weights.items() if w.grad is not None})

    def on_batch_end(self, trainer: Trainer, loss: Array) -> None:
        if not self._before:
            return
        ratios = {}
        for name, w in weights_of(trainer.model):
            if name in self._before:
                before = self._before[name]
                ratios[name] = rms(w.data - before) / max(rms(before), 1e-30)
        self._add("update_ratio", ratios)
        self._count += 1
        self._before = {}

    def _add(self, key: str, values: dict[str, float]) -> None:
        sums = self._sums[key]
        for name, value in values.items():
            sums[name] = sums.get(name, 0.0) + value

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        if self._count:
            for key, sums in self._sums.items():
                record[key] = {name: total / self._count for name, total in sums.items()}
            sizes = list(record["gradient_rms"].values())
            record["gradient_ratio"] = sizes[0] / sizes[-1] if sizes[-1] else float("inf")
        self._sums = {"gradient_rms": {}, "update_ratio": {}}
        self._count, self._before = 0, {}

    def state_dict(self) -> dict[str, Any]:
        return {"sums": {key: dict(sums) for key, sums in self._sums.items()}, "count": self._count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._sums = {key: dict(sums) for key, sums in state["sums"].items()}
        self._count = state["count"]


class ActivationMonitor(Callback):
    """What the activations give for the first `rows` training rows, in evaluation mode, after each epoch.

    Adds "activations": for each layer of nn's activations (ReLU, Sigmoid, ...) the "mean" and "std" of its output,
    "dead", the share of its units that are 0 for every row (rectifiers), and "saturated", the share of outputs at the
    flat ends (Sigmoid, Tanh and their like), each only where it has a meaning.
    """

    def __init__(self, rows: int = 1000) -> None:
        check_count("ActivationMonitor", "rows", rows)
        self.rows = rows

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        assert trainer.train_data is not None
        record["activations"] = measure_activations(trainer.model, trainer.train_data[0][: self.rows])


def measure_activations(model: Module, x: Array) -> dict[str, dict[str, float]]:
    """The measurements of ActivationMonitor for the rows of x."""
    found: dict[str, dict[str, float]] = {}

    def watch(name: str) -> Any:
        def hook(module: Module, inputs: tuple[Any, ...], output: Tensor) -> None:
            out = output.data
            found[name] = {"mean": float(out.mean()), "std": float(out.std()), **flat_share(module, out)}

        return hook

    modules = [(n, m) for n, m in model.named_modules() if type(m).__module__ == "nn.activation"]
    handles = [module.register_forward_hook(watch(name)) for name, module in modules]
    try:
        with evaluating(model), no_grad():
            model(wrap(x))
    finally:
        for handle in handles:
            handle.remove()
    return found


class WeightMonitor(Callback):
    """How the weights of each layer are spread, after each epoch.

    Adds "weights": for each layer "l1" (sum of |w|), "l2" (root of the sum of squares), "max" (largest |w|), "small"
    (share of |w| < `tau`), and "histogram", the counts in `bins` equal bins from -"max" to "max", if that is finite.
    """

    def __init__(self, tau: float = 1e-3, bins: int = 40) -> None:
        check_number("WeightMonitor", "tau", tau, above=0)
        check_count("WeightMonitor", "bins", bins)
        self.tau, self.bins = tau, bins

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        record["weights"] = {name: self.measure(w.data) for name, w in weights_of(trainer.model)}

    def measure(self, w: Array) -> dict[str, Any]:
        """The numbers of one layer."""
        xp = module_of(w)
        size = xp.abs(w)
        largest = float(size.max())
        reach = largest or 1.0  # of weights that are all 0 as well
        return {
            "l1": float(size.sum()),
            "l2": float(xp.sqrt(xp.square(w).sum())),
            "max": largest,
            "small": float((size < self.tau).mean()),
            "histogram": np.histogram(to_host(w), self.bins, (-reach, reach))[0].tolist() if isfinite(reach) else [],
        }
