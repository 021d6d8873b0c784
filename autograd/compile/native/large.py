"""Large: primitives of several steps, whose large arrays are loops in C in eager code.

One idea: a forward or a rule that takes NumPy several passes over memory is one pass in C, and follows from itself: on
a large array of the host it is traced and compiled, on everything else, Tensors and traces too, it runs as it is
written. Read `images.py` next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ...backend import Array, host
from ...ops.choice import clip, maximum, minimum, where
from ...ops.discrete import sign
from ...ops.elementwise import abs, hypot
from ...ops.gamma import digamma, lgamma
from ...ops.special import erf
from ...ops.stable import log_softmax, logaddexp, sigmoid, softmax, softplus
from ...primitive import Primitive
from .any_length import LARGE
from .eager import SHORT_ROW, Loop

__all__ = ["in_loops", "rows_in_loops", "rules_in_loops"]

Looped = Callable[[tuple[Any, ...], dict[str, Any]], Any]  # of the inputs and the options: an array, or None

_LARGE_ROWS = 1 << 11  # elements from which on C gains where NumPy takes ten passes
_MOST = 16  # sets of ints in the text of loops
_LARGEST = 1 << 53  # int up to which floats hold each


def in_loops(*primitives: Primitive[Any], least: int = LARGE) -> None:
    """Let primitives do arrays of `least` elements or more in C: all inputs are arrays of one shape, or numbers."""
    for primitive in primitives:
        _quicken(primitive, _looped(primitive, least))
        rules_in_loops(primitive, least=least)


def rules_in_loops(*primitives: Primitive[Any], least: int = LARGE) -> None:
    """The same for primitives of which NumPy does the forward in one pass, and as fast."""
    for primitive in primitives:
        primitive.replace_rules(lambda rule: replace(rule, function=_rule_in_loop(rule.function, least)))


def rows_in_loops(*primitives: Primitive[Any]) -> None:
    """Let primitives of one array and an option `axis` do large arrays in C where that is the last one."""
    for primitive in primitives:
        _quicken(primitive, _looped_rows(primitive))
        primitive.replace_rules(lambda rule: replace(rule, function=_rule_of_rows(rule.function)))


def _quicken(primitive: Primitive[Any], of_arrays: Looped) -> None:
    forward = primitive.forward

    def forward_or_loop(xp: Any, *given: Any, **options: Any) -> Any:
        made = of_arrays(given, options)
        return forward(xp, *given, **options) if made is None else made

    primitive.forward = forward_or_loop


def _rule_in_loop(rule: Callable[..., Any], least: int) -> Callable[..., Any]:
    of_arrays = _looped(rule, least)

    def rule_or_loop(*given: Any) -> Any:
        made = of_arrays(given, {})
        return rule(*given) if made is None else made

    return rule_or_loop


def _rule_of_rows(rule: Callable[..., Any]) -> Callable[..., Any]:
    # The axis is the last thing that the rule of a function of rows asks for.
    of_arrays = _looped_rows(lambda *given, axis: rule(*given, axis))

    def rule_or_loop(*given: Any) -> Any:
        made = of_arrays(given[:-1], {"axis": given[-1]})
        return rule(*given) if made is None else made

    return rule_or_loop


def _looped_rows(function: Callable[..., Any]) -> Looped:
    """The function of arrays of one shape and an axis, where that is the last one; it gives None for all else."""
    loop = Loop(lambda *tensors: function(*tensors, axis=-1), by_rows=True, least=_LARGE_ROWS)

    def of_arrays(given: tuple[Any, ...], options: dict[str, Any]) -> Array | None:
        first = given[0]
        if type(first) is not host.ndarray or first.size < _LARGE_ROWS:
            return None
        shape, axis = first.shape, options.get("axis", -1)
        if len(shape) < 2 or type(axis) is not int or axis not in (-1, len(shape) - 1) or shape[-1] < SHORT_ROW:
            return None
        for x in given:
            if type(x) is not host.ndarray or x.shape != shape:
                return None
        if len(shape) == 2:
            made = loop(*given)
            return None if made is None else made[0]
        made = loop(*[x.reshape(-1, shape[-1]) for x in given])
        return None if made is None else made[0].reshape(shape)

    return of_arrays


def _looped(function: Callable[..., Any], least: int) -> Looped:
    """The function of large arrays and numbers, given with its options; it gives None for all else."""
    loops: dict[tuple[Any, ...], Loop] = {}  # by what stands at each place, see `_filled`

    def of_arrays(given: tuple[Any, ...], options: dict[str, Any]) -> Array | None:
        first = given[0]
        if type(first) is not host.ndarray or first.size < least:
            return None
        shape, arrays, numbers, places = first.shape, [], {}, []
        of_bools = first.dtype.char == "?"
        for i, x in enumerate(given):
            kind = type(x)
            if kind is host.ndarray:
                if x.shape != shape:
                    return None
                arrays.append(x)
                places.append(_ARRAY)
            elif of_bools and kind is int:
                places.append(x)
            elif kind is float or x is None or (kind is int and abs(x) <= _LARGEST):
                numbers[f"given{i}"] = x
                places.append(_NUMBER)
            else:
                return None
        at = tuple(places)
        loop = loops.get(at)
        if loop is None:
            if len(loops) == _MOST:
                return None
            loop = loops[at] = Loop(_filled(function, at), least=least)
        made = loop(*arrays, **options, **numbers)
        return None if made is None else made[0]

    return of_arrays


def _filled(function: Callable[..., Any], places: tuple[Any, ...]) -> Callable[..., Any]:
    """The function of the arrays among what it is given; the numbers are options, named by their place.

    An int among bools, whose result is ints, stands in the text of the loop: numbers that change are floats in C.
    """

    def filled(*tensors: Any, **options: Any) -> Any:
        left = iter(tensors)
        given = [
            next(left) if x is _ARRAY else options.pop(f"given{i}") if x is _NUMBER else x for i, x in enumerate(places)
        ]
        return function(*given, **options)

    return filled


_ARRAY, _NUMBER = "array", "number"

in_loops(clip, digamma, erf, hypot, lgamma, logaddexp, maximum, minimum, sigmoid, sign, softplus, where)
rules_in_loops(abs)
rows_in_loops(softmax, log_softmax)
