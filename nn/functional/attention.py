"""Attention: each query takes a mean of the values, weighted by how well their keys fit it.

One idea: softmax(q k^T scale) v is two products around a softmax, so it is one fat node that keeps the weights: with
them both passes are matrix products, and a few passes over one array of the scores' size. Heads are one more axis in
front, and views of one product serve as they lie in memory. Source: Vaswani et al. 2017, section 3.2.
Read `attention_tapes.py` next.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from autograd import astype, matmul, sum_to
from autograd.backend import Array, Module, host, is_floating, module_of
from autograd.compile.native.in_place import InLoop
from autograd.compile.native.many import matmul_many
from autograd.fused import fused
from autograd.hints import telling
from autograd.modes import casting
from autograd.ops.cast import floated
from autograd.random import Generator
from autograd.tensor import Operand, Tensor

from .attention_tapes import attention_on_device
from .attention_weights import attention_weights, lower, scale_of
from .dropout import dropout
from .flash import attended, is_attended
from .given import check_arrays, check_parts, number

__all__ = ["as_scores", "attention", "scaled_dot_product_attention"]


@telling
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    generator: Generator | None = None,
) -> Tensor:
    """softmax(query key^T scale + mask) value; `scale` is by default 1 / sqrt(E).

    query is (..., L, E), key (..., S, E), value (..., S, Ev); the result is (..., L, Ev). `attn_mask` broadcasts to
    (..., L, S): of bools, True where a key takes part; of floats, added to the scores. `is_causal` lets query i see the
    keys 0 to i. A query that sees no key gives 0. Weights are dropped with probability `dropout_p` at every call:
    outside training pass 0. Vaswani et al. 2017, equation 1.

    Raises ValueError for shapes that do not fit, or a mask together with `is_causal`; TypeError for a mask of integers.
    """
    if is_causal and attn_mask is not None:
        raise ValueError(
            "scaled_dot_product_attention got attn_mask and is_causal=True, a mask of its own: pass one of them."
        )
    check_arrays("scaled_dot_product_attention", query=query, key=key, value=value)
    check_parts("scaled_dot_product_attention", attn_mask=attn_mask)
    _check(query, key, value, attn_mask)
    query = floated(query, key)
    if attn_mask is not None:
        attn_mask = as_scores(attn_mask, query.dtype)
    scale = None if scale is None else number("scaled_dot_product_attention", "scale", scale)
    if dropout_p:
        weights = attention_weights(query, key, attn_mask, causal=is_causal, scale=scale)
        return matmul(dropout(weights, dropout_p, generator=generator), value)
    return attention(query, key, value, attn_mask, causal=is_causal, scale=scale)


@fused
def attention(
    query: Operand,
    key: Operand,
    value: Operand,
    mask: Operand = None,
    *,
    causal: bool = False,
    scale: float | None = None,
) -> Operand:
    """The values weighted by `attention_weights`."""
    if mask is None and is_attended(query, key, value, causal=causal, scale=scale_of(query, scale)):
        return attended(query, key, value, causal=causal, scale=scale_of(query, scale))
    return matmul(attention_weights(query, key, mask, causal=causal, scale=scale), value)


def _check(query: Operand, key: Operand, value: Operand, mask: Operand) -> None:
    shapes = f"query of shape {query.shape}, key of shape {key.shape} and value of shape {value.shape}"
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise ValueError(
            f"scaled_dot_product_attention got {shapes}: they must be (..., L, E), (..., S, E) and (..., S, Ev)."
        )
    if query.shape[-1] != key.shape[-1]:
        raise ValueError(
            f"scaled_dot_product_attention got {shapes}: query and key must agree in their last axis, "
            f"here {query.shape[-1]} and {key.shape[-1]}."
        )
    if key.shape[-2] != value.shape[-2]:
        raise ValueError(
            f"scaled_dot_product_attention got {shapes}: there must be a value for each key, "
            f"here {value.shape[-2]} and {key.shape[-2]}."
        )
    if mask is None:
        return
    if mask.dtype.kind != "b" and not is_floating(mask.dtype):
        raise TypeError(
            f"scaled_dot_product_attention got attn_mask of {mask.dtype}: it must be of bools, True where a key takes "
            "part, or of floats, which are added to the scores."
        )
    scores = (*query.shape[:-1], key.shape[-2])
    if not _broadcasts(mask.shape, scores):
        raise ValueError(
            f"scaled_dot_product_attention got attn_mask of shape {mask.shape}: it must broadcast to {scores}, "
            "a row for each query and a place for each key."
        )


def as_scores(mask: Operand, dtype: Any) -> Operand:
    """A mask in the dtype of the scores where it is of float64, as NumPy makes it: all that follows would be too."""
    return astype(mask, dtype, copy=False) if mask.dtype == "float64" else mask


def _broadcasts(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return len(shape) <= len(wanted) and all(
        n in (1, m) for n, m in zip(reversed(shape), reversed(wanted), strict=False)
    )


@functools.lru_cache(maxsize=8)
def _minus_above(rows: int, columns: int, dtype: Any) -> Array:
    """-inf above the diagonal, to be added to scores, on the host. Only read."""
    return host.where(lower(rows, columns, "cpu"), 0, -float("inf")).astype(dtype)


# The kernel. Of a causal mask it computes only what lies left of the diagonal, in steps of so many queries: finer ones
# would save less than their calls cost.
_STEP = 128

# Within this distance from 0 scores need no shift before their exponentials: e^40 is 2e17, and neither the sum of a row
# nor its smallest weight leaves the range of float32. To look for the two extremes is cheaper than the shift.
_NEAR = 40.0


def _blocks(queries: int, keys: int, causal: bool) -> Iterator[tuple[slice, slice]]:
    """Runs of queries, each with the keys that it can see."""
    step = _STEP if causal else queries
    for start in range(0, queries, step):
        stop = min(start + step, queries)
        yield slice(start, stop), slice(0, min(stop, keys) if causal else keys)


def _forward(
    xp: Module, query: Array, key: Array, value: Array, mask: Any, *, causal: bool, scale: float | None
) -> Any:
    fits = query.shape[:-2] == key.shape[:-2] == value.shape[:-2]
    plain = query.dtype == key.dtype == value.dtype and query.dtype.name in ("float32", "float64")
    if mask is not None:
        plain = plain and (mask.dtype == "bool" or mask.dtype == query.dtype)
    if xp is not host or not fits or not plain or query.size == 0 or value.size == 0 or casting() is not None:
        return NotImplemented
    queries, keys = query.shape[-2], key.shape[-2]
    added = _added(xp, mask, causal, queries, keys, query.dtype)
    given = mask is not None and mask.dtype != "bool"
    query = query * scale_of(query, scale)
    # Laid out as the query: heads that are views of one product come out ready to be joined.
    out = xp.empty_like(query, shape=(*query.shape[:-1], value.shape[-1]))
    kept = []
    for rows, seen in _blocks(queries, keys, causal and mask is None):
        weights = _in_order(xp, query[..., rows, :], key[..., seen, :].swapaxes(-1, -2))
        _to_weights(xp, weights, None if added is None else added[..., rows, seen], given)
        matmul_many(xp, weights, value[..., seen, :], out=out[..., rows, :])
        kept.append((rows, seen, weights))
    return out, (query, out, kept)


def _in_order(xp: Module, a: Array, b: Array) -> Array:
    """a @ b as an array that lies in order, whose rows can be changed as those of one matrix."""
    return matmul_many(xp, a, b, out=xp.empty((*a.shape[:-1], b.shape[-1]), a.dtype))


def _added(xp: Module, mask: Any, causal: bool, queries: int, keys: int, dtype: Any) -> Any:
    """What both masks add to the scores, with an axis for queries and one for keys; None where there is none."""
    above = _minus_above(queries, keys, dtype) if causal else None
    if mask is None:
        return above
    added = xp.where(mask, 0, -float("inf")).astype(dtype) if mask.dtype == "bool" else mask
    return added + above if causal else xp.broadcast_to(added, (*added.shape[:-2], queries, keys))


def _to_weights(xp: Module, scores: Array, added: Any, given: bool) -> None:
    """Softmax in place, once `added` is added, in which the user's own numbers may be `given`, not 0 and -inf alone."""
    near = not given and xp.max(scores) <= _NEAR and xp.min(scores) >= -_NEAR
    if near and added is not None and added.ndim == 2:
        _exponentials.run([scores.reshape(-1, added.size)], [added.reshape(-1)])
    else:
        if added is not None:
            scores += added
        if not near:
            largest = xp.max(scores, axis=-1, keepdims=True)
            largest[largest == -float("inf")] = 0
            scores -= largest
        xp.exp(scores, out=scores)
    _shares.run([scores.reshape(-1, scores.shape[-1])], [], masked=added is not None)


