"""Changing a Tensor: `x += y` and `x[i] = y`, on the record and off it.

One idea: on the record, they bind the name x to a new node and a new array: what older nodes saved is never
overwritten, and no view changes behind one's back. Off the record, under no_grad(), they write into the array, as the
update of an optimizer must, and report the write so that a stale backward is refused. Read `operators.py` next.
"""

from __future__ import annotations

from typing import Any

from .backend import host, is_array, module_of
from .batching import deepest
from .errors import GradientError, ShapeError, VmapError
from .modes import is_batching, is_recording, is_tracing, is_watching
from .ops import cast, index
from .positions import written_at
from .primitive import Primitive
from .tensor import Operand, Tensor, bare
from .wholes import whole_of
from .writes import mark_written

__all__ = ["assign", "change", "write"]


def change(x: Any, operation: Primitive[Any], other: Operand) -> Any:
    """x after arithmetic with `other`; off the record what has x's dtype and shape goes straight into its memory."""
    if not is_recording() and is_tracing() is None and not is_watching():
        array, given = x.data, bare(other)
        if type(array) is host.ndarray and array.dtype.kind == "f" and _is_alike(array, given):
            mark_written(array)
            getattr(host, operation.name)(array, given, out=array)
            return x
    return write(x, operation(x, other))


def _is_alike(array: Any, given: Any) -> bool:
    """Whether the result of both has the dtype and the shape of the array."""
    if type(given) is host.ndarray:
        return bool(given.dtype == array.dtype and given.shape == array.shape)
    return type(given) is float or (type(given) is int and given.bit_length() < 64)


def write(x: Any, y: Tensor) -> Any:
    """x with the value y, which has x's shape."""
    if y.shape != x.shape:
        raise ShapeError(f"a Tensor of shape {x.shape} cannot become one of shape {y.shape} in place; write x = x + y.")
    if y.dtype != x.dtype:
        if x.dtype.kind != y.dtype.kind:
            raise TypeError(f"a Tensor of {x.dtype} cannot take {y.dtype} in place; write x = x + y, or use astype.")
        y = cast.astype(y, dtype=x.dtype)
    if is_recording():
        _rebind(x, y)
    else:
        _refuse_for_each(x, y.data)
        x.data[...] = y.data
        mark_written(x.data)
    return x


def _refuse_for_each(x: Tensor, *given: Any) -> None:
    """Raise VmapError where each example would write to what is the same for all."""
    if is_batching() and deepest(x.data, *given) is not deepest(x.data):
        raise VmapError(
            "inside vmap each example would write to a Tensor that is the same for all: write into x.clone()."
        )


def _rebind(x: Tensor, y: Tensor) -> None:
    if x.requires_grad and x.node is None:
        raise GradientError(
            "a leaf that requires a gradient cannot be changed on the record: its gradient would belong to a value "
            "that is gone. Write under no_grad(), as an optimizer does, or into a copy: y = x.clone()."
        )
    x.data, x.node, x.requires_grad = y.data, y.node, y.requires_grad
    x.wholes = None  # it has an array of its own


def _refuse_for_a_part(x: Tensor) -> None:
    """Raise GradientError where x was taken from a Tensor that is still there, and would not change with x."""
    whole = whole_of(x)
    if whole is not None:
        raise GradientError(
            f"this would write into a part, of shape {x.shape}, and leave the Tensor of shape {whole.shape} that it "
            "was taken from as it is: write into that one, x[0, 1] = y for x[0][1] = y; or, if only the part shall "
            "change, into part.clone(). Under no_grad() both change."
        )


def assign(x: Tensor, key: Any, value: Operand) -> None:
    """x[key] = value."""
    where = index.as_index(key, module_of(x.data))
    if is_recording():
        _refuse_for_a_part(x)
        y = index.set_at(index.beside(where, x) if is_batching() else x, value, index=where)
        if y.node is None and isinstance(value, Tensor) and value.requires_grad:
            raise GradientError(
                f"a Tensor of {x.dtype} cannot take in a value that requires a gradient, which would end there: make x "
                "of floating point, or write value.detach()."
            )
        _rebind(x, y)
    else:
        value = bare(value)
        _refuse_for_each(x, where, value)
        x.data[where] = value
        written_at(x.data, where)
        part = x.data[where] if index.is_plain(where) else x.data
        mark_written(part if is_array(part) else x.data)
