"""Small Transformers: a table of vectors, attention of every kind, normalisations, small networks for each place.

One idea: every layer keeps the shape (cases, places, width), so a list of them is a network; at the end each place is
a row, or the places of a case are averaged. Read `training.py` next.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import autograd as ag
import nn
import nn.functional as F
from autograd import Tensor
from autograd.random import Generator
from tests.opspecs.spec import whole

from .parts import ROWS, Layer, biases, dropouts, maybe, numbers

masks = numbers([None, "causal", "bool", "float"])


def drawn(exact: bool) -> st.SearchStrategy[dict[str, Any]]:
    """The table, how many places a case has, heads and their width, and layers."""
    p = numbers([0.0, 0.3])
    attention = {"mask": masks, "padding": maybe, "p": p, "bias": biases(exact), "own": maybe, "batch_first": maybe}
    block = {"mask": masks, "p": p, "activation": numbers(["relu", "gelu"]), "norm_first": maybe, "bias": biases(exact)}
    one = st.one_of(
        st.tuples(st.just("MultiheadAttention"), st.fixed_dictionaries(attention)),
        st.tuples(st.just("attention"), st.fixed_dictionaries({"mask": masks, "p": p})),
        st.tuples(st.just("encoder"), st.fixed_dictionaries(block)),
        st.tuples(st.just("decoder"), st.fixed_dictionaries(block)),
        st.tuples(st.just("network"), whole(1, 8, first=4), biases(exact)),
        st.just(("LayerNorm",)),
        st.just(("GELU",)),
        dropouts,
    )
    return st.fixed_dictionaries(
        {
            "table": whole(2, 5, first=4),
            "padding_idx": numbers([None, 0]),
            "places": whole(1, 5, first=3),
            "heads": whole(1, 2),
            "head": whole(1, 3),
            "layers": st.lists(one, min_size=1, max_size=3),
            "rows": numbers(["places", "mean"]),
        }
    )


class _Placed(nn.Module):
    """The vectors of indices, plus learned ones of their places."""

    def __init__(self, table: int, places: int, width: int, padding_idx: int | None) -> None:
        self.tokens, self.places = nn.Embedding(table, width, padding_idx), nn.Embedding(places, width)

    def forward(self, indices: Tensor) -> Tensor:
        return self.tokens(indices) + self.places(ag.arange(indices.shape[-1], device=indices.device))


class _Masked(nn.Module):
    """A mask of (places, places), which moves with the module and is no part of its state."""

    def __init__(self, kind: str | None, places: int, rng: np.random.Generator) -> None:
        self.is_causal = kind == "causal"
        seen = rng.random((places, places)) < 0.7
        mask = {"bool": seen, "float": np.where(seen, rng.normal(size=seen.shape), -np.inf)}.get(str(kind))
        self.register_buffer("mask", None if mask is None else Tensor(mask), persistent=False)


class _Heads(_Masked):
    """x plus what several heads gather of it, with keys that some cases leave out if `padding`."""

    def __init__(self, width: int, heads: int, places: int, options: dict[str, Any], generator: Generator) -> None:
        rng = np.random.default_rng(places)
        super().__init__(options["mask"], places, rng)
        left_out = Tensor(rng.random((ROWS, places)) < 0.3) if options["padding"] else None
        self.register_buffer("left_out", left_out, persistent=False)
        self.attention = nn.MultiheadAttention(
            *(width, heads, options["p"], options["bias"]),
            batch_first=options["batch_first"],
            generator=generator if options["own"] else None,
        )

    def forward(self, x: Tensor) -> Tensor:
        given = x if self.attention.batch_first else x.permute_dims((1, 0, 2))
        masks = {"key_padding_mask": self.left_out, "attn_mask": self.mask, "is_causal": self.is_causal}
        out = self.attention(given, given, given, need_weights=False, **masks)[0]
        return x + (out if self.attention.batch_first else out.permute_dims((1, 0, 2)))


class _Plain(_Masked):
    """x plus what one head without parameters gathers of it."""

    def __init__(self, places: int, mask: str | None, p: float) -> None:
        super().__init__(mask, places, np.random.default_rng(places))
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        return x + F.scaled_dot_product_attention(x, x, x, self.mask, self.p, self.is_causal)


class _Whole(_Masked):
    """A layer of an encoder, or of a decoder whose memory is its input."""

    def __init__(self, kind: str, width: int, heads: int, places: int, options: dict[str, Any]) -> None:
        super().__init__(options["mask"], places, np.random.default_rng(places))
        layer = nn.TransformerEncoderLayer if kind == "encoder" else nn.TransformerDecoderLayer
        own = {name: options[name] for name in ("activation", "norm_first", "bias")}
        self.layer = layer(width, heads, 5, options["p"], batch_first=True, **own)

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(self.layer, nn.TransformerEncoderLayer):
            return self.layer(x, self.mask, is_causal=self.is_causal)
        return self.layer(x, x, self.mask, tgt_is_causal=self.is_causal)


class _Rows(nn.Module):
    """Each place a row, or the mean of a case's places."""

    def __init__(self, rows: str) -> None:
        self.rows = rows

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(axis=1) if self.rows == "mean" else x.reshape((-1, x.shape[-1]))


def layers(network: dict[str, Any], seed: int) -> tuple[list[nn.Module], int]:
    """The layers, and the width of the rows that they give."""
    width = network["heads"] * network["head"]
    found = [
        _layer(layer, network, width, Generator(seed, stream=number + 1))
        for number, layer in enumerate(network["layers"])
    ]
    placed = _Placed(network["table"], network["places"], width, network["padding_idx"])
    return [placed, *found, _Rows(network["rows"])], width


def _layer(layer: Layer, network: dict[str, Any], width: int, generator: Generator) -> nn.Module:
    heads, places = network["heads"], network["places"]
    match layer:
        case ("MultiheadAttention", options):
            return _Heads(width, heads, places, options, generator)
        case ("attention", options):
            return _Plain(places, **options)
        case ("encoder" | "decoder" as kind, options):
            return _Whole(kind, width, heads, places, options)
        case ("network", hidden, bias):
            return nn.Residual(nn.Linear(width, hidden, bias), nn.GELU(), nn.Linear(hidden, width, bias))
        case ("Dropout", options, own):
            return nn.Dropout(**options, generator=generator if own else None)
        case ("LayerNorm",):
            return nn.LayerNorm(width)
    return nn.GELU()


def batch(network: dict[str, Any], rng: np.random.Generator, dtype: str) -> tuple[Any, int]:
    """x, and how many rows the network makes of it."""
    rows = ROWS if network["rows"] == "mean" else ROWS * network["places"]
    return rng.integers(0, network["table"], (ROWS, network["places"])), rows
