"""Old gradients that new ones are written over: only where nobody could see it.

One idea: whoever holds a gradient, its array, or a look at its memory keeps what he holds, also where a call fails.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn.functional as F
import optim
from autograd import Tensor
from tests.autograd.compile.worlds import needs_c

pytestmark = needs_c
SIZE = 40_000  # smaller gradients come from a pool


class Training:
    """w moves by its gradient, which is x; the step is compiled to C."""

    def __init__(self, last: Callable[[Tensor], Any] = lambda x: None, forget: bool = True) -> None:
        self.w = Tensor(np.zeros(SIZE), requires_grad=True)
        self.optimizer = optim.SGD([self.w], lr=1.0)
        self.last, self.forget = last, forget
        self.step = ag.compile(self.written, executor="native")

    def written(self, x: Tensor) -> Any:
        if self.forget:
            self.optimizer.zero_grad()
        (self.w * x).sum().backward()
        self.optimizer.step()
        return self.last(x)

    def run(self, value: float) -> Any:
        return self.step(Tensor(np.full(SIZE, value)))

    @property
    def address(self) -> int:
        return self.w.grad.data.__array_interface__["data"][0]


def test_a_gradient_that_nobody_holds_is_written_over() -> None:
    training = Training()
    training.run(1.0)
    first = training.address
    for value in (2.0, 3.0):
        training.run(value)
        assert training.address == first
        np.testing.assert_array_equal(training.w.grad.data, value)
    np.testing.assert_array_equal(training.w.data, -6.0)


def test_an_update_of_its_own_is_nobody_who_holds_one() -> None:
    training = Training()

    @ag.compile(executor="native")
    def gradients(x: Tensor) -> None:
        training.optimizer.zero_grad()
        (training.w * x).sum().backward()

    update = ag.compile(training.optimizer.step, executor="native")
    addresses = set()
    for value in (1.0, 2.0, 3.0, 4.0):
        gradients(Tensor(np.full(SIZE, value)))
        update()
        addresses.add(training.address)
    assert len(addresses) == 1
    np.testing.assert_array_equal(training.w.data, -10.0)
    held = training.w.grad.data
    gradients(Tensor(np.full(SIZE, 5.0)))
    update()
    np.testing.assert_array_equal(held, 4.0)
    np.testing.assert_array_equal(training.w.data, -15.0)


def test_a_call_needs_no_second_set_of_gradients() -> None:
    training = Training()
    x = Tensor(np.ones(SIZE))
    training.step(x)
    tracemalloc.start()
    training.step(x)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < SIZE * 8 / 2


def recorded(w: Tensor) -> Any:
    """A graph for whose backward the gradient is kept."""
    y = Tensor(np.ones(SIZE), requires_grad=True)
    return y, y * w.grad


HOLDERS = {
    "Tensor": (lambda w: w.grad, lambda held: held.data),
    "array": (lambda w: w.grad.data, lambda held: held),
    "detached": (lambda w: w.grad.detach(), lambda held: held.data),
    "view": (lambda w: w.grad.data[::2], lambda held: held),
    "numpy": (lambda w: w.grad.numpy(), lambda held: held),
    "memoryview": (lambda w: memoryview(w.grad.data), np.asarray),
    "dlpack": (lambda w: np.from_dlpack(w.grad.data), lambda held: held),
    "other gradient": (lambda w: (other := Tensor(np.zeros(SIZE)), setattr(other, "grad", w.grad))[0],
                       lambda held: held.grad.data),
}  # fmt: skip


@pytest.mark.parametrize("name", HOLDERS)
def test_what_somebody_holds_stays(name: str) -> None:
    hold, look = HOLDERS[name]
    training = Training()
    for value in (1.0, 2.0, 3.0):
        training.run(value)
        held = hold(training.w)
        training.run(value + 10.0)
        np.testing.assert_array_equal(look(held), value)
        np.testing.assert_array_equal(training.w.grad.data, value + 10.0)


def test_what_a_graph_saved_stays() -> None:
    training = Training()
    training.run(2.0)
    y, product = recorded(training.w)
    training.run(3.0)
    product.sum().backward()
    np.testing.assert_array_equal(y.grad.data, 2.0)


def test_an_array_of_which_the_gradient_is_a_view_stays() -> None:
    training = Training()
    training.run(1.0)
    memory = np.full(2 * SIZE, 5.0)
    training.w.grad = Tensor(0.0)
    training.w.grad.data = memory[:SIZE]
    training.run(2.0)
    np.testing.assert_array_equal(memory, 5.0)
    np.testing.assert_array_equal(training.w.grad.data, 2.0)


@pytest.mark.parametrize("change", [lambda g: g.astype("float32"), lambda g: g[: SIZE // 2].copy()])
def test_an_array_that_does_not_fit_is_left_alone(change: Any) -> None:
    training = Training()
    training.run(1.0)
    training.w.grad.data = change(training.w.grad.data)
    training.run(2.0)
    np.testing.assert_array_equal(training.w.grad.data, np.full(SIZE, 2.0))


def test_an_array_that_is_read_only_is_left_alone() -> None:
    training = Training()
    training.run(1.0)
    training.w.grad.data.flags.writeable = False
    before = training.address
    training.run(2.0)
    assert training.address != before


def test_gradients_that_add_up_do() -> None:
    training = Training(forget=False)
    for value in (1.0, 3.0, 6.0):
        training.run(value - (0.0 if training.w.grad is None else training.w.grad.data[0]))
        np.testing.assert_array_equal(training.w.grad.data, value)


def test_a_gradient_that_is_the_argument_stays_until_it_is_read() -> None:
    training = Training()
    training.run(1.0)
    for _ in range(3):
        old = training.w.grad.data[0]
        training.step(training.w.grad)
        np.testing.assert_array_equal(training.w.grad.data, old)


def checked(x: Tensor) -> Tensor:
    """Its labels, which are x, are looked at only after the gradient is there: they are computed."""
    return F.cross_entropy(x[:6].reshape(2, 3), ag.astype(x[:2] * 1.0, np.int64))


def inverted(x: Tensor) -> Tensor:
    return ag.linalg.inv(ag.diagonal(x[:4].reshape(2, 2)) * Tensor(np.eye(2)))


@pytest.mark.parametrize(("last", "good", "wrong"), [(checked, 1.0, 3.0), (inverted, 1.0, 0.0)])
def test_an_error_at_the_end_leaves_the_gradients(last: Any, good: float, wrong: float) -> None:
    training = Training(last)
    training.run(good)
    training.run(good)
    before = training.address
    with pytest.raises((ValueError, np.linalg.LinAlgError)):
        training.run(wrong)
    assert training.address == before
    np.testing.assert_array_equal(training.w.grad.data, good)
    training.run(good)
