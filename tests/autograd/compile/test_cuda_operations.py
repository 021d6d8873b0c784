"""A device does convolutions and attention at addresses, and keeps the memory that it works in as long as it is needed.

One idea: the simulated device goes through the very layer over cuDNN that the real one does, so what it is told is
shown by numbers. The real one is asked with a made-up CuPy: when does its memory to work in go?
"""

from __future__ import annotations

import gc
import sys
import weakref
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from autograd import convolution
from autograd.compile.cuda import gpu
from autograd.convolution import geometry
from autograd.cuda import cudnn
from autograd.cuda.attentions import Attention
from autograd.cuda.convolutions import KINDS, Convolution
from tests import simulated_cudnn
from tests.autograd.compile.simulated import Simulated
from tests.guard import guard
from tests.simulated_cudnn import SimulatedCudnn

GEOMETRY = geometry("convolve", (2, 6, 5, 4), (6, 3, 3, 2), (1, 2), ((1, 0), (1, 1)), (1, 1), 2)


@pytest.mark.parametrize("kind", KINDS)
def test_a_convolution_is_run_and_recorded(kind):
    device, rng = Simulated("guard"), np.random.default_rng(0)
    operation = Convolution.of(kind, GEOMETRY, "float64")
    assert device.does(operation)
    host = {role: rng.uniform(-1, 1, operation.shape(role)) for role in "xwy"}
    there = {role: guard.asarray(array) for role, array in host.items()}
    run = device.record([device.operation(operation, {role: device.address(there[role]) for role in "xwy"})])
    for _ in range(2):
        (written,) = operation.writes
        there[written]._host[...] = np.nan
        run()
        options = {name: getattr(GEOMETRY, name) for name in ("stride", "padding", "dilation", "groups")}
        wanted = {
            "x": lambda o: convolution.convolve_input(host["y"], host["w"], length=GEOMETRY.length, **o),
            "w": lambda o: convolution.convolve_weight(host["x"], host["y"], size=GEOMETRY.size, **o),
            "y": lambda o: convolution.convolve(host["x"], host["w"], **o),
        }[written](options)
        np.testing.assert_allclose(there[written]._host, wanted, rtol=1e-12)


def test_attention_is_run():
    device, rng = Simulated("guard"), np.random.default_rng(0)
    shape = (2, 3, 5, 8)
    operation = Attention.packed("forward", shape, shape, shape, "float16", causal=True)
    there = {role: guard.asarray(rng.uniform(-1, 1, shape).astype("float16")) for role in "qkvo"}
    there["stats"] = guard.asarray(np.zeros((2, 3, 5, 1), "float32"))
    device.operation(operation, {role: device.address(array) for role, array in there.items()})()
    # The first query sees one key, so its result is that key's value.
    np.testing.assert_array_equal(there["o"]._host[:, :, 0], there["v"]._host[:, :, 0])


def test_a_device_that_has_no_engine_says_so_before():
    device = Simulated("guard", SimulatedCudnn(lacks=("conv_dgrad",)))
    assert [device.does(Convolution.of(kind, GEOMETRY, "float32")) for kind in KINDS] == [True, False, True]


# The real device, with a made-up CuPy


class Memory:
    """An array of bytes."""

    def __init__(self, shape: Any, dtype: str) -> None:
        (size,) = shape if isinstance(shape, tuple) else (shape,)
        self.array = np.zeros(size, dtype)
        self.nbytes = self.array.nbytes
        self.data = SimpleNamespace(ptr=self.array.ctypes.data)


class Context:
    """What is entered and left: a device or a stream, which records nothing."""

    ptr = 5

    def __init__(self, *arguments: Any, **options: Any) -> None:
        pass

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass

    def begin_capture(self) -> None:
        pass

    def end_capture(self) -> Any:
        return SimpleNamespace(launch=lambda stream: None)


@pytest.fixture
def device(monkeypatch):
    runtime = SimpleNamespace(getDevice=lambda: 0, getDeviceProperties=lambda number: {"major": 9, "minor": 0})
    cuda = SimpleNamespace(runtime=runtime, Device=Context, Stream=Context, get_current_stream=Context)
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=cuda, empty=Memory))
    monkeypatch.setitem(sys.modules, "cupy.cuda.runtime", runtime)
    monkeypatch.setitem(sys.modules, "cudnn", SimulatedCudnn())
    monkeypatch.setattr(gpu, "_driver", lambda: None)
    for cached in (cudnn.library, cudnn.on_device):
        cached.cache_clear()
    yield gpu.GPU(0)
    for cached in (cudnn.library, cudnn.on_device):
        cached.cache_clear()


def made(device: gpu.GPU, kind: str, size: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """A run of an operation that works in so many bytes; and a watch on that memory."""
    operation = Convolution.of(kind, GEOMETRY, "float32")
    assert device.does(operation)
    monkeypatch.setattr(cudnn.plan(operation), "workspace_bytes", size)
    memory = {role: Memory(operation.nbytes(role), "uint8") for role in "xwy"}
    run = device.operation(operation, {role: place.data.ptr for role, place in memory.items()})
    run.memory = memory
    return run, weakref.ref(device.room)


def test_runs_share_the_memory_that_they_work_in(device, monkeypatch):
    _, first = made(device, "forward", 6000, monkeypatch)
    _, second = made(device, "input", 5000, monkeypatch)
    assert first() is second() is device.room
    assert device.room.nbytes == 8192


def test_a_recording_keeps_the_memory_that_it_works_in(device, monkeypatch):
    run, first = made(device, "forward", 5000, monkeypatch)
    run()
    recorded = device.record([run])
    del run
    _, second = made(device, "input", 50_000, monkeypatch)
    gc.collect()
    assert first() is not None
    assert second().nbytes == 65_536
    recorded()
    del recorded
    gc.collect()
    assert first() is None


def test_a_run_is_on_the_current_stream(device, monkeypatch):
    run, _ = made(device, "forward", simulated_cudnn.WORKSPACE, monkeypatch)
    run()
    assert sys.modules["cudnn"].ran == [("plain", Context.ptr)]
