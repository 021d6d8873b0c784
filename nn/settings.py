"""Settings of a Module: what a compiled step was traced for, and must be traced anew when it changes.

One idea: whoever changes an attribute of any Module says so to one counter. As long as that stands still, to ask
whether a Module with all below it is as it was is one comparison, and what was found out about it holds.
Read `module.py` next.
"""

# Note [Values of the user's own]
# Of a class of the user's own, numbers, texts, Tensors and containers of them are read by the user's code alone, which
# asks for them by their names (`autograd/compile/surroundings.py`). What it does not read, such as a count of steps or
# the last loss, may change, so they are left out here. All else that a Module has, its mode, hooks, parameters, buffers
# and the Modules below it, is read by the code of this package as well.

from __future__ import annotations

import functools
from typing import Any

from autograd.compile.expression import Same
from autograd.compile.surroundings import is_read_by_users_alone
from autograd.modes import is_tracing
from autograd.tensor import Tensor

from . import module as modules
from .parameter import Parameter

__all__ = ["Hooked", "Settings", "assigned", "attend", "below", "changed", "count", "held"]

_changes = 0
_OWN = {"_buffers", "_hooks"}  # tables of a Module's own, changed by its methods only
_VALUES = (type(None), bool, int, float, complex, str, bytes, list, tuple, dict, set, Tensor)


def changed() -> None:
    """Say that an attribute or a hook of some Module was changed."""
    global _changes
    _changes += 1


def assigned(module: Any, name: str, old: Any) -> None:
    """Say so if an attribute was changed that is read here; it was `old`, or None where it is new."""
    if not (_is_the_users(module, name, old) and _is_the_users(module, name, vars(module)[name])):
        changed()


def count() -> int:
    """How many changes there were; the same number as before says that no Module was changed since."""
    return _changes


def below(module: Any) -> tuple[Any, ...]:
    """A Module, first, and all below it, each once."""
    found = {id(module): module}
    waiting = [module]
    while waiting:
        for value in vars(waiting.pop()).values():
            if isinstance(value, modules.Module) and id(value) not in found:
                found[id(value)] = value
                waiting.append(value)
    return tuple(found.values())


def held(module: Any) -> dict[str, Any]:
    """All attributes of a Module; a compiled function that asks is traced anew when they, or those below, change."""
    trace = is_tracing()
    if trace is not None:
        attend(trace, module, called=False)
    return vars(module)


def attend(trace: Any, module: Any, called: bool) -> None:
    """Let the program of a trace be used only while a Module and those below it, which it reads or calls, are as now.

    What the trace itself has made, such as the list that layers[:-1] gives, is made anew at each call: those below it
    that were there before are asked for, and of itself what it is when the trace ends.
    """
    things = below(module)
    if id(module) not in trace.made:
        trace.attend(things, Settings(module), called)
        return
    for thing in things:
        if id(thing) not in trace.made:
            trace.attend(below(thing), Settings(thing), called)
    trace.attend_made(things, Settings(module, alone=True), called)


class Settings:
    """Called, it gives what a Module and those below it are, but for the values of their Tensors and of the user's.

    One `alone` leaves those below it out.
    """

    def __init__(self, module: Any, alone: bool = False) -> None:
        self.module = module
        self._alone = alone
        self._seen = -1
        self._last: tuple[Any, ...] = ()

    def __repr__(self) -> str:
        return f"a setting of a {type(self.module).__name__}"

    def __call__(self) -> tuple[Any, ...]:
        if self._seen != _changes:
            modules = (self.module,) if self._alone else below(self.module)
            held = [item for module in modules for item in _read_here(module)]
            held = [(name, value) for name, value in held if not (_are_hooks(value) and value.is_empty())]
            # What is changed without an assignment, a list, has to be looked at every time.
            loose = any(isinstance(value, (list, dict, set)) and name not in _OWN for name, value in held)
            self._seen = -1 if loose else _changes
            self._last = tuple((name, _known(value)) for name, value in held)
        return self._last


class Hooked:
    """Called, it says whether a Module or one below it has a hook."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self._seen = -1
        self._last = False

    def __call__(self) -> bool:
        if self._seen != _changes:
            held = [value for module in below(self.module) for value in vars(module).values()]
            self._last = any(_are_hooks(value) and not value.is_empty() for value in held)
            self._seen = _changes
        return self._last


def _read_here(module: Any) -> list[tuple[str, Any]]:
    """The attributes of a Module but for those of Note [Values of the user's own]."""
    return [(name, x) for name, x in vars(module).items() if not _is_the_users(module, name, x)]


def _is_the_users(module: Any, name: str, x: Any) -> bool:
    """Whether an attribute that is, or was, x is one of Note [Values of the user's own]."""
    if not isinstance(x, _VALUES) or isinstance(x, Parameter) or not _is_of_the_users(module.__class__):
        return False
    return name != "training" and name not in _OWN and name not in vars(module).get("_buffers", ())


@functools.lru_cache(maxsize=256)
def _is_of_the_users(kind: Any) -> bool:
    return is_read_by_users_alone(kind)


def _are_hooks(value: Any) -> bool:
    return type(value).__name__ == "Hooks"


def _known(value: Any) -> Any:
    """A plain value as it is, a row of them likewise, and of anything else which object it is."""
    if isinstance(value, float):
        return type(value), repr(value)  # tells numpy.float64 from float, and -0.0 from 0.0
    if value is None or isinstance(value, (bool, int, str)):
        return type(value), value  # 1 from True
    if isinstance(value, (tuple, list)):
        return tuple(map(_known, value))
    if isinstance(value, dict):
        return tuple((name, _known(part)) for name, part in value.items())
    if _are_hooks(value):
        return (Same(value), *value.before, "and", *value.after)
    return Same(value)
