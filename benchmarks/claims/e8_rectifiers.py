"""E8: maxout, rectifiers and silent units.

One idea: what the lecture says of activation functions is either an identity, which must hold exactly, or a matter of
which units are on, which can be counted. Read `e8_shapes.py` and `e8_networks.py` for how it is measured.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from .e8_networks import RATES, revived, silent, thinner, winners
from .e8_plots import plots
from .e8_shapes import FITS, fitted, sigmoids, special_cases
from .experiment import Experiment, Figure, Numbers, Order, Part, Seed, measured

__all__ = ["EXPERIMENT"]

WORDS = {"relu": "ReLU", "leaky_relu": "Leaky ReLU", "prelu": "Parametric ReLU", "maxout": "Maxout"}
NOT_QUICK = (
    *("Leaky ReLU, 2 pieces", "x^2, 4 pieces", "e^x, 2 pieces", "e^x, 8 pieces"),
    *("relu at 0.25", "relu at 0.5", "relu at 0.75", "leaky_relu at 0.1", "maxout thinner"),
)


def parts(quick: bool) -> list[Part]:
    """One for each computation, fit and network."""
    measures: dict[str, Callable[[int], Numbers]] = {
        **{name: partial(fitted, target, pieces, tangents) for name, (target, pieces, tangents) in FITS.items()},
        **{f"relu at {rate:g}": partial(silent, "relu", rate) for rate in RATES},
        **{f"leaky_relu at {rate:g}": partial(silent, "leaky_relu", rate) for rate in (0.1, 1.0)},
        **{f"{activation} silenced": partial(revived, activation) for activation in ("relu", "leaky_relu", "prelu")},
        **{f"{activation} thinner": partial(thinner, activation) for activation in ("relu", "maxout")},
        "winners": winners,
    }
    exact = [Part("special cases", special_cases, seeded=False), Part("sigmoids", sigmoids, seeded=False)]
    return exact + [Part(name, measure) for name, measure in measures.items() if not (quick and name in NOT_QUICK)]


# What must hold


def _errors(m: Seed, *parts: str) -> list[float | str]:
    """The errors of fits, each said to be smaller than the one before."""
    return [item for part in parts for item in (">", m[part]["rmse"])][1:]


ORDERS = (
    Order(
        "C5",
        "100 sigmoids, each shifted by 1, are softplus: largest difference for x below 92",
        lambda m: (m["sigmoids"]["softplus"], "<", 0.011),
    ),
    Order(
        "C5",
        "the finer the steps, the nearer to ReLU: largest differences for steps of 1, 0.1, 0.01",
        lambda m: (m["sigmoids"]["relu 1"], ">", m["sigmoids"]["relu 0.1"], ">", m["sigmoids"]["relu 0.01"]),
    ),
    *(
        Order(
            claim,
            f"{WORDS[a]}: the weights of the {units}, multiplied, give a digit's logits: largest difference, float64",
            partial(lambda m, part: (m[part]["error"], "<=", 1e-12), part=f"{a} thinner"),
        )
        for claim, a, units in (("C6", "relu", "active units"), ("C9", "maxout", "pieces that won"))
    ),
    Order(
        "C6",
        "and another digit meets another linear network: least number of linear regions from one digit to the next",
        lambda m: (m["relu thinner"]["least_regions"], ">", 5),
    ),
    Order(
        "C7",
        "a first ReLU layer that no digit reaches has no gradient and never moves: its gradient, its movement",
        lambda m: (m["relu silenced"]["gradient"], "==", 0, "==", m["relu silenced"]["moved"]),
    ),
    Order(
        "C7",
        "with it nothing is learnt: test accuracy",
        lambda m: (m["relu silenced"]["test"], "<=", 12),
    ),
    Order(
        "C7",
        "Leaky ReLU gives such units a gradient: test accuracy",
        lambda m: (m["leaky_relu silenced"]["test"], ">=", 85),
    ),
    Order(
        "C7",
        "so does Parametric ReLU: test accuracy",
        lambda m: (m["prelu silenced"]["test"], ">=", 85),
    ),
    Order(
        "C8",
        "ReLU is the larger of z and 0, a maxout unit of two pieces: largest difference",
        lambda m: (m["special cases"]["relu"], "==", 0),
    ),
    Order(
        "C8",
        "Leaky ReLU is the larger of z and 0.01 z: largest difference",
        lambda m: (m["special cases"]["leaky"], "==", 0),
    ),
    *(
        Order(
            "C8",
            f"two pieces learn {target}: root mean square error",
            partial(lambda m, part: (m[part]["rmse"], "<=", 1e-4), part=f"{target}, 2 pieces"),
        )
        for target in ("ReLU", "|x|", "Leaky ReLU")
    ),
    Order(
        "C8",
        "more pieces learn x^2 better: error with 2, 4, 8 pieces that start as tangents",
        lambda m: _errors(
            m, "x^2, 2 pieces from tangents", "x^2, 4 pieces from tangents", "x^2, 8 pieces from tangents"
        ),
    ),
    Order(
        "C8",
        "from a random start: error with 2 and 4 pieces",
        lambda m: _errors(m, "x^2, 2 pieces", "x^2, 4 pieces"),
    ),
    Order(
        "C8",
        "from a random start: error with 2 and 8 pieces",
        lambda m: _errors(m, "x^2, 2 pieces", "x^2, 8 pieces"),
    ),
    Order(
        "C8",
        "what is not convex cannot be learned: error for sin pi x with 4 pieces",
        lambda m: (m["sin pi x, 4 pieces"]["rmse"], ">", 0.3),
    ),
    Order(
        "C9",
        "for one digit the pieces that lost have no gradient: the largest of theirs",
        lambda m: (m["winners"]["losing"], "==", 0),
    ),
    Order(
        "C9",
        "over 500 digits nearly every piece wins once and gets trained, %",
        lambda m: (m["winners"]["used"], ">=", 95),
    ),
    Order(
        "C7",
        "Leaky ReLU is no cure for a rate that is too high: at rate 1 it blows up (1)",
        lambda m: (m["leaky_relu at 1"]["blown_up"], "==", 1),
        against=True,
    ),
    Order(
        "C7",
        "and ReLU at that rate loses units and lives on (0), since silent units cannot grow",
        lambda m: (m["relu at 1"]["blown_up"], "<", m["leaky_relu at 1"]["blown_up"]),
        against=True,
    ),
    Order(
        "C8",
        "from a random start 8 pieces are fewer, since one that is nowhere the largest has no gradient: pieces in use, "
        "from a random start and from tangents",
        lambda m: (m["x^2, 8 pieces"]["used"], "<", m["x^2, 8 pieces from tangents"]["used"], "==", 8),
        against=True,
    ),
)


# Figures


def _exact(what: str, name: str, reference: float, half_a_digit: float) -> Figure:
    band = reference - half_a_digit, reference + half_a_digit
    return Figure("C5", what, measured("sigmoids", name), f"{reference:g}", *band, exact=True)


FIGURES = (
    _exact("100 sigmoids against softplus, x < 92: largest difference", "softplus", 0.01058, 5e-6),
    _exact("the same against ReLU (ln 2 less the above)", "relu 1", 0.6826, 5e-5),
    _exact("steps of 0.1 against ReLU", "relu 0.1", 0.0683, 5e-5),
    _exact("steps of 0.01 against ReLU", "relu 0.01", 0.00683, 5e-6),
    Figure("C6", "ReLU: active units, mean over digits, %", measured("relu thinner", "active"), "47"),
    Figure(
        "C6", "ReLU: linear regions from one digit to the next, mean", measured("relu thinner", "regions"), "41 to 51"
    ),
    Figure("C6", "ReLU: composed weights against logits", measured("relu thinner", "error"), "7e-16"),
    Figure("C9", "Maxout: linear regions from one digit to the next, mean", measured("maxout thinner", "regions")),
    Figure("C9", "Maxout: composed weights against logits", measured("maxout thinner", "error")),
    Figure("C9", "Maxout: pieces that win on one of 500 digits or more, %", measured("winners", "used"), "99"),
    Figure("C9", "Maxout: winning pieces of one digit that have a gradient, %", measured("winners", "winning")),
    *(
        Figure(
            "C7", f"ReLU, rate {rate:g}: silent units of layer 1, %", measured(f"relu at {rate:g}", "dead"), reference
        )
        for rate, reference in zip(RATES, ("0", "", "0.5", "", "41 [19, 56]"), strict=True)
    ),
    Figure("C7", "ReLU, rate 0.1: active share of layer 1, %", measured("relu at 0.1", "active"), "58"),
    Figure("C7", "ReLU, rate 1: test accuracy, %", measured("relu at 1", "test"), "92.7"),
    Figure("C7", "ReLU, rate 1: blew up (1) or not", measured("relu at 1", "blown_up"), "0"),
    Figure("C7", "Leaky ReLU, rate 1: blew up (1) or not", measured("leaky_relu at 1", "blown_up"), "1"),
    *(
        Figure(
            "C7", f"{WORDS[a]}, layer 1 silenced: test accuracy, %", measured(f"{a} silenced", "test"), text, low, high
        )
        for a, text, low, high in (
            ("relu", "11.35", None, 12),
            ("leaky_relu", "91.6 [91.3, 91.7]", 85, None),
            ("prelu", "90.1 [89.8, 90.3]", 85, None),
        )
    ),
    *(
        Figure("C8", f"{part}: {words}", measured(part, name), reference, None, high)
        for part, words, name, reference, high in (
            ("ReLU, 2 pieces", "error", "rmse", "1.5e-16 or less", 1e-4),
            ("|x|, 2 pieces", "error", "rmse", "1.5e-16 or less", 1e-4),
            ("Leaky ReLU, 2 pieces", "error", "rmse", "1.5e-16 or less", 1e-4),
            ("x^2, 2 pieces", "error", "rmse", "0.0749", None),
            ("x^2, 4 pieces", "error", "rmse", "0.028 [0.019, 0.033]", None),
            ("x^2, 8 pieces", "error", "rmse", "0.0143 [0.012, 0.019]", 0.03),
            ("x^2, 8 pieces", "pieces in use", "used", "4-5", None),
            ("x^2, 8 pieces from tangents", "error", "rmse", "0.0047", None),
            ("x^2, 8 pieces from tangents", "largest error (least possible: 0.0078)", "max", "0.0102", None),
            ("x^2, 8 pieces from tangents", "pieces in use", "used", "8", None),
            ("e^x, 2 pieces", "error", "rmse", "0.0402", None),
            ("e^x, 8 pieces", "error", "rmse", "0.037", None),
            ("e^x, 8 pieces", "pieces in use", "used", "3", None),
            ("sin pi x, 4 pieces", "error", "rmse", "0.375 [0.373, 0.376]", None),
        )
    ),
)


EXPERIMENT = Experiment(
    key="E8",
    title="Maxout, rectifiers and silent units",
    claims=("C5", "C6", "C7", "C8", "C9"),
    setup="Maxout fits: one unit with one input and 2 to 8 pieces, float64, Glorot's uniform weights and zero biases, "
    "201 points of [-1, 1], 3000 updates of Adam, rate 0.02 along a cosine. Silent units: 784-256-256-10, He's normal "
    "weights, 10,000 digits, gradient descent in batches of 100, 5 epochs. A silenced layer: 784-128-128-10, the first "
    "biases at -5, 3000 digits, Adam, 15 epochs. The linear network of a digit: 784-128-128-10, 10,000 digits, "
    "gradient descent with rate 0.1, 5 epochs, then in float64.",
    parts=parts,
    orders=ORDERS,
    figures=FIGURES,
    plots=plots,
    remark="A rate of 1 is at the edge: whether ReLU units fall silent or the network blows up first depends on the "
    "seed. For x^2 it is the pieces in use that count, however many there are: 3 leave an error of 0.034, 4 of 0.019, "
    "8 of 0.005. How many linear regions lie between two digits depends on how many units there are; which network the "
    "reference had is not known.",
)
