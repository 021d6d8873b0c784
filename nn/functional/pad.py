"""Padding as PyTorch writes it: pairs of widths that begin at the last axis, negative ones to cut off.

One idea: it is `autograd.pad` with the pairs in the other order, behind a slice for what is cut off. Read `patches.py`
next.
"""

from __future__ import annotations

from collections.abc import Sequence

import autograd as ag
from autograd.hints import telling
from autograd.tensor import Operand, Tensor

from .axes import is_whole
from .given import check_arrays, number

__all__ = ["pad"]

MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
SPARE = {"reflect": 1, "circular": 0}  # elements of an axis that are not repeated


@telling
def pad(input: Operand, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """input with `pad` more places, (before, after) for its last axis, then for the one before it, and so on.

    input may have any shape. A negative number cuts places off. `mode` is "constant", with `value` or 0 there, or
    "reflect", "replicate" or "circular", which repeat elements. Raises ValueError for another mode, or other widths,
    such as more to mirror or to go round than an axis has.
    """
    check_arrays("pad", input=input)
    widths = tuple(pad) if isinstance(pad, (tuple, list)) else (pad,)
    if len(widths) % 2 or len(widths) > 2 * input.ndim or not all(is_whole(n, -float("inf")) for n in widths):
        raise ValueError(
            f"pad got pad={pad!r}: it must be whole numbers, a pair (before, after) for each of up to {input.ndim} "
            "axes, the last axis first."
        )
    if mode not in MODES:
        raise ValueError(f"pad got mode={mode!r}: it must be one of {', '.join(MODES)}.")
    if value is not None and mode != "constant":
        raise ValueError(f'pad got value={value!r}, which goes with mode="constant" alone, and mode={mode!r}.')
    pairs = [(0, 0)] * (input.ndim - len(widths) // 2) + [*zip(widths[-2::-2], widths[::-2], strict=True)]
    if any(n < 0 for n in widths):
        input = input[tuple(_left(length, *pair) for length, pair in zip(input.shape, pairs, strict=True))]
        pairs = [(max(before, 0), max(after, 0)) for before, after in pairs]
    if mode in SPARE:
        for length, pair in zip(input.shape, pairs, strict=True):
            most = max(length - SPARE[mode], 0)
            if max(pair) > most:
                raise ValueError(
                    f"pad got the widths {pair} for an axis of length {length}: {mode} has {most} at most."
                )
    fill = number("pad", "value", 0.0 if value is None else value)
    return ag.pad(input, pairs, MODES[mode], constant_values=fill)


def _left(length: int, before: int, after: int) -> slice:
    """What negative widths leave of an axis. Raises ValueError where that is less than nothing."""
    if length + min(before, 0) + min(after, 0) < 0:
        raise ValueError(f"pad got the widths {(before, after)} for an axis of length {length}, which has not so many.")
    return slice(max(-before, 0), length - max(-after, 0))
