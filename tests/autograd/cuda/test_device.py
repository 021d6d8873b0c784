"""What is said where there is no GPU, by a made-up CuPy in every state that it can be in."""

from __future__ import annotations

import importlib.machinery
import subprocess
import sys
import threading
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import autograd as ag
from autograd.cuda import device, report


class RuntimeFailure(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(f"cudaErrorSomething: {status}")
        self.status = status


class FullError(Exception):
    pass


class FakeCuPy(ModuleType):
    """As much of CuPy as is asked before there is an array."""

    __version__ = "14.2.0"

    def __init__(self, count: int | Exception = 2, driver: int = 13020) -> None:
        super().__init__("cupy")
        self.__spec__ = importlib.machinery.ModuleSpec("cupy", None)
        self.log: list[Any] = []

        def get_count() -> int:
            if isinstance(count, Exception):
                raise count
            return count

        runtime = SimpleNamespace(
            CUDARuntimeError=RuntimeFailure,
            getDeviceCount=get_count,
            getDevice=lambda: 1,
            driverGetVersion=lambda: driver,
            runtimeGetVersion=lambda: 13020,
            memGetInfo=lambda: (60 << 30, 80 << 30),
            getDeviceProperties=lambda number: {"name": f"NVIDIA H{number + 1}00".encode()},
        )
        self.cuda = SimpleNamespace(runtime=runtime, Device=self._device)
        pool = SimpleNamespace(
            used_bytes=lambda: 3 << 29, free_bytes=lambda: 1 << 28, free_all_blocks=lambda: self.log.append("free")
        )
        self.get_default_memory_pool = self.get_default_pinned_memory_pool = lambda: pool

    def _device(self, number: int) -> Any:
        log = self.log

        class Entered:
            def __enter__(self) -> None:
                log.append(("enter", number))

            def __exit__(self, *error: object) -> None:
                log.append(("exit", number))

            def synchronize(self) -> None:
                log.append(("synchronize", number))

        return Entered()


@pytest.fixture
def install(monkeypatch):
    def install(cupy: Any) -> Any:
        monkeypatch.setitem(sys.modules, "cupy", cupy)
        return cupy

    return install


def why() -> str:
    with pytest.raises(ag.DeviceError) as caught:
        device.cupy_here()
    return str(caught.value)


def test_no_cupy(monkeypatch):
    monkeypatch.setattr(device.importlib.util, "find_spec", lambda name: None)
    assert "needs CuPy, which is not installed here: pip install cupy-cuda13x." in why()
    assert (ag.cuda.is_available(), ag.cuda.device_count()) == (False, 0)


def test_a_cupy_that_cannot_be_imported(monkeypatch, tmp_path):
    (tmp_path / "cupy.py").write_text('raise ImportError("libnvrtc.so.13: cannot open\\nmore lines")\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    assert "installed but cannot be imported (libnvrtc.so.13: cannot open): install it again" in why()


def test_no_driver(install):
    install(FakeCuPy(RuntimeFailure(35), driver=0))
    assert "there is no NVIDIA driver here: install it" in why()


def test_a_driver_that_is_too_old_for_cupy(install):
    install(FakeCuPy(RuntimeFailure(35), driver=12040))
    assert (
        "the driver knows CUDA 12.4, CuPy 14.2.0 was made for 13.2: update the driver, or install cupy-cuda12x" in why()
    )


@pytest.mark.parametrize("count", [RuntimeFailure(100), 0])
def test_no_gpu(install, count):
    install(FakeCuPy(count))
    assert "shows no GPU: look with nvidia-smi, and whether CUDA_VISIBLE_DEVICES" in why()


def test_another_failure_of_cuda(install):
    install(FakeCuPy(RuntimeFailure(999)))
    assert "CUDA finds no GPU: cudaErrorSomething: 999" in why()
    with pytest.raises(ag.DeviceError):
        ag.cuda.memory()
    with pytest.raises(ag.DeviceError):
        ag.cuda.device_name()
    with pytest.raises(ag.DeviceError):
        ag.cuda.synchronize()


def test_devices_by_their_names(install):
    cupy = install(FakeCuPy())
    assert [device.number_of(name, cupy) for name in ("cuda:0", "cuda:1", 0, "cuda", None)] == [0, 1, 0, 1, 1]
    with pytest.raises(
        ag.DeviceError, match=r'device "cuda:2" was asked for, but this machine has 2 GPU\(s\), counted'
    ):
        device.number_of("cuda:2", cupy)
    for wrong in ("cpu", "cuda:x", "cuda:", -1):
        with pytest.raises(ag.DeviceError, match='a GPU is "cuda", "cuda:0" or the like'):
            device.number_of(wrong, cupy)


def test_questions_with_a_gpu(install):
    cupy = install(FakeCuPy())
    assert (ag.cuda.is_available(), ag.cuda.device_count()) == (True, 2)
    names = [ag.cuda.device_name(device) for device in ("cuda:0", 1, None)]
    assert names == ["NVIDIA H100", "NVIDIA H200", "NVIDIA H200"]
    found = ag.cuda.memory("cuda:0")
    assert repr(found) == "cuda:0: 1.50 GiB in arrays, 0.25 GiB kept for more, 60.00 of 80.00 GiB free"
    assert (found.device, found.used, found.pooled) == ("cuda:0", 3 << 29, 1 << 28)
    ag.cuda.empty_cache(1)
    ag.cuda.synchronize()
    assert cupy.log == [("enter", 0), ("exit", 0), ("enter", 1), "free", "free", ("exit", 1), ("synchronize", 1)]


def test_a_full_memory_says_what_to_do():
    def full(size: int) -> Any:
        raise FullError("Out of memory allocating 512 bytes.")

    with pytest.raises(ag.cuda.OutOfMemory, match=r"allocating 512 bytes\. Make the batch smaller.*empty_cache\(\)"):
        device._explaining(full, FullError)(512)
    assert issubclass(ag.cuda.OutOfMemory, MemoryError)
    assert issubclass(ag.cuda.OutOfMemory, ag.DeviceError)
    assert device._explaining(lambda size: size + 1, FullError)(1) == 2


def test_products_run_on_the_current_gpu_only(install):
    runtime = SimpleNamespace(getDevice=lambda: 0)
    cupy = SimpleNamespace(cuda=SimpleNamespace(runtime=runtime, get_current_stream=lambda: SimpleNamespace(ptr=0)))
    elsewhere = SimpleNamespace(data=SimpleNamespace(device_id=1, ptr=512))
    surroundings = device._Surroundings(cupy)
    assert surroundings.address(elsewhere) == 512
    with pytest.raises(ag.DeviceError, match=r'on "cuda:1" was asked for while CuPy works on "cuda:0".*Device\(1\)'):
        surroundings.place(elsewhere)


def test_a_stream_has_one_workspace(install, monkeypatch):
    monkeypatch.setattr(device, "on_device", lambda number: f"blas of {number}")
    current = {"device": 0, "stream": 7}
    allocated = []

    def alloc(size: int) -> Any:
        allocated.append(size)
        return SimpleNamespace(ptr=512 * len(allocated))

    cuda = SimpleNamespace(
        runtime=SimpleNamespace(getDevice=lambda: current["device"], memGetInfo=lambda: None),
        get_current_stream=lambda: SimpleNamespace(ptr=current["stream"]),
        alloc=alloc,
    )
    surroundings = device._Surroundings(SimpleNamespace(cuda=cuda))

    def place() -> Any:
        return surroundings.place(SimpleNamespace(data=SimpleNamespace(device_id=current["device"])))

    assert tuple(place()) == (0, 7, 512, "blas of 0")
    assert place() is place()
    current["stream"] = 8
    assert place().workspace == 1024
    current["device"] = 1
    assert place().workspace == 1536
    assert allocated == [32 << 20] * 3


def test_a_thread_calls_the_runtime_before_its_first_product_on_each_gpu(monkeypatch):
    monkeypatch.setattr(device, "on_device", lambda number: f"blas of {number}")
    monkeypatch.setattr(device, "threads", device.Threads())
    current, called = {"device": 0}, []
    cuda = SimpleNamespace(
        runtime=SimpleNamespace(
            getDevice=lambda: current["device"],
            memGetInfo=lambda: called.append((threading.current_thread().name, current["device"])),
        ),
        get_current_stream=lambda: SimpleNamespace(ptr=7),
        alloc=lambda size: SimpleNamespace(ptr=512),
    )
    surroundings = device._Surroundings(SimpleNamespace(cuda=cuda))

    def work() -> None:
        for number in (0, 1, 0, 1):
            current["device"] = number
            surroundings.place(SimpleNamespace(data=SimpleNamespace(device_id=number)))

    for name in ("first", "second"):
        thread = threading.Thread(target=work, name=name)
        thread.start()
        thread.join()
    assert called == [("first", 0), ("first", 1), ("second", 0), ("second", 1)]


def test_ranges_go_to_the_profiler(monkeypatch):
    seen = []
    monkeypatch.setattr(report, "_marks", lambda: (lambda name: seen.append(name), lambda: seen.append("end")))

    @ag.cuda.profiler_range("step")
    def step(x):
        with ag.cuda.profiler_range("inner"):
            return x + 1

    assert step(1) == 2
    assert seen == ["step", "inner", "end", "end"]
    with pytest.raises(ZeroDivisionError), ag.cuda.profiler_range("fails"):
        _ = 1 / 0
    assert seen[-2:] == ["fails", "end"]


def test_ranges_are_silent_without_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setitem(sys.modules, "cupy.cuda", None)
    for mark, arguments in zip(report._marks.__wrapped__(), (("name",), ()), strict=True):
        assert mark(*arguments) is None


def test_the_engine_comes_without_cupy():
    program = (
        "import sys, autograd; autograd.cuda.matmul_precision('tf32'); "
        "print([name for name in sys.modules if name.partition('.')[0] in ('cupy', 'cupy_backends', 'cuda', 'cudnn')])"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_the_public_names():
    public = {name for name in vars(ag.cuda) if not name.startswith("_")}
    files = {"blas", "cublaslt", "device", "operands", "precision", "product", "products", "report"}
    files |= {"algorithms", "attentions", "convolutions", "cudnn", "gather", "graphs", "remainder", "windows"}
    assert public - files == {
        *("Memory", "OutOfMemory", "device_count", "device_name", "empty_cache", "get_matmul_algorithms"),
        *("get_matmul_precision", "is_available", "libraries", "matmul_algorithms", "matmul_precision", "memory"),
        *("profiler_range", "synchronize"),
    }
