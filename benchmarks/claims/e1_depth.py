"""E1: the same network deeper and deeper, with sigmoids and with what the lecture puts in their place.

One idea: a slope of at most 1/4 in each sigmoid layer makes the gradient four times smaller on its way through each of
them, which can be measured before the first update; the accuracy by depth is what follows from it. Read `judge.py` for
how the comparisons below become verdicts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import optim
from recipe import Trainer
from recipe.callbacks import Callback
from recipe.diagnose import measure, probe
from recipe.history import Record
from recipe.report.plot import Plot

from .drawing import Line, lines
from .experiment import Experiment, Figure, Found, Numbers, Order, Part, Seed
from .setting import digits, fit, network, percent

__all__ = ["EXPERIMENT"]

WIDTH, EPOCHS, RATE = 100, 15, 0.1
DEPTHS = {
    "sigmoid": (1, 2, 3, 4, 5, 7, 10),
    "relu": (1, 2, 3, 4, 5, 7, 10),
    "maxout": (1, 3, 5, 10),
    "tanh": (1, 3, 5, 10),
    "leaky_relu": (1, 3, 5, 10),
}
QUICK = {"sigmoid": (1, 3, 5, 10), "relu": (1, 3, 5, 10)}
WORDS = {"sigmoid": "sigmoid", "relu": "ReLU", "maxout": "Maxout", "tanh": "tanh", "leaky_relu": "Leaky ReLU"}
SLOW_MAXOUT = "maxout 10, rate 0.03"
LOOKS = (1, 5)  # epochs after which the gradients are looked at


class Gradients(Callback):
    """Keeps the norm of each layer's gradient, on the first 1000 training rows, before training and after LOOKS."""

    def __init__(self) -> None:
        self.norms: dict[str, list[float]] = {}

    def on_fit_begin(self, trainer: Trainer) -> None:
        self._look(trainer, "0")

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        if record["epoch"] + 1 in LOOKS:
            self._look(trainer, str(record["epoch"] + 1))

    def _look(self, trainer: Trainer, when: str) -> None:
        assert trainer.train_data is not None
        x, y = trainer.train_data
        found = probe.look(trainer.model, trainer.loss, x[:1000], y[:1000])
        sizes = {name: weight.size for name, (_, weight) in probe.weights_of(trainer.model).items()}
        self.norms[when] = [rms * math.sqrt(sizes[name]) for name, rms in found.gradient_rms.items()]


def train(activation: str, depth: int, rate: float, seed: int) -> Numbers:
    """One network: its accuracies, the norms of its gradients by layer, and how far each layer moved."""
    model = network((WIDTH,) * depth, activation, seed=seed)
    start = probe.host_weights(model)
    gradients, data = Gradients(), digits(seed)
    optimizer = optim.SGD(model.parameters(), lr=rate)
    trainer = fit(model, optimizer, data, seed=seed, epochs=EPOCHS, callbacks=[gradients])
    end = probe.host_weights(model)
    moved = [measure.movement([end[name]], [start[name]]) for name in start]
    return percent(trainer, data) | {"gradients": gradients.norms, "moved": moved}


def parts(quick: bool) -> list[Part]:
    """One for each network."""
    depths = QUICK if quick else DEPTHS
    found = [Part(f"{a} {d}", partial(train, a, d, RATE)) for a, of_one in depths.items() for d in of_one]
    return found if quick else [*found, Part(SLOW_MAXOUT, partial(train, "maxout", 10, 0.03))]


# What is read from it


def _test(part: str) -> Any:
    return lambda m: m[part]["test"]


def first_to_last(m: Seed, part: str) -> float:
    """The norm of the first layer's gradient over that of the last, before training."""
    norms = m[part]["gradients"]["0"]
    return float(norms[0] / norms[-1])


def growth(m: Seed, part: str) -> float:
    """By what factor the norm grows per hidden layer on the way from the second to the last hidden layer."""
    norms = m[part]["gradients"]["0"]
    return float((norms[-2] / norms[1]) ** (1 / (len(norms) - 3)))


