"""In place: eager code that changes arrays, such as the rule of an optimizer, as one piece of work.

One idea: a rule is a dozen operations on arrays, each a pass over memory with an array for its result. Traced once, it
is one pass, and the numbers in it, which are others at each call, are worked out by Python and given along.
In C that pass is a loop (`native/in_place.py`), on a GPU a kernel (`cuda/in_place.py`). Read `passes/__init__.py` next.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol

from ..backend import Array
from ..modes import unwatched
from ..writes import owner_of
from .lengths import Lengths
from .native.memory import Plan
from .options import Numbers, Options, in_trace, kind_of
from .places import Fixed
from .program import Program
from .trace import Trace
from .watch import watching

__all__ = ["Function", "InPlace", "Made"]

Function = Callable[[Sequence[Array], Sequence[Array], Options], None]

_KINDS = 64  # of arguments that are remembered


class Made(Protocol):
    """What was made of a program: it is given arrays by slot, and the numbers in the order of the plan."""

    program: Program  # of which passes may have dropped places
    plan: Plan

    @property
    def text(self) -> Hashable:
        """All that it does, see `lengths.py`."""

    def __call__(self, arrays: list[tuple[int, Array]], numbers: list[float]) -> None: ...


class InPlace(ABC):
    """`function(written, read, options)`, which changes the arrays `written` in place, in one go.

    It is given bare arrays, of which it `takes` the first, and what it does depends on nothing besides. A call says
    whether it was done in one go; not where arrays do not lie in order or share memory, or nothing can be made of
    the function. Options that are floats or ints, or tuples of them, may be others at each call.
    """

    def __init__(self, function: Function) -> None:
        self.function = function
        self._known: dict[Any, Lengths[_Way]] = {}  # by kind of arguments
        self._lock = threading.Lock()

    @staticmethod
    @abstractmethod
    def takes(array: Array) -> bool:
        """Whether anything is to be made for arrays like this one."""

    @abstractmethod
    def kind(self, arrays: list[Array]) -> tuple[Hashable, int | None] | None:
        """What of these arrays a way is made for, and the length of their rows if they have any; None if it is none."""

    @abstractmethod
    def samples(self, arrays: Sequence[Array], first: Array) -> Sequence[Array]:
        """Those for which it is traced in the place of some of the arrays, of which the `first` is written."""

    @abstractmethod
    def make(self, program: Program, arrays: list[Array]) -> Made | None:
        """What does a program with arrays like these; None where it cannot be done in one go."""

    def run(self, written: Sequence[Array], read: Sequence[Array], **options: Any) -> None:
        """Do it, in one go or as it is written."""
        if not (self.takes(written[0]) and self(written, read, options)):
            self.function(written, read, options)

    def __call__(self, written: Sequence[Array], read: Sequence[Array], options: Options) -> bool:
        arrays = [*written, *read]
        found = self.kind(arrays)
        if found is None or _is_shared(written, read):
            return False
        kind, length = found
        try:
            key = (kind, len(written), *[(name, kind_of(x)) for name, x in options.items()])
        except TypeError:
            return False
        known = self._known.get(key)
        ways = None if known is None else known.ways(length)
        if ways and any(way(arrays, options) for way in ways):
            return True
        with self._lock:
            if ways is None or ways:
                way = self._way(written, read, options)
                if known is None and len(self._known) >= _KINDS:
                    self._known.clear()
                known = self._known.setdefault(key, Lengths())
                known.add(length, way)
                ways = [] if way is None else [way]
        return ways[0](arrays, options) if ways else False

    def _way(self, written: Sequence[Array], read: Sequence[Array], options: Options) -> _Way | None:
        """The way that these options lead."""
        arrays = [*written, *read]
        if not all(x.size and x.flags.c_contiguous for x in arrays):
            return None
        trace = Trace()
        with unwatched(), watching(trace):
            places = [Fixed(x) for x in self.samples(written, written[0])]
            changed = [*map(trace.capture, places)]
            given = [*map(trace.argument, self.samples(read, written[0]))]
            self.function(changed, given, in_trace(trace, options))
        program = trace.program
        program.writes = [(place, now.variable) for place, now, first in trace.captured if now.variable is not first]
        made = self.make(program, arrays)
        # A rule may have found an array besides those that it was given.
        if made is None or len(made.program.places) > len(places):
            return None
        return _Way(made, places, trace, [*options])


class _Way:
    """What was made for one kind of arguments and one way, see Note [Which way it goes] in options.py."""

    def __init__(self, made: Made, places: list[Fixed], trace: Trace, names: list[str]) -> None:
        order = {id(place): i for i, place in enumerate(places)}
        program, slots = made.program, made.plan.slots
        self._made = made
        self._inputs = [(slots[variable], order[id(place)]) for place, variable in program.places]
        self._inputs += [(slots[variable], len(places) + i) for i, variable in enumerate(program.arguments)]
        numbers = Numbers(program, made.plan.numbers, trace.guards, names)
        self._numbers = numbers.work_out
        self.text = (made.text, numbers.text, *self._inputs)

    def __call__(self, arrays: list[Array], options: Options) -> bool:
        """Whether these options lead this way; if so, it was gone."""
        numbers = self._numbers(**options)
        if numbers is None:
            return False
        self._made([(slot, arrays[i]) for slot, i in self._inputs], numbers)
        return True


def _is_shared(written: Sequence[Array], read: Sequence[Array]) -> bool:
    """Whether what is read is part of memory that is written to: an element may be read after it was changed."""
    views = [owner_of(x) for x in read if x.base is not None]
    return bool(views) and any(owner is owner_of(x) for x in written for owner in views)
