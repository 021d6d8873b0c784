"""Code: which names a function reads, found in its byte code, with those of the functions written inside it.

One idea: a program that Python has compiled says by itself which globals it loads and which attributes it asks for.
Read `once.py` next.
"""

from __future__ import annotations

import dis
import functools
import itertools
import re
import sys
import types
from collections import Counter
from collections.abc import Iterator
from typing import Any

__all__ = [
    "attributes_added_to",
    "attributes_counted",
    "attributes_read",
    "attributes_set_first",
    "attributes_written",
    "called_with_nothing",
    "globals_read",
    "goes_on_without",
    "imports_others",
    "is_library",
    "is_of_others",
    "takes_any_name",
    "takes_any_name_of_self",
]

_ASKING = ("getattr", "hasattr")
_BY_TEXT = {"getattr", "hasattr", "vars", "__dict__", "attrgetter", "methodcaller"}
_BY_ANY = {"__getattribute__", "asdict", "astuple", "attrgetter", "getattr_static", "getmembers", "methodcaller"}
_BY_FIELD = {"format", "format_map"}  # as "{0.lr}".format(options)
_STORE = "STORE_ATTR"
_LOADS = {"LOAD_ATTR", "LOAD_GLOBAL", "LOAD_METHOD"}
_BESIDE = {"CACHE", "PRECALL", "PUSH_NULL"}  # may stand between what is called and the call
_LIBRARIES = sys.stdlib_module_names | {"autograd", "nn", "optim", "numpy", "cupy"}


@functools.cache
def globals_read(code: types.CodeType) -> tuple[str, ...]:
    """The names that it looks for among the globals, each once. Where it calls `globals` any text in it may be one."""
    names = _names(code, "LOAD_GLOBAL", "LOAD_NAME")
    return (*names, *_texts(code)) if "globals" in names else names


@functools.cache
def attributes_read(code: types.CodeType) -> tuple[str, ...]:
    """The names of the attributes and methods that it asks for, of whatever object, each once.

    Where it calls `getattr`, or what else takes a name as a text, any text in it may be one.
    """
    names = _names(code, "LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR")
    by_text = _BY_TEXT.intersection((*globals_read(code), *names))
    names = tuple(dict.fromkeys((*names, *_fields(code)))) if _BY_FIELD.intersection(names) else names
    return tuple(dict.fromkeys((*names, *_texts(code)))) if by_text else names


@functools.cache
def attributes_counted(code: types.CodeType) -> frozenset[str]:
    """The names of the attributes that it asks for only to put them back with something added, as in `x.calls += 1`."""
    loads = [*_loads(code)]
    return frozenset(name for name, _ in loads) - {name for name, is_copied in loads if not is_copied}


@functools.cache
def attributes_added_to(code: types.CodeType) -> frozenset[str]:
    """The names of the attributes to which it adds, or from which it takes away, by += or -=."""
    return frozenset(_sums(code))


@functools.cache
def attributes_set_first(code: types.CodeType) -> frozenset[str]:
    """The names of the attributes that it asks for where it has set them, as in `self.y = f(x)`, and then `self.y`."""
    read = Counter(name for name, _ in _loads(code))
    if goes_on_without(code):
        return frozenset()
    own = sum((_own_reads(part) for part in _with_inner(code)), Counter[str]())
    return frozenset(name for name in own if own[name] == read[name])


@functools.cache
def attributes_written(code: types.CodeType) -> tuple[str, ...]:
    """The names of the attributes that it sets in another way; where it calls `setattr` any text in it may be one."""
    stores = Counter(i.argval for part in _with_inner(code) for i in dis.get_instructions(part) if i.opname == _STORE)
    names = tuple(stores - Counter(_sums(code)))
    return (*names, *_texts(code)) if "setattr" in globals_read(code) else names


def _sums(code: types.CodeType) -> Iterator[str]:
    """The name of the attribute that each += and -= of an attribute sets."""
    for part in _with_inner(code):
        steps = [*dis.get_instructions(part)]
        for sum, _swap, i in zip(steps, steps[1:], steps[2:], strict=False):
            if i.opname == _STORE and sum.argrepr in ("+=", "-="):
                yield i.argval


def _own_reads(part: types.CodeType) -> Counter[str]:
    """How often it reads attributes of its first argument that it sets before it may go one way or another."""
    steps, me = [*dis.get_instructions(part)], part.co_varnames[:1]
    if any(i.opname.startswith("STORE_FAST") and me[0] in _texts_of(i) for i in steps if me):
        return Counter()
    jumps = (at for at, i in enumerate(steps) if i.opcode in dis.hasjrel or i.opcode in dis.hasjabs)
    first = next(jumps, len(steps))
    known: set[str] = set()
    found: Counter[str] = Counter()
    for at, (before, i) in enumerate(itertools.pairwise(steps), 1):
        if not (before.opname.startswith("LOAD_FAST") and _texts_of(before)[-1:] == me):
            continue
        if i.opname == _STORE and at < first:
            known.add(i.argval)
        elif i.opname in ("LOAD_ATTR", "LOAD_METHOD") and i.argval in known:
            found[i.argval] += 1
    return found


def _texts_of(i: dis.Instruction) -> tuple[str, ...]:
    """The names that an instruction has, of which it may have two."""
    return i.argval if isinstance(i.argval, tuple) else (i.argval,)


@functools.cache
def called_with_nothing(code: types.CodeType) -> frozenset[str]:
    """The names of what it calls without arguments, as in `numpy.random.default_rng()`."""
    steps = [[i for i in dis.get_instructions(part) if i.opname not in _BESIDE] for part in _with_inner(code)]
    calls = (pair for part in steps for pair in itertools.pairwise(part))
    return frozenset(load.argval for load, i in calls if load.opname in _LOADS and i.opname == "CALL" and not i.arg)


