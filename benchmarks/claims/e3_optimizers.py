"""E3: seven optimizers at five learning rates, and where the choice decides whether anything is learned.

One idea: an optimizer is not better or worse but at a rate, so each is tried at all of them; then what counts is its
best loss, and how wrong the rate may be. Read `e3_exact.py` for the formulas themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import optim
from autograd.backend import Array
from recipe import Trainer
from recipe.callbacks import Callback
from recipe.report.plot import BLUE, GREEN, ORANGE, PURPLE, RED, Plot

from . import e3_exact
from .drawing import Line, bars, lines
from .e3_exact import ALPHA, DECAY, EPS, MOMENTUM
from .experiment import Experiment, Figure, Found, Numbers, Order, Part, Seed
from .setting import digits, fit, network, percent, raw

__all__ = ["EXPERIMENT"]

EPOCHS, SIGMOID_EPOCHS = 5, 15
UPDATES, STRIP = 500, 25  # updates of a run, and over how many of them a point of its loss curve is the mean
OPTIMIZERS: dict[str, Callable[..., optim.Optimizer]] = {
    "SGD": optim.SGD,
    "momentum": partial(optim.SGD, momentum=MOMENTUM),
    "Nesterov": partial(optim.SGD, momentum=MOMENTUM, nesterov=True),
    "Adagrad": partial(optim.Adagrad, eps=EPS),
    "RMSProp": partial(optim.RMSprop, alpha=ALPHA, eps=EPS),
    "Adam": optim.Adam,
    "AdamW": partial(optim.AdamW, weight_decay=DECAY),
}
STYLES = {
    "SGD": ("o-", BLUE),
    "momentum": ("s-", ORANGE),
    "Nesterov": ("s--", ORANGE),
    "Adagrad": ("^-", GREEN),
    "RMSProp": ("D-", RED),
    "Adam": ("v-", PURPLE),
    "AdamW": ("v--", PURPLE),
}
RATES = (0.0001, 0.001, 0.01, 0.1, 1.0)
QUICK_RATES = (0.001, 0.01, 0.1)
RAW = (("SGD", 0.1), ("SGD", 0.001), ("momentum", 0.01), ("Adagrad", 0.01), ("RMSProp", 0.001), ("Adam", 0.001))
SIGMOID = (("SGD", 0.1), ("momentum", 0.1), ("Adagrad", 0.01), ("RMSProp", 0.001), ("Adam", 0.001))
GOOD = 90  # per cent of the test rows, from which a rate counts as usable


class Losses(Callback):
    """Keeps the mean loss of the batches in each strip of updates."""

    def __init__(self) -> None:
        self._all: list[float] = []

    def on_batch_end(self, trainer: Trainer, loss: Array) -> None:
        self._all.append(float(loss))

    def means(self) -> list[float]:
        """One number for each strip; what does not fill one is left out."""
        return [math.fsum(self._all[i : i + STRIP]) / STRIP for i in range(0, len(self._all) - STRIP + 1, STRIP)]


def train(optimizer: str, rate: float, seed: int) -> Numbers:
    """Two hidden ReLU layers: accuracies, losses, and the loss on the way."""
    model, data, losses = network((128, 128), seed=seed), digits(seed), Losses()
    rule = OPTIMIZERS[optimizer](model.parameters(), lr=rate)
    trainer = fit(model, rule, data, seed=seed, epochs=EPOCHS, callbacks=[losses])
    return percent(trainer, data) | {"way": losses.means()}


def train_raw(optimizer: str, rate: float, seed: int) -> Numbers:
    """The same network on pixels from 0 to 255."""
    model, data = network((128, 128), seed=seed), raw(digits(seed))
    rule = OPTIMIZERS[optimizer](model.parameters(), lr=rate)
    return percent(fit(model, rule, data, seed=seed, epochs=EPOCHS), data)


def train_sigmoid(optimizer: str, rate: float, seed: int) -> Numbers:
    """Four hidden sigmoid layers of 100 units, with which gradient descent fails in E1."""
    model, data = network((100,) * 4, "sigmoid", seed=seed), digits(seed)
    rule = OPTIMIZERS[optimizer](model.parameters(), lr=rate)
    return percent(fit(model, rule, data, seed=seed, epochs=SIGMOID_EPOCHS), data)


def name_of(optimizer: str, rate: float, where: str = "") -> str:
    """The name of a part: "Adam 0.001", "pixels 0 to 255, Adam 0.001", "sigmoid, Adam 0.001"."""
    return f"{where}{optimizer} {rate:g}"


PIXELS, DEEP = "pixels 0 to 255, ", "sigmoid, "


def parts(quick: bool) -> list[Part]:
    """One for each network, and two in which nothing is left to chance."""
    rates = QUICK_RATES if quick else RATES
    grid = [Part(name_of(o, rate), partial(train, o, rate)) for o in OPTIMIZERS for rate in rates]
    others = [
        *(Part(name_of(*one, PIXELS), partial(train_raw, *one)) for one in RAW),
        *(Part(name_of(*one, DEEP), partial(train_sigmoid, *one)) for one in SIGMOID),
    ]
    return [*others, *grid, *e3_exact.PARTS]


# What is read from it


def best(optimizer: str, m: Seed) -> float:
    """The least training loss at any of the rates that were tried; a run that blew up has none."""
    names = {rate: name_of(optimizer, rate) for rate in RATES}
    losses = [m[name]["train_loss"] for rate, name in names.items() if rate in QUICK_RATES or name in m]
    return min((loss for loss in losses if math.isfinite(loss)), default=math.nan)


def usable(optimizer: str, m: Seed) -> int:
    """At how many of the five rates the network becomes good on test rows."""
    return sum(m[name_of(optimizer, rate)]["test"] >= GOOD for rate in RATES)


def _beats(optimizer: str, m: Seed) -> tuple[float, str, float]:
    return best(optimizer, m), "<", best("SGD", m)


def _read(part: str, what: str, m: Seed) -> float:
    return float(m[part][what])


# Training losses of the reference implementation at RATES, the place of the best one among them, the test accuracy
# there, and how many rates are usable.
TABLE: dict[str, tuple[tuple[str, ...], int, str, str]] = {
    "SGD": (("2.31", "2.10", "0.614", "0.202", "0.565 [0.11, 0.84]"), 3, "92.9 [92.6, 93.2]", "1"),
    "momentum": (("2.11", "0.628", "0.212", "0.0476", "2.33"), 3, "95.2 [94.9, 95.4]", "2"),
    "Nesterov": (("2.11", "0.626", "0.206", "0.0356", "2.32"), 3, "95.4 [95.2, 95.5]", "2"),
    "Adagrad": (("1.97", "0.417", "0.0991", "0.101", "2.03"), 2, "94.9 [94.6, 95.2]", "2"),
    "RMSProp": (("0.386", "0.0958", "0.117", "2.38", "2.44"), 1, "94.6 [94.4, 94.9]", "2"),
    "Adam": (("0.380", "0.0953", "0.0762", "1.42", "2.32"), 2, "94.2 [93.8, 94.5]", "3"),
    "AdamW": (("0.380", "0.0951", "0.0608", "1.32", "2.33"), 2, "94.7 [94.4, 94.9]", "3"),
}
BEST = {optimizer: place for optimizer, (_, place, _, _) in TABLE.items()}


def _share(optimizer: str, rate: float, place: int) -> float | None:
    """By what share of itself a loss may differ from the reference; None where no band was set."""
    if optimizer in ("RMSProp", "Adam") and rate == 0.01:
        return 0.3
    return 0.15 if place == BEST[optimizer] or rate == 0.001 else None


def _of_table(optimizer: str) -> list[Figure]:
    losses, best_place, accuracy, rates = TABLE[optimizer]
    figures = []
    for place, (rate, loss) in enumerate(zip(RATES, losses, strict=True)):
        share, part = _share(optimizer, rate, place), name_of(optimizer, rate)
        low, high = (None, None) if share is None else ((1 - share) * float(loss), (1 + share) * float(loss))
        what = f"{optimizer}, rate {rate:g}: training loss"
        figures.append(Figure("C10", what, partial(_read, part, "train_loss"), loss, low, high))
    part = name_of(optimizer, RATES[best_place])
    what = f"{optimizer}, rate {RATES[best_place]:g}: test accuracy, %"
    return [
        *figures,
        Figure("C10", what, partial(_read, part, "test"), accuracy),
        Figure("C10", f"{optimizer}: rates of five with {GOOD} % of the test rows", partial(usable, optimizer), rates),
    ]


def _of_tests(where: str, words: str, references: dict[tuple[str, float], Sequence[Any]]) -> list[Figure]:
    return [
        Figure("C10", f"{words}, {o}, rate {r:g}: test accuracy, %", partial(_read, name_of(o, r, where), "test"), *of)
        for (o, r), of in references.items()
    ]


FIGURES = (
    *(figure for optimizer in OPTIMIZERS for figure in _of_table(optimizer)),
    *_of_tests(
        PIXELS,
        "pixels from 0 to 255",
        {
            ("SGD", 0.1): ("11.3", None, 20),
            ("SGD", 0.001): ("86.8 [86.3, 87.7]",),
            ("momentum", 0.01): ("11.4",),
            ("Adagrad", 0.01): ("88.5 [87.9, 89.0]",),
            ("RMSProp", 0.001): ("92.7 [92.4, 93.2]", 88),
            ("Adam", 0.001): ("91.4 [91.1, 91.8]", 88),
        },
    ),
    *_of_tests(
        DEEP,
        "4 sigmoid layers",
        {
            ("SGD", 0.1): ("12.4 [9.6, 15.6]", None, 30),
            ("momentum", 0.1): ("91.5 [91.2, 91.8]",),
            ("Adagrad", 0.01): ("91.1 [90.7, 91.5]",),
            ("RMSProp", 0.001): ("92.6 [91.6, 93.2]",),
            ("Adam", 0.001): ("93.5 [93.3, 93.7]", 90),
        },
    ),
    *e3_exact.FIGURES,
)

ORDERS = (
    *(
        Order(
            "C10",
            f"{optimizer} at its best rate gets a lower training loss than gradient descent at its best",
            partial(_beats, optimizer),
        )
        for optimizer in OPTIMIZERS
        if optimizer != "SGD"
    ),
    Order(
        "C10",
        "at the rate 0.001 Adam and RMSProp have learned where gradient descent has not begun: training loss",
        lambda m: (
            max(m["Adam 0.001"]["train_loss"], m["RMSProp 0.001"]["train_loss"]),
            "<=",
            0.13,
            "<",
            1.9,
            "<=",
            m["SGD 0.001"]["train_loss"],
        ),
    ),
    e3_exact.ORDER,
    Order(
        "C10",
        "Adam and RMSProp bear raw pixels, on which gradient descent at the usual rate fails: test accuracy",
        lambda m: (
            m[PIXELS + "SGD 0.1"]["test"],
            "<=",
            20,
            "<",
            88,
            "<=",
            min(m[PIXELS + "Adam 0.001"]["test"], m[PIXELS + "RMSProp 0.001"]["test"]),
        ),
    ),
    Order(
        "C10",
        "Adam trains 4 sigmoid layers, which gradient descent does not: test accuracy",
        lambda m: (m[DEEP + "SGD 0.1"]["test"], "<=", 30, "<", 90, "<=", m[DEEP + "Adam 0.001"]["test"]),
    ),
    Order(
        "C4",
        "ReLU is not the only cure: sigmoid layers train as soon as the rate adapts or there is momentum, which divide "
        "the smallness of the gradient away. The least test accuracy of momentum, Adagrad, RMSProp and Adam, over that "
        "of gradient descent",
        lambda m: (min(m[name_of(*one, DEEP)]["test"] for one in SIGMOID[1:]), ">", m[DEEP + "SGD 0.1"]["test"] + 50),
        against=True,
    ),
    Order(
        "C10",
        "Adam, in which the lecture's list ends, is not the best of them: momentum at a well chosen rate has the lower "
        "training loss",
        lambda m: (best("momentum", m), "<", best("Adam", m)),
        against=True,
    ),
)


# Plots


def plots(found: Found) -> list[Plot]:
    """Loss over updates and over rates, the valley, and where the choice decides."""
    rates = [rate for rate in RATES if found.has(*(name_of(o, rate) for o in OPTIMIZERS))]
    shown = []
    if rates:
        shown += [_bathtub(found, rates), _on_the_way(found, rates)]
    if found.has("valley"):
        shown.append(e3_exact.valley_plot(found))
    if found.has(*(name_of(*one, PIXELS) for one in RAW)):
        caption = (
            "Inputs that are 255 times larger make the gradient of the first layer as much larger. A rate that suits "
            "pixels from 0 to 1 is far too high then, unless each weight divides by the size of its own gradients."
        )
        shown.append(_decisive(found, PIXELS, RAW, "raw", "Pixels from 0 to 255", caption))
    if found.has(*(name_of(*one, DEEP) for one in SIGMOID)):
        caption = (
            f"Four hidden layers of 100 sigmoids, {SIGMOID_EPOCHS} epochs. The gradients of the first layers are tiny "
            "(E1); an optimizer that divides by their size, or adds them up, gets on all the same."
        )
        shown.append(_decisive(found, DEEP, SIGMOID, "sigmoid", "Four sigmoid layers", caption))
    return shown


def _bathtub(found: Found, rates: Sequence[float]) -> Plot:
    def of(optimizer: str) -> list[Sequence[float]]:
        return list(zip(*(found.values(name_of(optimizer, rate), "train_loss") for rate in rates), strict=True))

    return lines(
        "e3-bathtub",
        "Training loss by learning rate",
        f"After {EPOCHS} epochs. On the left the steps are too short, on the right too long; where the bottom is wide, "
        "the rate is easily found. Guessing has a loss of 2.3.",
        [Line(optimizer, rates, of(optimizer), *STYLES[optimizer]) for optimizer in OPTIMIZERS],
        x="learning rate",
        y="training loss",
        log="xy",
    )


def _on_the_way(found: Found, rates: Sequence[float]) -> Plot:
    def line(optimizer: str) -> Line:
        means = {rate: found.mean(name_of(optimizer, rate), "train_loss") for rate in rates}
        rate = min((rate for rate in rates if math.isfinite(means[rate])), key=means.__getitem__)
        ways = found.values(name_of(optimizer, rate), "way")
        return Line(f"{optimizer}, {rate:g}", range(STRIP, UPDATES + 1, STRIP), ways, *STYLES[optimizer])

    return lines(
        "e3-way",
        "Loss on the way, each optimizer at its best rate",
        f"The mean loss of the batches in every {STRIP} updates; 100 updates are an epoch.",
        [line(optimizer) for optimizer in OPTIMIZERS],
        x="updates",
        y="loss of the batches",
        log="y",
    )


def _decisive(found: Found, where: str, runs: Sequence[tuple[str, float]], name: str, title: str, caption: str) -> Plot:
    groups = {f"{o}, {rate:g}": {"test": found.values(name_of(o, rate, where), "test")} for o, rate in runs}
    return bars(f"e3-{name}", title, caption, groups, y="test accuracy, %", limits=(0, 100))


EXPERIMENT = Experiment(
    key="E3",
    title="Optimizers and learning rates",
    claims=("C10", "C4"),
    setup="784-128-128-10, ReLU, Glorot's uniform weights, 10,000 digits in batches of 100, "
    f"{EPOCHS} epochs ({UPDATES} updates). Momentum {MOMENTUM}, RMSProp with alpha {ALPHA}, Adam with beta 0.9 and "
    f"0.999, AdamW with decay {DECAY}. The same on pixels from 0 to 255; and four sigmoid layers of 100 units, "
    f"{SIGMOID_EPOCHS} epochs. The valley is f = (100 a^2 + b^2) / 2 from (1, 1) until f < 1e-6, in float64. The "
    "updates by hand are those of the papers, 20 of them in float64 on a random network of three layers; Adam is "
    "written there as what it is said to be, the mean gradient of Momentum over the size by which RMSProp divides.",
    parts=parts,
    orders=ORDERS,
    figures=FIGURES,
    plots=plots,
    remark="RMSProp is that of the libraries, whose sigma starts at 0. The slide starts it at |g| of the first step, "
    "which then is -eta sign(g) exactly, whatever the gradient; both are in the library and both are checked here. "
    "The bands of the losses were set for means over three seeds; here each seed is held against them. "
    "Every optimizer is judged at its best rate; what it costs to find that is told by how many of the five rates are "
    "of use.",
)
