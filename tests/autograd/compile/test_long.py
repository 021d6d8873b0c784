"""Programs of more than a thousand instructions, one behind the other: longer than Python's stack is deep."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from tests.autograd.compile.worlds import needs_c

LENGTH = 1100


def chain(x: Any) -> Any:
    for _ in range(LENGTH):
        x = ag.tanh(x) * 1.01
    return x.sum()


def turned(x: Any) -> Any:
    for _ in range(LENGTH):
        x = x.T
    return x + 1.0


def slope_of_product(x: Any) -> Any:
    return ag.grad(lambda w: chain(x @ w))(x.T)


@pytest.mark.parametrize("executor", ["numpy", pytest.param("native", marks=needs_c)])
@pytest.mark.parametrize("function", [chain, turned, slope_of_product])
def test_a_long_chain_is_compiled(function: Any, executor: str) -> None:
    x = Tensor(np.linspace(-1, 1, 12).reshape(3, 4))
    compiled = ag.compile(function, executor=executor)
    for _ in range(2):
        np.testing.assert_allclose(compiled(x).data, function(x).data, rtol=1e-9, atol=1e-12)
    assert len(compiled.programs) == 1


@needs_c
def test_a_long_chain_is_several_loops() -> None:
    """The compiler takes minutes for one of thousands of members."""
    compiled = ag.compile(chain, executor="native")
    compiled(Tensor(np.linspace(-1, 1, 12)))
    assert compiled.explain().count(" loop ") > 2 * LENGTH // 256
