"""The pretended CUDA finds what a GPU shows at one run in a thousand, if at all. Nothing here runs anywhere else."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif("PRETENDED_CODE" not in os.environ, reason="python -m tests.pretended runs it"),
]
late = pytest.mark.skipif(os.environ.get("PRETENDED_ORDER", "late") != "late", reason="of the order that is late")


@pytest.fixture
def cupy() -> Any:
    return pytest.importorskip("cupy")


@pytest.fixture
def streams(cupy) -> Any:
    """Two that wait for nobody, least of all for the default stream."""
    return [cupy.cuda.Stream(non_blocking=True) for _ in range(2)]


@late
def test_a_stream_that_waits_for_nobody_reads_what_was_there_before(cupy, streams):
    first, second = streams
    x = cupy.zeros(4)
    cupy.cuda.Device().synchronize()
    with first:
        x += 1
    with second:
        early = x.copy()
    second.synchronize()
    assert early.get(stream=second).tolist() == [0, 0, 0, 0]
    second.wait_event(first.record())
    with second:
        assert x.copy().get(stream=second).tolist() == [1, 1, 1, 1]


@late
def test_pinned_memory_is_read_when_the_copy_is_done(cupy, streams):
    pinned = cupy.cuda.alloc_pinned_memory(8)
    there = np.frombuffer(pinned, "float64", 1)
    there[0] = 1
    x = cupy.zeros(1)
    cupy.cuda.Device().synchronize()
    x.data.copy_from_host_async(pinned.ptr, 8, streams[0])
    there[0] = 2  # too early
    streams[0].synchronize()
    assert x.tolist() == [2]


@late
def test_what_a_graph_does_not_order_is_done_in_another_order(cupy, streams):
    first, second = streams
    x = cupy.zeros(1)
    cupy.cuda.Device().synchronize()
    with first:
        first.begin_capture()
        second.wait_event(first.record())
        x += 1
        with second:
            x *= 2
        first.wait_event(second.record())
        graph = first.end_capture()
    graph.launch(first)
    first.synchronize()
    assert x.tolist() == [1]  # 2 in the order in which they were asked for


def test_a_stream_that_joined_a_recording_must_come_back(cupy, streams):
    first, second = streams
    x = cupy.zeros(1)
    with first:
        first.begin_capture()
        second.wait_event(first.record())
        with second:
            x += 1
        with pytest.raises(RuntimeError, match="904"):
            first.end_capture()


def test_new_memory_is_nan(cupy):
    memory = cupy.cuda.memory._malloc(4096)
    assert np.isnan(cupy.ndarray((512,), memptr=memory).get()).all()


def test_a_thread_without_a_context_launches_nothing(cupy):
    kernel = cupy.RawKernel('extern "C" __global__ void nothing() {}', "nothing")
    kernel((1,), (1,), ())
    function, found = kernel.kernel.ptr, []

    def launch() -> None:
        try:
            cupy.cuda.driver.launchKernel(function, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0)
        except cupy.cuda.driver.CUDADriverError as error:
            found.append(error.status)

    thread = threading.Thread(target=launch)
    thread.start()
    thread.join()
    assert found == [201]


def test_who_reads_behind_an_array_is_ended():
    program = """
import cupy
cupy.cuda.set_allocator(None)
x = cupy.ones(4)
behind = cupy.ndarray((4096,), memptr=x.data)
print("begun", flush=True)
print(behind.sum(), flush=True)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "begun\n"
    assert done.returncode < 0
