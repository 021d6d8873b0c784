"""Modes belong to one thread: what one switches off stays on in the others."""

from __future__ import annotations

import asyncio
import threading

import numpy as np

import autograd as ag
from autograd import Tensor


def run_together(*functions):
    """Run functions in threads of their own; raise what the first one raised."""
    barrier = threading.Barrier(len(functions))
    errors = []

    def start(function):
        try:
            barrier.wait(timeout=30)
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=start, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert not any(thread.is_alive() for thread in threads)
    if errors:
        raise errors[0]


def test_no_gradient_is_lost_beside_a_thread_under_no_grad():
    steps = 10_000
    w = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    done = threading.Event()

    def train():
        try:
            for _ in range(steps):
                (w * w).sum().backward()
        finally:
            done.set()

    def evaluate():
        while not done.is_set():
            with ag.no_grad():
                y = (w * w).sum()
                assert not y.requires_grad
            assert ag.is_recording()

    run_together(train, evaluate)
    np.testing.assert_array_equal(w.grad.data, steps * 2 * w.data)


def test_a_thread_starts_recording_whatever_its_parent_does():
    seen = []
    with ag.no_grad(), ag.anomaly():
        run_together(lambda: seen.append(ag.is_recording()), lambda: seen.append(ag.modes.is_watching()))
        assert not ag.is_recording()
    assert sorted(map(str, seen)) == ["None", "True"]


def test_two_threads_walk_two_graphs():
    def work(scale):
        def train():
            x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
            for _ in range(300):
                y = x
                for _ in range(10):
                    y = y * scale
                y.sum().backward()
            np.testing.assert_allclose(x.grad.data, 300 * scale**10)

        return train

    run_together(work(1.5), work(0.5))


def test_asyncio_tasks_have_modes_of_their_own():
    async def off(order):
        with ag.no_grad():
            order.append("off")
            await asyncio.sleep(0)
            assert not ag.is_recording()

    async def on(order):
        order.append("on")
        assert ag.is_recording()
        await asyncio.sleep(0)
        assert ag.is_recording()

    async def main():
        order = []
        await asyncio.gather(off(order), on(order), off(order))
        assert order == ["off", "on", "off"]

    asyncio.run(main())
