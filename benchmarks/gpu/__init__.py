"""Whole training steps on a GPU against other frameworks, and what a launch costs: who takes part.

One idea: as on the CPU, with the networks of `../speed`; but one process after the other has the GPU to itself, since
contexts and pools of memory spoil each other. Read `workloads.py` next, then `run.py`.
"""

from __future__ import annotations

from ..contender import Contender, contenders_of

__all__ = ["MODULES", "all_contenders"]

MODULES = ("tapegrad", "pytorch", "jax")


def all_contenders() -> dict[str, Contender]:
    """Every contender by name, installed here or not, in the order in which they are measured."""
    return contenders_of(__name__, MODULES)
