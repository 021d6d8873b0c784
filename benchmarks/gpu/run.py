"""`python -m benchmarks gpu`: visit every contender, compare losses, sum up.

One idea: a GPU is lent for minutes, so a run has a budget of seconds, never waits longer than its limits allow, and
what failed, disagreed or found no time is a line of the table beside what was measured. Read `shown.py` next.
"""

# Note [Visits]
# A visit is a fresh process that has the GPU to itself: it prepares a workload, tells its first 20 losses, takes some
# turns, forgets the workload and goes on to the next. First every contender is visited once, in the order of the list,
# which begins with those that matter most. Then, as long as there is time for as much as a contender took before, each
# is visited again: the first visit found empty caches, the second may find what the first compiled. What counts is the
# median of the medians of all turns; the time of the first step is that of the first visit. What is no part of a
# full run is visited in the same way once all else is done, so that it takes no time from anything else.

from __future__ import annotations

import copy
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .. import machine
from ..contender import Contender
from ..measure import VALUES, BenchmarkError, TookTooLong, WorkerProcess, outside
from ..memory import ratio
from ..output import duration
from ..run import ROOT, SCHEMA, Progress, present
from . import all_contenders, device, launch
from .precision import PRECISIONS, Precision, told
from .shown import last_line
from .workloads import USUAL, WORKLOADS

__all__ = ["CONTENDERS", "USUAL", "WORKLOADS", "Budget", "Found", "document", "judge", "measure_gpu"]

NO_TIME = "no time was left"
HELLO_SECONDS = 60.0  # to import a framework
CONTENDERS = all_contenders()
Start = Callable[[Contender, int, str | None], WorkerProcess]


@dataclass(frozen=True)
class Budget:
    """How long a run may take, in seconds, and what for."""

    seconds: float = 0.4  # of a turn
    turns: int = 2  # in a visit
    samples: int = 5  # in a turn
    visits: int = 2  # the second where there is time
    limit: float = 60.0  # of the first steps of one contender on one workload
    total: float = 270.0
    threads: int = 8


@dataclass
class Found:
    """What was found of one contender on one job."""

    values: list[list[float]] = field(default_factory=list)  # of its first steps, for each visit
    first_seconds: float | None = None  # of the first step of the first visit
    rounds: list[list[float]] = field(default_factory=list)  # nanoseconds a step, for each turn
    asked: list[list[float]] = field(default_factory=list)  # the same until all is asked for; launches only
    peak_bytes: int | None = None
    problem: str | None = None
    late: bool = False  # whether the problem is that there was no time

    def fail(self, error: BenchmarkError) -> None:
        """Write down what went wrong; being late is nothing wrong where there are times already."""
        late = isinstance(error, TookTooLong)
        if not (late and self.rounds) and not self.problem:
            self.problem, self.late = last_line(str(error)), late


