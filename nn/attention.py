"""Attention of several heads as a layer.

One idea: queries, keys and values are linear images of the inputs, cut into heads along the last axis; each head
attends for itself, and one more linear map joins them. The three maps lie in one matrix, so that attention of a
sequence to itself is one product. Read `transformer.py` next.
"""

from __future__ import annotations

from typing import Any

import autograd as ag
from autograd.random import Generator
from autograd.tensor import Tensor

from . import functional as F
from .functional.attention import as_scores, attention
from .functional.attention_weights import attention_weights
from .functional.axes import is_whole
from .functional.given import check_arrays, check_parts, number
from .init import xavier_uniform_, zeros_
from .linear import Linear
from .module import Module
from .parameter import Parameter, zeros

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    """Each query gathers values by how well their keys fit it, in `num_heads` heads of embed_dim / num_heads features.

    query is (L, N, embed_dim), key (S, N, kdim), value (S, N, vdim), N the batch; with `batch_first` N is the first
    axis, and without a batch there is no such axis. The maps of queries, keys and values are the rows of
    `in_proj_weight`, (3 embed_dim, embed_dim), or three matrices where kdim or vdim are of their own. Weights are
    dropped with probability `dropout` while training. Vaswani et al. 2017, section 3.2.2; names and layouts are
    PyTorch's.

    Raises ValueError when num_heads does not divide embed_dim.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        *,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: str | None = None,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        if not is_whole(num_heads, 1) or not is_whole(embed_dim, 0) or embed_dim % num_heads:
            raise ValueError(
                f"MultiheadAttention got embed_dim={embed_dim!r} and num_heads={num_heads!r}: the heads must divide "
                "it, in whole numbers."
            )
        dropout = number("MultiheadAttention", "dropout", dropout, "a probability must be in [0, 1]", 0, 1)
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.dropout, self.batch_first, self.generator = dropout, batch_first, generator
        alike = self.kdim == self.vdim == embed_dim

        def weight(inputs: int, wanted: bool, times: int = 1) -> Parameter | None:
            return Parameter(zeros((times * embed_dim, inputs), dtype, device)) if wanted else None

        self.in_proj_weight = weight(embed_dim, alike, 3)
        self.q_proj_weight = weight(embed_dim, not alike)
        self.k_proj_weight = weight(self.kdim, not alike)
        self.v_proj_weight = weight(self.vdim, not alike)
        self.in_proj_bias = Parameter(zeros((3 * embed_dim,), dtype, device), "bias") if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, device=device, dtype=dtype, generator=generator)
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw the three maps anew; the biases become 0."""
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                xavier_uniform_(weight, generator=generator)
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                zeros_(bias)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """The result, of the query's shape, and the weights, (N, L, S), or (N, num_heads, L, S) if not averaged.

        `key_padding_mask`, (N, S), and `attn_mask`, (L, S) or (N * num_heads, L, S), hide keys where they are True, or
        are added to the scores where they are floats. `is_causal` hides the keys after each query's own place, beside
        what the masks hide. With `need_weights=False`, which is faster, None stands for the weights. A query whose keys
        are all hidden gathers 0.
        """
        check_arrays("MultiheadAttention", query=query, key=key, value=value)
        check_parts("MultiheadAttention", attn_mask=attn_mask, key_padding_mask=key_padding_mask)
        batched = query.ndim == 3
        self._check(query, key, value)
        q, k, v = (self._heads(x, batched) for x in self._projected(query, key, value))
        rows = (q.shape[0], self.num_heads, q.shape[2], k.shape[2])
        mask = self._mask(attn_mask, key_padding_mask, rows)
        dropout = self.dropout if self.training else 0.0
        if not need_weights and not dropout:
            return self.out_proj(self._joined(attention(q, k, v, mask, causal=is_causal), batched)), None
        weights = attention_weights(q, k, mask, causal=is_causal)
        weights = F.dropout(weights, dropout, generator=self.generator)
        out = self.out_proj(self._joined(ag.matmul(weights, v), batched))
        if not need_weights:
            return out, None
        weights = weights.mean(axis=1) if average_attn_weights else weights
        return out, weights if batched else weights[0]

    def _check(self, query: Tensor, key: Tensor, value: Tensor) -> None:
        wanted = (self.embed_dim, self.kdim, self.vdim)
        shapes = [x.shape for x in (query, key, value)]
        batch = 0 if self.batch_first else 1
        fits = len({len(shape) for shape in shapes}) == 1 and query.ndim in (2, 3)
        fits = fits and tuple(shape[-1] for shape in shapes) == wanted
        fits = fits and shapes[1][:-1] == shapes[2][:-1]
        if not fits or (query.ndim == 3 and query.shape[batch] != key.shape[batch]):
            n, s = ("N, L", "N, S") if self.batch_first else ("L, N", "S, N")
            raise ValueError(
                f"MultiheadAttention got query, key and value of shapes {', '.join(map(str, shapes))}: they must be "
                f"({n}, {wanted[0]}), ({s}, {wanted[1]}) and ({s}, {wanted[2]}), or all without N."
            )

    def _projected(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, ...]:
        """The linear images of the three, by one product where they are one Tensor."""
        if query is key is value and self.in_proj_weight is not None:
            return ag.split(F.linear(query, self.in_proj_weight, self.in_proj_bias), 3, axis=-1)
        if self.in_proj_weight is not None:
            weights: Any = ag.split(self.in_proj_weight, 3)
        else:
            weights = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        biases = (None, None, None) if self.in_proj_bias is None else ag.split(self.in_proj_bias, 3)
        return tuple(map(F.linear, (query, key, value), weights, biases))

    def _heads(self, x: Tensor, batched: bool) -> Tensor:
        """(N, heads, length, head_dim): views, whatever the order of the axes."""
        x = ag.reshape(x, (*x.shape[:-1], self.num_heads, self.head_dim))
        if not batched:
            return ag.expand_dims(ag.permute_dims(x, (1, 0, 2)))
        return ag.permute_dims(x, (0, 2, 1, 3) if self.batch_first else (1, 2, 0, 3))

    def _joined(self, x: Tensor, batched: bool) -> Tensor:
        if not batched:
            x = ag.permute_dims(x[0], (1, 0, 2))
        else:
            x = ag.permute_dims(x, (0, 2, 1, 3) if self.batch_first else (2, 0, 1, 3))
        return ag.reshape(x, (*x.shape[:-2], self.embed_dim))

    def _mask(self, attn_mask: Tensor | None, padding: Tensor | None, scores: tuple[int, ...]) -> Any:
        """Both masks as `scaled_dot_product_attention` takes one: True where a key takes part, or numbers to add."""
        batch, heads, queries, keys = scores
        masks = []
        if attn_mask is not None:
            _check_mask("attn_mask", attn_mask, ((queries, keys), (batch * heads, queries, keys)))
            masks.append(attn_mask if attn_mask.ndim == 2 else ag.reshape(attn_mask, scores))
        if padding is not None:
            # A padding without a batch has the one that the inputs were given.
            _check_mask("key_padding_mask", padding, ((batch, keys), *([(keys,)] if batch == 1 else ())))
            masks.append(ag.reshape(padding, (batch, 1, 1, keys)))
        if not masks:
            return None
        if all(mask.dtype == "bool" for mask in masks):
            hidden = masks[0] if len(masks) == 1 else ag.logical_or(*masks)
            return ag.logical_not(hidden)
        dtype = self.out_proj.weight.dtype
        added = [
            ag.where(mask, -float("inf"), ag.zeros((), dtype=dtype, device=mask.device))
            if mask.dtype == "bool"
            else as_scores(mask, dtype)
            for mask in masks
        ]
        return added[0] if len(added) == 1 else added[0] + added[1]

    def extra_repr(self) -> str:
        return f"{self.embed_dim}, {self.num_heads}, dropout={self.dropout}, batch_first={self.batch_first}"


def _check_mask(name: str, mask: Tensor, shapes: tuple[tuple[int, ...], ...]) -> None:
    if mask.dtype.kind not in "bf":
        raise TypeError(
            f"MultiheadAttention got {name} of {mask.dtype}: it must be of bools, True where a key is hidden, or of "
            "floats, which are added to the scores."
        )
    if mask.shape not in shapes:
        raise ValueError(
            f"MultiheadAttention got {name} of shape {mask.shape}: it must be {' or '.join(map(str, shapes))}."
        )
