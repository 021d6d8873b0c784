"""`python -m benchmarks speed`: what is run, how it is printed and drawn.

One idea: the number that counts is a ratio of medians of full training steps. Read `../memory.py` next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..contender import Contender
from ..measure import Plan
from ..output import duration, ratio_text, table
from ..plot import Panel
from ..run import Benchmark, Job, Progress, Request, run
from . import all_contenders
from .bars import verdicts
from .workloads import WORKLOADS

__all__ = ["SPEED", "measure_speed", "panels", "tables"]

COMPILED = "tapegrad-native"  # has a column of ratios of its own, beside the first of ours
BASELINE = "torch"  # what a picture shows the others against
END = 2.5  # of its axis: longer bars are cut there, and say how long they are


def measure_speed(
    contenders: Sequence[Contender], workloads: Sequence[str], plan: Plan, quick: bool, progress: Progress
) -> dict[str, Any]:
    """The document of a run, with the bars and their verdicts. Raises BenchmarkError as `run` does."""
    jobs = {name: Job(WORKLOADS[name].about(), WORKLOADS[name].agreement()) for name in workloads}
    document = run(Request("speed", jobs, contenders, plan, quick), progress)
    document["bars"] = verdicts({job: record["ratios"] for job, record in document["jobs"].items()})
    return document


def tables(document: dict[str, Any]) -> str:
    """Times of every contender, then the bars."""
    ours = list(dict.fromkeys(name for record in document["jobs"].values() for name in record["ratios"]))
    compared = [name for name in ours if name == ours[0] or name == COMPILED]
    header = ["workload", "contender", "median", "quartiles", "least", "build"]
    rows = []
    for job, record in document["jobs"].items():
        for name, result in record["results"].items():
            quartiles = f"{duration(result['lower_quartile_us'])} - {duration(result['upper_quartile_us'])}"
            row = [job, name, duration(result["median_us"]), quartiles, duration(result["least_us"])]
            row.append(f"{result['build_seconds']:.1f} s" if "build_seconds" in result else "")
            for other in compared:
                ratio = record["ratios"].get(other, {}).get(name)
                row.append(ratio_text(ratio) if ratio else "")
            rows.append(row)
    header += [f"{other} / it" for other in compared]
    text = table(header, rows, texts=2)
    if document["bars"]:
        judged = [
            [
                b["workload"],
                f"{b['ours']} / {b['theirs']}",
                ratio_text(b),
                f"{b['reach']:.2f}",
                "" if b["aim"] is None else f"{b['aim']:.2f}",
                b["verdict"],
            ]
            for b in document["bars"]
        ]
        text += "\n\n" + table(["bar", "ratio of medians", "measured", "reach", "aim", ""], judged, texts=2)
    return text


def panels(document: dict[str, Any]) -> list[Panel]:
    """Medians and quartiles as multiples of PyTorch's median, or of the first contender's where PyTorch is missing."""
    names = list(document["contenders"])
    base = BASELINE if BASELINE in names else names[0]
    bars: dict[str, dict[str, tuple[float, float, float]]] = {name: {} for name in names}
    for job, record in document["jobs"].items():
        whole = record["results"][base]["median_us"]
        for name, result in record["results"].items():
            low, high = result["lower_quartile_us"] / whole, result["upper_quartile_us"] / whole
            bars[name][job] = (result["median_us"] / whole, low, high)
    marks = {b["workload"]: b["reach"] for b in document["bars"] if b["theirs"] == base}
    unit = f"time of a training step, {base} = 1 (medians, quartiles)"
    return [Panel("", unit, list(document["jobs"]), bars, marks, "to reach (tapegrad)", END)]


SPEED = Benchmark(
    name="speed",
    what="full training steps on seven networks",
    description="Time full training steps: forget the gradients, forward, loss, backward, the optimizer's step.\n\n"
    "Every contender runs in a process of its own, starts from the same weights and data, and must have the same\n"
    "losses at steps 1, 5 and 20, or the run is an error. They take short turns in random order. What is compiled is\n"
    "built in the first step, whose time stands apart.\n\nnetworks:\n"
    + "\n".join(f"  {w.name:10} {w.about()}" for w in WORKLOADS.values()),
    jobs=tuple(WORKLOADS),
    contenders=all_contenders(),
    plan=Plan(rounds=15, threads=2, turn_seconds=0.2, rest_seconds=0.05),
    measure=measure_speed,
    tables=tables,
    panels=panels,
)
