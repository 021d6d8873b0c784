"""The one network that stands for the ensemble: with the factor 1 - p, and, to see what it is for, without.

One idea: without the factor a unit of the next layer hears from all units at the strength that it knew from some of
them. Such a network is the model with a mask that keeps every unit. Srivastava et al. 2014, figure 2.
Read `convert.py` next.
"""

from __future__ import annotations

from autograd.backend import Array, host, move
from autograd.tensor import Tensor
from nn.module import Module

from ..metrics import evaluating
from .average import Of, probabilities
from .masks import array_of, masked, outputs

__all__ = ["scaled_predict", "unscaled_predict"]


def scaled_predict(model: Module, x: Tensor | Array, *, of: Of = "softmax", batch_size: int = 1000) -> Array:
    """What the model gives in evaluation mode, every unit there and scaled by its share of presence 1 - p.

    A host array of float64: the softmax along the last axis, or with `of="output"` the output itself.
    """
    with evaluating(model):
        return probabilities(outputs(model, array_of(x), batch_size), of)


def unscaled_predict(model: Module, x: Tensor | Array, *, of: Of = "softmax", batch_size: int = 1000) -> Array:
    """What the model would give if nobody scaled: every unit there, each as strong as in training when it was kept.

    In classic dropout this is evaluation without the product with 1 - p; in inverted dropout it is the same network,
    whose survivors are divided by 1 - p also when all survive. Otherwise as `scaled_predict`. Raises ValueError for a
    model in which nothing drops.
    """
    with masked(model, _AllKept()):
        return probabilities(outputs(model, array_of(x), batch_size), of)


class _AllKept:
    def keep_mask(self, shape: tuple[int, ...], p: float, device: str = "cpu") -> Array:
        return move(host.ones(shape, bool), device)
