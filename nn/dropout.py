"""Dropout as a layer: it drops while training, and lets everything through in evaluation.

One idea: the lecture's recipe ("train thinned networks, multiply by 1 - p at test time") is `mode="classic"`; today's,
which scales while training instead, is `mode="inverted"`. With the same masks they are the same network.
Read `conv.py` next.
"""

from __future__ import annotations

from typing import Literal

from autograd.random import Generator
from autograd.tensor import Tensor

from . import functional as F
from .functional.given import number
from .module import Module

__all__ = ["Dropout", "Dropout2d"]


class Dropout(Module):
    """Sets each element to 0 with probability p while training.

    `mode="inverted"` divides the survivors by the probability of surviving; evaluation then leaves x as it is.
    `mode="classic"` leaves the survivors; evaluation then multiplies x by that probability. `mask="per_case"` draws a
    mask for each row of axis 0, "per_batch" one for all rows. `generator` is the layer's own source of randomness;
    without it `autograd.random.default` is used. Srivastava et al. 2014, section 4.

    Raises ValueError for p outside [0, 1], or a mode or mask that is not known.
    """

    def __init__(
        self,
        p: float = 0.5,
        *,
        mode: Literal["inverted", "classic"] = "inverted",
        mask: Literal["per_case", "per_batch"] = "per_case",
        generator: Generator | None = None,
    ) -> None:
        p = number("Dropout", "p", p, "the probability of silencing a unit must be in [0, 1]", 0, 1)
        if mode not in ("inverted", "classic"):
            raise ValueError(f'Dropout got mode={mode!r}: it must be "inverted" or "classic".')
        if mask not in ("per_case", "per_batch"):
            raise ValueError(f'Dropout got mask={mask!r}: it must be "per_case" or "per_batch".')
        self.p, self.mode, self.mask, self.generator = p, mode, mask, generator

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.p, self.training, mode=self.mode, mask=self.mask, generator=self.generator)

    def extra_repr(self) -> str:
        return f"p={self.p}, mode={self.mode!r}, mask={self.mask!r}"


class Dropout2d(Module):
    """Sets each channel of each case of x, (N, C, H, W) or (C, H, W), to 0 as a whole with probability p, in training.

    The survivors are divided by the probability of surviving. `generator` is the layer's own source of randomness;
    without it `autograd.random.default` is used. Tompson et al. 2015, section 3.2.

    Raises ValueError for p outside [0, 1].
    """

    def __init__(self, p: float = 0.5, *, generator: Generator | None = None) -> None:
        p = number("Dropout2d", "p", p, "the probability of silencing a channel must be in [0, 1]", 0, 1)
        self.p, self.generator = p, generator

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout2d(x, self.p, self.training, generator=self.generator)

    def extra_repr(self) -> str:
        return f"p={self.p}"
