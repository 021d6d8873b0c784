"""Surroundings: what a function reads from around it, for which its program was traced.

One idea: a number, a word or a model that a function finds by a global name, in its closure or in the object that it
belongs to could be another at the next call, so each becomes a question that guards the program. A list is not looked
into: functions that are traced often append to one. Read `function.py`, which asks.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator
from typing import Any

from ..backend import is_array
from ..tensor import Tensor
from .expression import Expression, Same, named

__all__ = ["questions_about", "questions_about_parts"]

_MANY = 32  # entries of a dictionary that are looked at
_DEEPEST = 3  # functions within functions that are looked at


def questions_about(function: Any, depth: int = 0) -> Iterator[Expression]:
    """Questions about all that a function reads from around it."""
    if isinstance(function, functools.partial):
        for value in (*function.args, *function.keywords.values()):
            yield from questions_about_parts(value)
        yield from questions_about(function.func, depth)
    elif hasattr(function, "__self__") and hasattr(function, "__func__"):  # a method, of a compiled function too
        yield from questions_about_parts(function.__self__)
        yield from questions_about(function.__func__, depth)
    elif isinstance(function, types.FunctionType) and depth < _DEEPEST:
        word, scope = named(function.__globals__)
        for name in function.__code__.co_names:
            if name in function.__globals__:
                yield from _question(f"{word}.get({name!r})", scope, function.__globals__[name])
        for cell in function.__closure__ or ():
            word, scope = named(cell)
            try:
                value = cell.cell_contents
            except ValueError:  # a name that is bound later
                continue
            yield from _question(f"{word}.cell_contents", scope, value)
            if value is not function:
                yield from questions_about(value, depth + 1)
        word, scope = named(function)
        yield from _question(f"{word}.__defaults__", scope, function.__defaults__)
        yield from _question(f"{word}.__kwdefaults__", scope, function.__kwdefaults__)


def questions_about_parts(thing: Any) -> Iterator[Expression]:
    """Questions about what is kept in an object, such as `self`, under its attributes."""
    word, scope = named(thing)
    for name, value in getattr(thing, "__dict__", {}).items():
        yield from _question(f"{word}.__dict__.get({name!r})", scope, value)


def _question(text: str, scope: dict[str, Any], value: Any) -> Iterator[Expression]:
    """Whether the expression `text`, which gives `value` now, still does."""
    if value is None or isinstance(value, (bool, int, float, str)):
        yield Expression(text, scope)
    elif isinstance(value, tuple) or (isinstance(value, dict) and len(value) <= _MANY):
        word, more = named(_parts)
        yield Expression(f"{word}({text})", {**scope, **more})
    elif _is_state(value):
        word, more = named(value)
        yield Expression(f"({text} is {word})", {**scope, **more})


def _is_state(value: Any) -> bool:
    """Whether it is a model, an optimizer, a generator, a Tensor or an array."""
    return isinstance(value, Tensor) or is_array(value) or hasattr(value, "state_dict")


def _parts(value: Any) -> Any:
    """Tuples and small dictionaries with which object each part is, where that matters; they may hold each other."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, tuple):
        return [_parts(part) for part in value]
    if isinstance(value, dict) and len(value) <= _MANY:
        return {name: _parts(part) for name, part in value.items()}
    return Same(value) if _is_state(value) else None
