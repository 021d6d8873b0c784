"""The operators of Tensor, and what Python asks of it, a line each; and how they and the methods come to be on Tensor.

One idea: `Surface` is written as the class that Tensor would inherit from, so editors and type checkers see real
methods; at run time they are put onto Tensor here, so that `tensor.py` stays free of mathematics.
Read `functional.py` next; `methods.py`, `changing.py`, `asking.py` and `linalg.py` stand beside this one.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from . import asking, changing
from .hints import OPTIONS, Elsewhere, telling
from .methods import Methods
from .ops import discrete, elementwise, index, linalg
from .tensor import Operand, Tensor
from .words import METHODS, MORE_ARRAYS

__all__ = ["Surface"]


class Surface(Methods):
    """What can be done with a Tensor."""

    __slots__ = ()

    # Arithmetic

    def __add__(self, other: Operand) -> Tensor:
        return elementwise.add(self, other)

    def __radd__(self, other: Operand) -> Tensor:
        return elementwise.add(other, self)

    def __iadd__(self, other: Operand) -> Tensor:
        return changing.change(self, elementwise.add, other)

    def __sub__(self, other: Operand) -> Tensor:
        return elementwise.subtract(self, other)

    def __rsub__(self, other: Operand) -> Tensor:
        return elementwise.subtract(other, self)

    def __isub__(self, other: Operand) -> Tensor:
        return changing.change(self, elementwise.subtract, other)

    def __mul__(self, other: Operand) -> Tensor:
        return elementwise.multiply(self, other)

    def __rmul__(self, other: Operand) -> Tensor:
        return elementwise.multiply(other, self)

    def __imul__(self, other: Operand) -> Tensor:
        return changing.change(self, elementwise.multiply, other)

    def __truediv__(self, other: Operand) -> Tensor:
        return elementwise.divide(self, other)

    def __rtruediv__(self, other: Operand) -> Tensor:
        return elementwise.divide(other, self)

    def __itruediv__(self, other: Operand) -> Tensor:
        return changing.change(self, elementwise.divide, other)

    def __floordiv__(self, other: Operand) -> Tensor:
        return discrete.floor_divide(self, other)

    def __rfloordiv__(self, other: Operand) -> Tensor:
        return discrete.floor_divide(other, self)

    def __ifloordiv__(self, other: Operand) -> Tensor:
        return changing.write(self, discrete.floor_divide(self, other))

    def __mod__(self, other: Operand) -> Tensor:
        return elementwise.remainder(self, other)

    def __rmod__(self, other: Operand) -> Tensor:
        return elementwise.remainder(other, self)

    def __imod__(self, other: Operand) -> Tensor:
        return changing.write(self, elementwise.remainder(self, other))

    def __pow__(self, other: Operand) -> Tensor:
        return elementwise.pow(self, other)

    def __rpow__(self, other: Operand) -> Tensor:
        return elementwise.pow(other, self)

    def __ipow__(self, other: Operand) -> Tensor:
        return changing.write(self, elementwise.pow(self, other))

    def __matmul__(self, other: Operand) -> Tensor:
        return linalg.matmul(self, other)

    def __rmatmul__(self, other: Operand) -> Tensor:
        return linalg.matmul(other, self)

    def __imatmul__(self, other: Operand) -> Tensor:
        return changing.write(self, linalg.matmul(self, other))

    def __neg__(self) -> Tensor:
        return elementwise.negative(self)

    def __pos__(self) -> Tensor:
        return elementwise.positive(self)

    def __abs__(self) -> Tensor:
        return elementwise.abs(self)

    def __invert__(self) -> Tensor:
        return discrete.bitwise_invert(self)

    def __and__(self, other: Operand) -> Tensor:
        return discrete.bitwise_and(self, other)

    def __rand__(self, other: Operand) -> Tensor:
        return discrete.bitwise_and(other, self)

    def __iand__(self, other: Operand) -> Tensor:
        return changing.write(self, discrete.bitwise_and(self, other))

    def __or__(self, other: Operand) -> Tensor:
        return discrete.bitwise_or(self, other)

    def __ror__(self, other: Operand) -> Tensor:
        return discrete.bitwise_or(other, self)

    def __ior__(self, other: Operand) -> Tensor:
        return changing.write(self, discrete.bitwise_or(self, other))

    def __xor__(self, other: Operand) -> Tensor:
        return discrete.bitwise_xor(self, other)

    def __rxor__(self, other: Operand) -> Tensor:
        return discrete.bitwise_xor(other, self)

    def __ixor__(self, other: Operand) -> Tensor:
        return changing.write(self, discrete.bitwise_xor(self, other))

    def __lshift__(self, other: Operand) -> Tensor:
        return discrete.bitwise_left_shift(self, other)

    def __rlshift__(self, other: Operand) -> Tensor:
        return discrete.bitwise_left_shift(other, self)

    def __ilshift__(self, other: Operand) -> Tensor:
        return changing.write(self, discrete.bitwise_left_shift(self, other))

    def __rshift__(self, other: Operand) -> Tensor:
        return discrete.bitwise_right_shift(self, other)

    def __rrshift__(self, other: Operand) -> Tensor:
        return discrete.bitwise_right_shift(other, self)

    def __irshift__(self, other: Operand) -> Tensor:
        return changing.write(self, discrete.bitwise_right_shift(self, other))

    # Comparison, element by element

    def __eq__(self, other: Operand) -> Tensor:  # type: ignore[override]
        return discrete.equal(self, other)

    def __ne__(self, other: Operand) -> Tensor:  # type: ignore[override]
        return discrete.not_equal(self, other)

    def __lt__(self, other: Operand) -> Tensor:
        return discrete.less(self, other)

    def __le__(self, other: Operand) -> Tensor:
        return discrete.less_equal(self, other)

    def __gt__(self, other: Operand) -> Tensor:
        return discrete.greater(self, other)

    def __ge__(self, other: Operand) -> Tensor:
        return discrete.greater_equal(self, other)

    # Python's own questions; each waits for a GPU

    def __bool__(self: Any) -> bool:
        """Raises ValueError for more than one element, as NumPy does."""
        return asking.one(self, bool)

    def __int__(self: Any) -> int:
        return asking.one(self, int)

    def __float__(self: Any) -> float:
        return asking.one(self, float)

    def __round__(self: Any, digits: int | None = None) -> Any:
        """Rounded as a Python number, to be shown; x.round() rounds each element."""
        return round(asking.one(self, int if self.dtype.kind in "iu" else float), digits)

    def __index__(self: Any) -> int:
        return asking.as_index(self)

    def __len__(self: Any) -> int:
        return asking.length(self)

    def __iter__(self: Any) -> Iterator[Tensor]:
        return (self[i] for i in range(asking.length(self)))

    def __contains__(self: Any, x: Operand) -> bool:
        return bool((self == x).data.any())

    def __format__(self: Any, spec: str) -> str:
        """A single number as a Python number is formatted, f"{loss:.3f}"; without a format as `str`."""
        return asking.formatted(self, spec)

    def __dir__(self) -> list[str]:
        """The names that lead somewhere; see Note [Other libraries' words] in `hints.py`."""
        return [name for name in object.__dir__(self) if name not in METHODS]

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        """The module that speaks the Array API for Tensors."""
        return asking.namespace(api_version)

    def _repr_html_(self: Any) -> str:
        """What a notebook shows: the values when they are few, and the graph behind them."""
        from .drawing import as_html  # only a notebook asks for this

        return as_html(self)

    # Parts

    def __getitem__(self, key: Any) -> Tensor:
        return index.subscript(self, key)

    def __setitem__(self: Any, key: Any, value: Operand) -> None:
        changing.assign(self, key, value)


def _method(name: str, member: Any) -> Any:
    """A member of Surface as one of Tensor; a method with options that others call otherwise tells their names."""
    if not inspect.isfunction(member):
        return member
    member.__qualname__ = f"Tensor.{name}"  # stands in Python's own errors
    parameters = inspect.signature(member).parameters.values()
    by_name = {p.name for p in parameters if p.kind is not p.VAR_POSITIONAL}
    last = any(p.kind is p.KEYWORD_ONLY for p in parameters)  # others may have it by place
    told = last or name in MORE_ARRAYS or not OPTIONS.isdisjoint(by_name)
    return telling(member) if told else member


for _part in (Methods, Surface):
    for _name, _member in vars(_part).items():
        if inspect.isfunction(_member) or isinstance(_member, property):
            setattr(Tensor, _name, _method(_name, _member))
for _name, _instead in METHODS.items():
    setattr(Tensor, _name, Elsewhere(_name, _instead))
