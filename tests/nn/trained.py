"""A model trained a little, eager and compiled, as the tests of several layers want it.

One idea: both begin with the same seed, so that their losses are equal but for rounding. Read `test_patches.py` next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import autograd as ag
import nn
import optim
from autograd import Tensor

__all__ = ["assert_trains_alike"]


def assert_trains_alike(build: Callable[[], nn.Module], loss: Callable[[Tensor, Tensor], Tensor], x: Tensor) -> None:
    """The losses of three updates, loss(model(x), x), are those of eager code when compiled, in one trace."""
    results = []
    run: Any = None
    for wrapped in (lambda step: step, ag.compile):
        ag.random.seed(0)
        model = build()
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def step(x: Tensor, model: nn.Module = model, optimizer: Any = optimizer) -> Tensor:
            optimizer.zero_grad()
            value = loss(model(x), x)
            value.backward()
            optimizer.step()
            return value

        run = wrapped(step)
        results.append([run(x).item() for _ in range(3)])
    assert len(run.traces) == 1
    np.testing.assert_allclose(results[1], results[0], rtol=1e-5)
