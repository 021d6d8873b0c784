"""Once: what a function would do at its first call only, while it is traced.

One idea: Python's own doings, such as printing, happen while tracing, and no later call repeats them. To write to a log
so does no harm. To take something, the next item of an iterator, an entry of a list, a random number, would freeze what
was taken, so it is refused; the clock or a file may be for a log, so that is a warning. Read `holdings.py` next.
"""

# Note [What tracing itself changes]
# What Python does besides is done while tracing only, so a function may append to a list that it finds, and a question
# about a list is loose: where tracing changed its answer, it is dropped. It is not where tracing did more: put another
# entry into the place of one that was there, or a Tensor behind them. The next call would read that, so each is traced
# anew. Loose are also the questions about an attribute that is only added to, or read only by code that has set it. A
# whole number that is only added to, such as a count of calls, grows at each call.
#
# What tracing leaves in an attribute that is set, and not only added to, no later call leaves there again. So a program
# holds as long as that is there; where another has left something else, as for sentences of another length, the next
# call is traced anew, and leaves its own.

from __future__ import annotations

import datetime
import io
import os
import pathlib
import random
import secrets
import time
import types
import uuid
from collections.abc import Callable, Collection, Iterator
from operator import is_
from typing import Any

from ..backend import host
from ..errors import TraceError
from ..tensor import Tensor
from ..tree import flatten
from .expression import Expression, named

__all__ = ["Counted", "Drawn", "Ended", "Left", "Loose", "Taken", "draws", "environment", "fleeting", "refuse_iterator"]

# What gives something else whenever it is asked, by module and name, in words.
_CLOCK, _CHANCE, _FILE = "the clock", "random numbers that no seed decides", "a file"
_FLEETING: dict[Any, dict[str, str]] = {
    time: dict.fromkeys(("time", "perf_counter", "monotonic", "process_time", "localtime", "gmtime", "ctime"), _CLOCK)
    | dict.fromkeys(("time_ns", "perf_counter_ns", "monotonic_ns", "process_time_ns"), _CLOCK),
    datetime: dict.fromkeys(("now", "today", "utcnow"), _CLOCK),
    datetime.datetime: dict.fromkeys(("now", "today", "utcnow"), _CLOCK),
    datetime.date: {"today": _CLOCK},
    secrets: dict.fromkeys(("choice", "randbelow", "randbits", "token_bytes", "token_hex"), _CHANCE),
    uuid: dict.fromkeys(("uuid1", "uuid4"), _CHANCE),
    random: {"SystemRandom": _CHANCE},
    os: {"urandom": _CHANCE, "listdir": "a folder", "scandir": "a folder", "getcwd": "the working folder"},
    host: dict.fromkeys(("load", "loadtxt", "genfromtxt", "fromfile"), _FILE),
    pathlib: dict.fromkeys(("read_bytes", "read_text"), _FILE),
    pathlib.Path: dict.fromkeys(("read_bytes", "read_text"), _FILE),
}
# What gives something else at each call that has no seed.
_FRESH = {
    host: {"RandomState", "default_rng"},
    host.random: {"RandomState", "default_rng"},
    random: {"Random"},
}
_FUNCTIONS = {
    id(vars(thing)[name]): word
    for thing, names in _FLEETING.items()
    for name, word in names.items()
    if name in vars(thing) and isinstance(thing, types.ModuleType)
} | {id(open): _FILE}
_SOURCES = (host.random.Generator, host.random.RandomState, random.Random)


class Loose(Expression):
    """A question to be dropped where tracing itself changes its answer. See Note [What tracing itself changes]."""

    __slots__ = ()

    def stays(self, answer: Any) -> bool:
        """Whether its answer is what it was, or a whole number has become another kind, which does not grow."""
        now = self()
        kinds = [x[0] if isinstance(x, tuple) and x else None for x in (answer, now)]
        return bool(now == answer) or kinds == [int, float]


class Left(Expression):
    """What tracing leaves in an attribute, where that is plain. See Note [What tracing itself changes].

    Not where that is a whole number which is added to only: it grows.
    """

    __slots__ = ("grows",)

    def __init__(self, thing: Any, name: str, grows: bool) -> None:
        (word, scope), (plain, more) = named(thing), named(_left)
        super().__init__(f"{plain}({word}, {name!r})", {**scope, **more})
        self.grows = grows

    def stays(self) -> bool:
        """Whether it is to be asked."""
        answer = self()
        return answer is not None and not (self.grows and answer[0] is int)


class Ended(Left):
    """A question with the answer that it has when the trace ends, about a thing that the trace makes."""

    __slots__ = ()

    def __init__(self, question: Callable[[], Any]) -> None:
        word, scope = named(question)
        Expression.__init__(self, f"{word}()", scope)

    def stays(self) -> bool:
        """Whether it is to be asked."""
        return True


def _left(thing: Any, name: str) -> tuple[type, str] | None:
    value = getattr(thing, name, thing)
    return (type(value), repr(value)) if value is None or isinstance(value, (bool, int, float, complex, str)) else None


