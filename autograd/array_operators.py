"""The operators of an array type of ours: `x + y` is `add(x, y)` of the module that x belongs to.

One idea: an array that stands for others (a trace's, or one that holds many examples) has all its functions in its
module, so its operators are one table of names. Read `batching/__init__.py` next, the first of two such types.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .backend import module_of

__all__ = ["give_operators"]

_BINARY = {
    **{"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "floordiv": "floor_divide"},
    **{"mod": "remainder", "pow": "power", "matmul": "matmul", "and": "bitwise_and", "or": "bitwise_or"},
    **{"xor": "bitwise_xor", "lshift": "left_shift", "rshift": "right_shift"},
}
_COMPARED = {"eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"}
_UNARY = {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}


def give_operators(kind: type, takes: Callable[[Any], bool]) -> None:
    """Give an array type the operators of NumPy's; `takes` says what may stand on the other side."""
    for name, ufunc in _BINARY.items():
        setattr(kind, f"__{name}__", _forward(ufunc, takes))
        setattr(kind, f"__r{name}__", _turned(ufunc, takes))
        setattr(kind, f"__i{name}__", _in_place(ufunc, takes))
    for name, ufunc in _COMPARED.items():
        setattr(kind, f"__{name}__", _forward(ufunc, takes))
    for name, ufunc in _UNARY.items():
        setattr(kind, f"__{name}__", _unary(ufunc))
    kind.__hash__ = object.__hash__  # type: ignore[assignment]  # `==` is for each element


def _forward(ufunc: str, takes: Callable[[Any], bool]) -> Any:
    return lambda x, y: getattr(module_of(x), ufunc)(x, y) if takes(y) else NotImplemented


def _turned(ufunc: str, takes: Callable[[Any], bool]) -> Any:
    return lambda x, y: getattr(module_of(x), ufunc)(y, x) if takes(y) else NotImplemented


def _in_place(ufunc: str, takes: Callable[[Any], bool]) -> Any:
    return lambda x, y: getattr(module_of(x), ufunc)(x, y, out=x) if takes(y) else NotImplemented


def _unary(ufunc: str) -> Any:
    return lambda x: getattr(module_of(x), ufunc)(x)
