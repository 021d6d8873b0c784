"""Compiled functions and threads: one traces while another trains, and one compiled step is called by several.

One idea: a trace belongs to the thread that runs it, although it changes the Tensor class for all of them; so what a
thread gets must be what it gets alone.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import autograd as ag
from autograd import Tensor
from autograd.random import Generator
from tests.autograd.compile.conftest import plain_slots
from tests.autograd.compile.worlds import Training, assert_same, tensor

pytestmark = pytest.mark.usefixtures("kernels_off")


@pytest.fixture(autouse=True)
def often() -> Iterator[None]:
    """Threads take turns often, so that what can go wrong does."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def together(*works: Callable[[], Any]) -> list[Any]:
    """What each gives, all begun at the same moment."""
    start = threading.Barrier(len(works))

    def begin(work: Callable[[], Any]) -> Any:
        start.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result() for future in [pool.submit(begin, work) for work in works]]


def trained(training: Training, steps: int, compiled: bool) -> Any:
    """The world after so many steps, with batches of two sizes."""
    step = ag.compile(training.step) if compiled else training.step
    losses = [step(*training.batch(5 + k % 2)) for k in range(steps)]
    return losses, training.world()


def test_each_thread_with_a_step_of_its_own() -> None:
    for round_ in range(3):
        alone = [trained(Training(seed), 10, False) for seed in (round_, round_ + 10)]
        found = together(*(lambda seed=seed: trained(Training(seed), 10, True) for seed in (round_, round_ + 10)))
        assert_same(found, alone)
    assert plain_slots()


def test_one_traces_while_another_trains_as_written() -> None:
    alone = trained(Training(1), 40, False)

    def trace_again_and_again() -> int:
        for k in range(15):
            trained(Training(k), 1, True)
        return 15

    for _ in range(2):
        found, _ = together(lambda: trained(Training(1), 40, False), trace_again_and_again)
        assert_same(found, alone)
    assert plain_slots()


def test_one_compiled_function_called_by_several() -> None:
    w = tensor(2.0, 3.0)
    function = ag.compile(lambda x: (w * x, (w * x).sum()))

    def call(thread: int) -> bool:
        for k in range(50):
            x = tensor(float(thread), float(k))
            y, total = function(x)
            if y.tolist() != [2.0 * thread, 3.0 * k] or total.item() != 2.0 * thread + 3.0 * k:
                return False
        return True

    assert together(*(lambda t=t: call(t) for t in range(4))) == [True] * 4
    assert len(function.programs) == 1


def test_one_compiled_step_called_by_several_loses_no_step() -> None:
    w = tensor(0.0)
    count = ag.compile(lambda: _added(w))
    found = together(*(lambda: [count().item() for _ in range(50)] for _ in range(4)))
    assert sorted(value for values in found for value in values) == [float(k) for k in range(1, 201)]
    assert w.tolist() == [200.0]


def _added(w: Tensor) -> Tensor:
    with ag.no_grad():
        w += 1.0
    return w.sum()


def test_switching_off_belongs_to_one_thread() -> None:
    calls: list[str] = []

    def written(x: Tensor) -> Tensor:
        calls.append(threading.current_thread().name)
        return x * 1.0

    function = ag.compile(written)
    function(tensor(1.0))
    with ag.compile_disabled():
        thread = threading.Thread(target=lambda: function(tensor(2.0)))
        thread.start()
        thread.join()
        assert len(calls) == 1
        function(tensor(3.0))
    assert len(calls) == 2


def test_what_another_draws_during_a_trace_is_not_drawn_again() -> None:
    generator, drawn = Generator(0), []

    def step(x: Tensor) -> Tensor:
        mine = x + ag.random.uniform((2,), generator=generator)
        together(lambda: drawn.append(generator.uniform((2,))))  # done while tracing only
        return mine

    compiled = ag.compile(step)
    given = [compiled(Tensor([0.0, 0.0])).data for _ in range(2)]
    assert generator.draw == 4  # the one that the trace took is lost
    assert len({array.tobytes() for array in (*given, *drawn)}) == 3
