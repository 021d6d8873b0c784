"""Writes in place: which memory was overwritten, and when, so that a stale backward is refused.

One idea: rather than count versions on every array, each write is stamped with the clock that also numbers the nodes. A
node is stale when memory that it saved carries a stamp later than its own birth. Stamps belong to memory, not to a view
of it, so a write through any view is seen. Writes are rare: one for each flat buffer of an optimizer's step. In an
ordinary loop none comes between forward and backward, so the newest stamp is older than every node, and the check is
one comparison. Read `tensor.py` next; before it stand `wholes.py`, for writes into parts, and `array_operators.py`, for
arrays that stand for others.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from sys import getrefcount
from types import SimpleNamespace
from typing import Any, NamedTuple

from .backend import Array, host, is_array

__all__ = ["clock", "holds_alone", "mark_written", "newest", "owner_of", "owners", "written_after"]

clock = itertools.count(1).__next__  # numbers nodes and writes; atomic, so threads never get the same number


class _Extent(NamedTuple):
    """The span of addresses that a view reaches within its memory, and how it lies in there."""

    start: int
    stop: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    itemsize: int


class _Writes:
    """The writes to one memory: each with its time, and where; None for anywhere."""

    __slots__ = ("owner", "recent")

    def __init__(self, owner: Any) -> None:
        key = id(owner)
        self.owner = weakref.ref(owner, lambda _: _writes.pop(key, None))
        self.recent: list[tuple[int, _Extent | None]] = []


_lock = threading.Lock()
newest = 0  # the clock at the newest write in place that anybody reported
_writes: dict[int, _Writes] = {}  # by the id of the memory's owner
_KEPT = 8


def mark_written(array: Array) -> None:
    """Tell the engine that `array`, and so the memory behind this view, was just written in place."""
    global newest
    owner = owner_of(array)
    with _lock:
        writes = _writes.get(id(owner))
        if writes is None:
            writes = _writes[id(owner)] = _Writes(owner)
        newest = clock()
        if array.nbytes == owner.nbytes:
            writes.recent = [(newest, None)]  # no need to know the earlier ones
            return
        if len(writes.recent) >= _KEPT:
            # To forget which view was written only makes the check coarser: then all of the memory counts as written.
            writes.recent = [(writes.recent[-1][0], None)]
        writes.recent = [*writes.recent, (newest, _extent(array))]


def written_after(array: Array, birth: int) -> bool:
    """Whether memory of `array` was written in place after the clock showed `birth`."""
    writes = _writes.get(id(owner_of(array)))
    if writes is None:
        return False
    extent = _extent(array)
    return any(stamp > birth and _meet(written, extent) for stamp, written in writes.recent)


def owners(arrays: list[Array]) -> list[Array]:
    """The arrays that own the memory of these, where they make up all of it; else these themselves."""
    parts: dict[int, list[Array]] = {}
    for array in arrays:
        owner = owner_of(array)
        parts.setdefault(id(owner), [owner]).append(array)
    found = []
    for owner, *views in parts.values():
        found += [owner] if sum(view.nbytes for view in views) == owner.nbytes else views
    return found


def owner_of(array: Array) -> Any:
    """The array that owns the memory of this view."""
    while array.base is not None and is_array(array.base):
        array = array.base
    return array


_SMALL = 1 << 14  # bytes that are copied in the time that it takes to look


def holds_alone(view: Array) -> bool:
    """Whether nobody else holds the memory of this view: all of that memory, each number once, and no small one."""
    owner = view.base
    if not (type(view) is type(owner) is host.ndarray) or owner.nbytes < _SMALL:
        return False
    if owner.base is not None or owner.nbytes != view.nbytes:
        return False
    step = view.itemsize
    for own, length in sorted(zip(view.strides, view.shape, strict=True)):
        if length > 1 and own != step:
            return False
        step *= length
    del owner
    return _holders(view) == _ALONE and bool(view.flags.writeable)


def _holders(view: Array) -> int:
    """How often what a view is a view of is held."""
    return getrefcount(view.base)


_ALONE = _holders(host.zeros(2)[:])  # asked of Python itself, since it differs between its versions


def _extent(array: Array) -> _Extent | None:
    """The addresses that an array reaches; None where the device does not say, which counts as all of its memory."""
    if not isinstance(array, host.ndarray):
        return None
    start, stop = host.lib.array_utils.byte_bounds(array)
    return _Extent(start, stop, array.shape, array.strides, array.itemsize)


def _meet(a: _Extent | None, b: _Extent | None) -> bool:
    if a is None or b is None:
        return True
    return a.start < b.stop and b.start < a.stop and _share(a, b)


def _share(a: _Extent, b: _Extent) -> bool:
    """Whether two views whose spans overlap have an address in common, which two columns of a matrix have not."""
    try:
        return bool(host.shares_memory(_like(a), _like(b), max_work=10_000))
    except host.exceptions.TooHardError:
        return True


def _like(extent: _Extent) -> Any:
    """An array at the same addresses, to be asked for nothing else: nobody knows whether they are still in use."""
    first = extent.start - sum(min(0, s * (n - 1)) for n, s in zip(extent.shape, extent.strides, strict=True))
    about = {"version": 3, "data": (first, True), "typestr": f"|V{extent.itemsize}"}
    return host.asarray(
        SimpleNamespace(__array_interface__={**about, "shape": extent.shape, "strides": extent.strides})
    )
