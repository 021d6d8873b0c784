"""Verdicts: what measured numbers come to, for each comparison, each figure and each claim.

One idea: a comparison holds when it holds in every seed, and a claim when all its comparisons do; nobody looks at a
plot to decide. NaN compares false with everything, so a run that blew up never proves anything. Read `page.py` next.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from .experiment import Experiment, Figure, Found, Order, Seed

__all__ = ["ClaimVerdict", "Judged", "JudgedFigure", "JudgedOrder", "State", "judge", "verdicts"]

_SIGNS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}


class State(StrEnum):
    """What became of a comparison, a figure or a claim."""

    HOLDS = "holds"
    FAILS = "fails"
    OUTSIDE = "outside its band"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class JudgedOrder:
    """A comparison with its numbers in each seed, such as "0.048 < 0.202"."""

    claim: str
    says: str
    against: bool
    state: State
    shown: dict[int, str] = field(default_factory=dict)
    failed_in: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class JudgedFigure:
    """A figure with its value in each seed."""

    claim: str
    what: str
    reference: str
    low: float | None
    high: float | None
    exact: bool
    state: State
    values: dict[int, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Judged:
    """What an experiment came to."""

    orders: list[JudgedOrder]
    figures: list[JudgedFigure]

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        return asdict(self)


@dataclass(frozen=True)
class ClaimVerdict:
    """What all experiments together say of a claim.

    `fails`, `outside` and `against` are the sentences that failed, that are outside their band, and in which
    measurement contradicts the notes, each after the key of its experiment.
    """

    state: State
    held: int
    fails: list[str]
    outside: list[str]
    against: list[str]


def judge(experiment: Experiment, found: Found) -> Judged:
    """Each comparison and each figure of an experiment, judged by what was found."""
    return Judged(
        [_order(order, found) for order in experiment.orders],
        [_figure(figure, found) for figure in experiment.figures],
    )


def _order(order: Order, found: Found) -> JudgedOrder:
    numbers = _of_each(order.numbers, found)
    if numbers is None:
        return JudgedOrder(order.claim, order.says, order.against, State.NOT_MEASURED)
    failed = [seed for seed, chain in numbers.items() if not _holds(chain)]
    shown = {seed: " ".join(x if isinstance(x, str) else number(x) for x in chain) for seed, chain in numbers.items()}
    return JudgedOrder(order.claim, order.says, order.against, State.FAILS if failed else State.HOLDS, shown, failed)


def _holds(chain: Sequence[float | str]) -> bool:
    """Whether (a, sign, b, sign, c, ...) is true at every sign."""
    triples = zip(chain[0::2], chain[1::2], chain[2::2], strict=False)
    return all(_SIGNS[str(sign)](_number(left), _number(right)) for left, sign, right in triples)


def _number(value: float | str | None) -> float:
    return math.nan if value is None else float(value)


def _figure(figure: Figure, found: Found) -> JudgedFigure:
    about = (figure.claim, figure.what, figure.reference, figure.low, figure.high, figure.exact)
    values = _of_each(figure.value, found)
    if values is None:
        return JudgedFigure(*about, State.NOT_MEASURED)
    low, high = _or(figure.low, -math.inf), _or(figure.high, math.inf)
    bounded = figure.low is not None or figure.high is not None
    inside = not bounded or all(low <= _number(value) <= high for value in values.values())
    state = State.HOLDS if inside else State.FAILS if figure.exact else State.OUTSIDE
    return JudgedFigure(*about, state, {seed: _plain(value) for seed, value in values.items()})


def _of_each(read: Callable[[Seed], Any], found: Found) -> dict[int, Any] | None:
    """What `read` gives for each seed; None where a part that it needs was not measured."""
    try:
        return {number: read(seed) for number, seed in found.by_seed.items()} or None
    except KeyError:
        return None


def _or(value: float | None, other: float) -> float:
    return other if value is None else value


def _plain(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def number(value: float | None) -> str:
    """A number for reading: three digits, or all of them in a whole number."""
    if value is None or math.isnan(value):
        return "NaN"
    if math.isinf(value) or (float(value).is_integer() and abs(value) < 1e6):
        return f"{value:.0f}"
    if abs(value) < 1e-3 or abs(value) >= 1e6:
        return f"{value:.1e}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.3g}"


def verdicts(judged: Mapping[str, Judged], claims: Sequence[str]) -> dict[str, ClaimVerdict]:
    """The verdict on each claim, from what every experiment (by its key) came to."""
    return {claim: _verdict(claim, judged) for claim in claims}


def _verdict(claim: str, judged: Mapping[str, Judged]) -> ClaimVerdict:
    """What comparisons and exact figures decide; of other figures it is only told which are outside their band."""
    orders = [(f"{key}: {o.says}", o) for key, j in judged.items() for o in j.orders if o.claim == claim]
    figures = [(f"{key}: {f.what}", f) for key, j in judged.items() for f in j.figures if f.claim == claim]
    deciding = [(says, o.state) for says, o in orders if not o.against]
    deciding += [(says, f.state) for says, f in figures if f.exact]
    held = sum(state is State.HOLDS for _, state in deciding)
    fails = [says for says, state in deciding if state is State.FAILS]
    return ClaimVerdict(
        state=State.FAILS if fails else State.HOLDS if held else State.NOT_MEASURED,
        held=held,
        fails=fails,
        outside=[says for says, f in figures if f.state is State.OUTSIDE],
        against=[says for says, o in orders if o.against and o.state is State.HOLDS],
    )
