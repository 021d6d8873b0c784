"""The experiments in the lecture's order. Read any of them."""

from __future__ import annotations

from . import e1_depth, e4_early_stopping, e5_penalties, e8_rectifiers, e9_diagnosis
from .experiment import Experiment

__all__ = ["EXPERIMENTS"]

EXPERIMENTS: tuple[Experiment, ...] = (
    e1_depth.EXPERIMENT,
    e4_early_stopping.EXPERIMENT,
    e5_penalties.EXPERIMENT,
    e8_rectifiers.EXPERIMENT,
    e9_diagnosis.EXPERIMENT,
)
