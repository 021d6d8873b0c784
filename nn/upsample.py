"""Upsample: images and sequences of another size, mostly a larger one.

One idea: there is nothing to learn here, so a layer keeps its options and calls a function. Read `attention.py` next.
"""

from __future__ import annotations

from autograd.tensor import Tensor

from . import functional as F
from .functional.axes import Numbers
from .functional.interpolate import Factors
from .module import Module

__all__ = ["Upsample"]


class Upsample(Module):
    """x, (N, C, L) or (N, C, H, W), with axes of space of other lengths: see `functional.interpolate`."""

    def __init__(
        self,
        size: Numbers | None = None,
        scale_factor: Factors | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
    ) -> None:
        self.size, self.scale_factor, self.mode, self.align_corners = size, scale_factor, mode, align_corners

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, self.size, self.scale_factor, self.mode, self.align_corners)

    def extra_repr(self) -> str:
        length = f"scale_factor={self.scale_factor}" if self.size is None else f"size={self.size}"
        return f'{length}, mode="{self.mode}"'
