"""Joining and cutting: concat, stack, split, pad, tile, repeat.

One idea: where each number came from is known, so its gradient is cut out of g at that very place. The composites at
the end add no rule. Read `diagonal.py` next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any, NoReturn

from ..backend import Array, Module, array_of, device_of, module_of
from ..errors import ShapeError
from ..hints import telling
from ..modes import is_tracing
from ..primitive import primitive, view
from ..shapes import Shape, at_axis, normalize_axis
from ..tensor import Operand, Tensor, bare
from .elementwise import positive
from .index import getitem, part_at, take
from .shape import broadcast_to, lengths_of, reshape

__all__ = ["concat", "crop", "pad", "repeat", "split", "stack", "tile", "unstack"]


# Joining


@primitive
def _concat(xp: Module, *xs: Operand, axis: int) -> Array:
    """xs joined end to end along an axis that they have."""
    return _joined(xp.concatenate, "concat", xs, axis)


@_concat.vjp
def _(g: Operand, i: int, xs_shapes: tuple[Shape, ...], axis: int) -> Operand:
    axis = normalize_axis(axis, g.ndim)
    start = sum(shape[axis] for shape in xs_shapes[:i])
    return getitem(g, index=at_axis(axis, slice(start, start + xs_shapes[i][axis])))


@primitive
def _stack(xp: Module, *xs: Operand, axis: int) -> Array:
    """xs, all of one shape, side by side along a new axis."""
    return _joined(xp.stack, "stack", xs, axis)


@_stack.vjp
def _(g: Operand, i: int, axis: int) -> Operand:
    return getitem(g, index=at_axis(normalize_axis(axis, g.ndim), i))


def _joined(join: Callable[..., Array], name: str, xs: tuple[Array, ...], axis: int) -> Array:
    if not xs:
        raise ValueError(f"{name} needs at least one array, got none.")
    if type(xs[0]) in _NUMBERS:
        _refuse_number(name, xs[0])
    ndim = xs[0].ndim + (name == "stack")
    if ndim == 0:
        raise ShapeError("concat: numbers (0 axes) have no end to join at; use stack.")
    axis = normalize_axis(axis, ndim)
    try:
        return join(xs, axis=axis)
    except ValueError:
        for x in xs:
            if type(x) in _NUMBERS:
                _refuse_number(name, x)
        shapes = ", ".join(str(x.shape) for x in xs)
        where = "" if name == "stack" else f" in every axis other than {axis}"
        raise ShapeError(f"{name}: the shapes must agree{where}; got {shapes}.") from None


_NUMBERS = (int, float)  # of Python; those of NumPy are arrays without axes


def _refuse_number(name: str, number: Any) -> NoReturn:
    raise TypeError(f"{name} joins arrays, got the number {number}: Tensor([{number}]) makes an array of numbers.")


@telling
def concat(arrays: Sequence[Operand], *, axis: int | None = 0) -> Tensor:
    """The arrays joined end to end along an axis that they have; for None each as one long row.

    Shapes (a, n), (b, n) give (a + b, n) for axis 0. Raises ShapeError when the other axes differ.
    """
    if axis is None:
        return _concat(*(reshape(x, -1) for x in arrays), axis=0)
    return _concat(*arrays, axis=axis)


@telling
def stack(arrays: Sequence[Operand], *, axis: int = 0) -> Tensor:
    """The arrays, all of one shape, side by side along a new axis at place `axis` of the result.

    Raises ShapeError when the shapes differ.
    """
    return _stack(*arrays, axis=axis)


# Cutting


@telling
def unstack(x: Operand, *, axis: int = 0) -> tuple[Tensor, ...]:
    """The parts of x at each place of an axis, without that axis: what `stack` had joined. Views."""
    axis = normalize_axis(axis, x.ndim)
    return tuple(part_at(x, at_axis(axis, i)) for i in range(x.shape[axis]))


@telling
def split(x: Operand, sections: int | Sequence[int], *, axis: int = 0) -> tuple[Tensor, ...]:
    """x cut along an axis: into so many equal parts, or at the places that a sequence names, as in NumPy. Views.

    Raises ShapeError when the axis cannot be cut into that many equal parts.
    """
    axis = normalize_axis(axis, x.ndim)
    length = x.shape[axis]
    if isinstance(sections, (int, Integral)):
        if sections < 1 or length % sections:
            raise ShapeError(
                f"split: axis {axis} of x, of shape {x.shape}, cannot be cut into {sections} equal parts; "
                "a list names the places to cut at."
            )
        sections = range(length // sections, length, length // sections) if length else (0,) * (sections - 1)
    pairs = zip((0, *sections), (*sections, length), strict=True)
    return tuple(part_at(x, at_axis(axis, slice(start, stop))) for start, stop in pairs)


# Padding: widths are ((before, after), ...), a pair an axis

Widths = tuple[tuple[int, int], ...]


def _inner(shape: Shape, widths: Widths) -> tuple[slice, ...]:
    return tuple(slice(before, length - after) for length, (before, after) in zip(shape, widths, strict=True))


@primitive
def _pad(xp: Module, x: Operand, *, widths: Widths, value: float) -> Array:
    """x with `value` around it."""
    shape = tuple(before + length + after for length, (before, after) in zip(x.shape, widths, strict=True))
    out = xp.full(shape, value, dtype=x.dtype)
    out[_inner(shape, widths)] = x
    return out


@view
def crop(xp: Module, x: Operand, *, widths: Widths) -> Array:
    """x without `widths` = ((before, after), ...) places at the ends of each axis: the adjoint of `pad`. A view."""
    return x[_inner(x.shape, widths)]


_pad.vjp(lambda g, widths: crop(g, widths=widths))
crop.vjp(lambda g, widths: _pad(g, widths=widths, value=0))


@telling
def pad(x: Operand, pad_width: Any, mode: str = "constant", *, constant_values: float = 0) -> Tensor:
    """x with more places at the ends of its axes: NumPy's `pad`.

    `pad_width` is one number, one pair (before, after), or a pair for each axis. `mode` is "constant", with
    `constant_values` there, or "edge", "reflect", "symmetric" or "wrap", which repeat elements of x.

    Raises ValueError for widths or a mode of another kind.
    """
    if mode not in ("constant", "edge", "reflect", "symmetric", "wrap"):
        raise ValueError(f'pad: mode {mode!r} is none of "constant", "edge", "reflect", "symmetric", "wrap".')
    widths = _widths(pad_width, x.ndim)
    if mode == "constant" or not any(map(any, widths)):
        return _pad(x, widths=widths, value=constant_values)
    for axis, (before, after) in enumerate(widths):
        if before or after:
            x = _repeated(x, axis=axis, before=before, after=after, mode=mode)
    return x


Run = tuple[int, int, int]  # so many places, from one on, and the step to the next: 1, -1, or 0 for one place repeated


def _runs(length: int, before: int, after: int, mode: str) -> tuple[list[Run], list[Run]]:
    """The places of an axis that stand in front of it and behind it."""
    host = module_of(0.0)
    places = host.pad(host.arange(length), (before, after), mode=mode).tolist()
    return _in_runs(places[:before]), _in_runs(places[before + length :])


def _in_runs(places: list[int]) -> list[Run]:
    runs: list[Run] = []
    for place in places:
        count, first, step = runs[-1] if runs else (0, 0, 0)
        if count == 1 and abs(place - first) <= 1:
            runs[-1] = (2, first, place - first)
        elif count > 1 and place == first + count * step:
            runs[-1] = (count + 1, first, step)
        else:
            runs.append((1, place, 0))
    return runs


def _of_run(axis: int, run: Run) -> tuple[Any, ...]:
    """The index of its places; where one is repeated, of that alone."""
    count, first, step = run
    if not step:
        return at_axis(axis, slice(first, first + 1))
    stop = first + count * step
    return at_axis(axis, slice(first, stop if stop >= 0 else None, step))


@primitive
def _repeated(xp: Module, x: Operand, *, axis: int, before: int, after: int, mode: str) -> Array:
    """x with places of its own in front of an axis and behind it, by NumPy's modes of `pad`."""
    ends = []
    for runs in _runs(x.shape[axis], before, after, mode):
        parts = [(x[_of_run(axis, run)], run[0]) for run in runs]
        ends.append(
            [xp.broadcast_to(part, (*part.shape[:axis], count, *part.shape[axis + 1 :])) for part, count in parts]
        )
    return xp.concatenate([*ends[0], x, *ends[1]], axis=axis)


