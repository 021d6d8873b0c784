"""Blocks: what `with no_grad():` is, and `@no_grad()` above a function.

One idea: a block is made anew each time that it is entered, so one object serves many times, one within the other too
(threads that share it do so above a function), and inside a function that waits, or gives its results one by one, it is
there whenever that runs, and only then. Read `modes.py` next.
"""

# Note [Functions that run later]
# A call of a generator or of an `async` function runs nothing yet: a block around the call alone would be over before
# the first line runs.

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from typing import Any, TypeVar, cast

__all__ = ["Block"]

Make = Callable[[], AbstractContextManager[None]]
F = TypeVar("F", bound=Callable[..., Any])


class Block:
    """A block in which some mode is on: a context manager, and a decorator of functions of every kind."""

    def __init__(self, name: str, make: Make) -> None:
        self.name = name
        self._make = make
        self._entered: list[AbstractContextManager[None]] = []

    def __enter__(self) -> None:
        manager = self._make()
        manager.__enter__()
        self._entered.append(manager)

    def __exit__(self, *error: Any) -> bool | None:
        return self._entered.pop().__exit__(*error)

    def __call__(self, function: F) -> F:
        """The function, inside such a block. Raises TypeError for an `async` generator and for what is no function."""
        make = self._make
        if not callable(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"@{self.name}() stands above a function, got {function!r}: write `with {self.name}():`.")
        # See Note [Functions that run later].
        inside: Callable[..., Any]
        if inspect.iscoroutinefunction(function):

            async def inside(*args: Any, **kwargs: Any) -> Any:
                with make():
                    return await function(*args, **kwargs)

        elif inspect.isgeneratorfunction(function):

            def inside(*args: Any, **kwargs: Any) -> Any:
                return _Steps(function(*args, **kwargs), make)

        else:

            def inside(*args: Any, **kwargs: Any) -> Any:
                with make():
                    return function(*args, **kwargs)

        return cast("F", functools.wraps(function)(inside))


class _Steps(Generator[Any, Any, Any]):
    """A generator of which each step runs in a block, and what its user does between them outside."""

    def __init__(self, steps: Generator[Any, Any, Any], make: Make) -> None:
        self._steps, self._make = steps, make

    def send(self, value: Any) -> Any:
        with self._make():
            return self._steps.send(value)

    def throw(self, *error: Any) -> Any:
        with self._make():
            return self._steps.throw(*error)