@dataclass
class Run:
    """What a run knows while it goes on."""

    budget: Budget
    caches: Path
    progress: Progress  # shows what is done now
    tell: Progress  # says what came out, so that it is known even if the run is cut short
    start: Start = WorkerProcess
    clock: Callable[[], float] = time.monotonic
    versions: dict[str, dict[str, str]] = field(default_factory=dict)
    found: dict[str, dict[str, Found]] = field(default_factory=dict)  # by job and contender

    def __post_init__(self) -> None:
        self.end = self.clock() + self.budget.total

    @property
    def left(self) -> float:
        """Seconds left."""
        return self.end - self.clock()

    def of(self, job: str, contender: Contender) -> Found:
        """What was found, to be added to."""
        return self.found.setdefault(job, {}).setdefault(contender.name, Found())

    def visit(self, contender: Contender, jobs: Sequence[str], measure: Callable[[Any, str, Found], None]) -> None:
        """Do jobs in a fresh process, and in another after one that failed. See Note [Visits]."""
        worker: WorkerProcess | None = None
        try:
            for job in jobs:
                found = self.of(job, contender)
                if self.left <= 1:
                    found.fail(TookTooLong(NO_TIME))
                if found.problem or self.left <= 1:
                    continue
                self.progress(f"{job}: {contender.name} ({self.left:.0f} s left)")
                try:
                    worker = worker or self._started(contender)
                    measure(worker, job, found)
                    self.tell(f"{job}: {contender.name}: {duration(statistics.median(_times(found.rounds)))}")
                except BenchmarkError as error:
                    self.tell(f"{job}: {contender.name}: {error}")
                    # Where it did not even start there is no need to try again.
                    for failed in [job] if contender.name in self.versions else jobs:
                        self.of(failed, contender).fail(error)
                    if worker:
                        worker.close()
                    worker = None
        finally:
            if worker:
                worker.close()

    def visits(self, contenders: Sequence[Contender], jobs: Sequence[str], after_each: Callable[[], None]) -> None:
        """Visit all contenders, and again where there is time. See Note [Visits]."""
        took: dict[str, float] = {}
        for _ in range(self.budget.visits):
            for contender in contenders:
                if contender.name in took and took[contender.name] > self.left:
                    continue
                at = time.monotonic()
                self.visit(contender, [job for job in jobs if contender.does(job)], self.training)
                took[contender.name] = time.monotonic() - at
                after_each()

    def _started(self, contender: Contender) -> WorkerProcess:
        folder = self.caches / contender.name
        folder.mkdir(exist_ok=True)
        worker = self.start(contender, self.budget.threads, str(folder))
        try:
            self.versions[contender.name] = self.ask(worker, HELLO_SECONDS, "hello")
        except BaseException:
            worker.close()
            raise
        return worker

    def ask(self, worker: WorkerProcess, most: float, do: str, **request: Any) -> Any:
        """An answer that comes before the time is up."""
        allowed = max(min(most, self.left), 0.1)
        try:
            return worker.ask(do, timeout=allowed, **request)
        except TookTooLong as late:
            if allowed < most:
                raise TookTooLong(NO_TIME) from late
            raise

    def training(self, worker: WorkerProcess, job: str, found: Found) -> None:
        """Times of a workload's step."""
        budget = self.budget
        prepared = self.ask(worker, budget.limit, "prepare", job=job, steps=VALUES)
        found.values.append(prepared["values"])
        if found.first_seconds is None:
            found.first_seconds = prepared["build_seconds"]
        calls = 3
        for _ in range(2):  # the first trial is short, so what it says is rough
            trial = self.ask(worker, budget.limit, "turn", job=job, steps=2, warm_up=1, calls=calls)
            calls = max(1, round(budget.seconds / budget.samples / (min(trial["nanoseconds"]) * 1e-9)))
            calls = min(calls, 10_000)
        for _ in range(budget.turns):
            turn = self.ask(
                worker, budget.limit, "turn", job=job, steps=budget.samples, warm_up=1, calls=calls, waiting=True
            )
            found.rounds.append(turn["nanoseconds"])
        found.peak_bytes = self.ask(worker, budget.limit, "device_peak", job=job)
        self.ask(worker, budget.limit, "drop", job=job)

    def launching(self, worker: WorkerProcess, job: str, found: Found) -> None:
        """Times of one way to launch, until all is asked for and until all is done."""
        limit, how = self.budget.limit, {"steps": 20, "warm_up": 3, "calls": launch.calls_of(job)}
        found.values.append(self.ask(worker, limit, "prepare", job=job, steps=1)["values"])
        if found.values[-1] != [2.0]:
            raise BenchmarkError(f"{job} gave {found.values[-1]} where 1 + 1 was wanted")
        for _ in range(self.budget.turns):
            for waiting, times in ((False, found.asked), (True, found.rounds)):
                turn = self.ask(worker, limit, "turn", job=job, waiting=waiting, **how)
                times.append(turn["nanoseconds"])
        self.ask(worker, limit, "drop", job=job)


