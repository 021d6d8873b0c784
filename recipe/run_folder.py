"""The folder of a run, and run.json in it: what was asked for, what was measured, how it ended.

One idea: run.json is rewritten whole after every epoch, so at any moment it is valid and tells how far the run is.
In it an epoch is named by its place in the list of epochs, from 0, as `selected_epoch` is; what people read (the
console, history.csv, the report and its numbers, the live view) counts from 1. Read `run.py` next.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd import cuda

from .callbacks.base import Callback
from .config import Config, ConfigError
from .files import write_json
from .history import Record

if TYPE_CHECKING:
    from .trainer import Trainer

__all__ = ["RunFile", "alone_in", "machine", "make_folder", "new_folder", "read_run"]

SCHEMA = 1
_PARTS = {"status": str, "config": dict, "machine": dict, "epochs": list, "evidence": dict}  # null but for the status


def new_folder(out: str | None, name: str) -> Path:
    """Where a run shall go: `out`, or runs/<time>-<name> in the current folder. Nothing is made yet.

    Raises ConfigError when `out` holds something already.
    """
    if out is not None:
        _refuse_full(Path(out))
        return Path(out)
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{name}"
    number, folder = 2, Path("runs") / stem
    while folder.exists():  # two runs began in one second
        folder, number = Path("runs") / f"{stem}-{number}", number + 1
    return folder


def make_folder(folder: Path) -> None:
    """Make the folder. Raises ConfigError when that cannot be done or somebody was first."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be made for the run: {error.strerror or error}.") from None
    _refuse_full(folder)


def _refuse_full(folder: Path) -> None:
    try:
        full = folder.exists() and any(folder.iterdir())
    except OSError as error:
        raise ConfigError(f"{folder} cannot be used for a run: {error.strerror or error}.") from None
    if full:
        raise ConfigError(f"{folder} is not empty: name another folder, or use resume to go on with its run.")


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Inside, no other process can train in the folder; the system forgets it when this one dies, however it dies.

    Raises ConfigError where another one does. A file system that cannot tell lets both in, and so does Windows.
    """
    if sys.platform == "win32" or not folder.is_dir():
        yield
        return
    import fcntl

    held = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"another process trains in {folder}: wait for its end, or end it, and resume then."
            ) from None
        except OSError:
            pass  # a file system over a network, say
        yield
    finally:
        os.close(held)


def read_run(folder: Path) -> dict[str, Any]:
    """What run.json of a folder says. Raises ConfigError where there is none or it is no run's."""
    path = folder / "run.json"
    try:
        run = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigError(f"{folder} is no run folder: it has no run.json.") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}.") from None
    except (RecursionError, ValueError) as error:
        raise ConfigError(f"{path} is damaged: it is no JSON ({error}); restore it, or train anew.") from None
    if not isinstance(run, dict) or "schema" not in run:
        raise ConfigError(f"{path} was not written by the recipe: name the folder of a run.")
    if run["schema"] != SCHEMA:
        raise ConfigError(
            f"{path} has the form {run['schema']!r}, and this version reads {SCHEMA}: use the version that wrote it, "
            "or train anew."
        )
    if why := _damage(run):
        raise ConfigError(f"{path} is damaged: {why}; restore it, or train anew.")
    return run


def _damage(run: dict[str, Any]) -> str:
    """What a run.json lacks of its form, in words; nothing where it has it."""
    for name, kind in _PARTS.items():
        value = run.get(name)
        if not isinstance(value, kind) and (name == "status" or value is not None):
            return f"{name} is {'missing' if name not in run else f'of type {type(value).__name__}'}"
    for number, record in enumerate(run.get("epochs") or ()):
        if not (isinstance(record, dict) and isinstance(record.get("epoch"), int)):
            return f"record {number + 1} of its epochs is none"
    selected = (run.get("evidence") or {}).get("selected_epoch")
    if selected is not None and (type(selected) is not int or selected < 0):
        return f"the selected epoch is {selected!r}"
    return ""


def machine(device: str) -> dict[str, Any]:
    """What a number of seconds depends on; "gpu", its name, is there where `device` is one."""
    found = {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": os.environ.get("OPENBLAS_NUM_THREADS") or os.environ.get("OMP_NUM_THREADS"),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
    return found | {"gpu": cuda.device_name(device)} if device.startswith("cuda") else found


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


class RunFile(Callback):
    """Keeps `folder`/run.json. `run` is what is written; whoever has something to add puts it there and calls `write`.

    `evidence`, when given, is asked for its `to_json()` each time.
    """

    order = 60

    def __init__(self, folder: Path, config: Config, evidence: Any = None) -> None:
        self.evidence = evidence
        self.path = folder / "run.json"
        self.run: dict[str, Any] = {
            "schema": SCHEMA,
            "status": "running",
            "config": config.to_dict(),
            "data_digest": None,
            "machine": machine(config.device),
            "machines_before": [],
            "model": None,
            "parameters": None,
            "plan": None,
            "steps": None,
            "epochs": [],
            "stop": None,
            "failure": None,
            "test": None,
            "paper": None,
            "evidence": None,
            "diagnosis": None,
            "seconds": 0.0,
        }

    def go_on(self, earlier: dict[str, Any]) -> None:
        """Keep, from what run.json said before a resume, the machines other than this one that the seconds are of."""
        before = earlier.get("machines_before")
        machines = [*(before if isinstance(before, list) else ()), earlier.get("machine")]
        self.run["machines_before"] = [m for m in machines if m and m != self.run["machine"]]

    def on_fit_begin(self, trainer: Trainer) -> None:
        self.run["model"] = repr(trainer.model)
        self.run["parameters"] = sum(parameter.size for parameter in trainer.model.parameters())
        self.run["plan"] = {"epochs": trainer.epochs, "updates": trainer.updates}
        self._update(trainer)

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        self._update(trainer)

    def on_fit_end(self, trainer: Trainer) -> None:
        if trainer.failure is not None:
            self.run["failure"] = {"step": trainer.step + 1, "epoch": trainer.epoch, "text": str(trainer.failure)}
        self.run["stop"] = trainer.stop
        self._update(trainer)

    def on_interrupt(self, trainer: Trainer) -> None:
        self.run["status"] = "interrupted"
        self._update(trainer)

    def _update(self, trainer: Trainer) -> None:
        self.run["epochs"] = list(trainer.history)
        self.run["seconds"] = trainer.seconds
        self.run["steps"] = trainer.formulas.way(trainer.step) | {"text": trainer.describe_steps()}
        if self.evidence is not None:
            self.run["evidence"] = self.evidence.to_json()
        self.write()

    def write(self) -> None:
        """Write `run` as it is now."""
        write_json(self.path, self.run)
