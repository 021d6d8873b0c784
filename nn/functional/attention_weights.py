"""The weights of attention: how much of each value a query takes.

One idea: a softmax over the keys turns scores into shares that sum to 1, and a key that is masked has the score -inf.
Read `attention.py` next, which weighs with them.
"""

from __future__ import annotations

import functools
import math

from autograd import matmul, matrix_transpose, softmax, where
from autograd.backend import Array, device_of, host, move
from autograd.modes import is_tracing
from autograd.tensor import Operand, bare

__all__ = ["attention_scores", "attention_weights", "lower", "scale_of"]


def attention_weights(
    query: Operand, key: Operand, mask: Operand = None, *, causal: bool = False, scale: float | None = None
) -> Operand:
    """The weights (..., L, S) that `scaled_dot_product_attention` gives to the values, in rows that sum to 1, or to 0.

    `mask` and `causal` may come together: then a key takes part where both let it.
    """
    return softmax(attention_scores(query, key, mask, causal=causal, scale=scale), axis=-1)


def attention_scores(
    query: Operand, key: Operand, mask: Operand = None, *, causal: bool = False, scale: float | None = None
) -> Operand:
    """How well each key fits each query, (..., L, S), before the softmax; -inf where a mask keeps them apart."""
    scores = matmul(query, matrix_transpose(key)) * scale_of(query, scale)
    if causal:
        device = "cpu" if is_tracing() else device_of(bare(query))  # a program has a copy where it runs
        scores = where(lower(*scores.shape[-2:], device), scores, -float("inf"))
    if mask is not None:
        scores = where(mask, scores, -float("inf")) if mask.dtype == "bool" else scores + mask
    return scores


def scale_of(query: Operand, scale: float | None) -> float:
    """The scale that was given, or 1 / sqrt(E)."""
    if scale is not None:
        return scale
    return 1 / math.sqrt(query.shape[-1]) if query.shape[-1] else 1.0


@functools.lru_cache(maxsize=8)
def lower(rows: int, columns: int, device: str) -> Array:
    """True on the diagonal and below it: what a query may see of the keys up to its own. Only read."""
    mask = host.tri(rows, columns, dtype=bool)
    mask.flags.writeable = False  # so a GPU copies it once
    return move(mask, device)
