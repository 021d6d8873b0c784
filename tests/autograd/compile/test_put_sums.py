"""The sums of rows of zeros with one number put into each: the numbers, where the axis that is summed is theirs alone.

One idea: the text of a program after the pass says what is computed, and its numbers are those of the program before.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.compile.passes.put_sums import with_put_sums

from .test_powers import functions, result, traced

X = np.random.default_rng(0).normal(size=(4, 5))
AT = np.array([[2], [0], [4], [2]])


def put(at: Any, axis: int, length: int = 5) -> Any:
    """A function of numbers: zeros with these put at the positions, and their sums over an axis."""

    def step(x: Tensor) -> Any:
        rows = ag.scatter_add(x, at, axis=1 if length == 5 else 0, length=length)
        return rows, ag.sum(rows, axis=axis, keepdims=True)

    return step


def test_the_sum_of_one_number_in_each_row_is_that_number() -> None:
    before = traced(put(AT, 1), Tensor(X[:, :1]))
    after = with_put_sums(before)
    assert functions(before).count("sum") == 1
    assert functions(after) == [name for name in functions(before) if name != "sum"]
    assert after.results[1] is before.instructions[functions(before).index("set_at")].inputs[2]


def test_the_gradient_of_a_log_softmax_adds_up_no_row_of_zeros() -> None:
    def slope(x: Tensor) -> Tensor:
        at = ag.argmin(x, axis=1, keepdims=True)
        return ag.grad(lambda x: ag.take_along_axis(ag.log_softmax(x, axis=1), at, axis=1).sum())(x)

    before = traced(slope, Tensor(X))
    after = with_put_sums(before)
    assert functions(before).count("sum") == 1 + functions(after).count("sum")
    for x in (X, X * 1e300, np.where(X > 1, np.inf, X)):
        np.testing.assert_array_equal(result(after, x), result(before, x))


@pytest.mark.parametrize(
    ("step", "x"),
    [
        (put(AT, 0), X[:, :1]),  # down the rows, where numbers meet
        (put(np.repeat(AT, 2, axis=1), 1), X[:, :2]),  # two in each row
        (put(np.array([[2, 0, 3, 2, 1]]), 1, 4), X[:1]),  # one in each column
    ],
)
def test_other_sums_stay(step: Any, x: Any) -> None:
    before = traced(step, Tensor(x))
    assert functions(with_put_sums(before)) == functions(before)


def test_what_is_put_into_other_numbers_is_added_up() -> None:
    def step(x: Tensor) -> Tensor:
        rows = ag.where(ag.take_along_axis(x, AT, axis=1) > 0, x, 2.0)
        changed = ag.set_at(rows, x[:, :1], index=(np.arange(4)[:, None], AT))
        return ag.sum(changed, axis=1, keepdims=True)

    before = traced(step, Tensor(X))
    assert functions(with_put_sums(before)) == functions(before)


def test_a_sum_of_some_numbers_stays() -> None:
    before = traced(put(AT, 1), Tensor(X[:, :1]))
    (added,) = [instruction for instruction in before.instructions if instruction.name == "sum"]
    added.options["where"] = X > 0
    assert functions(with_put_sums(before)) == functions(before)