def measure_gpu(
    contenders: Sequence[Contender],
    workloads: Sequence[str],
    launches: bool,
    budget: Budget,
    progress: Progress,
    tell: Progress = print,
    start: Start = WorkerProcess,
    precision: Precision = PRECISIONS["float32"],
    keep: Callable[[dict[str, Any]], None] = lambda document: None,
) -> dict[str, Any]:
    """The document of a run at this precision, with launches or without.

    `keep` is given the document of what is known so far after each visit. Raises BenchmarkError without a GPU, or where
    nobody is left.
    """
    gpu = device.describe()
    here, left_out = present([told(contender, precision) for contender in contenders])
    if not here:
        raise BenchmarkError(f"nobody is left to measure: {'; '.join(left_out.values())}.")
    described, watch, began = machine.describe(ROOT), machine.Watch(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tapegrad-bench-", ignore_cleanup_errors=True) as folder:
        run = Run(budget, Path(folder), progress, tell, start)

        def so_far() -> dict[str, Any]:
            about = {**described, "others_cores_during": watch.others_cores(), "gpu": gpu}
            return document(run, here, workloads, about, left_out, time.monotonic() - began, precision)

        if launches:
            for contender in present(launch.contenders)[0]:
                run.visit(contender, [path for path in launch.PATHS if contender.does(path)], run.launching)
        parts = [job for job in workloads if job in USUAL], [job for job in workloads if job not in USUAL]
        for part in filter(None, parts):
            run.visits(here, part, lambda: keep(so_far()))
        return so_far()


def document(
    run: Run,
    contenders: Sequence[Contender],
    workloads: Sequence[str],
    described: dict[str, Any],
    left_out: Mapping[str, str],
    took: float,
    precision: Precision = PRECISIONS["float32"],
) -> dict[str, Any]:
    """All that is known about a run, ready for JSON."""
    known = copy.deepcopy(run.found)  # the run goes on, and others may come that are of another mind
    for job in workloads:
        allowed = {step: max(share, precision.apart) for step, share in WORKLOADS[job].agreement().items()}
        judge(known.get(job, {}), allowed)
    return {
        "schema": SCHEMA,
        "benchmark": "gpu",
        "device": device.slug(described["gpu"]["name"]) + precision.ending,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "precision": precision.name,
        "plan": asdict(run.budget),
        "took_seconds": round(took, 1),
        "machine": described,
        "contenders": {
            c.name: {
                "about": c.about,
                "environment": {name: value for name, value in c.environment.items() if name != "PYTHONPATH"},
                "versions": run.versions.get(c.name, {}),
            }
            for c in contenders
        },
        "left_out": dict(left_out),
        "jobs": {job: _record(job, known.get(job, {}), contenders) for job in workloads},
        "launches": {
            path: _launch_record(path, found)
            for path in launch.PATHS
            for found in known.get(path, {}).values()  # one contender has it
        },
    }


def judge(by_name: Mapping[str, Found], allowed: Mapping[int, float]) -> None:
    """Take the times from those whose losses are not those of the others: they did something else."""
    values = {
        f"{name}, visit {number}" if number > 1 else name: losses
        for name, found in by_name.items()
        for number, losses in enumerate(found.values, start=1)
    }
    if not values:
        return
    for step, share in allowed.items():
        here = {name: losses[step - 1] for name, losses in values.items()}
        middle = statistics.median(here.values())
        for who in outside(here, share):
            found = by_name[who.partition(",")[0]]
            found.problem = found.problem or (
                f"losses disagree: {who} has {here[who]:.9g} at step {step}, where the median of all is {middle:.9g} "
                f"(allowed: {share:g} of it)"
            )


def _times(rounds: Sequence[Sequence[float]]) -> list[float]:
    """The median of each round, in microseconds."""
    return [statistics.median(times) / 1000 for times in rounds]


def _record(job: str, by_name: Mapping[str, Found], contenders: Sequence[Contender]) -> dict[str, Any]:
    good = {name: _times(f.rounds) for name, f in by_name.items() if f.rounds and not f.problem}
    ours = [c.name for c in contenders if c.ours and c.name in good]
    return {
        "about": WORKLOADS[job].about(),
        "results": {
            c.name: _result(by_name[c.name], WORKLOADS[job].agreement()) for c in contenders if c.name in by_name
        },
        "ratios": {
            name: {other: asdict(ratio(good[name], times)) for other, times in good.items() if other != name}
            for name in ours
        },
    }


def _result(found: Found, agreement: Mapping[int, float]) -> dict[str, Any]:
    losses = {str(step): found.values[0][step - 1] for step in agreement} if found.values else {}
    if found.problem:
        return {"problem": found.problem, "late": found.late, "values": losses}
    medians = _times(found.rounds)
    return {
        "median_us": statistics.median(medians),
        "round_medians_us": [round(time, 4) for time in medians],
        "first_seconds": found.first_seconds,
        "peak_bytes": found.peak_bytes,
        "values": losses,
    }


def _launch_record(path: str, found: Found) -> dict[str, Any]:
    if found.problem:
        return {"problem": found.problem, "late": found.late}
    return {
        "nodes": launch.nodes_of(path),
        "asked_us": statistics.median(_times(found.asked)),
        "done_us": statistics.median(_times(found.rounds)),
    }
