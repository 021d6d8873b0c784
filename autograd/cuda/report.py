"""What a user asks about the GPU: is there one, is it done, what does its memory hold; and marks for a profiler.

One idea: nothing here is needed to train, so nothing here may get in the way: without a GPU, questions are answered,
and marks are silent. This is the last file of the room.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ContextDecorator
from dataclasses import dataclass
from functools import cache
from typing import Any

from ..errors import DeviceError
from . import cublaslt, cudnn
from .device import cupy_here, number_of

__all__ = ["Memory", "device_count", "device_name", "empty_cache", "is_available", "libraries", "memory"]
__all__ += ["profiler_range", "synchronize"]

GiB = 1 << 30


def is_available() -> bool:
    """Whether "cuda" can be used here: CuPy, a driver and a GPU that fit together. What is missing, Tensor.to says."""
    try:
        cupy_here()
    except DeviceError:
        return False
    return True


def device_count() -> int:
    """How many GPUs can be used here; 0 without CuPy or a driver."""
    return int(cupy_here().cuda.runtime.getDeviceCount()) if is_available() else 0


def device_name(device: str | int | None = None) -> str:
    """What NVIDIA calls a GPU, the current one by default: "NVIDIA H200". Raises DeviceError where there is none."""
    cupy = cupy_here()
    return str(cupy.cuda.runtime.getDeviceProperties(number_of(device, cupy))["name"].decode())


def libraries() -> dict[str, str]:
    """The version of each library that "cuda" makes use of; of one that cannot be used, what is missing.

    Without CuPy or cuBLASLt nothing runs on a GPU; what cuDNN would do is done in other ways.
    """
    versions = {
        "CuPy": lambda: str(cupy_here().__version__),
        "cuBLASLt": lambda: str(cublaslt.library().version),
        "cuDNN": cudnn.version,
    }
    found = {}
    for name, version in versions.items():
        try:
            found[name] = version()
        except DeviceError as error:
            found[name] = f"missing: {error}"
    return found


def synchronize(device: str | int | None = None) -> None:
    """Wait until the GPU, the current one by default, has done all that was asked of it, on every stream.

    Raises DeviceError where there is no such GPU.
    """
    cupy = cupy_here()
    cupy.cuda.Device(number_of(device, cupy)).synchronize()


@dataclass(frozen=True)
class Memory:
    """The memory of one GPU at one moment, in bytes."""

    device: str
    used: int  # in arrays
    pooled: int  # kept by CuPy for arrays to come
    free: int  # for every program on this GPU
    total: int

    def __repr__(self) -> str:
        used, pooled, free, total = (f"{x / GiB:.2f}" for x in (self.used, self.pooled, self.free, self.total))
        return f"{self.device}: {used} GiB in arrays, {pooled} GiB kept for more, {free} of {total} GiB free"


def memory(device: str | int | None = None) -> Memory:
    """What the memory of a GPU, the current one by default, holds. Raises DeviceError where there is no such GPU."""
    cupy = cupy_here()
    number = number_of(device, cupy)
    with cupy.cuda.Device(number):
        free, total = cupy.cuda.runtime.memGetInfo()
        pool = cupy.get_default_memory_pool()
        return Memory(f"cuda:{number}", pool.used_bytes(), pool.free_bytes(), free, total)


def empty_cache(device: str | int | None = None) -> None:
    """Give back the memory that CuPy keeps for arrays to come, of the GPU and of the host beside it.

    Raises DeviceError where there is no such GPU.
    """
    cupy = cupy_here()
    with cupy.cuda.Device(number_of(device, cupy)):
        cupy.get_default_memory_pool().free_all_blocks()
        cupy.get_default_pinned_memory_pool().free_all_blocks()


class profiler_range(ContextDecorator):
    """A named span of time in Nsight Systems, around a block or a function; nothing at all where CuPy is missing.

        with autograd.cuda.profiler_range("attention"):
            ...

    Source: NVIDIA, NVTX.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        _marks()[0](self.name)

    def __exit__(self, *error: object) -> None:
        _marks()[1]()


@cache
def _marks() -> tuple[Callable[[str], Any], Callable[[], Any]]:
    """What begins a range, and what ends the innermost one."""
    try:
        from cupy.cuda import nvtx
    except ImportError:
        return lambda name: None, lambda: None
    return nvtx.RangePush, nvtx.RangePop
