"""The machine and the software of a run, described well enough to know what its times are worth.

One idea: whatever the system does not tell is left out; nothing is guessed. Read `output.py` next.
"""

from __future__ import annotations

import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Watch", "describe", "load_average"]


def describe(root: Path) -> dict[str, Any]:
    """Processor, memory, system, Python, NumPy with its BLAS, and the commit of the checkout at `root`."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "cores_usable": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "caches": _caches(),
        "memory_gib": _memory_gib(),
        "system": _system(),
        "libc": " ".join(platform.libc_ver()),
        "python": f"{platform.python_implementation()} {platform.python_version()}, {platform.python_compiler()}",
        "numpy": np.__version__,
        "numpy_blas": _blas(),
        "load_average_before": load_average(),
        "commit": _commit(root),
    }


def load_average() -> float | None:
    """Processes that wanted a core during the last minute."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


class Watch:
    """How much of the machine others use from now on."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._busy = _busy_seconds()
        self._own = _own_seconds()

    def others_cores(self) -> float | None:
        """Cores that other processes (and other guests of the host) kept busy, on average, since this watch was made.

        Processes started here count as own once they have ended. None where the system does not tell.
        """
        if self._busy is None or (busy := _busy_seconds()) is None:
            return None
        others = (busy - self._busy) - (_own_seconds() - self._own)
        return round(max(others / (time.monotonic() - self._start), 0.0), 3)


def _busy_seconds() -> float | None:
    """CPU time that all cores have spent on anything since the machine started, what the host took included."""
    total = _read("/proc/stat").partition("\n")[0].split()[1:9]
    if len(total) < 8:
        return None
    user, nice, system, _idle, _waiting, interrupts, soft_interrupts, stolen = map(int, total)
    return (user + nice + system + interrupts + soft_interrupts + stolen) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    """CPU time of this process and of its children that have ended."""
    return sum(os.times()[:4])


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _processor() -> dict[str, Any]:
    fields = {}
    for line in _read("/proc/cpuinfo").split("\n\n")[0].splitlines():
        name, _, value = line.partition(":")
        fields[name.strip()] = value.strip()
    vectors = ("avx", "avx2", "fma", "avx512f", "avx512_bf16", "amx_tile", "asimd", "sve")
    flags = f"{fields.get('flags', '')} {fields.get('Features', '')}".split()
    return {
        "model": fields.get("model name") or platform.processor() or platform.machine(),
        "family_model_stepping": "/".join(fields.get(k, "?") for k in ("cpu family", "model", "stepping")),
        "architecture": platform.machine(),
        "vectors": [v for v in vectors if v in flags],
    }


def _caches() -> dict[str, str]:
    """Sizes of the first core's caches, such as {"L1d": "32K"}."""
    caches = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        kind = _read(folder / "type").strip()
        level = _read(folder / "level").strip() + {"Data": "d", "Instruction": "i"}.get(kind, "")
        caches[f"L{level}"] = _read(folder / "size").strip()
    return caches


def _memory_gib() -> float | None:
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return round(int(line.split()[1]) / 2**20, 1)
    return None


def _system() -> str:
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        name = platform.system()
    return f"{name}, {platform.system()} {platform.release()}"


def _blas() -> dict[str, str]:
    blas: dict[str, Any] = {**np.show_config(mode="dicts")["Build Dependencies"]["blas"]}
    wanted = ("name", "version", "openblas configuration")
    return {key: str(blas[key]) for key in wanted if key in blas}


def _commit(root: Path) -> str | None:
    """The commit of the checkout, with a word when files differ from it."""
    try:
        run = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return run.stdout.strip() or None
