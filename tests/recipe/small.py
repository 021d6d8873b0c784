"""A small run that is quick to make again: three clouds, a net with dropout, Adam with a cosine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

import nn
import optim
from autograd.backend import is_array, to_host
from autograd.random import Generator
from recipe import Trainer
from recipe.data import synthetic

EPOCHS, BATCH = 4, 16


def data(rows: int = 90, seed: int = 5) -> tuple[Any, Any]:
    return synthetic.blobs(rows, generator=Generator(seed))


def network(p: float = 0.3, seed: int = 1) -> nn.Sequential:
    g = Generator(seed, stream=2)
    return nn.Sequential(
        nn.Linear(2, 12, generator=g),
        nn.BatchNorm1d(12),
        nn.ReLU(),
        nn.Dropout(p, generator=Generator(seed, stream=3)),
        nn.Linear(12, 3, generator=g),
    )


def plain(seed: int = 1) -> nn.Sequential:
    """Without what makes a batch differ from the sum of its parts."""
    g = Generator(seed, stream=2)
    return nn.Sequential(nn.Linear(2, 12, generator=g), nn.ReLU(), nn.Linear(12, 3, generator=g))


def trainer(model: nn.Module | None = None, *, lr: float = 0.02, rows: int = 90, **options: Any) -> Trainer:
    model = network() if model is None else model
    optimizer = optim.Adam(model.parameters(), lr=lr, penalties=[optim.MaxNorm(2.0)])
    schedule = optim.CosineAnnealingLR(optimizer, EPOCHS * -(-rows // BATCH))
    return Trainer(model, nn.functional.cross_entropy, optimizer, **{"schedule": schedule, "seed": 7, **options})


def fit(run: Trainer, *, rows: int = 90, epochs: int = EPOCHS) -> Trainer:
    run.fit(data(rows), data(40, seed=6), epochs=epochs, batch_size=BATCH)
    return run


def weights(run: Trainer) -> dict[str, np.ndarray]:
    return {name: tensor.numpy().copy() for name, tensor in run.model.state_dict().items()}


def timeless(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != "seconds"}


def run_of(folder: Path | str) -> dict[str, Any]:
    """What its run.json says."""
    run: dict[str, Any] = json.loads(Path(folder, "run.json").read_text())
    return run


def timeless_run(run: dict[str, Any]) -> dict[str, Any]:
    """What two runs from one seed share: all but times, the machine, and what only one of them is told."""
    run = {name: value for name, value in timeless(run).items() if name != "machine"}
    run["steps"] = {name: value for name, value in run["steps"].items() if name not in ("trace_seconds", "text")}
    return run | {"epochs": [timeless(record) for record in run["epochs"]]}


def on_host(state: Any) -> Any:
    """The same with arrays of the host."""
    if isinstance(state, dict):
        return {name: on_host(value) for name, value in state.items()}
    if isinstance(state, list):
        return [on_host(value) for value in state]
    return to_host(state) if is_array(state) else state


def assert_same_run(one: Trainer, other: Trainer) -> None:
    """To the last bit: history, weights, optimizer, schedule, generators."""
    assert [timeless(r) for r in one.history] == [timeless(r) for r in other.history]
    a, b = one.state_dict(), other.state_dict()
    for name in ("epoch", "step", "generators", "schedule", "batches", "running"):
        assert a[name] == b[name], name
    for state in (a, b):
        state["optimizer"] = state["optimizer"]["state"]
    for part in ("model", "optimizer"):
        np.testing.assert_equal(on_host(a[part]), on_host(b[part]))
