"""The rows of the set-ups, before anything is spoilt or mended.

One idea: a set-up names its source as a run does (`data.source`), and a few sources more are known here. Read
`spoilt.py` next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

import numpy as np

from autograd.random import Generator
from recipe.config import DataConfig
from recipe.data import Dataset, Parts, lecture_split, mnist, split, synthetic
from recipe.sources import load_parts

__all__ = ["load"]

VALIDATED = 2000  # rows of MNIST to validate and to test with: enough for half a point, and quick


def load(config: DataConfig, seed: int) -> Parts:
    """The rows of `config.source`, as they are: nothing spoilt and nothing mended."""
    if config.source in _SOURCES:
        return _SOURCES[config.source](seed, config.limit_rows)
    return load_parts(DataConfig(config.source, config.limit_rows), seed)


@cache
def _mnist() -> Dataset:
    return mnist.load()


@cache
def _mnist_14() -> Dataset:
    """MNIST in 14 x 14 pixels, each the mean of four."""
    data = _mnist()
    small = (x.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(-1, 196) for x in (data.x_train, data.x_test))
    x_train, x_test = small
    return replace(data, x_train=x_train, x_test=x_test)


@cache
def _is_it_8() -> Dataset:
    """MNIST with two classes, one in ten rows being of the second: is it an 8?"""
    data = _mnist()
    return replace(data, y_train=(data.y_train == 8).astype(np.int64), y_test=(data.y_test == 8).astype(np.int64))


def _digits(data: Callable[[], Dataset]) -> Callable[[int, int | None], Parts]:
    def load(seed: int, rows: int | None) -> Parts:
        parts = lecture_split(data(), generator=Generator(seed), rows=rows)
        return Parts(parts.x_train, parts.y_train, *(part[:VALIDATED] for part in parts[2:]))

    return load


def _sine(noise: float) -> Callable[[int, int | None], Parts]:
    def load(seed: int, rows: int | None) -> Parts:
        generator = Generator(seed)
        x, y = synthetic.sine(2000, noise=noise, generator=generator)
        train, valid, test = split(x, y, [0.6, 0.2, 0.2], generator=generator)
        return Parts(train[0][:rows], train[1][:rows], *valid, *test)

    return load


_SOURCES: Mapping[str, Callable[[int, int | None], Parts]] = {
    "mnist": _digits(_mnist),
    "mnist 14x14": _digits(_mnist_14),
    "is it 8": _digits(_is_it_8),
    "sine": _sine(0.1),
    "noisy sine": _sine(0.5),
}
