"""E0: the lecture's demo, step by step, each step one change to the network or its training.

One idea: a set-up is a row of data, so the demo is a table, and what each change does is read by comparing two of its
rows. The later experiments take the steps apart one by one. Read `e1_depth.py` next.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import nn
import optim
from autograd.random import Generator
from autograd.tensor import Tensor
from recipe import Trainer
from recipe.callbacks import Callback
from recipe.data import Parts
from recipe.history import Record
from recipe.report.plot import Plot

from .drawing import Line, bars, lines
from .experiment import Experiment, Figure, Found, Numbers, Order, Part, Seed
from .setting import CLASSES, curves, first_digits, fit, network, percent, raw

__all__ = ["EXPERIMENT"]

NARROW, WIDE = 128, 689  # units of a hidden layer; the lecture has WIDE
EPOCHS, RATE, ADAM_RATE = 20, 0.1, 0.001
NOISE = 3  # a stream of the seed


@dataclass(frozen=True)
class SetUp:
    """A row of the demo: what differs from three hidden layers, cross-entropy, gradient descent, batches of 100."""

    activation: str = "relu"
    hidden: int = 3
    squared: bool = False
    adam: bool = False
    batch_size: int = 100
    raw: bool = False
    dropout: float = 0.0


ADAM, DROPOUT = "ReLU, Adam", "ReLU, Adam, dropout 0.7"
SET_UPS = {
    "sigmoid, squared error": SetUp("sigmoid", squared=True),
    "sigmoid": SetUp("sigmoid"),
    "sigmoid, 10 more layers": SetUp("sigmoid", hidden=13),
    "ReLU": SetUp(),
    "ReLU, 10 more layers": SetUp(hidden=13),
    "sigmoid, one batch of 10,000": SetUp("sigmoid", batch_size=10_000),
    "ReLU, raw pixels": SetUp(raw=True),
    ADAM: SetUp(adam=True),
    DROPOUT: SetUp(adam=True, dropout=0.7),
}
ALSO_WIDE = ("ReLU", ADAM, DROPOUT)


def squared_error(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean square of what the probabilities miss of 1 for the label's class and 0 for the others."""
    wanted = nn.functional.one_hot(labels, CLASSES).astype(logits.dtype)
    return nn.functional.mse_loss(nn.functional.softmax(logits), wanted)


class FirstEpoch(Callback):
    """Keeps the accuracy on the training rows after the first epoch, in evaluation mode, in per cent."""

    accuracy = float("nan")

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        if record["epoch"] == 0:
            assert trainer.train_data is not None
            with np.errstate(all="ignore"):
                self.accuracy = 100 * trainer.evaluate(*trainer.train_data)["accuracy"]


def train(set_up: SetUp, width: int, seed: int) -> Numbers:
    """One row of the demo: accuracies in per cent, also on test digits with noise, and on the way."""
    data, first = first_digits(), FirstEpoch()
    if set_up.raw:
        data = raw(data)
    dropout = (set_up.dropout,) if set_up.dropout else ()
    model = network((width,) * set_up.hidden, set_up.activation, seed=seed, dropout=dropout)
    rule = optim.Adam(model.parameters(), lr=ADAM_RATE) if set_up.adam else optim.SGD(model.parameters(), lr=RATE)
    trainer = fit(
        model,
        rule,
        data,
        seed=seed,
        epochs=EPOCHS,
        batch_size=set_up.batch_size,
        loss=squared_error if set_up.squared else nn.functional.cross_entropy,
        callbacks=[first],
    )
    noisy = 100 * trainer.evaluate(with_noise(data, seed), data.y_test)["accuracy"]
    way = curves(trainer, "running_accuracy")["running_accuracy"]
    on_the_way = {"first epoch": first.accuracy, "last epoch": way[-1], "way": way}
    return percent(trainer, data) | {"noisy": noisy} | on_the_way


def with_noise(data: Parts, seed: int) -> Any:
    """The test pixels, to each of them a number of the standard normal distribution added."""
    return data.x_test + Generator(seed, stream=NOISE).normal(data.x_test.shape)


def name_of(set_up: str, width: int = NARROW) -> str:
    """The name of a part: "ReLU, Adam", or with its width, "ReLU, Adam (689 wide)"."""
    return set_up if width == NARROW else f"{set_up} ({width} wide)"


def parts(quick: bool) -> list[Part]:
    """One for each row; a full run has some of them at the lecture's width too."""
    wide = [] if quick else [Part(name_of(s, WIDE), partial(train, SET_UPS[s], WIDE)) for s in ALSO_WIDE]
    return [*wide, *(Part(name, partial(train, set_up, NARROW)) for name, set_up in SET_UPS.items())]


