"""`python -m benchmarks memory`: how much memory a training step needs while it runs, against PyTorch's.

One idea: parameters, optimizer state and data are the same for everybody, so what counts is what a step holds above
them at its peak: activations, gradients, working memory. Read `resident.py` next, which asks the system for it.
"""

# Note [What counts as a step's memory]
# In a fresh process a job is built, run for two steps and forgotten, so that libraries, threads and caches are there.
# Then it is built again, and what is resident before its first step is the floor: parameters, data, the process. After
# two steps, which make the optimizer's state, the system's highest mark is let fall, some steps run, and the mark is
# read. The mark less the floor less the state (known from the shapes) is the step's. Gradients count for everybody,
# wherever they live, and so do a compiled program's arena and its own code; the memory that compiling took does not.
# Memory that a process keeps although it was freed counts when a step needs it, since then it is not there for others.

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import product
from typing import Any

from . import machine
from .contender import Contender
from .measure import BenchmarkError, Plan, workers
from .output import table
from .plot import Panel
from .resident import can_count
from .run import ROOT, Benchmark, Job, Progress, Request, compiling_in, head, present
from .speed.bars import Bar, judge
from .speed.run import BASELINE, SPEED
from .speed.workloads import WORKLOADS, Workload
from .summary import Ratio

__all__ = ["MEMORY", "measure_memory", "panels", "tables"]

END = 3.0  # of a picture's axis, in multiples of PyTorch's
STEPS = 5  # whose peak is taken; by then an allocator that never gives back has found its size
# Steps that hold enough to be counted in pages.
JOBS = ("mlp-sgd", "mlp-adam", "big", "lenet", "gpt")
CONTENDERS = ("tapegrad", "tapegrad-native", "tapegrad-numpy", "torch", "torch-compile", "jax", "hips", "mygrad")
BARS = tuple(Bar(job, "tapegrad-native", BASELINE, 1.0) for job in JOBS)


def state_bytes(workload: Workload) -> int:
    """The size of the optimizer's state: an array for each parameter, or two with Adam."""
    arrays = 1 if workload.optimizer == "sgd" else 2
    return arrays * sum(array.nbytes for array in workload.data().parameters.values())


def measure_memory(
    contenders: Sequence[Contender], workloads: Sequence[str], plan: Plan, quick: bool, progress: Progress
) -> dict[str, Any]:
    """The document of a run: `plan.rounds` fresh processes for each contender on each workload.

    Raises BenchmarkError when a contender fails, when none is installed, or where the system does not count.
    """
    if not can_count():
        raise BenchmarkError("this system does not tell how much memory a process held at most; Linux does.")
    request = Request("memory", {name: Job(WORKLOADS[name].about(), {}) for name in workloads}, contenders, plan, quick)
    here, left_out = present(contenders)
    if not here:
        raise BenchmarkError(f"nobody is left to measure: {'; '.join(left_out.values())}.")
    described, watch = machine.describe(ROOT), machine.Watch()
    versions: dict[str, dict[str, str]] = {}
    peaks: dict[str, dict[str, list[int]]] = {job: {} for job in request.jobs}
    with compiling_in(request) as caches:
        for job, number, contender in product(request.jobs, range(1, plan.rounds + 1), here):
            if not contender.does(job):
                continue
            name = contender.name
            progress(f"{job}: {name}, process {number} of {plan.rounds}")
            with workers([contender], plan.threads, caches) as started:
                versions[name] = started[name].ask("hello")
                peak = started[name].ask("peak", job=job, steps=STEPS) - state_bytes(WORKLOADS[job])
            peaks[job].setdefault(name, []).append(peak)
    described["others_cores_during"] = watch.others_cores()
    document = head(request, described, versions, left_out)
    document["jobs"] = {job: _record(request, job, by_name) for job, by_name in peaks.items()}
    document["bars"] = [
        judge(bar, ratio)
        for bar in BARS
        if (ratio := document["jobs"].get(bar.workload, {}).get("ratios", {}).get(bar.ours, {}).get(bar.theirs))
    ]
    return document


def _record(request: Request, job: str, by_name: Mapping[str, list[int]]) -> dict[str, Any]:
    ours = [c.name for c in request.contenders if c.ours and c.name in by_name]
    return {
        "about": request.jobs[job].about,
        "results": {
            name: {"peak_bytes": statistics.median(peaks), "peaks_bytes": peaks} for name, peaks in by_name.items()
        },
        "ratios": {
            name: {other: asdict(ratio(by_name[name], by_name[other])) for other in by_name if other != name}
            for name in ours
        },
    }


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """The ratio of the medians, between what it could be at the least and at the most with the same measurements."""
    return Ratio(statistics.median(ours) / statistics.median(theirs), min(ours) / max(theirs), max(ours) / min(theirs))


def _mib(count: float) -> str:
    return f"{count / 2**20:.1f}"


def tables(document: dict[str, Any]) -> str:
    """Peaks of every contender as multiples of PyTorch's, then the bars."""
    rows = []
    for job, record in document["jobs"].items():
        whole = _baseline(record)
        for name, result in record["results"].items():
            least, most = min(result["peaks_bytes"]), max(result["peaks_bytes"])
            peak = result["peak_bytes"]
            rows.append([job, name, _mib(peak), f"{_mib(least)} - {_mib(most)}", f"{peak / whole:.2f}"])
    base = _baseline_name(next(iter(document["jobs"].values())))
    text = table(["workload", "contender", "peak, MiB", "least - most", f"/ {base}"], rows, texts=2)
    judged = [
        [b["workload"], f"{b['ours']} / {b['theirs']}", f"{b['ratio']:.2f}", f"{b['reach']:.2f}", b["verdict"]]
        for b in document["bars"]
    ]
    header = ["bar", "ratio of medians", "measured", "reach", ""]
    return f"{text}\n\n{table(header, judged, texts=2)}" if judged else text


def _baseline_name(record: dict[str, Any]) -> str:
    """PyTorch, or the first contender where it is missing."""
    names = list(record["results"])
    return BASELINE if BASELINE in names else str(names[0])


def _baseline(record: dict[str, Any]) -> float:
    return float(record["results"][_baseline_name(record)]["peak_bytes"])


def panels(document: dict[str, Any]) -> list[Panel]:
    """Peaks as multiples of PyTorch's."""
    bars: dict[str, dict[str, tuple[float, float, float]]] = {name: {} for name in document["contenders"]}
    for job, record in document["jobs"].items():
        whole = _baseline(record)
        for name, result in record["results"].items():
            peaks = result["peaks_bytes"]
            bars[name][job] = (result["peak_bytes"] / whole, min(peaks) / whole, max(peaks) / whole)
    base = _baseline_name(next(iter(document["jobs"].values())))
    return [Panel("", f"memory that a step holds at its peak, {base} = 1", list(document["jobs"]), bars, end=END)]


MEMORY = Benchmark(
    name="memory",
    what="the memory that a training step holds at its peak",
    description="Measure what a training step holds at its peak above parameters, optimizer state and data: the most\n"
    "that is resident, as Linux counts it, in fresh processes. The median of the processes counts.\n\nnetworks:\n"
    + "\n".join(f"  {job:10} {WORKLOADS[job].about()}" for job in JOBS),
    jobs=JOBS,
    contenders={name: SPEED.contenders[name] for name in CONTENDERS},
    plan=Plan(rounds=5, threads=2, turn_seconds=0.0, rest_seconds=0.0),
    measure=measure_memory,
    tables=tables,
    panels=panels,
    rounds="fresh processes that each contender gets",
    quick_rounds=1,
)
