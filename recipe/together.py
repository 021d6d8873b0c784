"""Options that do not go together, each with one line that says so.

One idea: a value can be right by itself and wrong beside another; that is looked at once, when all values are known.
Read `config.py` for the options.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import ConfigError

__all__ = ["PIECES", "check_together"]

Values = Mapping[str, Any]  # of all options, by their dotted keys

PIECES = 2  # of a maxout unit, unless it is said

# Options that mean nothing unless another has one of these values.
_BELONGS = {
    "optim.end_factor": ("optim.schedule", "linear"),
    "optim.total_epochs": ("optim.schedule", "linear"),
    "optim.gamma": ("optim.schedule", "exponential"),
    "optim.decay": ("optim.schedule", "inverse_time"),
}


def check_together(values: Values) -> None:
    """Raises ConfigError for options that contradict each other."""
    for key, (other, wanted) in _BELONGS.items():
        if values[key] and values[other] != wanted:
            raise ConfigError(f"{key} is an option of {other} = {wanted}, and here it is {values[other]}.")
    _check_optimizer(values)
    _check_momentum_schedule(values)
    _check_layers(values)
    _check_stop(values)


def _check_optimizer(values: Values) -> None:
    name, schedule = values["optim.name"], values["optim.schedule"]
    if values["optim.momentum"] and name not in ("sgd", "rmsprop"):
        raise ConfigError(f"optim.momentum is an option of sgd and rmsprop; {name} has none: leave it at 0.")
    if values["optim.nesterov"] and not (name == "sgd" and values["optim.momentum"]):
        raise ConfigError("optim.nesterov needs optim.name = sgd and optim.momentum above 0.")
    if values["optim.min_lr"] > values["optim.lr"]:
        raise ConfigError(
            f"optim.min_lr = {values['optim.min_lr']:g} needs a rate that begins there or above, and optim.lr is "
            f"{values['optim.lr']:g}."
        )
    for key in ("optim.warmup", "optim.min_lr", "optim.momentum_end"):
        if values[key] and schedule in ("one_cycle", "plateau"):
            raise ConfigError(f"{key} does not go with optim.schedule = {schedule}: leave it at its default.")


def _check_momentum_schedule(values: Values) -> None:
    ways = [key for key in ("optim.momentum_epochs", "optim.momentum_updates") if values[key] is not None]
    if values["optim.momentum_end"] is None:
        if ways:
            raise ConfigError(f"{ways[0]} needs optim.momentum_end, the momentum that is come to.")
    elif len(ways) != 1:
        raise ConfigError("optim.momentum_end needs optim.momentum_epochs or optim.momentum_updates, one of them.")
    elif not values["optim.momentum"]:
        raise ConfigError("optim.momentum_end needs optim.momentum above 0 to begin with.")


def _check_layers(values: Values) -> None:
    """That what is given for inputs or for each layer finds them."""
    if values["model.pieces"] != PIECES and values["model.activation"] != "maxout":
        raise ConfigError(
            f"model.pieces is an option of model.activation = maxout, and here it is {values['model.activation']}."
        )
    if values["model.input_scale"] is not None and not (0.0, 0.0, *values["model.dropout"])[-2]:
        raise ConfigError("model.input_scale needs dropout of inputs, the first of two numbers in model.dropout.")
    layers, scales = len(values["model.hidden"]) + 1, values["model.init_scale"]
    if (values["model.init"] in ("uniform", "normal")) != bool(scales):
        raise ConfigError("model.init_scale goes with model.init = uniform and normal, which need it, and no other.")
    for key in ("model.init_scale", "optim.max_norm"):
        found = values[key]
        if isinstance(found, tuple) and len(found) not in (0, 1, layers):
            raise ConfigError(f"{key} needs 1 number for all layers or {layers}, one for each, and got {len(found)}.")


def _check_stop(values: Values) -> None:
    if values["stop.criterion"] in ("GL", "PQ") and values["stop.monitor"].endswith("accuracy"):
        raise ConfigError(f"stop.criterion = {values['stop.criterion']} compares losses: set stop.monitor = val_loss.")
    if values["stop.target"] == "start":
        if values["fit.start_from"] is None:
            raise ConfigError("stop.target = start needs fit.start_from, the folder of the run to start from.")
        if values["stop.monitor"].endswith("accuracy"):
            raise ConfigError("stop.target = start is a loss: set stop.monitor = val_loss.")
