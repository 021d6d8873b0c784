"""Dropout: each unit is silenced with probability p, anew for every draw.

One idea: dropout is a product with a scaled random mask, so its gradient is the product of g with the same mask.
Source: Srivastava et al. 2014 (JMLR 15), section 4. Read `gumbel.py` next.
"""

from __future__ import annotations

from typing import Literal

from autograd import random
from autograd.backend import module_of
from autograd.hints import telling
from autograd.tensor import Operand, Tensor

from .given import check_arrays, number

__all__ = ["dropout", "dropout2d"]

Mode = Literal["inverted", "classic"]
Mask = Literal["per_case", "per_batch"]


@telling
def dropout(
    x: Tensor,
    p: float = 0.5,
    training: bool = True,
    *,
    mode: Mode = "inverted",
    mask: Mask = "per_case",
    generator: random.Generator | None = None,
) -> Operand:
    """x with each element set to 0 with probability p.

    `mode="inverted"` divides the survivors by the probability of surviving while training, and leaves x as it is
    afterwards. `mode="classic"`, the lecture's, leaves the survivors as they are while training, and multiplies x by
    that probability afterwards. `mask="per_case"` draws a mask for each row of axis 0, `"per_batch"` one for all rows.
    p is honoured to 1/65536, and the scale is that of the mask really drawn.

    Raises ValueError for p outside [0, 1], or a mode or mask that is not known.
    """
    p = number("dropout", "p", p, "the probability of silencing a unit must be in [0, 1]", 0, 1)
    if mode not in ("inverted", "classic"):
        raise ValueError(f'dropout got mode={mode!r}: it must be "inverted" or "classic".')
    if mask not in ("per_case", "per_batch"):
        raise ValueError(f'dropout got mask={mask!r}: it must be "per_case" or "per_batch".')
    check_arrays("dropout", x=x)
    kept = random.keep_probability(p)
    if not training:
        return x * kept if mode == "classic" and kept < 1 else x
    scale = 1 / kept if mode == "inverted" and kept > 0 else 1.0
    return _dropped(x, p, x.shape if mask == "per_case" else (1, *x.shape[1:]), scale, generator)


@telling
def dropout2d(
    x: Tensor, p: float = 0.5, training: bool = True, *, generator: random.Generator | None = None
) -> Operand:
    """x, (N, C, H, W) or (C, H, W), with each channel of each case set to 0 as a whole with probability p.

    Neighbouring pixels know each other's values, so to drop single ones would hide nothing. Survivors are divided by
    the probability of surviving; outside training x stays as it is. Tompson et al. 2015, section 3.2.

    Raises ValueError for p outside [0, 1], or x of another rank.
    """
    p = number("dropout2d", "p", p, "the probability of silencing a channel must be in [0, 1]", 0, 1)
    check_arrays("dropout2d", x=x)
    if x.ndim not in (3, 4):
        raise ValueError(f"dropout2d got x of shape {x.shape}: it must be (N, C, H, W) or (C, H, W).")
    if not training:
        return x
    kept = random.keep_probability(p)
    return _dropped(x, p, (*x.shape[:-2], 1, 1), 1 / kept if kept > 0 else 1.0, generator)


def _dropped(x: Tensor, p: float, shape: tuple[int, ...], scale: float, generator: random.Generator | None) -> Operand:
    """x times a mask of that shape, which broadcasts to x, and the survivors times `scale`."""
    if random.keep_probability(p) == 1:
        return x
    chosen = (generator or random.default).keep_mask(shape, p, device=x.device)
    return x * module_of(chosen).multiply(chosen, scale, dtype=x.dtype)
