"""Flash attention: inside `autocast`, a compiled step on a GPU leaves attention to the device, in one piece.

One idea: the weights of attention are the largest arrays of a Transformer, and are only made to be multiplied: a kernel
that has a block of queries and keys in its registers never writes them (Dao et al. 2022). cuDNN has such kernels for
half precision, so `attend` is one instruction of the trace, and one of backward, which makes the weights again from
what forward left. Its definition, with weights, says what it is.
Read `recurrent.py` next.
"""

from __future__ import annotations

from typing import Any

from autograd import astype, attending, matmul, permute_dims
from autograd.backend import Array, Module, float32, is_floating
from autograd.compile.cuda.cudnn import attends
from autograd.fused import fused
from autograd.modes import casting, is_tracing
from autograd.tensor import Operand

from .attention_weights import attention_weights

__all__ = ["attend", "attended", "is_attended"]

_TURNED = (0, 2, 1, 3)  # (N, H, L, E) as (N, L, H, E), and back


def is_attended(query: Operand, key: Operand, value: Operand, *, causal: bool, scale: float) -> bool:
    """Whether the device for which a step is traced does this attention, which `autocast` makes half precision."""
    trace, dtype = is_tracing(), casting()
    if trace is None or dtype is None or trace.device in (None, "cpu"):
        return False
    if len({x.shape for x in (query, key, value)}) > 1 or any(x.dtype != float32 for x in (query, key, value)):
        return False
    return query.ndim == 4 and attends(trace.device, query.shape, str(dtype), causal=causal, scale=scale)


def attended(query: Operand, key: Operand, value: Operand, *, causal: bool, scale: float) -> Operand:
    """softmax(query key^T scale) value of (N, H, L, E), each of them rounded as `autocast` does it."""
    q, k, v = (astype(permute_dims(x, _TURNED), casting()) for x in (query, key, value))
    return permute_dims(astype(attend(q, k, v, causal=causal, scale=scale), float32), _TURNED)


@fused
def attend(query: Operand, key: Operand, value: Operand, *, causal: bool = False, scale: float = 1.0) -> Operand:
    """softmax(query key^T scale) value of (N, L, H, E), in float32 where they have less; so is the result."""
    q, k, v = (_wide(permute_dims(x, _TURNED)) for x in (query, key, value))
    weights = attention_weights(q, k, causal=causal, scale=scale)
    weights = _wide(astype(weights, value.dtype)) if _is_half(value) else weights
    out = permute_dims(matmul(weights, v), _TURNED)
    return astype(out, query.dtype) if _is_half(query) else out


def _is_half(x: Operand) -> bool:
    return bool(x.dtype.itemsize == 2)


def _wide(x: Operand) -> Any:
    return astype(x, float32) if _is_half(x) else x


def _forward(xp: Module, q: Array, k: Array, v: Array, *, causal: bool, scale: float) -> Any:
    plain = q.ndim == 4 and q.size and q.shape == k.shape == v.shape and q.dtype == k.dtype == v.dtype
    if not plain or not is_floating(q.dtype):
        return NotImplemented
    out = attending.attend(q, k, v, causal=causal, scale=scale)
    return out, out


def _backward(
    xp: Module,
    g: Array,
    needs: tuple[bool, bool, bool],
    inputs: tuple[Array, Array, Array],
    out: Array,
    *,
    causal: bool,
    scale: float,
) -> tuple[Any, ...]:
    # Asked for here, so that attention makes none where no gradient is wanted.
    statistics = attending.attend_statistics(*inputs[:2], causal=causal, scale=scale)
    found = attending.attend_gradients(*inputs, out, statistics, g, causal=causal, scale=scale)
    return tuple(found[:, :, i] if need else None for i, need in enumerate(needs))


attend.kernel(_forward, _backward, traced=True)
