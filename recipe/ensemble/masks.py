"""Thinned networks: the model with masks from a source of one's own, and everything else in evaluation mode.

One idea: a dropout layer asks its generator for a mask, so whoever stands in the generator's place decides which units
are dropped: one who draws, one who goes through all masks, one who keeps every unit. Read `average.py` next.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from autograd import no_grad
from autograd.backend import Array, to_host
from autograd.tensor import Tensor, bare, wrap
from nn.attention import MultiheadAttention
from nn.dropout import Dropout, Dropout2d
from nn.module import Module

from ..metrics import evaluating

__all__ = ["Source", "array_of", "dropout_layers", "masked", "outputs"]


class Source(Protocol):
    """Who decides what is dropped: a Generator does, and so does whatever has this method."""

    def keep_mask(self, shape: tuple[int, ...], p: float, device: str = "cpu") -> Array:
        """True where a unit is kept; `shape` has the rows first, or 1 where all rows share a mask."""


def dropout_layers(model: Module) -> dict[str, Any]:
    """The layers that drop something while training, by name: Dropout, Dropout2d, and attention with dropout."""
    kinds = (Dropout, Dropout2d, MultiheadAttention)
    return {name: module for name, module in model.named_modules() if isinstance(module, kinds) and _p_of(module) > 0}


def _p_of(layer: Dropout | Dropout2d | MultiheadAttention) -> float:
    return layer.dropout if isinstance(layer, MultiheadAttention) else layer.p


@contextmanager
def masked(model: Module, source: Source) -> Iterator[None]:
    """The model as a thinned network inside: its dropout layers drop what `source` says, the rest only evaluates.

    So normalisation uses its running statistics. Afterwards modes and generators are what they were, and no generator
    of the model has drawn. Raises ValueError when nothing in the model drops.
    """
    layers = list(dropout_layers(model).values())
    if not layers:
        raise ValueError("no layer of the model drops anything (p > 0), so it is one network, no ensemble: call it.")
    were = [layer.generator for layer in layers]
    with evaluating(model):
        try:
            for layer in layers:
                layer.training, layer.generator = True, source
            yield
        finally:
            for layer, generator in zip(layers, were, strict=True):
                layer.generator = generator


def outputs(model: Module, x: Array, batch_size: int) -> np.ndarray:
    """What the model gives for the rows of x, `batch_size` at a time, as one host array."""
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size}: at least 1 row must go through the model at a time.")
    with no_grad():
        parts = [to_host(model(wrap(x[i : i + batch_size])).data) for i in range(0, len(x), batch_size)]
    return np.concatenate(parts)


def array_of(x: Tensor | Array) -> Array:
    """The array of x. Raises ValueError unless it has rows."""
    array = bare(x)
    if array.ndim == 0 or not len(array):
        raise ValueError(f"x has shape {tuple(array.shape)}: it must have at least one row, along axis 0.")
    return array
