"""One benchmark from beginning to end: start, agree, measure, sum up; the result is a document of plain values.

One idea: everything that is printed, drawn or saved comes out of this one document, so a saved result can be printed
again. Read `output.py` next; `speed/run.py` and `overhead/run.py` say what is run.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import machine
from .contender import Contender
from .measure import BenchmarkError, Measured, Plan, WorkerProcess, measure, workers
from .plot import Panel
from .summary import Ratio, ratio_of_medians, spread

__all__ = ["Benchmark", "Job", "Progress", "Request", "compiling_in", "document", "head", "present", "run"]

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = 1  # of the document; raised when a reader of old results would have to change

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Benchmark:
    """A kind of benchmark: what there is to run, and how its document is shown."""

    name: str
    what: str  # one line
    description: str  # for --help
    jobs: tuple[str, ...]  # what --only chooses from
    contenders: Mapping[str, Contender]
    plan: Plan
    measure: Callable[[Sequence[Contender], Sequence[str], Plan, bool, Progress], dict[str, Any]]
    tables: Callable[[dict[str, Any]], str]
    panels: Callable[[dict[str, Any]], list[Panel]]
    rounds: str = "turns that each contender gets"  # what --rounds counts
    quick_rounds: int = 3


@dataclass(frozen=True)
class Job:
    """What is known about a job beside its name."""

    about: str  # one line
    rtol: Mapping[int, float]  # how far the results may be from their median, by step


@dataclass(frozen=True)
class Request:
    """What is to be run now, and who takes part."""

    benchmark: str
    jobs: Mapping[str, Job]
    contenders: Sequence[Contender]
    plan: Plan
    quick: bool = False  # a trial: its times are not worth keeping


def present(contenders: Sequence[Contender]) -> tuple[list[Contender], dict[str, str]]:
    """Those whose framework is installed, and for the others why they are left out, by name."""
    here = [c for c in contenders if c.is_installed()]
    return here, {c.name: f"{c.module} is not installed here ({c.install})" for c in contenders if c not in here}


@contextmanager
def compiling_in(request: Request) -> Iterator[str | None]:
    """An empty folder for what is compiled, so that times of building are those of a first time.

    None for a trial, which may use what the user's caches hold.
    """
    if request.quick:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="tapegrad-bench-") as folder:
        yield folder


def run(request: Request, progress: Progress = lambda text: None) -> dict[str, Any]:
    """Run it and give the document.

    Raises BenchmarkError when a contender fails, when results disagree, or when no contender is installed.
    """
    here, left_out = present(request.contenders)
    if not here:
        raise BenchmarkError(f"nobody is left to measure: {'; '.join(left_out.values())}.")
    described = machine.describe(ROOT)
    watch = machine.Watch()
    with compiling_in(request) as caches, workers(here, request.plan.threads, caches) as started:
        progress("starting " + ", ".join(started))
        versions = {name: worker.ask("hello") for name, worker in started.items()}
        measured = {job: _measure(started, job, request, progress) for job in request.jobs}
    described["others_cores_during"] = watch.others_cores()
    return document(request, described, versions, measured, left_out)


def _measure(
    started: Mapping[str, WorkerProcess], job: str, request: Request, progress: Progress
) -> dict[str, Measured]:
    taking_part = {name: worker for name, worker in started.items() if worker.contender.does(job)}
    return measure(taking_part, job, request.plan, request.jobs[job].rtol, progress)


def head(
    request: Request,
    described: dict[str, Any],
    versions: Mapping[str, dict[str, str]],
    left_out: Mapping[str, str],
) -> dict[str, Any]:
    """What is known about a run beside its results, ready for JSON."""
    here = {c.name: c for c in request.contenders if c.name in versions}
    return {
        "schema": SCHEMA,
        "benchmark": request.benchmark,
        "device": "cpu",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": request.quick,
        "plan": asdict(request.plan),
        "machine": described,
        "contenders": {
            name: {"about": c.about, "environment": _told(c), "versions": versions[name]} for name, c in here.items()
        },
        "left_out": dict(left_out),
    }


def document(
    request: Request,
    described: dict[str, Any],
    versions: Mapping[str, dict[str, str]],
    measured: Mapping[str, Mapping[str, Measured]],
    left_out: Mapping[str, str],
) -> dict[str, Any]:
    """All that is known about a run, ready for JSON."""
    our_names = [c.name for c in request.contenders if c.ours and c.name in versions]
    return {
        **head(request, described, versions, left_out),
        "jobs": {
            job: {
                "about": request.jobs[job].about,
                "results": {name: _result(m, request.jobs[job]) for name, m in by_name.items()},
                "ratios": {
                    name: {other: asdict(r) for other, r in _ratios(name, by_name).items()}
                    for name in our_names
                    if name in by_name
                },
            }
            for job, by_name in measured.items()
        },
    }


def _told(contender: Contender) -> dict[str, str]:
    """The environment that a reader can use: paths of this machine are left out."""
    return {name: value for name, value in contender.environment.items() if name != "PYTHONPATH"}


def _result(measured: Measured, job: Job) -> dict[str, Any]:
    return {
        **{f"{name}_us" if name != "samples" else name: v for name, v in asdict(spread(measured.rounds)).items()},
        "round_medians_us": [round(statistics.median(r) / 1000, 4) for r in measured.rounds],
        "page_faults_per_step": statistics.median(measured.page_faults),
        "idle_seconds_most": max(measured.idle_seconds),
        **({} if measured.build_seconds is None else {"build_seconds": round(measured.build_seconds, 3)}),
        "values": {str(step): measured.values[step - 1] for step in job.rtol},
    }


def _ratios(name: str, by_name: Mapping[str, Measured]) -> dict[str, Ratio]:
    mine = by_name[name].rounds
    return {other: ratio_of_medians(mine, m.rounds) for other, m in by_name.items() if other != name}
