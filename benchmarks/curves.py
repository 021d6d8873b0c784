"""`python -m benchmarks curves RUN RUN`: two runs of the same settings and seed, of different devices, side by side.

One idea: nothing is measured here. Both runs wrote their losses down; how long these agree says whether both devices
compute the same, and the end says whether it matters that they part. Read `runs.py` for the machines.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recipe.files import finite
from recipe.history import flat
from recipe.metrics import error_percent, in_percent

from .gpu.device import slug
from .measure import DAMAGE, BenchmarkError
from .output import save, table
from .runs import add_gpu, gathered_on, made_on, where

__all__ = ["add_curves", "compare", "run_curves", "show_curves"]

_ABOUT = """Compare two runs of the same settings and seed on different devices, or with other threads: until which step
their losses agree, the losses and accuracies after each epoch, and the test errors. Training in float32 is chaotic, so
the same seed and the same dropout masks give the same numbers for the first hundred updates or so, and the same quality
at the end, not the same bits."""

_EXAMPLES = """example:
  python -m recipe train --paper pocket --device cpu --out runs/cpu
  python -m recipe train --paper pocket --device cuda --out runs/cuda
  python -m benchmarks curves runs/cuda runs/cpu --out benchmarks/results
"""

_WITHIN = (1e-6, 1e-4, 1e-2)  # of the size of a loss
_QUANTITIES = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
_FREE = {"device", "threads"}  # options in which the runs may differ
_NAMED = 3  # of those in which they do


def add_curves(commands: Any, folder: Any) -> None:
    """Add the command to argparse's `commands`; `folder` reads a flag."""
    command = commands.add_parser(
        "curves",
        help="two runs of the same settings on different devices, side by side",
        description=_ABOUT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("runs", metavar="RUN", nargs=2, type=Path, help="folders of runs")
    add_gpu(command)
    out = "where curves-<name of the runs>.json goes (default: nowhere)"
    command.add_argument("--out", type=folder, metavar="FOLDER", help=out)


def run_curves(arguments: argparse.Namespace) -> None:
    """Carry out the command. Raises BenchmarkError for runs that cannot be compared."""
    one, other = arguments.runs
    document = compare(one, other, arguments.gpu)
    path = save(document, arguments.out, document["name"]) if arguments.out else None
    try:
        show_curves(document)
    except DAMAGE as error:
        raise BenchmarkError(_damaged(one, other, error)) from None
    print(f"\nsaved {path}" if path else "\nnot saved; --out FOLDER saves it")


def compare(one: Path, other: Path, gpu: str | None = None) -> dict[str, Any]:
    """The result, as plain JSON; `gpu` as the flag.

    "agree" has, for each part of its size, the last step "until" which every logged loss agrees (None: not the first
    one), and the first step "beyond"; "losses" shows some of them on the way. A difference of losses is relative to the
    larger one, and None where a loss is no number; every other difference is the other run's value less the one's.
    """
    runs = [_run(folder) for folder in (one, other)]
    try:
        return _compared(runs, one, other, gpu)
    except DAMAGE as error:
        raise BenchmarkError(_damaged(one, other, error)) from None


def _damaged(one: Path, other: Path, error: Exception) -> str:
    return f"{one} or {other} holds a damaged run.json: {error!r}; restore it."


def _compared(runs: Sequence[dict[str, Any]], one: Path, other: Path, gpu: str | None) -> dict[str, Any]:
    _refuse_others(*(run["config"] for run in runs))
    steps = _steps(*(_losses(folder) for folder in (one, other)))
    config, devices = runs[0]["config"], [run["config"]["device"] for run in runs]
    document = {
        "schema": 1,
        "benchmark": "curves",
        "name": slug(config["name"]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "gathered_on": gathered_on(devices, gpu),
        "seed": config["seed"],
        "runs": [_about(run, gpu) for run in runs],
        "steps": {"logged": len(steps), "first": steps[0]["step"], "last": steps[-1]["step"]},
        "agree": [_agreement(steps, within) for within in _WITHIN],
        "losses": _some(steps),
        "epochs": [
            {"epoch": i + 1, **{key: _pair(a[key], b[key]) for key in _QUANTITIES}}
            for i, (a, b) in enumerate(zip(*(run["epochs"] for run in runs), strict=False))  # one may be longer
        ],
        "test_error": _pair(*(run["test"]["error_percent"] for run in runs)),
    }
    plain: dict[str, Any] = finite(document)
    return plain


def _run(folder: Path) -> dict[str, Any]:
    """What run.json says. Raises BenchmarkError unless the run came to its test."""
    try:
        run: dict[str, Any] = json.loads((folder / "run.json").read_text())
        if run["test"]["error_percent"] is not None and run["epochs"]:
            return run
        why = "it has no test error or no epoch"
    except (OSError, *DAMAGE) as error:
        why = repr(error)
    raise BenchmarkError(f"{folder} holds no concluded run ({why}).")


def _losses(folder: Path) -> dict[int, float]:
    """The loss of each logged step."""
    try:
        with open(folder / "steps.csv", newline="") as file:
            return {int(row["step"]): float(row["loss"]) for row in csv.DictReader(file)}
    except (OSError, *DAMAGE) as error:
        raise BenchmarkError(f"{folder}/steps.csv cannot be read ({error!r}).") from None


def _refuse_others(one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """Raise BenchmarkError where two configurations differ in what decides the numbers."""
    a, b = dict(flat(dict(one))), dict(flat(dict(other)))
    found = [f"{key} ({a.get(key)} and {b.get(key)})" for key in {**a, **b} if a.get(key) != b.get(key)]
    found = [text for text in found if text.partition(" ")[0] not in _FREE]
    if found:
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        told = ", ".join(found[:_NAMED]) + more
        raise BenchmarkError(f"the runs differ in {told}: only device and threads may differ.")


def _steps(one: Mapping[int, float], other: Mapping[int, float]) -> list[dict[str, Any]]:
    """The losses of the steps that both runs logged."""
    common = sorted(one.keys() & other.keys())
    if not common:
        raise BenchmarkError("there is not one step whose loss both runs logged.")
    return [
        {"step": step, "one": one[step], "other": other[step], "difference": _apart(one[step], other[step])}
        for step in common
    ]


def _apart(a: float, b: float) -> float:
    """By which part of the larger one they differ; NaN where one is no number."""
    if a == b:
        return 0.0
    return abs(a - b) / max(abs(a), abs(b)) if math.isfinite(a) and math.isfinite(b) else math.nan


def _agreement(steps: Sequence[Mapping[str, Any]], within: float) -> dict[str, Any]:
    """Up to where the losses agree. A loss that is no number agrees with nothing."""
    count = next((i for i, row in enumerate(steps) if not row["difference"] <= within), len(steps))
    beyond = {key: steps[count][key] for key in ("step", "difference")} if count < len(steps) else None
    return {"within": within, "until": steps[count - 1]["step"] if count else None, "beyond": beyond}


def _some(steps: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The first logged step from each of 1, 2, 5, 10, 20, 50, ... on, and the last one."""
    last = steps[-1]["step"]
    marks = [digit * 10**power for power in range(len(str(last))) for digit in (1, 2, 5)]
    chosen = {next(row["step"] for row in steps if row["step"] >= mark) for mark in marks if mark <= last} | {last}
    return [row for row in steps if row["step"] in chosen]


def _about(run: Mapping[str, Any], gpu: str | None) -> dict[str, Any]:
    return {
        "device": run["config"]["device"],
        "threads": run["config"]["threads"],
        "machine": made_on(run, gpu),
        "steps": run["steps"]["text"],
        "updates": run["epochs"][-1]["step"],
        "epochs": len(run["epochs"]),
        "seconds": round(run["seconds"], 1),
    }


def _pair(one: float | None, other: float | None) -> dict[str, float | None]:
    """Two values and by how much the other's is more; None stands for what is no number, as in run.json."""
    return {"one": one, "other": other, "difference": None if one is None or other is None else other - one}


def show_curves(document: Mapping[str, Any]) -> None:
    """Print a result."""
    print(f"{document['name']}, seed {document['seed']}")
    for which, run in zip(("one:  ", "other:"), document["runs"], strict=True):
        place = where(run["machine"], run["device"])
        print(f"{which} {place}; {run['updates']:,} updates in {run['seconds']:.0f} s, {run['steps']}")
    print(f"gathered on {document['gathered_on']['processor']['model']}\n")
    print("\n".join(map(_line, document["agree"])))
    print("\none run's value, and by how much the other's is more:\n")
    rows = [(str(epoch["epoch"]), *(_cell(key, epoch[key]) for key in _QUANTITIES)) for epoch in document["epochs"]]
    print(table(("epoch", "train loss", "train error", "val loss", "val error"), rows))
    found = document["test_error"]
    print(
        f"\ntest error {in_percent(found['one'])} and {in_percent(found['other'])}: {found['difference']:+.2f} points"
    )


def _line(found: Mapping[str, Any]) -> str:
    line = f"losses agree to {found['within']:.0e} of their size "
    if (beyond := found["beyond"]) is None:
        return f"{line}until step {found['until']:,}, the last"
    until = "at no step" if found["until"] is None else f"until step {found['until']:,}"
    apart = "no numbers" if beyond["difference"] is None else f"{beyond['difference']:.2g} apart"
    return f"{line}{until}; at step {beyond['step']:,} they are {apart}"


def _cell(key: str, pair: Mapping[str, float | None]) -> str:
    one, difference = pair["one"], pair["difference"]
    if one is None or difference is None:
        return "no number"
    if key.endswith("loss"):
        return f"{one:.4f} {difference:+.4f}"
    return f"{in_percent(error_percent(one))} {100 * (0.0 - difference):+.2f}"
