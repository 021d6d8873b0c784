"""The only file that imports NumPy: which module an array belongs to, and moves between devices.

One idea: everything else asks `module_of(array)` and speaks to the answer, so the same engine runs on every array
type that is registered here: NumPy's at once, CuPy's by `cuda/device.py` when the first "cuda" is named, a test's own.
Read `blocks.py` next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy

from .errors import DeviceError, GradientError

__all__ = [
    "Array",
    "Backend",
    "LaterNumber",
    "Module",
    "array_of",
    "arrays_in",
    "bfloat16",
    "device_of",
    "exchanged",
    "float32",
    "host",
    "is_array",
    "is_floating",
    "is_number",
    "limits_of",
    "module_of",
    "modules",
    "move",
    "numbers",
    "plain",
    "register_backend",
    "synchronize",
    "to_host",
]

Array = Any  # numpy.ndarray, cupy.ndarray, or a type registered by a test
Module = Any  # numpy, cupy, or the like


class LaterNumber:
    """A Python number that is worked out at each call of what was made of a function, see `compile/number.py`."""

    __slots__ = ()


host: Module = numpy  # the module of arrays on the CPU
numbers = (bool, int, float, complex, numpy.generic, LaterNumber)
float32 = numpy.dtype("float32")


@dataclass(frozen=True)
class Backend:
    """One kind of array: its module, and how its arrays come from the host and go back."""

    array_type: type
    module: Module  # None where each array has one of its own, as `array.module`
    device_of: Callable[[Array], str]  # an array -> "cpu", "cuda:0", ...
    from_host: Callable[[numpy.ndarray[Any, Any], str], Array]  # (host array, device) -> array
    to_host: Callable[[Array], numpy.ndarray[Any, Any]]
    synchronize: Callable[[], None]


_backends: dict[str, Backend] = {}  # by the first word of a device's name
modules: dict[type, Module] = {numpy.ndarray: numpy}  # by array type; the one lookup of the hot path
_backend_of: dict[type, Backend] = {}
_array_types: tuple[type, ...] = (numpy.ndarray,)


def register_backend(name: str, backend: Backend) -> None:
    """Make arrays of `backend.array_type` known under devices called `name` or `name:0`, `name:1`, ..."""
    global _array_types
    _backends[name] = backend
    _backend_of[backend.array_type] = backend
    if backend.module is not None:
        modules[backend.array_type] = backend.module
    _array_types = tuple(dict.fromkeys((*_array_types, backend.array_type)))


register_backend(
    "cpu",
    Backend(numpy.ndarray, numpy, lambda a: "cpu", lambda a, device: a, lambda a: a, lambda: None),
)


def is_array(x: object) -> bool:
    """Whether x is an array of a registered backend (a Tensor is not: its `.data` is)."""
    return isinstance(x, _array_types) or _recognise_cupy(x)


def plain(array: Array) -> Array:
    """An array of a class derived from NumPy's as an array of NumPy's own, in the same memory; others as they are.

    In a numpy.matrix the sign * means another product. Raises TypeError for an array with masked entries.
    """
    if type(array) in modules or not isinstance(array, numpy.ndarray):
        return array
    if isinstance(array, numpy.ma.MaskedArray) and numpy.ma.is_masked(array):
        raise TypeError("an array with masked entries has no numbers there: give array.filled(0.0), or use where().")
    return array.view(numpy.ndarray)


def is_number(x: object) -> bool:
    """Whether x is a Python number, also one that is worked out later, or a NumPy scalar."""
    return isinstance(x, numbers)


def module_of(x: Array) -> Module:
    """The module whose functions work on x: numpy for NumPy arrays and for plain numbers, cupy for CuPy's.

    Raises TypeError for anything that is neither an array nor a number.
    """
    module = modules.get(type(x))
    if module is None:
        module = _find_module(x)
    return module


def _find_module(x: object) -> Module:
    if is_number(x):
        return numpy
    if type(x) in _backend_of:
        return x.module  # type: ignore[attr-defined]
    for kind in _array_types:
        if isinstance(x, kind):
            return modules[kind]
    if _recognise_cupy(x):
        return modules[type(x)]
    raise TypeError(f"expected an array, a Tensor or a number, got {_described(x)}.")


def _described(x: object) -> str:
    """What is no array, and how it becomes one."""
    if isinstance(x, (list, tuple)):
        if any(is_array(getattr(part, "data", None)) for part in x):
            return f"{type(x).__name__} of Tensors; join them first: stack([x, y])"
        return f"{type(x).__name__}; turn lists into arrays first: Tensor({_short(x)})"
    if is_array(getattr(x, "data", None)):
        return f"{type(x).__name__} where its array is wanted; write x.data, as in y.data = x.data"
    if hasattr(x, "__array__"):
        return f"{type(x).__name__} of {_package(x)}; write autograd.asarray(x)"
    return type(x).__name__


def _short(x: object) -> str:
    text = repr(x)
    return text if len(text) <= 40 else text[:37] + "..."


def _recognise_cupy(x: object) -> bool:
    """CuPy arrays made by the user, before any "cuda" was named here."""
    if _package(x) != "cupy" or "cuda" in _backends:
        return False
    return isinstance(x, _backend_for("cuda").array_type)


def _package(x: object) -> str:
    """The package of its type, whose `__module__` need be no text: that of Cython's functions is none."""
    return str(type(x).__module__).partition(".")[0]


