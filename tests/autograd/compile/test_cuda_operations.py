"""A device does convolutions and attention at addresses, and keeps the memory that it works in as long as it is needed.

One idea: the simulated device goes through the very layer over cuDNN that the real one does, so what it is told is
shown by numbers. The real one is asked with a made-up CuPy: when does its memory to work in go, and how long does a
product take?
"""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
import weakref
from contextlib import suppress
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
import optim
from autograd import DeviceError, ShapeError, Tensor, attending, convolution
from autograd.compile.cuda import device_named, gpu
from autograd.compile.cuda.commands import Launch, Operate
from autograd.compile.cuda.device import Addresses
from autograd.convolution import geometry
from autograd.cuda import OutOfMemory, cudnn
from autograd.cuda.attentions import Attention
from autograd.cuda.blas import Blas, BlasError, Product, UnsupportedProduct
from autograd.cuda.convolutions import KINDS, Convolution
from autograd.cuda.cudnn import Cudnn
from autograd.cuda.device import Threads
from autograd.ops.convolution import convolve
from autograd.random import Generator
from autograd.tensor import wrap
from benchmarks.speed.networks import CNN
from benchmarks.speed.tapegrad import training_step
from benchmarks.speed.workloads import Workload
from nn.functional import flash
from tests import simulated_cudnn
from tests.autograd.compile import simulated
from tests.autograd.compile.simulated import Simulated
from tests.guard import guard
from tests.simulated_cublaslt import SimulatedCublasLt
from tests.simulated_cudnn import SimulatedCudnn

GEOMETRY = geometry("convolve", (2, 6, 5, 4), (6, 3, 3, 2), (1, 2), ((1, 0), (1, 1)), (1, 1), 2)


@pytest.mark.parametrize("kind", KINDS)
def test_a_convolution_is_run_and_recorded(kind):
    device, rng = Simulated("guard", SimulatedCudnn()), np.random.default_rng(0)
    operation = Convolution.of(kind, GEOMETRY, "float16")
    assert device.does(operation)
    host = {role: rng.uniform(-1, 1, operation.shape(role)).astype("float16") for role in "xwy"}
    wide = {role: array.astype(float) for role, array in host.items()}
    there = {role: guard.asarray(array) for role, array in host.items()}
    run = device.record([device.operation(operation, {role: device.address(there[role]) for role in "xwy"})])
    for _ in range(2):
        (written,) = operation.writes
        there[written]._host[...] = np.nan
        run()
        options = {name: getattr(GEOMETRY, name) for name in ("stride", "padding", "dilation", "groups")}
        wanted = {
            "x": lambda o: convolution.convolve_input(wide["y"], wide["w"], length=GEOMETRY.length, **o),
            "w": lambda o: convolution.convolve_weight(wide["x"], wide["y"], size=GEOMETRY.size, **o),
            "y": lambda o: convolution.convolve(wide["x"], wide["w"], **o),
        }[written](options)
        np.testing.assert_allclose(there[written]._host, wanted, rtol=2e-3, atol=2e-3)


def test_attention_is_run():
    device, rng = Simulated("guard", SimulatedCudnn()), np.random.default_rng(0)
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
    """An array of bytes, which begins where CuPy's do."""

    def __init__(self, shape: Any, dtype: str) -> None:
        (size,) = shape if isinstance(shape, tuple) else (shape,)
        assert dtype == "uint8"
        self.array = simulated.aligned(size)
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

    def use(self) -> None:
        pass

    def begin_capture(self) -> None:
        pass

    def end_capture(self) -> Any:
        return SimpleNamespace(launch=lambda stream: None)


