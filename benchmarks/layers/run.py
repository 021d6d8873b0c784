"""`python -m benchmarks layers`: what is run, how it is printed and drawn. Read `../__main__.py` next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..contender import Contender
from ..measure import Plan
from ..output import ratio_table
from ..plot import Panel
from ..run import Benchmark, Job, Progress, Request, run
from . import all_contenders
from .table import AGREEMENT, LAYERS

__all__ = ["LAYERS_BENCHMARK", "measure_layers", "panels", "tables"]


def measure_layers(
    contenders: Sequence[Contender], layers: Sequence[str], plan: Plan, quick: bool, progress: Progress
) -> dict[str, Any]:
    """The document of a run. Raises BenchmarkError as `run` does."""
    jobs = {name: Job(f"an input of shape {LAYERS[name].shape}", AGREEMENT) for name in layers}
    return run(Request("layers", jobs, contenders, plan, quick), progress)


def tables(document: dict[str, Any]) -> str:
    """Milliseconds forward and backward by contender, then ours over each of the others."""
    records, names = document["jobs"], document["contenders"]
    return ratio_table("forward and backward, ms", records, names, lambda us: f"{us / 1000:.3g}")


def panels(document: dict[str, Any]) -> list[Panel]:
    """Milliseconds a layer."""
    records = document["jobs"]
    bars = {
        name: {
            job: tuple(result[key] / 1000 for key in ("median_us", "lower_quartile_us", "upper_quartile_us"))
            for job, record in records.items()
            if (result := record["results"].get(name))
        }
        for name in document["contenders"]
    }
    return [Panel("layers", "milliseconds, forward and backward (medians, quartiles)", list(records), bars)]


LAYERS_BENCHMARK = Benchmark(
    name="layers",
    what="one layer at a time, forward and backward",
    description="Time single layers, forward and backward from a given gradient: a whole step would not say which\n"
    "of its layers is slow. PyTorch's images lie in both orders, of which the faster one counts.",
    jobs=tuple(LAYERS),
    contenders=all_contenders(),
    plan=Plan(rounds=8, threads=2, turn_seconds=0.2, rest_seconds=0.05),
    measure=measure_layers,
    tables=tables,
    panels=panels,
)
