"""Holdings: what a value is, a container holds or an array has in it, as questions whose answers can be compared.

One idea: what can be written down by what it is (a number, a text, a tuple of them) is compared by that, everything
else by which object it is. Read `surroundings.py` next, which asks about all that a function reads.
"""

# Note [Arrays that NumPy reads]
# An array that is found around the function is read anew at each call where the program computes with it. Where NumPy
# alone reads it (`a.max()`, `if a[0] > 0`, `x ** a[0]`), what comes of that is in the program for good, so the numbers
# of the array are asked for, if there are not too many. Which of the two it is is known when the trace has ended. Where
# it is both, as in x[places] * int(places[0]), what NumPy reads is not seen, and a change there goes by.

from __future__ import annotations

import array
import contextvars
import os
import types
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from operator import is_
from typing import Any

from ..backend import host
from .code import is_library
from .expression import Expression, Same, named
from .once import Taken, environment

__all__ = ["BUFFERS", "CONTAINERS", "MANY", "PLAIN", "Contents", "contents", "is_mapping", "question", "things_in"]

MANY = 32  # entries of a container whose values are compared
_MOST = 1024  # of which it is asked whether they are the same things, with the same attributes
_BYTES = 1 << 16  # of an array whose numbers are asked for
CONTAINERS = (tuple, list, set, frozenset, deque, bytearray)
BUFFERS = (array.array, memoryview)
PLAIN = (type(None), bool, int, float, complex, str, bytes, range)


class Contents(Expression):
    """The numbers of an array; to be dropped where the program reads it. See Note [Arrays that NumPy reads]."""

    __slots__ = ("array",)

    def __init__(self, found: Any) -> None:
        word, scope = named(found)
        super().__init__(f"{word}.tobytes()", scope)
        self.array = found


class _Things:
    """Things that are equal where they are the same ones; they are kept, so that no others can take their place."""

    __slots__ = ("things",)

    def __init__(self, things: Iterable[Any]) -> None:
        self.things = tuple(things)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Things) or len(self.things) != len(other.things):
            return False
        return all(map(is_, self.things, other.things))

    __hash__ = None  # type: ignore[assignment]


def question(text: str, scope: dict[str, Any], value: Any, lists: bool = True) -> Iterator[Expression]:
    """Whether the expression `text`, which gives `value` now, still does."""
    if value is None:
        yield Expression(f"({text} is None)", scope)
    elif isinstance(value, complex) or (isinstance(value, float) and not value):
        yield Expression(f"repr({text})", scope)  # tells -0.0 from 0.0
    elif isinstance(value, PLAIN):
        yield Expression(f"(type({text}), {text})", scope)  # tells 1 from 1.0
    elif value is os.environ:  # whose texts are made anew whenever they are asked for
        yield from environment(value, ())
    elif isinstance(value, (*CONTAINERS, *BUFFERS, slice, host.generic)) or is_mapping(value):
        word, more = named(_parts)
        yield Expression(f"{word}({text})", {**scope, **more})
        if lists and _parts(value) != _parts(value, True):
            yield Taken(f"{word}({text}, True)", {**scope, **more}, value)
    elif not isinstance(value, types.ModuleType):
        word, more = named(value)
        yield Expression(f"({text} is {word})", {**scope, **more})
        if isinstance(value, contextvars.ContextVar):
            yield from question(f"{word}.get(None)", more, value.get(None))


def contents(found: Any) -> Iterator[Expression]:
    """What the numbers of an array are, where they are not too many."""
    if isinstance(found, host.ndarray) and found.nbytes <= _BYTES and not found.dtype.hasobject:
        yield Contents(found)


def things_in(thing: Any, around: tuple[int, ...] = ()) -> Iterator[Any]:
    """The things that a container holds, and those in it hold, if they are not too many; itself where it is none.

    Of a user's container also its class, which has its methods.
    """
    if not _is_container(thing) or len(thing) > _MOST:
        yield thing
    elif id(thing) not in around:
        if not is_library(type(thing)):
            yield type(thing)
        for part in tuple(thing.values() if is_mapping(thing) else thing):
            yield from things_in(part, (*around, id(thing)))


def _is_container(value: Any) -> bool:
    return isinstance(value, CONTAINERS) or is_mapping(value)


def is_mapping(value: Any) -> bool:
    """Whether it is a dictionary, or one of Python's own things that are read as one, such as os.environ."""
    return isinstance(value, dict) or (isinstance(value, Mapping) and is_library(type(value)))


def _parts(value: Any, lists: bool = False, around: tuple[int, ...] = ()) -> Any:
    """What a container holds, or which object a thing is; of lists, unless wanted, the type alone.

    Of very large ones the length, and of a container that is one of those `around` it the type again.
    """
    if isinstance(value, host.generic):
        return type(value), value.tobytes()
    if isinstance(value, (float, complex)):
        return type(value), repr(value)
    if isinstance(value, PLAIN):
        return type(value), value
    if isinstance(value, slice):
        return [_parts(part) for part in (value.start, value.stop, value.step)]
    if isinstance(value, BUFFERS):
        return type(value), bytes(value)
    mapping = is_mapping(value)
    if not isinstance(value, CONTAINERS) and not mapping:
        return Same(value)
    if id(value) in around:
        return type(value)
    around = (*around, id(value))
    if not isinstance(value, tuple) and len(value) > MANY:
        return _parts_of_many(value, mapping, lists, around)
    if mapping:  # their order counts
        known = ((name if type(name) is str else _parts(name), part) for name, part in value.items())
        return [(name, _parts(part, lists, around)) for name, part in known]
    if isinstance(value, tuple):
        return [_parts(part, lists, around) for part in value]
    return type(value), [_parts(part, lists, around) for part in value] if lists else None


def _parts_of_many(value: Any, mapping: bool, lists: bool, around: tuple[int, ...]) -> Any:
    """The same of a container with many entries, which are the same only where they are the same things."""
    if not (lists or mapping):
        return type(value)
    if len(value) > _MOST:
        return type(value), len(value)
    entries = (*value, *value.values()) if mapping else tuple(value)
    inner = [part for part in entries if isinstance(part, (*CONTAINERS, dict))]
    return type(value), _Things(entries), [_parts(part, lists, around) for part in inner]