@primitive
def _folded(xp: Module, x: Operand, *, axis: int, before: int, after: int, mode: str) -> Array:
    """x without its ends along an axis, which are added where `_repeated` took them from: its adjoint."""
    length = x.shape[axis] - before - after
    out = xp.array(x[at_axis(axis, slice(before, before + length))], copy=True)
    for place, runs in zip((0, before + length), _runs(length, before, after, mode), strict=True):
        for run in runs:
            end = x[at_axis(axis, slice(place, place + run[0]))]
            out[_of_run(axis, run)] += end if run[2] else xp.sum(end, axis=axis, keepdims=True)
            place += run[0]
    return out


_repeated.vjp(lambda g, axis, before, after, mode: _folded(g, axis=axis, before=before, after=after, mode=mode))
_folded.vjp(lambda g, axis, before, after, mode: _repeated(g, axis=axis, before=before, after=after, mode=mode))


def _widths(pad_width: Any, ndim: int) -> Widths:
    widths: Any = pad_width
    if isinstance(widths, (int, Integral)):
        widths = (widths, widths)
    if len(widths) == 2 and all(isinstance(width, (int, Integral)) for width in widths):
        widths = (widths,)
    pairs = tuple(lengths_of(width) for width in widths)
    pairs = pairs * ndim if len(pairs) == 1 else pairs
    if len(pairs) != ndim or any(len(pair) != 2 or min(pair) < 0 for pair in pairs):
        raise ValueError(
            f"pad: widths {pad_width} do not fit {ndim} axes: give a number, a pair (before, after), or a pair for "
            "each axis, none below 0."
        )
    return tuple((before, after) for before, after in pairs)


