"""Whole training steps against other frameworks: who takes part, and the bar.

One idea: a contender's file is imported without its framework, so this list costs nothing and is the same everywhere.
To add one, write a file with a tuple `contenders` and name it in `MODULES`. Read `workloads.py` next.
"""

from __future__ import annotations

from importlib import import_module

from ..contender import Contender

__all__ = ["MODULES", "all_contenders"]

MODULES = ("tapegrad", "pytorch", "jax", "hips", "mygrad")


def all_contenders() -> dict[str, Contender]:
    """Every contender by name, ours first, installed here or not."""
    return {c.name: c for module in MODULES for c in import_module(f"{__name__}.{module}").contenders}