@functools.cache
def goes_on_without(code: types.CodeType) -> bool:
    """Whether it may do something else where an attribute is missing, rather than fail."""
    if {"getattr", "globals", "hasattr", "suppress", "vars"}.intersection(
        (*globals_read(code), *attributes_read(code))
    ):
        return True
    return any(i.opname == "CHECK_EXC_MATCH" for part in _with_inner(code) for i in dis.get_instructions(part))


@functools.cache
def takes_any_name(code: types.CodeType) -> bool:
    """Whether it may ask for an attribute whose name is no text in it, as `getattr(thing, f"w{i}")` and `vars` do."""
    names = globals_read(code)
    if {"dir", "eval", "exec", "vars"}.intersection(names) or _BY_ANY.intersection((*names, *attributes_read(code))):
        return True
    by_pattern = any(i.opname == "MATCH_CLASS" for part in _with_inner(code) for i in dis.get_instructions(part))
    return by_pattern or any(asked["other"] for asked in _asked(code))


@functools.cache
def takes_any_name_of_self(code: types.CodeType) -> bool:
    """Whether it does so of its first argument."""
    return any(asked["self"] for asked in _asked(code))


def _asked(code: types.CodeType) -> Iterator[Counter[str]]:
    """How often each part of it asks by getattr or hasattr: for a "text", of "self" for any name, and otherwise."""
    for part in _with_inner(code):
        steps = [*dis.get_instructions(part)]
        loads = sum(i.opname == "LOAD_GLOBAL" and i.argval in _ASKING for i in steps)
        if not loads:
            continue
        ends = [end for end, i in enumerate(steps) if i.opname == "CALL" and i.arg in (2, 3)]
        found = Counter(_how(steps[:end], part.co_varnames[:1]) for end in ends)
        del found[""]
        found["other"] += loads - found.total()  # those that are handed on
        yield found


def _how(steps: list[dis.Instruction], first: tuple[str, ...]) -> str:
    """How a call asks that is given what these end in; nothing where it is no call of getattr or hasattr."""
    if steps and steps[-1].opname == "PRECALL":  # Python 3.11's
        steps = steps[:-1]
    for count in (1, 2):  # of what stands behind the thing
        values, rest = [], steps
        for _ in range(count + 1):
            value, rest = _last_value(rest)
            values.append(value)
        if rest and rest[-1].argval in _ASKING:
            name, thing = values[count - 1], values[count]
            if len(name) == 1 and name[0].opname == "LOAD_CONST" and isinstance(name[0].argval, str):
                return "text"
            is_self = len(thing) == 1 and thing[0].opname.startswith("LOAD_FAST") and (thing[0].argval,) == first
            return "self" if is_self else "other"
    return ""


def _last_value(steps: list[dis.Instruction]) -> tuple[list[dis.Instruction], list[dis.Instruction]]:
    """The instructions at the end that make one value, and those before them."""
    depth, start = 0, len(steps)
    while start and depth != 1:
        start -= 1
        depth += dis.stack_effect(steps[start].opcode, steps[start].arg, jump=False)
    return steps[start:], steps[:start]


def is_library(thing: Any) -> bool:
    """Whether a function, class or module is of tapegrad, of Python or of an installed package, and not the user's."""
    return _is_installed(_package(thing))


def is_of_others(thing: Any) -> bool:
    """Whether a function, class or module, or the class of anything else, is of a package that others have made."""
    made = isinstance(thing, (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType))
    package = _package(thing if made else type(thing))
    return _is_installed(package) and package not in _LIBRARIES


@functools.cache
def imports_others(code: types.CodeType) -> bool:
    """Whether it imports anything that is not tapegrad's, Python's or NumPy's."""
    return any(name.partition(".")[0] not in _LIBRARIES for name in _names(code, "IMPORT_NAME"))


def _package(thing: Any) -> str:
    name = thing.__name__ if isinstance(thing, types.ModuleType) else getattr(thing, "__module__", None)
    return name.partition(".")[0] if isinstance(name, str) else ""


@functools.cache
def _is_installed(package: str) -> bool:
    file = getattr(sys.modules.get(package), "__file__", None) or ""
    return package in _LIBRARIES or "site-packages" in file or "dist-packages" in file


def _fields(code: types.CodeType) -> Iterator[str]:
    texts = (text for part in _with_inner(code) for text in part.co_consts if isinstance(text, str))
    return (name for text in texts for field in re.findall(r"{[^{}]*", text) for name in re.findall(r"\.(\w+)", field))


def _texts(code: types.CodeType) -> Iterator[str]:
    texts = (text for part in _with_inner(code) for text in part.co_consts if isinstance(text, str))
    return (name for text in texts for name in text.split(".") if name.isidentifier())


def _names(code: types.CodeType, *operations: str) -> tuple[str, ...]:
    found = (i.argval for part in _with_inner(code) for i in dis.get_instructions(part) if i.opname in operations)
    return tuple(dict.fromkeys(found))


def _loads(code: types.CodeType) -> Iterator[tuple[str, bool]]:
    """The names of attributes that are loaded, each with whether it is of a copied object, to which it is put back."""
    for part in _with_inner(code):
        for before, i in itertools.pairwise(dis.get_instructions(part)):
            if i.opname in ("LOAD_ATTR", "LOAD_METHOD"):
                yield i.argval, before.opname == "COPY"


def _with_inner(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _with_inner(constant)
