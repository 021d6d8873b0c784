"""`python -m benchmarks overhead`: what is run, how it is printed and drawn. Read `../__main__.py` next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..contender import Contender
from ..measure import Plan
from ..output import ratio_table
from ..plot import Panel
from ..run import Benchmark, Job, Progress, Request, run
from . import all_contenders
from .operations import AGREEMENT, MODES, OPERATIONS, job_name

__all__ = ["OVERHEAD", "measure_overhead", "panels", "tables"]


def measure_overhead(
    contenders: Sequence[Contender], operations: Sequence[str], plan: Plan, quick: bool, progress: Progress
) -> dict[str, Any]:
    """The document of a run. Raises BenchmarkError as `run` does."""
    jobs = {
        job_name(operation, mode): Job(f"inputs of shapes {', '.join(map(str, OPERATIONS[operation]))}", AGREEMENT)
        for mode in MODES
        for operation in operations
    }
    return run(Request("overhead", jobs, contenders, plan, quick), progress)


def _by_mode(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The records by mode, then by operation."""
    sorted_out: dict[str, dict[str, Any]] = {mode: {} for mode in MODES}
    for job, record in document["jobs"].items():
        operation, _, mode = job.rpartition(", ")
        sorted_out[mode][operation] = record
    return sorted_out


def tables(document: dict[str, Any]) -> str:
    """A table for each mode: microseconds a call by contender, then ours over each of the others."""
    names = document["contenders"]
    by_mode = _by_mode(document).items()
    return "\n\n".join(ratio_table(f"{mode}, us", records, names, "{:.2f}".format) for mode, records in by_mode)


def panels(document: dict[str, Any]) -> list[Panel]:
    """Microseconds a call, a panel for each mode."""
    drawn = []
    for mode, records in _by_mode(document).items():
        bars = {
            name: {
                operation: (result["median_us"], result["lower_quartile_us"], result["upper_quartile_us"])
                for operation, record in records.items()
                if (result := record["results"].get(name))
            }
            for name in document["contenders"]
        }
        drawn.append(Panel(mode, "microseconds a call at size 1 (medians, quartiles)", list(records), bars))
    return drawn


OVERHEAD = Benchmark(
    name="overhead",
    what="microseconds for one operation on a single number",
    description="Time single operations at size 1, where the arithmetic is free and the engine is what is left:\n"
    "forward (recorded), and forward with backward. Bare NumPy, forward only, is the floor.",
    jobs=tuple(OPERATIONS),
    contenders=all_contenders(),
    plan=Plan(rounds=10, threads=2, turn_seconds=0.02, rest_seconds=0.0, calls=100),
    measure=measure_overhead,
    tables=tables,
    panels=panels,
)
