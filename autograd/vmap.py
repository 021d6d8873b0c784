"""vmap: a function of one example as a function of many, all at once.

One idea: the function is called once, with arrays that show the shape of one example and hold all (`batching/`), so
whatever it does, derivatives included, is done to each example by itself. The ways in and out are primitives, so a
gradient from outside goes through: what goes in by an axis gets its gradient back along that axis, and what is the
same for all examples, a weight that the function finds say, gets the sum over them. See Note [Per example].
Read `functional.py` next.
"""

# Note [Per example]
# Inside, a derivative belongs to one example. `grad` and its like differentiate by arguments, and lift what is the same
# for all into the run first, so each example gets a gradient of its own. `gradients(y, [w])` would find the w of all
# examples, and sum: it refuses. So does `backward()`, whose `.grad` outlives the run.

# Note [Pullbacks]
# A pullback goes back through a run that is over: its rules lead arrays in and out again. A younger run may take it for
# many weights at once, as a Jacobian with `vectorize` does, and then the older one stands outside the younger. So the
# order of runs is that of their births, whichever of them calls the other: the array of the youngest holds the others.

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import index as as_int
from typing import Any

from .backend import Array, Module, array_of, is_array, is_number, module_of
from .batching import Batch, Batched
from .hints import telling
from .modes import batching, is_batching, is_tracing
from .ops.elementwise import positive
from .primitive import primitive
from .shapes import normalize_axis
from .tensor import Operand, Tensor, wrap
from .tree import Structure, flatten, paths, unflatten

__all__ = ["vmap"]

Axes = Any  # a number, None, or a tree of them


# The ways in and out. What each makes of an array is what the rule of another makes of its gradient.


def _is_younger(x: Any, batch: Batch) -> bool:
    return isinstance(x, Batched) and x.batch.depth > batch.depth


def _for_each(way: Any, x: Batched, batch: Batch, **how: int) -> Batched:
    """A way of an older run for each example of a younger one: that of what it holds. See Note [Pullbacks]."""
    x.batch.passed.add(batch)
    return Batched(x.batch, way(x.held, batch=batch, **how))


@primitive
def enter(xp: Module, x: Operand, *, batch: Batch, axis: int) -> Array:
    """x as one example of those along an axis. A view."""
    if _is_younger(x, batch):
        return _for_each(enter, x, batch, axis=axis + 1)
    return Batched(batch, xp.moveaxis(x, axis, 0))


@primitive
def leave(xp: Module, x: Operand, *, batch: Batch, axis: int) -> Array:
    """All examples of x, along an axis."""
    if _is_younger(x, batch):
        return _for_each(leave, x, batch, axis=axis + 1)
    held = batch.rows(x)
    xp = module_of(held)
    return xp.moveaxis(xp.broadcast_to(held, (batch.count, *held.shape[1:])), 0, axis)


@primitive
def lift(xp: Module, x: Operand, *, batch: Batch) -> Array:
    """x as one example, where all are the same."""
    if _is_younger(x, batch):
        return _for_each(lift, x, batch)
    trace = is_tracing()
    return Batched(batch, (x if trace is None or isinstance(x, Batched) else trace.lift(x))[None])


@primitive
def total(xp: Module, x: Operand, *, batch: Batch) -> Array:
    """The sum of x over the examples."""
    if _is_younger(x, batch):
        return _for_each(total, x, batch)
    held = batch.rows(x)
    # What is the same for all is there once, and counts for each.
    return module_of(held).sum(held, axis=0) if held.shape[0] == batch.count else held[0] * batch.count


enter.vjp(lambda g, batch, axis: leave(g, batch=batch, axis=axis))
leave.vjp(lambda g, batch, axis: enter(g, batch=batch, axis=axis))
lift.vjp(lambda g, batch: total(g, batch=batch))
total.vjp(lambda g, batch: lift(g, batch=batch))


# The transformation


@telling
def vmap(
    f: Callable[..., Any], in_axes: Axes = 0, out_axes: Axes = 0, *, randomness: str = "error"
) -> Callable[..., Any]:
    """The function that does for each of many examples what f does for one, in one call of f.

    `in_axes` says along which axis of the arguments the examples lie: one number for all, None for what is the same for
    all examples, or a tuple with an entry for each argument, itself a number, None, or a tree like that argument.
    `out_axes` says the same of what f gives: there None stands for what is the same for all examples. Arrays given by
    keyword are taken along axis 0; what is no array there goes to f as it is. What f finds by itself, such as a weight
    of a closure, is the same for all examples. Results are Tensors.

    Derivatives inside are those of one example, `vmap(grad(loss), in_axes=(None, 0, 0))(w, x, y)` has one gradient of w
    for each; a derivative of the whole from outside adds up, and holds those of each example until then.

    Random numbers are each example's own with `randomness="different"`, from one draw with "same"; by default they are
    refused, for either may be meant. That holds of `autograd.random`: those of `numpy.random` and of Python's `random`
    are plain numbers from the one call of f, unseen here, and the same for all examples, as in JAX. Draw them outside.

    Raises ValueError for axes that do not fit the arguments and for numbers of examples that differ, VmapError where
    the values of examples would decide what f does next, or where it writes to what is the same for all.
    """
    if not callable(f):
        raise TypeError(f"vmap takes a function, got a {type(f).__name__}: vmap(f)(x).")
    if randomness not in ("error", "different", "same"):
        raise ValueError(f'vmap: randomness {randomness!r} is none of "error", "different" and "same".')
    name = getattr(f, "__name__", type(f).__name__)

    def mapped(*args: Any, **options: Any) -> Any:
        leaves, structure = flatten((args, options))
        axes = _axes_given(in_axes, structure, leaves, name)
        count, xp = _examples(leaves, axes, structure, name)
        batch = Batch(count, xp, is_batching(), lift, randomness)
        with _running(batch):
            given = [_entered(leaf, axis, batch) for leaf, axis in zip(leaves, axes, strict=True)]
            args, options = unflatten(structure, given)
            results, form = flatten(f(*args, **options))
            ways = _spread(out_axes, form, "out_axes")
            return unflatten(form, [_left(x, axis, batch, name) for x, axis in zip(results, ways, strict=True)])

    functools.update_wrapper(mapped, f, assigned=("__module__", "__doc__"), updated=())
    mapped.__name__ = mapped.__qualname__ = f"vmap_of_{name}"
    return mapped


