"""The networks of E2: as many layers as wanted, plain or with shortcuts, with batch norm or without.

One idea: a plain and a residual network of the same depth have the same weight layers, drawn from the same numbers;
only the ways around them differ. Read `e2_degradation.py` next.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import nn
from autograd.random import Generator
from recipe.build import WEIGHTS
from recipe.diagnose import probe

from .experiment import Numbers
from .setting import CLASSES, FEATURES

__all__ = ["WIDTH", "plain", "residual", "start_of"]

WIDTH = 64


def plain(layers: int, normed: bool, seed: int) -> nn.Sequential:
    """`layers` weight layers, a ReLU after each but the last; `normed` with batch norm before each ReLU."""
    generator = Generator(seed, stream=WEIGHTS)
    hidden: list[nn.Module] = []
    for features, units in pairwise((FEATURES, *(WIDTH,) * (layers - 1))):
        hidden += [_linear(features, units, generator), *_norm(normed), nn.ReLU()]
    return nn.Sequential(*hidden, _linear(WIDTH, CLASSES, generator))


def residual(layers: int, normed: bool, seed: int) -> nn.Sequential:
    """`layers` weight layers, an even number, with a shortcut around every two of those between the first and the last.

    Without batch norm a block is h + W2 relu(W1 h), with W2 = 0 at the start: the network begins as a shallow one.
    With it a block is ResNet's first one, relu(h + norm(W2 relu(norm(W1 h)))), and all weights are drawn.
    """
    generator = Generator(seed, stream=WEIGHTS)
    around = [*_norm(normed), nn.ReLU()] if normed else []
    hidden: list[nn.Module] = [_linear(FEATURES, WIDTH, generator), *around]
    for _ in range((layers - 2) // 2):
        first, second = (_linear(WIDTH, WIDTH, generator) for _ in range(2))
        if normed:
            hidden += [nn.Residual(first, *_norm(True), nn.ReLU(), second, *_norm(True)), nn.ReLU()]
        else:
            nn.init.zeros_(second.weight)
            hidden.append(nn.Residual(first, nn.ReLU(), second))
    hidden += [] if normed else [nn.ReLU()]
    return nn.Sequential(*hidden, _linear(WIDTH, CLASSES, generator))


def _linear(features: int, units: int, generator: Generator) -> nn.Linear:
    """He's normal weights, zero biases."""
    layer = nn.Linear(features, units, generator=generator)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def _norm(normed: bool) -> list[nn.Module]:
    return [nn.BatchNorm1d(WIDTH)] if normed else []


def start_of(model: nn.Sequential, x: Any, y: Any) -> Numbers:
    """Before training: the norm of each weight layer's gradient, and how alike the rows are that come to it.

    That is the mean cosine between two of them. In a residual network it is told for what goes into the blocks, by the
    number of the first layer there: inside a block the shortcut is missing.
    """
    found = probe.look(model, nn.functional.cross_entropy, x, y)
    sizes = {name: weight.size for name, (_, weight) in probe.weights_of(model).items()}
    numbers = {name: number for number, name in enumerate(sizes, start=1) if _outside(name)}
    return {
        "gradients": [rms * math.sqrt(sizes[name]) for name, rms in found.gradient_rms.items()],
        "layers": [*numbers.values()],
        "cosines": [found.row_cosine[name] for name in numbers],
    }


def _outside(name: str) -> bool:
    """Whether this layer takes what stands between the blocks: it is in none, or the first of one."""
    return "body" not in name or name.endswith("body.0")
