"""E2: a network of 56 layers that is worse than one of 20, on the rows that it was trained on.

One idea: the training error alone tells that this is no over-fitting, and a look at the network before the first update
tells what it is instead: the gradients are healthy, but after so many layers all digits look alike. Shortcuts around
the layers cure it. Read `e1_depth.py` for the fault that depth has with sigmoids.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import optim
from recipe.data import Parts
from recipe.diagnose import Evidence, diagnose
from recipe.formulas import Compile
from recipe.report.plot import BLUE, RED, Plot

from .drawing import Line, lines
from .e2_networks import WIDTH, plain, residual, start_of
from .experiment import Experiment, Figure, Found, Numbers, Order, Part, Seed
from .setting import curves, digits, fit

__all__ = ["EXPERIMENT"]

MOMENTUM = 0.9
SHALLOW, DEEP = 20, 56  # weight layers
DEPTHS = (8, SHALLOW, 32, 44, DEEP)
KINDS = {"plain": plain, "residual": residual}
SHORT, LONG = 5, 20  # epochs
RATE, RATE_NORMED = 0.01, 0.05
NORMED = ", batch norm"  # at the end of a part's name
DIAGNOSIS = "diagnosis of plain 56"

# What is measured


def train(kind: str, layers: int, normed: bool, epochs: int, seed: int) -> Numbers:
    """One network: its loss and errors in per cent after each epoch, and how it was before the first one."""
    model, data = KINDS[kind](layers, normed, seed), _digits(seed)
    start = start_of(model, data.x_train[:1000], data.y_train[:1000])
    optimizer = optim.SGD(model.parameters(), lr=RATE_NORMED if normed else RATE, momentum=MOMENTUM)
    # With batch norm, many small operations, a compiled update takes a third of the time, which repays at once.
    compile: Compile = True if normed else "auto"
    trainer = fit(model, optimizer, data, seed=seed, epochs=epochs, watched=True, compile=compile)
    history = curves(trainer, "train_accuracy", "val_accuracy", "train_loss")
    by_epoch = {
        "train": [100 - accuracy for accuracy in history["train_accuracy"]],
        "test": [100 - accuracy for accuracy in history["val_accuracy"]],
        "loss": history["train_loss"],
    }
    after = {
        f"after {epoch}": {name: values[epoch - 1] for name, values in by_epoch.items()}
        for epoch in (SHORT, LONG)
        if epoch <= epochs
    }
    return by_epoch | after | {"start": start}


def _digits(seed: int) -> Parts:
    """Nothing is chosen by validation here: the test rows take its place, so that their error is in the history."""
    data = digits(seed)
    return data._replace(x_valid=data.x_test, y_valid=data.y_test)


def diagnosed(seed: int) -> Numbers:
    """What the diagnosis makes of the deep plain network: 1 for its verdict, 0 for what else it could say."""
    model, evidence = plain(DEEP, False, seed), Evidence()
    optimizer = optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM)
    fit(model, optimizer, _digits(seed), seed=seed, epochs=SHORT, watched=True, callbacks=[evidence])
    verdict = diagnose(evidence).verdict
    return {code: float(verdict == code) for code in ("signal_collapse", "overfit", "vanishing_gradient")}


def name_of(kind: str, layers: int, normed: bool = False) -> str:
    """The name of a part: "plain 56", "residual 20, batch norm"."""
    return f"{kind} {layers}{NORMED if normed else ''}"


def parts(quick: bool) -> list[Part]:
    """The four networks; in a full run for more epochs, and others of more depths and with batch norm."""

    def part(kind: str, layers: int, epochs: int, normed: bool = False) -> Part:
        return Part(name_of(kind, layers, normed), partial(train, kind, layers, normed, epochs))

    four = [(kind, layers) for layers in (DEEP, SHALLOW) for kind in KINDS]
    if quick:
        return [part(*one, SHORT) for one in four]
    others = [(kind, layers) for kind in KINDS for layers in DEPTHS if layers not in (SHALLOW, DEEP)]
    return [
        *(part(*one, LONG) for one in four),
        *(part(*one, SHORT, normed=True) for one in four),
        *(part(*one, SHORT) for one in others),
        Part(DIAGNOSIS, diagnosed),
    ]


# What is read from it

PLAIN_20, PLAIN_56 = name_of("plain", SHALLOW), name_of("plain", DEEP)
RESIDUAL_20, RESIDUAL_56 = name_of("residual", SHALLOW), name_of("residual", DEEP)


def _after(part: str, what: str, epochs: int = SHORT) -> Any:
    return lambda m: m[part][f"after {epochs}"][what]


def _train(m: Seed, part: str, epochs: int = SHORT) -> float:
    return float(m[part][f"after {epochs}"]["train"])


def _test(m: Seed, part: str) -> float:
    return float(m[part][f"after {SHORT}"]["test"])


def first_to_last(m: Seed, part: str) -> float:
    """The norm of the first layer's gradient over that of the last, before training."""
    norms = m[part]["start"]["gradients"]
    return float(norms[0] / norms[-1])