def _depth_figures() -> list[Figure]:
    rows: Sequence[tuple[str, str, int, str, float | None, float | None]] = (
        ("C3", "sigmoid", 1, "90.9 [90.8, 90.9]", 88, 92.5),
        ("C3", "sigmoid", 2, "88.7 [88.5, 89.1]", 85, 91),
        ("C3", "sigmoid", 3, "74.8 [73.8, 76.2]", 60, 85),
        ("C3", "sigmoid", 4, "12.4 [9.6, 15.6]", None, None),
        ("C3", "sigmoid", 5, "10.8 [9.6, 11.4]", None, 20),
        ("C3", "sigmoid", 7, "10.8 [9.6, 11.4]", None, 20),
        ("C3", "sigmoid", 10, "10.8 [9.6, 11.4]", None, 20),
        ("C4", "relu", 1, "94.0 [93.9, 94.0]", 93, None),
        ("C4", "relu", 2, "94.7 [94.4, 94.8]", 93, None),
        ("C4", "relu", 3, "95.2 [95.1, 95.4]", 93, None),
        ("C4", "relu", 4, "95.4 [95.2, 95.5]", 93, None),
        ("C4", "relu", 5, "95.3 [94.9, 95.5]", 93, None),
        ("C4", "relu", 7, "95.3 [95.1, 95.4]", 93, None),
        ("C4", "relu", 10, "95.0 [94.7, 95.2]", 93, None),
        ("C4", "maxout", 1, "95.0 [94.7, 95.3]", 94, None),
        ("C4", "maxout", 3, "95.7 [95.6, 96.0]", 94, None),
        ("C4", "maxout", 5, "95.9 [95.8, 96.0]", 94, None),
        ("C4", "tanh", 1, "93.3 [93.2, 93.4]", None, None),
        ("C4", "tanh", 3, "94.5 [94.3, 94.7]", None, None),
        ("C4", "tanh", 5, "95.0 [94.9, 95.1]", None, None),
        ("C4", "tanh", 10, "95.0 [94.7, 95.2]", None, None),
        ("C7", "leaky_relu", 1, "94.0 [93.8, 94.0]", None, None),
        ("C7", "leaky_relu", 3, "95.2 [95.0, 95.4]", None, None),
        ("C7", "leaky_relu", 5, "95.3 [94.9, 95.6]", None, None),
        ("C7", "leaky_relu", 10, "94.9 [94.5, 95.3]", None, None),
    )
    return [
        Figure(claim, f"{WORDS[a]}, {d} hidden: test accuracy, %", _test(f"{a} {d}"), reference, low, high)
        for claim, a, d, reference, low, high in rows
    ]


FIGURES = (
    *_depth_figures(),
    Figure("C3", "sigmoid, 10 hidden: training accuracy, %", lambda m: m["sigmoid 10"]["train"], "10.8"),
    Figure("C4", "ReLU, 10 hidden: training accuracy, %", lambda m: m["relu 10"]["train"], "99.2 [99.0, 99.3]"),
    Figure(
        "C3",
        "sigmoid, 10 hidden: gradient of the first layer over the last, at the start",
        lambda m: first_to_last(m, "sigmoid 10"),
        "1.1e-6 [0.9e-6, 1.3e-6]",
        1e-7,
        1e-5,
    ),
    Figure(
        "C4",
        "ReLU, 10 hidden: gradient of the first layer over the last, at the start",
        lambda m: first_to_last(m, "relu 10"),
        "3.67",
    ),
    Figure(
        "C3",
        "sigmoid, 10 hidden: growth of the gradient per hidden layer (theory: 4)",
        lambda m: growth(m, "sigmoid 10"),
        "4.20 [3.65, 4.83]",
        3.5,
        5.0,
    ),
    Figure(
        "C4",
        "ReLU, 10 hidden: growth of the gradient per hidden layer",
        lambda m: growth(m, "relu 10"),
        "0.98 [0.83, 1.13]",
        0.75,
        1.3,
    ),
    Figure("C3", "sigmoid, 10 hidden: movement of the first layer", lambda m: m["sigmoid 10"]["moved"][0], "4.8e-6"),
    Figure("C3", "sigmoid, 10 hidden: movement of the last layer", lambda m: m["sigmoid 10"]["moved"][-1], "7.7e-2"),
    Figure("C4", "ReLU, 10 hidden: movement of the first layer", lambda m: m["relu 10"]["moved"][0], "0.46"),
    Figure("C4", "Maxout, 10 hidden: test accuracy, %", _test("maxout 10"), "not a number in 2 of 3 seeds"),
    Figure("C4", "Maxout, 10 hidden, rate 0.03: test accuracy, %", _test(SLOW_MAXOUT), "94.7 [94.4, 95.0]", 93),
)

ORDERS = (
    Order(
        "C3",
        "sigmoid gets worse with each depth: test accuracy at 1, 3, 5 hidden layers",
        lambda m: (m["sigmoid 1"]["test"], ">", m["sigmoid 3"]["test"], ">", m["sigmoid 5"]["test"]),
    ),
    Order(
        "C3",
        "it is the training that fails: training accuracy of 10 sigmoid layers",
        lambda m: (m["sigmoid 10"]["train"], "<=", 20),
    ),
    Order(
        "C3",
        "the first of 10 sigmoid layers gets a gradient at least 10^5 times smaller than the last",
        lambda m: (first_to_last(m, "sigmoid 10"), "<", 1e-5),
    ),
    Order(
        "C3",
        "the first layer stays as it was drawn while the last one moves: movements ||W - W0|| / ||W0||",
        lambda m: (m["sigmoid 10"]["moved"][0], "<", 1e-3, "<", m["sigmoid 10"]["moved"][-1]),
    ),
    Order(
        "C4",
        "10 ReLU layers learn where 10 sigmoid layers do not: test accuracy",
        lambda m: (m["relu 10"]["test"], ">", m["sigmoid 10"]["test"] + 50),
    ),
    Order(
        "C4",
        "10 ReLU layers learn the training rows: training accuracy",
        lambda m: (m["relu 10"]["train"], ">=", 95),
    ),
    Order(
        "C4",
        "the gradient of the first of 10 ReLU layers is of the size of the last one's",
        lambda m: (0.1, "<", first_to_last(m, "relu 10"), "<", 100),
    ),
    Order(
        "C7",
        "Leaky ReLU does as ReLU does at 10 layers: test accuracy within 1.5 points",
        lambda m: (abs(m["leaky_relu 10"]["test"] - m["relu 10"]["test"]), "<=", 1.5),
    ),
)


