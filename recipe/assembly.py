"""The loop of a configuration: what may stop it, and the Trainer with everything in it.

One idea: whoever has a network and rows gets the loop that `train` runs, with a run's folder or without one. Read
`run.py` next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import nn
from autograd.tensor import Tensor

from .build import build_optimizer
from .callbacks import Callback, EarlyStopping, Target, TimeLimit
from .config import Config, StopConfig
from .metrics import Metric
from .schedules import build_schedule
from .trainer import Trainer

__all__ = ["build_stopping", "build_trainer"]


def build_stopping(config: StopConfig) -> list[Callback]:
    """What may end the run before its last epoch; a target must be a number by now."""
    found: list[Callback] = []
    if config.criterion is not None:
        found.append(
            EarlyStopping(
                config.monitor,
                patience=config.patience,
                min_delta=config.min_delta,
                criterion=config.criterion,
                alpha=config.alpha,
            )
        )
    if config.target is not None:
        assert config.target != "start"  # resolved by `run.train`
        found.append(Target(config.monitor, config.target))
    if config.time_limit is not None:
        found.append(TimeLimit(config.time_limit))
    return found


def build_trainer(
    config: Config,
    model: nn.Module,
    *,
    rows: int,
    callbacks: Iterable[Callback],
    loss: Callable[[Tensor, Tensor], Tensor] = nn.functional.cross_entropy,
    metrics: Mapping[str, Metric] | None = None,
) -> Trainer:
    """The loop that trains `model` on so many rows, with the configuration's optimizer and schedule."""
    optimizer = build_optimizer(config.optim, model)
    return Trainer(
        model,
        loss,
        optimizer,
        schedule=build_schedule(config.optim, config.fit, optimizer, rows),
        metrics=metrics,
        callbacks=callbacks,
        clip_norm=config.optim.clip_norm,
        clip_value=config.optim.clip_value,
        accumulate=config.fit.accumulate,
        seed=config.seed,
        device=config.device,
        compile=config.fit.compile,
    )
