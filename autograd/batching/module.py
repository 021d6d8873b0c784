"""Batch: the module of the arrays of one run of vmap, what `xp` is for them.

One idea: a function of one example is one of all: elementwise ones put the axes of their arrays in line behind that of
the examples, those that name axes name the next ones, matrices and decompositions come in stacks, and our own
instructions have leading axes of which one more is made. What has no rule here is done example by example and stacked:
right, and slow. Read `autograd/vmap.py` next.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ..backend import Array, Backend, Module, device_of, host, is_array, module_of, register_backend
from ..errors import VmapError
from ..modes import is_tracing
from ..shapes import axes_of, normalize_axis
from . import parts
from .array import Batched, deepest, refuse

__all__ = ["Batch"]

Rule = Callable[..., Any]
RULES: dict[str, Rule] = {}  # by the name of the function, from its module on


class _Names:
    """The functions of a module under their names."""

    def __init__(self, batch: Batch, prefix: str) -> None:
        self._batch, self._prefix = batch, prefix

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        path = self._prefix + name
        known: Any = functools.reduce(lambda thing, part: getattr(thing, part, None), path.split("."), host)
        if isinstance(known, ModuleType):
            return _Names(self._batch, f"{path}.")
        if path not in RULES and (not callable(known) or isinstance(known, type)):
            return _at(self._batch.xp, path)
        return _Function(self._batch, path)


class Batch(_Names):
    """One run of vmap: `count` examples, whose arrays belong to the module `xp`.

    `outside` are the runs inside of which it began, and `lift` is what brings a Tensor in, on the record.
    """

    ndarray = Batched

    def __init__(self, count: int, xp: Module, outside: tuple[Batch, ...], lift: Callable[..., Any]) -> None:
        super().__init__(self, "")
        self.count, self.xp, self.outside, self.depth, self.lift = count, xp, outside, len(outside), lift
        self.is_running = True

    def has(self, x: Any) -> bool:
        """Whether x is an array of this run. Raises VmapError for one of a run that is over."""
        if not isinstance(x, Batched):
            return False
        if x.batch is not self and x.batch not in self.outside:
            raise VmapError(
                "an array of a run of vmap that is over is used in another: what outlives the call must be returned, "
                "and a pullback through a vmapped function takes one weight at a time, without vmap or vectorize=True."
            )
        return x.batch is self

    def rows(self, x: Any) -> Any:
        """What an array holds, with the axis of examples; numbers as they are."""
        if self.has(x):
            return x.held
        return x[None] if is_array(x) or isinstance(x, host.generic) else x

    def lined(self, x: Any, ndim: int) -> Any:
        """`rows`, with the axes of one example as the last ones behind so many."""
        rows = self.rows(x)
        if not is_array(rows) or rows.ndim > ndim:
            return rows
        return rows.reshape((rows.shape[0], *(1,) * (ndim + 1 - rows.ndim), *rows.shape[1:]))

    def wide(self, *xs: Any) -> list[Any]:
        """`rows` of arrays, all with as many examples as the most have."""
        rows = [self.rows(x) for x in xs]
        count = most(rows)
        return [
            row if row.shape[0] == count else module_of(row).broadcast_to(row, (count, *row.shape[1:])) for row in rows
        ]

    def joined(self, x: Any) -> Any:
        """An input of an operation as one of this run: a Tensor lifted on the record, an array held once for all."""
        array = getattr(x, "data", None)
        if self.has(x) or (array is not None and self.has(array)):
            return x
        if is_array(x):
            return Batched(self, x[None])
        return self.lift(x, batch=self) if is_array(array) else x

    def module_among(self, *arrays: Any) -> Module:
        """The module of what is held: of the innermost run, or the one that is not NumPy.

        Those of NumPy alone belong to the trace that there may be: at its next call they may hold other numbers.
        """
        inner = deepest(*arrays)
        if inner is not None:
            return inner
        modules = [module_of(array) for array in _arrays(arrays)]
        alone = host if modules and is_tracing() is None else self.xp
        return next((xp for xp in modules if xp is not host), alone)

    def do(self, path: str, *held: Any, **options: Any) -> Any:
        """A function of the module of these."""
        return _at(self.module_among(*held, *options.values()), path)(*held, **options)

    def instruction(self, call: Rule, inputs: tuple[Any, ...], options: dict[str, Any], function: Rule) -> Any:
        """One of our own array functions (see `instruction.py`); one without a rule is done step by step."""
        rule = INSTRUCTIONS.get(function.__name__)
        return function(*inputs, **options) if rule is None else rule(self, call, inputs, options)


def most(rows: list[Any]) -> int:
    """How many examples there are, of what holds all and what holds one."""
    counts = [row.shape[0] for row in rows if is_array(row)]
    return next((count for count in counts if count != 1), 1)


def _flat(x: Array, axes: int = 2) -> Array:
    """x with so many axes in front as one."""
    return x.reshape((math.prod(x.shape[:axes]), *x.shape[axes:]))


def _at(xp: Module, path: str) -> Any:
    return functools.reduce(getattr, path.split("."), xp)


def _arrays(values: Any) -> list[Array]:
    found = []
    for value in values:
        if is_array(value):
            found.append(value)
        elif type(value) in (list, tuple):
            found += _arrays(value)
    return found


class _Function:
    """One function of a module, for arrays of which some may be Batched."""

    def __init__(self, batch: Batch, path: str) -> None:
        self.batch, self.path = batch, path

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        batch = deepest(*inputs, *options.values())
        if batch is None:  # nothing of any example, so the same for all
            if self.path in _FILLED:
                return _filled(self.batch, self.path, *inputs, **options)
            return self.batch.do(self.path, *inputs, **options)
        rule = RULES.get(self.path)
        if rule is None:
            rule = _elementwise if _is_elementwise(self.path) else _example_by_example
        return rule(batch, self.path, *inputs, **options)

    def at(self, x: Any, key: Any, *values: Any) -> None:
        """The ufunc done at each place, one after the other."""
        batch = deepest(x, key, *values)
        if batch is None:
            _at(module_of(x), self.path).at(x, key, *values)
        elif batch is not x.batch:
            refuse("was added to one that is the same for all")
        else:
            parts.add_at(batch, lambda view: _at(batch.module_among(view), self.path), x, key, *values)


def _rule(*paths: str) -> Callable[[Rule], Rule]:
    def declare(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(paths, rule))
        return rule

    return declare


# Elementwise


def _is_elementwise(path: str) -> bool:
    function = getattr(host, path, None)
    return isinstance(function, host.ufunc) and function.signature is None and function.nout == 1


@_rule("clip", "imag", "isneginf", "isposinf", "nan_to_num", "real", "where")
def _elementwise(batch: Batch, path: str, *xs: Any, out: Any = None, **options: Any) -> Any:
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
    return Batched(batch, held, own=isinstance(x, Batched) and x.own, is_view=True)


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


@_rule("matrix_transpose", "squeeze", "expand_dims")
def _reshaped(batch: Batch, path: str, x: Any, axis: Any = None) -> Any:
    rows = batch.rows(x)
    if path == "matrix_transpose":
        return _two_axes(batch, "swapaxes", x, -2, -1)
    if path == "expand_dims":
        count = 1 if isinstance(axis, int) else len(axis)
        return _view(batch, x, batch.do(path, rows, _shifted(axis, x.ndim + count)))
    gone = axes_of(axis, x.ndim) if axis is not None else [i for i, n in enumerate(x.shape) if n == 1]
    return _view(batch, x, batch.do(path, rows, tuple(i + 1 for i in gone)))


@_rule("broadcast_to")
def _broadcast_to(batch: Batch, path: str, x: Any, shape: Any) -> Any:
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    rows = batch.lined(x, len(shape))
    return Batched(batch, batch.do(path, rows, (rows.shape[0], *shape)), is_view=True)


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
    return Batched(batch, batch.do(path, batch.rows(x), shape, axes), is_view=True)


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


_FILLED = ("empty", "full", "ones", "zeros")  # room for all examples, to be written into


def _filled(batch: Batch, path: str, shape: Any, *value: Any, **options: Any) -> Any:
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    return Batched(batch, _at(batch.xp, path)((batch.count, *shape), *value, **options), own=True)


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
        return _example_by_example(batch, path, a, b)
    return _stacked(batch, path, a, b)


@_rule("dot", "matmul")
def _matmul(batch: Batch, path: str, a: Any, b: Any) -> Any:
    if not a.ndim or not b.ndim:
        raise ValueError("matmul: a number is no matrix.")
    if path == "dot" and b.ndim > 2:
        return _example_by_example(batch, path, a, b)
    x, y = batch.rows(a), batch.rows(b)
    if y.shape[0] == 1 and b.ndim <= 2:  # one b for all: the examples are rows of a
        found = batch.do("matmul", _flat(x, x.ndim - 1) if b.ndim == 2 else x, y[0])
        return Batched(batch, found.reshape((*x.shape[:-1], *b.shape[1:])), own=True)
    if x.shape[0] == 1 and a.ndim <= 2 and b.ndim == 1:  # one a for all, and the examples of b are rows
        return Batched(batch, batch.do("matmul", y, x[0].T), own=True)
    x = x[:, None] if a.ndim == 1 else x
    y = y[..., None] if b.ndim == 1 else y
    ndim = max(x.ndim, y.ndim)
    x, y = (z.reshape((z.shape[0], *(1,) * (ndim - z.ndim), *z.shape[1:])) for z in (x, y))
    found = batch.do("matmul", x, y)
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


def _example_by_example(batch: Batch, path: str, *inputs: Any, **options: Any) -> Any:
    """A loop over the examples and a stack: for a function that gives an array, or several, of one shape for all."""
    count = most([x.held for x in _arrays(inputs + tuple(options.values())) if batch.has(x)])
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


# Instructions: the examples become more rows of the axis in front, or more groups of channels


def _folded(batch: Batch, call: Rule, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    held = batch.wide(*inputs)
    out = call(*map(_flat, held), **options)
    return Batched(batch, out.reshape((*held[0].shape[:2], *out.shape[1:])), own=True)


def _convolved(batch: Batch, call: Rule, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """A convolution or its adjoint in x, by one weight for all or one for each example."""
    x, w = map(batch.rows, inputs)
    if w.shape[0] == 1:
        out = call(_flat(x), w[0], **options)
        return Batched(batch, out.reshape((*x.shape[:2], *out.shape[1:])), own=True)
    x, w = batch.wide(*inputs)
    out = call(_beside(batch, x), _flat(w), **_grouped(options, x.shape[0]))
    return Batched(batch, _apart(batch, out, x.shape[0]), own=True)


def _correlated(batch: Batch, call: Rule, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """The adjoint of a convolution in its weight."""
    x, y = batch.wide(*inputs)
    out = call(_beside(batch, x), _beside(batch, y), **_grouped(options, x.shape[0]))
    return Batched(batch, out.reshape((x.shape[0], y.shape[-1], *out.shape[1:])), own=True)


def _grouped(options: dict[str, Any], count: int) -> dict[str, Any]:
    return {**options, "groups": options["groups"] * count}


def _beside(batch: Batch, x: Array) -> Array:
    """(examples, N, H, W, C) as (N, H, W, examples * C)."""
    moved = batch.do("moveaxis", x, 0, 3)
    return moved.reshape((*moved.shape[:3], moved.shape[3] * moved.shape[4]))


def _apart(batch: Batch, x: Array, count: int) -> Array:
    """(N, H, W, examples * C) as (examples, N, H, W, C)."""
    return batch.do("moveaxis", x.reshape((*x.shape[:3], count, x.shape[3] // count)), 3, 0)


INSTRUCTIONS: dict[str, Rule] = {
    **dict.fromkeys(("pool_places", "pool_pick", "pool_put", "pool_sum", "pool_spread"), _folded),
    **dict.fromkeys(("attend", "attend_statistics", "attend_gradients"), _folded),
    **dict.fromkeys(("convolve", "convolve_input"), _convolved),
    "convolve_weight": _correlated,
}


register_backend(
    "vmap",
    Backend(Batched, None, lambda a: device_of(a.held), lambda a, _: a, lambda a: a.values(), lambda: None),
)