def cosine(m: Seed, part: str) -> float:
    """The mean cosine between two rows at the last hidden layer, before training."""
    return float(m[part]["start"]["cosines"][-1])


def _error_figures() -> list[Figure]:
    rows: Sequence[tuple[str, str, str, str, float | None, float | None]] = (
        (PLAIN_20, "7.0 [6.8, 7.1]", "8.8 [8.4, 9.0]", "0.265", 5, 11),
        (PLAIN_56, "70.9 [69.1, 74.2]", "70.9 [69.3, 74.1]", "1.71", 40, None),
        (RESIDUAL_20, "3.7 [3.4, 4.0]", "6.4 [6.2, 6.6]", "0.117", None, None),
        (RESIDUAL_56, "3.9 [3.1, 4.4]", "6.7 [6.0, 7.1]", "0.124", None, 6),
        (PLAIN_20 + NORMED, "9.2 [9.0, 9.3]", "10.4 [9.9, 11.0]", "0.323", None, None),
        (PLAIN_56 + NORMED, "80.7 [80.3, 81.0]", "80.5 [79.5, 81.1]", "2.23", None, None),
        (RESIDUAL_20 + NORMED, "2.3 [1.8, 3.0]", "5.5 [5.3, 5.7]", "0.076", None, None),
        (RESIDUAL_56 + NORMED, "8.0 [7.4, 8.6]", "9.6 [9.2, 10.2]", "0.248", None, None),
    )
    return [
        figure
        for part, train_error, test_error, loss, low, high in rows
        for figure in (
            Figure("C2", f"{part}: training error, %", _after(part, "train"), train_error, low, high),
            Figure("C2", f"{part}: test error, %", _after(part, "test"), test_error),
            Figure("C2", f"{part}: training loss", _after(part, "loss"), loss),
        )
    ]


FIGURES = (
    *_error_figures(),
    *(
        Figure("C2", f"{part}: mean cosine between rows at the last hidden layer, at the start", read, reference)
        for part, read, reference in (
            (PLAIN_20, lambda m: cosine(m, PLAIN_20), "0.962 [0.940, 0.977]"),
            (PLAIN_56, lambda m: cosine(m, PLAIN_56), "0.987 [0.973, 0.997]"),
            (RESIDUAL_56, lambda m: cosine(m, RESIDUAL_56), "0.555 [0.535, 0.568]"),
        )
    ),
    Figure("C2", "mean cosine between rows of pixels", lambda m: m[PLAIN_56]["start"]["cosines"][0], "0.398"),
    Figure(
        "C2",
        f"{PLAIN_56}: gradient of the first layer over the last, at the start",
        lambda m: first_to_last(m, PLAIN_56),
        "10 [5, 19]",
    ),
    *(
        Figure("C2", f"{part}: training error after {LONG} epochs, %", _after(part, "train", LONG))
        for part in (PLAIN_20, PLAIN_56, RESIDUAL_20, RESIDUAL_56)
    ),
)

