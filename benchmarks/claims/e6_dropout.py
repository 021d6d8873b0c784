"""E6: dropout and the over-fit gap, on few digits and on digits with wrong labels.

One idea: what dropout costs and what it gives lie in different places, so training and test results stand side by
side, always of the whole network; and what the factor 1 - p does is seen in the loss, not in the class.
Read `e7_ensemble.py` for why the factor is 1 - p.
"""

from __future__ import annotations

from collections.abc import Sequence

from recipe.report.plot import BLUE, ORANGE, Plot

from .drawing import Line, bars, lines
from .e6_networks import BATCH, EPOCHS, LAST, MOST, NONE, RATES, ROWS, USUAL, WATCHED_ROWS, WIDTH, Rates, name_of, parts
from .experiment import Experiment, Figure, Found, Order, Seed, measured

__all__ = ["EXPERIMENT"]

CLEAN_NONE, CLEAN_USUAL, CLEAN_HALF = name_of("clean", NONE), name_of("clean", USUAL), name_of("clean", (0, 0.5))
CLEAN_MOST = name_of("clean", MOST)
NOISY_NONE, NOISY_USUAL = name_of("noisy", NONE), name_of("noisy", USUAL)
NOISY_PER_BATCH = name_of("noisy", USUAL, "per_batch")

_WHAT = {
    "train": "training accuracy, %",
    "thinned": "training accuracy of thinned networks, %",
    "test": "test accuracy, %",
    "gap": "training minus test accuracy",
    "test_loss": "test loss",
    "unscaled_loss": "test loss without the factor",
    "unscaled": "test accuracy without the factor, %",
}
_REFERENCE: dict[str, Sequence[str]] = {
    "clean 0, 0": ("100", "100", "91.3 [91.2, 91.5]", "8.7 [8.5, 8.8]", "0.446 [0.442, 0.451]"),
    "clean 0, 0.2": ("100", "100", "91.9 [91.7, 92.0]", "8.2", "0.438", "0.652", "91.9"),
    "clean 0, 0.5": ("100", "99.6", "91.7 [91.5, 92.1]", "8.3", "0.438", "1.62", "91.7"),
    "clean 0.2, 0.5": (
        *("100", "99.0 [98.8, 99.1]", "92.5 [92.3, 92.6]", "7.5 [7.4, 7.7]", "0.337 [0.332, 0.345]"),
        *("1.48 [1.45, 1.51]", "92.5"),
    ),
    "clean 0, 0.9": (
        *("94.0 [93.3, 95.2]", "72.6", "87.4 [86.2, 88.8]", "6.6", "0.539"),
        *("21.9", "84.0 [82.6, 85.1]"),
    ),
    "noisy 0, 0": ("100", "100", "84.5 [84.0, 84.9]", "15.5 [15.1, 16.0]", "0.681 [0.651, 0.699]"),
    "noisy 0, 0.5": ("98.4", "94.9", "86.9 [86.3, 87.4]", "11.5 [10.9, 12.0]", "0.494"),
    "noisy 0.2, 0.5": ("96.0 [95.6, 96.3]", "88.9", "89.7 [88.9, 90.4]", "6.3 [5.2, 7.1]", "0.395 [0.377, 0.412]"),
    "noisy 0, 0.9": ("74.2 [73.4, 74.9]", "47.8", "85.9 [84.9, 86.8]", "-11.7", "1.14"),
    NOISY_PER_BATCH: ("", "", "", "", ""),
}
_BANDS = {(NOISY_NONE, "test"): (82, 87), (NOISY_USUAL, "test"): (87.5, 91.5)}


def _table() -> list[Figure]:
    return [
        Figure(
            "C16" if name.startswith("unscaled") else "C15",
            f"{part}: {what}",
            measured(part, name),
            reference,
            *_BANDS.get((part, name), (None, None)),
        )
        for part, references in _REFERENCE.items()
        for (name, what), reference in zip(_WHAT.items(), references, strict=False)
    ]


def change(m: Seed, name: str) -> float:
    """What dropout on inputs and hidden units changes, on few clean digits."""
    return float(m[CLEAN_USUAL][name] - m[CLEAN_NONE][name])


FIGURES = (
    Figure("C15", "clean 0.2, 0.5 against none: test accuracy", lambda m: change(m, "test"), "1.2", 0.5, 2.5),
    Figure("C15", "clean 0.2, 0.5 against none: gap", lambda m: change(m, "gap"), "-1.2", -2.5, -0.5),
    Figure(
        "C15",
        "clean 0.2, 0.5 against none: test loss",
        lambda m: change(m, "test_loss"),
        "-0.109",
        None,
        -0.05,
    ),
    *_table(),
)

