"""Every operation of the table as a tape for a GPU: eager code's numbers, to rounding.

One idea: to compile a program takes longer than to run it, so one compiled function holds many rows of the table; it
runs on the simulated device, and under `make test-gpu` on a real one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import autograd as ag
from autograd import Tensor
from autograd.backend import to_host
from autograd.ops.cast import move
from tests.opspecs import SPECS, Spec, laws
from tests.opspecs.spec import generators

from . import simulated
from .test_laws import call_of, size_of, three_calls
from .test_native_laws import close

pytestmark = [pytest.mark.usefixtures("kernels_off"), simulated.needed]

ROWS = [spec for spec in SPECS if not spec.by_values and spec.op is not move and "windows" not in spec.name]
CHUNKS = [ROWS[i : i + 12] for i in range(0, len(ROWS), 12)]


def over(examples: int) -> Any:
    """Run a law over the chunks of the table."""

    def decorate(law: Any) -> Any:
        law = given(data=st.data(), rng=generators())(law)
        quiet = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
        law = settings(max_examples=examples, phases=[Phase.generate], suppress_health_check=quiet)(law)
        return pytest.mark.parametrize("chunk", CHUNKS, ids=lambda chunk: f"{chunk[0].name}-{chunk[-1].name}")(law)

    return decorate


def numbers(x: Any) -> Any:
    return to_host(x.detach().data if isinstance(x, Tensor) else x)


@over(1)
def test_forward_is_the_same(chunk: list[Spec], data: Any, rng: np.random.Generator, device: str) -> None:
    cases = [data.draw(spec.cases) for spec in chunk]
    operations = [
        call_of(spec, case, [i for i, x in enumerate(case.inputs) if isinstance(x, np.ndarray)])
        for spec, case in zip(chunk, cases, strict=True)
    ]

    def function(arrays: list[list[Tensor]]) -> list[Any]:
        return [operation(given) for operation, given in zip(operations, arrays, strict=True)]

    compiled = ag.compile(function)
    calls = [three_calls(spec, case, rng) for spec, case in zip(chunk, cases, strict=True)]
    for together in zip(*calls, strict=True):
        given = [[x for x in case.inputs if isinstance(x, np.ndarray)] for case in together]
        wanted = function([[Tensor(x) for x in arrays] for arrays in given])
        found = compiled([[Tensor(x, device=device) for x in arrays] for arrays in given])
        for spec, a, b, arrays in zip(chunk, wanted, found, given, strict=True):
            # Where a matrix is inverted by other means, small numbers of the result round as its large ones do.
            same = close(numbers(a), numbers(b), size_of(*arrays, numbers(a)))
            assert same, f"{spec.name}: compiled {numbers(b)}, as written {numbers(a)}"
    assert len(compiled.programs) == 1


@over(1)
def test_gradients_are_the_same(chunk: list[Spec], data: Any, rng: np.random.Generator, device: str) -> None:
    rows = [spec for spec in chunk if laws.has_gradient(spec)]
    cases = [data.draw(spec.cases) for spec in rows]
    kept = [(spec, case) for spec, case in zip(rows, cases, strict=True) if spec.differentiable_in(case)]
    eager = [laws.leaves_of(spec, case) for spec, case in kept]
    own = [[Tensor(leaf.data, device=device, requires_grad=True) for leaf in leaves] for leaves in eager]
    operations = [call_of(spec, case, spec.differentiable_in(case)) for spec, case in kept]
    shapes = [
        laws.host(operation([leaf.data for leaf in leaves])).shape
        for operation, leaves in zip(operations, eager, strict=True)
    ]

    def function(all_leaves: list[list[Tensor]], weights: list[Tensor]) -> list[Tensor]:
        results = []
        for operation, leaves, weight in zip(operations, all_leaves, weights, strict=True):
            for leaf in leaves:
                leaf.grad = None
            out = operation(leaves)
            (out * weight).sum().backward()
            results.append(out)
        return results

    compiled = ag.compile(lambda weights: function(own, weights))
    calls = [three_calls(spec, case, rng) for spec, case in kept]
    for together in zip(*calls, strict=True):
        weights = [rng.normal(size=shape) for shape in shapes]
        for call, (spec, case), leaves, twins in zip(together, kept, eager, own, strict=True):
            for leaf, twin, place in zip(leaves, twins, spec.differentiable_in(case), strict=True):
                leaf.data = call.inputs[place].copy()
                twin.data = Tensor(leaf.data, device=device).data
        wanted = function(eager, [Tensor(w) for w in weights])
        found = compiled([Tensor(w, device=device) for w in weights])
        for (spec, _), a, b, leaves, twins in zip(kept, wanted, found, eager, own, strict=True):
            scale = size_of(numbers(a), *(numbers(leaf.grad) for leaf in leaves), *(numbers(leaf) for leaf in leaves))
            assert close(numbers(a), numbers(b), scale), f"{spec.name}: compiled {numbers(b)}, as written {numbers(a)}"
            for leaf, twin in zip(leaves, twins, strict=True):
                one, other = numbers(leaf.grad), numbers(twin.grad)
                assert close(one, other, scale), f"{spec.name}: compiled {other}, as written {one}"
