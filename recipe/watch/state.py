"""What the page shows of a run, made from what stands in its run.json.

One idea: pure functions from a run to plain data. The same ones serve a run that is under way, which adds what happens
inside an epoch, and a folder that somebody looks at from another terminal.

While a run goes on its verdict is provisional. It says no more than is known: what can be judged only once training is
over is not judged before. Read `../diagnose/verdict.py` for the verdict itself, `board.py` next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..diagnose import Diagnosis, diagnose
from ..files import finite
from ..metrics import error_percent, in_percent

__all__ = ["MOST_POINTS", "Point", "curves", "gradients", "so_far", "state_of", "thinned", "verdict"]

Run = Mapping[str, Any]
Point = tuple[float, float | None]

MOST_POINTS = 400  # in a line of a chart; more would be drawn over each other
_MOST_IN_ALL = 2400  # in all lines of a chart

# These say what a run should have had more of, which nobody can know while it is being given more.
_AT_THE_END = ("train_longer", "too_few_updates", "low_capacity")


def state_of(run: Run) -> dict[str, Any]:
    """The parts of the board that follow from a run's run.json."""
    return {
        "status": run["status"],
        "net": _net(run),
        "progress": _progress(run),
        "curves": {name: thinned(lines) for name, lines in curves(run).items()},
        "gradients": thinned(gradients(run)),
        "verdict": verdict(run),
        "test": _test(run),
        "stop": run.get("stop"),
    }


def _net(run: Run) -> str:
    config, count = run["config"], run.get("parameters")
    widths = "-".join(map(str, config["model"]["hidden"]))
    net = f"hidden layers {widths} {config['model']['activation']}" if widths else "a linear model"
    return ", ".join([net, *([f"{count:,} parameters"] if count else []), config["data"]["source"], config["device"]])


def _test(run: Run) -> dict[str, Any] | None:
    """The test with its error in words; None before it."""
    test = run.get("test")
    return None if test is None else {**finite(test), "error": in_percent(test["error_percent"])}


def _progress(run: Run) -> dict[str, Any]:
    records = run["epochs"]
    done = sum(not record.get("partial", False) for record in records)
    step = records[-1]["step"] if records else 0
    plan = run.get("plan") or {"epochs": run["config"]["fit"]["epochs"], "updates": None}  # None in older runs
    return {"epoch": done, "epochs": plan["epochs"], "step": step, "steps": plan["updates"], "seconds": run["seconds"]}


def curves(run: Run) -> dict[str, dict[str, list[Point]]]:
    """ "loss", and "error" in per cent, each with its lines by name: points (epochs, value), a value None where it was
    not finite.
    """
    parts = {"training": "train", "validation": "val"}
    return {
        "loss": {word: _line(run["epochs"], f"{part}_loss") for word, part in parts.items()},
        "error": {
            word: [(epoch, error_percent(value)) for epoch, value in _line(run["epochs"], f"{part}_accuracy")]
            for word, part in parts.items()
        },
    }


def _line(records: Sequence[Mapping[str, Any]], name: str) -> list[Point]:
    return [(record["epoch"] + 1, finite(record[name])) for record in records if name in record]


def gradients(run: Run) -> dict[str, list[Point]]:
    """By layer the root mean square of its weights' gradient: points (epochs, mean over the epoch)."""
    records = [record for record in run["epochs"] if record.get("gradient_rms")]
    layers = dict.fromkeys(layer for record in records for layer in record["gradient_rms"])
    return {
        layer: [(record["epoch"] + 1, finite(record["gradient_rms"].get(layer))) for record in records]
        for layer in layers
    }


def thinned(lines: Mapping[str, Sequence[Point]]) -> dict[str, list[Point]]:
    """Lines with about as many points as a chart can show, evenly, and always the newest."""
    most = min(MOST_POINTS, max(20, _MOST_IN_ALL // max(1, len(lines))))
    return {name: [*points[: -1 : -(-len(points) // most) or 1], *points[-1:]] for name, points in lines.items()}


# The verdict


def verdict(run: Run) -> dict[str, Any]:
    """The diagnosis of a run in the words of the page; "provisional" as long as the run is not over."""
    if run.get("diagnosis"):
        return _words(run["diagnosis"], provisional=False, epochs=len(run["epochs"]))
    return _words(so_far(run).to_json(), provisional=True, epochs=len(run["epochs"]))


def so_far(run: Run) -> Diagnosis:
    """The diagnosis that the evidence allows while the run is under way.

    How much of the validation result is chance is measured at the end only. It is never more than the share of the most
    frequent label; where even that would not hide a mismatch there is none, and where it would, nothing is said.
    """
    evidence = run.get("evidence") or {}
    counts = (evidence.get("setup") or {}).get("val_label_counts")
    if evidence.get("val_chance") is None and counts and sum(counts):
        found = diagnose({**run, "evidence": {**evidence, "val_chance": max(counts) / sum(counts)}})
        if "validation_mismatch" not in (found.verdict, *found.candidates):
            return found
    return diagnose(run)


def _words(d: Mapping[str, Any], *, provisional: bool, epochs: int) -> dict[str, Any]:
    code, title, lines = d["verdict"], d["title"], [d["meaning"], *d["because"], *d["notes"]]
    advice, change = d["remedy"], d["change"]
    open_ones = d["candidates"] if len(d["candidates"]) > 1 else [code]
    if provisional and set(open_ones) <= set(_AT_THE_END):
        code, title = "undecided", "still learning"
        lines = ["The result on the training data is not good yet, and nothing was found that stands in its way."]
        advice = change = ""
    elif provisional and code in ("fine", "undecided"):
        advice = change = ""
        if not epochs:
            title = "nothing was found yet"
            lines = ["The set-up was looked at; the first result comes with the end of the first epoch."]
    return {
        "provisional": provisional,
        "mark": {"fine": "good", "undecided": "doubt"}.get(code, "bad"),
        "title": title,
        "lines": lines,
        "advice": advice,
        "change": change,
        "epochs": epochs,
    }
