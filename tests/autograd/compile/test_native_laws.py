"""Every operation of the table as C: eager code's numbers, to rounding.

One idea: C may add up in another order and fuse a product with a sum, so results are compared with a tolerance of a few
units in the last place of what went in; dtypes and shapes must be the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import assume

import autograd as ag
from autograd import Tensor
from autograd.compile.native import source
from autograd.compile.native.library import blas, load
from tests.opspecs import Spec, laws

from .test_laws import has_gradient, over, three_calls

pytestmark = [
    pytest.mark.usefixtures("kernels_off"),
    pytest.mark.skipif(load("int one(void) { return 1; }") is None or blas() is None, reason="no C compiler or BLAS"),
]


def close(wanted: Any, found: Any, scale: float) -> bool:
    """Whether two results agree to rounding, with errors as large as those of numbers of this size."""
    a, b = laws.host(wanted), laws.host(found)
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind not in "fc":
        return bool((a == b).all())
    eps = np.finfo(a.dtype).eps
    with np.errstate(all="ignore"):
        return bool(np.allclose(a, b, rtol=64 * eps, atol=64 * eps * scale, equal_nan=True))


def size_of(*arrays: Any) -> float:
    found = [np.abs(laws.host(x)).max(initial=1.0) for x in arrays if laws.host(x).dtype.kind in "fiu"]
    finite = [float(x) for x in found if np.isfinite(x)]
    return max(finite, default=1.0)


@pytest.fixture(autouse=True, scope="module")
def many_parts() -> Iterator[None]:
    """Loops are cut into parts however short they are; the other tests run them whole."""
    before, source._GRAIN = source._GRAIN, 1
    yield
    source._GRAIN = before


@over(3, lambda spec: True)
def test_forward_is_the_same(spec: Spec, data: Any, rng: np.random.Generator) -> None:
    case = data.draw(spec.cases)

    def function(*arrays: Tensor) -> Any:
        given = iter(arrays)
        inputs = [next(given) if isinstance(x, np.ndarray) else x for x in case.inputs]
        return spec.op(*inputs, **case.options)

    compiled = ag.compile(function, executor="native")
    for call in three_calls(spec, case, rng):
        tensors = [Tensor(x) for x in call.inputs if isinstance(x, np.ndarray)]
        wanted, found = function(*tensors), compiled(*tensors)
        assert close(wanted, found, size_of(*tensors)), f"{spec.name}: compiled {found}, as written {wanted}"
    assert len(compiled.programs) == 1


@over(3, has_gradient)
def test_gradients_are_the_same(spec: Spec, data: Any, rng: np.random.Generator) -> None:
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

    compiled = ag.compile(lambda weights: function(own, weights), executor="native")
    for call in three_calls(spec, case, rng):
        weights = Tensor(rng.normal(size=shape))
        for leaf, twin, place in zip(eager, own, spec.differentiable_in(case), strict=True):
            leaf.data, twin.data = call.inputs[place].copy(), call.inputs[place].copy()
        wanted, found = function(eager, weights), compiled(weights)
        scale = size_of(wanted, *(leaf.grad for leaf in eager), *(leaf.detach() for leaf in eager))
        assert close(wanted, found, scale), f"{spec.name}: compiled {found}, as written {wanted}"
        for leaf, twin in zip(eager, own, strict=True):
            assert close(leaf.grad, twin.grad, scale), f"{spec.name}: compiled {twin.grad}, as written {leaf.grad}"
