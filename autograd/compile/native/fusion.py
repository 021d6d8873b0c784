"""Fusion: groups that pass their elements on to one another, made one loop.

One idea: a group only has to be done when somebody reads what it makes, so it may wait for its first reader; where that
is a group over the same elements, both are one, and what passes between them need not go through memory. The schedule
could not know, since it meets the makers first: in Adam the old weights times a number, then each moment times another.
Read `memory.py` next.
"""

from __future__ import annotations

from bisect import bisect_right

from ..program import Variable
from .groups import Group, Step, together
from .layout import Ref
from .memory import read_by

__all__ = ["fused"]


def fused(steps: list[Step], refs: dict[Variable, Ref]) -> list[Step]:
    """The steps with each group a part of the first that reads it, where both walk over the same elements."""
    readers: dict[Variable, list[int]] = {}  # the places of the steps that read a variable, in order
    for place, step in enumerate(steps):
        for variable in read_by(step, refs):
            readers.setdefault(variable, []).append(place)
    found: list[Step | None] = list(steps)
    for place in range(len(steps)):
        group = found[place]
        if not isinstance(group, Group):
            continue
        behind = [places[bisect_right(places, place) :] for out in group.ways if (places := readers.get(out))]
        first = min((places[0] for places in behind if places), default=None)
        reader = None if first is None else found[first]
        both = together(group, reader) if isinstance(reader, Group) else None
        if both is not None and first is not None:
            found[place], found[first] = None, both
    return [step for step in found if step is not None]
