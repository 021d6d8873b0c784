"""Surroundings: what a function reads from around it, for which its program was traced.

One idea: whatever a function finds by a global name, in its closure or in the object that it belongs to could be
another at the next call, so each becomes a question that guards the program; so does what it reads there, attribute
by attribute, and what the functions read that it calls. Nothing is run to find out: the names stand in the code, where
`code.py` finds them. Read `entry.py` next, which asks.
"""

# Note [What is handed on]
# An object may be read far from where it is found: a function hands it to a helper, which asks for its attribute. Where
# it goes is not followed. Which attributes the code that is reached asks for, of whatever object, is known, and each
# thing that is reached is asked for all of them: the walk is done again until it meets no new names. Where a name is
# made, as in getattr(thing, f"w{i}"), all values of the user's objects are asked for.
#
# The code of libraries is not read, so what is kept in an object of theirs, or in one that others' code may get, is
# asked for whether it is read or not. Of an object of the user's own class, such as a trainer with its counts of steps
# and its last loss, only what is read is asked for: all else may change from call to call.

from __future__ import annotations

import argparse
import dataclasses
import functools
import inspect
import operator
import threading
import types
import warnings
import weakref
from abc import ABC
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol

from ..backend import is_array
from ..tensor import Tensor
from .code import (
    attributes_added_to,
    attributes_counted,
    attributes_read,
    attributes_set_first,
    attributes_written,
    called_with_nothing,
    globals_read,
    goes_on_without,
    imports_others,
    is_library,
    is_of_others,
    takes_any_name,
    takes_any_name_of_self,
)
from .expression import Expression, named
from .holdings import BUFFERS, CONTAINERS, MANY, PLAIN, contents, is_mapping, question, things_in
from .once import Counted, Left, Loose, draws, environment, fleeting, refuse_iterator

__all__ = ["is_read_by_users_alone", "questions_about", "questions_about_methods"]

_DEEPEST = 8  # functions within functions, and attributes of attributes, that are looked at

_WAYS = (goes_on_without, takes_any_name, takes_any_name_of_self)
_MISSING = object()
_NAMESPACES = (types.SimpleNamespace, argparse.Namespace)
_WITHOUT_CODE = {object, ABC, Generic, Protocol}  # that would read what an object keeps
_NOT_IN_A_CALL = {"__del__", "__repr__"}
_OF_MAKING = {"__init__", "__new__"}  # which a class is asked for, not an object, which is made already

_WITHIN = {
    property: "fget",
    functools.cached_property: "func",
    functools.partialmethod: "func",
}  # where the function of a property is


@dataclass
class _Asked:
    """What the code that is reached asks for, of whatever object.

    `how` says of the name of an attribute whether it is "counted" only, "set first", or "read"; `ways` are those of
    `_WAYS` in which some code asks, `with_nothing` the names of what some code calls without an argument. `others` says
    whether code of others is reached, which is not read. `written` says of the attributes that are set whether they are
    added to only.
    """

    how: dict[str, str] = field(default_factory=dict)
    ways: set[Callable[[types.CodeType], bool]] = field(default_factory=set)
    with_nothing: set[str] = field(default_factory=set)
    others: bool = False
    written: dict[str, bool] = field(default_factory=dict)


class _Walk:
    """One walk over all that is reached, which asks for what is `known` to be read there and notes what is `met`.

    See Note [What is handed on].
    """

    def __init__(self, known: _Asked) -> None:
        self.known, self.names = known, tuple(known.how)
        self.met = _Asked(dict(known.how), set(known.ways), set(known.with_nothing), known.others, dict(known.written))
        self.fleeting: dict[str, None] = {}  # what is read at the first call only, in words
        self._seen: set[tuple[int, str]] = set()

    def meets(self, thing: Any, what: str) -> bool:
        """Whether its "code" or its "attributes" were not met before on this walk."""
        new = (id(thing), what) not in self._seen
        self._seen.add((id(thing), what))
        return new

    def reads(self, function: types.FunctionType) -> None:
        """Note the attributes that the code of a function asks for."""
        code, met = function.__code__, self.met
        counted, first = attributes_counted(code), attributes_set_first(code)
        for name in attributes_read(code):
            how = "counted" if name in counted else "set first" if name in first else "read"
            met.how[name] = how if met.how.get(name, how) == how else "read"
        met.ways.update(way for way in _WAYS if way(code))
        met.with_nothing.update(called_with_nothing(code))
        met.others = met.others or imports_others(code)
        for name in attributes_added_to(code):
            met.written.setdefault(name, True)
        met.written.update(dict.fromkeys(attributes_written(code), False))

    def reads_named(self, asking: Any) -> None:
        """Note the attributes that an attrgetter or a methodcaller asks for, which are in it."""
        kind, values = asking.__reduce__()  # a methodcaller with options is a partial of itself
        values = kind.args if isinstance(kind, functools.partial) else values
        texts = values[:1] if isinstance(asking, operator.methodcaller) else values
        self.met.how.update(dict.fromkeys((name for text in texts for name in text.split(".")), "read"))


