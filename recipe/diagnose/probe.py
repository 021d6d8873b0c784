"""Looking at a network on a few rows: its loss, its gradients layer by layer, and what flows through it.

One idea: one forward and one backward in evaluation mode, with hooks that copy numbers out; afterwards the network is
as it was, its gradients and modes included, so that a run with evidence ends in the same weights as one without.
Read `evidence.py` next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from autograd import enable_grad, no_grad
from autograd.backend import Array, to_host
from autograd.tensor import Tensor, wrap
from nn.module import Module
from nn.parameter import Parameter

from ..metrics import evaluating
from ..units import RANGED, RECTIFIERS, flat_share
from . import measure

__all__ = ["Look", "host_weights", "look", "outputs", "weights_of"]

_ACTIVATIONS = {
    *RANGED,
    *RECTIFIERS,
    *("CELU", "ELU", "GELU", "Hardswish", "LeakyReLU", "Maxout", "Mish", "PReLU", "RReLU", "SELU", "SiLU", "Softplus"),
    "LogSigmoid",
}

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass
class Look:
    """What one look at a network found; each dictionary is by layer, in the order of the forward pass."""

    loss: float
    output: Any  # a host array
    gradient_rms: dict[str, float] = field(default_factory=dict)
    dead: dict[str, float] = field(default_factory=dict)  # rectifiers only
    saturated: dict[str, float] = field(default_factory=dict)  # activations with a bounded range only
    activations: dict[str, str] = field(default_factory=dict)  # the class of each activation
    row_cosine: dict[str, float | None] = field(default_factory=dict)  # of the rows that go into each weight layer


def weights_of(model: Module) -> dict[str, tuple[Module, Parameter]]:
    """The weights (matrices and larger, no biases or norm parameters) by layer, each with the Module that owns it."""
    modules = dict(model.named_modules())
    found = {}
    for name, parameter in model.named_parameters():
        path, _, own = name.rpartition(".")
        if parameter.role == "weight" and parameter.ndim >= 2:
            found[path if own == "weight" and path else name] = (modules[path], parameter)
    return found


def host_weights(model: Module) -> dict[str, Any]:
    """Copies of the weights by layer, as NumPy arrays."""
    return {name: to_host(weight.data).copy() for name, (_, weight) in weights_of(model).items()}


def look(model: Module, loss: Loss, x: Array, y: Array) -> Look:
    """A look at `model` on the rows x, y (arrays on its device), in evaluation mode."""
    weights = weights_of(model)
    found = Look(float("nan"), None)
    with evaluating(model), enable_grad(), _kept_gradients(model), _watched(model, weights, found):
        output = model(wrap(x))
        value = loss(output, wrap(y))
        value.backward()
        found.loss, found.output = float(value.data), to_host(output.data)
        for name in [*found.row_cosine, *(weights.keys() - found.row_cosine.keys())]:
            gradient = weights[name][1].grad
            found.gradient_rms[name] = 0.0 if gradient is None else measure.rms(to_host(gradient.data))
    return found


def outputs(model: Module, x: Array, rows: int = 1000) -> Iterator[Any]:
    """The model's outputs in evaluation mode, `rows` at a time, as host arrays."""
    with evaluating(model), no_grad():
        for start in range(0, len(x), rows):
            yield to_host(model(wrap(x[start : start + rows])).data)


@contextmanager
def _kept_gradients(model: Module) -> Iterator[None]:
    were = [(parameter, parameter.grad) for parameter in model.parameters()]
    model.zero_grad()
    try:
        yield
    finally:
        for parameter, gradient in were:
            parameter.grad = gradient


@contextmanager
def _watched(model: Module, weights: dict[str, tuple[Module, Parameter]], found: Look) -> Iterator[None]:
    """Hooks that fill `found` while the model runs."""
    handles = [module.register_forward_hook(_inputs_of(name, found)) for name, (module, _) in weights.items()]
    for name, module in model.named_modules():
        if type(module).__name__ in _ACTIVATIONS:
            found.activations[name] = type(module).__name__
            handles.append(module.register_forward_hook(_outputs_of(name, found)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _inputs_of(name: str, found: Look) -> Callable[..., None]:
    def hook(module: Module, inputs: tuple[Any, ...], output: Any) -> None:
        rows = inputs[0].data
        # Also when there is none to measure (an Embedding's rows are numbers of words): the order is that of the calls.
        found.row_cosine[name] = measure.row_cosine(to_host(rows)) if rows.dtype.kind == "f" else None

    return hook


def _outputs_of(name: str, found: Look) -> Callable[..., None]:
    def hook(module: Module, inputs: tuple[Any, ...], output: Any) -> None:
        for what, share in flat_share(module, to_host(output.data)).items():
            getattr(found, what)[name] = share

    return hook
