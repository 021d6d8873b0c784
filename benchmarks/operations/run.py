"""`python -m benchmarks operations`: what is run, how it is printed and drawn. Read `../__main__.py` next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..contender import Contender
from ..measure import Plan
from ..output import ratio_table
from ..plot import Panel
from ..run import Benchmark, Job, Progress, Request, run
from . import all_contenders
from .table import AGREEMENT, OPERATIONS, SIZES, job_name

__all__ = ["OPERATIONS_BENCHMARK", "measure_operations", "panels", "ratios", "tables"]


def measure_operations(
    contenders: Sequence[Contender], operations: Sequence[str], plan: Plan, quick: bool, progress: Progress
) -> dict[str, Any]:
    """The document of a run. Raises BenchmarkError as `run` does."""
    jobs = {
        job_name(operation, size): Job(f"{OPERATIONS[operation]}, matrices of {rows} x {columns}", AGREEMENT)
        for size, (rows, columns) in SIZES.items()
        for operation in operations
    }
    return run(Request("operations", jobs, contenders, plan, quick), progress)


def _by_size(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The records by size, then by operation."""
    sorted_out: dict[str, dict[str, Any]] = {size: {} for size in SIZES}
    for job, record in document["jobs"].items():
        operation, _, size = job.rpartition(": ")
        sorted_out[size][operation] = record
    return sorted_out


def ratios(document: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Our median over the other's, by size, then by operation, the slowest first; where there are both."""
    found = {}
    for size, records in _by_size(document).items():
        both = (
            (o, ratio) for o, record in records.items() for by in record["ratios"].values() for ratio in by.values()
        )
        found[size] = dict(sorted(((o, ratio["ratio"]) for o, ratio in both), key=lambda item: -item[1]))
    return found


def tables(document: dict[str, Any]) -> str:
    """A table for each size: microseconds forward and backward by contender, and the ratio."""
    names, by_size = document["contenders"], _by_size(document).items()
    titles = {size: f"{rows} x {columns}, us" for size, (rows, columns) in SIZES.items()}
    return "\n\n".join(ratio_table(titles[size], records, names, "{:.4g}".format) for size, records in by_size)


def panels(document: dict[str, Any]) -> list[Panel]:
    """Our time over the other's, a panel for each size."""
    return [
        Panel(
            f"{SIZES[size][0]} x {SIZES[size][1]}",
            "our time over the other's (medians)",
            list(by),
            {"tapegrad": {operation: (ratio, ratio, ratio) for operation, ratio in by.items()}},
        )
        for size, by in ratios(document).items()
        if by
    ]


OPERATIONS_BENCHMARK = Benchmark(
    name="operations",
    what="a hundred operations one at a time, on a small and a large matrix",
    description="Time single operations, forward and backward from a given gradient, on matrices of 16 x 16, where\n"
    "calling them takes longest, and of 512 x 512, where computing does.",
    jobs=tuple(OPERATIONS),
    contenders=all_contenders(),
    plan=Plan(rounds=5, threads=2, turn_seconds=0.1, rest_seconds=0.05, calls=10),
    measure=measure_operations,
    tables=tables,
    panels=panels,
)
