"""Python numbers that change from call to call: a learning rate on a schedule, the number of steps made.

One idea: a Number remembers how it was worked out, and works itself out again at each call, in Python. In a trace it
goes into the program as an input, not as a constant. Where the user's program asks for its truth (`if weight_decay:`),
the answer becomes a guard: once it turns out otherwise, the function is traced anew. Read `trace.py` next.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from ..errors import TraceError

__all__ = ["Number"]


class Number:
    """A number that Python works out at each call; `value` is what it is while tracing."""

    __slots__ = ("again", "trace", "value")
    __array_ufunc__ = None  # NumPy leaves `array * number` to it

    def __init__(self, trace: Any, again: Callable[[], Any]) -> None:
        self.trace, self.again, self.value = trace, again, again()

    def __repr__(self) -> str:
        return f"Number({self.value})"

    def __bool__(self) -> bool:
        return self.trace.guard(lambda: bool(self.again()))

    def __neg__(self) -> Number:
        return Number(self.trace, lambda: -self.again())

    def _refuse(self) -> Any:
        raise TraceError(
            f"a number that changes from step to step (now {self.value}) was turned into a plain one inside a compiled "
            "function, where it would be frozen: calculate with + - * / ** instead."
        )

    __float__ = __int__ = __index__ = _refuse
    __hash__ = None  # type: ignore[assignment]


def _plain(x: Any) -> Callable[[], Any] | None:
    if isinstance(x, Number):
        return x.again
    return (lambda: x) if isinstance(x, (bool, int, float)) else None


def _arithmetic(name: str, turned: bool) -> Callable[[Number, Any], Any]:
    function = getattr(operator, name)

    def method(self: Number, other: Any) -> Any:
        others = _plain(other)
        if others is None:
            return NotImplemented
        mine = self.again
        first, second = (others, mine) if turned else (mine, others)
        return Number(self.trace, lambda: function(first(), second()))

    return method


def _comparison(name: str) -> Callable[[Number, Any], Any]:
    function = getattr(operator, name)

    def method(self: Number, other: Any) -> Any:
        others = _plain(other)
        if others is None:
            return NotImplemented
        return self.trace.guard(lambda: function(self.again(), others()))

    return method


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    setattr(Number, f"__{_name}__", _arithmetic(_name, turned=False))
    setattr(Number, f"__r{_name}__", _arithmetic(_name, turned=True))
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(Number, f"__{_name}__", _comparison(_name))
