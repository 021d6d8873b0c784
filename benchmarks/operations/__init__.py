"""What one operation costs on a small array and on a large one, forward and backward: tapegrad's beside PyTorch's.

One idea: who is slow at one operation in a hundred is not seen in a network that does not need it. Read `table.py`
next, then `run.py`.
"""

from __future__ import annotations

from ..contender import Contender, contenders_of

__all__ = ["MODULES", "all_contenders"]

MODULES = ("tapegrad", "pytorch")


def all_contenders() -> dict[str, Contender]:
    """Every contender by name, installed here or not."""
    return contenders_of(__name__, MODULES)