def _backend_for(device: str) -> Backend:
    if not isinstance(device, str):
        raise DeviceError(f'a device is a word, "cpu", "cuda" or "cuda:1", got {device!r}.')
    name = device.partition(":")[0]
    if name == "cuda" and name not in _backends:
        from .cuda.device import register

        register()
    if name not in _backends:
        known = ", ".join(sorted({*_backends, "cuda"} - {"trace", "vmap"}))  # those are our own
        raise DeviceError(f'unknown device "{device}"; devices are: {known} (and "cuda:1" for the second GPU).')
    return _backends[name]


def device_of(array: Array) -> str:
    """The device that holds the array: "cpu", "cuda:0", ..."""
    return _backend_of[type(array)].device_of(array) if type(array) in _backend_of else "cpu"


def move(array: Array, device: str) -> Array:
    """The array on `device`; the same object when it is there already.

    Raises DeviceError when there is no such device.
    """
    backend = _backend_for(device)
    here = device_of(array)
    if here == device or (":" not in device and here.partition(":")[0] == device):
        return array
    return backend.from_host(to_host(array), device)


def exchanged(x: Any) -> Array:
    """An array of another library as one of ours in the same memory, by the protocol DLPack, where it lives.

    Raises TypeError for what does not speak it.
    """
    if not hasattr(x, "__dlpack_device__"):
        raise TypeError(f"from_dlpack takes an array that speaks DLPack, got {_described(x)}.")
    is_on_gpu = x.__dlpack_device__()[0] in (2, 13)  # CUDA's memory, and what it manages
    return _backend_for("cuda" if is_on_gpu else "cpu").module.from_dlpack(x)


def to_host(array: Array) -> numpy.ndarray[Any, Any]:
    """The array as a NumPy array; waits for the device."""
    backend = _backend_of.get(type(array))
    return numpy.asarray(array) if backend is None else backend.to_host(array)


def synchronize(device: str = "cuda") -> None:
    """Wait until everything asked of `device` is done; nothing to wait for on the CPU."""
    _backend_for(device).synchronize()


def bfloat16() -> Any:
    """The dtype of 16 bits with float32's range, which the package ml_dtypes adds to NumPy's own.

    Raises ImportError, with what to install, where that is missing.
    """
    try:
        import ml_dtypes
    except ImportError as error:
        raise ImportError("bfloat16 needs ml_dtypes: pip install ml_dtypes") from error
    return numpy.dtype(ml_dtypes.bfloat16)


def limits_of(dtype: Any) -> Any:
    """NumPy's finfo, of bfloat16 too."""
    if is_floating(numpy.dtype(dtype)) and numpy.dtype(dtype).kind == "V":
        import ml_dtypes

        finfo: Any = ml_dtypes.finfo
        return finfo(dtype)
    return numpy.finfo(dtype)


def is_floating(dtype: Any) -> bool:
    """Whether numbers of this dtype can carry a gradient: real floating point (bfloat16 too)."""
    kind = dtype.kind
    return kind == "f" or (kind == "V" and dtype.name == "bfloat16")


def array_of(data: Any, dtype: Any = None, device: str | None = None, copy: bool | None = True) -> Array:
    """`data` (an array, numbers, nested lists of numbers) as an array on `device`.

    Arrays keep their dtype, in this machine's order of bytes; Python floats become float32, ints int64, bools bool.
    `copy=None` shares memory when that is possible, True never does, False insists on it.

    Raises TypeError for what is no array of numbers, DeviceError for a device that is not there.
    """
    if not is_array(data):
        array = _from_python(data, dtype)
    else:
        data = plain(data)
        _refuse_no_numbers(data.dtype, data)
        array = data if dtype is None else data.astype(dtype, copy=False)
    if not array.dtype.isnative:  # C and BLAS would read its bytes in the wrong order
        array = array.astype(array.dtype.newbyteorder("="))
    moved = array if device is None else move(array, device)
    if copy and moved is data:
        return moved.copy()
    if copy is False and moved is not data:
        raise ValueError("copy=False, but a new array is needed to convert these data.")
    return moved


def _from_python(data: Any, dtype: Any) -> numpy.ndarray[Any, Any]:
    try:
        array = numpy.array(data, dtype=dtype)
    except GradientError:
        raise GradientError("an array made of Tensors would leave the graph unseen; write stack([x, y]).") from None
    except ValueError as error:
        why = "its rows differ in length" if "inhomogeneous" in str(error) else error
        raise ValueError(f"cannot make an array of {_short(data)}: {why}.") from error
    _refuse_no_numbers(array.dtype, data)
    if dtype is None and array.dtype == numpy.float64 and not _has_dtype(data):
        array = array.astype(float32)
    return array


def _refuse_no_numbers(dtype: Any, data: Any) -> None:
    if dtype.kind not in "biufcV" or dtype.type is numpy.void:  # bfloat16 is a V too
        raise TypeError(f"cannot make an array of numbers from {_short(data)} (NumPy reads it as {dtype}).")


def _has_dtype(data: Any) -> bool:
    """Whether a nested list holds numbers, arrays or Tensors that have a dtype, which they keep, not Python's."""
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return hasattr(data, "dtype")


def arrays_in(value: Any) -> Iterator[Array]:
    """The arrays in what a node keeps: an array, nested tuples or lists of them, or something else."""
    if isinstance(value, _array_types):
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from arrays_in(part)
