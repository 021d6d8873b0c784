"""From times to a few numbers: medians, their spread, ratios of medians with an interval.

One idea: steps of one turn resemble each other more than steps of different turns, so the interval of a ratio comes
from drawing whole rounds again, both contenders' turns of a round together (a paired bootstrap). Read `output.py`
next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Ratio", "Spread", "ratio_of_medians", "spread"]

Rounds = Sequence[Sequence[float]]  # a list of times for each round

RESAMPLES = 1000


@dataclass(frozen=True)
class Spread:
    """Times in microseconds a step: over all steps of all rounds."""

    median: float
    lower_quartile: float
    upper_quartile: float
    least: float
    samples: int


@dataclass(frozen=True)
class Ratio:
    """A ratio of two medians, and the middle 95 % of what it is when the rounds are drawn again."""

    ratio: float
    low: float
    high: float


def spread(rounds: Rounds) -> Spread:
    """Median, quartiles and least of times in nanoseconds, as microseconds."""
    times = np.concatenate([np.asarray(r, dtype=float) for r in rounds]) / 1000
    lower, middle, upper = np.quantile(times, [0.25, 0.5, 0.75])
    return Spread(float(middle), float(lower), float(upper), float(times.min()), times.size)


def ratio_of_medians(ours: Rounds, theirs: Rounds) -> Ratio:
    """The median of `ours` over the median of `theirs`; both have the same rounds, each as many times in every round.

    The interval is a percentile bootstrap over rounds: B. Efron and R. Tibshirani, An Introduction to the Bootstrap
    (1993), chapter 13.
    """
    a, b = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    draws = np.random.default_rng(0).integers(len(a), size=(RESAMPLES, len(a)))
    again = [float(np.median(a[rows]) / np.median(b[rows])) for rows in draws]
    low, high = np.quantile(again, [0.025, 0.975])
    return Ratio(float(np.median(a) / np.median(b)), float(low), float(high))
