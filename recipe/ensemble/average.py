"""Averages over the networks of an ensemble, kept up to date network by network.

One idea: mean, spread, mean logarithm and mean entropy are weighted means, and a mean takes in a new part by a step
towards it, so that any number of networks needs the memory of one. Read `monte_carlo.py` and `exact.py` for who adds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

__all__ = ["Averages", "Ensemble", "Of", "log_softmax", "probabilities"]

Array = np.ndarray[Any, Any]
Of = Literal["softmax", "output"]


@dataclass(frozen=True)
class Ensemble:
    """What `k` networks, each with its weight, say together about n rows; all are host arrays of float64.

    With p_m the softmax of network m's output and w_m its weight (1 / k for drawn masks, the mask's probability for
    enumerated ones), along the last axis of (n, classes):

        arithmetic           Σ_m w_m p_m
        geometric            ∏_m p_m^w_m, divided by its sum over the classes
        spread               the standard deviation of p_m over the networks, class by class
        entropy              H(arithmetic), (n,), in nats: how unsure the ensemble is
        mutual_information   H(arithmetic) - Σ_m w_m H(p_m), (n,): what of it is the networks' disagreement

    Of outputs without softmax there are `arithmetic` and `spread`; the others are None. The geometric mean: Baldi and
    Sadowski 2013, Warde-Farley, Goodfellow, Courville and Bengio 2014; the mutual information between the prediction
    and the weights as a measure of what the model does not know: Gal 2016, "Uncertainty in deep learning", chapter 3.
    """

    k: int
    arithmetic: Array
    spread: Array
    geometric: Array | None = None
    entropy: Array | None = None
    mutual_information: Array | None = None


class Averages:
    """The averages so far. The spread is gathered part by part as in Chan, Golub and LeVeque 1983."""

    def __init__(self, of: Of) -> None:
        if of not in ("softmax", "output"):
            raise ValueError(f'of={of!r}: what is averaged must be "softmax" or "output".')
        self.of = of
        self.k, self.weight = 0, 0.0
        self.mean: Any = 0.0
        self.squares: Any = 0.0  # weighted squares of the distances from the mean
        self.mean_log: Any = 0.0
        self.mean_entropy: Any = 0.0

    def add(self, outputs: Array, weights: Array) -> None:
        """Take in the outputs of several networks, (networks, rows, ..., classes), with their weights (networks,)."""
        total = weights.sum()
        self.k, self.weight = self.k + len(weights), self.weight + total
        step = total / self.weight

        def mean(values: Array) -> Array:
            return np.tensordot(weights / total, values, axes=1)

        values = outputs.astype(np.float64)
        if self.of == "softmax":
            logs = log_softmax(values)
            values = np.exp(logs)
            self.mean_log += step * (mean(logs) - self.mean_log)
            self.mean_entropy += step * (mean(-(values * logs).sum(axis=-1)) - self.mean_entropy)
        middle = mean(values)
        away = middle - self.mean
        self.squares += total * (mean((values - middle) ** 2) + (1 - step) * away**2)
        self.mean += step * away

    def read(self) -> Ensemble:
        """What the networks added so far say together; nothing of it changes when more are added."""
        mean, spread = +self.mean, np.sqrt(self.squares / self.weight)
        if self.of == "output":
            return Ensemble(self.k, mean, spread)
        entropy = -(mean * np.log(np.maximum(mean, np.finfo(np.float64).tiny))).sum(axis=-1)
        geometric = np.exp(log_softmax(self.mean_log))
        # By rounding alone the difference could fall below 0, where it cannot lie.
        disagreement = np.maximum(entropy - self.mean_entropy, 0.0)
        return Ensemble(self.k, mean, spread, geometric, entropy, disagreement)


def log_softmax(logits: Array) -> Array:
    """The logarithms of the probabilities, along the last axis of at least two. Raises ValueError for fewer axes."""
    if logits.ndim < 2:
        raise ValueError(f'the output has shape {logits.shape}, no axis of classes for softmax: take of="output".')
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def probabilities(outputs: Array, of: Of) -> Array:
    """The outputs of one network as an ensemble of it alone would average them: float64, after softmax or as is."""
    only = Averages(of)
    only.add(outputs[None], np.ones(1))
    return only.read().arithmetic