ORDERS = (
    Order(
        "C15",
        "on 1000 clean digits dropout raises the test accuracy",
        lambda m: (m[CLEAN_USUAL]["test"], ">", m[CLEAN_NONE]["test"]),
    ),
    Order(
        "C15",
        "and narrows the gap between training and test accuracy",
        lambda m: (m[CLEAN_USUAL]["gap"], "<", m[CLEAN_NONE]["gap"]),
    ),
    Order(
        "C15",
        "and lowers the test loss by 0.05 or more",
        lambda m: (m[CLEAN_USUAL]["test_loss"], "<=", m[CLEAN_NONE]["test_loss"] - 0.05),
    ),
    Order(
        "C15",
        "where labels are wrong dropout makes the training accuracy worse",
        lambda m: (m[NOISY_USUAL]["train"], "<", m[NOISY_NONE]["train"]),
    ),
    Order(
        "C15",
        "and the test accuracy better by 3 points or more",
        lambda m: (m[NOISY_USUAL]["test"], ">=", m[NOISY_NONE]["test"] + 3),
    ),
    Order(
        "C15",
        "and leaves at most 0.6 of the gap",
        lambda m: (m[NOISY_USUAL]["gap"], "<=", 0.6 * m[NOISY_NONE]["gap"]),
    ),
    Order(
        "C15",
        "with one mask for a whole mini-batch, as in the lecture, the test accuracy gets better too",
        lambda m: (m[NOISY_PER_BATCH]["test"], ">", m[NOISY_NONE]["test"]),
    ),
    Order(
        "C15",
        "thinned networks do worse on the training rows than the whole one",
        lambda m: (m[CLEAN_USUAL]["thinned"], "<", m[CLEAN_USUAL]["train"]),
    ),
    Order(
        "C15",
        "with p = 0.9 training is the problem, at least 3 points worse",
        lambda m: (m[CLEAN_MOST]["train"], "<=", m[CLEAN_NONE]["train"] - 3),
    ),
    Order(
        "C15",
        "and there dropout is no help: test accuracy below that without",
        lambda m: (m[CLEAN_MOST]["test"], "<", m[CLEAN_NONE]["test"]),
    ),
    Order(
        "C15",
        "a training accuracy taken with dropout on misleads: with p = 0.9 it is below the test accuracy, and that is "
        "below the training accuracy of the whole network",
        lambda m: (m[CLEAN_MOST]["thinned"], "<", m[CLEAN_MOST]["test"], "<", m[CLEAN_MOST]["train"]),
    ),
    Order(
        "C15",
        "on 1000 clean digits dropout does not make the result on training data worse, when the whole network is asked",
        lambda m: (m[CLEAN_USUAL]["train"], ">=", 99.9),
        against=True,
    ),
    Order(
        "C16",
        "without the factor the test loss is at least 3 times as large, p = 0.5 on the hidden units",
        lambda m: (m[CLEAN_HALF]["unscaled_loss"], ">=", 3 * m[CLEAN_HALF]["test_loss"]),
    ),
    Order(
        "C16",
        "and with p = 0.2 on the inputs besides",
        lambda m: (m[CLEAN_USUAL]["unscaled_loss"], ">=", 3 * m[CLEAN_USUAL]["test_loss"]),
    ),
    Order(
        "C16",
        "with p = 0.9 the accuracy suffers without the factor too",
        lambda m: (m[CLEAN_MOST]["unscaled"], "<", m[CLEAN_MOST]["test"]),
    ),
    Order(
        "C16",
        "to multiply by 1 - p in evaluation or to divide by it in training is the same, whole and under the same mask: "
        "probabilities within 1e-5",
        lambda m: (m[CLEAN_USUAL]["whole_change"], "<=", 1e-5, ">=", m[CLEAN_USUAL]["thinned_change"]),
    ),
    Order(
        "C16",
        "the predicted class hardly needs the factor: at p = 0.5 the accuracy without it is within 0.2 points",
        lambda m: (abs(m[CLEAN_HALF]["unscaled"] - m[CLEAN_HALF]["test"]), "<=", 0.2),
        against=True,
    ),
)