ORDERS = (
    Order(
        "C2",
        "56 plain layers are worse than 20 on the rows they were trained on: training error, 30 points at least",
        lambda m: (_train(m, PLAIN_20) + 30, "<=", _train(m, PLAIN_56)),
    ),
    Order(
        "C2",
        "and on those they were not: test error",
        lambda m: (_test(m, PLAIN_20), "<", _test(m, PLAIN_56)),
    ),
    Order(
        "C2",
        f"it is no matter of a few more epochs: training error after {LONG}",
        lambda m: (_train(m, PLAIN_20, LONG), "<", _train(m, PLAIN_56, LONG)),
    ),
    Order(
        "C2",
        "batch norm alone is no cure: training error of 20 and 56 plain layers with it",
        lambda m: (_train(m, PLAIN_20 + NORMED), "<", _train(m, PLAIN_56 + NORMED)),
    ),
    Order(
        "C2",
        "shortcuts are: training error of 56 layers with them, 30 points less at least",
        lambda m: (_train(m, RESIDUAL_56), "<=", _train(m, PLAIN_56) - 30),
    ),
    Order(
        "C2",
        "with shortcuts 56 layers do as 20 do: training error within 2.5 points",
        lambda m: (abs(_train(m, RESIDUAL_56) - _train(m, RESIDUAL_20)), "<=", 2.5),
    ),
    Order(
        "C1",
        "the training error gives the 56 layers away: what they lose from training rows to test rows is less than what "
        "they lose to 20 layers on training rows",
        lambda m: (_test(m, PLAIN_56) - _train(m, PLAIN_56), "<", _train(m, PLAIN_56) - _train(m, PLAIN_20)),
    ),
    Order(
        "C1",
        "so a diagnosis in the lecture's order says that the signal collapses (1 where it does), and does not blame "
        "over-fitting or the gradient",
        lambda m: (
            m[DIAGNOSIS]["signal_collapse"],
            ">",
            m[DIAGNOSIS]["overfit"] + m[DIAGNOSIS]["vanishing_gradient"],
        ),
    ),
    Order(
        "C2",
        "The vanishing gradient is not the only way in which depth fails: in 56 plain ReLU layers the first one's "
        "gradient is larger than the last one's, at the start",
        lambda m: (first_to_last(m, PLAIN_56), ">", 1),
        against=True,
    ),
    Order(
        "C2",
        "What fails is the signal on its way forward: two rows have a larger cosine after 56 plain layers than with "
        "shortcuts, at the start",
        lambda m: (cosine(m, RESIDUAL_56), "<", cosine(m, PLAIN_56)),
        against=True,
    ),
)

# Plots

_STYLES = {PLAIN_20: ("--", RED), PLAIN_56: ("-", RED), RESIDUAL_20: ("--", BLUE), RESIDUAL_56: ("-", BLUE)}


def plots(found: Found) -> list[Plot]:
    """Errors over the epochs and by depth, and the networks before the first epoch."""
    shown = []
    if found.has(*_STYLES):
        shown += [_over_epochs(found, "train"), _over_epochs(found, "test")]
    if found.has(*(name_of(kind, layers) for kind in KINDS for layers in DEPTHS)):
        shown.append(_by_depth(found))
    if found.has(PLAIN_56, RESIDUAL_56):
        shown += [_signal(found), _gradients(found)]
    return shown


_CAPTIONS = {
    "train": "The figure of the slide: whoever sees only the test error of the 56 plain layers may blame over-fitting, "
    "but they are as bad on the rows that they were trained on.",
    "test": "The same networks on the test rows. The two figures look alike, and that is the point.",
}


def _over_epochs(found: Found, which: str) -> Plot:
    word = "Training" if which == "train" else "Test"
    errors = {part: found.values(part, which) for part in _STYLES}
    epochs = range(1, len(errors[PLAIN_56][0]) + 1)
    return lines(
        f"e2-{which}-error",
        f"{word} error over the epochs",
        _CAPTIONS[which],
        [Line(f"{part} layers", epochs, errors[part], *style) for part, style in _STYLES.items()],
        x="epoch",
        y=f"{word.lower()} error, %",
        limits=(0, None),
        ticks=(1, *range(5, len(epochs) + 1, 5)),
    )


