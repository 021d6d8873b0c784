"""The common setting: which digits, which network, how it is trained, unless an experiment says otherwise.

One idea: pixels / 255 and nothing else, a seeded permutation of the first 50,000 digits to train on, the last 10,000
of the 60,000 to validate, the test set to report; Glorot's uniform weights, zero biases; accuracies in evaluation
mode on whole sets. One seed decides the rows, the weights, the order of the batches and the masks. Read
`e1_depth.py` next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np

import nn
import optim
from autograd.random import Generator
from autograd.tensor import Tensor
from recipe import Trainer
from recipe.build import build_model
from recipe.callbacks import Callback
from recipe.config import ModelConfig
from recipe.data import Dataset, Parts, lecture_split, mnist
from recipe.formulas import Compile

__all__ = [
    "CLASSES",
    "FEATURES",
    "curves",
    "digits",
    "first_digits",
    "fit",
    "network",
    "noisy_labels",
    "percent",
    "raw",
    "rounded",
]

FEATURES, CLASSES = 784, 10
NOISE = 32  # stream of the seed from which wrong labels are drawn


@cache
def _mnist() -> Dataset:
    return mnist.load()


def digits(seed: int, rows: int = 10_000) -> Parts:
    """`rows` digits to train on, 10,000 to validate, 10,000 to test: float32 (rows, 784) in 0 to 1, and labels."""
    return lecture_split(_mnist(), generator=Generator(seed), rows=rows)


def first_digits(rows: int = 10_000) -> Parts:
    """As `digits`, but to train on the first `rows` of the file in their order there, as the lecture's demo does."""
    data = _mnist()
    first, last = slice(rows), slice(-10_000, None)
    x, y = data.x_train, data.y_train
    return Parts(x[first], y[first], x[last], y[last], data.x_test, data.y_test)


def raw(data: Parts) -> Parts:
    """The same with pixels from 0 to 255, as they are in the files."""
    return data._replace(x_train=255 * data.x_train, x_valid=255 * data.x_valid, x_test=255 * data.x_test)


def noisy_labels(y: Any, seed: int) -> Any:
    """The labels y with a fifth of them, drawn at random, replaced by random classes (a tenth of these are right)."""
    generator = Generator(seed, stream=NOISE)
    rows = generator.permutation(len(y))[: len(y) // 5]
    y = y.copy()
    y[rows] = generator.integers(0, CLASSES, rows.shape)
    return y


def network(
    hidden: Sequence[int],
    activation: str = "relu",
    *,
    seed: int,
    init: str = "glorot",
    dropout: Sequence[float] = (),
) -> nn.Sequential:
    """A fully connected network from 784 pixels to 10 logits; options as in `recipe.config.ModelConfig`."""
    config = ModelConfig(hidden=tuple(hidden), activation=activation, init=init, dropout=tuple(dropout))
    return build_model(config, FEATURES, CLASSES, seed)


def fit(
    model: nn.Module,
    optimizer: optim.Optimizer,
    data: Parts,
    *,
    seed: int,
    epochs: int,
    batch_size: int = 100,
    loss: Callable[[Tensor, Tensor], Tensor] = nn.functional.cross_entropy,
    schedule: optim.Schedule | None = None,
    callbacks: Iterable[Callback] = (),
    watched: bool = False,
    compile: Compile = "auto",
) -> Trainer:
    """Train, and give the trainer with its history.

    Only with `watched` are the training and validation rows measured after each epoch, all of them.
    """
    trainer = Trainer(model, loss, optimizer, schedule=schedule, callbacks=callbacks, seed=seed, compile=compile)
    val = (data.x_valid, data.y_valid) if watched else None
    # What overflows on the way is an outcome here, which NaN in the results will show.
    with np.errstate(all="ignore"):
        trainer.fit(
            (data.x_train, data.y_train),
            val,
            epochs=epochs,
            batch_size=batch_size,
            evaluate_rows=None if watched else 1,
        )
    return trainer


def percent(trainer: Trainer, data: Parts) -> dict[str, float]:
    """Accuracy on the training and the test rows in per cent, and both losses, in evaluation mode."""
    with np.errstate(all="ignore"):
        train = trainer.evaluate(data.x_train, data.y_train)
        test = trainer.evaluate(data.x_test, data.y_test)
    return {
        "train": 100 * train["accuracy"],
        "test": 100 * test["accuracy"],
        "train_loss": train["loss"],
        "test_loss": test["loss"],
    }


def curves(trainer: Trainer, *names: str) -> dict[str, list[float]]:
    """Columns of the history, one value for each epoch; accuracies in per cent."""
    return {
        name: [record[name] * (100 if name.endswith("accuracy") else 1) for record in trainer.history.records]
        for name in names
    }


def rounded(value: Any, digits: int = 6) -> Any:
    """Plain JSON of measured values, floats with so many digits; what is not finite is None."""
    if isinstance(value, dict):
        return {str(key): rounded(item, digits) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [rounded(item, digits) for item in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.{digits}g}") if np.isfinite(value) else None
    return value
