"""E4: early stopping by the validation loss, with clean labels and with a fifth of them replaced.

One idea: the run that stops and the run that goes on are the same run until then, so what stopping saves or costs is a
difference between two epochs and not between two draws. Read `e5_penalties.py` next.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

import optim
from recipe import Trainer
from recipe.callbacks import Callback, EarlyStopping
from recipe.data import Parts
from recipe.history import Record
from recipe.report.plot import BLUE, GREEN, ORANGE, Plot

from .drawing import Line, Mark, lines
from .experiment import Experiment, Figure, Found, Numbers, Order, Part, Seed
from .setting import curves, digits, fit, network, noisy_labels, percent

__all__ = ["EXPERIMENT"]

ROWS, BATCH, PATIENCE = 2000, 50, 5
WIDTH, EPOCHS = 512, 40
QUICK_WIDTH, QUICK_EPOCHS = 256, 25
LAST = 5  # epochs at the end whose mean is taken: a single late one may be far off
SETTINGS = ("clean", "noisy")


def data_of(setting: str, seed: int) -> Parts:
    """Rows whose training labels are clean or noisy; those to validate and to test are clean."""
    data = digits(seed, ROWS)
    return data if setting == "clean" else data._replace(y_train=noisy_labels(data.y_train, seed))


class OnTest(Callback):
    """Adds loss and accuracy on the test rows to the record of each epoch."""

    def __init__(self, data: Parts) -> None:
        self.data = data

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        measured = trainer.evaluate(self.data.x_test, self.data.y_test)
        record |= {f"test_{name}": value for name, value in measured.items()}


class Copies(Callback):
    """Keeps a copy of the weights after each epoch."""

    def __init__(self) -> None:
        self.of_epoch: list[list[Any]] = []

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        self.of_epoch.append(weights(trainer))


def weights(trainer: Trainer) -> list[Any]:
    """Copies of the parameters."""
    return [p.data.copy() for p in trainer.model.parameters()]


def train(quick: bool, seed: int, data: Parts, callback: list[Callback]) -> Trainer:
    """The network trained with these callbacks."""
    model = network((QUICK_WIDTH if quick else WIDTH,) * 2, seed=seed)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    epochs = QUICK_EPOCHS if quick else EPOCHS
    return fit(model, optimizer, data, seed=seed, epochs=epochs, batch_size=BATCH, callbacks=callback, watched=True)


def to_the_end(setting: str, quick: bool, seed: int) -> Numbers:
    """Losses and accuracies after each epoch."""
    data = data_of(setting, seed)
    trainer = train(quick, seed, data, [OnTest(data)])
    return curves(trainer, *(f"{part}_{name}" for part in ("train", "val", "test") for name in ("loss", "accuracy")))


def stopped(setting: str, quick: bool, seed: int) -> Numbers:
    """The same run with early stopping: which epoch was selected, which was the last, and what was put back."""
    data = data_of(setting, seed)
    rule, copies = EarlyStopping("val_loss", patience=PATIENCE), Copies()
    trainer = train(quick, seed, data, [rule, copies])
    assert rule.best_epoch is not None
    pairs = zip(weights(trainer), copies.of_epoch[rule.best_epoch], strict=True)
    changed = sum(int((now.view(np.uint32) != then.view(np.uint32)).sum()) for now, then in pairs)
    return percent(trainer, data) | {"selected": rule.best_epoch, "last": rule.stopped_epoch, "changed": changed}


def parts(quick: bool) -> list[Part]:
    """Each run to its end and stopped early; a quick run has the noisy labels only, and a smaller network."""
    return [
        Part(name, partial(measure, setting, quick))
        for setting in (("noisy",) if quick else SETTINGS)
        for name, measure in ((setting, to_the_end), (f"{setting}, stopped", stopped))
    ]


# What is read from it


def at(setting: str, name: str) -> Callable[[Seed], float]:
    """The value of a curve at the selected epoch."""
    return lambda m: m[setting][name][m[f"{setting}, stopped"]["selected"]]


def end(setting: str, name: str) -> Callable[[Seed], float]:
    """The value of a curve after the last epoch."""
    return lambda m: m[setting][name][-1]


def late(m: Seed, setting: str) -> float:
    """The mean test accuracy of the last epochs."""
    return float(np.mean(m[setting]["test_accuracy"][-LAST:]))


def gain(m: Seed, setting: str) -> float:
    """By how many points of test accuracy the selected epoch is better than the last ones."""
    return at(setting, "test_accuracy")(m) - late(m, setting)


def falling(m: Seed, setting: str) -> float:
    """In how many per cent of the epochs after the first the training loss fell."""
    return 100 * float(np.mean([after < before for before, after in pairwise(m[setting]["train_loss"])]))


def rise(m: Seed, setting: str) -> float:
    """The validation loss after the last epoch over the least of any."""
    return float(m[setting]["val_loss"][-1] / min(m[setting]["val_loss"]))


def excess(m: Seed, setting: str) -> float:
    """The test loss of the selected epoch over the least of any."""
    return at(setting, "test_loss")(m) / min(m[setting]["test_loss"])


def _orders(setting: str) -> list[Order]:
    run, rule = setting, f"{setting}, stopped"
    return [
        Order(
            "C11",
            f"{run} labels: the validation loss ends at 1.2 times its least or more",
            lambda m: (rise(m, run), ">=", 1.2),
        ),
        Order(
            "C11",
            f"{run} labels: meanwhile the training loss falls, in 60 % of the epochs or more",
            lambda m: (falling(m, run), ">=", 60),
        ),
        Order(
            "C11",
            f"{run} labels: the test loss of the selected epoch is below that of the last",
            lambda m: (at(run, "test_loss")(m), "<", end(run, "test_loss")(m)),
        ),
        Order(
            "C11",
            f"{run} labels: it is within 3 % of the least test loss of any epoch: their ratio",
            lambda m: (excess(m, run), "<=", 1.03),
        ),
        Order(
            "C11",
            f"{run} labels: the run stops {PATIENCE} epochs after the selected one",
            lambda m: (m[rule]["last"], "==", m[rule]["selected"] + PATIENCE),
        ),
        Order(
            "C11",
            f"{run} labels: the weights of the selected epoch are put back, so many of them changed by a bit",
            lambda m: (m[rule]["changed"], "==", 0),
        ),
        Order(
            "C11",
            f"{run} labels: they give the test loss that the run to the end had in that epoch",
            lambda m: (m[rule]["test_loss"], "==", at(run, "test_loss")(m)),
        ),
    ]


ORDERS = (
    *(order for setting in SETTINGS for order in _orders(setting)),
    Order(
        "C11",
        f"noisy labels: stopping gains at least 1.5 points of test accuracy on the mean of the last {LAST} epochs",
        lambda m: (gain(m, "noisy"), ">=", 1.5),
    ),
    Order(
        "C11",
        "clean labels: the least validation loss is not the best place to stop for accuracy: what stopping there gains "
        f"on the mean of the last {LAST} epochs, points",
        lambda m: (gain(m, "clean"), "<", 0),
        against=True,
    ),
)


# Figures

Value = Callable[[Seed], float]

# What, its value for a setting, and the reference outcomes with clean and with noisy labels.
ROWS_OF_FIGURES: tuple[tuple[str, Callable[[str], Value], str, str], ...] = (
    ("selected epoch (the first is 0)", lambda s: lambda m: m[f"{s}, stopped"]["selected"], "4-5", "3-6"),
    ("last epoch of the run that stops", lambda s: lambda m: m[f"{s}, stopped"]["last"], "9-10", "8-11"),
    ("epoch of the least validation loss", lambda s: lambda m: int(np.argmin(m[s]["val_loss"])), "", ""),
    (
        "validation loss at the selected epoch",
        lambda s: at(s, "val_loss"),
        "0.247 [0.224, 0.260]",
        "0.462 [0.449, 0.470]",
    ),
    ("validation loss at the end", lambda s: end(s, "val_loss"), "0.332 [0.299, 0.350]", "0.730 [0.620, 0.912]"),
    ("validation loss at the end, over its least", lambda s: partial(rise, setting=s), "1.34", "1.38-1.95"),
    ("test loss at the selected epoch", lambda s: at(s, "test_loss"), "0.263 [0.242, 0.279]", "0.474 [0.464, 0.487]"),
    ("test loss at the end", lambda s: end(s, "test_loss"), "0.353 [0.329, 0.377]", "0.753 [0.656, 0.903]"),
    (
        "test accuracy at the selected epoch, %",
        lambda s: at(s, "test_accuracy"),
        "92.6 [92.3, 92.9]",
        "87.8 [87.4, 88.6]",
    ),
    ("test accuracy at the end, %", lambda s: end(s, "test_accuracy"), "93.2 [93.0, 93.3]", "82.8 [78.9, 84.9]"),
    (f"test accuracy, mean of the last {LAST} epochs, %", lambda s: partial(late, setting=s), "", "84.0 [82.7, 84.6]"),
    ("best test accuracy of any epoch, %", lambda s: lambda m: max(m[s]["test_accuracy"]), "93.2", "89.2 [88.1, 90.1]"),
    ("training accuracy at the end, %", lambda s: end(s, "train_accuracy"), "100", "97.8 [93.3, 100]"),
    ("epochs in which the training loss falls, %", lambda s: partial(falling, setting=s), "72-100", "72-100"),
)

FIGURES = (
    *(
        Figure("C11", f"{setting} labels: {what}", value(setting), references[i])
        for i, setting in enumerate(SETTINGS)
        for what, value, *references in ROWS_OF_FIGURES
    ),
    Figure(
        "C11",
        "clean labels: what stopping gains in test accuracy, points",
        partial(gain, setting="clean"),
        "-0.7 to -0.4",
        -1.5,
        1.5,
    ),
    Figure(
        "C11",
        "noisy labels: what stopping gains in test accuracy, points",
        partial(gain, setting="noisy"),
        "2.9 to 4.7",
        1.5,
    ),
)


# Plots

CAPTIONS = {
    ("clean", "loss"): "The network goes on to fit the training rows when the rows that it has not seen gain nothing "
    "from it any more. The validation loss has a minimum, and the test loss has it near the same place.",
    ("clean", "accuracy"): "After the minimum of the loss the test accuracy still rises a little: the network becomes "
    "surer of its mistakes, which costs loss, and makes fewer of them. Who wants accuracy can monitor accuracy.",
    ("noisy", "loss"): "A fifth of the training labels are random. Learning these by heart costs much on other rows.",
    ("noisy", "accuracy"): "The network knows the classes better before it has learnt the random labels by heart. Late "
    "epochs jump: one of them alone says little.",
}


def plots(found: Found) -> list[Plot]:
    """Losses and accuracies by epoch, in the first seed."""
    here = [setting for setting in SETTINGS if found.has(setting, f"{setting}, stopped")]
    return [_by_epoch(found, setting, name) for setting in here for name in ("loss", "accuracy")]


def _by_epoch(found: Found, setting: str, name: str) -> Plot:
    run, rule = found.first(setting), found.first(f"{setting}, stopped")
    epochs = range(len(run["val_loss"]))
    drawn = (("training", "train", BLUE), ("validation", "val", ORANGE), ("test", "test", GREEN))
    marks = [Mark(f"selected: epoch {rule['selected']}", x=rule["selected"])]
    if rule["last"] >= 0:  # NaN where the epochs came to their end first
        marks.append(Mark(f"stop: epoch {rule['last']}", x=rule["last"], style=":"))
    return lines(
        f"e4-{name}-{setting}",
        f"{name.title()} by epoch, {setting} labels",
        f"{CAPTIONS[setting, name]} The first seed; the first epoch is 0.",
        [Line(words, epochs, [run[f"{part}_{name}"]], "-", colour) for words, part, colour in drawn],
        x="epoch",
        y="accuracy, %" if name == "accuracy" else name,
        marks=marks,
    )


EXPERIMENT = Experiment(
    key="E4",
    title="Early stopping",
    claims=("C11",),
    setup=f"784-{WIDTH}-{WIDTH}-10 with ReLU, {ROWS} digits, Adam with rate 0.001 in batches of {BATCH}, {EPOCHS} "
    "epochs, 10,000 digits to validate. Once with clean training labels, once with a fifth of them replaced by random "
    "classes. Each run is made twice from the same seed: to the end, and with early stopping on the validation loss, "
    f"patience {PATIENCE}. A quick run has width {QUICK_WIDTH}, {QUICK_EPOCHS} epochs and noisy labels only.",
    parts=parts,
    orders=ORDERS,
    figures=FIGURES,
    plots=plots,
    remark="With noisy labels the validation loss jumps from epoch to epoch, and patience may take a late dip for the "
    "minimum. In seed 0 it does: epoch 10 has a validation loss of 0.514, epoch 5 had 0.518, and between the two the "
    "test accuracy has fallen by 2.6 points. In seeds 0 to 6 stopping gained 0.05, 3.5, 6.9, 9.6, 6.4, 7.5 and 1.2 "
    "points.",
)
