"""Lengths: what was made for rows of some length, and which of it serves rows of any.

One idea: a program is traced on rows of one length, and the text that comes of it hardly ever names that. What is the
same for a second length is taken for all: sentences come in many lengths, and to trace each takes 10 ms.
Read `in_place.py` next.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar

from .options import WAYS

__all__ = ["Lengths", "Way"]

_LENGTHS = 32  # that are remembered where their texts differ


class Way(Protocol):
    """What was made for arguments of one kind, and options that lead one way."""

    @property
    def text(self) -> Hashable:
        """All that it does; the length of a row may be a number that it is told."""


W = TypeVar("W", bound=Way)


class Lengths(Generic[W]):
    """The ways that were made for one kind of arguments; `length` is None where there are no rows."""

    def __init__(self) -> None:
        self._every: list[W] = []
        self._of: dict[int | None, list[W]] = {}

    def ways(self, length: int | None) -> list[W] | None:
        """Those for this length; none: it cannot be done; None where it was not tried."""
        return self._of.get(length, self._every or None)

    def add(self, length: int | None, way: W | None) -> None:
        """Note what was made for a length; None where nothing can be."""
        if way is None:
            self._of[length] = []
            return
        if any(x.text == way.text for known, ways in self._of.items() if known != length for x in ways):
            self._every = [way, *self._every][:WAYS]
            self._of = {n: ways for n, ways in self._of.items() if not ways or any(x.text != way.text for x in ways)}
            if length not in self._of:
                return
        self._of[length] = [way, *self._of.get(length, self._every)][:WAYS]
        if len(self._of) > _LENGTHS:
            del self._of[next(iter(self._of))]
