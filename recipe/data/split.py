"""Splits of a data set, and the standardisation that is fitted on the training part alone.

One idea: one seeded permutation decides everything, so a split can be made again from a seed. Read `batches.py` first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np

from autograd.random import Generator, default

from .mnist import Dataset

__all__ = ["Parts", "Standardize", "lecture_split", "split"]

Array = np.ndarray[Any, Any]


class Parts(NamedTuple):
    """The three parts of a data set: rows to train on, to choose by, and to report on."""

    x_train: Array
    y_train: Array
    x_valid: Array
    y_valid: Array
    x_test: Array
    y_test: Array


def split(
    x: Array,
    y: Array,
    sizes: Sequence[int] | Sequence[float],
    *,
    generator: Generator | None = None,
    stratify: bool = False,
) -> list[tuple[Array, Array]]:
    """One (x, y) per entry of `sizes`, its rows drawn at random, no row twice.

    `sizes` are numbers of rows, or fractions (all of them floats) whose shares are rounded so that their sum is
    right; what they leave over is left out. With `stratify`, each class of y has its share in every part, to within a
    row or two. Takes one draw of `generator` (the default one when None). Raises ValueError where the sizes ask for
    more rows than there are.
    """
    if len(x) != len(y):
        raise ValueError(f"split got {len(x)} rows of x and {len(y)} of y: one row of y per row of x is wanted.")
    counts = _counts(sizes, len(x))
    order = (default if generator is None else generator).permutation(len(x))
    # One part number per row in random order, the rows left over being a last part of their own.
    counts_and_rest = [*counts, len(x) - sum(counts)]
    if stratify:
        # Dealt out evenly over the rows sorted by class: any run of the deal holds each part in proportion.
        part = np.empty(len(x), dtype=np.int64)
        part[np.argsort(y[order], kind="stable")] = _deal(counts_and_rest)
    else:
        part = np.repeat(np.arange(len(counts_and_rest)), counts_and_rest)
    chosen = [order[part == number] for number in range(len(counts))]
    return [(x[rows], y[rows]) for rows in chosen]


def _counts(sizes: Sequence[int] | Sequence[float], rows: int) -> list[int]:
    if isinstance(sizes, (int, float, str)):
        raise TypeError(f"split takes the sizes of all parts, [0.8, 0.2] or [800, 200], got {sizes!r}.")
    given: list[Any] = list(sizes)
    for size in given:
        if not isinstance(size, Real):
            raise TypeError(f"split takes sizes that are numbers, [0.8, 0.2] or [800, 200], got {size!r} among them.")
    fractions = not any(isinstance(size, Integral) for size in sizes)
    if not fractions and not all(isinstance(size, Integral) for size in sizes):
        raise ValueError(f"split got sizes {list(sizes)}: all numbers of rows, or all fractions, are wanted.")
    if any(size < 0 for size in sizes) or math.fsum(sizes) > (1 + 1e-6 if fractions else rows):
        raise ValueError(f"split got sizes {list(sizes)} for {rows} rows: none below 0 and no more in all are wanted.")
    if not fractions:
        return [int(size) for size in sizes]
    # The ends of the parts are rounded, not their lengths, so that fractions which sum to 1 leave no row over.
    ends = [min(round(math.fsum(sizes[: i + 1]) * rows), rows) for i in range(len(sizes))]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


def _deal(counts: Sequence[int]) -> Array:
    """Part numbers, counts[p] of each p, each spread evenly over the whole: the j-th of n belongs at (j + 1/2) / n."""
    places = np.concatenate([(np.arange(count) + 0.5) / max(count, 1) for count in counts])
    return np.repeat(np.arange(len(counts)), counts)[np.argsort(places, kind="stable")]


def lecture_split(data: Dataset, *, generator: Generator | None = None, rows: int | None = None) -> Parts:
    """The split that the project's experiments use: the last 10,000 training rows validate, the others train.

    The rows to train on are a seeded permutation of the others, 50,000 in MNIST; `rows` keeps the first so many of it.
    Takes one draw of `generator` (the default one when None). Raises ValueError when there are fewer.
    """
    most = len(data.x_train) - 10_000
    rows = most if rows is None else rows
    if not 0 < rows <= most:
        raise ValueError(
            f"lecture_split got rows={rows}: from 1 to {max(most, 0)} are there beside the 10,000 that validate."
        )
    chosen = (default if generator is None else generator).permutation(most)[:rows]
    return Parts(
        data.x_train[chosen], data.y_train[chosen], data.x_train[most:], data.y_train[most:], data.x_test, data.y_test
    )


@dataclass(frozen=True)
class Standardize:
    """(x - mean) / std for each feature, with the mean and std of the rows it was fitted on.

    A feature whose std is at most `eps` counts as constant and is only shifted: dividing by almost nothing would turn
    one odd pixel of a test row into a huge number.
    """

    mean: Array
    std: Array

    @classmethod
    def fit(cls, x: Array, *, eps: float = 1e-6) -> Standardize:
        """Fitted on x of shape (rows, ...), summed in float64; mean and std have x's dtype. Raises ValueError for no
        rows."""
        if not len(x):
            raise ValueError("Standardize.fit got no rows: a mean needs at least one.")
        mean = x.mean(axis=0, dtype=np.float64)
        # In blocks, so that no float64 copy of all rows is made.
        blocks = (x[start : start + 4096] for start in range(0, len(x), 4096))
        variance = sum(np.square(block - mean).sum(axis=0) for block in blocks) / len(x)
        std = np.sqrt(variance)
        std[std <= eps] = 1.0
        return cls(mean.astype(x.dtype), std.astype(x.dtype))

    def transform(self, x: Array) -> Array:
        """Rows of mean 0 and std 1, if they are like those it was fitted on."""
        return (x - self.mean) / self.std

    def inverse(self, x: Array) -> Array:
        """The rows that `transform` turned into x."""
        return x * self.std + self.mean
