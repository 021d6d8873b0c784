"""A rule as one piece of work: as a loop in C it moves large weights as NumPy's passes do, whatever its options say."""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import optim
from autograd import Tensor
from autograd.compile.native.in_place import LEAST as LARGE
from optim.rule import Rule
from tests.autograd.compile.worlds import needs_c
from tests.optim.helpers import RULES

pytestmark = needs_c


def numbers(*shape: int, seed: int = 0, dtype: Any = "float64") -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """For each array of weights that was moved, whether that was done at once."""
    found: list[bool] = []
    move = Rule.move_at_once

    def watched(*given: Any) -> bool:
        found.append(move(*given))
        return found[-1]

    monkeypatch.setattr(Rule, "move_at_once", watched)
    return found


def both_ways(trained: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """What comes out with C and without."""
    monkeypatch.delenv("TAPEGRAD_EXECUTOR", raising=False)
    with_c = trained()
    monkeypatch.setenv("TAPEGRAD_EXECUTOR", "numpy")
    without = trained()
    monkeypatch.delenv("TAPEGRAD_EXECUTOR")
    return with_c, without


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", RULES)
def test_a_rule_in_c_is_that_of_numpy(
    name: str, dtype: str, at_once: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = (LARGE // 100 + 1, 101), (5,), (LARGE + 63,)

    def trained() -> list[np.ndarray]:
        weights = [Tensor(numbers(*shape, dtype=dtype), requires_grad=True) for shape in shapes]
        optimizer = RULES[name](weights)
        for step in range(8):
            for i, w in enumerate(weights):
                w.grad = Tensor(numbers(*w.shape, seed=2 * step + i, dtype=dtype))
            optimizer.param_groups[0]["lr"] *= 0.9  # as a schedule does
            optimizer.step()
        entries = optimizer.state_dict()["state"]
        return [w.data for w in weights] + [x for i in entries for x in entries[i].values()]

    found, wanted = both_ways(trained, monkeypatch)
    assert sum(at_once) == 16  # the two large ones in each step
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(
            a, b, rtol=1e-11 if dtype == "float64" else 2e-4, atol=1e-12 if dtype == "float64" else 1e-5
        )


def test_it_goes_another_way_when_its_options_say_so(at_once: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    def trained() -> np.ndarray:
        w = Tensor(numbers(LARGE), requires_grad=True)
        optimizer = optim.SGD([w], lr=0.1, momentum=0.9)
        for step, momentum in enumerate([0.9, 0.9, 0.0, 0, 0.8, 0.0]):
            optimizer.param_groups[0].update(momentum=momentum, weight_decay=0.1 * (step > 3), maximize=step == 5)
            w.grad = Tensor(numbers(LARGE, seed=step))
            optimizer.step()
        return w.data

    np.testing.assert_allclose(*both_ways(trained, monkeypatch), rtol=1e-12, atol=1e-14)
    assert at_once == [True] * 6 + [False] * 6


def test_a_gradient_may_lie_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also among the weights themselves: it is read before they change."""

    def trained() -> np.ndarray:
        first, second = (Tensor(numbers(LARGE, seed=i), requires_grad=True) for i in range(2))
        third = Tensor(numbers(LARGE // 64, 64), requires_grad=True)
        optimizer = optim.SGD([first, second, third], lr=0.1)
        for _ in range(3):
            optimizer.step()
            second.grad = Tensor(numbers(LARGE))
            third.grad = Tensor(numbers(64, LARGE // 64).T)
            if second.data.base is not None:
                second.grad.data = second.data.base[LARGE - 1 : 2 * LARGE - 1]  # each element is the weight before
        return second.data.base

    np.testing.assert_allclose(*both_ways(trained, monkeypatch), rtol=1e-12, atol=1e-14)


def test_rules_and_penalties_of_the_users_own_are_asked_at_every_step(at_once: list[bool]) -> None:
    class MyRule(optim.SGD):
        @staticmethod
        def update(xp: Any, w: Any, g: Any, state: Any, t: int, **options: Any) -> None:
            w -= scale[0] * g

    class MyPenalty(optim.Penalty):
        def add_gradient(self, xp: Any, w: Any, g: Any) -> Any:
            return g * scale[0]

    scale = [1.0]
    for optimizer_of in (MyRule, lambda p: optim.SGD(p, lr=1.0, penalties=[MyPenalty()])):
        w = Tensor(np.ones(LARGE), requires_grad=True)
        optimizer = optimizer_of([w])
        for scale[0] in (1.0, 2.0, 4.0):
            w.grad = Tensor(np.ones(LARGE))
            optimizer.step()
        assert (w.data == -6).all()
    assert not any(at_once)


def test_what_takes_the_place_of_our_own_is_asked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function around a rule, which has its name and module, and a moment of a penalty that was replaced."""

    class Scaled(optim.SGD):
        @staticmethod
        @functools.wraps(optim.SGD.update)
        def update(xp: Any, w: Any, g: Any, *given: Any, **options: Any) -> None:
            optim.SGD.update(xp, w, scale[0] * g, *given, **options)

    scale = [1.0]
    for optimizer_of, penalties in ((optim.SGD, [optim.L2(0.0)]), (Scaled, [])):
        w = Tensor(np.ones(LARGE), requires_grad=True)
        optimizer = optimizer_of([w], lr=1.0, penalties=penalties)
        for scale[0] in (1.0, 2.0, 4.0):
            w.grad = Tensor(np.ones(LARGE))
            optimizer.step()
            monkeypatch.setattr(optim.L2, "add_gradient", lambda self, xp, w, g: scale[0] * g)
        assert (w.data == -6).all()


def test_a_rule_of_an_object_is_not_kept_beyond_it() -> None:
    class MyRule(optim.SGD):
        def update(self, xp: Any, w: Any, g: Any, *given: Any, **options: Any) -> None:  # type: ignore[override]
            w -= g

    w = Tensor(np.ones(LARGE), requires_grad=True)
    w.grad = Tensor(np.ones(LARGE))
    optimizer = MyRule([w])
    optimizer.step()
    known = weakref.ref(optimizer)
    del optimizer
    assert known() is None


def test_other_dtypes_are_left_to_numpy(at_once: list[bool]) -> None:
    w = Tensor(np.ones(LARGE, "float16"), requires_grad=True)
    w.grad = Tensor(np.ones(LARGE, "float16"))
    optim.SGD([w], lr=0.5).step()
    assert (w.data == 0.5).all()
    assert at_once == [False]


def test_what_is_not_finite_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def trained() -> np.ndarray:
        w = Tensor(np.ones(LARGE), requires_grad=True)
        optimizer = optim.Adam([w], lr=0.1, amsgrad=True, penalties=[optim.L1(0.1, "proximal")])
        for _ in range(3):
            g = numbers(LARGE)
            g[:5] = np.nan, np.inf, -np.inf, 0.0, -0.0
            w.grad = Tensor(g)
            with np.errstate(all="ignore"):
                optimizer.step()
        return w.data

    np.testing.assert_allclose(*both_ways(trained, monkeypatch), rtol=1e-12, atol=1e-14)


def test_a_resumed_run_gives_the_bits_of_one_that_was_not_interrupted() -> None:
    def step(w: Tensor, optimizer: optim.Optimizer, seed: int) -> None:
        w.grad = Tensor(numbers(LARGE, seed=seed, dtype="float32"))
        optimizer.step()

    whole = Tensor(numbers(LARGE, dtype="float32"), requires_grad=True)
    optimizer = optim.AdamW([whole])
    for seed in range(6):
        step(whole, optimizer, seed)
        if seed == 2:
            saved, state = whole.data.copy(), optimizer.state_dict()
    resumed = Tensor(saved, requires_grad=True)
    again = optim.AdamW([resumed])
    again.load_state_dict(state)
    for seed in range(3, 6):
        step(resumed, again, seed)
    np.testing.assert_array_equal(resumed.data, whole.data)


def test_threads_do_not_meet() -> None:
    def train(i: int) -> None:
        w = Tensor(np.full(LARGE, float(i)), requires_grad=True)
        optimizer = optim.SGD([w], lr=0.1 * (i + 1), momentum=0.5)
        for _ in range(20):
            w.grad = Tensor(np.ones(LARGE))
            optimizer.step()
        ends[i] = w.data

    ends: dict[int, np.ndarray] = {}
    alone = []
    for i in range(4):
        train(i)
        alone.append(ends.pop(i))
    threads = [threading.Thread(target=train, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, wanted in enumerate(alone):
        np.testing.assert_array_equal(ends[i], wanted)


def test_without_a_compiler_numpy_moves_the_weights(at_once: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAPEGRAD_EXECUTOR", "numpy")
    w = Tensor(np.ones(LARGE), requires_grad=True)
    w.grad = Tensor(np.ones(LARGE))
    optim.SGD([w], lr=0.5).step()
    assert (w.data == 0.5).all()
    assert at_once == [False]
