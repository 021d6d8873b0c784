"""The dtypes and constants of the Array API, by its names, and the questions that it asks of dtypes.

One idea: a dtype here is NumPy's own, so everything that NumPy and CuPy take is taken, and nothing is translated.
Read `writes.py` next.
"""

from __future__ import annotations

from typing import Any

from .backend import host, is_floating, is_number, limits_of
from .cuda import device_count

__all__ = [
    "__array_api_version__",
    "__array_namespace_info__",
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

__array_api_version__ = "2024.12"


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
    return limits_of(_plain(type))


def iinfo(type: Any, /) -> Any:
    """The limits of an integer dtype: bits, max, min."""
    return host.iinfo(_plain(type))


def isdtype(dtype: Any, kind: Any) -> Any:
    """Whether a dtype is of a kind: "bool", "signed integer", "real floating", "numeric", ..., or another dtype."""
    dtype, kinds = host.dtype(dtype), kind if isinstance(kind, tuple) else (kind,)
    if dtype.kind == "V" and is_floating(dtype):  # bfloat16, which NumPy does not know
        return any(host.isdtype(float16, of) if isinstance(of, str) else dtype == host.dtype(of) for of in kinds)
    return host.isdtype(dtype, kind)


def result_type(*arrays_and_dtypes: Any) -> Any:
    """The dtype that an operation on these would give; Python numbers yield to arrays.

    Raises TypeError where there is none, as for float16 beside bfloat16.
    """
    given = [_plain(x) for x in arrays_and_dtypes]
    try:
        return host.result_type(*given)
    except TypeError as error:
        if "could not be promoted by" not in str(error):
            raise
        names = " and ".join(dict.fromkeys(str(x) for x in given if not is_number(x)))
        raise TypeError(f"{names} have no dtype in common; use astype.") from error


# What the namespace says of itself


class _Info:
    """The answers of `__array_namespace_info__()`."""

    def capabilities(self) -> dict[str, Any]:
        """What goes here that the standard leaves open; no compiled function takes either of the first two."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> str:
        """Where Tensors are made."""
        return "cpu"

    def default_dtypes(self, *, device: str | None = None) -> dict[str, Any]:
        """What Python's numbers become."""
        floats = {"real floating": float32, "complex floating": complex128}
        return {**floats, "integral": int64, "indexing": int64}

    def dtypes(self, *, device: str | None = None, kind: Any = None) -> dict[str, Any]:
        """The dtypes of a kind, or all, by name."""
        names = [name for name in __all__ if isinstance(globals()[name], host.dtype) and name != "float16"]
        return {name: globals()[name] for name in names if kind is None or isdtype(globals()[name], kind)}

    def devices(self) -> list[str]:
        """The devices that are there."""
        return ["cpu", *(f"cuda:{i}" for i in range(device_count()))]


def __array_namespace_info__() -> _Info:
    """What this namespace can do, by the Array API's questions: dtypes, devices, defaults."""
    return _Info()
