"""Parts and wholes: which Tensors a Tensor was taken from, so that a write into the part alone is refused.

One idea: on the record a part, `x[0]`, is a Tensor of its own, and x would not change with it, as it does in NumPy and
PyTorch. Who writes into a part of what is still there expects that it does. So a part notes its wholes, by references
that keep nothing alive, and `changing.py` asks for one that lives. Read `tensor.py` next.
"""

from __future__ import annotations

from typing import Any, TypeAlias
from weakref import ref

__all__ = ["Wholes", "part_of", "whole_of"]

Wholes: TypeAlias = "tuple[ref[Any], Wholes] | None"  # what a Tensor was taken from, and what that was taken from


def part_of(part: Any, whole: Any) -> Any:
    """The Tensor `part`, which notes that it was taken from `whole`."""
    part.wholes = (ref(whole), whole.wholes)
    return part


def whole_of(part: Any) -> Any:
    """The nearest Tensor that `part` was taken from and that is still there; None where there is none."""
    wholes = part.wholes
    while wholes is not None:
        whole, wholes = wholes[0](), wholes[1]
        if whole is not None:
            return whole
    return None