def plots(found: Found) -> list[Plot]:
    """The three accuracies by rate, the loss with and without the factor, and the curves of the noisy labels."""
    shown = [_gap(found, labels) for labels in RATES]
    if found.has(CLEAN_USUAL):
        shown.append(_factor(found))
    if found.has(NOISY_NONE, NOISY_USUAL):
        shown.append(_curves(found))
    return shown


def _shown_rates(rates: Rates) -> str:
    return "none" if rates == NONE else f"{rates[0]:g} / {rates[1]:g}"


_GAP_CAPTIONS = {
    "clean": "1000 clean digits; p of the inputs / p of the hidden units. The gap between the first bar and the third "
    "is the over-fitting. Dropout takes a little of it away; with 0.9 too few units are left even to learn.",
    "noisy": "2000 digits, of which a fifth got a random label. A network without dropout learns the wrong labels too. "
    "Training accuracy counts the labels that were trained on, right or wrong, test accuracy the right ones.",
}


def _gap(found: Found, labels: str) -> Plot:
    looks = {"training, whole network": "train", "training, thinned": "thinned", "test, whole network": "test"}
    groups = {
        _shown_rates(rates): {words: found.values(name_of(labels, rates), name) for words, name in looks.items()}
        for rates in RATES[labels]
        if found.has(name_of(labels, rates))
    }
    return bars(
        f"e6-gap-{labels}",
        f"Dropout and the gap, {labels} labels",
        _GAP_CAPTIONS[labels],
        groups,
        y="accuracy, %",
        limits=(40, 102),
    )


def _factor(found: Found) -> Plot:
    groups = {
        _shown_rates(rates): {
            "with the factor": found.values(part, "test_loss"),
            "without": found.values(part, "unscaled_loss"),
        }
        for rates in RATES["clean"]
        if rates != NONE and found.has(part := name_of("clean", rates))
    }
    return bars(
        "e6-factor",
        "What the factor 1 - p is for",
        "Test loss of the networks that learned 1000 clean digits. Without the factor all logits are too large, in a "
        "ReLU network by about the same factor: the largest one stays the largest, so the class is the same and the "
        "confidence is wrong.",
        groups,
        y="test loss",
        log=True,
    )


def _curves(found: Found) -> Plot:
    epochs = range(1, len(found.first(NOISY_NONE)["val_accuracy"]) + 1)
    rows = (
        ("none: training", NOISY_NONE, "train_accuracy", ORANGE, "--"),
        ("none: validation", NOISY_NONE, "val_accuracy", ORANGE, "-"),
        ("0.2 / 0.5: training, thinned", NOISY_USUAL, "running_accuracy", BLUE, ":"),
        ("0.2 / 0.5: training", NOISY_USUAL, "train_accuracy", BLUE, "--"),
        ("0.2 / 0.5: validation", NOISY_USUAL, "val_accuracy", BLUE, "-"),
    )
    return lines(
        "e6-curves",
        "As training goes on, with wrong labels",
        f"Accuracy on the 2000 training rows, labels as given, and on {WATCHED_ROWS} validation rows with right ones. "
        "The dotted line, taken while dropout is on, must not be compared with the solid ones.",
        [Line(label, epochs, found.values(part, name), style, colour) for label, part, name, colour, style in rows],
        x="epoch",
        y="accuracy, %",
        limits=(60, 102),
    )


EXPERIMENT = Experiment(
    key="E6",
    title="Dropout and the over-fit gap",
    claims=("C15", "C16"),
    setup=f"784-{WIDTH}-{WIDTH}-10, ReLU, Adam with rate 0.001, batches of {BATCH}; {ROWS['clean']} clean digits "
    f"for {EPOCHS['clean']} epochs, or {ROWS['noisy']} of which a fifth got a random label for {EPOCHS['noisy']}. "
    "Dropout of inputs and hidden units, inverted, with a mask for each row (the paper's way) and once with one for "
    "each mini-batch (the lecture's). Every accuracy but the thinned ones is that of the whole network in evaluation "
    f"mode. All are means over the last {LAST} epochs. With wrong labels, training accuracy counts the labels as "
    "given.",
    parts=parts,
    orders=ORDERS,
    figures=FIGURES,
    plots=plots,
    remark="On 1000 clean digits, which every network learns by heart, the gain is about a point, and another thousand "
    "digits move it by as much as half of that; with wrong labels it is several points. A mask for each row and a mask "
    "for each mini-batch are different algorithms: with one mask per batch the gradient is that of one thinned network "
    "instead of the mean of many. Means over the last epochs are taken because Adam has late spikes when all rows are "
    "learned: with little dropout or none a single epoch may lose ten points.",
)
