"""The GPU as a device of the engine: CuPy is imported here, and whatever is missing is said in one sentence.

One idea: three things have to fit, CuPy, the driver and the GPU, and each can be missing or of the wrong age. They are
looked at once, in this order, when the first "cuda" is named. Read `report.py` next.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable
from typing import Any, NoReturn

from ..backend import Array, Backend, register_backend
from ..errors import DeviceError
from ..positions import has_positions
from .blas import WORKSPACE_BYTES, on_device
from .gather import Gather
from .products import ArrayModule, Place, Products

__all__ = ["OutOfMemory", "Threads", "cupy_here", "elsewhere", "number_of", "register", "threads"]

# Note [A thread of its own]
# CUDA's driver, and libraries that speak to it, work for a thread only once that thread has called the runtime, as all
# of CuPy's functions do that need a GPU. Memory may come from a pool, which asks nobody, so a thread may begin with a
# kernel, which the driver then refuses (CUDA_ERROR_INVALID_CONTEXT).

NO_DRIVER, NO_DEVICE = 35, 100  # cudaErrorInsufficientDriver, cudaErrorNoDevice


class OutOfMemory(DeviceError, MemoryError):
    """The memory of the GPU is full."""


def cupy_here() -> Any:
    """CuPy, with a driver and a GPU that it can use. Raises DeviceError that says which is missing, and what to do."""
    cupy = _imported()
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        _refuse(cupy, error)
    if count == 0:
        raise DeviceError(_NO_GPU)
    return cupy


_NO_GPU = (
    'device "cuda" was asked for, but the driver shows no GPU: look with nvidia-smi, and whether CUDA_VISIBLE_DEVICES '
    "hides it."
)


def _imported() -> Any:
    if importlib.util.find_spec("cupy") is None:
        raise DeviceError('device "cuda" needs CuPy, which is not installed here: pip install cupy-cuda13x.')
    try:
        import cupy
    except ImportError as error:
        reason = str(error).strip().partition("\n")[0]
        raise DeviceError(
            f'device "cuda" needs CuPy, which is installed but cannot be imported ({reason}): install it again in one '
            "kind only, pip install cupy-cuda13x."
        ) from error
    return cupy


def _refuse(cupy: Any, error: Any) -> NoReturn:
    """Say what a failed look for GPUs means."""
    runtime = cupy.cuda.runtime
    if error.status == NO_DEVICE:
        raise DeviceError(_NO_GPU) from error
    if error.status != NO_DRIVER:
        raise DeviceError(f'device "cuda" was asked for, but CUDA finds no GPU: {error}.') from error
    driver, made_for = _version(runtime.driverGetVersion()), _version(runtime.runtimeGetVersion())
    if driver == (0, 0):
        raise DeviceError(
            'device "cuda" was asked for, but there is no NVIDIA driver here: install it, or use device="cpu".'
        ) from error
    raise DeviceError(
        f"the NVIDIA driver is too old for this CuPy: the driver knows CUDA {driver[0]}.{driver[1]}, CuPy "
        f"{cupy.__version__} was made for {made_for[0]}.{made_for[1]}: update the driver, or install "
        f"cupy-cuda{driver[0]}x in the place of this CuPy."
    ) from error


def _version(number: int) -> tuple[int, int]:
    """CUDA's way to write a version: 13020 is 13.2."""
    return number // 1000, number % 1000 // 10


def number_of(device: str | int | None, cupy: Any) -> int:
    """The number of "cuda:1" or 1, the current one for "cuda" and None. Raises DeviceError where there is none."""
    word = "cuda" if device is None else f"cuda:{device}" if isinstance(device, int) else device
    name, _, number = word.partition(":")
    count = cupy.cuda.runtime.getDeviceCount()
    if name != "cuda" or not (number.isdecimal() or word == "cuda"):
        raise DeviceError(f'a GPU is "cuda", "cuda:0" or the like, got {device!r}.')
    if not number:
        return int(cupy.cuda.runtime.getDevice())
    if int(number) >= count:
        raise DeviceError(f'device "{word}" was asked for, but this machine has {count} GPU(s), counted from 0.')
    return int(number)


# The device


class Threads(threading.local):
    """The GPUs for which the thread that asks has called the runtime. See Note [A thread of its own]."""

    def __init__(self) -> None:
        self._known: set[int] = set()

    def call(self, runtime: Any, device: int) -> None:
        """Call the runtime, if this is the first time for this device, which must be CuPy's current one."""
        if device not in self._known:
            runtime.memGetInfo()
            self._known.add(device)


threads = Threads()


def elsewhere(asked: int, current: int) -> DeviceError:
    """What is said where a GPU is asked for something while another is CuPy's current one."""
    return DeviceError(
        f'work on "cuda:{asked}" was asked for while CuPy works on "cuda:{current}": put it under '
        f"with cupy.cuda.Device({asked})."
    )


class _Surroundings:
    """What our products ask of CuPy. See `products.py`."""

    def __init__(self, cupy: Any) -> None:
        self._cupy = cupy
        self._runtime, self._current_device = cupy.cuda.runtime, cupy.cuda.runtime.getDevice
        self._current_stream = cupy.cuda.get_current_stream
        self._places: dict[tuple[int, int], tuple[Place, Any]] = {}  # with the memory that a workspace lies in

    def address(self, array: Array) -> int:
        return array.data.ptr

    def place(self, array: Array) -> Place:
        device, stream = self._current_device(), self._current_stream().ptr
        if array.data.device_id != device:
            raise elsewhere(array.data.device_id, device)
        threads.call(self._runtime, device)
        found = self._places.get((device, stream))
        if found is None:
            # Products of one stream run one after the other, so they share it.
            memory = self._cupy.cuda.alloc(WORKSPACE_BYTES)
            found = self._places[device, stream] = Place(device, stream, memory.ptr, on_device(device)), memory
        return found[0]


def register() -> None:
    """Make "cuda" known to the engine. Raises DeviceError as `cupy_here`."""
    cupy = cupy_here()
    # CuPy's own sentence names bytes, but no way out.
    cupy.cuda.set_allocator(_explaining(cupy.cuda.get_allocator(), cupy.cuda.memory.OutOfMemoryError))

    def from_host(array: Any, device: str) -> Array:
        with cupy.cuda.Device(number_of(device, cupy)):
            return cupy.asarray(array)

    register_backend(
        "cuda",
        Backend(
            array_type=cupy.ndarray,
            module=ArrayModule(cupy, Products(cupy, _Surroundings(cupy))),
            device_of=lambda array: f"cuda:{array.data.device_id}",  # array.device makes an object
            from_host=from_host,
            to_host=cupy.asnumpy,
            synchronize=lambda: cupy.cuda.get_current_stream().synchronize(),
        ),
    )
    has_positions(cupy.ndarray, Gather(cupy))


def _explaining(allocate: Callable[[int], Any], error_type: type[BaseException]) -> Callable[[int], Any]:
    """The allocator, with an error that says what to do where the memory is full."""

    def explained(size: int) -> Any:
        try:
            return allocate(size)
        except error_type as error:
            said = str(error).rstrip(".")
            raise OutOfMemory(
                f"{said}. Make the batch smaller, drop Tensors that hold an old graph (keep loss.item(), not loss), or "
                "give back what lies unused: autograd.cuda.empty_cache()."
            ) from error

    return explained
