"""E8, networks of rectifiers and maxout units: silent units, a first layer silenced, the linear network of one digit.

One idea: a rectifier either passes a number on or is not there, so which units are on says all about what a network
does with an input and which weights that input can train. Read `e8_rectifiers.py` for the claims.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import nn
import optim
from autograd import Tensor, no_grad
from recipe.diagnose import measure, probe
from recipe.inside import inside, watched
from recipe.piecewise import effective_linear, linear_regions, piece_wins

from .experiment import Numbers
from .setting import digits, fit, network, percent

__all__ = ["EDGES", "RATES", "revived", "silent", "thinner", "winners"]

Array = np.ndarray[Any, Any]

RATES = (0.1, 0.25, 0.5, 0.75, 1.0)
EDGES = np.linspace(-10, 10, 81)  # of the histogram of what goes into the first rectifiers
PAIRS = 5  # digits and their neighbours in the test set, between which regions are counted


# d Silent units


def silent(activation: str, rate: float, seed: int) -> Numbers:
    """784-256-256-10 after 5 epochs: units of the first layer that are 0 on all training rows, and what goes in."""
    data, model = digits(seed), network((256, 256), activation, seed=seed, init="he")
    trainer = fit(model, optim.SGD(model.parameters(), lr=rate), data, seed=seed, epochs=5)
    first, found = f"{activation}1", percent(trainer, data)
    with np.errstate(all="ignore"):
        look = inside(model, nn.functional.cross_entropy, data.x_train, data.y_train)
        inputs = into(model, first, data.x_train)
    blown_up = not np.isfinite(inputs).all()
    return found | {
        "blown_up": blown_up,
        "dead": np.nan if blown_up else 100 * look.dead.get(first, 0.0),
        "active": np.nan if blown_up else 100 * look.active[first],
        "histogram": 100 * np.histogram(inputs.clip(EDGES[0], EDGES[-1]), EDGES)[0] / inputs.size,
    }


def into(model: nn.Module, layer: str, x: Array) -> Array:
    """What goes into a layer for the rows x."""
    seen: list[Array] = []
    with (
        no_grad(),
        watched({layer: model.get_submodule(layer)}, lambda name, module, inputs, out: seen.append(inputs.data)),
    ):
        model(Tensor(x))
    return seen[0]


# f A first layer silenced


def revived(activation: str, seed: int) -> Numbers:
    """784-128-128-10 whose first biases start at -5, so that no digit reaches the first units; 15 epochs of Adam."""
    data, model = digits(seed, 3000), network((128, 128), activation, seed=seed)
    first = dict(model.named_parameters())["linear1.weight"]
    nn.init.constant_(dict(model.named_parameters())["linear1.bias"], -5.0)
    look = probe.look(model, nn.functional.cross_entropy, data.x_train, data.y_train)
    start = first.data.copy()
    trainer = fit(model, optim.Adam(model.parameters(), lr=1e-3), data, seed=seed, epochs=15)
    return percent(trainer, data) | {
        "gradient": look.gradient_rms["linear1"],
        "moved": measure.movement([first.data], [start]),
    }


# e The linear network of one digit


def thinner(activation: str, seed: int) -> Numbers:
    """784-128-128-10 after 5 epochs, in float64: the linear networks of some test digits, and those between them."""
    data, model = digits(seed), _trained(activation, seed)
    rows = data.x_test[: 2 * PAIRS].astype(np.float64)
    maps = [effective_linear(model, row) for row in rows]
    with no_grad():
        logits = model(Tensor(rows)).data
    composed = np.stack([m.weight @ row + m.bias for m, row in zip(maps, rows, strict=True)])
    active = [np.concatenate(list(m.patterns.values())) for m in maps]
    regions = [linear_regions(model, a, b).count for a, b in zip(rows[::2], rows[1::2], strict=True)]
    return {
        "error": np.abs(composed - logits).max(),
        "active": 100 * np.mean(active),
        "regions": np.mean(regions),
        "least_regions": min(regions),
    }


def winners(seed: int) -> Numbers:
    """Maxout units: which weights one digit trains, and which pieces win on any of 500 digits."""
    data, model = digits(seed), _trained("maxout", seed)
    x, y = data.x_test[:500].astype(np.float64), data.y_test[:500]
    weights = dict(model.named_parameters())
    model.zero_grad()
    nn.functional.cross_entropy(model(Tensor(x[:1])), Tensor(y[:1])).backward()
    losing, winning = [], []
    for name, wins in piece_wins(model, x[:1]).items():
        gradient = weights[f"{name}.weight"].grad
        assert gradient is not None
        size = np.abs(gradient.data).max(axis=1).reshape(wins.shape)
        losing.append(size[wins == 0].max())
        winning.append((size[wins == 1] > 0).mean())
    return {
        "losing": max(losing),
        "winning": 100 * np.mean(winning),
        "used": 100 * np.mean([(wins > 0).mean() for wins in piece_wins(model, x).values()]),
    }


def _trained(activation: str, seed: int) -> nn.Sequential:
    model = network((128, 128), activation, seed=seed)
    fit(model, optim.SGD(model.parameters(), lr=0.1), digits(seed), seed=seed, epochs=5)
    return model.double().eval()
