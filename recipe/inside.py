"""What happens inside a network on some rows, layer by layer: gradients, units and how alike the rows look.

One idea: the numbers by which the lecture tells one failure of depth from another, in one call for experiments and
study. Vanishing gradients, dead units and rows that all look alike are three things, and a net may have any of them.
Read `diagnose/probe.py` for the look itself, `piecewise/` for networks of straight pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import nn
from autograd.backend import Array, to_host
from autograd.tensor import Tensor, bare
from nn.module import Module

from .diagnose import measure
from .diagnose.probe import Loss, host_weights, look, weights_of

__all__ = ["Inside", "host_weights", "inside", "movements", "watched"]

_RECTIFIERS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU)


@dataclass(frozen=True)
class Inside:
    """Numbers by layer, in the order of the forward pass, of one look in evaluation mode.

    `gradient_norm`   ||dL/dW||, the Euclidean norm over all elements of a layer's weight
    `row_cosine`      the mean cosine between two different rows that go into a weight layer; None for fewer than two
    `active`          the share of a rectifier's inputs above 0
    `dead`            the share of a ReLU's units that give 0 on every row
    `saturated`       the share of a sigmoid's (or its like's) outputs at the flat ends
    """

    loss: float
    gradient_norm: dict[str, float]
    row_cosine: dict[str, float | None]
    active: dict[str, float]
    dead: dict[str, float]
    saturated: dict[str, float]


def inside(model: Module, loss: Loss, x: Tensor | Array, y: Tensor | Array) -> Inside:
    """What happens in `model` on the rows x, y, all at once, where `loss(output, y)` is a scalar.

    The model is left as it was, its gradients and modes included.
    """
    x, y = bare(x), bare(y)
    active: dict[str, float] = {}

    def note(name: str, layer: Module, inputs: Tensor, output: Tensor) -> None:
        active[name] = float((to_host(inputs.data) > 0).mean())

    rectifiers = {name: module for name, module in model.named_modules() if isinstance(module, _RECTIFIERS)}
    with watched(rectifiers, note):
        found = look(model, loss, x, y)
    sizes = {name: weight.size for name, (_, weight) in weights_of(model).items()}
    norms = {name: rms * sizes[name] ** 0.5 for name, rms in found.gradient_rms.items()}
    return Inside(found.loss, norms, found.row_cosine, active, found.dead, found.saturated)


def movements(model: Module, start: Mapping[str, Any]) -> dict[str, float | None]:
    """||W - W_0|| / ||W_0|| of each layer's weight, W_0 being what `host_weights(model)` of recipe.diagnose.probe gave
    at the start; None for a layer that started at 0.
    """
    return {name: measure.movement([weight], [start[name]]) for name, weight in host_weights(model).items()}


@contextmanager
def watched(layers: Mapping[str, Module], note: Callable[[str, Any, Tensor, Tensor], None]) -> Iterator[None]:
    """Call `note(name, layer, its input, its output)` whenever one of the layers was called inside."""

    def hook_of(name: str) -> Callable[..., None]:
        return lambda layer, inputs, output: note(name, layer, inputs[0], output)

    handles = [layer.register_forward_hook(hook_of(name)) for name, layer in layers.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
