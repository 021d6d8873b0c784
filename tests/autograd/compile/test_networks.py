"""Random networks, losses and optimizers: ten compiled steps leave what ten steps as written leave, in every bit.

One idea: `networks/` says what can be drawn, dense networks, images and Transformers, and here stands how many are
tried. TAPEGRAD_NETWORKS=200 tries that many of each kind, and TAPEGRAD_NETWORKS_EXECUTOR=native runs those that agree
to rounding as C. Read `networks/parts.py` next.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from .networks.training import compare, plans

GIVEN = os.environ.get("TAPEGRAD_NETWORKS")
EXECUTOR = os.environ.get("TAPEGRAD_NETWORKS_EXECUTOR", "numpy")
USUAL = {"dense": 40, "images": 12, "letters": 10}  # a convolution, and attention, take their time to trace


def tried(kind: str) -> int:
    """How many networks of that kind."""
    return int(GIVEN) if GIVEN else USUAL[kind]


@pytest.mark.parametrize("kind", USUAL)
@pytest.mark.usefixtures("kernels_off")
def test_compiled_training_equals_training_as_written(kind: str) -> None:
    @settings(max_examples=tried(kind), suppress_health_check=list(HealthCheck))
    @given(plan=plans(kind, exact=True))
    def every_bit(plan: dict[str, Any]) -> None:
        compare(plan, None)

    every_bit()


@pytest.mark.parametrize("kind", USUAL)
def test_compiled_training_equals_training_with_kernels_to_rounding(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAPEGRAD_EXECUTOR", EXECUTOR)

    @settings(max_examples=tried(kind) // 2, suppress_health_check=list(HealthCheck))
    @given(plan=plans(kind, exact=False))
    def to_rounding(plan: dict[str, Any]) -> None:
        compare(plan, 1e-6)

    to_rounding()


@pytest.mark.parametrize("zero", ["after", "to zero", "never"])
@pytest.mark.usefixtures("kernels_off")
def test_gradients_that_are_there_already(zero: str) -> None:
    layers = [("Linear", 4, True), ("norm", ("BatchNorm1d", {})), ("activation", "GELU", {})]
    plan = {
        "kind": "dense",
        "network": {"inputs": 3, "layers": layers},
        "outputs": 2,
        "loss": ("MSELoss", {}),
        "optimizer": ("Adam", {"lr": 0.01}),
        "penalties": ["L2(0.01)"],
        "groups": 1,
        "clip": ("norm", 0.5),
        "backwards": 2,
        "zero": zero,
        "schedule": True,
        "dtype": "float32",
        "seed": 1,
    }
    compare(plan, None)
