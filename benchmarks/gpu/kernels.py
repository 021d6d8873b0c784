"""`python -m benchmarks kernels JOB`: what a GPU does in a training step, kernel by kernel.

One idea: CUPTI, which PyTorch brings along, sees every kernel of a process, whoever launched it, and those of a
recorded graph too. So a step of any contender can be looked into, and two contenders laid side by side. Read `run.py`
for times that are compared: there each contender has the GPU to itself.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..contender import Contender, Step
from ..machine import describe
from ..measure import BenchmarkError
from ..output import duration, save, table
from ..run import ROOT
from . import all_contenders, device
from .precision import PRECISIONS, told
from .workloads import WORKLOADS

__all__ = ["add_kernels", "kernels_of", "run_kernels", "show_kernels"]

_ABOUT = """Show what a GPU does in a training step of one contender: each kernel with its launches and its time, those
that take longest first. The median time of a step without the profiler stands above; where commands run beside one
another the kernels may take longer together. Needs PyTorch for CUDA, whose profiler sees all kernels."""

_CONTENDERS = all_contenders()
_KINDS = ("kernel", "gpu_memcpy", "gpu_memset")
_ROUNDS, _SECONDS, _WARM_UP, _SHOWN = 5, 0.3, 6, 25


def add_kernels(commands: Any, folder: Any) -> None:
    """Add the command to argparse's `commands`; `folder` reads a flag."""
    about = "what a GPU does in a training step, kernel by kernel"
    command = commands.add_parser("kernels", help=about, description=_ABOUT)
    command.add_argument("job", choices=list(WORKLOADS), metavar="JOB", help=f"one of: {', '.join(WORKLOADS)}")
    command.add_argument("--contender", choices=list(_CONTENDERS), default="tapegrad-compiled", metavar="NAME")
    command.add_argument("--precision", choices=PRECISIONS, default="float32", help="(default float32)")
    command.add_argument("--out", type=folder, metavar="FOLDER", help="where the result goes (default: nowhere)")


def run_kernels(arguments: argparse.Namespace) -> None:
    """Carry out the command. Raises BenchmarkError where there is no GPU, or nobody who sees its kernels."""
    gpu = device.describe()
    # Asked here, and not imported: what it brings along must not be found by others in its place.
    if find_spec("torch") is None:
        raise BenchmarkError("kernels are seen by PyTorch's profiler, and torch is not installed here.")
    contender = told(_CONTENDERS[arguments.contender], PRECISIONS[arguments.precision])
    os.environ.update(contender.environment)
    step = contender.prepare(arguments.job)
    losses = [contender.values(step())[-1] for _ in range(_WARM_UP)]
    median = _median(contender, step)
    steps = max(1, min(20, round(0.1 / median)))
    document = {
        "schema": 1,
        "benchmark": "kernels",
        "job": arguments.job,
        "about": WORKLOADS[arguments.job].about(),
        "contender": contender.name,
        "precision": PRECISIONS[arguments.precision].name,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {**describe(ROOT), "gpu": gpu},
        "versions": contender.versions(),
        "losses": losses,
        "median_us": median * 1e6,
        "kernels": kernels_of(_events(contender, step, steps), steps),
    }
    show_kernels(document)
    if arguments.out:
        name = f"{arguments.job}-{contender.name}-{device.slug(gpu['name'])}{PRECISIONS[arguments.precision].ending}"
        print(f"\nsaved {save(document, arguments.out, name)}")


def _median(contender: Contender, step: Step) -> float:
    """Seconds that a step takes: the median of some rounds, each waited for at its end."""

    def round_of(count: int) -> float:
        began = time.perf_counter()
        for _ in range(count):
            result = step()
        contender.wait(result)
        return (time.perf_counter() - began) / count

    contender.wait(step())
    count = max(3, min(1000, round(_SECONDS / round_of(3))))
    return statistics.median(round_of(count) for _ in range(_ROUNDS))


def _events(contender: Contender, step: Step, steps: int) -> list[dict[str, Any]]:
    """The profiler's events of so many steps."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as found:
        for _ in range(steps):
            result = step()
        contender.wait(result)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        found.export_chrome_trace(str(path))
        events: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    return events


def kernels_of(events: Sequence[Mapping[str, Any]], steps: int) -> list[dict[str, Any]]:
    """The kernels and copies of a trace by name and size, with launches and microseconds a step, longest first."""
    found: dict[tuple[Any, ...], list[float]] = {}
    for event in events:
        if event.get("cat") in _KINDS:
            size = event.get("args", {})
            key = event["name"], *(str(size[word]) if word in size else "" for word in ("grid", "block"))
            found.setdefault(key, []).append(event["dur"])
    kernels = [
        {"name": name, "grid": grid, "block": block, "launches": len(times) / steps, "us": sum(times) / steps}
        for (name, grid, block), times in found.items()
    ]
    return sorted(kernels, key=lambda kernel: -kernel["us"])


def show_kernels(document: Mapping[str, Any]) -> None:
    """Print a result."""
    kernels = document["kernels"]
    print(f"{document['machine']['gpu']['name']}; {document['job']}: {document['about']}; {document['precision']}")
    launches, busy = (sum(kernel[what] for kernel in kernels) for what in ("launches", "us"))
    median = duration(document["median_us"])
    print(f"{document['contender']}: {median} a step; {launches:.0f} kernels, {duration(busy)}\n")
    rows = [(k["name"][:60], k["grid"], k["block"], f"{k['launches']:g}", duration(k["us"])) for k in kernels[:_SHOWN]]
    print(table(("kernel", "grid", "block", "launches", "a step"), rows, texts=3))
