"""Surroundings: what a function reads from around it, for which its program was traced.

One idea: whatever a function finds by a global name, in its closure or in the object that it belongs to could be
another at the next call, so each becomes a question that guards the program; so does what it reads there, attribute
by attribute, and what the functions read that it calls. Nothing is run to find out: the names stand in the code, where
`code.py` finds them. Read `entry.py` next, which asks.
"""

# Note [What tracing itself changes]
# What Python does besides is done while tracing only, so a function may append to a list and count its calls in an
# object that it finds. A question about a list, or about an object that is neither given nor the method's own, is
# loose: where tracing changed its answer, it is dropped.

# Note [What is handed on]
# An object may be read far from where it is found: a function hands it to a helper, which asks for its attribute. Where
# it goes is not followed. Which attributes the code that is reached asks for, of whatever object, is known, and each
# thing that is reached is asked for all of them: the walk is done again until it meets no new names.

from __future__ import annotations

import functools
import inspect
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..backend import host, is_array
from ..tensor import Tensor
from .code import attributes_read, globals_read, is_library
from .expression import Expression, Same, named

__all__ = ["Loose", "questions_about", "questions_about_methods"]

_MANY = 32  # entries of a container that are looked at
_DEEPEST = 8  # functions within functions, and attributes of attributes, that are looked at

_NOT_IN_A_CALL = {"__del__", "__init__", "__new__", "__repr__"}

_CONTAINERS = (tuple, list, set, frozenset, deque, bytearray)
_PLAIN = (type(None), bool, int, float, complex, str, bytes, range)


class Loose(Expression):
    """A question to be dropped where tracing itself changes its answer. See Note [What tracing itself changes]."""

    __slots__ = ()


class _Walk:
    """One walk over all that is reached: the attributes that are asked for there, and those that code reads on the way.

    See Note [What is handed on].
    """

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        self.names = names
        self.read = dict.fromkeys(names)
        self._seen: set[tuple[int, str]] = set()

    def meets(self, thing: Any, what: str) -> bool:
        """Whether its "code" or its "attributes" were not met before on this walk."""
        new = (id(thing), what) not in self._seen
        self._seen.add((id(thing), what))
        return new

    def reads(self, function: types.FunctionType) -> None:
        """Note the attributes that the code of a function asks for."""
        self.read.update(dict.fromkeys(attributes_read(function.__code__)))


def questions_about(function: Any, arguments: Iterable[Any] = ()) -> list[Expression]:
    """Questions about all that a function reads from around it, and from those of its arguments that are objects."""
    arguments = list(arguments)

    def walked(walk: _Walk) -> Iterator[Expression]:
        yield from _of_callable(function, 0, walk)
        for thing in arguments:
            if isinstance(thing, _CONTAINERS):  # a set, say: lists and dictionaries are taken apart
                yield from _question(*named(thing), thing)
            yield from _of_parts(thing)
            yield from _of_callable(thing, 0, walk)
            yield from _of_attributes(thing, 0, walk)

    return _all(walked)


def questions_about_methods(things: Iterable[Any], method: str) -> list[Expression]:
    """Questions about what a method reads from around it and of its object, whose own attributes are known."""
    found = [(thing, getattr(type(thing), method)) for thing in things]
    found = [(thing, function) for thing, function in found if not is_library(function)]

    def walked(walk: _Walk) -> Iterator[Expression]:
        for thing, function in found:
            yield from _of_callable(function, 0, walk)
            yield from _of_attributes(thing, 0, walk)

    return _all(walked)


def _all(walked: Callable[[_Walk], Iterator[Expression]]) -> list[Expression]:
    """The questions of a walk that asks for every attribute that is read on it. See Note [What is handed on]."""
    walk = _Walk()
    while True:
        questions = list(walked(walk))
        if len(walk.read) == len(walk.names):
            return questions
        walk = _Walk(tuple(walk.read))


def _of_callable(function: Any, depth: int, walk: _Walk) -> Iterator[Expression]:
    """Questions about all that something which is called reads."""
    if depth > _DEEPEST:
        return
    if isinstance(function, types.FunctionType):
        if not is_library(function) and walk.meets(function, "code"):
            walk.reads(function)
            yield from _of_function(function, depth, walk)
    elif isinstance(function, functools.partial):
        for value in (*function.args, *function.keywords.values()):
            yield from _of_parts(value)
            yield from _of_attributes(value, depth, walk)
        yield from _of_callable(function.func, depth + 1, walk)
    elif _has(function, "__self__", "__func__"):  # a method, of a compiled function too
        thing = function.__self__
        yield from _of_parts(thing)
        yield from _of_callable(function.__func__, depth, walk)
        yield from _of_attributes(thing, depth, walk)
    elif _has(function, "__wrapped__"):  # a compiled function
        yield from _of_callable(function.__wrapped__, depth + 1, walk)
    else:
        for name in ("__call__", "forward"):  # of a Module the latter is called
            method = inspect.getattr_static(type(function), name, None)
            if isinstance(method, types.FunctionType) and not is_library(method):
                yield from _of_callable(method, depth, walk)
                yield from _of_attributes(function, depth, walk)


def _of_function(function: types.FunctionType, depth: int, walk: _Walk) -> Iterator[Expression]:
    word, scope = named(function.__globals__)
    for name in globals_read(function.__code__):
        if name in function.__globals__:
            yield from _of_thing(f"{word}.get({name!r})", scope, function.__globals__[name], depth, walk)
    for cell in function.__closure__ or ():
        word, scope = named(cell)
        try:
            value = cell.cell_contents
        except ValueError:  # a name that is bound later
            continue
        yield from _of_thing(f"{word}.cell_contents", scope, value, depth, walk)
    word, scope = named(function)
    yield from _question(f"{word}.__defaults__", scope, function.__defaults__)
    yield from _question(f"{word}.__kwdefaults__", scope, function.__kwdefaults__)


