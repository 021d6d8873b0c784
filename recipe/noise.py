"""Dropout that scales what it keeps by a number of one's own.

One idea: nn's two modes make the mean in training and tests agree; who wants another ratio, as the authors of Maxout
for the inputs, says which. Read `build.py` for its use.
"""

from __future__ import annotations

import nn
from autograd.random import Generator
from autograd.tensor import Tensor

__all__ = ["DropoutScaled"]


class DropoutScaled(nn.Dropout):
    """Silences each element with probability p and multiplies the others by `scale` in training; in tests x as it is.

    With scale 1 / (1 - p) it is nn.Dropout. pylearn2's `input_scales`, used with 1 by Goodfellow et al. 2013.
    """

    def __init__(self, p: float, scale: float, *, generator: Generator | None = None) -> None:
        super().__init__(p, mode="classic", generator=generator)
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * self.scale if self.training else x

    def extra_repr(self) -> str:
        return f"p={self.p}, scale={self.scale}"
