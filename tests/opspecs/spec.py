"""One row of the table of operations, and how its inputs are drawn.

One idea: a row says what an operation must equal and draws inputs clear of its kinks and poles; every law in
`tests/autograd/test_laws.py` then holds for it, so an operation without a row is an operation without a proof.
Read a family next, `elementwise.py` first.
"""

# Note [The first case]
# Hypothesis begins with the simplest draw, and laws that cost much have few draws. So the simplest is not what is
# smallest but what says most: `whole` begins with a number that it is told, and `shapes` with (2, 3), whose axes cannot
# be taken for each other. Corners (no axes, axes of length 1, no elements) come by chance. `test_laws.py` looks at the
# first case of every row.

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from autograd.primitive import Primitive

__all__ = [
    "Case",
    "Spec",
    "Values",
    "axes",
    "broadcasting",
    "chance",
    "composite_case",
    "elementwise_cases",
    "fill",
    "generators",
    "reduction_cases",
    "shapes",
    "whole",
]


@dataclass(frozen=True)
class Case:
    """One call: arrays (float64 where a gradient goes) or numbers by position, and options by keyword."""

    inputs: tuple[Any, ...]
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # NumPy's arithmetic on arrays without axes gives scalars; here an input is an array or a Python number.
        inputs = tuple(np.asarray(x) if isinstance(x, np.generic) else x for x in self.inputs)
        object.__setattr__(self, "inputs", inputs)


@dataclass(frozen=True)
class Spec:
    """A row: an operation, what it must equal, and the calls to try it with.

    `reference(*inputs, **options)` is written in NumPy and takes the same call. `cases` draws calls whose inputs lie
    at least 0.01 away from every kink and pole of the inputs at `differentiable` (by default those with a rule).
    `order` is the highest derivative that is checked. `adjoint(y, *inputs, **options)` is f* of an operation linear in
    its first input. `rtol` is what forward may differ by in float64, `rtol32` in float32. `same_dtype` is False where
    float32 in does not give float32 out. `synchronizes` says that the result's shape depends on the data, so that a
    device has to be waited for, and `by_values` that no compiled function takes it, for that reason. `unique` is False
    where another library may give a result that is as good, such as a vector with the other sign. `approximate` is for
    a fused function: how far its kernel may be from its definition.
    """

    op: Callable[..., Any]
    reference: Callable[..., Any]
    cases: st.SearchStrategy[Case]
    label: str = ""  # tells two rows of one operation apart
    differentiable: tuple[int, ...] | None = None
    order: int = 3
    adjoint: Callable[..., Any] | None = None
    rtol: float = 1e-12
    rtol32: float = 2e-5
    same_dtype: bool = True
    synchronizes: bool = False
    by_values: bool = False
    unique: bool = True
    approximate: float = 1e-10

    @property
    def name(self) -> str:
        """The operation's name, with the label of the row."""
        return f"{self.op.__name__}-{self.label}" if self.label else self.op.__name__

    def differentiable_in(self, case: Case) -> tuple[int, ...]:
        """The positions of the inputs of a call to which a gradient goes."""
        floating = [i for i, x in enumerate(case.inputs) if isinstance(x, np.ndarray) and x.dtype.kind == "f"]
        if self.differentiable is not None:
            return tuple(i for i in floating if i in self.differentiable)
        if isinstance(self.op, Primitive):
            return tuple(i for i in floating if self.op.rule(i) is not None)
        return tuple(floating)


@dataclass(frozen=True)
class Values:
    """The numbers that an input is filled with: between `low` and `high`, `margin` away from each of `avoid`.

    With `apart` all numbers of one array differ by 0.02 at least, so that an order among them is not near a tie.
    """

    low: float = -2.0
    high: float = 2.0
    avoid: tuple[float, ...] = ()
    margin: float = 0.05
    apart: bool = False
    dtype: str = "float64"


@functools.cache
def generators() -> st.SearchStrategy[np.random.Generator]:
    """NumPy generators by seed: many numbers for one draw, which is what keeps the laws fast."""
    return st.integers(0, 2**32 - 1).map(np.random.default_rng)


chance = st.sampled_from([True, False])  # begins with True


@functools.cache
def whole(low: int, high: int, first: int = 2) -> st.SearchStrategy[int]:
    """Whole numbers, `first` before all others, 0 half as often as another. See Note [The first case]."""
    first = min(max(first, low), high)
    turned = [*range(first, high + 1), *range(low, first)]
    return st.sampled_from([n for n in turned for _ in range(1 + (n != 0))])


