"""A configuration made flesh: the network, its optimizer and its schedule.

One idea: every random choice has a stream of its own under the one seed, so that changing one of them (a wider layer,
no dropout) leaves the others as they were. Read `run.py` next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nn
import optim
from autograd.random import Generator
from autograd.tensor import wrap

from .config import Config, ModelConfig, OptimConfig

__all__ = ["build_model", "build_optimizer", "build_schedule", "title"]

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

    if p_input:
        layers["dropout0"] = nn.Dropout(p_input, generator=noise())
    width = features
    for i, units in enumerate(config.hidden, start=1):
        if config.activation == "maxout":
            maxout = nn.Maxout(width, units, config.pieces, generator=weights)
            layers[f"maxout{i}"] = _started(maxout, config.init, maxout.pieces, weights)
        else:
            linear = nn.Linear(width, units, generator=weights)
            layers[f"linear{i}"] = _started(linear, config.init, 1, weights)
            if config.activation == "rrelu":
                layers[f"rrelu{i}"] = nn.RReLU(generator=noise())
            else:
                layers[f"{config.activation}{i}"] = _ACTIVATIONS[config.activation]()
        if p_hidden:
            layers[f"dropout{i}"] = nn.Dropout(p_hidden, generator=noise())
        width = units
    last = nn.Linear(width, classes, generator=weights)
    layers[f"linear{len(config.hidden) + 1}"] = _started(last, config.init, 1, weights)
    return nn.Sequential(layers)


def _started(layer: Any, init: str, pieces: int, generator: Generator) -> nn.Module:
    """The layer with its first weights; each piece of a maxout layer starts as a layer of its own."""
    if init != "torch":
        nn.init.zeros_(layer.bias)
        rows = len(layer.weight.data) // pieces
        for piece in range(pieces):
            weight = wrap(layer.weight.data[piece * rows : (piece + 1) * rows])
            if init == "glorot":
                nn.init.xavier_uniform_(weight, generator=generator)
            else:
                nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=generator)
    return layer


def build_optimizer(config: OptimConfig, model: nn.Module) -> optim.Optimizer:
    """The optimizer with its penalties."""
    penalties: list[optim.Penalty] = []
    if config.l1:
        penalties.append(optim.L1(config.l1))
    if config.l2:
        penalties.append(optim.L2(config.l2))
    if config.max_norm is not None:
        penalties.append(optim.MaxNorm(config.max_norm))
    makers: dict[str, Any] = {
        "adam": optim.Adam,
        "adamw": optim.AdamW,
        "sgd": optim.SGD,
        "rmsprop": optim.RMSprop,
        "adagrad": optim.Adagrad,
        "adadelta": optim.Adadelta,
    }
    options: dict[str, Any] = {"lr": config.lr, "weight_decay": config.weight_decay, "penalties": penalties}
    if config.momentum:
        options["momentum"] = config.momentum
    if config.nesterov:
        options["nesterov"] = True
    return makers[config.name](model.parameters(), **options)


def build_schedule(
    config: Config, optimizer: optim.Optimizer, rows: int
) -> optim.Schedule | optim.ReduceLROnPlateau | None:
    """The schedule over all updates of the run; None for a constant rate without warm-up.

    linear and cosine end at 0, exponential at a hundredth, inverse_time at a tenth of the rate; step divides it by 10
    after each third.
    """
    name, per_epoch = config.optim.schedule, -(-rows // config.fit.batch_size)
    steps = config.fit.epochs * per_epoch
    if name == "plateau":
        return optim.ReduceLROnPlateau(optimizer, patience=3)
    if name == "one_cycle":
        assert config.optim.lr is not None
        return optim.OneCycleLR(optimizer, config.optim.lr, steps, cycle_momentum="momentum" in optimizer.defaults)
    warmup = min(round(config.optim.warmup * per_epoch), steps - 1)
    rest = steps - warmup
    makers: dict[str, Callable[[], optim.Schedule]] = {
        "constant": lambda: optim.ConstantLR(optimizer, 1.0),
        "cosine": lambda: optim.CosineAnnealingLR(optimizer, rest),
        "linear": lambda: optim.LinearLR(optimizer, 1.0, 0.0, rest),
        "step": lambda: optim.StepLR(optimizer, -(-rest // 3)),
        "exponential": lambda: optim.ExponentialLR(optimizer, 0.01 ** (1 / rest)),
        "inverse_time": lambda: optim.InverseTimeLR(optimizer, 9 / rest),
    }
    if not warmup:
        return None if name == "constant" else makers[name]()
    rise = optim.LinearLR(optimizer, 1 / (warmup + 1), 1.0, warmup)
    return optim.SequentialLR(optimizer, [rise, makers[name]()], [warmup])
