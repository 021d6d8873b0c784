"""The logic of the rules: a comparison fires, is ruled out, is too close to call, or was not measured.

One idea: a finding is a conjunction or disjunction in a logic of four values, so that a rule knows not only what it
found but whether it could have found anything. Read `rules/__init__.py` next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from .facts import Facts
from .thresholds import Line, Thresholds

__all__ = ["Check", "Finding", "Rule", "State", "above", "all_of", "any_of", "below", "both", "either", "not_here"]


class State(StrEnum):
    """What became of a comparison, or of a rule."""

    FIRED = "fired"
    RULED_OUT = "ruled out"
    CLOSE = "too close to call"
    UNKNOWN = "not measured"


@dataclass(frozen=True)
class Check:
    """One comparison: `what` was measured, whether it should be above (">") or below ("<") the threshold to fire."""

    what: str
    value: float | None
    sign: str
    threshold: float
    unit: str
    state: State


@dataclass(frozen=True)
class Finding:
    """What one rule found: its code, its comparisons and what they come to; `note` where they do not apply."""

    code: str
    state: State
    checks: tuple[Check, ...] = ()
    note: str = ""


Rule = Callable[[Facts, Thresholds], Finding]


def above(what: str, value: float | None, line: Line, unit: str = "") -> Check:
    """A comparison that fires above the line."""
    return Check(what, value, ">", line.at, unit, _state(value, line, 1.0))


def below(what: str, value: float | None, line: Line, unit: str = "") -> Check:
    """A comparison that fires below the line."""
    return Check(what, value, "<", line.at, unit, _state(value, line, -1.0))


def _state(value: float | None, line: Line, sign: float) -> State:
    if value is None:
        return State.UNKNOWN
    beyond = sign * (value - line.at)
    if abs(beyond) < line.band:
        return State.CLOSE
    return State.FIRED if beyond > 0 else State.RULED_OUT


def both(*states: State) -> State:
    """All must hold."""
    return next((s for s in (State.RULED_OUT, State.UNKNOWN, State.CLOSE) if s in states), State.FIRED)


def either(*states: State) -> State:
    """One is enough."""
    return next((s for s in (State.FIRED, State.UNKNOWN, State.CLOSE) if s in states), State.RULED_OUT)


def all_of(code: str, *checks: Check) -> Finding:
    """The finding that holds where all comparisons fire."""
    return Finding(code, both(*(check.state for check in checks)), checks)


def any_of(code: str, *checks: Check) -> Finding:
    """The finding that holds where one comparison fires."""
    return Finding(code, either(*(check.state for check in checks)), checks)


def not_here(code: str, why: str) -> Finding:
    """The finding of a rule that does not apply to a run."""
    return Finding(code, State.RULED_OUT, note=why)
