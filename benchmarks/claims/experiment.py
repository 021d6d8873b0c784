"""What an experiment is: parts that measure, comparisons that decide, figures with their bands, and plots.

One idea: a part measures plain numbers of one seed and judges nothing; a comparison takes numbers of one seed and
measures nothing. So a part can run in any process, a result can be judged again from its JSON, and what was not
measured (a quick run has fewer parts) is told apart from what failed. Read `judge.py` next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import getitem
from typing import Any, cast

from recipe.report.plot import Plot

__all__ = ["Experiment", "Figure", "Found", "Numbers", "Order", "Part", "Seed", "measured"]

Numbers = dict[str, Any]  # what a part measured: numbers, lists and dictionaries of numbers, by name
Seed = Mapping[str, Numbers]  # what the parts of one seed measured, by the part's name


@dataclass(frozen=True)
class Part:
    """A piece of an experiment: `measure(seed)` gives its numbers.

    A part that draws nothing at random (`seeded` False) is measured once and stands for every seed.
    """

    name: str
    measure: Callable[[int], Numbers]
    seeded: bool = True


@dataclass(frozen=True)
class Order:
    """A comparison that must hold in every seed, for a claim: the ordering that the claim states.

    `numbers(seed)` gives numbers with signs between them, such as (0.048, "<", 0.202): what is compared is also what is
    shown. With `against`, it states where measurement contradicts the notes, and decides over no claim.
    """

    claim: str
    says: str
    numbers: Callable[[Seed], Sequence[float | str]]
    against: bool = False


@dataclass(frozen=True)
class Figure:
    """A measured figure of a claim, with the outcome of a reference implementation and the band that allows for chance.

    `low` and `high` bound the band, either may be None. A figure outside its band is a warning; where nothing is left
    to chance (`exact`), it fails its claim.
    """

    claim: str
    what: str
    value: Callable[[Seed], float]
    reference: str = ""
    low: float | None = None
    high: float | None = None
    exact: bool = False


def measured(*names: str) -> Callable[[Seed], float]:
    """Reads what a seed measured under these names, the part's first: `measured("relu 10", "test")` for a Figure."""
    return lambda m: cast(float, reduce(getitem, names, m))


@dataclass(frozen=True)
class Found:
    """What an experiment found, by seed and by part."""

    by_seed: Mapping[int, Seed]

    def has(self, *parts: str) -> bool:
        """Whether every seed has all of these parts."""
        return bool(self.by_seed) and all(part in seed for seed in self.by_seed.values() for part in parts)

    def values(self, part: str, name: str) -> list[Any]:
        """One value for each seed."""
        return [seed[part][name] for seed in self.by_seed.values()]

    def mean(self, part: str, name: str) -> float:
        """The mean over the seeds; NaN where one of them is not finite."""
        values = [float("nan") if value is None else value for value in self.values(part, name)]
        return float(sum(values)) / len(values)

    def first(self, part: str) -> Numbers:
        """The numbers of the first seed."""
        return next(iter(self.by_seed.values()))[part]


def _no_plots(found: Found) -> list[Plot]:
    return []


@dataclass(frozen=True)
class Experiment:
    """One experiment of the lecture.

    `parts(quick)` are what there is to measure; every part of a quick run is one of a full run too, by its name.
    `setup` says in a paragraph what was done, `remark` what a reader should know before believing the figures.
    """

    key: str  # "E1"
    title: str
    claims: tuple[str, ...]  # numbers of the claims that it tests, such as "C3"
    setup: str
    parts: Callable[[bool], Sequence[Part]]
    orders: tuple[Order, ...]
    figures: tuple[Figure, ...] = ()
    plots: Callable[[Found], list[Plot]] = _no_plots
    remark: str = ""