# What is read from it

WIDE_RELU, WIDE_ADAM, WIDE_DROPOUT = (name_of(set_up, WIDE) for set_up in ALSO_WIDE)
WORDS = {
    "train": "training accuracy",
    "test": "test accuracy",
    "first epoch": "training accuracy after one epoch",
    "noisy": "accuracy on noisy test digits",
    "last epoch": "accuracy on the batches of the last epoch",
}

# What the reference implementation measured, in brackets what is told of the lecture's own run or of a re-run of it.
REFERENCES: tuple[tuple[str, str, str, float | None, float | None], ...] = (
    ("sigmoid, squared error", "train", "11.3", None, None),
    ("sigmoid, squared error", "test", "11.35 (11.35)", None, 25),
    ("sigmoid", "train", "83.9 [82.6, 84.9] (87.3)", None, None),
    ("sigmoid", "test", "82.3 [80.7, 83.5] (83.7)", 76, 88),
    ("sigmoid, 10 more layers", "train", "10.0 (9.9)", None, None),
    ("sigmoid, 10 more layers", "test", "10.0 [8.9, 11.4] (10.3)", None, 15),
    ("ReLU", "train", "99.8 [99.76, 99.82] (100)", None, None),
    ("ReLU", "test", "95.0 [94.9, 95.2] (95.6)", 94.2, 96.0),
    ("ReLU", "first epoch", "87.2 [86.4, 87.6]", None, None),
    ("ReLU", "last epoch", "", None, None),
    ("ReLU, 10 more layers", "train", "98.4 [97.0, 99.2] (99.6)", None, None),
    ("ReLU, 10 more layers", "test", "93.8 [92.4, 94.7] (95.4)", 90, 96),
    ("sigmoid, one batch of 10,000", "train", "11.3", None, None),
    ("sigmoid, one batch of 10,000", "test", "11.35", None, 30),
    ("ReLU, raw pixels", "train", "10.9", None, None),
    ("ReLU, raw pixels", "test", "10.8 [9.8, 11.4]", None, 20),
    (ADAM, "first epoch", "92.4 [92.1, 92.8]", None, None),
    (ADAM, "noisy", "40.0 [39.5, 40.6]", 30, 55),
    (DROPOUT, "train", "83.7 [78.6, 93.6]", None, None),
    (DROPOUT, "noisy", "46 [42, 49]", None, None),
    (WIDE_RELU, "train", "100.0 (100)", None, None),
    (WIDE_RELU, "test", "95.7 (95.6)", None, None),
    (WIDE_RELU, "first epoch", "88.1", None, None),
    (WIDE_ADAM, "train", "99.8 (98.9)", None, None),
    (WIDE_ADAM, "test", "96.1", None, None),
    (WIDE_ADAM, "first epoch", "95.9", None, None),
    (WIDE_ADAM, "noisy", "51.0 (50.4)", None, None),
    (WIDE_DROPOUT, "train", "98.7 (98.2)", None, None),
    (WIDE_DROPOUT, "test", "95.5", None, None),
    (WIDE_DROPOUT, "noisy", "59.5 (62.3)", None, None),
)


def _read(part: str, what: str, m: Seed) -> float:
    return float(m[part][what])


FIGURES = tuple(
    Figure("C0", f"{part}: {WORDS[what]}, %", partial(_read, part, what), reference, low, high)
    for part, what, reference, low, high in REFERENCES
)

