"""Products on a GPU: stacks of matrices, some of which serve several of the others.

One idea: every matrix has its own numbers, so one that is read from the wrong place shows.
"""

from __future__ import annotations

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor

from . import simulated

pytestmark = simulated.needed

FRONTS = [
    ((2, 3), (2, 1)),
    ((2, 1), (2, 3)),
    ((1, 3), (2, 1)),
    ((2, 3), (3,)),
    ((2, 3), (1, 1)),
    ((1,), (3,)),
    ((4, 2, 3), (4, 1, 3)),
    ((4, 2, 3), (2, 1)),
]


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("fronts", FRONTS, ids=str)
def test_matrices_that_serve_several_others(
    fronts: tuple[tuple[int, ...], tuple[int, ...]], turned: bool, device: str
) -> None:
    rng = np.random.default_rng(0)
    shapes = ((*fronts[0], 5, 4), (*fronts[1], *((6, 4) if turned else (4, 6))))
    a, b = (rng.standard_normal(shape) for shape in shapes)

    def slopes(a: Tensor, b: Tensor) -> tuple[Tensor, ...]:
        out = a @ (b.mT if turned else b)
        return out, *ag.grad(lambda a, b: ((a @ (b.mT if turned else b)) ** 2).sum(), argnums=(0, 1))(a, b)

    wanted = slopes(Tensor(a), Tensor(b))
    found = ag.compile(slopes)(Tensor(a, device=device), Tensor(b, device=device))
    for x, y in zip(found, wanted, strict=True):
        np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-12, atol=1e-12)


def test_a_stack_that_is_turned_round_is_packed(device: str) -> None:
    numbers = np.random.default_rng(0).standard_normal((4, 3, 3))
    found = ag.compile(lambda x: (x[::-1] @ x, ag.vecdot(x[0], x[0][::-1])))(Tensor(numbers, device=device))
    for one, wanted in zip(found, (numbers[::-1] @ numbers, np.vecdot(numbers[0], numbers[0][::-1])), strict=True):
        np.testing.assert_allclose(one.numpy(), wanted)
