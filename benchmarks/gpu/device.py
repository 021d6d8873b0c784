"""The GPU of this machine, as its driver describes it; nothing is made ready on it.

One idea: the parent only asks for names and sizes, so the GPU is all the contenders'. Read `run.py` next.
"""

from __future__ import annotations

import ctypes
import re
from pathlib import Path
from typing import Any

from ..measure import BenchmarkError

__all__ = ["describe", "slug"]

_MULTIPROCESSORS, _CLOCK, _MAJOR, _MINOR = 16, 13, 75, 76  # CUdevice_attribute
_RELEASE = Path("/proc/driver/nvidia/version")


def describe() -> dict[str, Any]:
    """Name, memory and driver of the first GPU. Raises BenchmarkError where there is none."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        raise BenchmarkError(f"there is no GPU here: NVIDIA's driver is not installed ({error}).") from None
    status = driver.cuInit(0)
    device, count = ctypes.c_int(), ctypes.c_int()
    if status == 0:
        driver.cuDeviceGetCount(ctypes.byref(count))
    if status or not count.value:
        raise BenchmarkError(f"there is no GPU here: the driver finds none (cuInit gave {status}).")
    driver.cuDeviceGet(ctypes.byref(device), 0)
    name, memory, version = ctypes.create_string_buffer(128), ctypes.c_size_t(), ctypes.c_int()
    driver.cuDeviceGetName(name, len(name), device)
    driver.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    driver.cuDriverGetVersion(ctypes.byref(version))

    def attribute(number: int) -> int:
        found = ctypes.c_int()
        driver.cuDeviceGetAttribute(ctypes.byref(found), number, device)
        return found.value

    return {
        "name": name.value.decode(),
        "memory_gib": round(memory.value / 2**30, 1),
        "architecture": f"sm_{attribute(_MAJOR)}{attribute(_MINOR)}",
        "multiprocessors": attribute(_MULTIPROCESSORS),
        "clock_mhz": attribute(_CLOCK) // 1000,
        "driver": _release(),
        "driver_cuda": f"{version.value // 1000}.{version.value % 1000 // 10}",
    }


def _release() -> str | None:
    """The driver's release, such as "580.65.06"; None where the system does not tell."""
    try:
        found = re.search(r"\b\d{3}\.\d+(\.\d+)?\b", _RELEASE.read_text())
    except OSError:
        return None
    return found[0] if found else None


def slug(name: str) -> str:
    """A device's name as part of a file's."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
