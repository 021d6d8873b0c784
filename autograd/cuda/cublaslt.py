"""cuBLASLt as it is: NVIDIA's library of matrix products, its functions, its numbers, and its refusals in words.

One idea: the library is found by its path and spoken to through `ctypes` with integer pointers, so CuPy, which has no
binding of it and refuses its own cuBLAS while a CUDA graph is recorded, is never asked. Nothing here knows what a
matrix product is. Read `blas.py` next.

Source: NVIDIA, cuBLAS documentation, section "Using the cuBLASLt API", and its header `cublasLt.h`.
"""

from __future__ import annotations

import ctypes
import sys
import weakref
from enum import IntEnum
from functools import cache
from typing import Any

from ..errors import DeviceError

__all__ = ["FUNCTIONS", "NOT_SUPPORTED", "BlasError", "UnsupportedProduct", "check", "cuda_number"]
__all__ += ["Description", "Heuristic", "Layout", "Library", "Opaque", "Preference", "library"]


class BlasError(DeviceError):
    """cuBLASLt could not do what it was asked to."""


class UnsupportedProduct(BlasError):
    """A product or an epilogue that cuBLASLt has no algorithm for: do it in separate steps."""


# The numbers of the header


class Description(IntEnum):
    """Attributes of a product (cublasLtMatmulDescAttributes_t)."""

    TRANSPOSE_A = 3
    TRANSPOSE_B = 4
    EPILOGUE = 7
    BIAS_POINTER = 8
    AUX_POINTER = 11
    AUX_LEADING_DIMENSION = 12
    AUX_BATCH_STRIDE = 13


class Layout(IntEnum):
    """Attributes of a matrix in memory (cublasLtMatrixLayoutAttribute_t)."""

    TYPE = 0
    ROWS = 2
    COLUMNS = 3
    LEADING_DIMENSION = 4
    BATCH_COUNT = 5
    BATCH_STRIDE = 6


class Preference(IntEnum):
    """What an algorithm may use (cublasLtMatmulPreferenceAttributes_t)."""

    WORKSPACE_BYTES = 1
    REDUCTIONS = 3
    ALIGNMENT_A = 5
    ALIGNMENT_B = 6
    ALIGNMENT_C = 7
    ALIGNMENT_D = 8


class Heuristic(ctypes.Structure):
    """An algorithm, and what it needs (cublasLtMatmulHeuristicResult_t)."""

    _fields_ = (
        ("algorithm", ctypes.c_uint64 * 8),
        ("workspace_bytes", ctypes.c_size_t),
        ("state", ctypes.c_int),
        ("waves", ctypes.c_float),
        ("reserved", ctypes.c_int * 4),
    )


# The functions of the header

_pointer, _integer, _size = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t
_attribute = (_pointer, _integer, _pointer, _size)  # of what, which one, the value, its bytes

# Each gives a status, and takes these. A product is (handle, description, alpha, a, its layout, b, its layout, beta,
# c, its layout, d, its layout, algorithm, workspace, its bytes, stream).
FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "cublasLtCreate": (_pointer,),
    "cublasLtMatmulDescCreate": (_pointer, _integer, _integer),
    "cublasLtMatmulDescDestroy": (_pointer,),
    "cublasLtMatmulDescSetAttribute": _attribute,
    "cublasLtMatrixLayoutCreate": (_pointer, _integer, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_int64),
    "cublasLtMatrixLayoutDestroy": (_pointer,),
    "cublasLtMatrixLayoutSetAttribute": _attribute,
    "cublasLtMatmulPreferenceCreate": (_pointer,),
    "cublasLtMatmulPreferenceDestroy": (_pointer,),
    "cublasLtMatmulPreferenceSetAttribute": _attribute,
    "cublasLtMatmulAlgoGetHeuristic": (*(_pointer,) * 7, _integer, _pointer, _pointer),
    "cublasLtMatmul": (*(_pointer,) * 14, _size, _pointer),
}

