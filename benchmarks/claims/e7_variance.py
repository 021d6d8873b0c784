"""E7, third part: bias and variance of polynomials, and what averaging does for networks on few digits.

One idea: that the members' mean squared distance to the truth is that of their average plus their spread around it
(Krogh and Vedelsby 1995) is an identity, so an average is never worse than its members are on the mean; what it gains
is their variance. Read `e7_ensemble.py` for how the parts come together.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np

import optim
from autograd.random import Generator
from recipe.ensemble import scaled_predict
from recipe.report.plot import Plot

from .drawing import Line, Mark, bars, lines
from .e7_monte_carlo import error
from .experiment import Figure, Found, Numbers, Order, Part, measured
from .setting import CLASSES, digits, fit, network

__all__ = ["FIGURES", "ORDERS", "SETUP", "parts", "plots", "polynomials", "told_by"]

POINTS, SETS, NOISE = 20, 500, 0.3
DEGREES = tuple(range(1, 10))
GRID = np.linspace(0.02, 0.98, 97)  # where a polynomial is looked at: at the very ends it has no neighbours
SAMPLES = 34  # stream of the seed from which points and bootstrap samples are drawn

ROWS, WIDTH, EPOCHS, BATCH = 1000, 256, 30, 50
MEMBERS = 10
RATES = (0.2, 0.5)  # of dropout, where there is any
POLYNOMIALS, BOOTSTRAP, ALL_ROWS, WITH_DROPOUT = "polynomials", "bootstrap samples", "all rows", "with dropout"
DROPOUT = "one dropout network"

SETUP = (
    f"Polynomials: least squares on {POINTS} points, x uniform in 0 to 1, y = sin 2 pi x + {NOISE} N(0, 1), {SETS} "
    "times; since the mean of degree 9 explodes, bias and variance are those of the median and of the scaled median "
    f"distance from it over these, averaged over x from {GRID[0]} to {GRID[-1]}. "
    f"Ensembles: 784-{WIDTH}-{WIDTH}-10, ReLU, Adam with rate 0.001, {ROWS} digits, batches of {BATCH}, {EPOCHS} "
    f"epochs; {MEMBERS} members, each with its own weights and order, on a bootstrap sample of the rows (drawn with "
    f"replacement), on all rows, or on all rows with dropout of {RATES[0]} and {RATES[1]}; and one more network of the "
    "last kind."
)


def polynomials(seed: int) -> Numbers:
    """Squared bias and variance by degree."""
    generator = Generator(seed, stream=SAMPLES)
    x = generator.uniform((SETS, POINTS), dtype="float64")
    y = np.sin(2 * np.pi * x) + NOISE * generator.normal((SETS, POINTS), dtype="float64")
    truth = np.sin(2 * np.pi * GRID)
    found: Numbers = {"bias": {}, "variance": {}}
    for degree in DEGREES:
        fits = [np.polynomial.Polynomial.fit(a, b, degree, domain=[0, 1])(GRID) for a, b in zip(x, y, strict=True)]
        middle = np.median(fits, axis=0)
        spread = 1.4826 * np.median(np.abs(fits - middle), axis=0)  # the standard deviation, if normal
        found["bias"][str(degree)] = float(np.mean((middle - truth) ** 2))
        found["variance"][str(degree)] = float(np.mean(spread**2))
    return found


def ensemble(bootstrap: bool, dropout: Sequence[float], members: int, seed: int) -> Numbers:
    """The members one by one, and together."""
    data = digits(seed, ROWS)
    told = []
    for number in range(members):
        own = 100 * seed + number  # of its weights, the order of its rows, and its sample
        rows = Generator(own, stream=SAMPLES).integers(0, ROWS, ROWS) if bootstrap else slice(None)
        told.append(_trained(data._replace(x_train=data.x_train[rows], y_train=data.y_train[rows]), own, dropout))
    return told_by(told, data.y_test)


def _trained(data: Any, seed: int, dropout: Sequence[float]) -> Any:
    """The probabilities of the test rows, from a network trained on the training rows."""
    model = network((WIDTH, WIDTH), seed=seed, dropout=dropout)
    fit(model, optim.Adam(model.parameters(), lr=1e-3), data, seed=seed, epochs=EPOCHS, batch_size=BATCH)
    return scaled_predict(model, data.x_test)


def told_by(members: Sequence[Any], y: Any) -> Numbers:
    """Errors, in per cent, of the members and of the averages of the first 1, 2, ... of them; and Brier's scores.

    Each member gives probabilities (rows, classes). The Brier score is the squared distance from the right answer,
    summed over the classes; the members' spread around their average is summed likewise.
    """
    right = np.eye(CLASSES)[y]
    averages = [total / count for count, total in enumerate(accumulate(members), start=1)]
    last = averages[-1]

    def mean_square(differences: Sequence[Any]) -> float:
        return float(np.mean([(d**2).sum(axis=1).mean() for d in differences]))

    found: Numbers = {
        "member": float(np.mean([error(p, y) for p in members])),
        "worst": max(error(p, y) for p in members),
        "together": error(last, y),
        "by_count": [error(p, y) for p in averages],
        "brier_members": mean_square([p - right for p in members]),
        "brier_together": mean_square([last - right]),
        "variance": mean_square([p - last for p in members]),
    }
    found["remainder"] = abs(found["brier_members"] - found["brier_together"] - found["variance"])
    return found


def single(seed: int) -> Numbers:
    """One network of the same widths with dropout, by scaled weights."""
    data = digits(seed, ROWS)
    return {"test": error(_trained(data, seed, RATES), data.y_test)}


def parts(quick: bool) -> list[Part]:
    """The polynomials, the three ensembles, and the network with dropout."""
    few = [
        Part(POLYNOMIALS, polynomials),
        Part(BOOTSTRAP, partial(ensemble, True, (), MEMBERS)),
        Part(DROPOUT, single),
    ]
    if quick:
        return few
    return [
        *few,
        Part(ALL_ROWS, partial(ensemble, False, (), MEMBERS)),
        Part(WITH_DROPOUT, partial(ensemble, False, RATES, MEMBERS)),
    ]


FIGURES = (
    Figure("C17", "polynomial of degree 1: squared bias", measured(POLYNOMIALS, "bias", "1"), "0.176", 0.16, 0.19),
    Figure("C17", "polynomial of degree 3: squared bias", measured(POLYNOMIALS, "bias", "3"), "0.0034", 0.002, 0.005),
    Figure("C17", "polynomial of degree 9: squared bias", measured(POLYNOMIALS, "bias", "9"), "0.0002"),
    Figure("C17", "polynomial of degree 1: variance", measured(POLYNOMIALS, "variance", "1"), "0.034"),
    Figure("C17", "polynomial of degree 3: variance", measured(POLYNOMIALS, "variance", "3"), "0.032"),
    Figure("C17", "polynomial of degree 9: variance", measured(POLYNOMIALS, "variance", "9"), "0.052"),
    Figure(
        "C17", "one network on a bootstrap sample: test error, %", measured(BOOTSTRAP, "member"), "10.94, 11.12, 10.81"
    ),
    Figure("C17", "average of those ten (bagging): test error, %", measured(BOOTSTRAP, "together"), "9.03, 9.29, 9.15"),
    Figure("C17", "one network on all 1000 rows: test error, %", measured(ALL_ROWS, "member"), "9.11, 9.32, 9.03"),
    Figure("C17", "average of those ten: test error, %", measured(ALL_ROWS, "together"), "8.72, 9.00, 8.73"),
    Figure("C18", "one dropout network, scaled weights: test error, %", measured(DROPOUT, "test"), "8.46, 8.72, 8.46"),
    Figure("C18", "one dropout network, mean of ten: test error, %", measured(WITH_DROPOUT, "member")),
    Figure("C18", "the worst of those ten: test error, %", measured(WITH_DROPOUT, "worst")),
    Figure("C18", "average of those ten: test error, %", measured(WITH_DROPOUT, "together")),
    Figure("C17", "Brier score of the members", measured(BOOTSTRAP, "brier_members"), "0.1736, 0.1773, 0.1715"),
    Figure("C17", "Brier score of their average", measured(BOOTSTRAP, "brier_together"), "0.1371, 0.1406, 0.1376"),
    Figure("C17", "variance of the members", measured(BOOTSTRAP, "variance"), "0.0365, 0.0367, 0.0340"),
)

ORDERS = (
    Order(
        "C17",
        "a more complex model has less bias: squared bias of degree 1, 3 and 9",
        lambda m: (m[POLYNOMIALS]["bias"]["1"], ">", m[POLYNOMIALS]["bias"]["3"], ">", m[POLYNOMIALS]["bias"]["9"]),
    ),
    Order(
        "C17",
        "and more variance: degree 3 and 9",
        lambda m: (m[POLYNOMIALS]["variance"]["3"], "<", m[POLYNOMIALS]["variance"]["9"]),
    ),
    Order(
        "C17",
        "averaging takes the variance away and nothing else: Brier score of the members minus that of their average "
        "minus the members' variance",
        lambda m: (m[BOOTSTRAP]["remainder"], "<=", 1e-6),
    ),
    Order(
        "C17",
        "the average of networks on bootstrap samples does better than one of them, by a point or more",
        lambda m: (m[BOOTSTRAP]["together"], "<=", m[BOOTSTRAP]["member"] - 1),
    ),
    Order(
        "C17",
        "networks that differ only in their first weights and the order of the rows gain too",
        lambda m: (m[ALL_ROWS]["together"], "<", m[ALL_ROWS]["member"]),
    ),
    Order(
        "C18",
        "one network with dropout does better than one without, by 0.2 points or more",
        lambda m: (m[DROPOUT]["test"], "<=", m[ALL_ROWS]["member"] - 0.2),
    ),
    Order(
        "C18",
        "and better than the average of ten without, on bootstrap samples or on all rows: an ensemble in one network",
        lambda m: (m[BOOTSTRAP]["together"], ">", m[DROPOUT]["test"], "<", m[ALL_ROWS]["together"]),
    ),
    Order(
        "C18",
        "on the mean over ten of each, a network with dropout does better than one without, by 0.2 points or more",
        lambda m: (m[WITH_DROPOUT]["member"], "<=", m[ALL_ROWS]["member"] - 0.2),
    ),
    Order(
        "C18",
        "and, on the mean over ten, better than the averages of ten without",
        lambda m: (m[BOOTSTRAP]["together"], ">", m[WITH_DROPOUT]["member"], "<", m[ALL_ROWS]["together"]),
    ),
)


def plots(found: Found) -> list[Plot]:
    """Bias and variance by degree; single networks, averages and dropout."""
    shown = []
    if found.has(POLYNOMIALS):
        shown.append(_bias_and_variance(found))
    if found.has(BOOTSTRAP, DROPOUT):
        shown += [_bars(found), _by_count(found)]
    return shown


def _bias_and_variance(found: Found) -> Plot:
    return lines(
        "e7-bias-variance",
        "Bias and variance of polynomials",
        f"Fits to {POINTS} points, {SETS} times. A higher degree comes nearer to the truth on the whole, and each "
        "single fit strays further from the others. Odd degrees help most, since the sine is odd around its middle.",
        [
            Line("squared bias", DEGREES, [list(of_seed.values()) for of_seed in found.values(POLYNOMIALS, "bias")]),
            Line("variance", DEGREES, [list(of_seed.values()) for of_seed in found.values(POLYNOMIALS, "variance")]),
        ],
        x="degree",
        y="squared distance",
        log="y",
        marks=(Mark("variance of the noise", y=NOISE**2),),
        ticks=DEGREES,
    )


def _ensembles(found: Found) -> list[str]:
    return [part for part in (BOOTSTRAP, ALL_ROWS, WITH_DROPOUT) if found.has(part)]


def _bars(found: Found) -> Plot:
    groups = {
        part: {"one network": found.values(part, "member"), "average": found.values(part, "together")}
        for part in _ensembles(found)
    }
    return bars(
        "e7-ensembles",
        "One network, the average of several, and dropout",
        "Test error after 1000 digits; the first bar is the mean over the members. A network with dropout costs at "
        "test time what one network costs.",
        groups,
        y="test error, %",
    )


def _by_count(found: Found) -> Plot:
    counts = range(1, len(found.first(BOOTSTRAP)["by_count"]) + 1)
    curves = [Line(part, counts, found.values(part, "by_count")) for part in _ensembles(found)]
    one = [[value] * len(counts) for value in found.values(DROPOUT, "test")]
    return lines(
        "e7-members",
        "As members join",
        "Test error of the average of the first so many networks. Those on bootstrap samples see 63 % of the rows "
        "each, differ more from one another, and gain more.",
        [*curves, Line(DROPOUT, counts, one, "--")],
        x="members",
        y="test error, %",
        ticks=counts,
    )
