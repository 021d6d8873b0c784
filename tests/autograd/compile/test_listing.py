"""Listings: how much C is written for a program of many steps that do the same.

One idea: the compiler's time goes with the text, so a loop of Python over time, or a deep network, must not have more
of it for each turn but a line in a list.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn.functional as F
import optim
from autograd import Tensor
from autograd.compile.native import Native
from tests.autograd.compile.worlds import needs_c

pytestmark = needs_c

_MOST = 12  # turns


def random(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("float32")


def unrolled(turns: int) -> tuple[Callable[..., Any], tuple[Tensor, ...]]:
    weight, state, bias = (ag.Tensor(random(*shape), requires_grad=True) for shape in ((8, 8), (8, 8), (8,)))
    optimizer = optim.SGD([weight, state, bias], lr=0.1)

    def step(x: Tensor) -> Tensor:
        optimizer.zero_grad()
        h = ag.zeros((4, 8))
        for t in range(turns):
            h = ag.tanh(x[:, t] @ weight + h @ state + bias)
        loss = h.square().mean()
        loss.backward()
        optimizer.step()
        return loss

    return step, (Tensor(random(4, _MOST, 8)),)


def gathered(turns: int) -> tuple[Callable[..., Any], tuple[Tensor, ...]]:
    """Products of stacks, copies in another order, rows by their numbers, and random draws."""
    generator = ag.random.Generator(0)

    def step(x: Tensor, places: Tensor) -> list[Tensor]:
        out = []
        for _ in range(turns):
            x = F.dropout(x @ ag.swapaxes(x, 1, 2), 0.5, generator=generator)
            out.append(ag.stack([x[places], x[places]], axis=2))
        return out

    return step, (Tensor(0.1 * random(4, 6, 6)), Tensor(np.array([2, 0, 1])))


def convolved(turns: int) -> tuple[Callable[..., Any], tuple[Tensor, ...]]:
    weights = [ag.Tensor(random(8, 8, 3, 3), requires_grad=True) for _ in range(turns)]

    def step(x: Tensor) -> Tensor:
        for weight in weights:
            x = F.max_pool2d(F.conv2d(x, weight, padding=1), 3, stride=1, padding=1)
        loss = x.square().mean()
        loss.backward()
        return loss

    return step, (Tensor(random(2, 8, 6, 6)),)


def source_of(network: Any, turns: int) -> Native:
    step, given = network(turns)
    compiled = ag.compile(step, executor="native")
    compiled(*given)
    return Native(compiled.programs[0])


def compiled(network: Any, turns: int) -> Native:
    step, given = network(turns)
    function = ag.compile(step, executor="native")
    function(*given)
    return Native(function.programs[0])


def without_list(source: str) -> str:
    """A source but for the list of its steps: lines of places, and of functions, and how many of them a part has."""
    lines = [line for line in source.splitlines() if not re.fullmatch(r"  (-?[\d, ]+|\{\w+, \d+\}),", line)]
    return re.sub(r"run_steps\([\d, ]+", "run_steps(", "\n".join(lines))


@pytest.mark.parametrize("network", [unrolled, gathered, convolved])
def test_more_turns_of_a_loop_are_more_lines_of_a_list_and_nothing_else(network: Any) -> None:
    few, many = compiled(network, _MOST // 2), compiled(network, _MOST)
    assert len(many.steps) >= len(few.steps) + 6
    assert without_list(few.source) == without_list(many.source)
    assert many.source.count("\n") - few.source.count("\n") == 2 * (len(many.steps) - len(few.steps))


def test_a_wrong_position_is_told_of_its_own_step() -> None:
    """Whether it is the first of several checks or the last, with a step that NumPy does in between."""

    def step(x: Tensor, first: Tensor, second: Tensor) -> Tensor:
        return x[first] + x[ag.sort(second)]

    compiled = ag.compile(step, executor="native")
    x, right, wrong = Tensor(random(5, 3)), Tensor(np.array([0, 4])), Tensor(np.array([1, 7]))
    np.testing.assert_array_equal(compiled(x, right, right).data, step(x, right, right).data)
    for given in ((wrong, right), (right, wrong)):
        with pytest.raises(IndexError, match="7"):
            compiled(x, *given)
    np.testing.assert_array_equal(compiled(x, right, right).data, step(x, right, right).data)
