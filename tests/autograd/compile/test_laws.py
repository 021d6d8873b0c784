"""Every operation of the table in a compiled function: the same numbers as outside, or a clear refusal.

One idea: a trace runs the operation's own code, so each row of `tests/opspecs` is a proof once more, with the program
in the place of the operation. The second and the third call go to the program, with other values of the same shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import autograd as ag
from autograd import Tensor
from tests.opspecs import SPECS, Case, Spec, laws
from tests.opspecs.spec import generators

ROWS = [spec for spec in SPECS if not spec.by_values]

pytestmark = pytest.mark.usefixtures("kernels_off")


def drawing(examples: int) -> Callable[..., Any]:
    """Call the function with so many draws and generators."""

    def decorate(law: Callable[..., None]) -> Callable[..., None]:
        law = given(data=st.data(), rng=generators())(law)
        return settings(max_examples=examples, suppress_health_check=list(HealthCheck))(law)

    return decorate


def rows(applies: Callable[[Spec], bool]) -> Any:
    """Run a law over the rows to which it applies."""
    return pytest.mark.parametrize("spec", [pytest.param(s, id=s.name) for s in ROWS if applies(s)])


def three_calls(spec: Spec, case: Case, rng: np.random.Generator) -> Iterator[Case]:
    """The call, and two of the same shapes and other values, all of them in the operation's domain."""
    yield case
    for _ in range(2):
        yield Case(tuple(_other(spec, x, rng) for x in case.inputs), case.options)


def _other(spec: Spec, x: Any, rng: np.random.Generator) -> Any:
    if not isinstance(x, np.ndarray):
        return x
    if spec.op.__module__.endswith("linalg_factors"):  # their values must stay apart
        return x * rng.choice([-2.0, -0.5])
    if spec.op.__module__ == "autograd.ops.linalg_solve":  # the matrices must stay regular
        return x * (2.0 if spec.op.__name__ == "cholesky" else rng.choice([-2.0, -0.5], (x.shape[-2], 1)))
    if spec.name == "searchsorted":  # what is not in order is searched by NumPy and CuPy in ways of their own
        return x * 2.0
    other = np.empty_like(x)  # laid out as x is
    other[...] = rng.permutation(x.reshape(-1)).reshape(x.shape)
    return other


def size_of(*arrays: Any) -> float:
    """The largest number of all that are finite, from which rounding is counted."""
    found = [np.abs(laws.host(x)).max(initial=1.0) for x in arrays if laws.host(x).dtype.kind in "fiu"]
    finite = [float(x) for x in found if np.isfinite(x)]
    return max(finite, default=1.0)


def call_of(spec: Spec, case: Case, places: Sequence[int]) -> Callable[[Sequence[Any]], Any]:
    """The operation by what is given in these places.

    It holds neither the row nor the case: of whatever a compiled function reaches it asks whether it is the same, and a
    row reaches all of hypothesis.
    """
    op, others, options = spec.op, case.inputs, case.options

    def call(given: Sequence[Any]) -> Any:
        inputs = list(others)
        for place, x in zip(places, given, strict=True):
            inputs[place] = x
        return op(*inputs, **options)

    return call


Agree = Callable[[Any, Any, float], bool]  # whether two results agree, with errors as of numbers of this size


def check_forward(spec: Spec, cases: list[Case], rng: np.random.Generator, agree: Agree, **how: Any) -> None:
    """The operation, done once for each case in one compiled function, gives what it gives as written."""

    arrays_of = [[i for i, x in enumerate(case.inputs) if isinstance(x, np.ndarray)] for case in cases]
    calls = [call_of(spec, case, places) for case, places in zip(cases, arrays_of, strict=True)]

    def function(arrays: list[list[Tensor]]) -> list[Any]:
        return [call(tensors) for call, tensors in zip(calls, arrays, strict=True)]

    compiled = ag.compile(function, **how)
    for together in zip(*(three_calls(spec, case, rng) for case in cases), strict=True):
        arrays = [[Tensor(x) for x in other.inputs if isinstance(x, np.ndarray)] for other in together]
        for tensors, wanted, found in zip(arrays, function(arrays), compiled(arrays), strict=True):
            assert agree(wanted, found, size_of(*tensors)), f"{spec.name}: compiled {found}, as written {wanted}"
    assert len(compiled.programs) == 1


def check_gradients(spec: Spec, cases: list[Case], rng: np.random.Generator, agree: Agree, **how: Any) -> None:
    """Forward and backward from leaves outside, compiled for all cases at once, give what they do as written."""
    eager, own = ([laws.leaves_of(spec, case) for case in cases] for _ in range(2))
    calls = [call_of(spec, case, spec.differentiable_in(case)) for case in cases]
    shapes = [laws.host(call([leaf.data for leaf in leaves])).shape for call, leaves in zip(calls, eager, strict=True)]

    def function(all_leaves: list[list[Tensor]], weights: list[Tensor]) -> list[Tensor]:
        results = []
        for call, leaves, weight in zip(calls, all_leaves, weights, strict=True):
            for leaf in leaves:
                leaf.grad = None
            out = call(leaves)
            (out * weight).sum().backward()
            results.append(out)
        return results

    compiled = ag.compile(lambda weights: function(own, weights), **how)
    for together in zip(*(three_calls(spec, case, rng) for case in cases), strict=True):
        weights = [Tensor(rng.normal(size=shape)) for shape in shapes]
        for other, case, leaves, twins in zip(together, cases, eager, own, strict=True):
            for leaf, twin, place in zip(leaves, twins, spec.differentiable_in(case), strict=True):
                leaf.data, twin.data = other.inputs[place].copy(), other.inputs[place].copy()
        for wanted, found, leaves, twins in zip(function(eager, weights), compiled(weights), eager, own, strict=True):
            scale = size_of(wanted, *(leaf.grad for leaf in leaves), *(leaf.detach() for leaf in leaves))
            assert agree(wanted, found, scale), f"{spec.name}: compiled {found}, as written {wanted}"
            for leaf, twin in zip(leaves, twins, strict=True):
                assert agree(leaf.grad, twin.grad, scale), f"{spec.name}: compiled {twin.grad}, as written {leaf.grad}"
    assert len(compiled.programs) == 1


def to_the_bit(wanted: Any, found: Any, scale: float) -> bool:
    return laws.same_bits(wanted, found)


@rows(lambda spec: True)
@drawing(4)
def test_forward_is_the_same(spec: Spec, data: Any, rng: np.random.Generator) -> None:
    check_forward(spec, [data.draw(spec.cases)], rng, to_the_bit)


@rows(laws.has_gradient)
@drawing(4)
def test_gradients_are_the_same(spec: Spec, data: Any, rng: np.random.Generator) -> None:
    case = data.draw(spec.cases)
    assume(spec.differentiable_in(case))
    check_gradients(spec, [case], rng, to_the_bit)


def test_a_root_of_what_has_no_axes_is_the_same() -> None:
    norm = ag.compile(lambda x: ag.linalg.vector_norm(x, ord=3), executor="numpy")
    for x in np.random.default_rng(0).normal(size=(200, 4)):
        assert to_the_bit(ag.linalg.vector_norm(Tensor(x), ord=3), norm(Tensor(x)), 1.0)
