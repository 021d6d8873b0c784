"""What E3 asks of the optimizers without digits: the formulas themselves, and a narrow valley.

One idea: an update is arithmetic, so it must equal the textbook's to rounding; and on a function whose slopes are known
the number of steps is a property of the rule. Nothing is left to chance here. Read `e3_optimizers.py` next.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import nn
import optim
from autograd import Tensor
from autograd.random import Generator
from recipe.report.plot import Plot

from .drawing import Line, Mark, lines
from .experiment import Figure, Found, Numbers, Order, Part, Seed

__all__ = ["ALPHA", "DECAY", "EPS", "FIGURES", "MOMENTUM", "ORDER", "PARTS", "valley_plot"]

MOMENTUM, ALPHA, EPS = 0.9, 0.9, 1e-7  # EPS is Adagrad's and RMSProp's
BETA1, BETA2, ADAM_EPS = 0.9, 0.999, 1e-8
DECAY = 0.01  # AdamW's

Array = np.ndarray[Any, Any]
State = dict[str, Any]  # what a rule remembers; all at zero before the first step
Rule = Callable[..., optim.Optimizer]
Update = Callable[[Array, Array, State, int, float], Array]  # w, g, what is remembered, the step from 1 on, the rate


# The rules by hand, as the lecture and the papers have them


def _sgd(w: Array, g: Array, s: State, t: int, eta: float) -> Array:
    return w - eta * g


def _momentum(w: Array, g: Array, s: State, t: int, eta: float) -> Array:
    s["v"] = MOMENTUM * s["v"] - eta * g
    return w + s["v"]


def _nesterov(w: Array, g: Array, s: State, t: int, eta: float) -> Array:
    s["v"] = MOMENTUM * s["v"] - eta * g
    return w + MOMENTUM * s["v"] - eta * g


def _adagrad(w: Array, g: Array, s: State, t: int, eta: float) -> Array:
    s["sum"] = s["sum"] + g**2
    return w - eta / (np.sqrt(s["sum"]) + EPS) * g


def _rmsprop(w: Array, g: Array, s: State, t: int, eta: float) -> Array:
    s["sigma"] = np.sqrt(ALPHA * s["sigma"] ** 2 + (1 - ALPHA) * g**2)
    return w - eta / (s["sigma"] + EPS) * g


def _rmsprop_of_the_lecture(w: Array, g: Array, s: State, t: int, eta: float) -> Array:
    s["sigma"] = np.abs(g) if t == 1 else np.sqrt(ALPHA * s["sigma"] ** 2 + (1 - ALPHA) * g**2)
    return w - eta / s["sigma"] * g


def _adam(w: Array, g: Array, s: State, t: int, eta: float) -> Array:
    s["m"] = BETA1 * s["m"] + (1 - BETA1) * g  # Momentum's part
    s["v"] = BETA2 * s["v"] + (1 - BETA2) * g**2  # RMSProp's
    m, v = s["m"] / (1 - BETA1**t), s["v"] / (1 - BETA2**t)
    return w - eta * m / (np.sqrt(v) + ADAM_EPS)


def _adamw(w: Array, g: Array, s: State, t: int, eta: float) -> Array:
    return _adam(w, g, s, t, eta) - eta * DECAY * w


RULES: dict[str, tuple[Update, Rule, dict[str, Any]]] = {
    "SGD": (_sgd, optim.SGD, {}),
    "momentum": (_momentum, optim.SGD, {"momentum": MOMENTUM}),
    "Nesterov": (_nesterov, optim.SGD, {"momentum": MOMENTUM, "nesterov": True}),
    "Adagrad": (_adagrad, optim.Adagrad, {"eps": EPS}),
    "RMSProp": (_rmsprop, optim.RMSprop, {"alpha": ALPHA, "eps": EPS}),
    "RMSProp of the lecture": (_rmsprop_of_the_lecture, optim.RMSprop, {"alpha": ALPHA, "eps": 0, "init": "lecture"}),
    "Adam": (_adam, optim.Adam, {}),
    "AdamW": (_adamw, optim.AdamW, {"weight_decay": DECAY}),
}


def by_hand(seed: int) -> Numbers:
    """By rule, how far 20 steps of it on a random network lead from those by hand, and the lecture's first step.

    That step must be -eta sign(g): the largest difference from it is told.
    """
    differences = {name: difference(*rule) for name, rule in RULES.items()}
    return {"difference": differences, "first step": _from_sign()}


def difference(update: Update, rule: Rule, options: dict[str, Any], eta: float = 0.01) -> float:
    """The largest difference between two weights after 20 steps, over the largest weight."""
    ours, theirs = _network(), _network()
    optimizer = rule(ours.parameters(), lr=eta, **options)
    states: list[State] = [_Zeros() for _ in theirs.parameters()]
    for t in range(1, 21):
        _set_gradients(ours)
        optimizer.step()
        _set_gradients(theirs)
        for parameter, state in zip(theirs.parameters(), states, strict=True):
            parameter.data = update(parameter.data, _gradient(parameter), state, t, eta)
    pairs = [(a.data, b.data) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True)]
    return float(max(np.abs(a - b).max() for a, b in pairs) / max(np.abs(b).max() for _, b in pairs))


class _Zeros(dict[str, Any]):
    """A memory in which everything is 0 at first."""

    def __missing__(self, name: str) -> float:
        return 0.0


def _network() -> nn.Sequential:
    """Three layers in float64, the same at each call; tanh, whose gradients are not zero."""
    generator, layers = Generator(0), []
    for features, units in ((8, 7), (7, 6), (6, 4)):
        layers += [nn.Linear(features, units, dtype="float64", generator=generator), nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def _set_gradients(model: nn.Module) -> None:
    generator = Generator(1)
    x = Tensor(generator.normal((32, 8), dtype="float64"))
    y = Tensor(generator.integers(0, 4, (32,)))
    model.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()


def _gradient(parameter: Tensor) -> Array:
    assert parameter.grad is not None
    return parameter.grad.data


def _from_sign() -> float:
    model, eta = _network(), 0.01
    optimizer = optim.RMSprop(model.parameters(), lr=eta, init="lecture")
    _set_gradients(model)
    wanted = [p.data - eta * np.sign(_gradient(p)) for p in model.parameters()]
    optimizer.step()
    return float(max(np.abs(p.data - w).max() for p, w in zip(model.parameters(), wanted, strict=True)))


# The valley

# What an independent implementation needed, each at a rate that suits it.
STEPS = {"SGD": 343, "momentum": 140, "Nesterov": 71, "Adagrad": 16, "RMSProp": 137, "Adam": 129}
RATES = {"SGD": 0.019, "momentum": 0.004, "Nesterov": 0.004, "Adagrad": 0.5, "RMSProp": 0.01, "Adam": 0.05}
TARGET, MOST = 1e-6, 2000


def valley(seed: int) -> Numbers:
    """By rule, f = (100 a^2 + b^2) / 2 at every step from (1, 1) until it is below TARGET, and the number of steps."""
    values = {name: _descent(name) for name in STEPS}
    return {"values": values, "steps": {name: len(of) - 1 for name, of in values.items()}}


def _descent(name: str) -> list[float]:
    _, rule, options = RULES[name]
    curvature = Tensor(np.array([100.0, 1.0]))
    place = Tensor(np.array([1.0, 1.0]), requires_grad=True)
    optimizer = rule([place], lr=RATES[name], **options)
    values: list[float] = []
    while True:
        place.grad = None
        f = (curvature * place**2).sum() / 2
        values.append(float(f.data))
        if values[-1] < TARGET or len(values) > MOST:
            return values
        f.backward()
        optimizer.step()


# What is read from both

PARTS = (Part("valley", valley, seeded=False), Part("by hand", by_hand, seeded=False))


def _steps(name: str, m: Seed) -> float:
    return float(m["valley"]["steps"][name])


def _relative(name: str, m: Seed) -> float:
    return float(m["by hand"]["difference"][name])


FIGURES = (
    *(
        Figure(
            "C10",
            f"valley, {name}, rate {RATES[name]:g}: steps",
            partial(_steps, name),
            str(steps),
            steps,
            steps,
            exact=True,
        )
        for name, steps in STEPS.items()
    ),
    *(
        Figure(
            "C10",
            f"{name}: largest difference of 20 steps from those by hand, over the largest weight",
            partial(_relative, name),
            high=1e-12,
            exact=True,
        )
        for name in RULES
    ),
    Figure(
        "C10",
        "RMSProp of the lecture: largest difference of its first step from -eta sign(g)",
        lambda m: m["by hand"]["first step"],
        "0",
        0,
        0,
        exact=True,
    ),
)

ORDER = Order(
    "C10",
    "along a valley that is 100 times steeper across, all need fewer steps than gradient descent",
    lambda m: (max(_steps(name, m) for name in STEPS if name != "SGD"), "<", _steps("SGD", m)),
)


def valley_plot(found: Found) -> Plot:
    """f over the steps."""
    values = found.first("valley")["values"]
    return lines(
        "e3-valley",
        "Down a narrow valley",
        "f = (100 a^2 + b^2) / 2 from (1, 1). The steep direction bounds the rate of gradient descent, which creeps "
        "along the flat one. Momentum adds up what its steps have in common; Adagrad, RMSProp and Adam give each "
        "direction a rate of its own.",
        [Line(f"{name}, {RATES[name]:g}", range(len(of)), [of], "-") for name, of in values.items()],
        x="steps",
        y="f",
        log="y",
        marks=[Mark("1e-6", y=TARGET)],
    )
