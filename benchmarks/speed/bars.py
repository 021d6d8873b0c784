"""The bar: how fast tapegrad has to be, as data.

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
    """The ratio of medians, ours over theirs, that a workload has to reach."""

    workload: str
    ours: str
    theirs: str
    reach: float


BARS = (
    Bar("tiny", "tapegrad", "torch", 0.30),
    Bar("deep", "tapegrad", "torch", 0.60),
    Bar("mlp-sgd", "tapegrad", "torch", 1.05),
    Bar("mlp-adam", "tapegrad", "torch", 0.95),
    Bar("big", "tapegrad", "torch", 1.05),
    Bar("tiny", "tapegrad-native", "torch-compile", 0.1),
    Bar("tiny", "tapegrad-native", "jax", 0.5),
    Bar("tiny", "tapegrad-native", "torch-fused-malloc", 0.12),
    Bar("deep", "tapegrad-native", "torch-compile", 0.55),
    Bar("deep", "tapegrad-native", "jax", 1.0),
    Bar("deep", "tapegrad-native", "torch-fused-malloc", 0.55),
    Bar("mlp-sgd", "tapegrad-native", "torch-compile", 0.9),
    Bar("mlp-sgd", "tapegrad-native", "jax", 1.05),
    Bar("mlp-sgd", "tapegrad-native", "torch-fused-malloc", 0.95),
    Bar("mlp-adam", "tapegrad-native", "torch-compile", 1.0),
    Bar("mlp-adam", "tapegrad-native", "jax", 1.1),
    Bar("mlp-adam", "tapegrad-native", "torch-fused-malloc", 1.0),
    Bar("big", "tapegrad-native", "torch-compile", 1.0),
    Bar("big", "tapegrad-native", "jax", 1.05),
    Bar("big", "tapegrad-native", "torch-fused-malloc", 1.0),
)


def judge(bar: Bar, ratio: Mapping[str, float]) -> dict[str, Any]:
    """The bar beside what was measured, with the verdict "reached" or "missed"."""
    return {**asdict(bar), **ratio, "verdict": "reached" if ratio["ratio"] <= bar.reach else "missed"}


def verdicts(ratios: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]) -> list[dict[str, Any]]:
    """Every bar whose two contenders were measured; `ratios` by workload, ours, theirs."""
    return [
        judge(bar, ratios[bar.workload][bar.ours][bar.theirs])
        for bar in BARS
        if bar.theirs in ratios.get(bar.workload, {}).get(bar.ours, {})
    ]