def _by_depth(found: Found) -> Plot:
    def of(kind: str, which: str) -> list[Sequence[float]]:
        columns = [[errors[which] for errors in found.values(name_of(kind, d), f"after {SHORT}")] for d in DEPTHS]
        return list(zip(*columns, strict=True))

    return lines(
        "e2-by-depth",
        "Error by depth",
        f"After {SHORT} epochs. A deeper network could do what a shallower one does, if its further layers passed on "
        "what they get; descent does not find that by itself, and shortcuts give it away.",
        [
            Line(f"{kind}, {words}", DEPTHS, of(kind, which), style, colour)
            for kind, colour in zip(KINDS, (RED, BLUE), strict=True)
            for which, words, style in (("train", "training rows", "o-"), ("test", "test rows", "o--"))
        ],
        x="weight layers",
        y="error, %",
        limits=(0, None),
        ticks=DEPTHS,
    )


def _signal(found: Found) -> Plot:
    starts = {part: found.values(part, "start") for part in (PLAIN_56, RESIDUAL_56)}
    return lines(
        "e2-signal",
        "How alike two digits are, by layer, before training",
        "The mean cosine between two rows as they come to each weight layer: at 1 they differ in nothing but size. The "
        "residual network is shown before its blocks, which add nothing at the start.",
        [
            Line(part, of[0]["layers"], [start["cosines"] for start in of], *_STYLES[part])
            for part, of in starts.items()
        ],
        x="weight layer",
        y="mean cosine",
        limits=(0, 1.02),
        ticks=(1, *range(8, DEEP + 1, 8)),
    )


def _gradients(found: Found) -> Plot:
    norms = [start["gradients"] for start in found.values(PLAIN_56, "start")]
    return lines(
        "e2-gradients",
        f"Gradient by layer in {DEEP} plain layers, before training",
        "The first of the ten sigmoid layers of E1 gets a gradient a million times smaller than the last: one that "
        "vanishes falls over the whole width of such a figure.",
        [Line(PLAIN_56, range(1, DEEP + 1), norms, *_STYLES[PLAIN_56])],
        x="weight layer",
        y="norm of the gradient",
        log="y",
        ticks=(1, *range(8, DEEP + 1, 8)),
    )


EXPERIMENT = Experiment(
    key="E2",
    title="Degradation, and shortcuts as its cure",
    claims=("C1", "C2"),
    setup=f"Networks of {', '.join(map(str, DEPTHS))} weight layers, {WIDTH} wide, ReLU, He's normal weights, 10,000 "
    f"digits, gradient descent with momentum {MOMENTUM} and rate {RATE} in batches of 100. Plain: layer after layer. "
    "Residual: h + W2 relu(W1 h) around every two layers, with W2 = 0 at the start. With batch norm: ResNet's first "
    f"order of layers, all weights drawn, rate {RATE_NORMED}. Figures are after {SHORT} epochs where they do not say "
    f"otherwise; {SHALLOW} and {DEEP} layers without batch norm went on to {LONG}. Gradients and cosines are those of "
    "the first 1000 training rows.",
    parts=parts,
    orders=ORDERS,
    figures=FIGURES,
    plots=plots,
    remark="The slide shows figure 1 of He, Zhang, Ren and Sun, Deep residual learning (2015), whose networks have 20 "
    "and 56 layers; the 26 of the notes is a slip. There it is images (CIFAR-10), convolutions and batch norm, and a "
    "gap of some points. Here the same thing is seen in fully connected networks on digits; the sizes of the two gaps "
    f"have nothing to do with each other. The residual network with batch norm is still on its way after {SHORT} "
    "epochs. How alike the rows become depends much on the draw of the weights, at a width of 64.",
)
