"""The allocator of the process: freed memory is kept for the next step.

One idea: glibc returns freed blocks of more than 128 KiB to the system, and the next step asks for zeroed pages again,
which can be a third of the time of a training step. Two settings, made at import, keep the memory in the process. The
environment variable TAPEGRAD_MALLOC=0 leaves the allocator as it is. Read `backend.py` next.
"""

from __future__ import annotations

import ctypes
import os
import sys

__all__ = ["keep_freed_memory"]

# Of <malloc.h>.
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3


def keep_freed_memory() -> bool:
    """Ask glibc to keep what is freed; says whether it was asked (on Linux with glibc, unless switched off)."""
    if os.environ.get("TAPEGRAD_MALLOC", "1") == "0" or not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is None:
        return False
    largest = 2**31 - 1
    return bool(mallopt(M_MMAP_THRESHOLD, largest) and mallopt(M_TRIM_THRESHOLD, largest))
