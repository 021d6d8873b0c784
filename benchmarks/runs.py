"""Runs that results are gathered from: where each was made, and where it was gathered.

One idea: where a run was made is the run's to say. The machine that gathers is written down apart from it, and the name
of a GPU that the run itself did not write down is marked as given. Read `papers.py` and `curves.py` next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from .gpu import device as gpu_device
from .machine import describe
from .measure import BenchmarkError

__all__ = ["add_gpu", "gathered_on", "made_on", "where"]

_ROOT = Path(__file__).resolve().parent.parent


def add_gpu(command: Any) -> None:
    """Add the flag `--gpu` to a command of argparse's."""
    text = "the GPU of runs that do not say on which they were made, as older ones; the result says that it was given"
    command.add_argument("--gpu", metavar="NAME", help=text)


def made_on(run: Mapping[str, Any], gpu: str | None) -> dict[str, Any]:
    """The machine in a run's run.json. Of a run on a GPU that names none, `gpu` is it, and "gpu_given" says so."""
    machine: dict[str, Any] = dict(run["machine"])
    if gpu and _on_gpu(run["config"]["device"]) and "gpu" not in machine:
        machine |= {"gpu": gpu, "gpu_given": True}
    return machine


def gathered_on(devices: Sequence[str], gpu: str | None) -> dict[str, Any]:
    """This machine, which need not be that of the runs; with its GPU, where one of the `devices` of the runs is one.

    Raises BenchmarkError where `gpu` is given and none is.
    """
    machine = describe(_ROOT)
    if any(map(_on_gpu, devices)):
        with suppress(BenchmarkError):  # runs of a GPU may be gathered where there is none
            machine["gpu"] = gpu_device.describe()
    elif gpu:
        raise BenchmarkError(f"--gpu {gpu}: none of the runs was made on a GPU.")
    return machine


def where(machine: Mapping[str, Any], device: str) -> str:
    """The machine and the device of a run in words."""
    text = f"{machine['processor']}, {device}"
    if not _on_gpu(device):
        return text
    name = machine.get("gpu", "the run does not say which GPU")
    return f"{text} ({name}{', as given, not by the run' if machine.get('gpu_given') else ''})"


def _on_gpu(device: str) -> bool:
    return device.startswith("cuda")
