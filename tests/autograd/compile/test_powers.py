"""The softmax in the gradient of a log-softmax: made of the powers that are there, where nothing can be too large.

One idea: the text of a program after the pass says what is computed, and its numbers are those of the program before.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.compile.passes.powers import with_shared_powers
from autograd.compile.program import Program
from autograd.compile.replay import Replay

from .worlds import needs_c


def slope(x: Tensor) -> Tensor:
    """The gradient of the first log-probabilities."""
    return ag.grad(lambda x: ag.log_softmax(x, axis=1)[:, 0].sum())(x)


def traced(function: Any, x: Tensor) -> Program:
    step = ag.compile(function)
    step(x)
    (program,) = step.programs
    return program


def functions(program: Program) -> list[str]:
    return [instruction.name for instruction in program.instructions]


def result(program: Program, x: Any) -> Any:
    replay = Replay(program)
    replay.bind([])
    ((found,), _) = replay([x], {})
    return found


X = np.random.default_rng(0).normal(size=(4, 5)) * 3


def test_the_powers_of_a_log_softmax_serve_its_gradient() -> None:
    before = traced(slope, Tensor(X))
    after = with_shared_powers(before)
    assert functions(before).count("exp") == 2
    wanted = functions(before)
    at = wanted.index("exp", wanted.index("exp") + 1)
    assert functions(after) == [*wanted[:at], "divide", "multiply", *wanted[at + 1 :]]
    for x in (X, X * 1e300, np.where(X > 2, -np.inf, X), np.full_like(X, -np.inf), X * 0):
        np.testing.assert_allclose(result(after, x), result(before, x), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: ag.exp(x) + ag.exp(x - ag.log(ag.sum(ag.exp(x), axis=1, keepdims=True))),  # x may be large
        lambda x: ag.exp(x - x.max(axis=1, keepdims=True) - ag.log(ag.sum(ag.abs(x), axis=1, keepdims=True))),
        lambda x: ag.exp(x - x.min(axis=1, keepdims=True)) * ag.exp(x - x.min() - ag.log(ag.sum(ag.abs(x)))),
    ],
)
def test_other_powers_stay(function: Any) -> None:
    before = traced(function, Tensor(X))
    assert str(with_shared_powers(before)) == str(before)


@needs_c
def test_a_compiled_cross_entropy_takes_one_exponential(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TAPEGRAD_EXECUTOR")
    step = ag.compile(lambda x: slope(x))
    for x in (X, -X, X * 50):
        np.testing.assert_allclose(step(Tensor(x)).data, slope(Tensor(x)).data, rtol=1e-12, atol=1e-14)
    assert step.explain().split("native:")[1].count(" exp") == 1
