"""What is spoilt: ways to make the rows of a run bad, and ways to make its first weights bad, each with a name.

One idea: rows are spoilt before a remedy does anything to them, so that it has to mend what a user's own files would
hold; a start is spoilt after the network is built, and stays so unless the remedy is another start. The rows to test
with are spoilt in their scale only: they are what the net meets in use. Read `setups.py` next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

import nn
from autograd.random import Generator
from recipe.data import Parts

__all__ = ["ROWS", "STARTS"]

Spoil = Callable[[Parts, np.random.Generator], Parts]
Start = Callable[[nn.Linear, Generator], object]


def _scaled(factor: float, shift: float) -> Spoil:
    """All pixels times a factor, plus a shift, as from a reader that forgot to normalise."""

    def spoil(parts: Parts, random: np.random.Generator) -> Parts:
        x_train, x_valid, x_test = (x * np.float32(factor) + np.float32(shift) for x in parts[::2])
        return parts._replace(x_train=x_train, x_valid=x_valid, x_test=x_test)

    return spoil


def _any_labels(share: float) -> Spoil:
    """A share of the labels is drawn anew from all ten classes."""

    def spoil(parts: Parts, random: np.random.Generator) -> Parts:
        y = parts.y_train
        wrong = random.random(len(y)) < share
        return parts._replace(y_train=np.where(wrong, random.integers(0, 10, len(y)), y))

    return spoil


def _next_labels(parts: Parts, random: np.random.Generator) -> Parts:
    """One label in five is the next class's."""
    y = parts.y_train
    return parts._replace(y_train=np.where(random.random(len(y)) < 0.2, (y + 1) % 10, y))


def _leaked(share: float) -> Spoil:
    """A share of the validation rows stands in the place of training rows."""

    def spoil(parts: Parts, random: np.random.Generator) -> Parts:
        copied = int(share * len(parts.x_valid))
        x, y = (np.concatenate([a[:-copied], b[:copied]]) for a, b in zip(parts[:2], parts[2:4], strict=True))
        return parts._replace(x_train=x, y_train=y)

    return spoil


def _validated_on_training_rows(parts: Parts, random: np.random.Generator) -> Parts:
    """All validation rows are training rows."""
    chosen = random.choice(len(parts.x_train), len(parts.x_valid), replace=False)
    return parts._replace(x_valid=parts.x_train[chosen], y_valid=parts.y_train[chosen])


def _sorted(parts: Parts, random: np.random.Generator) -> Parts:
    """The training rows stand class by class."""
    order = np.argsort(parts.y_train, kind="stable")
    return parts._replace(x_train=parts.x_train[order], y_train=parts.y_train[order])


def _shuffled_in_a_window(parts: Parts, random: np.random.Generator) -> Parts:
    """Sorted by class, then shuffled through a window of 800 rows, as a reader does that keeps few rows in memory."""
    parts = _sorted(parts, random)
    rows = np.arange(len(parts.x_train))
    order, window = [], list(rows[:800])
    for row in rows[800:]:
        place = int(random.integers(len(window)))
        order.append(window[place])
        window[place] = row
    order += list(random.permutation(window))
    return parts._replace(x_train=parts.x_train[order], y_train=parts.y_train[order])


def _shuffled_in_blocks(parts: Parts, random: np.random.Generator) -> Parts:
    """Sorted by class, then shuffled within blocks of 1500 rows, as files are that are shuffled one by one."""
    parts = _sorted(parts, random)
    rows = np.arange(len(parts.x_train))
    order = np.concatenate([random.permutation(rows[start : start + 1500]) for start in rows[::1500]])
    return parts._replace(x_train=parts.x_train[order], y_train=parts.y_train[order])


def _one_half_after_the_other(parts: Parts, random: np.random.Generator) -> Parts:
    """The rows of five classes, then those of the other five, as from two files that were joined."""
    order = np.argsort(parts.y_train >= 5, kind="stable")
    return parts._replace(x_train=parts.x_train[order], y_train=parts.y_train[order])


def _validation_to_255(parts: Parts, random: np.random.Generator) -> Parts:
    """The pixels of the validation rows were not divided by 255."""
    return parts._replace(x_valid=parts.x_valid * np.float32(255))


def _other_pixels(parts: Parts, random: np.random.Generator) -> Parts:
    """The validation rows have their pixels in another order, as from another reader of the files."""
    return parts._replace(x_valid=parts.x_valid[:, random.permutation(parts.x_valid.shape[1])])


def _counted_from_one(parts: Parts, random: np.random.Generator) -> Parts:
    """The labels of the validation rows count from another class, as from another tool."""
    return parts._replace(y_valid=(parts.y_valid + 1) % 10)


ROWS: Mapping[str, Spoil] = {
    "pixels to 255": _scaled(255, 0),
    "pixels of 16 bits": _scaled(65535, 0),
    "pixels from 100 to 120": _scaled(20, 100),
    "3 labels in 10 drawn anew": _any_labels(0.3),
    "4 labels in 10 drawn anew": _any_labels(0.4),
    "1 label in 5 the next class's": _next_labels,
    "validation rows in training": _leaked(0.2),
    "a few validation rows in training": _leaked(0.05),
    "validated on training rows": _validated_on_training_rows,
    "sorted": _sorted,
    "shuffled in a window": _shuffled_in_a_window,
    "shuffled in blocks": _shuffled_in_blocks,
    "one half after the other": _one_half_after_the_other,
    "validation pixels to 255": _validation_to_255,
    "validation pixels in another order": _other_pixels,
    "validation labels count from another class": _counted_from_one,
}


# Starts: what is done to the linear layers.


def _everywhere(start: Start) -> Callable[[list[nn.Linear], Generator], None]:
    def spoil(layers: list[nn.Linear], generator: Generator) -> None:
        for layer in layers:
            start(layer, generator)

    return spoil


def _hidden(start: Start) -> Callable[[list[nn.Linear], Generator], None]:
    return lambda layers, generator: _everywhere(start)(layers[:-1], generator)


def _biases_of_minus_5(layer: nn.Linear, generator: Generator) -> None:
    assert layer.bias is not None
    nn.init.constant_(layer.bias, -5.0)


def _middle_dead(layers: list[nn.Linear], generator: Generator) -> None:
    """One layer in the middle whose biases are far below 0."""
    bias = layers[len(layers) // 2 - 1].bias
    assert bias is not None
    nn.init.constant_(bias, -20.0)


def _five_times(layer: nn.Linear, generator: Generator) -> None:
    layer.weight.data[...] *= 5


def _negative(layer: nn.Linear, generator: Generator) -> None:
    layer.weight.data[...] = -abs(layer.weight.data)


STARTS: Mapping[str, Callable[[list[nn.Linear], Generator], None]] = {
    "biases of -5": _hidden(_biases_of_minus_5),
    "biases of -20 in one layer": _middle_dead,
    "weights below 0": _hidden(_negative),
    "weights of 0.01": _everywhere(lambda layer, generator: nn.init.constant_(layer.weight, 0.01)),
    "hidden weights of 0.02": _hidden(lambda layer, generator: nn.init.constant_(layer.weight, 0.02)),
    "weights five times as large": _everywhere(_five_times),
    "weights of 0": _everywhere(lambda layer, generator: nn.init.constant_(layer.weight, 0.0)),
    "weights of spread 0.5": _everywhere(
        lambda layer, generator: nn.init.normal_(layer.weight, std=0.5, generator=generator)
    ),
    "weights from -1 to 1": _everywhere(
        lambda layer, generator: nn.init.uniform_(layer.weight, -1.0, 1.0, generator=generator)
    ),
}