@contextmanager
def _running(batch: Batch) -> Iterator[None]:
    token = batching.set((*is_batching(), batch))
    try:
        yield
    finally:
        batching.reset(token)
        batch.is_running = False


def _spread(axes: Axes, structure: Structure, what: str) -> list[int | None]:
    """The axis of each leaf, of axes for all of them or for parts."""
    if axes is None or (hasattr(axes, "__index__") and not isinstance(axes, bool)):
        return [None if axes is None else as_int(axes)] * len(paths(structure))
    kind = structure.kind
    if kind is not None and isinstance(axes, (list, tuple, dict)) and isinstance(axes, dict) == issubclass(kind, dict):
        keys = axes.keys() if isinstance(axes, dict) else range(len(axes))
        if set(keys) == set(structure.keys):
            parts = zip(structure.keys, structure.parts, strict=True)
            return [axis for key, part in parts for axis in _spread(axes[key], part, f"{what}[{key!r}]")]
    wanted = "one array" if kind is None else f"a {kind.__name__} of {len(structure.keys)} part(s)"
    raise ValueError(f"vmap got {what}={axes!r} for {wanted}: give a number, None, or a tree of them like it.")


def _axes_given(in_axes: Axes, structure: Structure, leaves: list[Any], name: str) -> list[int | None]:
    """The axis along which each argument has its examples, from the front; None for what is the same for all."""
    args = structure.parts[0]
    if isinstance(in_axes, (list, tuple)) and len(in_axes) != len(args.keys):
        raise ValueError(f"vmap({name}) got {len(args.keys)} argument(s), and in_axes has {len(in_axes)} entries.")
    axes = _spread(in_axes, args, "in_axes")
    axes += [None if _array(leaf) is None else 0 for leaf in leaves[len(axes) :]]  # those given by keyword
    return [_axis_of(*given, name) for given in zip(leaves, axes, paths(structure), strict=True)]


def _axis_of(x: Any, axis: int | None, path: str, name: str) -> int | None:
    if axis is None:
        return None
    array = _array(x)
    if array is None:
        kind = type(x).__name__
        raise ValueError(f"vmap({name}): {_place(path)} is a {kind}, without examples; let its in_axes be None.")
    if not -array.ndim <= axis < array.ndim:
        raise ValueError(f"vmap({name}): {_place(path)}, of shape {array.shape}, has no axis {axis} for examples.")
    return normalize_axis(axis, array.ndim)


def _array(x: Any) -> Any:
    return x.data if isinstance(x, Tensor) else x if is_array(x) else None


def _place(path: str) -> str:
    """Which argument stands at a path through (arguments, options)."""
    name, _, rest = path[4:].partition("]")
    return f"argument {name} at {rest}" if rest else f"argument {name}"


def _examples(leaves: list[Any], axes: list[int | None], structure: Structure, name: str) -> tuple[int, Module]:
    """How many examples there are, and the module of their arrays."""
    each = zip(leaves, axes, paths(structure), strict=True)
    found = [(_array(x), axis, path) for x, axis, path in each if axis is not None]
    if not found:
        raise ValueError(f"vmap({name}): no argument has examples; in_axes must name an axis of one of them.")
    (first, axis, path), *others = found
    count = first.shape[axis]
    for array, other, place in others:
        if array.shape[other] != count:
            raise ValueError(
                f"vmap({name}): {_place(path)} has {count} examples along axis {axis}, {_place(place)} has "
                f"{array.shape[other]} along axis {other}."
            )
    trace = is_tracing()
    return count, module_of(first if trace is None else trace.lift(first))


def _entered(x: Any, axis: int | None, batch: Batch) -> Any:
    if axis is None:
        return x
    trace = is_tracing()
    x = x if isinstance(x, Tensor) else wrap(x if trace is None else trace.lift(x))
    return enter(x, batch=batch, axis=axis)


def _left(x: Any, axis: int | None, batch: Batch, name: str) -> Tensor:
    """One of f's results with its examples along an axis."""
    if not isinstance(x, Tensor):
        if not (is_array(x) or is_number(x)):
            raise TypeError(f"{name} must give Tensors for vmap, or trees of them, it gave a {type(x).__name__}.")
        x = wrap(array_of(x, copy=None))
    if axis is None:
        if not batch.has(x.data):
            return x
        if x.data.held.shape[0] != 1:
            raise ValueError(f"{name} gave a result that differs from example to example, and out_axes is None for it.")
        return leave(x, batch=batch, axis=0)[0]
    if not -x.ndim <= axis + (axis < 0) <= x.ndim:
        raise ValueError(f"{name} gave shape {x.shape} for an example: with the examples it has no axis {axis}.")
    x = batch.joined(x)
    out = leave(x, batch=batch, axis=normalize_axis(axis, x.ndim + 1))
    return out if x.data.held.shape[0] == batch.count else positive(out)  # in memory of its own, to be written into
