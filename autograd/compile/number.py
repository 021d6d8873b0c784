"""Python numbers that change from call to call: a learning rate on a schedule, the number of steps made.

One idea: a Number remembers how it was worked out, and is worked out again at each call, by Python. In a trace it
goes into the program as an input, not as a constant. Where the user's program asks for its truth (`if weight_decay:`),
the answer becomes a guard: once it turns out otherwise, the function is traced anew. Read `traced.py` next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..backend import LaterNumber, host
from ..errors import TraceError
from .expression import Expression

__all__ = ["Number"]


class Number(LaterNumber):
    """A number that Python works out at each call; `value` is what it is while tracing."""

    __slots__ = ("again", "trace", "value")
    __array_ufunc__ = None  # NumPy leaves `array * number` to it

    def __init__(self, trace: Any, again: Expression) -> None:
        self.trace, self.again, self.value = trace, again, again()

    def __repr__(self) -> str:
        return f"Number({self.value})"

    def __bool__(self) -> bool:
        return self.trace.guard(Expression(f"bool({self.again.text})", self.again.scope))

    def __neg__(self) -> Number:
        return Number(self.trace, Expression(f"(-{self.again.text})", self.again.scope))

    def _refuse(self) -> Any:
        raise TraceError(
            f"a number that changes from step to step (now {self.value}) was turned into a plain one inside a compiled "
            "function, where it would be frozen: calculate with + - * / ** instead."
        )

    __float__ = __int__ = __index__ = _refuse
    __hash__ = None  # type: ignore[assignment]


def _part(x: Any) -> Expression | None:
    if isinstance(x, Number):
        return x.again
    if isinstance(x, host.generic):
        x = x.item()  # the repr of NumPy's own is no expression
    return Expression(repr(x), {}) if isinstance(x, (bool, int, float)) else None


def _joined(mine: Expression, symbol: str, others: Expression, turned: bool) -> Expression:
    first, second = (others, mine) if turned else (mine, others)
    return Expression(f"({first.text} {symbol} {second.text})", {**mine.scope, **others.scope})


def _arithmetic(symbol: str, turned: bool) -> Callable[[Number, Any], Any]:
    def method(self: Number, other: Any) -> Any:
        others = _part(other)
        if others is None:
            return NotImplemented
        return Number(self.trace, _joined(self.again, symbol, others, turned))

    return method


def _comparison(symbol: str) -> Callable[[Number, Any], Any]:
    def method(self: Number, other: Any) -> Any:
        others = _part(other)
        if others is None:
            return NotImplemented
        return self.trace.guard(_joined(self.again, symbol, others, turned=False))

    return method


for _name, _symbol in (("add", "+"), ("sub", "-"), ("mul", "*"), ("truediv", "/"), ("pow", "**")):
    setattr(Number, f"__{_name}__", _arithmetic(_symbol, turned=False))
    setattr(Number, f"__r{_name}__", _arithmetic(_symbol, turned=True))
for _name, _symbol in (("eq", "=="), ("ne", "!="), ("lt", "<"), ("le", "<="), ("gt", ">"), ("ge", ">=")):
    setattr(Number, f"__{_name}__", _comparison(_symbol))
