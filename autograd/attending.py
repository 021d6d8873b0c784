"""Attention on arrays, (batch, length, heads, width), its statistics and its adjoint, each one instruction of a trace.

One idea: the weights of all queries are many times as large as what is attended to, and a GPU never needs them in
memory; so to a trace attention shall be one call, which a device may do in its own way. One number for each query, its
statistics, makes weights of scores again. Here all is done with weights, in float32 at least, for every array module.
Half precision is rounded in between where cuDNN rounds it. Read `ops/convolution.py` and `ops/pooling.py` for
rules, `compile/cuda/cudnn.py` for the device, and `recurring.py` next.
"""

from __future__ import annotations

from typing import Any

from .backend import Array, Module, float32, module_of
from .errors import ShapeError
from .instruction import instruction

__all__ = ["attend", "attend_gradients", "attend_statistics"]


@instruction
def attend(q: Array, k: Array, v: Array, *, causal: bool, scale: float) -> Array:
    """softmax(q k^T scale) v for each head; all are (batch, length, heads, width), as is the result.

    `causal` lets query i see the keys 0 to i. Raises ShapeError for arrays of other or different shapes.
    """
    _check("attend", q, k, v)
    xp = module_of(q)
    out = xp.matmul(_rounded(_weights(xp, q, k, causal, scale), q), _by_head(xp, v))
    return _by_place(xp, out).astype(q.dtype)


@instruction
def attend_statistics(q: Array, k: Array, *, causal: bool, scale: float) -> Array:
    """The logarithm of the sum of each query's exponentials, (batch, heads, length), in float32 at least.

    A device that attends has them at hand, so they cost it nothing but the memory, see `compile/cuda/cudnn.py`.
    """
    _check("attend_statistics", q, k)
    xp = module_of(q)
    scores = _scores(xp, q, k, causal, scale)
    highest = xp.max(scores, axis=3)
    return highest + xp.log(xp.sum(xp.exp(scores - highest[..., None]), axis=3))


@instruction
def attend_gradients(
    q: Array, k: Array, v: Array, out: Array, statistics: Array, g: Array, *, causal: bool, scale: float
) -> Array:
    """The gradients of q, k and v, beside each other in (batch, length, 3, heads, width).

    `out` is what `attend` gave, g its gradient, and `statistics` are those of q and k. Raises ShapeError as `attend`.
    """
    _check("attend_gradients", q, k, v, out, g)
    rows = q.shape[0], q.shape[2], q.shape[1]
    if statistics.shape != rows:
        raise ShapeError(f"attend_gradients got statistics of shape {statistics.shape}: they must be {rows}.")
    xp = module_of(q)
    weights = xp.exp(_scores(xp, q, k, causal, scale) - statistics[..., None])
    out, g = _by_head(xp, out), _by_head(xp, g)
    of_v = xp.matmul(xp.swapaxes(_rounded(weights, q), 2, 3), g)
    # Softmax takes off again what moves all weights of a row alike: g's product with the row's own result.
    of_scores = xp.matmul(g, xp.swapaxes(_by_head(xp, v), 2, 3)) - xp.sum(g * out, axis=3, keepdims=True)
    of_scores = _rounded(weights * of_scores * scale, q)
    of_q = xp.matmul(of_scores, _by_head(xp, k))
    of_k = xp.matmul(xp.swapaxes(of_scores, 2, 3), _by_head(xp, q))
    return xp.stack([_by_place(xp, x).astype(q.dtype) for x in (of_q, of_k, of_v)], axis=2)


def _check(name: str, *arrays: Array) -> None:
    shapes = [x.shape for x in arrays]
    if len(shapes[0]) != 4 or len(set(shapes)) > 1:
        raise ShapeError(f"{name} got {', '.join(map(str, shapes))}: all must be of one shape, (N, L, H, E).")


def _scores(xp: Module, q: Array, k: Array, causal: bool, scale: float) -> Array:
    """The scores (batch, heads, queries, keys), -inf where a query does not see a key."""
    scores = xp.matmul(_by_head(xp, q), xp.swapaxes(_by_head(xp, k), 2, 3)) * scale
    return xp.where(xp.tri(*scores.shape[2:], dtype=bool), scores, -float("inf")) if causal else scores


def _weights(xp: Module, q: Array, k: Array, causal: bool, scale: float) -> Array:
    """The weights (batch, heads, queries, keys), which add up to 1 for each query."""
    scores = _scores(xp, q, k, causal, scale)
    weights = xp.exp(scores - xp.max(scores, axis=3, keepdims=True))
    return weights / xp.sum(weights, axis=3, keepdims=True)


def _by_head(xp: Module, x: Array) -> Array:
    """x as (batch, heads, length, width), in float32 where it has less."""
    return xp.swapaxes(_wide(x), 1, 2)


def _by_place(xp: Module, x: Array) -> Array:
    """The way back."""
    return xp.ascontiguousarray(xp.swapaxes(x, 1, 2))


def _wide(x: Array) -> Any:
    return x.astype(float32) if x.dtype.itemsize == 2 else x


def _rounded(x: Array, like: Array) -> Any:
    """x rounded to half precision, where the factors of its product have that, and wide again."""
    return _wide(x.astype(like.dtype)) if like.dtype.itemsize == 2 else x
