"""Small seeded data sets that need no file: two to classify, one to fit a curve to.

One idea: the same generator state gives the same rows everywhere. x is float32; labels are int64, targets float32.
Read `split.py` next.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd.random import Generator, default

from ..numbers import check_count

__all__ = ["blobs", "sine", "spirals"]

Array = np.ndarray[Any, Any]


def blobs(
    rows: int, *, classes: int = 3, features: int = 2, spread: float = 0.5, generator: Generator | None = None
) -> tuple[Array, Array]:
    """Round clouds, one per class, around centres drawn from [-4, 4): x (rows, features), y (rows,).

    `spread` is the clouds' standard deviation. The classes take turns, so each has its share to within a row.
    """
    _check("blobs", rows, classes=classes, features=features)
    generator = default if generator is None else generator
    centres = generator.uniform((classes, features), -4.0, 4.0)
    y = np.arange(rows) % classes
    return centres[y] + generator.normal((rows, features), std=spread), y


def spirals(
    rows: int, *, classes: int = 2, turns: float = 1.5, noise: float = 0.02, generator: Generator | None = None
) -> tuple[Array, Array]:
    """Arms of a spiral, one per class, which no straight line parts: x (rows, 2) within the unit circle, y (rows,).

    Each arm winds `turns` times from the centre to radius 1; `noise` is the standard deviation added to each
    coordinate.
    """
    _check("spirals", rows, classes=classes)
    generator = default if generator is None else generator
    y = np.arange(rows) % classes
    radius = np.sqrt(generator.uniform((rows,)))
    angle = 2.0 * np.pi * (turns * radius + y / classes)
    arms = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).astype(np.float32)
    return arms + generator.normal((rows, 2), std=noise), y


def sine(rows: int, *, noise: float = 0.1, generator: Generator | None = None) -> tuple[Array, Array]:
    """One noisy period of a sine to fit: x (rows, 1) from [-1, 1), y = sin(pi x) + noise of this standard deviation."""
    _check("sine", rows)
    generator = default if generator is None else generator
    x = generator.uniform((rows, 1), -1.0, 1.0)
    return x, np.sin(np.float32(np.pi) * x) + generator.normal((rows, 1), std=noise)


def _check(name: str, rows: int, **counts: int) -> None:
    """Raise TypeError for what is no whole number, ValueError for rows below 0, and for other counts below 1."""
    check_count(name, "rows", rows, least=0)
    for what, count in counts.items():
        check_count(name, what, count)
