"""Spare: gradients that a call replaces and nobody else holds, so that it may write the new ones over them.

One idea: the old gradients live until the new ones are there, though hardly anybody wants both; Python counts who holds
an object, so a count that is as low as it can be says that nobody would see the difference. Read `steps.py` next.
"""

# Note [Who holds a gradient]
# `.grad` of a Tensor holds the gradient, which is a Tensor, and that holds its array: each has one holder where nobody
# else has any. A view, a memoryview, another framework's Tensor and a recorded operation hold the array too. How high
# the counts are with one holder is asked of Python itself, since that differs between its versions.

from __future__ import annotations

from sys import getrefcount
from typing import Any

from ..backend import host
from ..tensor import Tensor, wrap
from .watch import data_of, grad_of, set_grad

__all__ = ["lone_array", "spare_array"]


def spare_array(tensor: Tensor) -> Any:
    """The array of a Tensor's gradient where nobody else holds it and one can write to it; else None."""
    if grad_of(tensor) is None or _holders(tensor) != _ALONE:
        return None
    array = data_of(grad_of(tensor))
    return array if array.base is None and array.flags.behaved else None


def lone_array(tensor: Tensor) -> Any:
    """The array of a Tensor's gradient where nobody else holds the gradient, whoever holds the array; else None."""
    if grad_of(tensor) is None or getrefcount(grad_of(tensor)) != _ALONE[0]:
        return None
    return data_of(grad_of(tensor))


def _holders(tensor: Tensor) -> tuple[int, int]:
    """How often the gradient is held, and its array."""
    return getrefcount(grad_of(tensor)), getrefcount(data_of(grad_of(tensor)))


def _alone() -> tuple[int, int]:
    """The same for a gradient that nobody else holds."""
    tensor = wrap(host.zeros(1))
    set_grad(tensor, wrap(host.zeros(1)))
    return _holders(tensor)


_ALONE = _alone()
