"""Whole training steps against other frameworks: who takes part, and the bar.

One idea: a contender's file is imported without its framework, so this list costs nothing and is the same everywhere.
To add one, write a file with a tuple `contenders` and name it in `MODULES`. Read `workloads.py` next.
"""

from __future__ import annotations

from ..contender import Contender, contenders_of

__all__ = ["MODULES", "all_contenders"]

MODULES = ("tapegrad", "pytorch", "jax", "hips", "mygrad")


def all_contenders() -> dict[str, Contender]:
    """Every contender by name, ours first, installed here or not."""
    return contenders_of(__name__, MODULES)
