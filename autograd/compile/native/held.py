"""Held: the arrays that a program holds while it runs, by variable, on the host and on a GPU alike.

One idea: a variable is a view of a base, and a base lies in the arena, in an array of the user's, or in one of the
program's own; where, each executor says. Read `template.py` next, where the kernels written by hand begin.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from ...backend import module_of
from ..program import Variable
from .layout import Ref
from .memory import Plan

__all__ = ["Held"]


class Held(ABC):
    """What both executors have: the arrays of the program's places, and an array for each variable."""

    refs: dict[Variable, Ref]
    plan: Plan
    _numbers: Any  # those that change from call to call
    _others: dict[Variable, Any]  # what is no array: the numbers of draws
    _taken: dict[Variable, Any]  # the arrays of the places
    _places: dict[Variable, Any]  # the memory that is worked on for them
    _apart: dict[Variable, tuple[Any, Any]]  # arrays that cannot be worked on, each with its packed copy

    def let_go(self, variables: list[Variable]) -> None:
        """Hold the arrays of these places no longer; they are bound again before the next call."""
        for variable in variables:
            if variable not in self._apart:
                self._taken.pop(variable, None)
                self._places.pop(variable, None)

    def _array(self, variable: Variable) -> Any:
        """The array of a variable, as it is now; a number as it is."""
        ref = self.refs.get(variable)
        if ref is None:
            if variable in self._others:
                return self._others[variable]
            return float(self._numbers[self.plan.numbers.index(variable)])
        return _view_of(self._base(self.plan.aliases.get(ref.base, ref.base)), ref)

    @abstractmethod
    def _base(self, base: Variable) -> Any:
        """The memory of a variable as an array."""


def _view_of(base: Any, ref: Ref) -> Any:
    """What a variable is of the array that it lies in."""
    if ref.is_whole:
        return base.reshape(ref.shape)
    size = base.dtype.itemsize
    strides = tuple(step * size for step in ref.strides)
    flat = base.reshape(-1)[ref.offset :]
    return module_of(base).lib.stride_tricks.as_strided(flat, ref.shape, strides)
