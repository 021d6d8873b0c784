"""What one layer costs, forward and backward: tapegrad's beside PyTorch's.

One idea: a whole step says who is faster, a layer says where. Read `table.py` next, then `run.py`.
"""

from __future__ import annotations

from importlib import import_module

from ..contender import Contender

__all__ = ["MODULES", "all_contenders"]

MODULES = ("tapegrad", "pytorch")


def all_contenders() -> dict[str, Contender]:
    """Every contender by name, installed here or not."""
    return {c.name: c for module in MODULES for c in import_module(f"{__name__}.{module}").contenders}
