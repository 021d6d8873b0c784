"""Addresses: where the numbers of a NumPy array begin, for C.

One idea: NumPy's own answer, `__array_interface__`, is a dictionary made anew each time, and takes longer than a loop
over a small array. What every compiled extension module reads instead is the first field behind the header of a Python
object, whose place is part of NumPy's binary interface; so do we. Read `any_length.py` next.

Source: NumPy, C API, PyArrayObject_fields.
"""

from __future__ import annotations

import ctypes
from typing import Any

from ...backend import Array, host

__all__ = ["FIRST_FIELD", "data_address", "pointers"]

FIRST_FIELD = object.__basicsize__  # bytes from where CPython has an object to where an array has the address


def data_address(array: Array) -> int:
    """Where the first number of a NumPy array lies in memory."""
    assert isinstance(array, host.ndarray)  # anything else has something else there
    found: int = ctypes.c_void_p.from_address(id(array) + FIRST_FIELD).value or 0
    return found


def pointers(*given: Array) -> Any:
    """Where arrays, or numbers of ctypes, begin, as C takes several: `char **`."""
    addresses = [ctypes.addressof(x) if isinstance(x, ctypes.Array) else data_address(x) for x in given]
    return (ctypes.c_void_p * len(given))(*addresses)