def questions_about(function: Any, arguments: Iterable[Any] = (), classes: Collection[type] = ()) -> list[Expression]:
    """Questions about all that a function reads from around it, and from those of its arguments that are objects.

    `classes` are those of the containers that its arguments are taken out of.
    """
    arguments = list(arguments)

    def walked(walk: _Walk) -> Iterator[Expression]:
        yield from _of_callable(function, 0, walk)
        for thing in arguments:
            refuse_iterator(thing)
            if isinstance(thing, (*CONTAINERS, *BUFFERS)) or is_mapping(thing):  # lists and such are taken apart
                yield from question(*named(thing), thing)
            yield from draws(thing, walk.names)
            yield from _of_parts(thing, walk)
            yield from _of_callable(thing, 0, walk)
            yield from _of_attributes(thing, 0, walk)
        for kind in classes:
            yield from _of_attributes(kind, 0, walk)

    return _all(walked)


def questions_about_methods(things: Iterable[Any], method: str) -> list[Expression]:
    """Questions about what a method of some Modules reads from around it and of its object."""
    found = [(thing, getattr(type(thing), method)) for thing in things]
    found = [(thing, function) for thing, function in found if not is_library(function)]

    def walked(walk: _Walk) -> Iterator[Expression]:
        for thing, function in found:
            yield from _of_parts(thing, walk)
            yield from _of_callable(function, 0, walk)
            yield from _of_attributes(thing, 0, walk)

    return _all(walked)


def _all(walked: Callable[[_Walk], Iterator[Expression]]) -> list[Expression]:
    """The questions of a walk that asks for every attribute that is read on it. See Note [What is handed on]."""
    known = _Asked()
    while True:
        walk = _Walk(known)
        questions = list(walked(walk))
        if walk.met == known:
            for what in walk.fleeting:
                warnings.warn(
                    f"a compiled function uses {what} at its first call only, and goes on with what that gave: use it "
                    "outside, and give the function what it gave.",
                    stacklevel=2,
                )
            return questions
        known = walk.met


def _of_callable(function: Any, depth: int, walk: _Walk) -> Iterator[Expression]:
    """Questions about all that something which is called reads."""
    if depth > _DEEPEST:
        return
    if isinstance(function, types.FunctionType):
        if not is_library(function) and walk.meets(function, "code"):
            walk.reads(function)
            yield from _of_function(function, depth, walk)
            yield from _of_overloads(function, depth, walk)
    elif isinstance(function, functools.partial):
        for value in (*function.args, *function.keywords.values()):
            yield from _of_parts(value, walk)
        word, scope = named(function)
        yield from _of_thing(f"{word}.args", scope, function.args, depth, walk)
        yield from _of_thing(f"{word}.keywords", scope, function.keywords, depth, walk)
        yield from _of_callable(function.func, depth + 1, walk)
    elif isinstance(function, (operator.attrgetter, operator.methodcaller)):
        walk.reads_named(function)
    elif isinstance(function, weakref.ref):
        word, scope = named(function)
        yield from _of_thing(f"{word}()", scope, function(), depth, walk)
    elif _has(function, "__self__", "__func__"):  # a method, of a compiled function too
        thing = function.__self__
        yield from _of_parts(thing, walk)
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
    (word, scope), (code, more) = named(function), named(function.__code__)
    yield Expression(f"({word}.__code__ is {code})", {**scope, **more})  # what reloads a module changes it
    word, scope = named(function.__globals__)
    for name in globals_read(function.__code__):
        if name in function.__globals__:
            yield from _of_thing(f"{word}.get({name!r})", scope, function.__globals__[name], depth, walk)
        elif goes_on_without(function.__code__):
            yield Expression(f"({name!r} in {word})", scope)
        if name == "open" and name not in function.__globals__:
            walk.fleeting.update(dict.fromkeys(fleeting(open, ())))
    for cell in function.__closure__ or ():
        word, scope = named(cell)
        try:
            value = cell.cell_contents
        except ValueError:  # a name that is bound later
            (bound, more) = named(_is_bound)
            yield Expression(f"{bound}({word})", {**scope, **more})
            continue
        yield from _of_thing(f"{word}.cell_contents", scope, value, depth, walk)
    word, scope = named(function)
    yield from _of_thing(f"{word}.__defaults__", scope, function.__defaults__, depth, walk)
    yield from _of_thing(f"{word}.__kwdefaults__", scope, function.__kwdefaults__, depth, walk)