def _exponentials_with(written: Any, read: Any, options: Any) -> None:
    """exp(scores + added), a row for all scores of a head."""
    (scores,), (added,) = written, read
    scores += added
    module_of(scores).exp(scores, out=scores)


def _shares_of_sum(written: Any, read: Any, options: Any) -> None:
    """Rows over their sums."""
    (rows,) = written
    total = rows.sum(axis=-1, keepdims=True)
    if options["masked"]:
        total = total + (total == 0)  # a query that sees no key
    rows /= total


def _through_shares(written: Any, read: Any, options: Any) -> None:
    """(g - its product with the row's own result) * weights."""
    (g,), (along, weights) = written, read
    g -= along
    g *= weights


_exponentials = InLoop(_exponentials_with, by_rows=True)
_shares = InLoop(_shares_of_sum, by_rows=True)
_back_through_shares = InLoop(_through_shares, by_rows=True)


def _backward(
    xp: Module,
    g: Array,
    needs: tuple[bool, ...],
    inputs: tuple[Any, ...],
    residuals: tuple[Array, Array, list[tuple[slice, slice, Array]]],
    *,
    causal: bool,
    scale: float | None,
) -> tuple[Any, Any, Any, Any]:
    query, key, value, mask = inputs
    scaled, out, kept = residuals
    made: list[Any] = [xp.empty_like(x) if need else None for x, need in zip(inputs[:3], needs[:3], strict=True)]
    of_query, of_key, of_value = made
    of_mask = None
    for rows, seen, weights in reversed(kept):  # the last block sees the most keys
        first = weights is kept[-1][2]
        g_rows = g[..., rows, :]
        if needs[2]:
            _add_product(xp, of_value, seen, weights.swapaxes(-1, -2), g_rows, first)
        if not (needs[0] or needs[1] or needs[3]):
            continue
        # Softmax takes off again what moves all weights of a row alike: g's product with the row's own result.
        of_scores = _in_order(xp, g_rows, value[..., seen, :].swapaxes(-1, -2))
        along = xp.einsum("...ij,...ij->...i", g_rows, out[..., rows, :]).reshape(-1, 1)
        flat = len(along), of_scores.shape[-1]
        _back_through_shares.run([of_scores.reshape(flat)], [along, weights.reshape(flat)])
        if needs[0]:
            matmul_many(xp, of_scores, key[..., seen, :], out=of_query[..., rows, :])
        if needs[1]:
            _add_product(xp, of_key, seen, of_scores.swapaxes(-1, -2), scaled[..., rows, :], first)
        if needs[3]:
            of_mask = sum_to(of_scores, mask.shape)
    if needs[0]:
        of_query *= scale_of(query, scale)
    return of_query, of_key, of_value, of_mask


def _add_product(xp: Module, total: Array, seen: slice, a: Array, b: Array, first: bool) -> None:
    """Add a @ b to the rows `seen` of a total, which the first one begins."""
    if first:
        matmul_many(xp, a, b, out=total[..., seen, :])
        total[..., seen.stop :, :] = 0
    else:
        total[..., seen, :] += matmul_many(xp, a, b)


attention.kernel(_forward, _backward, attention_on_device(attention.definition, _forward, _backward))