def _beside(x: Operand, positions: Array) -> Array:
    """Positions made on the host, on the device of x."""
    return positions if is_tracing() else array_of(positions, device=device_of(bare(x)), copy=None)


# Repeating


@telling
def tile(x: Operand, repetitions: int | Sequence[int]) -> Tensor:
    """x laid side by side `repetitions` times along each axis; x gets new axes in front when there are fewer."""
    times = lengths_of(repetitions)
    ndim = max(x.ndim, len(times))
    times = (1,) * (ndim - len(times)) + times
    shape = (1,) * (ndim - x.ndim) + x.shape
    narrow = tuple(length for n in shape for length in (1, n))
    wide = tuple(length for pair in zip(times, shape, strict=True) for length in pair)
    tiled = broadcast_to(reshape(x, narrow), wide)
    out = reshape(tiled, tuple(a * b for a, b in zip(times, shape, strict=True)))
    return _own(out, times, shape)


def _own(out: Tensor, times: Sequence[int], lengths: Sequence[int]) -> Tensor:
    """`out` in memory of its own: where each axis is repeated once or has one place, reshaping copied nothing."""
    is_view = all(1 in pair for pair in zip(times, lengths, strict=True))
    return positive(out) if is_view else out


@telling
def repeat(x: Operand, repeats: int | Operand, *, axis: int | None = None) -> Tensor:
    """Each element `repeats` times in a row along an axis; for None x as one long row.

    `repeats` is one number, or one for each place of the axis (then asked of the GPU, if it is there).

    Raises ShapeError when there are as many as neither of these.
    """
    if axis is None:
        x, axis = reshape(x, -1), 0
    axis = normalize_axis(axis, x.ndim)
    before, length, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    if isinstance(repeats, (int, Integral)):
        repeats = int(repeats)
        wide = broadcast_to(reshape(x, (*before, length, 1, *after)), (*before, length, repeats, *after))
        return _own(reshape(wide, (*before, length * repeats, *after)), (repeats,), (length,))
    counts = repeats.tolist() if hasattr(repeats, "tolist") else list(repeats)
    if len(counts) != length:
        raise ShapeError(f"repeat: {len(counts)} numbers of repeats for the {length} places of axis {axis}.")
    host = module_of(0.0)
    return take(x, _beside(x, host.repeat(host.arange(length), counts)), axis=axis)
