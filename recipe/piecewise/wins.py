"""Which pieces of the maxout layers are used at all.

One idea: a piece that is the largest for no row has no gradient and is never trained; one that wins on some row is part
of that row's linear network and is. Goodfellow et al. 2013, section 2. Read `../inside.py` next.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import nn
from autograd import no_grad
from autograd.backend import Array, to_host
from autograd.tensor import Tensor, bare, wrap
from nn.module import Module

from ..inside import watched
from ..metrics import evaluating

__all__ = ["piece_wins"]


def piece_wins(model: Module, x: Tensor | Array, *, batch_size: int = 1000) -> dict[str, Any]:
    """For each Maxout of the model, by name: on how many rows of x each piece wins, (pieces, out_features).

    The share of a layer's pieces that are used is `(wins > 0).mean()`. Of equal pieces the first wins. Raises
    ValueError for a model without Maxout.
    """
    layers = {name: module for name, module in model.named_modules() if isinstance(module, nn.Maxout)}
    if not layers:
        raise ValueError("the model has no Maxout layer, whose pieces could win.")
    wins = {name: np.zeros((layer.pieces, layer.out_features), int) for name, layer in layers.items()}

    def count(name: str, layer: Any, inputs: Tensor, output: Tensor) -> None:
        heights = to_host(nn.functional.linear(inputs, layer.weight, layer.bias).data)
        winners = heights.reshape(-1, layer.pieces, layer.out_features).argmax(axis=1)
        for piece in range(layer.pieces):
            wins[name][piece] += (winners == piece).sum(axis=0)

    rows = bare(x)
    with evaluating(model), no_grad(), watched(layers, count):
        for start in range(0, len(rows), batch_size):
            model(wrap(rows[start : start + batch_size]))
    return wins
