"""Small networks in float64 whose ensembles can be counted by hand, and how they are counted."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

import nn
from autograd.random import Generator, keep_probability


def x_of(rows: int, features: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, features))


def net(*layers: nn.Module, seed: int = 1) -> nn.Sequential:
    """The layers in a row, in float64, with normal weights and biases."""
    model = nn.Sequential(*layers).to("float64")
    rng = np.random.default_rng(seed)
    for parameter in model.parameters():
        parameter.data[...] = rng.normal(size=parameter.shape)
    return model


def drop(p: float, mode: Any = "inverted", **options: Any) -> nn.Dropout:
    return nn.Dropout(p, mode=mode, generator=Generator(5), **options)


def all_masks(units: int, p: float) -> Iterator[tuple[np.ndarray, float]]:
    """Each mask of ones and zeros, and its probability."""
    q = keep_probability(p)
    for bits in itertools.product((0.0, 1.0), repeat=units):
        yield np.array(bits), math.prod(q if bit else 1 - q for bit in bits)


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def parts(layer: Any) -> tuple[np.ndarray, np.ndarray]:
    return layer.weight.data, layer.bias.data
