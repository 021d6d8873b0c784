"""A configuration made flesh: the network and its optimizer.

One idea: every random choice has a stream of its own under the one seed, so that changing one of them (a wider layer,
no dropout) leaves the others as they were. Read `schedules.py` next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nn
import optim
from autograd.random import Generator
from autograd.tensor import Tensor, wrap

from .config import ModelConfig, OptimConfig
from .noise import DropoutScaled

__all__ = ["build_model", "build_optimizer", "title"]

# Streams of the seed; 0 is the split's (sources.py), 1 the shuffle's (trainer.py).
WEIGHTS = 2
NOISE = 16  # and above: one for each layer that draws

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "leaky_relu": nn.LeakyReLU,
    "prelu": nn.PReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "softplus": nn.Softplus,
    "hardtanh": nn.Hardtanh,
    "hardswish": nn.Hardswish,
}


def title(config: ModelConfig, features: int, classes: int) -> str:
    """The network in a few words: "784-512-512-10 relu"."""
    widths = "-".join(map(str, (features, *config.hidden, classes)))
    return f"{widths} {config.activation}" if config.hidden else f"{widths} linear"


def build_model(config: ModelConfig, features: int, classes: int, seed: int) -> nn.Sequential:
    """The network, its layers named linear1, relu1, dropout1, ...; dropout0 is the input's."""
    weights = Generator(seed, stream=WEIGHTS)
    p_input, p_hidden = (0.0, 0.0, *config.dropout)[-2:]
    layers: dict[str, nn.Module] = {}

    def noise() -> Generator:
        return Generator(seed, stream=NOISE + len(layers))

    def dropout(p: float) -> nn.Module:
        return nn.Dropout(p, mode=config.dropout_mode, generator=noise())

    if p_input and config.input_scale is not None:
        layers["dropout0"] = DropoutScaled(p_input, config.input_scale, generator=noise())
    elif p_input:
        layers["dropout0"] = dropout(p_input)
    width = features
    for i, units in enumerate(config.hidden, start=1):
        if config.activation == "maxout":
            maxout = nn.Maxout(width, units, config.pieces, generator=weights)
            layers[f"maxout{i}"] = _started(maxout, config, i, weights)
        else:
            linear = nn.Linear(width, units, generator=weights)
            layers[f"linear{i}"] = _started(linear, config, i, weights)
            if config.activation == "rrelu":
                layers[f"rrelu{i}"] = nn.RReLU(generator=noise())
            else:
                layers[f"{config.activation}{i}"] = _ACTIVATIONS[config.activation]()
        if p_hidden:
            layers[f"dropout{i}"] = dropout(p_hidden)
        width = units
    last, i = nn.Linear(width, classes, generator=weights), len(config.hidden) + 1
    layers[f"linear{i}"] = _started(last, config, i, weights)
    return nn.Sequential(layers)


def _started(layer: Any, config: ModelConfig, number: int, generator: Generator) -> nn.Module:
    """The layer, counted from 1, with its first weights; each piece of a maxout layer starts as a layer of its own."""
    if config.init == "torch":
        return layer
    scale = _of_layer(config.init_scale or 0.0, number)
    starts: dict[str, Callable[[Tensor], Tensor]] = {
        "glorot": lambda w: nn.init.xavier_uniform_(w, generator=generator),
        "he": lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu", generator=generator),
        "lecun": lambda w: nn.init.kaiming_normal_(w, nonlinearity="linear", generator=generator),
        "uniform": lambda w: nn.init.uniform_(w, -scale, scale, generator),
        "normal": lambda w: nn.init.normal_(w, 0.0, scale, generator),
    }
    nn.init.zeros_(layer.bias)
    rows = layer.out_features
    for first in range(0, len(layer.weight.data), rows):
        starts[config.init](wrap(layer.weight.data[first : first + rows]))
    return layer


def build_optimizer(config: OptimConfig, model: nn.Module) -> optim.Optimizer:
    """The optimizer with its penalties; a group for each layer where the layers have norms of their own."""
    makers: dict[str, Any] = {
        "adam": optim.Adam,
        "adamw": optim.AdamW,
        "sgd": optim.SGD,
        "rmsprop": optim.RMSprop,
        "adagrad": optim.Adagrad,
        "adadelta": optim.Adadelta,
    }
    options: dict[str, Any] = {"lr": config.lr, "weight_decay": config.weight_decay}
    if config.momentum:
        options["momentum"] = config.momentum
    if config.nesterov:
        options["nesterov"] = True
    if not isinstance(config.max_norm, tuple):
        return makers[config.name](model.parameters(), **options, penalties=_penalties(config, 1))
    groups: list[dict[str, Any]] = []
    others: list[nn.Parameter] = []  # the slopes of PReLU
    for layer in model.children():
        parameters = list(layer.parameters())
        if any(parameter.role == "weight" for parameter in parameters):
            groups.append({"params": parameters, "penalties": _penalties(config, len(groups) + 1)})
        else:
            others += parameters
    return makers[config.name]([*groups, *([{"params": others}] if others else [])], **options)


def _penalties(config: OptimConfig, number: int) -> list[optim.Penalty]:
    """The penalties of a layer, counted from 1."""
    penalties: list[optim.Penalty] = []
    if config.l1:
        penalties.append(optim.L1(config.l1))
    if config.l2:
        penalties.append(optim.L2(config.l2))
    if config.max_norm is not None:
        penalties.append(optim.MaxNorm(_of_layer(config.max_norm, number)))
    return penalties


def _of_layer(values: float | tuple[float, ...], number: int) -> float:
    """What an option given once for all layers, or once for each, says of a layer, counted from 1."""
    if isinstance(values, tuple):
        return values[number - 1 if len(values) > 1 else 0]
    return values
