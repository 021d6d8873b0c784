"""The array of the guard backend: NumPy's memory, CuPy's rules for reading, writing and indexing it.

One idea: whatever makes the host wait for a real device goes through `get` here, and is counted. Functions, methods and
operators are added by `guard.py`: read that first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

SCALARS = (bool, int, float, complex, np.generic)
DTYPES = "?bhilqBHILQefdFD"  # no long double, no objects, no dates


@dataclass
class Counts:
    """How often the host has waited for the device, and how often something was copied there from the host."""

    synchronizations: int = 0
    transfers: int = 0


counts = Counts()


class GuardArray:
    """An array that can be used as CuPy's can. Made by `guard.asarray`, read by `.get()` or `guard.asnumpy`."""

    __slots__ = ("__weakref__", "_host", "base")

    _host: np.ndarray
    base: GuardArray | None  # the array whose memory this one is a view of

    __array_priority__ = 100
    __hash__ = None

    def __init__(self, host: np.ndarray, base: GuardArray | None = None) -> None:
        if host.dtype.char not in DTYPES and host.dtype.name != "bfloat16":
            raise ValueError(f"Unsupported dtype {host.dtype}")
        self._host, self.base = host, base

    # ---- what the host knows without asking the device ----

    shape = property(lambda self: self._host.shape)
    dtype = property(lambda self: self._host.dtype)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    strides = property(lambda self: self._host.strides)
    nbytes = property(lambda self: self._host.nbytes)
    itemsize = property(lambda self: self._host.itemsize)
    flags = property(lambda self: Flags(self))
    device = property(lambda self: Device())
    T = property(lambda self: wrap(self._host.T, self))
    mT = property(lambda self: wrap(np.swapaxes(self._host, -1, -2), self))
    real = property(lambda self: wrap(self._host.real, self))
    imag = property(lambda self: wrap(self._host.imag, self))

    def __len__(self) -> int:
        return len(self._host)

    # ---- what makes the host wait ----

    def get(self, stream: Any = None, order: str = "C", out: Any = None, blocking: bool = True) -> np.ndarray:
        counts.synchronizations += 1
        if out is None:
            return np.array(self._host, order=order)
        out[...] = self._host
        return out

    def item(self) -> Any:
        if self.size != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        return self.get().item()

    def tolist(self) -> Any:
        return self.get().tolist()

    def tobytes(self, order: str = "C") -> bytes:
        return self.get().tobytes(order)

    def __bool__(self) -> bool:
        return bool(self.get())

    def __int__(self) -> int:
        return int(self.get())

    def __float__(self) -> float:
        return float(self.get())

    def __complex__(self) -> complex:
        return complex(self.get())

    def __repr__(self) -> str:
        return repr(self.get())

    def __str__(self) -> str:
        return str(self.get())

    def __iter__(self) -> Any:
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        # CuPy does not wait here, but launches something for every row: that counts as slow too.
        counts.synchronizations += 1
        return (self[i] for i in range(len(self)))

    # ---- what CuPy refuses ----

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    # ---- copies and indexing ----

    def __copy__(self) -> GuardArray:
        return GuardArray(self._host.copy())

    def __deepcopy__(self, memo: Any) -> GuardArray:
        return GuardArray(self._host.copy())

    def __getitem__(self, index: Any) -> GuardArray:
        entries, advanced = index_of(self, index)
        found = self._host[entries]
        return GuardArray(found.copy()) if advanced else wrap(found, self)

    def __setitem__(self, index: Any, value: Any) -> None:
        entries, advanced = index_of(self, index)
        if isinstance(value, GuardArray):
            value = value._host
        elif not isinstance(value, SCALARS):
            if not advanced and np.ndim(value):
                raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
            counts.transfers += 1
            value = np.asarray(value)
        self._host[entries] = value
        if advanced and np.size(value) > 1:
            _poison_what_was_written_twice(self._host, entries)


def _poison_what_was_written_twice(host: np.ndarray, entries: Any) -> None:
    """Which of two values stays is undefined in CuPy."""
    places, times = np.unique(np.arange(host.size).reshape(host.shape)[entries], return_counts=True)
    host[np.unravel_index(places[times > 1], host.shape)] = poison(host.dtype)


