"""The networks of E6: trained with dropout, and looked at three ways.

One idea: a network with dropout is told whole, with the factor 1 - p, as every result should be; whole without the
factor; and thinned, as it was while it learned. Each sentence of the lecture compares two of these.
Read `e6_dropout.py` next.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np

import nn
import optim
from autograd.tensor import wrap
from recipe import Trainer
from recipe.callbacks import Callback
from recipe.data import Parts
from recipe.ensemble import convert_dropout, mc_predict, scaled_predict, unscaled_predict
from recipe.history import Record

from .experiment import Numbers, Part
from .setting import curves, digits, fit, network, noisy_labels, percent

__all__ = [
    *("BATCH", "EPOCHS", "LAST", "MOST", "NONE", "RATES", "ROWS", "USUAL", "WATCHED_ROWS", "WIDTH", "Rates"),
    *("Looks", "name_of", "of_classic", "parts", "unscaled"),
]

WIDTH, BATCH = 512, 50
ROWS = {"clean": 1000, "noisy": 2000}
EPOCHS = {"clean": 60, "noisy": 40}
QUICK_EPOCHS = {"clean": 30, "noisy": 12}
LAST = 5  # epochs at the end whose mean is taken: a single late one may be far off
WATCHED_ROWS = 1000  # validation rows that are measured after each epoch

Rates = tuple[float, float]  # the probability of dropping an input, and that of dropping a hidden unit
NONE: Rates = (0, 0)
USUAL: Rates = (0.2, 0.5)
MOST: Rates = (0, 0.9)
RATES: dict[str, tuple[Rates, ...]] = {
    "clean": (NONE, (0, 0.2), (0, 0.5), USUAL, MOST),
    "noisy": (NONE, (0, 0.5), USUAL, MOST),
}
Mask = Literal["per_case", "per_batch"]


def name_of(labels: str, rates: Rates, mask: Mask = "per_case") -> str:
    """The name of a part."""
    return f"{labels} {rates[0]:g}, {rates[1]:g}" + (", a mask per batch" if mask == "per_batch" else "")


def data_of(labels: str, seed: int) -> Parts:
    """Few rows, their labels clean or noisy; those to validate and to test are clean."""
    data = digits(seed, ROWS[labels])
    data = data._replace(x_valid=data.x_valid[:WATCHED_ROWS], y_valid=data.y_valid[:WATCHED_ROWS])
    return data if labels == "clean" else data._replace(y_train=noisy_labels(data.y_train, seed))


class Looks(Callback):
    """Looks at the network after each of the last epochs, and gives the means of the numbers seen."""

    def __init__(self, look: Callable[[Trainer], Numbers]) -> None:
        self.look = look
        self.seen: list[Numbers] = []

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        if trainer.epochs - record["epoch"] <= LAST:
            self.seen.append(self.look(trainer))

    def means(self) -> Numbers:
        """The means, by name."""
        return {name: float(np.mean([numbers[name] for numbers in self.seen])) for name in self.seen[0]}


def train(labels: str, rates: Rates, mask: Mask, epochs: int, seed: int) -> Numbers:
    """One network: its accuracies and losses, whole, thinned, and without the factor."""
    data, model = data_of(labels, seed), network((WIDTH, WIDTH), seed=seed, dropout=rates)
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            layer.mask = mask

    def look(trainer: Trainer) -> Numbers:
        seen: Numbers = percent(trainer, data)
        seen |= {"gap": seen["train"] - seen["test"], "thinned": seen["train"]}
        if rates != NONE:
            seen["thinned"] = thinned(model, data, seed)
            if labels == "clean":
                seen |= unscaled(model, data.x_test, data.y_test)
        return seen

    looks, optimizer = Looks(look), optim.Adam(model.parameters(), lr=1e-3)
    watched = labels == "noisy" and rates in (NONE, USUAL) and mask == "per_case"
    options: dict[str, Any] = {"epochs": epochs, "batch_size": BATCH, "callbacks": [looks], "watched": watched}
    trainer = fit(model, optimizer, data, seed=seed, **options)
    found = looks.means()
    if watched:
        found |= curves(trainer, "running_accuracy", "train_accuracy", "val_accuracy")
    if (labels, rates) == ("clean", USUAL):
        found |= of_classic(model, data.x_test[:1000])
    return found


def thinned(model: nn.Module, data: Parts, seed: int) -> float:
    """The accuracy on the training rows, in per cent, with dropout on: in batches and with masks as in training."""
    found = mc_predict(model, data.x_train, 1, seed=seed, batch_size=BATCH).arithmetic
    return 100 * float((found.argmax(axis=1) == data.y_train).mean())


def unscaled(model: nn.Module, x: Any, y: Any) -> Numbers:
    """Accuracy in per cent and loss of the whole network if nobody multiplies by 1 - p."""
    logits = unscaled_predict(model, x, of="output")  # of probabilities, some would underflow to 0
    return {
        "unscaled": 100 * float((logits.argmax(axis=1) == y).mean()),
        "unscaled_loss": float(nn.functional.cross_entropy(wrap(logits), wrap(y)).data),
    }


def of_classic(model: nn.Module, x: Any) -> Numbers:
    """The largest change of a probability when the network becomes one of classic dropout: whole, and thinned.

    The model stays one of classic dropout.
    """
    whole, thin = scaled_predict(model, x), mc_predict(model, x, 1).arithmetic
    convert_dropout(model, "classic")
    return {
        "whole_change": float(np.abs(scaled_predict(model, x) - whole).max()),
        "thinned_change": float(np.abs(mc_predict(model, x, 1).arithmetic - thin).max()),
    }


def parts(quick: bool) -> list[Part]:
    """One for each network."""
    networks: list[tuple[str, Rates, Mask]] = [
        (labels, rates, "per_case")
        for labels, all_rates in RATES.items()
        for rates in all_rates
        if not quick or rates in (NONE, USUAL)
    ]
    if not quick:
        networks.append(("noisy", USUAL, "per_batch"))
    epochs = QUICK_EPOCHS if quick else EPOCHS
    return [Part(name_of(*one), partial(train, *one, epochs[one[0]])) for one in networks]
