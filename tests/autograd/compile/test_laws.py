"""Every operation of the table in a compiled function: the same numbers as outside, or a clear refusal.

One idea: a trace runs the operation's own code, so each row of `tests/opspecs` is a proof once more, with the program
in the place of the operation. The second and the third call go to the program, with other values of the same shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
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


def over(examples: int, applies: Callable[[Spec], bool]) -> Callable[..., Any]:
    """Run a law over the rows to which it applies, with so many calls each."""

    def decorate(law: Callable[..., None]) -> Callable[..., None]:
        law = given(data=st.data(), rng=generators())(law)
        law = settings(max_examples=examples, suppress_health_check=list(HealthCheck))(law)
        return pytest.mark.parametrize("spec", [pytest.param(s, id=s.name) for s in ROWS if applies(s)])(law)

    return decorate


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
    other = np.empty_like(x)  # laid out as x is
    other[...] = rng.permutation(x.reshape(-1)).reshape(x.shape)
    return other


def size_of(*arrays: Any) -> float:
    """The largest number of all that are finite, from which rounding is counted."""
    found = [np.abs(laws.host(x)).max(initial=1.0) for x in arrays if laws.host(x).dtype.kind in "fiu"]
    finite = [float(x) for x in found if np.isfinite(x)]
    return max(finite, default=1.0)


Agree = Callable[[Any, Any, float], bool]  # whether two results agree, with errors as of numbers of this size


def check_forward(spec: Spec, data: Any, rng: np.random.Generator, agree: Agree, **how: Any) -> None:
    """The operation, compiled, gives what it gives as written."""
    case = data.draw(spec.cases)

    def function(*arrays: Tensor) -> Any:
        given = iter(arrays)
        inputs = [next(given) if isinstance(x, np.ndarray) else x for x in case.inputs]
        return spec.op(*inputs, **case.options)

    compiled = ag.compile(function, **how)
    for call in three_calls(spec, case, rng):
        tensors = [Tensor(x) for x in call.inputs if isinstance(x, np.ndarray)]
        wanted, found = function(*tensors), compiled(*tensors)
        assert agree(wanted, found, size_of(*tensors)), f"{spec.name}: compiled {found}, as written {wanted}"
    assert len(compiled.programs) == 1


def check_gradients(spec: Spec, data: Any, rng: np.random.Generator, agree: Agree, **how: Any) -> None:
    """Forward and backward from leaves outside, compiled, give what they give as written."""
    case = data.draw(spec.cases)
    assume(spec.differentiable_in(case))
    shape = laws.host(laws.call(spec, case, [leaf.data for leaf in laws.leaves_of(spec, case)])).shape
    eager, own = laws.leaves_of(spec, case), laws.leaves_of(spec, case)

    def function(leaves: list[Tensor], weights: Tensor) -> Tensor:
        for leaf in leaves:
            leaf.grad = None
        out = laws.call(spec, case, leaves)
        (out * weights).sum().backward()
        return out

    compiled = ag.compile(lambda weights: function(own, weights), **how)
    for call in three_calls(spec, case, rng):
        weights = Tensor(rng.normal(size=shape))
        for leaf, twin, place in zip(eager, own, spec.differentiable_in(case), strict=True):
            leaf.data, twin.data = call.inputs[place].copy(), call.inputs[place].copy()
        wanted, found = function(eager, weights), compiled(weights)
        scale = size_of(wanted, *(leaf.grad for leaf in eager), *(leaf.detach() for leaf in eager))
        assert agree(wanted, found, scale), f"{spec.name}: compiled {found}, as written {wanted}"
        for leaf, twin in zip(eager, own, strict=True):
            assert agree(leaf.grad, twin.grad, scale), f"{spec.name}: compiled {twin.grad}, as written {leaf.grad}"
    assert len(compiled.programs) == 1


def to_the_bit(wanted: Any, found: Any, scale: float) -> bool:
    return laws.same_bits(wanted, found)


@over(4, lambda spec: True)
def test_forward_is_the_same(spec: Spec, data: Any, rng: np.random.Generator) -> None:
    check_forward(spec, data, rng, to_the_bit)


@over(4, laws.has_gradient)
def test_gradients_are_the_same(spec: Spec, data: Any, rng: np.random.Generator) -> None:
    check_gradients(spec, data, rng, to_the_bit)


def test_a_root_of_what_has_no_axes_is_the_same() -> None:
    norm = ag.compile(lambda x: ag.linalg.vector_norm(x, ord=3), executor="numpy")
    for x in np.random.default_rng(0).normal(size=(200, 4)):
        assert to_the_bit(ag.linalg.vector_norm(Tensor(x), ord=3), norm(Tensor(x)), 1.0)
