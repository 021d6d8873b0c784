"""What one layer costs, forward and backward: tapegrad's beside PyTorch's.

One idea: a whole step says who is faster, a layer says where. Read `table.py` next, then `run.py`.
"""

from __future__ import annotations

from ..contender import Contender, contenders_of

__all__ = ["MODULES", "all_contenders"]

MODULES = ("tapegrad", "pytorch")


def all_contenders() -> dict[str, Contender]:
    """Every contender by name, installed here or not."""
    return contenders_of(__name__, MODULES)
