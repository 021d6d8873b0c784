"""The bar and the aim: how fast tapegrad has to be, and how fast it wants to be, as data.

One idea: a figure to reach is part of the project, so it stands in the code and every run says which were reached. No
test depends on it, since times depend on the machine. Read `run.py` next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["BARS", "Bar", "judge", "verdicts"]


@dataclass(frozen=True)
class Bar:
    """The ratio of medians, ours over theirs, that a workload has to reach, and a lower one to aim at, if any."""

    workload: str
    ours: str
    theirs: str
    reach: float
    aim: float | None = None


EAGER = {  # tapegrad / torch
    "tiny": 0.30,
    "deep": 0.60,
    "mlp-sgd": 1.05,
    "mlp-adam": 0.95,
    "big": 1.05,
    "lenet": 1.30,
    "gpt": 1.05,
}
PEERS = ("torch-compile", "jax", "torch-fused-malloc")
COMPILED = {  # tapegrad-native / each of PEERS: the figures to reach, then those to aim at
    "tiny": ((0.10, 0.50, 0.12), (0.03, 0.15, 0.04)),
    "deep": ((0.55, 1.00, 0.55), (0.38, 0.70, 0.35)),
    "mlp-sgd": ((0.90, 1.05, 0.95), (0.79, 0.95, 0.80)),
    "mlp-adam": ((1.00, 1.10, 1.00), (0.68, 0.89, 0.73)),
    "big": ((1.00, 1.05, 1.00), (0.95, 1.00, 0.92)),
    "lenet": ((1.00, 0.45, 1.15), (0.82, 0.34, 0.95)),
    "gpt": ((0.95, 0.65, 0.95), (0.85, 0.55, 0.81)),
}
BARS = (
    *(Bar(workload, "tapegrad", "torch", reach) for workload, reach in EAGER.items()),
    *(
        Bar(workload, "tapegrad-native", *figures)
        for workload, (reaches, aims) in COMPILED.items()
        for figures in zip(PEERS, reaches, aims, strict=True)
    ),
)


def judge(bar: Bar, ratio: Mapping[str, float]) -> dict[str, Any]:
    """The bar beside what was measured, with the verdict: "aim reached", "reached" or "missed"."""
    reached = ratio["ratio"] <= bar.reach
    if reached and bar.aim is not None and ratio["ratio"] <= bar.aim:
        verdict = "aim reached"
    else:
        verdict = "reached" if reached else "missed"
    return {**asdict(bar), **ratio, "verdict": verdict}


def verdicts(ratios: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]) -> list[dict[str, Any]]:
    """Every bar whose two contenders were measured; `ratios` by workload, ours, theirs."""
    return [
        judge(bar, ratios[bar.workload][bar.ours][bar.theirs])
        for bar in BARS
        if bar.theirs in ratios.get(bar.workload, {}).get(bar.ours, {})
    ]
