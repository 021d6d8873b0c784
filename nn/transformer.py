"""Transformers: layers of attention and of a small network for each place, each with a way round it.

One idea: a layer adds to its input what attention gathers, then what a network of two linear maps makes of it; a
normalisation stands after each sum, as in the paper, or before each part (`norm_first`), which trains more easily.
Source: Vaswani et al. 2017, section 3; Xiong et al. 2020 on the place of the normalisation.

Where a token stands is no part of these layers: attention does not see it. Learned places are one more table:

    tokens, places = nn.Embedding(vocabulary, width), nn.Embedding(longest, width)
    x = tokens(indices) + places(ag.arange(indices.shape[-1]))

Read `recurrent.py` next.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, ClassVar

from autograd.backend import host
from autograd.random import Generator
from autograd.tensor import Tensor

from . import functional as F
from .attention import MultiheadAttention
from .container import ModuleList
from .dropout import Dropout
from .linear import Linear
from .module import Module
from .norm import LayerNorm

__all__ = ["TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder", "TransformerEncoderLayer"]

Activation = str | Callable[[Tensor], Tensor]


class _Layer(Module):
    """What both layers share: their parts, and how a part stands to its normalisation."""

    attentions: ClassVar[tuple[str, ...]]  # in their order; a normalisation follows each, and one the network
    self_attn: MultiheadAttention
    norm1: LayerNorm
    norm2: LayerNorm
    dropout1: Dropout
    dropout2: Dropout

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        device: str | None = None,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        place: dict[str, Any] = {"device": device, "dtype": dtype}
        options = {**place, "generator": generator}
        for name in self.attentions:
            setattr(self, name, MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **options))
        self.norm_first = norm_first
        self.activation = _activation(activation)
        self.linear1 = Linear(d_model, dim_feedforward, bias, **options)
        self.dropout = Dropout(dropout, generator=generator)
        self.linear2 = Linear(dim_feedforward, d_model, bias, **options)
        parts = range(1, len(self.attentions) + 2)
        for part in parts:
            setattr(self, f"norm{part}", LayerNorm(d_model, layer_norm_eps, bias=bias, **place))
        for part in parts:
            setattr(self, f"dropout{part}", Dropout(dropout, generator=generator))

    def _forward(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))

    def _around(self, x: Tensor, norm: Module, dropout: Module, part: Callable[[Tensor], Tensor]) -> Tensor:
        """x plus what a part makes of it, normalised after the sum or before the part."""
        if self.norm_first:
            return x + dropout(part(norm(x)))
        return norm(x + dropout(part(x)))


class TransformerEncoderLayer(_Layer):
    """Attention of a sequence to itself, then a network for each place: x of (L, N, d_model) keeps its shape.

    With `batch_first` x is (N, L, d_model). `activation` is "relu", "gelu" or a function of a Tensor. Names and
    layouts are PyTorch's. Vaswani et al. 2017, section 3.1.
    """

    attentions = ("self_attn",)

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """src through the layer; the masks are those of `MultiheadAttention`."""

        def attend(x: Tensor) -> Tensor:
            return self.self_attn(x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal)[0]

        x = self._around(src, self.norm1, self.dropout1, attend)
        return self._around(x, self.norm2, self.dropout2, self._forward)


class TransformerDecoderLayer(_Layer):
    """As an encoder's layer, with attention to a second sequence, the memory, between its two parts.

    Vaswani et al. 2017, section 3.1.
    """

    attentions = ("self_attn", "multihead_attn")
    multihead_attn: MultiheadAttention
    norm3: LayerNorm
    dropout3: Dropout

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """tgt through the layer; the masks are those of `MultiheadAttention`."""

        def attend(x: Tensor) -> Tensor:
            return self.self_attn(x, x, x, tgt_key_padding_mask, False, tgt_mask, is_causal=tgt_is_causal)[0]

        def look(x: Tensor) -> Tensor:
            padding, causal = memory_key_padding_mask, memory_is_causal
            return self.multihead_attn(x, memory, memory, padding, False, memory_mask, is_causal=causal)[0]

        x = self._around(tgt, self.norm1, self.dropout1, attend)
        x = self._around(x, self.norm2, self.dropout2, look)
        return self._around(x, self.norm3, self.dropout3, self._forward)


class _Stack(Module):
    """What TransformerEncoder and TransformerDecoder share: the layers, and the way through them."""

    def __init__(self, layer: Module, num_layers: int, norm: Module | None) -> None:
        self.layers = _copies(layer, num_layers)
        self.num_layers, self.norm = num_layers, norm

    def _through(self, x: Tensor, *others: Any, **options: Any) -> Tensor:
        """x through every layer, each with the same others."""
        for layer in self.layers:
            x = layer(x, *others, **options)
        return x if self.norm is None else self.norm(x)


class TransformerEncoder(_Stack):
    """`num_layers` copies of a layer, one after the other, and `norm` after the last."""

    def __init__(self, encoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__(encoder_layer, num_layers, norm)

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """src through every layer, with the same masks."""
        return self._through(src, mask, src_key_padding_mask, is_causal)


class TransformerDecoder(_Stack):
    """`num_layers` copies of a layer, one after the other, and `norm` after the last."""

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__(decoder_layer, num_layers, norm)

    def forward(self, tgt: Tensor, memory: Tensor, *masks: Any, **options: Any) -> Tensor:
        """tgt through every layer, each with the same memory and masks: those of `TransformerDecoderLayer`."""
        return self._through(tgt, memory, *masks, **options)


def _copies(layer: Module, count: int) -> ModuleList:
    """Copies that start equal, but draw from one generator, so that each drops units of its own."""
    if not isinstance(layer, Module):
        raise TypeError(f"a stack of layers takes the layer to be copied first, got a {type(layer).__name__}.")
    if isinstance(count, bool) or not isinstance(count, (int, host.integer)) or count < 0:
        raise ValueError(f"a stack of layers got num_layers={count!r}: it must be a whole number, 0 or more.")
    shared = {id(g): g for m in layer.modules() if isinstance(g := getattr(m, "generator", None), Generator)}
    return ModuleList(copy.deepcopy(layer, dict(shared)) for _ in range(count))


def _activation(activation: Activation) -> Callable[[Tensor], Tensor]:
    if callable(activation):
        return activation
    if activation not in ("relu", "gelu"):
        raise ValueError(f'activation={activation!r} is not known: it must be "relu", "gelu" or a function.')
    return F.relu if activation == "relu" else F.gelu