ORDERS = (
    Order(
        "C0",
        "with sigmoids the squared error fails, and cross-entropy helps: test accuracy",
        lambda m: (m["sigmoid, squared error"]["test"], "<=", 25, "<", m["sigmoid"]["test"]),
    ),
    Order(
        "C0",
        "with ten more sigmoid layers cross-entropy is no help: test accuracy",
        lambda m: (m["sigmoid, 10 more layers"]["test"], "<=", 15),
    ),
    Order(
        "C0",
        "ReLU is better than sigmoid: test accuracy",
        lambda m: (m["sigmoid"]["test"], "<", m["ReLU"]["test"]),
    ),
    Order(
        "C0",
        "with ReLU ten more layers work: test accuracy",
        lambda m: (m["sigmoid, 10 more layers"]["test"], "<", 90, "<=", m["ReLU, 10 more layers"]["test"]),
    ),
    Order(
        "C0",
        "on raw pixels the same network fails: test accuracy",
        lambda m: (m["ReLU, raw pixels"]["test"], "<=", 20, "<", m["ReLU"]["test"]),
    ),
    Order(
        "C0",
        "one batch of all rows, 20 updates in as many epochs, fails: test accuracy",
        lambda m: (m["sigmoid, one batch of 10,000"]["test"], "<=", 30, "<", m["sigmoid"]["test"]),
    ),
    Order(
        "C0",
        "Adam is faster: training accuracy after the first epoch, 2 points more at least",
        lambda m: (m["ReLU"]["first epoch"] + 2, "<=", m[ADAM]["first epoch"]),
    ),
    Order(
        "C0",
        "noise on the test digits breaks it: accuracy with and without, 30 points less at least",
        lambda m: (m[ADAM]["noisy"], "<=", m[ADAM]["test"] - 30),
    ),
    Order(
        "C0",
        f"dropout costs training accuracy ({WIDE} wide)",
        lambda m: (m[WIDE_DROPOUT]["train"], "<", m[WIDE_ADAM]["train"]),
    ),
    Order(
        "C0",
        f"and helps on noisy test digits: accuracy ({WIDE} wide)",
        lambda m: (m[WIDE_ADAM]["noisy"], "<", m[WIDE_DROPOUT]["noisy"]),
    ),
)


# Plots


def plots(found: Found) -> list[Plot]:
    """The table as bars, Adam against gradient descent on the way, and the noise."""
    shown = []
    if found.has(*SET_UPS):
        shown += [_table(found), _faster(found), _noise(found)]
    return shown


def _table(found: Found) -> Plot:
    def of(set_up: str) -> dict[str, list[float]]:
        return {"training rows": found.values(set_up, "train"), "test rows": found.values(set_up, "test")}

    return bars(
        "e0-demo",
        "The demo, step by step",
        f"{NARROW} units wide, {EPOCHS} epochs. Where the bar of the test rows is short, look at that of the training "
        "rows beside it: has the network learned too little, or only its own rows?",
        {set_up: of(set_up) for set_up in SET_UPS},
        y="accuracy, %",
        limits=(0, 100),
    )


def _faster(found: Found) -> Plot:
    return lines(
        "e0-adam",
        "Adam is faster",
        f"ReLU, {NARROW} units wide. The mean accuracy on the batches of each epoch while they were trained on.",
        [
            Line(words, range(1, EPOCHS + 1), found.values(set_up, "way"), style)
            for words, set_up, style in (("gradient descent", "ReLU", "o-"), ("Adam", ADAM, "s-"))
        ],
        x="epoch",
        y="accuracy on the batches, %",
        ticks=(1, *range(5, EPOCHS + 1, 5)),
    )


def _noise(found: Found) -> Plot:
    groups = {}
    for width in (NARROW, WIDE):
        for set_up, words in ((ADAM, "no dropout"), (DROPOUT, "dropout 0.7")):
            part = name_of(set_up, width)
            if found.has(part):
                groups[f"{width} wide, {words}"] = {
                    "training rows": found.values(part, "train"),
                    "test rows": found.values(part, "test"),
                    "test rows with noise": found.values(part, "noisy"),
                }
    return bars(
        "e0-noise",
        "Noise on the test digits",
        "To each test pixel a number of the standard normal distribution is added, which nothing in training was like. "
        f"Dropout of 0.7 after each hidden layer leaves 38 of {NARROW} units on average: too few to learn well with.",
        groups,
        y="accuracy, %",
        limits=(0, 100),
    )


EXPERIMENT = Experiment(
    key="E0",
    title="The lecture's demo",
    claims=("C0",),
    setup="The first 10,000 training digits, three hidden layers (or thirteen), Glorot's uniform weights, batches of "
    f"100, gradient descent with rate {RATE} or Adam with {ADAM_RATE}, {EPOCHS} epochs. All set-ups {NARROW} units "
    f"wide; ReLU, and Adam with and without dropout, also at the lecture's {WIDE}. The noisy test digits are the test "
    "pixels plus N(0, 1).",
    parts=parts,
    orders=ORDERS,
    figures=FIGURES,
    plots=plots,
    remark="In brackets behind the reference: what is told of the lecture's own run, or of a student's re-run of it, "
    f"both {WIDE} wide. Whenever an accuracy on test digits is 11.35, 9.80 or 10.09, the network gives every digit the "
    "same class: these are the shares of the ones, zeros and nines. With ReLU and this rate training is unruly to the "
    "end: a few batches may throw the network back by twenty points, and the next ones bring it on again. Where the "
    "last update falls into such a moment, the accuracy on the batches of the last epoch tells. The seeds draw "
    "weights, batches, masks and noise; the training digits are the same in each.",
)
