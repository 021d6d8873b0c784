"""Change of dtype and of device.

One idea: both are linear, and the adjoint of going there is coming back, to the dtype and the device of x.
Read `creation.py` next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..backend import Array, Module, device_of, is_floating, module_of
from ..backend import move as moved
from ..dtypes import result_type
from ..errors import DeviceError
from ..primitive import primitive
from ..tensor import Operand, Tensor, bare

__all__ = ["astype", "floated", "in_single", "move", "narrowed", "single", "to"]


@primitive
def _astype(xp: Module, x: Operand, *, dtype: Any) -> Array:
    """A copy of x with elements of another dtype. The gradient comes back in the dtype of x."""
    return xp.asarray(x).astype(dtype)


# The engine gives every gradient the dtype of what it belongs to, so there is nothing left to do.
_astype.vjp(lambda g: g)


def astype(x: Operand, dtype: Any, *, copy: bool = True) -> Tensor:
    """A copy of x with elements of another dtype; x itself with copy=False when it has that dtype.

    The gradient comes back in the dtype of x; through integers and bools none flows.
    """
    if not copy and x.dtype == dtype:
        return x
    return _astype(x, dtype=dtype)


def single(x: Any) -> Any:
    """x, an array, a Tensor or None; what has 16 bits in float32, for squares of float16 leave its range early."""
    return x.astype("float32") if _has_16_bits(x) else x


def narrowed(out: Any, x: Any) -> Any:
    """What was computed of `single(x)`, rounded to the dtype of x where that has 16 bits."""
    return out.astype(x.dtype) if _has_16_bits(x) else out


def _has_16_bits(x: Any) -> bool:
    dtype = getattr(x, "dtype", None)
    return dtype is not None and dtype.itemsize == 2 and is_floating(dtype)


def floated(x: Any, *beside: Any) -> Any:
    """x, bools and whole numbers as floating point, which holds their differences and sums; those of uint8 wrap around.

    What is computed with `beside` is left to them where one of them is floating point.
    """
    dtypes = [given.dtype for given in (x, *beside) if hasattr(given, "dtype")]
    return x * 1.0 if hasattr(x, "dtype") and not any(map(is_floating, dtypes)) else x


def in_single(function: Callable[..., Any], x: Operand, *others: Any, **options: Any) -> Any:
    """The function of these, in float32 where x has 16 bits, as in PyTorch; the result has the dtype of all of them."""
    wide = single(x)
    if wide is x:
        return function(x, *others, **options)
    dtype = result_type(*(given for given in (x, *others) if given is not None))
    return astype(function(wide, *map(single, others), **options), dtype, copy=False)


@primitive
def move(xp: Module, x: Operand, *, device: str, home: str) -> Array:
    """x, which is on `home`, on another device. The gradient travels back."""
    return moved(x, device)


move.vjp(lambda g, device, home: move(g, device=home, home=device))


def to(x: Operand, target: Any) -> Tensor:
    """x on another device ("cpu", "cuda", "cuda:1") or of another dtype; x itself when nothing changes.

    Raises DeviceError for a device that is not there, or a word that names neither.
    """
    if isinstance(target, str) and not _is_dtype(target):
        home = device_of(bare(x))
        if target in (home, home.partition(":")[0]):
            return x
        try:
            return move(x, device=target, home=home)
        except DeviceError as error:
            if target.partition(":")[0] in ("cpu", "cuda"):
                raise
            raise DeviceError(f"to({target!r}): no dtype has that name, and as a device: {error}") from error
    return astype(x, target, copy=False)


def _is_dtype(word: str) -> bool:
    try:
        module_of(0.0).dtype(word)
    except TypeError:
        return False
    return True
