"""What one operation costs when its arrays hold a single number: the price of recording and of walking back.

One idea: at size 1 the arithmetic is free, so what is left is the engine. Bare NumPy, forward only, is the floor of
every engine over NumPy. Read `operations.py` next, then `run.py`.
"""

from __future__ import annotations

from ..contender import Contender, contenders_of

__all__ = ["MODULES", "all_contenders"]

MODULES = ("tapegrad", "pytorch", "numpy_floor")


def all_contenders() -> dict[str, Contender]:
    """Every contender by name, installed here or not."""
    return contenders_of(__name__, MODULES)
