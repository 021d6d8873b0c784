"""Parts: x[key], where every example has its own x, its own positions, or both.

One idea: integers and slices pass by the axis of examples. Where arrays of positions stand in the key, their axes are
moved to the front, next to the axis of examples, and there NumPy's rule is a simple one: what is picked comes first.
It goes then to the place where it belongs for one example. Read `rules.py` next.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..backend import Array, host, is_array
from ..errors import VmapError
from ..modes import is_tracing
from ..positions import read_at, written_at
from . import array as arrays

__all__ = ["add_at", "parts_of", "read", "write"]

_ALL = slice(None)


class _Located(NamedTuple):
    """A view of what is held, the key into it, and where the axes that are picked belong in the result."""

    view: Array
    key: tuple[Any, ...]
    picked: int  # how many axes the positions have together
    place: int  # the axis of the result where they begin
    ndim: int  # how many axes the result has


def parts_of(key: Any) -> tuple[Any, ...]:
    """The parts of a key, one or several; lists as arrays."""
    parts = key if isinstance(key, tuple) else (key,)
    return tuple(host.asarray(part) if isinstance(part, list) else part for part in parts)


def read(batch: Any, held: Array, key: Any) -> Array:
    """What x[key] is for all examples."""
    at = _located(batch, held, parts_of(key))
    return _moved(batch, read_at(at.view, at.key), at, 1, 1 + at.place)


def write(batch: Any, x: Any, key: Any, value: Any) -> None:
    """x[key] = value, for all examples."""
    at, value = _prepared(batch, x, key, value)
    at.view[at.key] = value
    written_at(at.view, at.key)


def add_at(batch: Any, function: Any, x: Any, key: Any, *values: Any) -> None:
    """ufunc.at(x, key, values), for all examples; `function` gives that of the module of an array."""
    given = [_prepared(batch, x, key, value) for value in values]
    view, key = given[0][0][:2]
    function(view).at(view, key, *(value for _, value in given))
    written_at(view, key)


def _prepared(batch: Any, x: Any, key: Any, value: Any) -> tuple[_Located, Any]:
    parts = parts_of(key)
    value = batch.rows(value)
    x.make_room(value, *(batch.rows(part) for part in parts if is_array(part)))
    at = _located(batch, x.held, parts)
    if is_array(value):
        shape = value.shape[1:]
        shape = shape[max(len(shape) - at.ndim, 0) :]  # axes of length 1 in front, which an assignment lets go
        value = value.reshape((value.shape[0], *(1,) * (at.ndim - len(shape)), *shape))
        value = _moved(batch, value, at, 1 + at.place, 1)
    return at, value


def _moved(batch: Any, array: Array, at: _Located, source: int, destination: int) -> Array:
    if not at.picked or source == destination:
        return array
    axes = [range(start, start + at.picked) for start in (source, destination)]
    return batch.module_among(array).moveaxis(array, *map(tuple, axes))


def _located(batch: Any, held: Array, key: tuple[Any, ...]) -> _Located:
    parts, together = _in_full(batch, key, held.ndim - 1)
    if not any(is_array(part) for part in parts):
        gone = sum(type(part) is not slice and part is not None for part in parts)
        return _Located(held, (_ALL, *parts), 0, 0, len(parts) - gone)
    basic: list[Any] = [_ALL]
    places, positions = [], []
    for part in parts:
        if part is None or isinstance(part, slice):
            basic.append(part)
        else:
            places.append(len(basic))
            flag = is_array(part) and part.dtype.kind == "b"  # a lone bool, an axis of its own
            basic.append(None if flag else _ALL)
            positions.append(host.arange(int(part)) if flag else part)
    view = held[tuple(basic)]
    view = batch.module_among(view).moveaxis(view, tuple(places), tuple(range(1, len(places) + 1)))
    picked = max(getattr(part, "ndim", 0) for part in positions)
    first: Any = _ALL
    if any(batch.has(part) for part in positions):
        count = view.shape[0]
        first = host.arange(count).reshape((count,) + (1,) * picked) if count > 1 else 0
        positions = [batch.lined(part, picked) if is_array(part) else part for part in positions]
    inner = arrays.deepest(*positions)
    view = view if inner is None else inner.joined(view)
    ndim = view.ndim - 1 - len(places) + picked
    return _Located(view, (first, *positions), picked, places[0] - 1 if together else 0, ndim)


def _in_full(batch: Any, key: tuple[Any, ...], ndim: int) -> tuple[list[Any], bool]:
    """A part for each axis, masks as positions; and whether no slice stands between those that pick."""
    named = sum(_axes_named(batch, part) for part in key)
    parts: list[Any] = []
    for part in key:
        if part is Ellipsis:
            parts += [_ALL] * (ndim - named)
        elif is_array(part) and part.dtype.kind == "b" and part.ndim:
            trace = is_tracing()
            if trace is not None and isinstance(part, host.ndarray):
                trace.hold(part)
                parts += host.nonzero(part)
            else:
                parts += batch.module_among(part).nonzero(part)
        else:
            parts.append(host.asarray(part) if type(part) is bool else part)
    if Ellipsis not in [part for part in key if not is_array(part)]:
        parts += [_ALL] * (ndim - named)
    picks = [i for i, part in enumerate(key) if not (part is None or part is Ellipsis or isinstance(part, slice))]
    return parts, picks == list(range(picks[0], picks[-1] + 1)) if picks else True


def _axes_named(batch: Any, part: Any) -> int:
    if part is None or part is Ellipsis or type(part) is bool:
        return 0
    if is_array(part) and part.dtype.kind == "b":
        if batch.has(part):
            raise VmapError(
                "inside vmap an array was indexed by bools that differ from example to example, so each would keep "
                "another number of elements: use where(mask, x, 0.0), or sum(x * mask)."
            )
        return int(part.ndim)
    return 1
