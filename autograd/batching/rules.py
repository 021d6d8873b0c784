"""Rules: what each function of NumPy's does to arrays of all examples, by its name.

One idea: a function of one example is one of all: elementwise ones put the axes of their arrays in line behind that of
the examples, those that name axes name the next ones, and matrices and decompositions come in stacks. What has no rule
is done example by example and stacked: right, and slow. Read `instructions.py` next.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..backend import Array, host, is_array
from ..errors import VmapError
from ..shapes import axes_of, normalize_axis
from .array import Batched, refuse

__all__ = ["RULES", "Rule", "arrays_of", "elementwise", "example_by_example", "is_elementwise", "most"]

Batch = Any  # of `module.py`, which asks for these rules
Rule = Callable[..., Any]
RULES: dict[str, Rule] = {}  # by the name of the function, from its module on; each takes the batch and that name


def most(rows: list[Any]) -> int:
    """How many examples there are, of what holds all and what holds one."""
    counts = [row.shape[0] for row in rows if is_array(row)]
    return next((count for count in counts if count != 1), 1)


def arrays_of(values: Any) -> list[Array]:
    found = []
    for value in values:
        if is_array(value):
            found.append(value)
        elif type(value) in (list, tuple):
            found += arrays_of(value)
    return found


def _rule(*paths: str) -> Callable[[Rule], Rule]:
    def declare(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(paths, rule))
        return rule

    return declare


# Elementwise


def is_elementwise(path: str) -> bool:
    function = getattr(host, path, None)
    return isinstance(function, host.ufunc) and function.signature is None and function.nout == 1


@_rule("clip", "imag", "isneginf", "isposinf", "nan_to_num", "real", "where")
def elementwise(batch: Batch, path: str, *xs: Any, out: Any = None, **options: Any) -> Any:
    if path == "where" and len(xs) == 1:
        refuse("was given to where() alone, which finds another number of places in each example")
    out = out[0] if isinstance(out, tuple) else out
    ndim = max(getattr(x, "ndim", 0) for x in (*xs, out))
    held = [batch.lined(x, ndim) for x in xs]
    if out is None:
        return Batched(batch, batch.do(path, *held, **options), own=path not in ("real", "imag"))  # those are views
    if not batch.has(out):
        refuse("was written into one that is the same for all")
    out.make_room(*held)
    batch.do(path, *held, out=out.held, **options)
    return out


# Along axes


def _shifted(axis: Any, ndim: int) -> Any:
    axes = tuple(a + 1 for a in axes_of(axis, ndim))
    return axes[0] if len(axes) == 1 else axes


@_rule("all", "amax", "amin", "any", "count_nonzero", "max", "mean", "min", "prod", "std", "sum", "var")
def _reduced(batch: Batch, path: str, x: Any, axis: Any = None, **options: Any) -> Any:
    return Batched(batch, batch.do(path, batch.rows(x), axis=_shifted(axis, x.ndim), **options), own=True)


@_rule("argmax", "argmin")
def _place(batch: Batch, path: str, x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    rows = batch.rows(x)
    if axis is not None and x.ndim:
        axis = normalize_axis(axis, x.ndim) + 1
        return Batched(batch, batch.do(path, rows, axis=axis, keepdims=keepdims), own=True)
    found = batch.do(path, rows.reshape((rows.shape[0], x.size)), axis=1)
    return Batched(batch, found.reshape((rows.shape[0],) + (1,) * x.ndim) if keepdims else found, own=True)


@_rule("argsort", "cumprod", "cumsum", "sort")
def _along(batch: Batch, path: str, x: Any, axis: int | None = None, **options: Any) -> Any:
    axis = -1 if axis is None and path in ("argsort", "sort") else axis
    rows = batch.rows(x)
    if axis is None or not x.ndim:
        found = batch.do(path, rows.reshape((rows.shape[0], x.size)), axis=1, **options)
        return Batched(batch, found.reshape(rows.shape) if path in ("argsort", "sort") else found, own=True)
    return Batched(batch, batch.do(path, rows, axis=normalize_axis(axis, x.ndim) + 1, **options), own=True)


@_rule("flip")
def _flip(batch: Batch, path: str, x: Any, axis: Any = None) -> Any:
    axes = _shifted(axis, x.ndim)
    return _view(batch, x, batch.do(path, batch.rows(x), axis=axes) if axes != () else batch.rows(x))


@_rule("roll")
def _roll(batch: Batch, path: str, x: Any, shift: Any, axis: Any = None) -> Any:
    rows = batch.rows(x)
    if axis is None:
        flat = batch.do(path, rows.reshape((rows.shape[0], x.size)), shift, axis=1)
        return Batched(batch, flat.reshape(rows.shape), own=True)
    axis = tuple(normalize_axis(a, x.ndim) + 1 for a in (axis if isinstance(axis, tuple) else (axis,)))
    return Batched(batch, batch.do(path, rows, shift, axis=axis), own=True)


# Shapes


def _view(batch: Batch, x: Any, held: Array) -> Batched:
    return Batched(batch, held, own=isinstance(x, Batched) and x.own, source=x)


@_rule("reshape")
def _reshape(batch: Batch, path: str, x: Any, shape: Any) -> Any:
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if -1 in shape:
        known = math.prod(length for length in shape if length != -1)
        shape = tuple(x.size // max(known, 1) if length == -1 else length for length in shape)
    rows = batch.rows(x)
    return _view(batch, x, rows.reshape((rows.shape[0], *shape)))


@_rule("ravel", "flatten")
def _ravel(batch: Batch, path: str, x: Any) -> Any:
    return _reshape(batch, path, x, -1)


@_rule("permute_dims", "transpose")
def _transpose(batch: Batch, path: str, x: Any, axes: Any = None) -> Any:
    axes = range(x.ndim)[::-1] if axes is None else [normalize_axis(axis, x.ndim) for axis in axes]
    return _view(batch, x, batch.do("transpose", batch.rows(x), (0, *(axis + 1 for axis in axes))))


@_rule("swapaxes", "moveaxis")
def _two_axes(batch: Batch, path: str, x: Any, first: Any, second: Any) -> Any:
    axes = [_shifted(axis, x.ndim) for axis in (first, second)]
    return _view(batch, x, batch.do(path, batch.rows(x), *axes))


@_rule("matrix_transpose")
def _matrix_transpose(batch: Batch, path: str, x: Any) -> Any:
    return _two_axes(batch, "swapaxes", x, -2, -1)


@_rule("expand_dims")
def _expand_dims(batch: Batch, path: str, x: Any, axis: Any) -> Any:
    count = 1 if isinstance(axis, int) else len(axis)
    return _view(batch, x, batch.do(path, batch.rows(x), _shifted(axis, x.ndim + count)))


@_rule("squeeze")
def _squeeze(batch: Batch, path: str, x: Any, axis: Any = None) -> Any:
    gone = axes_of(axis, x.ndim) if axis is not None else [i for i, n in enumerate(x.shape) if n == 1]
    return _view(batch, x, batch.do(path, batch.rows(x), tuple(i + 1 for i in gone)))


@_rule("broadcast_to")
def _broadcast_to(batch: Batch, path: str, x: Any, shape: Any) -> Any:
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    rows = batch.lined(x, len(shape))
    return Batched(batch, batch.do(path, rows, (rows.shape[0], *shape)), source=x)


@_rule("broadcast_arrays")
def _broadcast_arrays(batch: Batch, path: str, *xs: Any) -> Any:
    shape = host.broadcast_shapes(*(x.shape for x in xs))
    return [_broadcast_to(batch, "broadcast_to", x, shape) for x in xs]


@_rule("tril", "triu")
def _triangle(batch: Batch, path: str, x: Any, k: int = 0) -> Any:
    return Batched(batch, batch.do(path, batch.rows(x), k), own=True)


@_rule("diagonal")
def _diagonal(batch: Batch, path: str, x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    axes = [normalize_axis(axis, x.ndim) + 1 for axis in (axis1, axis2)]
    return _view(batch, x, batch.do(path, batch.rows(x), offset, *axes))


@_rule("lib.stride_tricks.sliding_window_view")
def _windows(batch: Batch, path: str, x: Any, shape: Any, axis: Any = None) -> Any:
    axes = tuple(a + 1 for a in axes_of(axis, x.ndim))
    return Batched(batch, batch.do(path, batch.rows(x), shape, axes), source=x)


@_rule("pad")
def _pad(batch: Batch, path: str, x: Any, widths: Any, *mode: Any, **options: Any) -> Any:
    widths = host.broadcast_to(host.asarray(widths), (x.ndim, 2)).tolist()
    return Batched(batch, batch.do(path, batch.rows(x), [(0, 0), *map(tuple, widths)], *mode, **options), own=True)


# Joining, copying, making


@_rule("concat", "concatenate", "stack")
def _join(batch: Batch, path: str, xs: Any, axis: int = 0) -> Any:
    held = batch.wide(*xs)
    axis = normalize_axis(axis, held[0].ndim - 1 + (path == "stack")) + 1
    return Batched(batch, batch.do(path, held, axis=axis), own=True)


@_rule("array", "asarray", "ascontiguousarray", "copy")
def _converted(batch: Batch, path: str, x: Any, dtype: Any = None, *, copy: bool | None = None, **options: Any) -> Any:
    if isinstance(x, (list, tuple)):
        whole = _join(batch, "stack", [part if is_array(part) else batch.xp.asarray(part) for part in x])
        return whole if dtype is None else _astype(batch, path, whole, dtype)
    if dtype is not None and dtype != x.dtype:
        return _astype(batch, path, x, dtype)
    if copy is None and path in ("asarray", "ascontiguousarray"):
        return x
    return Batched(batch, batch.do("array", batch.rows(x)), own=True)


@_rule("astype")
def _astype(batch: Batch, path: str, x: Any, dtype: Any, copy: bool = True) -> Any:
    if not copy and x.dtype == dtype:
        return x
    return Batched(batch, batch.rows(x).astype(dtype), own=True)


@_rule("view")
def _seen_as(batch: Batch, path: str, x: Any, dtype: Any) -> Any:
    return _view(batch, x, x.held.view(dtype))


@_rule("empty_like", "full_like", "ones_like", "zeros_like")
def _like(batch: Batch, path: str, x: Any, *value: Any, **options: Any) -> Any:
    return Batched(batch, batch.do(path, batch.rows(x), *value, **options), own=True)


# Matrices


@_rule("linalg.cholesky", "linalg.det", "linalg.eigh", "linalg.eigvalsh", "linalg.inv", "linalg.qr")
@_rule("linalg.slogdet", "linalg.svd")
def _stacked(batch: Batch, path: str, *xs: Any, **options: Any) -> Any:
    found = batch.do(path, *batch.wide(*xs), **options)
    if not isinstance(found, tuple):
        return Batched(batch, found, own=True)
    each = [Batched(batch, part, own=True) for part in found]
    return type(found)(*each) if hasattr(found, "_fields") else tuple(each)


@_rule("linalg.solve")
def _solve(batch: Batch, path: str, a: Any, b: Any) -> Any:
    if b.ndim == 1 or a.ndim != b.ndim:
        return example_by_example(batch, path, a, b)
    return _stacked(batch, path, a, b)


def _outer(batch: Batch, x: Array, y: Array) -> Array:
    """The products of columns x (..., n, 1) with rows y (..., 1, m), for which BLAS would be called once an example.

    They lie in memory the other way round: the gradient of the weight of a Linear is the transpose of such products,
    and what is done with it then walks along its rows.
    """
    across, down = (batch.do("swapaxes", z, -2, -1) for z in (x, y))
    return batch.do("swapaxes", batch.do("multiply", down, across), -2, -1)


@_rule("dot", "matmul")
def _matmul(batch: Batch, path: str, a: Any, b: Any) -> Any:
    if not a.ndim or not b.ndim:
        raise ValueError("matmul: a number is no matrix.")
    if path == "dot" and b.ndim > 2:
        return example_by_example(batch, path, a, b)
    x, y = batch.rows(a), batch.rows(b)
    if y.shape[0] == 1 and b.ndim <= 2:  # one b for all: the examples are rows of a
        found = batch.do("matmul", x.reshape((math.prod(x.shape[:-1]), x.shape[-1])) if b.ndim == 2 else x, y[0])
        return Batched(batch, found.reshape((*x.shape[:-1], *b.shape[1:])), own=True)
    if x.shape[0] == 1 and a.ndim <= 2 and b.ndim == 1:  # one a for all, and the examples of b are rows
        return Batched(batch, batch.do("matmul", y, x[0].T), own=True)
    x = x[:, None] if a.ndim == 1 else x
    y = y[..., None] if b.ndim == 1 else y
    ndim = max(x.ndim, y.ndim)
    x, y = (z.reshape((z.shape[0], *(1,) * (ndim - z.ndim), *z.shape[1:])) for z in (x, y))
    found = _outer(batch, x, y) if x.shape[-1] == 1 else batch.do("matmul", x, y)
    found = found[..., 0] if b.ndim == 1 else found
    if a.ndim == 1:
        found = found[..., 0] if b.ndim == 1 else found[..., 0, :]
    return Batched(batch, found, own=True)


# The same for all, what depends on values, and what has no rule


@_rule("can_cast", "finfo", "iinfo", "iscomplexobj", "isrealobj", "issubdtype", "may_share_memory", "result_type")
def _of_kind(batch: Batch, path: str, *xs: Any, **options: Any) -> Any:
    return batch.do(path, *(x.held if isinstance(x, Batched) else x for x in xs), **options)


@_rule("ndim", "shape", "size")
def _of_shape(batch: Batch, path: str, x: Any) -> Any:
    return getattr(x, path)


@_rule("argwhere", "bincount", "compress", "extract", "flatnonzero", "nonzero", "unique", "unique_all")
@_rule("unique_counts", "unique_inverse", "unique_values", "histogram", "union1d", "intersect1d", "setdiff1d")
def _by_values(batch: Batch, path: str, *xs: Any, **options: Any) -> Any:
    refuse(f"was given to {path}, whose result has another length for each example")


def example_by_example(batch: Batch, path: str, *inputs: Any, **options: Any) -> Any:
    """A loop over the examples and a stack: for a function that gives an array, or several, of one shape for all."""
    count = most([x.held for x in arrays_of(inputs + tuple(options.values())) if batch.has(x)])
    if not count:
        raise VmapError(f"vmap of no examples cannot tell what {path} gives.")

    def one(value: Any, i: int) -> Any:
        if type(value) in (list, tuple):
            return type(value)([one(part, i) for part in value])
        return value.held[i if value.held.shape[0] > 1 else 0] if batch.has(value) else value

    found = []
    for i in range(count):
        named = {name: one(value, i) for name, value in options.items()}
        found.append(batch.do(path, *(one(x, i) for x in inputs), **named))
    if isinstance(found[0], tuple):
        return tuple(_stack_of(batch, path, list(each)) for each in zip(*found, strict=True))
    return _stack_of(batch, path, found)


def _stack_of(batch: Batch, path: str, found: list[Any]) -> Any:
    if not all(is_array(x) or isinstance(x, host.generic) for x in found):
        refuse(f"was given to {path}, which gives what is no array")
    xp = batch.module_among(*found)
    if len({x.shape for x in found}) > 1:
        refuse(f"was given to {path}, whose result has another shape for each example")
    return Batched(batch, xp.stack([xp.asarray(x) for x in found]), own=True)
