"""Hooks: functions that watch or change what goes into a Module and what comes out.

One idea: a hook is found again by its handle, which takes it away. Read `module.py` next.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import TracebackType
from typing import Any

from .settings import changed

__all__ = ["Handle", "Hooks"]

_numbers = itertools.count()


class Handle:
    """Takes a hook away: by `remove()`, or at the end of a `with` block."""

    def __init__(self, hooks: dict[int, Callable[..., Any]], number: int) -> None:
        self._hooks = hooks
        self._number = number

    def remove(self) -> None:
        """Take the hook away; once more does no harm."""
        self._hooks.pop(self._number, None)
        changed()

    def __enter__(self) -> Handle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


class Hooks:
    """The hooks of one Module, called in the order in which they were added."""

    def __init__(self) -> None:
        self.before: dict[int, Callable[..., Any]] = {}
        self.after: dict[int, Callable[..., Any]] = {}

    def is_empty(self) -> bool:
        """Whether there is none."""
        return not (self.before or self.after)

    def add_before(self, hook: Callable[..., Any]) -> Handle:
        """A hook before forward."""
        return _added(self.before, hook)

    def add_after(self, hook: Callable[..., Any]) -> Handle:
        """A hook after forward."""
        return _added(self.after, hook)

    def call(self, module: Any, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """The Module's forward, with the hooks around it."""
        for hook in tuple(self.before.values()):
            changed = hook(module, inputs)
            if changed is not None:
                inputs = changed if isinstance(changed, tuple) else (changed,)
        output = module.forward(*inputs, **options)
        for hook in tuple(self.after.values()):
            changed = hook(module, inputs, output)
            if changed is not None:
                output = changed
        return output


def _added(hooks: dict[int, Callable[..., Any]], hook: Callable[..., Any]) -> Handle:
    if not callable(hook):
        raise TypeError(f"a hook is a function, got {type(hook).__name__}.")
    number = next(_numbers)
    hooks[number] = hook
    changed()
    return Handle(hooks, number)