@functools.cache
def shapes(min_ndim: int = 0, max_ndim: int = 3, min_side: int = 0, max_side: int = 4) -> st.SearchStrategy[Any]:
    """Shapes as tuples; 0-d, size-1 and empty ones among them."""
    sides = [whole(min_side, max_side, first) for first in range(2, 2 + max_ndim)]
    return whole(min_ndim, max_ndim).flatmap(lambda ndim: st.tuples(*sides[:ndim]))


LAYOUTS = ("C", "F", "every second", "backwards")


def fill(values: Values, shape: tuple[int, ...], rng: np.random.Generator, layout: str = "C") -> np.ndarray:
    """An array of such numbers, laid out in memory as `layout` says."""
    size = math.prod(shape)
    if values.dtype == "bool":
        flat = rng.integers(0, 2, size).astype(bool)
    elif np.dtype(values.dtype).kind in "iu":
        flat = rng.integers(int(values.low), int(values.high) + 1, size).astype(values.dtype)
    elif values.apart:
        step = max(0.04, (values.high - values.low) / max(size, 1))
        flat = values.low + step * (rng.permutation(size) + 0.25 + 0.25 * rng.random(size))
    else:
        flat = rng.uniform(values.low, values.high, size)
        for point in values.avoid:
            away = np.where(flat < point, -values.margin, values.margin)
            flat = np.where(np.abs(flat - point) < values.margin, point + away, flat)
    return _laid_out(flat.astype(values.dtype).reshape(shape), layout)


def _laid_out(array: np.ndarray, layout: str) -> np.ndarray:
    if layout == "F":
        return np.asarray(array, order="F")
    if layout == "C" or array.ndim == 0:
        return array
    if layout == "every second":
        room = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
        room[..., ::2] = array
        return room[..., ::2]
    return array[..., ::-1].copy()[..., ::-1]


@functools.cache
def broadcasting(shape: tuple[int, ...]) -> st.SearchStrategy[Any]:
    """Shapes that broadcast to `shape`: leading axes left out, other axes of length 1; the first has one stretched."""
    sides = [st.sampled_from([length, 1] if place else [1, length]) for place, length in enumerate(shape)]
    return st.integers(0, len(shape)).flatmap(lambda start: st.tuples(*sides[start:]))


@functools.cache
def axes(ndim: int) -> st.SearchStrategy[Any]:
    """What an option `axis` may be for that many axes: None, one of them, or several."""
    if ndim == 0:
        return st.sampled_from([None, ()])
    one = st.integers(-ndim, ndim - 1)
    several = st.lists(st.integers(0, ndim - 1), unique=True, max_size=ndim).map(tuple)
    return st.one_of(one, several, st.none())


def composite_case(draw_case: Callable[[Any, np.random.Generator], Case]) -> st.SearchStrategy[Case]:
    """Cases made by a function of (draw, generator): what `@st.composite` is, with a generator at hand."""

    @st.composite
    def cases(draw: Any) -> Case:
        return draw_case(draw, draw(generators()))

    return cases()


def elementwise_cases(
    *values: Values, options: Sequence[dict[str, Any]] = ({},), **limits: int
) -> st.SearchStrategy[Case]:
    """Cases of an elementwise operation: one input for each of `values`, broadcasting against each other."""

    def draw_case(draw: Any, rng: np.random.Generator) -> Case:
        shape = draw(shapes(**limits))
        layout = draw(st.sampled_from(LAYOUTS))
        full = draw(st.integers(0, len(values) - 1))
        inputs = []
        for position, kind in enumerate(values):
            own = shape if position == full else draw(broadcasting(shape))
            inputs.append(fill(kind, own, rng, layout))
        return Case(tuple(inputs), draw(st.sampled_from(list(options))))

    return composite_case(draw_case)


def reduction_cases(
    values: Values,
    *,
    min_side: int = 0,
    max_side: int = 4,
    min_ndim: int = 0,
    max_ndim: int = 3,
    single: bool = False,
    keepdims: bool = True,
    options: Sequence[dict[str, Any]] = ({},),
) -> st.SearchStrategy[Case]:
    """Cases of a reduction: an input, an `axis` (one or None only, if `single`), and `keepdims` where there is one."""

    def draw_case(draw: Any, rng: np.random.Generator) -> Case:
        shape = draw(shapes(min_ndim, max_ndim, min_side, max_side))
        x = fill(values, shape, rng, draw(st.sampled_from(LAYOUTS)))
        if not single:
            chosen: dict[str, Any] = {"axis": draw(axes(x.ndim))}
        elif x.ndim:
            chosen = {"axis": draw(st.one_of(st.integers(-x.ndim, x.ndim - 1), st.none()))}
        else:
            chosen = {"axis": None}
        if keepdims:
            chosen["keepdims"] = draw(st.booleans())
        return Case((x,), {**chosen, **draw(st.sampled_from(list(options)))})

    return composite_case(draw_case)
