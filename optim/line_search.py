"""How far to go along a direction: as far as the strong Wolfe conditions ask, as a function of numbers alone.

One idea: the loss must have fallen by a share of what the slope at the start promised, and the slope must have become
flatter. A step that is too long ends a bracket in which such a point lies; cubics through its two ends find it.
Read `lbfgs.py` next, which asks for it.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, isfinite, sqrt
from typing import NamedTuple

from autograd.backend import Array

__all__ = ["Point", "strong_wolfe"]

FALL = 1e-4  # c1: the share of the promised fall that is asked for
FLATTER = 0.9  # c2: the share of the slope that may be left
NARROW = 1e-9  # a bracket within which no weight would move further than this is left as it is


class Point(NamedTuple):
    """A place `t` on the way: the loss there (infinite for NaN), its slope along the way, and its gradient."""

    t: float
    loss: float
    slope: float
    gradient: Array


def strong_wolfe(
    at: Callable[[float], Point],
    start: Point,
    t: float,
    largest: float,
    most: int,
    rounded: Callable[[float], float] = float,
) -> Point:
    """The point `at(t)` to go to from `start`, trying `t` first; the best one found after `most` + 1 trials.

    `largest` is how far the weight that moves most moves for t = 1. The points that are tried are PyTorch's. `rounded`
    gives a number as precisely as losses are known: one that would have to fall by less than that need not fall.

    Nocedal and Wright 2006, algorithms 3.5 and 3.6; their interpolation is equation 3.59.
    """

    def is_too_high(point: Point) -> bool:
        return point.loss > rounded(start.loss + FALL * point.t * start.slope)

    def is_flat(point: Point) -> bool:
        return abs(point.slope) <= -FLATTER * start.slope

    # Further and further, until the loss has risen or the slope has turned (3.5).
    before, point, trials = start, at(t), 0
    while True:
        if trials == most:
            before = start
            break
        if is_too_high(point) or (trials > 1 and point.loss >= before.loss):
            break
        if is_flat(point):
            return point
        if point.slope >= 0:
            break
        further = _lowest(before, point, point.t + 0.01 * (point.t - before.t), 10 * point.t)
        before, point, trials = point, at(further), trials + 1

    # Between the two, closer and closer about the lower one (3.6).
    bracket, was_near_an_end = [before, point], False
    low = 0 if before.loss <= point.loss else 1
    while trials < most:
        left, right = sorted(end.t for end in bracket)
        if (right - left) * largest < NARROW:
            break
        t, was_near_an_end = _inside(_lowest(bracket[0], bracket[1], left, right), left, right, was_near_an_end)
        point, trials = at(t), trials + 1
        if is_too_high(point) or point.loss >= bracket[low].loss:
            bracket[1 - low] = point
            low = 0 if bracket[0].loss <= bracket[1].loss else 1
            continue
        if is_flat(point):
            return point
        if point.slope * (bracket[1 - low].t - bracket[low].t) >= 0:
            bracket[1 - low] = bracket[low]
        bracket[low] = point
    return bracket[low]


def _lowest(one: Point, other: Point, least: float, most: float) -> float:
    """Where the cubic with these two losses and slopes is lowest, within bounds; their middle where it is nowhere."""
    left, right = (one, other) if one.t <= other.t else (other, one)
    d1 = left.slope + right.slope - 3 * (left.loss - right.loss) / (left.t - right.t)
    square = d1 * d1 - left.slope * right.slope
    d2 = sqrt(square) if square >= 0 else inf  # also for a loss that is infinite
    below = right.slope - left.slope + 2 * d2
    if not isfinite(d1) or not isfinite(below) or not below:
        return (least + most) / 2
    return min(max(right.t - (right.t - left.t) * ((right.slope + d2 - d1) / below), least), most)


def _inside(t: float, left: float, right: float, was_near_an_end: bool) -> tuple[float, bool]:
    """`t`, away from the ends where it is near to one for the second time or at one; and whether it is near to one."""
    margin = 0.1 * (right - left)
    if min(right - t, t - left) >= margin:
        return t, False
    if was_near_an_end or t >= right or t <= left:
        return (right - margin if abs(t - right) < abs(t - left) else left + margin), False
    return t, True
