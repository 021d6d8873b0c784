"""The laws of vmap over the table of operations: all examples at once are each example by itself.

One idea: vmap(f) of stacked calls equals the stack of f of each, in its values, in derivatives taken inside, one for
each example, and in those taken from outside, where what is the same for all examples gets the sum. So it is in a
vmap of a vmap, on the guard device and in a compiled function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograd import VmapError, compile, gradients, vjp, vmap
from autograd.backend import to_host
from autograd.ops.cast import move
from autograd.tensor import Tensor
from tests.guard import guard
from tests.opspecs import SPECS, Case, Spec
from tests.opspecs.laws import placed
from tests.opspecs.spec import generators

COUNT = 3


@dataclass
class Operation:
    """An operation by its inputs.

    It holds neither the row nor the case: of whatever a compiled function reaches it asks whether it is the same, and a
    row reaches all of hypothesis.
    """

    op: Callable[..., Any]
    options: dict[str, Any]
    floating: tuple[int, ...]

    def f(self, *inputs: Any, device: str = "cpu") -> Any:
        options = {name: placed(value, device) for name, value in self.options.items()}
        return self.op(*inputs, **options)

    def slopes(self, weight: Any, *inputs: Any, device: str = "cpu") -> Any:
        """The gradients of f, weighted, by the inputs that have one."""

        def of_floating(*given: Any) -> Any:
            whole = list(inputs)
            for i, x in zip(self.floating, given, strict=True):
                whole[i] = x
            return self.f(*whole, device=device)

        return vjp(of_floating, *(inputs[i] for i in self.floating))[1](weight)


@dataclass
class Stack:
    """Many calls as one: those calls, and along which axis each input that differs shall be stacked."""

    spec: Spec
    case: Case
    axes: tuple[int | None, ...]
    calls: list[tuple[Any, ...]]

    def __post_init__(self) -> None:
        self.floating = self.spec.differentiable_in(self.case)
        operation = Operation(self.spec.op, self.case.options, self.floating)
        self.f, self.slopes = operation.f, operation.slopes
        self.values = np.stack([host(self.f(*call)) for call in self.calls])
        self.has_slopes = bool(self.floating) and self.values.dtype.kind == "f"
        columns = zip(zip(*self.calls, strict=True), self.axes, strict=True)
        self.inputs = [xs[0] if axis is None else np.stack(xs, axis) for xs, axis in columns]

    def check(self, found: Any) -> None:
        assert_close(self.spec, found, self.values)

    def check_slopes(self, found: Any, weights: np.ndarray) -> list[list[np.ndarray]]:
        """Compare gradients of all with those of each, which it gives."""
        each = [self.slopes(weight, *call) for weight, call in zip(weights, self.calls, strict=True)]
        parts = [[host(one[place]) for one in each] for place in range(len(self.floating))]
        for g, wanted in zip(found, parts, strict=True):
            assert_close(self.spec, g, np.stack(wanted), 1e-9)
        return parts


def axes_for(case: Case, data: Any) -> tuple[int | None, ...] | None:
    """An axis for each input that shall differ from example to example, one at least; None where there is no array."""
    arrays = [i for i, x in enumerate(case.inputs) if isinstance(x, np.ndarray)]
    mapped = data.draw(st.lists(st.sampled_from(arrays), min_size=1, unique=True)) if arrays else ()
    axes = [data.draw(st.integers(0, x.ndim)) if i in mapped else None for i, x in enumerate(case.inputs)]
    return tuple(axes) if arrays else None


def calls_like(case: Case, axes: Any, rng: np.random.Generator, by: Any = None) -> list[list[tuple[Any, ...]]]:
    """Rows of calls like this one: along a row the inputs with `axes` differ, from row to row those with `by`."""
    numbers = [[[nearby(x, rng) for x in case.inputs] for _ in range(COUNT)] for _ in range(COUNT)]
    by = (None,) * len(axes) if by is None else by

    def call(row: int, column: int) -> tuple[Any, ...]:
        places = zip(by, axes, strict=True)
        return tuple(numbers[row * (b is not None)][column * (a is not None)][i] for i, (b, a) in enumerate(places))

    return [[call(row, column) for column in range(COUNT)] for row in range(COUNT)]


def nearby(x: Any, rng: np.random.Generator) -> Any:
    """An input with other numbers, near enough to stay clear of kinks and poles."""
    floating = isinstance(x, np.ndarray) and x.dtype.kind == "f"
    return np.asarray(x + 1e-3 * rng.uniform(-1, 1, x.shape)) if floating else x


def host(x: Any) -> np.ndarray:
    return np.asarray(to_host(x.data if isinstance(x, Tensor) else x))


def assert_close(spec: Spec, found: Any, wanted: np.ndarray, rtol: float = 1e-11) -> None:
    found = host(found)
    assert found.shape == wanted.shape, f"{spec.name}: shape {found.shape}, wanted {wanted.shape}"
    assert found.dtype == wanted.dtype, f"{spec.name}: {found.dtype}, wanted {wanted.dtype}"
    scale = float(np.max(np.abs(wanted[np.isfinite(wanted)]), initial=1.0)) if wanted.dtype.kind == "f" else 1.0
    np.testing.assert_allclose(found, wanted, rtol=rtol, atol=rtol * scale, err_msg=spec.name)


def over(examples: int) -> Callable[..., Any]:
    """Run a law over the rows: with stacked calls of each, but for moves between devices."""

    def decorate(law: Callable[..., None]) -> Callable[..., None]:
        @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
        @given(data=st.data(), rng=generators())
        def run(spec: Spec, data: Any, rng: np.random.Generator) -> None:
            case = data.draw(spec.cases)
            axes = axes_for(case, data)
            if axes is not None:
                law(Stack(spec, case, axes, calls_like(case, axes, rng)[0]), data, rng)

        rows = [pytest.param(s, id=s.name) for s in SPECS if s.op is not move and not s.by_values]
        return pytest.mark.parametrize("spec", rows)(run)

    return decorate


@over(3)
def test_all_examples_at_once_are_each_by_itself(calls: Stack, data: Any, rng: np.random.Generator) -> None:
    calls.check(vmap(calls.f, calls.axes)(*calls.inputs))
    if not calls.has_slopes:
        return
    weights = rng.normal(size=calls.values.shape)
    parts = calls.check_slopes(vmap(calls.slopes, (0, *calls.axes))(weights, *calls.inputs), weights)
    leaves = list(calls.inputs)
    for i in calls.floating:
        leaves[i] = Tensor(leaves[i], requires_grad=True)
    out = vmap(calls.f, calls.axes)(*leaves)
    how = {"retain_graph": True, "allow_unused": True}
    for create_graph in (False, True) if out.requires_grad else ():
        found = gradients(out, [leaves[i] for i in calls.floating], weights, create_graph=create_graph, **how)
        for i, g, each in zip(calls.floating, found, parts, strict=True):
            wanted = np.sum(each, axis=0) if calls.axes[i] is None else np.stack(each, calls.axes[i])
            assert_close(calls.spec, np.zeros(wanted.shape) if g is None else g, wanted, 1e-9)


@over(3)
def test_a_vmap_of_a_vmap_is_two_loops(calls: Stack, data: Any, rng: np.random.Generator) -> None:
    outer = axes_for(calls.case, data)
    assert outer is not None
    rows = [Stack(calls.spec, calls.case, calls.axes, row) for row in calls_like(calls.case, calls.axes, rng, outer)]
    columns = zip(zip(*(row.inputs for row in rows), strict=True), outer, strict=True)
    inputs = [xs[0] if axis is None else np.stack(xs, axis) for xs, axis in columns]
    values = np.stack([row.values for row in rows])
    assert_close(calls.spec, vmap(vmap(calls.f, calls.axes), outer)(*inputs), values)
    if calls.has_slopes:
        weights = rng.normal(size=values.shape)
        found = vmap(vmap(calls.slopes, (0, *calls.axes)), (0, *outer))(weights, *inputs)
        for i, row in enumerate(rows):
            row.check_slopes([host(g)[i] for g in found], weights[i])


@over(1)
def test_a_pullback_takes_many_weights_at_once(calls: Stack, data: Any, rng: np.random.Generator) -> None:
    if not calls.has_slopes:
        return
    places = [i for i in calls.floating if isinstance(calls.inputs[i], np.ndarray)]

    def of_floating(*given: Any) -> Any:
        whole = list(calls.inputs)
        for i, x in zip(places, given, strict=True):
            whole[i] = x
        return vmap(calls.f, calls.axes)(*whole)

    weights = rng.normal(size=(2, *calls.values.shape))
    pullback = vjp(of_floating, *(calls.inputs[i] for i in places))[1]
    for found, *each in zip(vmap(pullback)(weights), *map(pullback, weights), strict=True):
        assert_close(calls.spec, found, np.stack(list(map(host, each))), 1e-9)


@over(2)
def test_another_device_does_the_same(calls: Stack, data: Any, rng: np.random.Generator) -> None:
    here = [np.asarray(x) if isinstance(x, np.ndarray) else x for x in calls.inputs]
    there = [placed(x, "guard") for x in here]
    before = guard.synchronizations
    out = vmap(partial(calls.f, device="guard"), calls.axes)(*there)
    assert calls.spec.synchronizes or guard.synchronizations == before, "the host waited for the device"
    calls.check(out)
    if calls.has_slopes:
        weights = rng.normal(size=calls.values.shape)
        found = vmap(partial(calls.slopes, device="guard"), (0, *calls.axes))(placed(weights, "guard"), *there)
        calls.check_slopes(found, weights)


@over(2)
def test_a_compiled_function_does_the_same(calls: Stack, data: Any, rng: np.random.Generator) -> None:
    inputs = [Tensor(x) if isinstance(x, np.ndarray) else x for x in calls.inputs]
    calls.check(compile(vmap(calls.f, calls.axes), executor="numpy")(*inputs))
    if calls.has_slopes:
        weights = rng.normal(size=calls.values.shape)
        found = compile(vmap(calls.slopes, (0, *calls.axes)), executor="numpy")(Tensor(weights), *inputs)
        calls.check_slopes(found, weights)


@pytest.mark.parametrize("spec", [pytest.param(s, id=s.name) for s in SPECS if s.by_values])
def test_what_finds_another_number_in_each_example_is_refused(spec: Spec) -> None:
    with pytest.raises(VmapError, match="another length for each example"):
        vmap(spec.op)(np.ones((2, 3)))
