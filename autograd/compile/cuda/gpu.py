"""GPU: the device that is real. Memory, streams and the driver are CuPy's.

One idea: what can be made ready is made ready once, so that a launch is one call of C: its arguments lie in memory, and
a recording of all of them is a CUDA graph, which is one call for the whole step. Read `trials.py` next.
"""

from __future__ import annotations

import ctypes
import itertools
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from functools import cached_property
from math import inf
from threading import Lock, RLock
from typing import Any

from ...backend import host
from ...cuda import cudnn
from ...cuda.blas import WORKSPACE_BYTES, BlasError, Plan, Product, on_device, plan
from ...cuda.device import OutOfMemory, elsewhere, threads
from ...cuda.graphs import Operation
from ...errors import DeviceError
from .device import Addresses, Launcher, Library, Multiplier, Run
from .nvrtc import cubin_of
from .trials import Trials

__all__ = ["GPU"]

# Note [Sent from a ring]
# A copy from the host goes on after the call that asked for it has returned, so what is sent must not be written to
# until it has arrived. The numbers of each call go to the next of several places of pinned memory, and the event of a
# place tells when it may be used again: hardly ever has anybody to wait. Memory that is given back may be another's at
# once, so that waits too.

# Note [Room to work in]
# How much memory an operation of cuDNN works in is known when it is planned, and may be more than all its arrays. What
# runs on one stream shares one place, of a power of two in bytes. When that grows, what was made before keeps the old
# one, for it may be part of a recording, which knows it by its address alone: so a recording holds on to what it was
# made of. All of these places together are never more than twice the largest.

# Note [Two lanes]
# The kernels of a small network leave most of a GPU idle, and many of them do not need one another: the gradient of a
# weight is wanted at the end only, that of a layer's input at once. So a recording has two lanes, streams that become
# branches of one graph. What needs the last command of a lane goes there too, what needs neither goes to the lane that
# has waited longer, and whoever needs something of the other lane waits for it.

# Note [Streams]
# Products of one stream run one after the other and share a place to work in; those of two streams need two. A
# recording keeps the places of its lanes wherever it is played, and all recordings have the same two lanes: so each
# waits for the one before. And a compiled function has one memory for all its calls, into which arguments and numbers
# go before anything is played. So a call waits before it does anything, for what the function was given on another
# stream; other functions may have been called on others since, by other threads too.
#
# A stream of CuPy's made current by `with`, when that ends, gives way to the one of the `with` around it, not to one
# that was made current by `use()`. So that one is put back.

# Note [The time of a product]
# A recording of ten of the same product is played a few times, and its least time counts. What it reads is in the cache
# where that holds it, as it mostly is in a step of a small network. A product with an epilogue may take longer than one
# without by what it saves: a node of a graph, of which a microsecond is counted, and bytes at the speed of the memory.

_RING = 32
_MOST_ALIGNED = 256  # bytes
_REPEATED, _PLAYED = 10, 4  # products in a recording, and how often that is played
_NODE = 1e-6  # seconds
_MEMORY_CLOCK, _MEMORY_BITS = 36, 37  # attributes of a device (cudaDeviceAttr)
_ALIGNED = 16  # bytes: where products are asked for before it is known where they read


