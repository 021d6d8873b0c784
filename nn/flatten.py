"""Flatten as a layer: several axes as one, usually all but the first.

One idea: what convolutions give as images a Linear takes as rows. Read `patches.py` next.
"""

from __future__ import annotations

import math

from autograd.tensor import Tensor

from .functional.axes import is_whole
from .functional.given import check_arrays
from .module import Module

__all__ = ["Flatten"]


class Flatten(Module):
    """The axes from start_dim to end_dim as one: (N, 28, 28) gives (N, 784).

    Raises TypeError for what is no axis, ValueError when x has no such axes.
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        for name, dim in {"start_dim": start_dim, "end_dim": end_dim}.items():
            if not is_whole(dim, -math.inf):
                raise TypeError(f"Flatten got {name}={dim!r}: it must be an axis, a whole number.")
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Tensor) -> Tensor:
        check_arrays("Flatten", x=x)
        start = self.start_dim + x.ndim if self.start_dim < 0 else self.start_dim
        end = self.end_dim + x.ndim if self.end_dim < 0 else self.end_dim
        if not 0 <= start <= end < x.ndim:
            raise ValueError(
                f"Flatten({self.start_dim}, {self.end_dim}) got x of shape {x.shape}, which has no such axes."
            )
        return x.reshape(*x.shape[:start], math.prod(x.shape[start : end + 1]), *x.shape[end + 1 :])

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"
