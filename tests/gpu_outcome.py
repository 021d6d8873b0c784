"""The outcome of `make test-gpu`, kept beside the benchmarks' results under the name of the device.

One idea: a run of the table on a real device is rare, so it leaves a file that can be committed: what passed, what
failed, on which GPU, with which CuPy and CUDA. Read `conftest.py` next, which calls this.
"""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from autograd import DeviceError, Tensor

__all__ = ["describe", "missing", "write"]

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks" / "results"


def missing() -> str | None:
    """Why there is no GPU to test on, in a sentence; None where there is one."""
    try:
        Tensor([1.0], device="cuda")
    except DeviceError as error:
        return str(error)
    return None


def describe() -> dict[str, Any]:
    """The device and what drives it."""
    import cupy

    properties = cupy.cuda.runtime.getDeviceProperties(0)
    return {
        "device": properties["name"].decode(),
        "memory_bytes": properties["totalGlobalMem"],
        "cuda_runtime": cupy.cuda.runtime.runtimeGetVersion(),
        "cuda_driver": cupy.cuda.runtime.driverGetVersion(),
        "cupy": cupy.__version__,
        "python": platform.python_version(),
    }


def write(folder: Path, device: dict[str, Any], passed: int, failed: Iterable[str]) -> Path:
    """One JSON file named after the device; gives its path."""
    failed = sorted(failed)
    outcome = {
        "date": datetime.now(UTC).date().isoformat(),
        **device,
        "passed": passed,
        "failed": len(failed),
        "failures": failed,
    }
    name = re.sub(r"[^a-z0-9]+", "-", device["device"].lower()).strip("-")
    path = folder / f"test-gpu-{name}.json"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(outcome, indent=2) + "\n", encoding="utf-8")
    return path
