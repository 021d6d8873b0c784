"""What functions over one axis of space and over two share: their arguments, and numbers for each axis.

One idea: PyTorch has a name for each number of axes; here one function stands behind them, with `axes` before the rest,
and the arguments that an editor and a type checker see are written there alone. Read `fused_conv.py` next.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Concatenate, ParamSpec

from autograd.backend import host
from autograd.tensor import Tensor

__all__ = ["Numbers", "arguments_of", "is_whole", "numbers", "numbers_of"]

Numbers = int | Sequence[int]

P = ParamSpec("P")

_WHOLE = (int, host.integer)


def arguments_of(
    function: Callable[Concatenate[int, P], Tensor],
) -> Callable[[Callable[..., Tensor]], Callable[P, Tensor]]:
    """Declare that a function takes what `function` takes after the number of axes."""
    whole = inspect.signature(function)
    after = whole.replace(parameters=list(whole.parameters.values())[1:])

    def declared(named: Any) -> Any:
        named.__signature__ = after
        return named

    return declared


def is_whole(n: Any, least: float) -> bool:
    """Whether this is a whole number, at least `least`; True and False are none."""
    return isinstance(n, _WHOLE) and type(n) is not bool and bool(n >= least)


def _several(given: Any) -> tuple[Any, ...]:
    """A single thing as one of several."""
    alone = isinstance(given, _WHOLE) or not isinstance(given, Iterable) or getattr(given, "ndim", 1) == 0
    return (given,) if alone else tuple(given)


def numbers(name: str, option: str, given: Numbers) -> tuple[int, ...]:
    """The lengths of a shape, of which a single number is one. Raises ValueError for what is no whole number from 0."""
    lengths = _several(given)
    if not all(is_whole(n, 0) for n in lengths):
        raise ValueError(f"{name} got {option}={given!r}: it must be a whole number, or several, at least 0.")
    return lengths


def numbers_of(name: str, option: str, given: Numbers, axes: int, least: int) -> tuple[int, ...]:
    """One number for each axis of space; a single number stands for all.

    Raises ValueError for another count, and for what is not a whole number of at least `least`.
    """
    numbers = _several(given)
    numbers = numbers * axes if len(numbers) == 1 else numbers
    if len(numbers) != axes or not all(is_whole(n, least) for n in numbers):
        each = "one whole number" if axes == 1 else f"one whole number, or one for each of {axes} axes"
        raise ValueError(f"{name} got {option}={given!r}: it must be {each}, at least {least}.")
    return numbers
