"""How much memory this process holds, and held at most: read from Linux's own counters.

One idea: a framework's allocator can be asked only where it counts, and NumPy's, PyTorch's and JAX's do not on the CPU;
the system counts for all of them alike. Memory that was freed but kept for the next time is given back before it is
read, so that what is read is in use. Read `overhead/__init__.py` next.
"""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path

__all__ = ["can_count", "highest", "reset_highest", "resident"]

_PROCESS = Path("/proc/self")


def can_count() -> bool:
    """Whether this system has the counters (Linux has)."""
    return (_PROCESS / "clear_refs").exists() and (_PROCESS / "smaps_rollup").exists()


def resident() -> int:
    """Bytes of memory in use: freed memory is handed back to the system first."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
    if trim is not None:
        trim(0)
    return _field("smaps_rollup", "Rss")  # counts pages one by one; VmRSS lags behind by some of them


def reset_highest() -> None:
    """Let the highest mark fall to what is resident now."""
    (_PROCESS / "clear_refs").write_text("5")


def highest() -> int:
    """The most bytes that were resident at once since `reset_highest`."""
    return _field("status", "VmHWM")


def _field(file: str, name: str) -> int:
    """The bytes of a line such as "VmHWM:   1234 kB"."""
    for line in (_PROCESS / file).read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/{file} has no line {name}.")
