"""A bias is added by the product that it belongs to, where nothing but that sum is wanted, and rounded with it.

One idea: the commands of a tape tell who adds, and whole numbers, whose sums are exact, how often was rounded.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import Tensor
from autograd.backend import bfloat16, to_host
from autograd.compile.cuda import Tape

from . import simulated

pytestmark = simulated.needed
pytest.importorskip("ml_dtypes")

LINEAR = nn.functional.linear


def numbers(shape: tuple[int, ...], most: int, seed: int) -> Tensor:
    return Tensor(np.random.default_rng(seed).integers(-most, most + 1, shape).astype("float32"), device="guard")


def run(function: Callable[..., object], *given: Tensor) -> tuple[list[np.ndarray], list[str]]:
    fast = ag.compile(ag.autocast()(function))
    for _ in range(2):
        made = fast(*given)
    commands = [str(command).partition(": %")[0] for command in Tape(fast.programs[-1]).commands]
    return [to_host(x.data) for x in made], commands


def rounded(x: np.ndarray) -> np.ndarray:
    return x.astype(bfloat16()).astype("float32")


@pytest.mark.parametrize("leading", [(), (3,)])
def test_a_sum_that_is_only_rounded_is_rounded_once(leading: tuple[int, ...]) -> None:
    x, w, b = numbers((*leading, 16, 24), 9, 1), numbers((32, 24), 9, 2), numbers((32,), 999, 3)
    turned = Tensor(np.eye(32, dtype="float32"), device="guard")
    (made,), commands = run(lambda x, w, turned: (LINEAR(LINEAR(x, w, b), turned),), x, w, turned)
    exact = to_host(x.data) @ to_host(w.data).T
    wanted = rounded(exact + rounded(to_host(b.data)))
    assert np.any(wanted != rounded(rounded(exact) + to_host(b.data)))
    np.testing.assert_array_equal(made, wanted)
    rows = 16 * (leading or (1,))[0]
    products = [f"product {rows} x 24 by 24 x 32 + bias", f"product {rows} x 32 by 32 x 32"]
    assert [command for command in commands if command.startswith("product")] == products
    assert not any(" add" in command for command in commands)


def test_a_sum_of_which_more_is_wanted_is_made_by_a_loop() -> None:
    x, w, b = numbers((16, 24), 9, 1), numbers((32, 24), 9, 2), numbers((32,), 999, 3)

    def both(x: Tensor, w: Tensor) -> tuple[Tensor, ...]:
        sums = LINEAR(x, w, b)
        return sums, LINEAR(sums, w.T)

    (sums, _), commands = run(both, x, w)
    np.testing.assert_array_equal(sums, rounded(to_host(x.data) @ to_host(w.data).T) + to_host(b.data))
    assert not any("+ bias" in command for command in commands)


def test_rows_that_are_not_aligned_are_added_by_a_loop() -> None:
    x, w, b = numbers((16, 24), 9, 1), numbers((30, 24), 9, 2), numbers((30,), 999, 3)
    (made,), commands = run(lambda x, w: (LINEAR(LINEAR(x, w, b), w.T),), x, w)
    hidden = rounded(rounded(to_host(x.data) @ to_host(w.data).T) + to_host(b.data))
    np.testing.assert_array_equal(made, rounded(hidden @ to_host(w.data)))
    assert not any("+ bias" in command for command in commands)


@pytest.mark.parametrize("columns", [1, 8])
def test_one_number_for_all_columns_is_no_row_of_them(columns: int) -> None:
    x, w, b = numbers((5, 3), 9, 1), numbers((3, columns), 9, 2), numbers((1,), 9, 3)
    fast = ag.compile(lambda x, w: x @ w + ag.broadcast_to(b, (columns,)))
    for _ in range(2):
        made = fast(x, w)
    np.testing.assert_array_equal(to_host(made.data), to_host(x.data) @ to_host(w.data) + to_host(b.data))


def test_two_products_with_one_bias_round_it_once() -> None:
    x, w, b = numbers((16, 32), 9, 1), numbers((32, 32), 9, 2), numbers((32,), 999, 3)
    (made,), commands = run(lambda x, w: (LINEAR(LINEAR(LINEAR(x, w, b), w, b), w),), x, w)
    first = rounded(to_host(x.data) @ to_host(w.data).T + rounded(to_host(b.data)))
    second = rounded(first @ to_host(w.data).T + rounded(to_host(b.data)))
    np.testing.assert_allclose(made, rounded(second @ to_host(w.data).T), rtol=8e-3)
    assert sum("+ bias" in command for command in commands) == 2
    assert sum("1 x 32, ndarray.astype" in command for command in commands) == 1