def _of_overloads(function: types.FunctionType, depth: int, walk: _Walk) -> Iterator[Expression]:
    """Questions about what a `functools.singledispatch` chooses from, which Python keeps out of sight."""
    if isinstance(getattr(function, "registry", None), types.MappingProxyType):
        word, scope = named(function)
        yield from _of_thing(f"dict({word}.registry)", scope, dict(vars(function)["registry"]), depth, walk)


def _is_bound(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not _MISSING
    except ValueError:
        return False


def _of_thing(text: str, scope: dict[str, Any], thing: Any, depth: int, walk: _Walk) -> Iterator[Expression]:
    """Whether the expression `text` still gives this thing, and what the code that is reached finds there."""
    yield from question(text, scope, thing)
    parts = [part for part in things_in(thing) if not isinstance(part, PLAIN)]
    if isinstance(thing, (*CONTAINERS, dict)):
        yield from _of_attributes(thing, depth, walk)  # a class of the user's may add some
    for part in parts:
        walk.met.others = walk.met.others or is_of_others(part)
        refuse_iterator(part)
        yield from draws(part, walk.names)
        yield from environment(part, walk.names)
        walk.fleeting.update(dict.fromkeys(fleeting(part, walk.names, walk.known.with_nothing)))
        if len(parts) <= MANY:
            yield from contents(part)
        if not isinstance(part, type):
            yield from _of_callable(part, depth + 1, walk)
        yield from _of_attributes(part, depth, walk)


def _of_attributes(thing: Any, depth: int, walk: _Walk) -> Iterator[Expression]:
    """What code that reads attributes of these names finds in an object, a class or a module, methods included."""
    if depth > _DEEPEST or _is_closed(thing) or not walk.meets(thing, "attributes"):
        return
    word, scope = named(thing)
    asks_any = takes_any_name in walk.known.ways or (takes_any_name_of_self in walk.known.ways and _asks_itself(thing))
    others = _values_of(thing) if asks_any else []
    if others and hasattr(thing, "__dict__"):
        yield Expression(f"(*{word}.__dict__,)", scope)
    missing = []
    for name in dict.fromkeys((*walk.names, *_special(thing), *others)):
        value = _found(thing, name)
        if value is _MISSING:
            missing.append(name)
        elif _is_method(thing, name, value):
            yield from _of_method(thing, name, depth, walk)
        else:
            yield from _of_value(thing, name, value, depth, walk, is_read=bool(others))
    yield from (Left(thing, name, grows) for name, grows in walk.known.written.items())
    if missing and goes_on_without in walk.known.ways:
        (lacks, more), (names, most) = named(_lacks), named(frozenset(missing))
        yield Expression(f"{lacks}({word}, {names})", {**scope, **more, **most})


def _found(thing: Any, name: str) -> Any:
    """What is kept under a name, as it stands there: nothing is run that the user has written."""
    value = inspect.getattr_static(thing, name, _MISSING)
    if isinstance(value, (types.MemberDescriptorType, types.GetSetDescriptorType)):  # a slot, or __dict__
        return getattr(thing, name, _MISSING)
    if isinstance(thing, threading.local):  # each thread has its own
        return vars(thing).get(name, _MISSING)
    return value


def _is_method(thing: Any, name: str, value: Any) -> bool:
    """Whether a value that was found is a method or a property of its class, or of itself where it is one."""
    return _method_of(value) is not None and (isinstance(thing, type) or name not in getattr(thing, "__dict__", ()))


def _of_value(thing: Any, name: str, value: Any, depth: int, walk: _Walk, is_read: bool) -> Iterator[Expression]:
    """Questions about an attribute's value: loose ones, see once.py, where it is counted only, or set first."""
    word, scope = named(thing)
    how = "read" if is_read else walk.known.how.get(name, "read")
    grows = walk.known.written.get(name, False) and type(value) is int
    is_loose = how == "set first" or (how == "counted" and grows)
    for asked in _of_thing(f"getattr({word}, {name!r}, None)", scope, value, depth + 1, walk):
        yield Loose(asked.text, asked.scope) if is_loose else asked
    if grows:
        yield Counted(thing, name, value)


def _asks_itself(thing: Any) -> bool:
    """Whether a method of an object asks it for attributes of any name."""
    methods = (_method_of(value) for kind in type(thing).__mro__ for value in vars(kind).values())
    return any(method is not None and takes_any_name_of_self(method.__code__) for method in methods)


def _values_of(thing: Any) -> list[str]:
    """The names of all values in an object or a class of the user's, or in a Module: not of methods."""
    kind = thing if isinstance(thing, type) else type(thing)
    own = [part for part in kind.__mro__ if not is_library(part)]
    if not own and kind not in _NAMESPACES and not hasattr(kind, "named_parameters"):
        return []
    found = {name: value for part in (*own, thing) for name, value in getattr(part, "__dict__", {}).items()}
    return [name for name, value in found.items() if not name.startswith("__") and _method_of(value) is None]


def _lacks(thing: Any, names: frozenset[str]) -> bool:
    """Whether an object, and what it has of its classes, has no attribute of these names."""
    kinds = (thing if isinstance(thing, type) else type(thing)).__mro__
    return all(names.isdisjoint(vars(part)) for part in (thing, *kinds) if hasattr(part, "__dict__"))


def _of_method(thing: Any, name: str, depth: int, walk: _Walk) -> Iterator[Expression]:
    """Whether a method is still the one of its class, and none of the object's own; and about all that it reads."""
    (word, scope), kind = named(thing), thing if isinstance(thing, type) else type(thing)
    found = [(part, vars(part)[name]) for part in kind.__mro__ if name in vars(part)]
    rest = found
    if found and getattr(kind, name, None) is found[0][1]:
        now, more = named(found[0][1])
        text = word if kind is thing else f"type({word})"  # an object may be given another class
        yield Expression(f"(getattr({text}, {name!r}, None) is {now})", {**scope, **more})
        rest = found[1:]
    for part, value in rest:  # what super() finds
        (owner, most), (now, more) = named(part), named(value)
        yield Expression(f"({owner}.__dict__.get({name!r}) is {now})", {**most, **more})
    if kind is not thing and hasattr(thing, "__dict__"):
        yield Expression(f"({name!r} in {word}.__dict__)", scope)
    for method in filter(None, (_method_of(value) for _, value in found)):
        yield from _of_callable(method, depth + 1, walk)


def _special(thing: Any) -> list[str]:
    """The methods that Python's syntax calls of a user's class or its objects, such as __getitem__ and __getattr__."""
    kind, unasked = (thing, _NOT_IN_A_CALL) if isinstance(thing, type) else (type(thing), _NOT_IN_A_CALL | _OF_MAKING)
    parts = [] if is_library(kind) else [vars(part) for part in kind.__mro__ if not is_library(part)]
    names = {name: part[name] for part in parts for name in part if name.startswith("__") and name.endswith("__")}
    return [name for name in names if _method_of(names[name]) is not None and name not in unasked]


def _method_of(value: Any) -> types.FunctionType | None:
    """The function of a method or a property, as it stands in a class."""
    attribute = next((name for kind, name in _WITHIN.items() if isinstance(value, kind)), "__func__")
    function = getattr(value, attribute, value)
    return function if isinstance(function, types.FunctionType) else None


def _is_closed(thing: Any) -> bool:
    """Whether it has no attributes that somebody changes."""
    if isinstance(thing, (*PLAIN, *CONTAINERS, dict)):
        return not hasattr(thing, "__dict__")
    if isinstance(thing, Tensor) or is_array(thing):
        return True
    return isinstance(thing, (type, types.FunctionType, types.ModuleType)) and is_library(thing)


def _has(thing: Any, *names: str) -> bool:
    """Whether it has these attributes without being asked, which some answer to any name."""
    return all(inspect.getattr_static(thing, name, None) is not None for name in names)


def _of_parts(thing: Any, walk: _Walk) -> Iterator[Expression]:
    """Questions about what is kept in an object, such as `self`, where code may read it that is not looked at."""
    if not walk.known.others and is_read_by_users_alone(type(thing)):
        return
    word, scope = named(thing)
    for name, value in getattr(thing, "__dict__", {}).items():
        if isinstance(value, (*PLAIN, tuple, dict)) or _is_state(value):
            yield from question(f"{word}.__dict__.get({name!r})", scope, value, lists=False)
            yield from contents(value)


def is_read_by_users_alone(kind: type) -> bool:
    """Whether no library has code that reads what the user keeps in an object of a class, or in a Module."""
    libraries = {part for part in kind.__mro__ if is_library(part)} - _WITHOUT_CODE
    tree = dataclasses.is_dataclass(kind) or hasattr(kind, "__attrs_attrs__")  # their fields are read, see tree.py
    return not tree and all("named_parameters" in vars(part) for part in libraries)


def _is_state(value: Any) -> bool:
    """Whether it is a model, an optimizer, a generator, a Tensor or an array."""
    return isinstance(value, Tensor) or is_array(value) or hasattr(value, "state_dict")