class GPU:
    """One GPU, by its number."""

    eager, alignment = True, _MOST_ALIGNED

    def __init__(self, number: int) -> None:
        import cupy

        self.cupy, self.number = cupy, number
        self.driver = cupy.cuda.driver
        properties = cupy.cuda.runtime.getDeviceProperties(number)
        self.architecture = f"sm_{properties['major']}{properties['minor']}"
        with cupy.cuda.Device(number):
            self.recording, self.side = (cupy.cuda.Stream(non_blocking=True) for _ in range(2))
            self.room = cupy.empty(0, "uint8")
        self._one_records, self._one_plays = RLock(), Lock()  # the threads that compile share the two streams
        self._workspaces: dict[int, Any] = {}  # by stream, see Note [Streams]
        for stream in (self.recording, self.side):
            self._workspace_of(int(stream.ptr))  # before a recording, which is no time to ask for memory
        self._last: Any = None  # the stream on which a recording was played last

    @property
    def stream(self) -> int:
        """The stream on which everything is done now; see Note [A thread of its own] in `../../cuda/device.py`."""
        self._be_current()
        return int(self.cupy.cuda.get_current_stream().ptr)

    def _be_current(self) -> None:
        current = self.cupy.cuda.runtime.getDevice()
        if current != self.number:
            raise elsewhere(self.number, current)
        threads.call(self.cupy.cuda.runtime, current)

    @contextmanager
    def here(self) -> Iterator[None]:
        """With this GPU as the current one, for whatever thread; see Note [A thread of its own] too."""
        with self.cupy.cuda.Device(self.number):
            self._be_current()
            yield

    def follow(self, before: Any) -> Any:
        """See Note [Streams]."""
        self._be_current()
        stream = self.cupy.cuda.get_current_stream()
        if before is not None and before.ptr != stream.ptr:
            stream.wait_event(self._event(before))
        return stream

    @contextmanager
    def _on(self, stream: Any) -> Iterator[None]:
        """With this stream as the current one, and the one from before again afterwards; see Note [Streams]."""
        before = self.cupy.cuda.get_current_stream()
        try:
            with stream:
                yield
        finally:
            before.use()

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        cupy = self.cupy
        if cupy.cuda.runtime.getDevice() == self.number:  # to go there and back takes longer than to ask
            return cupy.ndarray(shape, dtype)
        with cupy.cuda.Device(self.number):
            return cupy.ndarray(shape, dtype)

    def address(self, array: Any) -> int:
        return int(array.data.ptr)

    def copy(self, target: Any, source: Any) -> None:
        if source.flags.c_contiguous and target.flags.c_contiguous and source.nbytes:
            target.data.copy_from_device_async(source.data, source.nbytes)
        else:
            target[...] = source

    def staged(self, size: int) -> tuple[Any, Any, Run]:
        """See Note [Sent from a ring]."""
        cuda = self.cupy.cuda
        there, here = host.zeros(size, "uint8"), self.empty((size,), "uint8")
        pinned = cuda.alloc_pinned_memory(_RING * size)
        ring = host.frombuffer(pinned, "uint8", _RING * size).reshape(_RING, size)
        addresses = [pinned.ptr + i * size for i in range(_RING)]
        events: list[Any] = [None] * _RING
        copy, target, kind = cuda.runtime.memcpyAsync, self.address(here), cuda.runtime.memcpyHostToDevice
        count = 0

        def send() -> None:
            nonlocal count
            i = count % _RING
            count += 1
            if events[i] is None:
                events[i] = cuda.Event(disable_timing=True)
            else:
                events[i].synchronize()
            ring[i] = there
            stream = cuda.get_current_stream()
            copy(target, addresses[i], size, kind, stream.ptr)
            events[i].record(stream)

        weakref.finalize(send, _wait, events, pinned).atexit = False
        return there, here, send

    def library(self, source: str) -> Library:
        return _Library(self, cubin_of(source, self.architecture))

    def product(self, product: Product, at: Addresses, timed: bool) -> Run:
        alignment = min(_MOST_ALIGNED, *(address & -address for address in at if address))
        planned = self._fastest(product, alignment) if timed else plan(product, alignment)
        start, workspace_of = planned.run, self._workspace_of

        def run() -> None:
            stream = self.stream
            start(*at, stream, workspace_of(stream))

        return run

    def _workspace_of(self, stream: int) -> int:
        """The address of the memory that products of a stream work in; see Note [Streams]."""
        found = self._workspaces.get(stream)
        if found is None:
            found = self._workspaces[stream] = self.empty((WORKSPACE_BYTES,), "uint8")
        return self.address(found)

    def _fastest(self, product: Product, alignment: int) -> Plan:
        try:
            return self.trials.of(product, alignment).plan
        except OutOfMemory:  # there is no room for arrays to try it with
            return plan(product, alignment)

    @cached_property
    def trials(self) -> Trials:
        """Those of this GPU; see Note [The time of a product]."""
        with self.here():
            blas = on_device(self.number)
        name = self.cupy.cuda.runtime.getDeviceProperties(self.number)["name"].decode()
        return Trials(blas, f"{name}, cuBLASLt {blas.library.version}", self._seconds)

    @cached_property
    def bytes_per_second(self) -> float:
        """What its memory moves at most; infinite where the driver does not tell, as in a part of a GPU."""
        ask = self.cupy.cuda.runtime.deviceGetAttribute
        kilohertz, bits = ask(_MEMORY_CLOCK, self.number), ask(_MEMORY_BITS, self.number)
        return 2e3 * kilohertz * bits / 8 or inf  # twice in each period

    def pays(self, fused: Sequence[Product], apart: Sequence[Product], saved: int, alignment: int) -> bool:
        """See Note [The time of a product]."""
        try:
            with self.here():
                for product in fused:
                    plan(product, alignment)
                times = [sum(self.trials.of(product, _ALIGNED).seconds for product in some) for some in (fused, apart)]
        except (BlasError, OutOfMemory):  # what need not be done stops nothing
            return False
        return times[0] <= times[1] + _NODE * len(fused) + saved / self.bytes_per_second

    def _seconds(self, planned: Plan) -> float:
        """How long a product takes; see Note [The time of a product]."""
        product, stream = planned.product, self.recording
        sizes = (*product.operand_bytes, product.bias_bytes, product.aux_bytes)
        arrays = [self.empty((max(1, size),), "uint8") for size in sizes]
        a, b, c, bias, aux = (self.address(array) for array in arrays)

        def once() -> None:
            planned.run(a, b, c, bias, aux, int(stream.ptr), self._workspace_of(int(stream.ptr)))

        with self._one_records, self.here(), self._on(stream):
            self.cupy.cuda.runtime.deviceSynchronize()  # what is under way works in the same place
            once()
            play = self.record([once] * _REPEATED)
            events = [self.cupy.cuda.Event() for _ in range(_PLAYED + 1)]
            play()
            events[0].record()
            for event in events[1:]:
                play()
                event.record()
            events[-1].synchronize()
            times = [self.cupy.cuda.get_elapsed_time(a, b) for a, b in itertools.pairwise(events)]
        return min(times) / 1e3 / _REPEATED

    def multiplier(self, product: Product) -> Multiplier:
        runs: dict[int, Any] = {}  # by alignment
        workspace_of = self._workspace_of

        def run(a: int, b: int, c: int, bias: int, stream: int) -> None:
            bits = a | b | c | bias | _MOST_ALIGNED
            alignment = bits & -bits
            if alignment not in runs:
                runs[alignment] = plan(product, alignment).run
            runs[alignment](a, b, c, bias, 0, stream, workspace_of(stream))

        return run

    def does(self, operation: Operation) -> bool:
        with self.here():
            return cudnn.is_supported(operation)

    def operation(self, operation: Operation, addresses: Mapping[str, int]) -> Run:
        """See Note [Room to work in]."""
        with self.here():
            planned = cudnn.plan(operation)
        if planned.workspace_bytes > self.room.nbytes:
            self.room = self.empty((1 << (planned.workspace_bytes - 1).bit_length(),), "uint8")
        at, workspace = dict(addresses), self.address(self.room)

        def run(kept: Any = self.room) -> None:
            planned.run(at, self.stream, workspace)

        return run

    def record(self, runs: Sequence[Run], after: Sequence[Set[int]] | None = None) -> Run:
        self._be_current()  # before a recording, in which little may be asked
        with self._one_records, self._on(self.recording):
            self.recording.begin_capture()
            try:
                if after is None:
                    for run in runs:
                        run()
                else:
                    self._in_lanes(runs, after)
            except BaseException:
                with suppress(RuntimeError):  # CuPy's, of a recording that is not whole; what broke it is told
                    self.recording.end_capture()
                raise
            graph = self.recording.end_capture()

        launch, one_plays = graph.launch, self._one_plays

        def play(kept: Any = tuple(runs)) -> None:
            with one_plays:  # else another thread could wait for what is not launched yet
                self._last = self.follow(self._last)
                launch(self._last)

        return play

    def _in_lanes(self, runs: Sequence[Run], after: Sequence[Set[int]]) -> None:
        """See Note [Two lanes]."""
        streams = (self.recording, self.side)
        self.side.wait_event(self._event(self.recording))  # from here on it is recorded too
        lanes: list[int] = []
        events: list[Any] = []
        last, seen = [-1, -1], [-1, -1]  # of each lane the last command, and the last of the other that it waited for
        for number, (run, needed) in enumerate(zip(runs, after, strict=True)):
            lane = next((i for i in (0, 1) if last[i] in needed), int(last[1] < last[0]))
            other = max((i for i in needed if lanes[i] != lane), default=-1)
            if other > seen[lane]:
                streams[lane].wait_event(events[other])
                seen[lane] = other
            with self._on(streams[lane]):
                run()
            lanes.append(lane)
            events.append(self._event(streams[lane]))
            last[lane] = number
        self.recording.wait_event(self._event(self.side))

    def _event(self, stream: Any) -> Any:
        event = self.cupy.cuda.Event(disable_timing=True)
        event.record(stream)
        return event


