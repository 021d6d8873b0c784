"""A set-up: a run of which it is known what is wrong with it; and how it is carried out.

One idea: a set-up is options of `recipe train`, beside which stand names for what is spoilt. So a remedy, which is
other options, is carried out on it just as `diagnose --fix` does it for a user's run. Read `broken.py` next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import nn
from autograd.random import Generator
from recipe.assembly import build_stopping, build_trainer
from recipe.build import build_model
from recipe.callbacks import NanGuard, NotFinite
from recipe.config import Config, configure
from recipe.diagnose import Diagnosis, Evidence, diagnose
from recipe.sources import mended

from . import spoilt
from .rows import load

__all__ = ["PLAIN", "Outcome", "SetUp", "by", "carry_out", "fit", "net"]

Network = Callable[[int, int, int], nn.Module]  # from features, outputs and seed

START = 3  # the stream of the seed from which a spoilt start is drawn; the weights' is 2 (recipe/build.py)

# What a set-up does not name: 784-128-128-10 ReLU with plain SGD on 3000 rows of MNIST, which goes well.
PLAIN: Mapping[str, Any] = {
    "data.limit_rows": 3000,
    "model.hidden": (128, 128),
    "model.dropout": (),
    "optim.name": "sgd",
    "optim.lr": 0.1,
    "optim.schedule": "constant",
    "optim.max_norm": None,
    "fit.epochs": 12,
    "fit.batch_size": 50,
}


def fit(rows: int | None, batch_size: int, epochs: int, source: str = "mnist") -> dict[str, Any]:
    """The options that say which rows are trained on, and how long."""
    return {"data.source": source, "data.limit_rows": rows, "fit.batch_size": batch_size, "fit.epochs": epochs}


def net(hidden: tuple[int, ...], activation: str = "relu", **more: Any) -> dict[str, Any]:
    """The options of a network; `more` are others of its section."""
    return {"model.hidden": hidden, "model.activation": activation} | {f"model.{key}": more[key] for key in more}


def by(name: str, lr: float, **more: Any) -> dict[str, Any]:
    """The options of an optimizer; `more` are others of its section."""
    return {"optim.name": name, "optim.lr": lr} | {f"optim.{key}": more[key] for key in more}


@dataclass(frozen=True)
class SetUp:
    """A run and the verdict that is right for it.

    `options` are those of a run by their dotted keys, beside PLAIN; `rows` and `start` name what is spoilt (see
    `spoilt.py`), and `network` builds one that no option can name.
    """

    verdict: str
    options: Mapping[str, Any] = field(default_factory=dict)
    rows: str | None = None
    start: str | None = None
    network: Network | None = None


@dataclass(frozen=True)
class Outcome:
    """A run that is over: its diagnosis, and {"loss", "score"} on the rows of each part. A score is an accuracy, in
    regression None."""

    diagnosis: Diagnosis
    train: dict[str, float | None]
    val: dict[str, float | None]
    test: dict[str, float | None]


def carry_out(set_up: SetUp, seed: int, change: Mapping[str, Any] | None = None) -> Outcome:
    """Train the set-up, with the options in `change` set otherwise, and diagnose the run.

    A change of `model.init` replaces a spoilt start; what is spoilt in the rows stays, unless an option mends it.
    """
    change = change or {}
    config = configure({**PLAIN, **set_up.options, **change, "seed": seed}, where="the set-up")
    parts = load(config.data, seed)
    if set_up.rows is not None:
        parts = spoilt.ROWS[set_up.rows](parts, np.random.default_rng(seed))
    parts = mended(parts, config.data)
    regression = parts.y_train.dtype.kind == "f"
    outputs = parts.y_train.shape[1] if regression else int(parts.y_train.max()) + 1
    model = _network(set_up, config, parts.x_train.shape[1], outputs, start_kept="model.init" not in change)
    evidence = Evidence()
    trainer = build_trainer(
        config,
        model,
        rows=len(parts.x_train),
        callbacks=[NanGuard(), *build_stopping(config.stop), evidence],
        loss=nn.functional.mse_loss if regression else nn.functional.cross_entropy,
        metrics={} if regression else None,
    )
    # NumPy's warnings of overflow would say less than the guard does.
    with np.errstate(all="ignore"):
        with suppress(NotFinite):
            trainer.fit(
                parts[:2],
                parts[2:4],
                epochs=config.fit.epochs,
                batch_size=config.fit.batch_size,
                shuffle=config.fit.shuffle,
            )
        measured = [trainer.evaluate(x, y) for x, y in zip(parts[::2], parts[1::2], strict=True)]
    scores = [{"loss": found["loss"], "score": found.get("accuracy")} for found in measured]
    return Outcome(diagnose({"config": config.to_dict(), "evidence": evidence.to_json()}), *scores)


def _network(set_up: SetUp, config: Config, features: int, outputs: int, start_kept: bool) -> nn.Module:
    if set_up.network is not None:
        return set_up.network(features, outputs, config.seed)
    model = build_model(config.model, features, outputs, config.seed)
    if set_up.start is not None and start_kept:
        layers = [layer for layer in model if isinstance(layer, nn.Linear)]
        spoilt.STARTS[set_up.start](layers, Generator(config.seed, stream=START))
    return model