def _of_thing(text: str, scope: dict[str, Any], thing: Any, depth: int, walk: _Walk) -> Iterator[Expression]:
    """Whether the expression `text` still gives this thing, and what the code that is reached finds there."""
    yield from _question(text, scope, thing)
    if isinstance(thing, dict):
        thing = tuple(thing.values())
    for part in thing if isinstance(thing, _CONTAINERS) and len(thing) <= _MANY else (thing,):
        if not isinstance(part, type):
            yield from _of_callable(part, depth + 1, walk)
        yield from _of_attributes(part, depth, walk)


def _of_attributes(thing: Any, depth: int, walk: _Walk) -> Iterator[Expression]:
    """What code that reads attributes of these names finds in an object, a class or a module, methods included."""
    if depth > _DEEPEST or _is_closed(thing) or not walk.meets(thing, "attributes"):
        return
    word, scope = named(thing)
    for name in (*walk.names, *_special(type(thing))):
        value = inspect.getattr_static(thing, name, None)
        if isinstance(value, (types.MemberDescriptorType, types.GetSetDescriptorType)):  # a slot, or __dict__
            value = getattr(thing, name, None)
        if _method_of(value) is not None and name not in getattr(thing, "__dict__", ()):
            kinds = (thing if isinstance(thing, type) else type(thing)).__mro__
            for method in filter(None, (_method_of(vars(kind).get(name)) for kind in kinds)):  # what super() finds too
                yield from _of_callable(method, depth + 1, walk)
        elif value is not None:
            for question in _of_thing(f"getattr({word}, {name!r}, None)", scope, value, depth + 1, walk):
                yield Loose(question.text, question.scope)


def _special(kind: type) -> list[str]:
    """The methods of a user's class that Python's syntax calls, such as __getitem__ and __getattr__."""
    parts = [] if is_library(kind) else [vars(part) for part in kind.__mro__ if not is_library(part)]
    names = {name: part[name] for part in parts for name in part if name.startswith("__") and name.endswith("__")}
    return [name for name in names if _method_of(names[name]) is not None and name not in _NOT_IN_A_CALL]


def _method_of(value: Any) -> types.FunctionType | None:
    """The function of a method or a property, as it stands in a class."""
    function = getattr(value, "fget" if isinstance(value, property) else "__func__", value)
    return function if isinstance(function, types.FunctionType) else None


def _is_closed(thing: Any) -> bool:
    """Whether it has no attributes that somebody changes."""
    if thing is None or isinstance(thing, (*_PLAIN, *_CONTAINERS, Tensor, dict)) or is_array(thing):
        return True
    return isinstance(thing, (type, types.FunctionType, types.ModuleType)) and is_library(thing)


def _has(thing: Any, *names: str) -> bool:
    """Whether it has these attributes without being asked, which some answer to any name."""
    return all(inspect.getattr_static(thing, name, None) is not None for name in names)


def _of_parts(thing: Any) -> Iterator[Expression]:
    """Questions about what is kept in an object, such as `self`, under its attributes, whether they are read or not."""
    word, scope = named(thing)
    for name, value in getattr(thing, "__dict__", {}).items():
        if isinstance(value, (*_PLAIN, tuple, dict)) or _is_state(value):
            yield from _question(f"{word}.__dict__.get({name!r})", scope, value, lists=False)


def _question(text: str, scope: dict[str, Any], value: Any, lists: bool = True) -> Iterator[Expression]:
    """Whether the expression `text`, which gives `value` now, still does."""
    if value is None:
        yield Expression(f"({text} is None)", scope)
    elif isinstance(value, float) and not value:
        yield Expression(f"repr({text})", scope)  # tells -0.0 from 0.0
    elif isinstance(value, _PLAIN):
        yield Expression(f"(type({text}), {text})", scope)  # tells 1 from 1.0
    elif isinstance(value, (*_CONTAINERS, dict, slice, host.generic)):
        word, more = named(_parts)
        yield Expression(f"{word}({text})", {**scope, **more})
        if lists and _parts(value) != _parts(value, True):
            yield Loose(f"{word}({text}, True)", {**scope, **more})
    elif not isinstance(value, types.ModuleType):
        word, more = named(value)
        yield Expression(f"({text} is {word})", {**scope, **more})


def _is_state(value: Any) -> bool:
    """Whether it is a model, an optimizer, a generator, a Tensor or an array."""
    return isinstance(value, Tensor) or is_array(value) or hasattr(value, "state_dict")


def _parts(value: Any, lists: bool = False, around: tuple[int, ...] = ()) -> Any:
    """What a container holds, or which object a thing is; of large ones, and of lists unless wanted, the type alone.

    So too of a container that is one of those `around` it.
    """
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, _PLAIN):
        return type(value), value
    if isinstance(value, host.generic):
        return type(value), value.tobytes()
    if isinstance(value, slice):
        return [_parts(part) for part in (value.start, value.stop, value.step)]
    if not isinstance(value, (*_CONTAINERS, dict)):
        return Same(value)
    if (not isinstance(value, tuple) and len(value) > _MANY) or id(value) in around:
        return type(value)
    around = (*around, id(value))
    if isinstance(value, dict):
        return {name: _parts(part, lists, around) for name, part in value.items()}
    if isinstance(value, tuple):
        return [_parts(part, lists, around) for part in value]
    return type(value), [_parts(part, lists, around) for part in value] if lists else None
