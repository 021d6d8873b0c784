"""A run that was carried out, as its folder keeps it: the weights that it was tested with, and the epoch they are of.

One idea: early stopping tests the weights of its best epoch, which are in best.safetensors; otherwise those of the end
are tested, which are in the newest checkpoint. Read `run.py` for the run itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nn

from . import checkpoint
from .build import build_model
from .config import Config, ConfigError, from_dict
from .data import Parts
from .run_folder import read_run
from .same import check_data
from .sources import load_with_digest

__all__ = ["Finished", "load_finished"]


@dataclass(frozen=True)
class Finished:
    """What is left of a run. `weights` are by name, `epoch` counts from 0 and is the one that the weights are of."""

    folder: Path
    run: dict[str, Any]
    config: Config
    weights: dict[str, Any]
    epoch: int

    @property
    def train_loss(self) -> float:
        """The loss on the training rows, in evaluation mode, with these weights."""
        return float(self.run["epochs"][self.epoch]["train_loss"])

    def network(self) -> tuple[nn.Module, Parts]:
        """The network with these weights, on the CPU, and the rows of the run. Raises ConfigError for other rows."""
        parts, digest = load_with_digest(self.config.data, self.config.seed)
        check_data(self.run, digest, self.config.data, self.folder)
        classes = int(max(y.max() for y in (parts.y_train, parts.y_valid, parts.y_test))) + 1
        model = build_model(self.config.model, parts.x_train.shape[1], classes, self.config.seed)
        return loaded(model, self.weights, self.folder), parts


def load_finished(folder: Path) -> Finished:
    """The run in a folder. Raises UsageError where there is none, or not one epoch of it."""
    run = read_run(folder)
    config = from_dict(run.get("config") or {}, f"{folder}/run.json")
    if not run.get("epochs"):
        raise ConfigError(f"the run in {folder} has not one epoch: let it train first.")
    best, newest = folder / "best.safetensors", folder / "checkpoint.safetensors"
    if config.stop.criterion is not None and best.exists():
        return Finished(folder, run, config, *_best(best, len(run["epochs"])))
    state, step = checkpoint.load(newest), run["epochs"][-1]["step"]
    if not isinstance(state.get("model"), dict):
        raise checkpoint.CheckpointError(f"{newest} cannot be used: it holds no weights.")
    if run["status"] == "failed" and state.get("step") != step:
        raise ConfigError(
            f"the run in {folder} failed after {step} updates, and its newest checkpoint is of {state.get('step')}: "
            "the weights that it was tested with are gone; train anew."
        )
    return Finished(folder, run, config, state["model"], len(run["epochs"]) - 1)


def _best(path: Path, epochs: int) -> tuple[dict[str, Any], int]:
    """The weights in best.safetensors, and the epoch that they are of."""
    try:
        weights, epoch = nn.load(path), int(json.loads(nn.load_metadata(path)["about"])["epoch"])
    except (OSError, LookupError, TypeError, ValueError) as error:
        raise checkpoint.CheckpointError(f"{path} cannot be used: {error}") from None
    if not 0 <= epoch < epochs:
        raise checkpoint.CheckpointError(f"{path} is of epoch {epoch + 1}, and the run has {epochs}: it is another's.")
    return weights, epoch


def loaded(model: nn.Module, weights: dict[str, Any], folder: Path) -> nn.Module:
    """The model with a run's weights. Raises ConfigError where they are not of such a model."""
    try:
        model.load_state_dict(weights)
    except (KeyError, ValueError) as error:
        raise ConfigError(f"the weights of the run in {folder} do not fit the network: {error}") from None
    return model
