"""Errors that tell the newcomer our word: for a name, an option or an array by place that others have.

One idea: a call that fails is asked what it was given, and the tables of `words/` say what to write. A call that
works pays nothing, or one look at the names of its options. Read `errors.py` next.
"""

# Note [Other libraries' words]
# Where PyTorch and NumPy have a method that is called otherwise here, Tensor has an attribute that tells ours when it
# is asked for, and is not there for hasattr, dir and type checkers. (A __getattr__ would need no attributes, but with
# one Python reads every attribute of a Tensor more slowly: 0.2 us, a twentieth, for each operation.)

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, Self, TypeVar

from .words import (
    FILES,
    FIRST_ELSEWHERE,
    MORE_ARRAYS,
    NAMES,
    NEEDLESS_OPTIONS,
    OPTIONS_OF_CLASSES,
    OPTIONS_OF_CLIP,
    OPTIONS_OF_FUNCTIONS,
    OPTIONS_OF_RECURRENT_LAYERS,
    OPTIONS_THAT_DIFFER,
)

__all__ = ["OPTIONS", "Elsewhere", "Telling", "missing", "of_keywords", "of_places", "refuse_foreign"]
__all__ += ["tell_calls_of_files", "telling"]

P = ParamSpec("P")
T = TypeVar("T")

OPTIONS = frozenset(OPTIONS_OF_FUNCTIONS.values())  # our options that have other names elsewhere
_FOREIGN = frozenset({*OPTIONS_OF_FUNCTIONS, *OPTIONS_OF_CLASSES, *NEEDLESS_OPTIONS}) - {"dtype"}


def missing(module: str, name: str) -> AttributeError:
    """The error for a name that a package lacks, with what to write."""
    hint = f"; write {NAMES[module][name]}" if name in NAMES[module] else ""
    return AttributeError(f"module {module!r} has no attribute {name!r}{hint}")


class Elsewhere:
    """A name that leads nowhere, and what to write in its place; see Note [Other libraries' words]."""

    def __init__(self, name: str, instead: str) -> None:
        self.name, self.instead = name, instead

    def __get__(self, owner: object, kind: type) -> NoReturn:
        text = f"{kind.__name__!r} object has no attribute {self.name!r}; write {self.instead}"
        raise AttributeError(text, name=self.name, obj=owner)


class _File(ModuleType):
    """A file that somebody calls: PyTorch's `torch.tensor(data)` is a call of `tensor.py`, `@ag.primitive` one too."""

    def __call__(self, *args: Any, **options: Any) -> NoReturn:
        name, instead = FILES[self.__name__]
        raise TypeError(f"{self.__name__} is the file that {name} is in; write {instead}.")


def tell_calls_of_files(package: str) -> None:
    """Let the files of a package with the name of a function, once imported, tell who calls them what to write."""
    for name in FILES:
        if name.startswith(f"{package}."):
            sys.modules[name].__class__ = _File


def of_keywords(given: Iterable[str], known: Iterable[str]) -> str:
    """What to write for options of other libraries, when the function has `known` ones."""
    names = list(known)
    known = set(names)
    tables = (OPTIONS_OF_FUNCTIONS, OPTIONS_OF_CLASSES, OPTIONS_OF_CLIP, OPTIONS_OF_RECURRENT_LAYERS)
    told = []
    for name in given:
        ours = next((table[name] for table in tables if table.get(name) in known), None)
        if name in known:
            continue
        if name == "input" and names:  # PyTorch's name of the first argument
            told.append(f"input is called {names[0]} here")
        elif name in NEEDLESS_OPTIONS:
            told.append(NEEDLESS_OPTIONS[name])
        elif ours:
            told.append(OPTIONS_THAT_DIFFER.get(name, f"{name} is called {ours} here"))
    return f"; {', '.join(told)}" if told else ""


def of_places(name: str, places: list[str], options: list[inspect.Parameter], extra: tuple[Any, ...]) -> str:
    """What to write where a function of `places` and, by keyword, `options` got `extra` values more by place."""
    if not options:
        return f"; {MORE_ARRAYS[name]}" if name in MORE_ARRAYS else ""
    if name in FIRST_ELSEWHERE:  # what another library has in that place
        options = sorted(options, key=lambda option: option.name != FIRST_ELSEWHERE[name])
    if name == "norm" or not all(isinstance(value, (int, float, str, tuple, type(None))) for value in extra):
        if places == ["arrays"]:
            return f"; the arrays go in one list: {name}([x, y])"
        return f"; {MORE_ARRAYS[name]}" if name in MORE_ARRAYS else ""
    meant = len(extra) <= len(options) and all(map(_fits, options, extra))
    pairs = zip(options, extra, strict=False) if meant else ((option, option.default) for option in options)
    written = ", ".join([*places, *(f"{option.name}={value!r}" for option, value in pairs)])
    return f"; options go by keyword: {name}({written})"


def _fits(option: inspect.Parameter, value: Any) -> bool:
    """Whether a value given by place may be meant for this option, as far as its default says."""
    default = option.default
    if default is None:
        return value is not None and not isinstance(value, bool)
    if isinstance(default, (bool, str)) or isinstance(value, bool):
        return type(value) is type(default)
    return isinstance(value, (int, float, tuple))


def refuse_foreign(kind: type, options: Mapping[str, Any]) -> None:
    """Raise TypeError, with what to write, for an option of a class that it has elsewhere and not here."""
    if _FOREIGN.isdisjoint(options):
        return
    known = inspect.signature(kind.__init__).parameters  # type: ignore[misc]
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
        return
    for name in options:
        hint = of_keywords([name], known) if name in _FOREIGN else ""
        if hint:
            raise TypeError(f"{kind.__name__} has no option {name}{hint}.")


class Telling:
    """The base of a class that takes options: it tells whoever types another library's what to write."""

    if not TYPE_CHECKING:  # which reads the arguments of __init__

        def __new__(cls, *args: Any, **options: Any) -> Self:
            """Raises TypeError for options of other libraries, with what to write."""
            refuse_foreign(cls, options)
            return super().__new__(cls)


def telling(function: Callable[P, T]) -> Callable[P, T]:
    """The function, which tells whoever gives it an option by place, or by another library's name, what to write."""
    known = inspect.signature(function).parameters
    places = [p.name for p in known.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    by_name = [p for p in known.values() if p.kind is p.KEYWORD_ONLY]
    own = places[:1] == ["self"]
    takes_any = any(p.kind is p.VAR_POSITIONAL for p in known.values())

    @functools.wraps(function)
    def called(*args: P.args, **options: P.kwargs) -> T:
        try:
            return function(*args, **options)
        except TypeError as error:
            hint = of_keywords(options, known)
            if len(args) > len(places) and not takes_any:
                hint = of_places(function.__name__, places[own:], by_name, args[len(places) :])
            if not hint or type(error) is not TypeError:  # one that vmap or a trace raises is about something else
                raise
            raise TypeError(f"{error}{hint}.") from None

    return called