class Recording(Context):
    """A stream that notes when it records; one begun anew while it does, or not run to its end, is refused."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.records, self.whole = False, True

    def begin_capture(self) -> None:
        assert not self.records, "cudaErrorIllegalState"
        self.records, self.whole = True, False

    def end_capture(self) -> Any:
        self.records = False
        if not self.whole:
            raise RuntimeError("cudaErrorStreamCaptureUnjoined")
        return super().end_capture()


class Driver:
    """A driver that notes what it is asked to launch, with the first `count` words that the kernel is given.

    As a real one, it does nothing for a thread that has not called CUDA's runtime.
    """

    class CUDADriverError(Exception):
        pass

    def __init__(self) -> None:
        self.launched: list[Any] = []
        self.refuses = ""
        self.count = 0
        self.threads: set[int] = set()

    def memGetInfo(self) -> None:
        """A function of the runtime."""
        self.threads.add(threading.get_ident())

    def _ask(self, what: str) -> None:
        if threading.get_ident() not in self.threads:
            raise self.CUDADriverError("CUDA_ERROR_INVALID_CONTEXT: invalid device context")
        if what == self.refuses:
            raise self.CUDADriverError("CUDA_ERROR_INVALID_VALUE: invalid argument")

    def moduleLoadData(self, image: bytes) -> int:
        self._ask("module")
        return 7

    def moduleGetFunction(self, module: int, name: str) -> int:
        self._ask("function")
        return {"kernel0": 70, "kernel1": 71}[name]

    def launchKernel(self, function: int, *rest: int) -> None:
        self._ask("launch")
        *sizes, stream, parameters, extra = rest
        words = ctypes.c_void_p.from_address(parameters).value or 0
        given = list((ctypes.c_uint64 * self.count).from_address(words))
        self.launched.append((function, sizes, stream, given, extra))


@pytest.fixture
def device(monkeypatch):
    driver = Driver()
    runtime = SimpleNamespace(
        getDevice=lambda: 0,
        getDeviceProperties=lambda number: {"major": 9, "minor": 0},
        memGetInfo=driver.memGetInfo,
    )
    cuda = SimpleNamespace(runtime=runtime, Device=Context, Stream=Context, get_current_stream=Context, driver=driver)
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=cuda, empty=Memory, ndarray=Memory))
    monkeypatch.setitem(sys.modules, "cupy.cuda.runtime", runtime)
    monkeypatch.setitem(sys.modules, "cudnn", SimulatedCudnn())
    monkeypatch.setattr(gpu, "cubin_of", lambda source, architecture: b"cubin")
    for cached in (cudnn.library, cudnn.on_device):
        cached.cache_clear()
    monkeypatch.setattr(gpu, "threads", Threads())  # those of before knew another driver
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


@pytest.mark.parametrize("ask", ["does", "plan", "pays"])
def test_a_thread_that_begins_with_a_question_has_called_the_runtime(device, monkeypatch, ask):
    asked: list[bool] = []

    def noted(*what: Any) -> Any:
        asked.append(threading.get_ident() in device.driver.threads)
        raise BlasError("enough")

    for name in ("is_supported", "plan"):
        monkeypatch.setattr(gpu.cudnn, name, noted)
    monkeypatch.setattr(gpu, "plan", noted)
    operation = Convolution.of("forward", GEOMETRY, "float32")
    questions = {
        "does": lambda: device.does(operation),
        "plan": lambda: device.operation(operation, {}),
        "pays": lambda: device.pays([PLAIN], [PLAIN], 0, 16),
    }

    def question() -> None:
        with suppress(BlasError):
            questions[ask]()

    thread = threading.Thread(target=question)
    thread.start()
    thread.join()
    assert asked == [True]


def test_a_run_is_on_the_current_stream(device, monkeypatch):
    run, _ = made(device, "forward", simulated_cudnn.WORKSPACE, monkeypatch)
    run()
    assert sys.modules["cudnn"].ran == [("cores", Context.ptr)]


def test_what_fails_in_a_recording_is_what_is_told(device):
    device.recording = Recording()

    def refused() -> None:
        raise UnsupportedProduct("no algorithm for this after all")

    with pytest.raises(UnsupportedProduct, match="no algorithm"):
        device.record([refused])
    assert not device.recording.records


def test_threads_record_one_after_the_other(device):
    device.recording = Recording()
    began, go_on, refusals = threading.Event(), threading.Event(), []

    def slow() -> None:
        began.set()
        go_on.wait(10)
        device.recording.whole = True

    def quick() -> None:
        device.recording.whole = True

    def record(run: Any) -> None:
        try:
            device.record([run])
        except AssertionError as refusal:
            refusals.append(refusal)

    first, second = (threading.Thread(target=record, args=(run,)) for run in (slow, quick))
    first.start()
    began.wait(10)
    second.start()
    second.join(0.2)
    go_on.set()
    first.join()
    second.join()
    assert not refusals


def test_a_thread_that_begins_with_a_recording_calls_the_runtime_before(device):
    device.recording, refusals = Recording(), []
    launch = device.library("").launch("kernel0", 1, 32, [])
    called = device.cupy.cuda.runtime.memGetInfo

    def outside() -> None:
        if device.recording.records:
            refusals.append("in a recording")
        called()

    def run() -> None:
        launch()
        device.recording.whole = True

    device.cupy.cuda.runtime.memGetInfo = outside
    thread = threading.Thread(target=device.record, args=([run],))
    thread.start()
    thread.join()
    assert not refusals
    assert len(device.driver.launched) == 1


# Several streams


def test_products_of_two_streams_work_in_two_places(device, monkeypatch):
    seen: list[tuple[int, int]] = []

    def run(a: int, b: int, c: int, bias: int, aux: int, stream: int, workspace: int) -> None:
        seen.append((stream, workspace))

    monkeypatch.setattr(gpu, "plan", lambda product, alignment: SimpleNamespace(run=run))
    multiply, first = device.multiplier(PLAIN), device.product(PLAIN, Addresses(256, 256, 256), timed=False)
    for stream in (11, 12, 11):
        multiply(256, 256, 256, 0, stream)
    first()
    places = dict(seen)
    assert [stream for stream, _ in seen] == [11, 12, 11, Context.ptr]
    assert len(set(seen)) == len(set(places.values())) == 3


def test_a_recording_waits_for_one_on_another_stream(device):
    log: list[str] = []

    def stream(name: str) -> Any:
        return SimpleNamespace(
            ptr=ord(name),
            name=name,
            use=lambda: None,
            wait_event=lambda event: log.append(f"{name} waits for {event.of}"),
        )

    def event(**options: Any) -> Any:
        made = SimpleNamespace(of="")
        made.record = lambda stream: setattr(made, "of", stream.name)
        return made

    a, b = stream("a"), stream("b")
    now = [a]
    cuda = device.cupy.cuda
    cuda.Event, cuda.get_current_stream = event, lambda: now[0]
    one, other = device.record([]), device.record([])
    for now[0], play in ((a, one), (a, other), (b, one), (b, one), (a, other)):
        play()
    assert log == ["b waits for a", "a waits for b"]


# Numbers on their way


class Pinned(bytearray):
    """Memory of the host that a GPU reads."""

    ptr = 4096


def test_memory_that_is_being_sent_is_given_back_when_it_has_arrived(device):
    log: list[str] = []

    def allocate(size: int) -> Pinned:
        pinned = Pinned(size)
        weakref.finalize(pinned, log.append, "given back")
        return pinned

    cuda = device.cupy.cuda
    cuda.alloc_pinned_memory = allocate
    cuda.Event = lambda **options: SimpleNamespace(
        record=lambda stream: log.append("sent"), synchronize=lambda: log.append("arrived")
    )
    cuda.runtime.memcpyAsync, cuda.runtime.memcpyHostToDevice = lambda *given: None, 1
    there, _, send = device.staged(16)
    send(), send()
    del there, send
    gc.collect()
    assert log == ["sent", "sent", "arrived", "arrived", "given back"]


# Kernels


def test_a_kernel_is_given_its_sizes_and_then_the_addresses_of_a_call(device):
    device.driver.count = 4
    launch = device.library("").launcher("kernel1", 12, 256, [3, 5], 2)
    launch([1000, 2000], 9)
    launch([3000, 4000], 9)
    device.library("").launch("kernel0", 1, 64, [3, 5, 6, 7])()
    assert device.driver.launched == [
        (71, [12, 1, 1, 256, 1, 1, 0], 9, [3, 5, 1000, 2000], 0),
        (71, [12, 1, 1, 256, 1, 1, 0], 9, [3, 5, 3000, 4000], 0),
        (70, [1, 1, 1, 64, 1, 1, 0], Context.ptr, [3, 5, 6, 7], 0),
    ]


@pytest.mark.parametrize(
    ("refuses", "what"),
    [("module", "load a program"), ("function", "find the kernel"), ("launch", "launch the kernel")],
)
def test_what_the_driver_refuses_is_told_in_its_words(device, refuses, what):
    device.driver.refuses = refuses
    with pytest.raises(DeviceError, match=f"the GPU could not {what}.*: CUDA_ERROR_INVALID_VALUE: invalid argument"):
        device.library("").launch("kernel0", 1, 64, [])()


def test_what_is_asked_of_a_gpu_that_is_not_the_current_one_is_refused(device, monkeypatch):
    launch, play = device.library("").launch("kernel0", 1, 64, []), device.record([])
    monkeypatch.setattr(device.cupy.cuda.runtime, "getDevice", lambda: 1)
    words = r'on "cuda:0" was asked for while CuPy works on "cuda:1".*with cupy\.cuda\.Device\(0\)'
    for run in (launch, play):
        with pytest.raises(DeviceError, match=words):
            run()


@pytest.mark.parametrize("loaded", [False, True])
def test_a_thread_that_begins_with_a_kernel_launches_it(device, loaded):
    library = device.library("")
    launch = library.launch("kernel0", 1, 64, [])
    refusals: list[Exception] = []

    def work() -> None:
        try:
            launch() if loaded else device.library("").launch("kernel0", 1, 64, [])()
        except DeviceError as refusal:
            refusals.append(refusal)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not refusals
    assert len(device.driver.launched) == 1


# Products by trial


PLAIN = Product.packed(8, 16, 4, "float32")
FUSED = Product.packed(8, 16, 4, "float32", epilogue="relu_bias")


@pytest.fixture
def timed(device, monkeypatch, tmp_path):
    """The device, with a cuBLASLt that has no "drelu", and `elapsed`, the milliseconds that plays will take."""
    blas, cuda, device.elapsed = Blas(SimulatedCublasLt(without=(136,))), device.cupy.cuda, []
    monkeypatch.setenv("TAPEGRAD_CACHE", str(tmp_path))
    monkeypatch.setattr(gpu, "on_device", lambda number: blas)
    monkeypatch.setattr(gpu, "plan", blas.plan)
    cuda.Event = lambda: SimpleNamespace(record=lambda: None, synchronize=lambda: None)
    cuda.get_elapsed_time = lambda begin, end: device.elapsed.pop(0)
    cuda.runtime.deviceSynchronize = lambda: None
    cuda.runtime.deviceGetAttribute = lambda which, number: {36: 1_000_000, 37: 4096}[which]
    cuda.runtime.getDeviceProperties = lambda number: {"name": b"a GPU"}
    return device


def plays(*of_algorithms: float) -> list[float]:
    """The milliseconds of the plays that each algorithm is timed by, of which one is undisturbed."""
    return [time for least in of_algorithms for time in (least + 2, least, least + 1, least + 9)]


def test_the_least_time_of_a_recording_of_ten_counts(timed):
    timed.elapsed = plays(3.0, 0.5, 4.0)
    assert timed.trials.of(PLAIN, 64).seconds == 5e-5
    assert timed.elapsed == []


@pytest.mark.parametrize(
    ("fused", "saved", "pays"), [(5.0, 0, True), (5.01, 0, True), (5.02, 0, False), (5.02, 1 << 20, True)]
)
def test_an_epilogue_may_take_what_it_saves(timed, fused, saved, pays):
    """A microsecond for its launch, and its bytes at the speed of the memory, here 1.024 TB/s."""
    timed.elapsed = plays(*(fused,) * 3, *(5.0,) * 3)  # of ten products
    assert timed.pays([FUSED], [PLAIN], saved, 4) is pays


def test_bytes_count_nothing_where_the_driver_does_not_tell_the_speed_of_the_memory(timed):
    timed.elapsed = plays(*(5.02,) * 3, *(5.0,) * 3)
    timed.cupy.cuda.runtime.deviceGetAttribute = lambda which, number: 0
    assert timed.pays([FUSED], [PLAIN], 1 << 40, 4) is False


def test_an_epilogue_that_the_library_lacks_does_not_pay(timed):
    drelu = Product.packed(8, 16, 4, "float32", epilogue="drelu")
    assert timed.pays([drelu], [PLAIN], 1 << 40, 4) is False


def test_an_epilogue_at_which_the_library_fails_does_not_pay(timed, monkeypatch):
    def refused(product, alignment):
        raise BlasError("cuBLASLt: it refuses an argument (status 7).")

    monkeypatch.setattr(gpu, "plan", refused)
    assert timed.pays([FUSED], [PLAIN], 1 << 40, 4) is False


def test_without_room_for_a_trial_the_expected_algorithm_is_taken(timed, monkeypatch):
    def full(shape, dtype):
        raise OutOfMemory("full")

    monkeypatch.setattr(timed, "empty", full)
    assert timed.pays([FUSED], [PLAIN], 1 << 40, 4) is False
    arrays = [Memory(size, "uint8") for size in PLAIN.operand_bytes]
    timed.product(PLAIN, Addresses(*(array.data.ptr for array in arrays)), timed=True)()
    assert timed.trials._blas.library.chosen == [0]


# In a compiled step


@pytest.fixture
def with_cudnn(monkeypatch):
    """The simulated device, with all of cuDNN."""
    device, library = device_named("guard"), SimulatedCudnn()
    monkeypatch.setattr(device, "cudnn", Cudnn(library, handle=library.create_handle()))
    return device


@pytest.fixture
def rounded():
    """Float32 may be multiplied as TF32: else convolutions are ours."""
    with ag.cuda.matmul_precision("tf32"):
        yield


def images(device, network=None):
    return training_step(Workload("", network or CNN((8, 16), 2), "sgd", 0.0), device)


@simulated.needed
def test_a_step_leaves_its_convolutions_to_cudnn(with_cudnn, rounded, compiling):
    eager, ours = images("cpu"), ag.compile(images("guard"))
    for _ in range(4):
        assert ours().item() == pytest.approx(eager().item(), rel=1e-2)
    tape = entry_of(ours).tape
    done = [command.operation.kind for command in tape.commands if isinstance(command, Operate)]
    assert sorted(done) == ["forward", "forward", "input", "weight", "weight"]
    assert "windows" not in "".join(str(c) for c in tape.commands if isinstance(c, Launch) and "pool" not in c.about)
    assert "CuPy" not in str(tape)


@simulated.needed
def test_what_cudnn_has_no_engine_for_is_done_as_ever(with_cudnn, rounded, monkeypatch, compiling):
    library = SimulatedCudnn(lacks=("conv_wgrad",))
    monkeypatch.setattr(with_cudnn, "cudnn", Cudnn(library, handle=library.create_handle()))
    eager, ours = images("cpu"), ag.compile(images("guard"))
    for _ in range(3):
        assert ours().item() == pytest.approx(eager().item(), rel=1e-2)
    done = {command.operation.kind for command in entry_of(ours).tape.commands if isinstance(command, Operate)}
    assert done == {"forward", "input"}


@simulated.needed
@pytest.mark.parametrize("offset", [0, 3])
def test_arrays_that_lie_otherwise_are_copied_first(with_cudnn, rounded, offset, compiling):
    rng = np.random.default_rng(0)
    memory = guard.asarray(rng.normal(size=offset + 8 * 3 * 3 * 4).astype("float32"))
    weight = Tensor(np.zeros((8, 3, 3, 4), "float32"), device="guard")
    weight.data = memory[offset:].reshape(8, 3, 3, 4)  # as in the flat array of an optimizer
    x = Tensor(rng.normal(size=(2, 6, 7, 5)).astype("float32"), device="guard")
    options = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}

    def step(x):
        turned = ag.permute_dims(x, (0, 2, 1, 3))[..., 1:]
        return convolve(turned, weight, **options), convolve(turned * 2, weight, **options)

    compiled = ag.compile(step)
    for _ in range(2):
        found = compiled(x)
        turned = x.numpy().transpose(0, 2, 1, 3)[..., 1:]
        wanted = convolution.convolve(turned, weight.numpy(), **options)
        np.testing.assert_allclose(found[0].numpy(), wanted, rtol=0, atol=1e-3 * np.abs(wanted).max())
        np.testing.assert_allclose(found[1].numpy(), 2 * wanted, rtol=0, atol=2e-3 * np.abs(wanted).max())
        memory *= 1.5
    assert sum(isinstance(command, Operate) for command in entry_of(compiled).tape.commands) == 2


@simulated.needed
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("precision", ["float32", "tf32"])
def test_convolutions_that_are_not_rounded_are_ours(with_cudnn, dtype, precision, compiling):
    x, w = (Tensor(np.ones(shape, dtype), device="guard") for shape in ((2, 5, 5, 8), (8, 3, 3, 8)))
    options = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
    compiled = ag.compile(lambda x, w: convolve(x, w, **options))
    with ag.cuda.matmul_precision(precision):
        np.testing.assert_array_equal(compiled(x, w).numpy()[:, 1:-1, 1:-1], 72)
    assert len(operations(compiled)) == (dtype == "float16" or (dtype, precision) == ("float32", "tf32"))


def entry_of(compiled):
    ((entry,),) = compiled._entries.values()
    return entry.run_program


# Attention


class Attending:
    """A layer of attention over 8 texts, its step inside autocast, and what the tape does."""

    def __init__(self, device, causal=True, heads=2, width=16, length=5, cast=True):
        self.layer = nn.MultiheadAttention(width, heads, batch_first=True, generator=Generator(1)).to(device)
        self.x = Tensor(np.random.default_rng(0).normal(size=(3, length, width)).astype("float32"), device=device)
        self.optimizer = optim.SGD(self.layer.parameters(), lr=0.1)
        self.causal, self.cast = causal, cast

    def attended(self):
        with ag.autocast(enabled=self.cast):
            out, _ = self.layer(self.x, self.x, self.x, need_weights=False, is_causal=self.causal)
        return out

    def step(self):
        self.optimizer.zero_grad()
        out = self.attended()
        loss = (out * out).mean()
        loss.backward()
        self.optimizer.step()
        return loss


def operations(compiled):
    return [command.operation for command in entry_of(compiled).tape.commands if isinstance(command, Operate)]


@simulated.needed
@pytest.mark.parametrize("causal", [True, False])
def test_autocast_leaves_attention_to_cudnn_in_one_piece(with_cudnn, causal, compiling):
    pytest.importorskip("ml_dtypes")
    eager, ours = Attending("cpu", causal), Attending("guard", causal)
    compiled = ag.compile(ours.step)
    assert compiled().item() == pytest.approx(eager.step().item(), rel=1e-3)
    for _ in range(3):  # numbers near the middle of two are rounded one way here and the other there
        assert compiled().item() == pytest.approx(eager.step().item(), rel=1e-2)
    for a, b in zip(ours.layer.parameters(), eager.layer.parameters(), strict=True):
        wanted = b.grad.numpy()
        np.testing.assert_allclose(a.grad.numpy(), wanted, rtol=0, atol=0.03 * np.abs(wanted).max())
    assert [o.kind for o in operations(compiled)] == ["forward", "backward"]
    assert all(o.causal == causal for o in operations(compiled))
    tape = entry_of(compiled).tape
    assert "CuPy" not in str(tape)
    assert not [c for c in tape.commands if isinstance(c, Launch) and "exp" in c.about]


@simulated.needed
def test_heads_are_read_where_they_lie_in_one_product(with_cudnn, compiling):
    pytest.importorskip("ml_dtypes")
    ours = Attending("guard")
    compiled = ag.compile(ours.step)
    compiled()
    forward = operations(compiled)[0]
    assert {forward.strides_of(role) for role in "qkv"} == {(5 * 48, 8, 48, 1)}
    backward = operations(compiled)[-1]
    assert backward.strides_of("dq") == (5 * 48, 8, 48, 1)
    assert "packed" not in str(entry_of(compiled).tape)


@simulated.needed
@pytest.mark.parametrize(
    "change",
    [{"cast": False}, {"width": 12, "heads": 3}],  # cuDNN wants heads of a multiple of 8
    ids=str,
)
def test_other_attention_is_products_and_loops(with_cudnn, change, compiling):
    pytest.importorskip("ml_dtypes")
    eager, ours = Attending("cpu", **change), Attending("guard", **change)
    compiled = ag.compile(ours.step)
    for _ in range(2):
        assert compiled().item() == pytest.approx(eager.step().item(), rel=1e-2)
    assert operations(compiled) == []


@simulated.needed
def test_attention_without_cudnn_is_products_and_loops(compiling):
    pytest.importorskip("ml_dtypes")
    ours, eager = Attending("guard"), Attending("cpu")
    compiled = ag.compile(ours.step)
    assert compiled().item() == pytest.approx(eager.step().item(), rel=1e-3)
    assert operations(compiled) == []


@simulated.needed
def test_the_tape_of_attention_has_one_forward_whose_statistics_backward_reads(with_cudnn, compiling):
    pytest.importorskip("ml_dtypes")
    compiled = ag.compile(Attending("guard").step)
    compiled()
    commands = entry_of(compiled).tape.commands
    heads = "q (3, 2, 5, 8), k (3, 2, 5, 8) and v (3, 2, 5, 8), scale 0.353553, causal"
    said = [str(command).partition(": %")[0] for command in commands]
    assert [text for text in said if not text.startswith("kernel")] == [
        "product 15 x 16 by 16 x 48 + bias",
        f"cuDNN, the bfloat16 attention, forward, of {heads}",
        "product 15 x 16 by 16 x 16",
        "product 15 x 16 by 16 x 16",
        "product 16 x 15 by 15 x 16",
        f"cuDNN, the bfloat16 attention, backward, of {heads}",
        "product 16 x 15 by 15 x 48",
    ]
    forward, backward = (dict(command.places) for command in commands if isinstance(command, Operate))
    assert list(forward) == ["q", "k", "v", "o", "stats"]
    assert list(backward) == ["q", "k", "v", "o", "stats", "do", "dq", "dk", "dv"]
    assert all(backward[role] == place for role, place in forward.items())


@simulated.needed
def test_attention_without_a_gradient_makes_no_statistics(with_cudnn, compiling):
    pytest.importorskip("ml_dtypes")
    ours, eager = Attending("guard"), Attending("cpu")
    compiled = ag.compile(lambda: ours.attended())
    np.testing.assert_allclose(compiled().numpy(), eager.attended().detach().numpy(), atol=0.01)
    (command,) = (command for command in entry_of(compiled).tape.commands if isinstance(command, Operate))
    assert command.operation.kind == "inference"
    assert [role for role, _ in command.places] == ["q", "k", "v", "o"]
    assert "attend_statistics" not in str(compiled.programs[0])


def attended_and_gradients(q, k, v, g, causal):
    """Attention of (N, H, L, E) and the gradients of q, k and v, where that of the result is g."""
    function = partial(nn.functional.scaled_dot_product_attention, is_causal=causal)
    out, pull = ag.vjp(function, q, k, v)
    return out, *pull(g)


@simulated.needed
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("shape", [(2, 3, 5, 8), (1, 1, 1, 16)], ids=str)
def test_attention_in_one_piece_is_its_definition_in_float64(with_cudnn, shape, causal, compiling):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    rng = np.random.default_rng(2)
    host = [rng.normal(size=shape).astype(ml_dtypes.bfloat16).astype("float32") for _ in range(4)]
    compiled = ag.compile(ag.autocast()(partial(attended_and_gradients, causal=causal)))
    wanted = attended_and_gradients(*(Tensor(x.astype("float64")) for x in host), causal=causal)
    for _ in range(2):
        found = compiled(*(Tensor(x, device="guard") for x in host))
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=0, atol=0.01 * max(1, np.abs(b.numpy()).max()))
    assert [o.kind for o in operations(compiled)] == ["forward", "backward"]


@simulated.needed
def test_queries_and_keys_that_meet_other_values_leave_their_statistics_once(with_cudnn, compiling):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    rng = np.random.default_rng(3)
    host = [rng.normal(size=(2, 3, 5, 8)).astype(ml_dtypes.bfloat16).astype("float32") for _ in range(4)]

    def both(q, k, v, g):
        return [*attended_and_gradients(q, k, v, g, False), *attended_and_gradients(q, k, g, v, False)]

    compiled = ag.compile(ag.autocast()(both))
    found = compiled(*(Tensor(x, device="guard") for x in host))
    for a, b in zip(found, both(*(Tensor(x.astype("float64")) for x in host)), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=0, atol=0.01 * max(1, np.abs(b.numpy()).max()))
    assert sorted(o.kind for o in operations(compiled)) == ["backward", "backward", "forward", "inference"]


@simulated.needed
def test_statistics_without_an_attention_are_left_to_cupy(with_cudnn, compiling):
    rng = np.random.default_rng(4)
    q, k = (rng.normal(size=(2, 5, 3, 8)).astype("float16") for _ in range(2))
    statistics = partial(attending.attend_statistics, causal=True, scale=0.5)
    compiled = ag.compile(lambda q, k: wrap(statistics(q.data, k.data)))
    found = compiled(Tensor(q, device="guard"), Tensor(k, device="guard"))
    np.testing.assert_allclose(found.numpy(), statistics(q, k), rtol=1e-6)
    assert operations(compiled) == []


@pytest.mark.parametrize("causal", [True, False])
def test_statistics_are_what_makes_weights_of_scores(causal):
    rng = np.random.default_rng(0)
    q, k = (rng.normal(size=(2, 5, 3, 8)) for _ in range(2))
    scores = np.einsum("nihe,njhe->nhij", q, k) * 300.0  # whose exponentials overflow
    found = attending.attend_statistics(q, k, causal=causal, scale=300.0)
    assert found.shape == (2, 3, 5)
    if causal:
        scores[..., ~np.tri(5, dtype=bool)] = -np.inf
    weights = np.exp(scores - found[..., None])
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-10)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_attention_on_arrays_is_its_definition(dtype):
    pytest.importorskip("ml_dtypes")
    rng, shape = np.random.default_rng(0), (2, 5, 3, 8)
    q, k, v, g = (Tensor(rng.normal(size=shape).astype("float32")).astype(dtype) for _ in range(4))
    outcomes = []
    for kernel in (True, False):
        inputs = [Tensor(x.data, requires_grad=True) for x in (q, k, v)]
        function = flash.attend if kernel else flash.attend.definition
        out = function(*inputs, causal=True, scale=0.3)
        assert str(out.dtype) == dtype
        out.backward(g)
        outcomes.append([out.data, *(x.grad.data for x in inputs)])
    for a, b in zip(*outcomes, strict=True):
        near = 1e-5 if dtype == "float32" else 0.02
        np.testing.assert_allclose(a.astype("float32"), b.astype("float32"), rtol=near, atol=near)


@pytest.mark.parametrize("shapes", [[(2, 3, 4)] * 3, [(1, 2, 3, 4), (1, 3, 3, 4), (1, 2, 3, 4)]])
def test_attention_on_arrays_of_other_shapes_is_refused(shapes):
    with pytest.raises(ShapeError, match=r"attend got .*all must be of one shape, \(N, L, H, E\)"):
        attending.attend(*(np.ones(shape) for shape in shapes), causal=False, scale=1.0)


def test_statistics_of_another_shape_are_refused():
    x = np.ones((2, 5, 3, 8))
    with pytest.raises(ShapeError, match=r"got statistics of shape \(2, 5, 3\).*they must be \(2, 3, 5\)"):
        attending.attend_gradients(x, x, x, x, np.ones((2, 5, 3)), x, causal=False, scale=1.0)
