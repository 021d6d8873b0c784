"""The rule of an optimizer as one kernel of a GPU.

One idea: a rule is written in array operations, which on a GPU would be a launch each. Traced once, it is a tape of one
kernel that reads and writes every number once. Read `optimizer.py` next, which asks for it at each step.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from autograd.backend import host, module_of
from autograd.compile.cuda.in_place import InPlace
from autograd.modes import is_tracing

__all__ = ["done_on_device"]


def done_on_device(
    update: Callable[..., Any], xp: Any, w: Any, g: Any, state: dict[str, Any], t: Any, options: dict[str, Any]
) -> bool:
    """Whether the rule was done as one kernel of a GPU."""
    # One of the user's own may read what nobody can see here, and must be asked at every step.
    if xp is host or is_tracing() is not None or update.__module__.partition(".")[0] != __package__:
        return False
    return _tape(update)([w, *state.values()], [g], {"names": tuple(state), "t": t, **options})


@cache
def _tape(update: Callable[..., Any]) -> InPlace:
    def function(written: Any, read: Any, options: dict[str, Any]) -> None:
        w, *state = written
        names, t = options.pop("names"), options.pop("t")
        update(module_of(w), w, *read, dict(zip(names, state, strict=True)), t, **options)

    return InPlace(function)