def plots(found: Found) -> list[Plot]:
    """Accuracy by depth, and inside the ten layers."""
    shown = [_by_depth(found)]
    if found.has("sigmoid 10", "relu 10"):
        shown += [_gradients(found), _over_time(found), _movement(found)]
    return shown


def _by_depth(found: Found) -> Plot:
    curves = []
    for activation, depths in DEPTHS.items():
        here = [d for d in depths if found.has(f"{activation} {d}")]
        if here:
            columns = [found.values(f"{activation} {d}", "test") for d in here]
            curves.append(Line(WORDS[activation], here, list(zip(*columns, strict=True))))
    return lines(
        "e1-depth",
        "Accuracy by depth",
        f"Test accuracy after {EPOCHS} epochs. More updates move the cliff of the sigmoid to the right: the plateau is "
        "slow, not endless. A point that is missing was not a number.",
        curves,
        x="hidden layers",
        y="test accuracy, %",
        limits=(0, 100),
        ticks=DEPTHS["sigmoid"],
    )


def _gradients(found: Found) -> Plot:
    curves = [
        Line(WORDS[a], range(1, 12), [g["0"] for g in found.values(f"{a} 10", "gradients")])
        for a in DEPTHS
        if found.has(f"{a} 10")
    ]
    return lines(
        "e1-gradients",
        "Gradient by layer, before training",
        "The norm of the gradient of each layer's weights in networks of ten hidden layers; layer 11 gives the logits. "
        "The sigmoid's slope is at most 1/4, and Glorot's weights keep the rest of the factor near 1.",
        curves,
        x="layer",
        y="norm of the gradient",
        log="y",
        ticks=range(1, 12),
    )


def _over_time(found: Found) -> Plot:
    curves = [
        Line(f"{WORDS[a]}, {'at the start' if when == '0' else f'after epoch {when}'}", range(1, 12), by_seed, style)
        for a, styles in (("sigmoid", ("o-", "o--", "o:")), ("relu", ("s-", "s--", "s:")))
        for when, style in zip(("0", *map(str, LOOKS)), styles, strict=True)
        if (by_seed := [g[when] for g in found.values(f"{a} 10", "gradients")])
    ]
    return lines(
        "e1-gradients-over-time",
        "Gradient by layer, as training goes on",
        "With sigmoids the picture stays: the last layers soon have nothing more to learn from the noise that reaches "
        "them, and the first ones are not reached.",
        curves,
        x="layer",
        y="norm of the gradient",
        log="y",
        ticks=range(1, 12),
    )


def _movement(found: Found) -> Plot:
    curves = [Line(WORDS[a], range(1, 12), found.values(f"{a} 10", "moved")) for a in DEPTHS if found.has(f"{a} 10")]
    return lines(
        "e1-movement",
        "How far each layer moved",
        "The distance of the weights from their start over their size then, after training.",
        curves,
        x="layer",
        y="||W - W0|| / ||W0||",
        log="y",
        ticks=range(1, 12),
    )


EXPERIMENT = Experiment(
    key="E1",
    title="Depth and activation function",
    claims=("C3", "C4", "C7"),
    setup=f"784-{WIDTH}-...-{WIDTH}-10 with 1 to 10 hidden layers, 10,000 digits, gradient descent with rate {RATE} in "
    f"batches of 100, {EPOCHS} epochs (1500 updates), Glorot's uniform weights. Norms of gradients on the first 1000 "
    "training rows.",
    parts=parts,
    orders=ORDERS,
    figures=FIGURES,
    plots=plots,
    remark="The lecture's slide collapses at nine to ten layers; with these 1500 updates the cliff lies between three "
    "and five. It is a matter of how long one trains, so the number of updates belongs to the figure. Ten ReLU layers "
    "at this rate are unruly to the end: from one epoch to the next the accuracy may fall by some points and come "
    "back. Ten Maxout layers with Glorot's weights blow up at the rate that suits ReLU: a group of two gives the "
    "larger of two sums, so the signal grows from layer to layer. The paper starts from U(-0.005, 0.005) and bounds "
    "the norms.",
)
