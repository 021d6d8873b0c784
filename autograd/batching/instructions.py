"""Instructions: windows and attention, our own array functions, for all examples at once.

One idea: these have an axis of samples in front, of which the examples become more, or channels in groups, of which
they become more groups. Read `module.py` next.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..backend import Array
from .array import Batched

__all__ = ["INSTRUCTIONS"]

Batch = Any  # of `module.py`, which asks for these rules
Rule = Callable[..., Any]


def _flat(x: Array) -> Array:
    """x with its two axes in front as one."""
    return x.reshape((math.prod(x.shape[:2]), *x.shape[2:]))


def _folded(batch: Batch, call: Rule, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    held = batch.wide(*inputs)
    out = call(*map(_flat, held), **options)
    return Batched(batch, out.reshape((*held[0].shape[:2], *out.shape[1:])), own=True)


def _convolved(batch: Batch, call: Rule, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """A convolution or its adjoint in x, by one weight for all or one for each example."""
    x, w = map(batch.rows, inputs)
    if w.shape[0] == 1:
        out = call(_flat(x), w[0], **options)
        return Batched(batch, out.reshape((*x.shape[:2], *out.shape[1:])), own=True)
    x, w = batch.wide(*inputs)
    out = call(_beside(batch, x), _flat(w), **_grouped(options, x.shape[0]))
    return Batched(batch, _apart(batch, out, x.shape[0]), own=True)


def _correlated(batch: Batch, call: Rule, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """The adjoint of a convolution in its weight."""
    x, y = batch.wide(*inputs)
    out = call(_beside(batch, x), _beside(batch, y), **_grouped(options, x.shape[0]))
    return Batched(batch, out.reshape((x.shape[0], y.shape[-1], *out.shape[1:])), own=True)


def _grouped(options: dict[str, Any], count: int) -> dict[str, Any]:
    return {**options, "groups": options["groups"] * count}


def _beside(batch: Batch, x: Array) -> Array:
    """(examples, N, H, W, C) as (N, H, W, examples * C)."""
    moved = batch.do("moveaxis", x, 0, 3)
    return moved.reshape((*moved.shape[:3], moved.shape[3] * moved.shape[4]))


def _apart(batch: Batch, x: Array, count: int) -> Array:
    """(N, H, W, examples * C) as (examples, N, H, W, C)."""
    return batch.do("moveaxis", x.reshape((*x.shape[:3], count, x.shape[3] // count)), 3, 0)


INSTRUCTIONS: dict[str, Rule] = {
    **dict.fromkeys(("pool_places", "pool_pick", "pool_put", "pool_sum", "pool_spread"), _folded),
    **dict.fromkeys(("attend", "attend_statistics", "attend_gradients"), _folded),
    **dict.fromkeys(("convolve", "convolve_input"), _convolved),
    "convolve_weight": _correlated,
}