class Counted(Expression):
    """A whole number in an attribute that is only added to: it grows at each call by what it grew by while tracing."""

    __slots__ = ("before", "by", "name", "thing")

    def __init__(self, thing: Any, name: str, before: int) -> None:
        word, scope = named(thing)
        super().__init__(f"({word}, {name!r}, 'counted')", scope)
        self.thing, self.name, self.before, self.by = thing, name, before, 0

    def take_back(self) -> None:
        """Note by how much it grew, and let it stand where it stood."""
        now = getattr(self.thing, self.name, None)
        if type(now) is int and now != self.before:
            self.by = now - self.before
            setattr(self.thing, self.name, self.before)

    def grow(self) -> None:
        """Let it grow as a call does."""
        if self.by:
            setattr(self.thing, self.name, getattr(self.thing, self.name) + self.by)


class Taken(Loose):
    """What a list holds. Tracing may let it grow, as a history does, but what it takes out, no other call would."""

    __slots__ = ("before", "entries", "inner")

    def __init__(self, text: str, scope: dict[str, Any], entries: Any, around: tuple[int, ...] = ()) -> None:
        super().__init__(text, scope)
        self.entries, self.before, around = entries, tuple(entries), (*around, id(entries))
        inner = (part for part in self.before if isinstance(part, list) and id(part) not in around)
        self.inner = [Taken(text, scope, part, around) for part in inner]

    def is_history(self) -> bool:
        """Whether it has only grown, if at all, and by nothing that the next call would miss."""
        if isinstance(self.entries, (set, frozenset)):
            return True
        now, count = tuple(self.entries), len(self.before)
        grown = all(map(is_, now, self.before)) and not any(isinstance(x, Tensor) for x in flatten(now[count:])[0])
        return grown and all(part.is_history() for part in self.inner)

    def refuse_changed(self) -> None:
        """Raise TraceError where it has become shorter."""
        if len(self.entries) < len(self.before):
            raise TraceError(
                f"a compiled function takes entries out of a {type(self.entries).__name__} that it finds, which it "
                "would do at the first call only: take them outside, and give each to the function."
            )


class Drawn(Expression):
    """Where a random generator of NumPy or Python stands, which is asked for while tracing only."""

    __slots__ = ("source", "state")

    def __init__(self, source: Any) -> None:
        word, scope = named(source)
        super().__init__(f"({word}, 'drawn')", scope)
        self.source, self.state = source, _state_of(source)

    def refuse_changed(self) -> None:
        """Raise TraceError where tracing has drawn from it, and let it stand where it stood."""
        if _plain(_state_of(self.source)) != _plain(self.state):
            _set_state(self.source, self.state)
            whose = "Python's" if isinstance(self.source, random.Random) else "NumPy's"
            raise TraceError(
                f"a compiled function draws from a random generator of {whose}, which it would do at the first call "
                "only: draw from autograd.random, or outside, and give what was drawn to the function."
            )


def refuse_iterator(value: Any) -> None:
    """Raise TraceError for what gives another item whenever it is asked: a generator, or what iter() and zip() give."""
    if isinstance(value, Iterator) and not isinstance(value, io.IOBase):
        raise TraceError(
            f"a compiled function finds a {type(value).__name__}, whose next items it would take at the first call "
            "only: take them outside, and give each to the function."
        )


def draws(thing: Any, names: Collection[str]) -> Iterator[Expression]:
    """The question about a generator of random numbers; of a module, or of its function, about the module's own.

    `names` are the attributes that the code asks for.
    """
    if thing is host and "random" in names:
        thing = host.random
    if thing is random or thing is host.random:
        thing = thing.random
    source = thing.__self__ if isinstance(thing, (types.BuiltinMethodType, types.MethodType)) else thing
    if isinstance(source, _SOURCES) and not isinstance(source, random.SystemRandom):
        yield Drawn(source)


def environment(thing: Any, names: Collection[str]) -> Iterator[Expression]:
    """The question about the environment's variables, where it is read: os.environ, or os or its function for it."""
    read = thing is os and not {"environ", "getenv"}.isdisjoint(names)
    if read or thing is os.environ or thing is os.getenv:
        word, scope = named(os.environ)
        yield Loose(f"{word}.copy()", scope)


def fleeting(thing: Any, names: Collection[str], with_nothing: Collection[str] = ()) -> Iterator[str]:
    """What code that asks for these names of a module, or calls a function, would read at the first call only.

    `with_nothing` are the names of what it calls without an argument.
    """
    if isinstance(thing, pathlib.Path):
        yield from (_FILE for name in ("open", "read_bytes", "read_text") if name in names)
    elif isinstance(thing, (types.ModuleType, type)):
        known = _FLEETING.get(thing, {})
        yield from (known[name] for name in names if name in known)
        yield from (_CHANCE for _ in _FRESH.get(thing, set()).intersection(with_nothing))
    elif id(thing) in _FUNCTIONS:
        yield _FUNCTIONS[id(thing)]


def _state_of(source: Any) -> Any:
    if isinstance(source, host.random.Generator):
        return source.bit_generator.state
    return source.getstate() if isinstance(source, random.Random) else source.get_state()


def _plain(state: Any) -> Any:
    """A state as what == compares: arrays as lists."""
    if isinstance(state, dict):
        return {name: _plain(value) for name, value in state.items()}
    if isinstance(state, tuple):
        return tuple(map(_plain, state))
    return state.tolist() if isinstance(state, host.ndarray) else state


def _set_state(source: Any, state: Any) -> None:
    if isinstance(source, host.random.Generator):
        source.bit_generator.state = state
    else:
        (source.setstate if isinstance(source, random.Random) else source.set_state)(state)
