"""The dtypes and constants of the Array API, by its names, and the questions that it asks of dtypes.

One idea: a dtype here is NumPy's own, so everything that NumPy and CuPy take is taken, and nothing is translated.
Read `writes.py` next.
"""

from __future__ import annotations

from typing import Any

from .backend import host, is_number

__all__ = [
    "bool",
    "can_cast",
    "complex64",
    "complex128",
    "e",
    "finfo",
    "float16",
    "float32",
    "float64",
    "iinfo",
    "inf",
    "int8",
    "int16",
    "int32",
    "int64",
    "isdtype",
    "nan",
    "newaxis",
    "pi",
    "result_type",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
]

bool = host.dtype("bool")
int8, int16, int32, int64 = map(host.dtype, ("int8", "int16", "int32", "int64"))
uint8, uint16, uint32, uint64 = map(host.dtype, ("uint8", "uint16", "uint32", "uint64"))
float16, float32, float64 = map(host.dtype, ("float16", "float32", "float64"))
complex64, complex128 = map(host.dtype, ("complex64", "complex128"))

e: float = host.e
inf: float = host.inf
nan: float = host.nan
pi: float = host.pi
newaxis = None


def _plain(x: Any) -> Any:
    """A dtype or a Python number as it is, the dtype of a Tensor or an array."""
    if is_number(x) or not hasattr(x, "dtype"):
        return x
    return x.dtype


def can_cast(from_: Any, to: Any, /) -> Any:
    """Whether every value of one dtype (or Tensor's dtype) is a value of another."""
    return host.can_cast(_plain(from_), to)


def finfo(type: Any, /) -> Any:
    """The limits of a floating point dtype: bits, eps, max, min, smallest_normal."""
    return host.finfo(_plain(type))


def iinfo(type: Any, /) -> Any:
    """The limits of an integer dtype: bits, max, min."""
    return host.iinfo(_plain(type))


def isdtype(dtype: Any, kind: Any) -> Any:
    """Whether a dtype is of a kind: "bool", "signed integer", "real floating", "numeric", ..., or another dtype."""
    return host.isdtype(host.dtype(dtype), kind)


def result_type(*arrays_and_dtypes: Any) -> Any:
    """The dtype that an operation on these would give; Python numbers yield to arrays."""
    return host.result_type(*map(_plain, arrays_and_dtypes))
