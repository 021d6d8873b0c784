"""Attention of eager code on a GPU: two tapes, of which the first leaves its weights to the second where they are few.

One idea: with the weights at hand backward does four products and one pass over the scores; without them it makes
them again from queries and keys, a product and a softmax more. They are as many as queries times keys, in each head, so
those of long texts would be most of what a step holds, and are made again. Read `flash.py` next.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from autograd import matmul, softmax
from autograd.backend import Array, Module
from autograd.compile.cuda.eager import OnDevice, kernel_on_device, needed, placed, slopes_of
from autograd.modes import casting
from autograd.tensor import Operand, Tensor

from .attention_weights import attention_scores

__all__ = ["attention_on_device"]

_FEW = 1 << 22  # weights that are kept: 16 MiB in float32, of each attention


def _weighted(query: Operand, key: Operand, value: Operand, mask: Operand, **options: Any) -> tuple[Any, Any]:
    """The values weighted, and the weights."""
    weights = softmax(attention_scores(query, key, mask, **options), axis=-1)
    return matmul(weights, value), weights


def _slopes(
    g: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Any, weights: Tensor, *, needs: Any, **options: Any
) -> list[Tensor]:
    """The gradients from the weights: those of the scores follow from them by the rule of softmax."""
    of_query, of_key, of_value, of_mask = needs
    of_weights, *found = slopes_of(matmul)(g, weights, value, needs=(True, of_value))
    if not (of_query or of_key or of_mask):
        return found
    weighed = of_weights * weights
    of_scores = weighed - weights * weighed.sum(axis=-1, keepdims=True)
    three = slopes_of(attention_scores)(of_scores, query, key, mask, needs=(of_query, of_key, of_mask), **options)
    return [*three[: of_query + of_key], *found, *three[of_query + of_key :]]


_forward_tape, _backward_tape = OnDevice(_weighted, lambda _: [0, None]), OnDevice(_slopes, needed)


class _Kept(NamedTuple):
    """What forward leaves to backward."""

    weights: Array


def attention_on_device(definition: Any, forward: Any, backward: Any) -> tuple[Any, Any]:
    """The kernel of attention on a GPU, which is `kernel_on_device` of its definition where the weights are many."""
    without, slopes_without = kernel_on_device(definition, forward, backward)

    def forward_keeping(xp: Module, query: Array, key: Array, value: Array, mask: Any, **options: Any) -> Any:
        made = None
        if casting() is None and math.prod(query.shape[:-1]) * key.shape[-2] <= _FEW:
            made = _forward_tape((query, key, value, mask), options)
        return without(xp, query, key, value, mask, **options) if made is None else (made[0], _Kept(made[1]))

    def backward_keeping(xp: Module, g: Array, needs: Any, inputs: Any, residuals: Any, **options: Any) -> Any:
        if not isinstance(residuals, _Kept):
            return slopes_without(xp, g, needs, inputs, residuals, **options)
        return placed(_backward_tape.or_module((g, *inputs, residuals.weights), {"needs": needs, **options}), needs)

    return forward_keeping, backward_keeping
