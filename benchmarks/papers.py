"""`python -m benchmarks papers RUN ...`: what runs by the settings of papers came to, gathered into one result.

One idea: nothing is measured here. Each run says in its run.json how it stands to its paper; this puts them side by
side, with their machines, and takes the mean where the runs of a paper are whole. Read `recipe/papers/outcome.py` for
the outcomes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recipe.history import kept
from recipe.metrics import error_percent, in_percent

from .measure import DAMAGE, BenchmarkError
from .output import save, table
from .runs import add_gpu, gathered_on, made_on, where

__all__ = ["add_papers", "gather", "run_papers", "show_papers"]

_ABOUT = """Gather runs that `python -m recipe train --paper NAME` made, of one kind of device, into
papers-<device>.json: the test error of each beside the paper's, whether it is inside the accepted band or why it cannot
be compared, its length, time and machine. Of three or more whole runs of a paper, with other seeds, the mean is judged
as well."""

_EXAMPLES = """example:
  python -m benchmarks papers runs/*-pocket runs/*-dropout-2014 --out benchmarks/results
"""

_ENOUGH = 3  # runs for a mean


def add_papers(commands: Any, folder: Any) -> None:
    """Add the command to argparse's `commands`; `folder` reads a flag."""
    command = commands.add_parser(
        "papers",
        help="runs by the settings of papers, side by side",
        description=_ABOUT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("runs", metavar="RUN", nargs="+", type=Path, help="folders of runs")
    add_gpu(command)
    command.add_argument("--out", type=folder, metavar="FOLDER", help="where the result goes (default: nowhere)")


def run_papers(arguments: argparse.Namespace) -> None:
    """Carry out the command. Raises BenchmarkError where a folder has no such run."""
    try:
        document = gather(arguments.runs, arguments.gpu)
        path = save(document, arguments.out) if arguments.out else None
        show_papers(document)
    except DAMAGE as error:
        raise BenchmarkError(f"one of the runs holds a damaged run.json: {error!r}; restore it.") from None
    print(f"\nsaved {path}" if path else "\nnot saved; --out FOLDER saves it")


def gather(folders: Sequence[Path], gpu: str | None = None) -> dict[str, Any]:
    """The result: each run in the order given, with its own machine, and the means; `gpu` as the flag."""
    runs = [_entry(folder, gpu) for folder in folders]
    devices = sorted({run["device"].partition(":")[0] for run in runs})
    if len(devices) > 1:
        raise BenchmarkError(f"the runs are of {' and '.join(devices)}: gather those of one kind of device at a time.")
    return {
        "schema": 2,
        "benchmark": "papers",
        "device": devices[0],
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "gathered_on": gathered_on(devices, gpu),
        "runs": runs,
        "means": _means(runs),
    }


def _entry(folder: Path, gpu: str | None) -> dict[str, Any]:
    try:
        run = json.loads((folder / "run.json").read_text())
        paper, config, last = run["paper"], run["config"], run["epochs"][-1]
        return {
            **{key: paper[key] for key in ("name", "title", "source", "error", "accept", "accept_mean")},
            **{key: paper[key] for key in ("test_error", "outcome", "why", "whole", "text")},
            "seed": config["seed"],
            "device": config["device"],
            "threads": config["threads"],
            "updates": last["step"],
            "updates_planned": run["plan"]["updates"],
            "epochs": len(run["epochs"]),
            "stop": run["stop"],
            "seconds": round(run["seconds"], 1),
            "steps": run["steps"]["text"],
            "validation_error": round(error_percent(kept(run)["val_accuracy"]), 4),
            "verdict": run["diagnosis"]["verdict"],
            "machine": made_on(run, gpu),
            "ensemble": _ensemble(folder / "ensemble.json"),
        }
    except (OSError, *DAMAGE) as error:
        raise BenchmarkError(f"{folder} holds no concluded run of a paper's settings ({error!r}).") from None


def _ensemble(path: Path) -> dict[str, Any] | None:
    """What `recipe ensemble` found for the run, where it was asked."""
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text())
    points = [{key: point[key] for key in ("masks", "mean", "std")} for point in found["points"]]
    return {**found, "points": points}


def _means(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """By paper the mean over whole runs of different seeds, where there are enough and a band for it."""
    found = {}
    for name in dict.fromkeys(run["name"] for run in runs):
        whole = {run["seed"]: run for run in runs if run["name"] == name and run["whole"] and run["accept_mean"]}
        if len(whole) >= _ENOUGH:
            low, high = next(iter(whole.values()))["accept_mean"]
            mean = sum(run["test_error"] for run in whole.values()) / len(whole)
            outcome = "inside" if low <= round(mean, 6) <= high else "outside"
            found[name] = {"seeds": sorted(whole), "mean": mean, "accept": [low, high], "outcome": outcome}
    return found


def show_papers(document: Mapping[str, Any]) -> None:
    """Print a result."""
    rows = [
        (
            run["name"],
            str(run["seed"]),
            in_percent(run["test_error"]),
            "" if run["error"] is None else f"{run['error']:g} %",
            f"{run['updates']:,}",
            f"{run['seconds']:.0f} s",
            "; ".join([run["outcome"], *run["why"]]),
        )
        for run in document["runs"]
    ]
    header = ("paper", "seed", "test error", "the paper's", "updates", "time", "outcome")
    for place in dict.fromkeys(where(run["machine"], run["device"]) for run in document["runs"]):
        print(f"made on {place}")
    print(f"gathered on {document['gathered_on']['processor']['model']}\n")
    # The outcome is a text, and stands left by standing last.
    print(table(header, rows))
    for run in document["runs"]:
        if found := run["ensemble"]:
            points = ", ".join(f"{point['masks']} masks {in_percent(point['mean'])}" for point in found["points"])
            print(f"\n{run['name']} {run['seed']}: {points}; scaled weights {in_percent(found['scaled'])}")
    for name, found in document["means"].items():
        mean = f"mean of {len(found['seeds'])} seeds {in_percent(found['mean'])}"
        print(f"\n{name}: {mean}, {found['outcome']} {found['accept']}")
