"""E7, second part: trained networks, the average of k thinned ones against the one with scaled weights.

One idea: with more masks the average settles, and the question is where: at what scaled weights give in one pass, or
beside it. How far beside is told by the distance of the two distributions over the classes, for networks that are
piecewise linear and for one that is not. Read `e7_variance.py` next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

import optim
from recipe.ensemble import mc_curve, mc_predict, scaled_predict
from recipe.report.plot import Plot

from .drawing import Line, lines
from .experiment import Figure, Found, Numbers, Order, Part, Seed, measured
from .setting import digits, fit, network

__all__ = ["FIGURES", "ORDERS", "SETUP", "apart", "error", "nll", "parts", "plots"]

WIDTH, EPOCHS, QUICK_EPOCHS = 400, 12, 6
KS = (1, 2, 3, 5, 10, 20, 30, 50, 100)
FEW = KS[:7]
QUICK = KS[:6]
SINGLES = 5  # thinned networks that are measured one by one
WORDS = {"relu": "ReLU", "maxout": "Maxout", "tanh": "tanh"}

SETUP = (
    f"Monte-Carlo: 784-{WIDTH}-{WIDTH}-10 with dropout of 0.2 and 0.5, Adam with rate 0.001, 10,000 digits, batches of "
    f"100, {EPOCHS} epochs; all test rows, each with its own masks, softmax averaged over k masks, up to 100 for ReLU "
    "and 30 for the others."
)

_TINY = np.finfo(np.float64).tiny


def train(activation: str, ks: Sequence[int], epochs: int, seed: int) -> Numbers:
    """One network: test error and loss with scaled weights and of k masks, and the distance of the two, by k."""
    data = digits(seed)
    model = network((WIDTH, WIDTH), activation, seed=seed, dropout=(0.2, 0.5))
    fit(model, optim.Adam(model.parameters(), lr=1e-3), data, seed=seed, epochs=epochs)
    x, y = data.x_test, data.y_test
    scaled = scaled_predict(model, x)
    averages = mc_curve(model, x, ks, seed=seed)
    singles = [mc_predict(model, x, 1, seed=1000 * (seed + 1) + i).arithmetic for i in range(SINGLES)]
    by_k = {
        "error": [error(average.arithmetic, y) for average in averages],
        "loss": [nll(average.arithmetic, y) for average in averages],
        "agreement": [100 * _same(average.arithmetic, scaled) for average in averages],
        "kl": [apart(average.geometric, scaled) for average in averages],
        "variation": [float(np.abs(average.arithmetic - scaled).sum(axis=1).mean()) / 2 for average in averages],
    }
    return {
        "scaled": error(scaled, y),
        "scaled_loss": nll(scaled, y),
        "single": float(np.mean([error(p, y) for p in singles])),
    } | {name: dict(zip(map(str, ks), values, strict=True)) for name, values in by_k.items()}


def error(probabilities: Any, y: Any) -> float:
    """Rows whose likeliest class is not y, in per cent."""
    return 100 * float((probabilities.argmax(axis=1) != y).mean())


def nll(probabilities: Any, y: Any) -> float:
    """The mean of -log p(y), in nats."""
    return float(-np.log(np.maximum(probabilities[np.arange(len(y)), y], _TINY)).mean())


def apart(p: Any, q: Any) -> float:
    """KL(p || q), in nats: the mean over the rows of the sum of p log(p / q)."""
    logs = np.log(np.maximum(p, _TINY)) - np.log(np.maximum(q, _TINY))
    return float((p * logs).sum(axis=1).mean())


def _same(p: Any, q: Any) -> float:
    return float((p.argmax(axis=1) == q.argmax(axis=1)).mean())


def _name(activation: str) -> str:
    return f"masks, {activation}"


RELU, MAXOUT, TANH = map(_name, WORDS)


def parts(quick: bool) -> list[Part]:
    """One for each network."""
    if quick:
        return [Part(RELU, partial(train, "relu", QUICK, QUICK_EPOCHS))]
    return [Part(_name(a), partial(train, a, KS if a == "relu" else FEW, EPOCHS)) for a in WORDS]


def at(m: Seed, part: str, name: str, k: int) -> float:
    """What was measured with k masks."""
    return float(m[part][name][str(k)])


def _minus_scaled(part: str, k: int) -> Callable[[Seed], float]:
    return lambda m: at(m, part, "error", k) - m[part]["scaled"]


def _errors() -> list[Figure]:
    references = {
        **{1: "6.47", 2: "5.00", 3: "4.46", 5: "4.08", 10: "3.83 [3.70, 3.99]", 20: "3.73"},
        **{50: "3.71 [3.56, 3.86]", 100: "3.71 [3.45, 3.96]"},
    }
    return [
        Figure("C18", f"ReLU, average of {k} masks: test error, %", measured(RELU, "error", str(k)), reference)
        for k, reference in references.items()
    ]


_BY_ACTIVATION = {
    "relu": ("3.62 [3.40, 3.89]", "0.121", "3.71 [3.48, 4.06]", "", "3.7e-3 [3.3e-3, 3.9e-3]", "0.044", "99.3"),
    "tanh": ("5.59 [5.44, 5.82]", "", "5.89 [5.79, 6.02]", "", "7.4e-3 [7.3e-3, 7.7e-3]", "0.059", "99.0"),
    "maxout": (
        "3.74 [3.56, 3.95]",
        "0.142",
        "3.92 [3.82, 4.00]",
        "0.138",
        "4.9e-3 [4.4e-3, 5.5e-3]",
        "0.042",
        "99.2",
    ),
}


def _by_activation() -> list[Figure]:
    found = []
    for activation, (scaled, loss, average, average_loss, kl, variation, agreement) in _BY_ACTIVATION.items():
        part, word = _name(activation), WORDS[activation]
        band = (3.0, 4.3) if activation == "relu" else (None, None)
        found += [
            Figure("C19", f"{word}, scaled weights: test error, %", measured(part, "scaled"), scaled, *band),
            Figure("C19", f"{word}, scaled weights: test loss", measured(part, "scaled_loss"), loss),
            Figure("C19", f"{word}, average of 30 masks: test error, %", measured(part, "error", "30"), average),
            Figure("C19", f"{word}, average of 30 masks: test loss", measured(part, "loss", "30"), average_loss),
            Figure("C19", f"{word}: error of 30 masks minus scaled weights", _minus_scaled(part, 30), "", -0.6, 0.6),
            Figure("C19", f"{word}: KL(geometric mean of 30 masks, scaled weights)", measured(part, "kl", "30"), kl),
            Figure("C19", f"{word}: total variation, 30 masks", measured(part, "variation", "30"), variation),
            Figure("C19", f"{word}: same class with 30 masks, %", measured(part, "agreement", "30"), agreement),
        ]
    return found


FIGURES = (
    Figure("C18", "ReLU, one thinned network: test error, %", measured(RELU, "single"), "6.39 [6.11, 6.61]"),
    *_errors(),
    Figure("C18", "ReLU: error of 100 masks minus scaled weights", _minus_scaled(RELU, 100), "0.09", -0.3, 0.3),
    Figure("C18", "ReLU: same class with 100 masks, %", measured(RELU, "agreement", "100"), "99.5", 99.0),
    Figure("C18", "ReLU: KL(geometric mean of 100 masks, scaled weights)", measured(RELU, "kl", "100"), "1.8e-3"),
    Figure("C18", "ReLU, average of 100 masks: test loss", measured(RELU, "loss", "100"), "0.141"),
    *_by_activation(),
)

ORDERS = (
    Order(
        "C18",
        "the average gets better with more masks: test error of 1, 2, 5 and 20",
        lambda m: _falling(m, (1, 2, 5, 20)),
    ),
    Order(
        "C18",
        "one pass with scaled weights does better than one thinned network, by 1.5 points or more",
        lambda m: (m[RELU]["scaled"], "<=", at(m, RELU, "error", 1) - 1.5),
    ),
    Order(
        "C18",
        "and as the average of 100: errors within 0.3 points",
        lambda m: (abs(at(m, RELU, "error", 100) - m[RELU]["scaled"]), "<=", 0.3),
    ),
    Order(
        "C18",
        "and gives the same class as these for 99 % of the test rows",
        lambda m: (at(m, RELU, "agreement", 100), ">=", 99.0),
    ),
    Order(
        "C18",
        "scaled weights are not the lesser copy of the average: their test loss is below that of 100 masks",
        lambda m: (m[RELU]["scaled_loss"], "<", at(m, RELU, "loss", 100)),
        against=True,
    ),
    Order(
        "C19",
        "scaled weights are nearer to the average in a ReLU network than in one of tanh, KL by 1.4 times or more",
        lambda m: (at(m, TANH, "kl", 30), ">=", 1.4 * at(m, RELU, "kl", 30)),
    ),
    Order(
        "C19",
        "Maxout is between the two",
        lambda m: (at(m, RELU, "kl", 30), "<", at(m, MAXOUT, "kl", 30), "<", at(m, TANH, "kl", 30)),
    ),
    Order(
        "C19",
        "tanh agrees least often on the class",
        lambda m: (
            *(at(m, RELU, "agreement", 30), ">", at(m, TANH, "agreement", 30)),
            *("<", at(m, MAXOUT, "agreement", 30)),
        ),
    ),
)


def _falling(m: Seed, ks: Sequence[int]) -> Sequence[float | str]:
    chain: list[float | str] = []
    for k in ks:
        chain += [at(m, RELU, "error", k), ">"]
    return chain[:-1]


def plots(found: Found) -> list[Plot]:
    """Error by the number of masks, and the distance between the average and the scaled weights."""
    shown = []
    if found.has(RELU):
        shown.append(_error_by_k(found))
    if found.has(RELU, MAXOUT, TANH):
        shown.append(_distance_by_k(found))
    return shown


def _ks(found: Found, part: str) -> list[int]:
    return [int(k) for k in found.first(part)["error"]]


def _by_k(found: Found, part: str, name: str) -> list[list[float]]:
    return [list(of_seed.values()) for of_seed in found.values(part, name)]


def _error_by_k(found: Found) -> Plot:
    ks = _ks(found, RELU)
    scaled = [[value] * len(ks) for value in found.values(RELU, "scaled")]
    return lines(
        "e7-monte-carlo",
        "The average of k thinned networks",
        "Test error of the averaged softmax, ReLU. One pass with the weights times 1 - p does as well as some fifty "
        "passes.",
        [Line("average of k masks", ks, _by_k(found, RELU, "error")), Line("weights times 1 - p", ks, scaled, "--")],
        x="masks k",
        y="test error, %",
        log="x",
        ticks=ks,
    )


def _distance_by_k(found: Found) -> Plot:
    return lines(
        "e7-closeness",
        "How near scaled weights come to the average",
        "Mean over the test rows of KL(geometric mean of k masks, scaled weights). Part of it is the chance in k "
        "masks, which falls with k; what remains is what the network lacks in linearity. Only points of one k can be "
        "compared.",
        [Line(word, _ks(found, _name(a)), _by_k(found, _name(a), "kl")) for a, word in WORDS.items()],
        x="masks k",
        y="KL, nats",
        log="xy",
        ticks=KS,
    )
