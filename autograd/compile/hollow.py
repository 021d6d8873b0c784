"""Hollow: the array that a call would give, as far as a trace needs it, without the arithmetic.

One idea: of a step that a GPU will run, the host needs only shapes, dtypes and how arrays lie. What is costly there, a
product, a convolution, a sum, a function of every element, is told from its operands, or done on one element of each;
its numbers are all 0, in memory that is never touched. So it is for floats; whole numbers may be places in an array,
and what is done with them is done. Those that a pooling finds in floats follow from zeros and are 0 too, the first
place of a window. Read `trace.py` next.
"""

from __future__ import annotations

import inspect
import mmap
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from .. import attending, convolution, pooling
from ..backend import float32, host, is_floating

__all__ = ["hollow", "hollow_like"]

_LARGE = 1 << 20  # bytes from which memory is asked of the system
_PAGES = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
_SOLVING = {host.linalg.inv, host.linalg.solve, host.linalg.cholesky}  # they refuse zeros, which are singular


def hollow(function: Callable[..., Any], inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """An array of zeros like `function(*inputs, **options)`; None where that has to be called."""
    arrays = [x for x in inputs if isinstance(x, host.ndarray)]
    if not any(is_floating(x.dtype) for x in arrays):
        return None
    if function in _SOLVING:  # also where there is nothing on the right
        return _in_order(arrays[-1].shape, host.result_type(*arrays)) if min(x.ndim for x in arrays) > 1 else None
    if not all(x.size for x in arrays) or "where" in options:
        return None
    if function in _KNOWN:
        return _KNOWN[function](function, *inputs, **options)
    by_elements = isinstance(function, host.ufunc) and function.signature is None
    casts = getattr(function, "__name__", "") == "astype" and "copy" not in options  # it may be the array itself
    if function is host.where or by_elements or casts:
        return _by_elements(function, inputs, options, arrays)
    return None


def hollow_like(array: Any) -> Any:
    """Zeros of the shape and dtype of an array, which lie as it does."""
    return _zeros(array.shape, array.strides, array.dtype)


def _zeros(shape: Sequence[int], strides: Sequence[int], dtype: Any) -> Any:
    """Untouched zeros whose axes follow one another in memory as in an array of these strides."""
    axes = sorted(range(len(shape)), key=lambda axis: -strides[axis])  # of equal strides the first stays first
    packed = _untouched(prod(shape), host.dtype(dtype)).reshape([shape[axis] for axis in axes])
    return packed.transpose([axes.index(axis) for axis in range(len(shape))])


def _untouched(count: int, dtype: Any) -> Any:
    """So many zeros, in pages that the system gives when they are first written to."""
    # Our malloc keeps what was freed (see `allocator.py`), and zeros from there would be written.
    size = count * dtype.itemsize
    return host.zeros(count, dtype) if size < _LARGE else host.frombuffer(mmap.mmap(-1, size, **_PAGES), dtype)


def _corner(x: Any) -> Any:
    """One element, of as many axes; what is no array as it is."""
    return x[(slice(1),) * x.ndim] if isinstance(x, host.ndarray) else x


def _laid(*arrays: Any) -> Any:
    """An array of the shape that these have together, laid as NumPy lays results."""
    reads = [["readonly"]] * len(arrays)
    return host.nditer([*arrays, None], ["zerosize_ok"], [*reads, ["writeonly", "allocate"]], order="K").operands[-1]


# How functions are told from their operands: each is given the function, its inputs and its options.


def _product(_matmul: Any, a: Any, b: Any, **options: Any) -> Any:
    if options or min(a.ndim, b.ndim) < 2 or a.shape[-1] != b.shape[-2]:
        return None  # the call says what is wrong
    stack, matrix = _laid(a[..., 0, 0], b[..., 0, 0]), (a.shape[-2], b.shape[-1])
    outside = [stride * prod(matrix) for stride in stack.strides]
    return _zeros((*stack.shape, *matrix), (*outside, matrix[1], 1), host.result_type(a, b))


def _over_rows(function: Callable[..., Any], x: Any, *inputs: Any, **options: Any) -> Any:
    if not isinstance(x, host.ndarray):
        return None
    found = function(_corner(x), *inputs, **options)
    axis = inputs[0] if inputs else options.get("axis")
    over = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    gone = {a % max(1, x.ndim) for a in over}  # NumPy takes axis 0 of what has none
    if found.ndim == x.ndim:  # they are kept
        return _zeros([1 if a in gone else n for a, n in enumerate(x.shape)], x.strides, found.dtype)
    left = [a for a in range(x.ndim) if a not in gone]
    return _zeros([x.shape[a] for a in left], [x.strides[a] for a in left], found.dtype)


def _reshaped(_reshape: Any, x: Any, *shape: Any, **options: Any) -> Any:
    """A new shape for what does not lie in order; None where it can be a view."""
    if options or len(shape) != 1 or not isinstance(x, host.ndarray):
        return None
    try:
        x.reshape(*shape, copy=False)
    except ValueError:
        return _untouched(x.size, x.dtype).reshape(*shape)
    return None


def _by_elements(
    function: Callable[..., Any], inputs: tuple[Any, ...], options: dict[str, Any], arrays: list[Any]
) -> Any:
    found = function(*map(_corner, inputs), **options)
    if not isinstance(found, (host.ndarray, host.generic)):
        return None  # several results
    like = _laid(*arrays)
    return _zeros(like.shape, like.strides, found.dtype)


def _convolved(function: Callable[..., Any], first: Any, second: Any, **options: Any) -> Any:
    geo = convolution.geometry_of(function.__name__, first.shape, second.shape, **options)
    shapes = {"convolve": geo.out_shape, "convolve_input": geo.x_shape, "convolve_weight": geo.w_shape}
    return _in_order(shapes[function.__name__], host.result_type(first, second))


def _attended(function: Callable[..., Any], q: Any, *_inputs: Any, **_options: Any) -> Any:
    batch, length, heads, width = q.shape
    if function.__name__ == "attend_statistics":
        return _in_order((batch, heads, length), host.result_type(q, float32))
    parts = (3,) if function.__name__ == "attend_gradients" else ()
    return _in_order((batch, length, *parts, heads, width), q.dtype)


def _pooled(function: Callable[..., Any], x: Any, *_inputs: Any, length: Any = None, **options: Any) -> Any:
    if x.dtype.kind != "f":
        return None
    geo = pooling.geometry(x.shape[1:3] if length is None else length, **options)
    lengths = geo.counts if length is None else geo.length
    dtype = host.min_scalar_type(len(geo.steps)) if function.__name__ == "pool_places" else x.dtype
    return _in_order((x.shape[0], *lengths, x.shape[3]), dtype)


def _in_order(shape: tuple[int, ...], dtype: Any) -> Any:
    """Zeros that lie in the order of their axes."""
    return _untouched(prod(shape), host.dtype(dtype)).reshape(shape)


_CONVOLUTIONS = (convolution.convolve, convolution.convolve_input, convolution.convolve_weight)
_ATTENTIONS = (attending.attend, attending.attend_statistics, attending.attend_gradients)
_POOLINGS = (pooling.pool_places, pooling.pool_pick, pooling.pool_put, pooling.pool_sum, pooling.pool_spread)
_KNOWN: dict[Callable[..., Any], Callable[..., Any]] = {
    host.matmul: _product,
    host.reshape: _reshaped,
    **dict.fromkeys((host.sum, host.mean, host.max, host.min, host.prod), _over_rows),
    **{inspect.unwrap(function): _convolved for function in _CONVOLUTIONS},
    **{inspect.unwrap(function): _attended for function in _ATTENTIONS},
    **{inspect.unwrap(function): _pooled for function in _POOLINGS},
}