_STATUS = {
    1: "it could not start on this device: is the driver new enough for it, and the GPU there and free?",
    3: "it could not get memory: release some, autograd.cuda.empty_cache() gives back what lies unused",
    7: "it refuses an argument: a leading dimension, an alignment, or a workspace that is too small",
    8: "this GPU lacks what the dtype needs: bfloat16 needs compute capability 8.0 or later",
    11: "it could not reach the memory of the GPU",
    13: "the GPU failed to run it: a kernel before it may have failed, look with CUDA_LAUNCH_BLOCKING=1",
    14: "an operation inside it failed: make plans before the recording of a CUDA graph begins",
    15: "it has no algorithm for this",
    16: "the license was refused",
}
NOT_SUPPORTED = 15


class Library:
    """The library's functions, by their names in the header. Raises OSError where the file is no such library."""

    def __init__(self, path: str) -> None:
        self.path = path
        loaded = ctypes.CDLL(path)
        for name, takes in FUNCTIONS.items():
            function = getattr(loaded, name)
            function.argtypes, function.restype = takes, ctypes.c_int
            setattr(self, name, function)
        loaded.cublasLtGetVersion.restype = ctypes.c_size_t
        number = loaded.cublasLtGetVersion()
        self.version = f"{number // 10_000}.{number // 100 % 100}.{number % 100}"

    def __repr__(self) -> str:
        return f"<cuBLASLt {self.version} at {self.path}>"


@cache
def library() -> Library:
    """The cuBLASLt that CuPy uses, from NVIDIA's wheels, a Conda environment or the system, in this order.

    Raises DeviceError where there is none.
    """
    try:
        from cuda.pathfinder import load_nvidia_dynamic_lib

        found = load_nvidia_dynamic_lib("cublasLt").abs_path
        if found is None:
            raise RuntimeError("it has no path")
        return Library(found)
    except (ImportError, RuntimeError, OSError) as error:
        raise DeviceError(
            f'matrix products on "cuda" need cuBLASLt, which was not found ({_first_line(error)}): '
            f'pip install "cupy-cuda{cuda_number()}x[ctk]" brings it.'
        ) from error


def cuda_number() -> int:
    """Of which CUDA wheels must be: that which CuPy was made for, since a second CuPy would spoil the first; or 13."""
    cupy = sys.modules.get("cupy")
    return 13 if cupy is None else int(cupy.cuda.runtime.runtimeGetVersion()) // 1000


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0].rstrip(".:")


class Opaque:
    """A description that the library keeps in its own memory, for as long as this object lives."""

    def __init__(self, lt: Any, kind: str, *arguments: int) -> None:
        self.kind, self.address = kind, ctypes.c_void_p()
        check(getattr(lt, f"cublasLt{kind}Create")(ctypes.byref(self.address), *arguments), f"making a {kind}")
        self._set = getattr(lt, f"cublasLt{kind}SetAttribute")
        # It is memory of the host: to give it back asks nothing of the GPU.
        weakref.finalize(self, getattr(lt, f"cublasLt{kind}Destroy"), self.address).atexit = False

    def set(self, attribute: int, value: Any) -> None:
        """Set an attribute to a number of ctypes."""
        status = self._set(self.address, attribute, ctypes.byref(value), ctypes.sizeof(value))
        if status:
            check(status, f"setting {attribute!r} of a {self.kind} to {value.value}")


def check(status: int, what: object) -> None:
    """Nothing where the status is 0; else raise UnsupportedProduct or BlasError that says why, of `what`."""
    if status == NOT_SUPPORTED:
        raise UnsupportedProduct(f"cuBLASLt, {what}: {_STATUS[status]}; do it in separate steps.")
    if status:
        raise BlasError(f"cuBLASLt, {what}: {_STATUS.get(status, 'it failed')} (status {status}).")
