"""The experiments in the lecture's order. Read any of them."""

from __future__ import annotations

from . import (
    e0_demo,
    e1_depth,
    e2_degradation,
    e3_optimizers,
    e4_early_stopping,
    e5_penalties,
    e6_dropout,
    e7_ensemble,
    e8_rectifiers,
    e9_diagnosis,
)
from .experiment import Experiment

__all__ = ["EXPERIMENTS"]

EXPERIMENTS: tuple[Experiment, ...] = (
    e0_demo.EXPERIMENT,
    e1_depth.EXPERIMENT,
    e2_degradation.EXPERIMENT,
    e3_optimizers.EXPERIMENT,
    e4_early_stopping.EXPERIMENT,
    e5_penalties.EXPERIMENT,
    e6_dropout.EXPERIMENT,
    e7_ensemble.EXPERIMENT,
    e8_rectifiers.EXPERIMENT,
    e9_diagnosis.EXPERIMENT,
)