def _wait(events: list[Any], pinned: Any) -> None:
    """Until all of this memory has been sent."""
    for event in events:
        if event is not None:
            event.synchronize()


class _Library:
    def __init__(self, gpu: GPU, cubin: bytes) -> None:
        self.gpu = gpu
        with gpu.here():
            self.module = self._asked(gpu.driver.moduleLoadData, "load a program", cubin)
        self.functions: dict[str, int] = {}

    def launch(self, name: str, blocks: int, threads: int, words: Sequence[int]) -> Run:
        gpu, launcher = self.gpu, self.launcher(name, blocks, threads, words, 0)
        return lambda: launcher([], gpu.stream)

    def launcher(self, name: str, blocks: int, threads: int, sizes: Sequence[int], count: int) -> Launcher:
        given = _Given([*sizes, *(0,) * count])
        words: Any = given.words
        at, rest, lock = given.address, slice(len(sizes), None), Lock()
        start, function, refused = self.gpu.driver.launchKernel, self._function(name), self.gpu.driver.CUDADriverError

        def run(addresses: list[int], stream: int, kept: Any = given) -> None:
            try:
                with lock:  # until the driver has copied them
                    words[rest] = addresses
                    start(function, blocks, 1, 1, threads, 1, 1, 0, stream, at, 0)
            except refused as error:
                raise _refusal(f"launch the kernel {name}", error) from None

        return run

    def _function(self, name: str) -> int:
        if name not in self.functions:
            self.functions[name] = self._asked(
                self.gpu.driver.moduleGetFunction, f"find the kernel {name}", self.module, name
            )
        return self.functions[name]

    def _asked(self, ask: Callable[..., int], what: str, *given: Any) -> int:
        """What the driver gives. Raises DeviceError with what it says where it refuses."""
        try:
            return ask(*given)
        except self.gpu.driver.CUDADriverError as error:
            raise _refusal(what, error) from None


class _Given:
    """What a kernel is given: words of 8 bytes in memory, and the address of a list that has their address alone."""

    def __init__(self, words: Sequence[int]) -> None:
        self.words = (ctypes.c_uint64 * len(words))(*words)
        self._list = (ctypes.c_void_p * 1)(ctypes.addressof(self.words))
        self.address = ctypes.addressof(self._list)


def _refusal(what: str, error: Exception) -> DeviceError:
    return DeviceError(f"the GPU could not {what}: {error}.")