def poison(dtype: np.dtype) -> Any:
    """A value of this dtype that no test expects."""
    return np.nan if dtype.kind not in "biu" else (np.iinfo(dtype).max if dtype.kind in "iu" else True)


class Device:
    """What `.device` gives; the guard has one."""

    id = 0

    def __repr__(self) -> str:
        return "<CUDA Device 0>"


class Flags:
    """The three flags that CuPy has: no `writeable` among them."""

    def __init__(self, array: GuardArray) -> None:
        self.c_contiguous = array._host.flags.c_contiguous
        self.f_contiguous = array._host.flags.f_contiguous
        self.owndata = array.base is None

    def __getitem__(self, name: str) -> bool:
        return bool({"C": self.c_contiguous, "F": self.f_contiguous, "O": self.owndata}[name[0]])


def index_of(array: GuardArray, index: Any) -> tuple[tuple[Any, ...], bool]:
    """The index for the host's array, and whether it is an advanced one, which copies."""
    entries: list[Any] = []
    advanced = False
    axis = 0
    index = index if isinstance(index, tuple) else (index,)
    taken = sum(_axes_taken(entry) for entry in index)
    for entry in index:
        if entry is None or isinstance(entry, slice):
            axis += entry is not None
        elif entry is Ellipsis:
            axis += array.ndim - taken
        elif isinstance(entry, SCALARS) and not isinstance(entry, (bool, np.bool_)):
            axis += 1
        else:
            advanced = True
            entry = index_array(entry)
            if entry.dtype == bool:
                counts.synchronizations += 1
                axis += entry.ndim
            else:
                size = array.shape[axis] if axis < array.ndim else 0
                entry = entry % size if size else entry
                axis += 1
        entries.append(entry)
    # With an ellipsis NumPy gives an array without axes where it would give a scalar.
    return (*entries, *([] if any(entry is Ellipsis for entry in index) else [Ellipsis])), advanced


def _axes_taken(entry: Any) -> int:
    if entry is None or entry is Ellipsis:
        return 0
    if isinstance(entry, (bool, np.bool_)):
        return 0
    is_mask = getattr(entry, "dtype", None) == np.dtype(bool)
    return int(entry.ndim) if is_mask else 1


def index_array(entry: Any) -> np.ndarray:
    """What indexes, as the host's array: lists and NumPy's arrays may, at the price of a copy to the device."""
    if isinstance(entry, GuardArray):
        return entry._host
    counts.transfers += 1
    array = np.asarray(entry)
    return array.astype(np.int32) if not array.size and isinstance(entry, (list, tuple)) else array


# ---- between the guard's arrays and NumPy's functions ----


def refuse(value: Any) -> None:
    """What CuPy says of an operand that is no array of its own."""
    raise TypeError(f"Unsupported type {type(value)}")


def host_of(value: Any) -> Any:
    """An argument as NumPy's namesake takes it: guards unpacked, NumPy arrays refused, at any depth."""
    if isinstance(value, GuardArray):
        return value._host
    if isinstance(value, np.ndarray):
        refuse(value)
    if isinstance(value, (list, tuple)):
        return type(value)(host_of(item) for item in value)
    return value


def guards_in(values: Any) -> list[GuardArray]:
    """The guards among these values, also inside lists and tuples."""
    found = []
    for value in values:
        if isinstance(value, GuardArray):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found += guards_in(value)
    return found


def _root(host: Any) -> Any:
    while getattr(host, "base", None) is not None:
        host = host.base
    return host


def wrap(result: Any, *sources: GuardArray) -> Any:
    """NumPy's result as CuPy gives it: scalars as arrays, views with the array that they are views of as base."""
    if isinstance(result, np.ndarray):
        root = _root(result)
        for source in sources:
            if result is source._host:
                return source
        for source in sources:
            if root is _root(source._host):
                return GuardArray(result, source if source.base is None else source.base)
        return GuardArray(result)
    if isinstance(result, np.generic):
        return GuardArray(np.asarray(result))
    if isinstance(result, (list, tuple)):
        items = [wrap(item, *sources) for item in result]
        return type(result)(*items) if hasattr(result, "_fields") else type(result)(items)
    return result
