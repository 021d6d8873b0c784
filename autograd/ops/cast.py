"""Change of dtype and of device: linear, each its own adjoint with the direction turned round."""

from __future__ import annotations

from typing import Any

from ..backend import Array, Module
from ..backend import move as moved
from ..primitive import primitive
from ..tensor import Operand

__all__ = ["astype", "move"]


@primitive
def astype(xp: Module, x: Operand, *, dtype: Any) -> Array:
    """x with elements of another dtype. The gradient comes back in the dtype of x."""
    return xp.asarray(x).astype(dtype, copy=False)


# The engine gives every gradient the dtype of what it belongs to, so there is nothing left to do.
astype.vjp(lambda g: g)


@primitive
def move(xp: Module, x: Operand, *, device: str, home: str) -> Array:
    """x, which is on `home`, on another device. The gradient travels back."""
    return moved(x, device)


move.vjp(lambda g, device, home: move(g, device=home, home=device))

