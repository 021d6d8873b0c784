"""The schedule of a configuration: the learning rate over the updates, and the momentum beside it.

One idea: a schedule is a function of the number of updates made, so what changes once an epoch is the same function of
that number rounded down to whole epochs, and a floor is a maximum. Read `run.py` next.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp

import optim

from .config import FitConfig, OptimConfig

__all__ = ["build_schedule", "epochs_of"]

Curve = Callable[[int, float], float]  # (updates made, value at the start) -> value


def epochs_of(fit: FitConfig, rows: int) -> int:
    """The epochs that a run on so many rows has, the last one perhaps not whole where the updates are counted."""
    return fit.epochs if fit.updates is None else -(-fit.updates // _per_epoch(fit, rows))


def _per_epoch(fit: FitConfig, rows: int) -> int:
    return -(-rows // fit.batch_size)


def build_schedule(
    config: OptimConfig, fit: FitConfig, optimizer: optim.Optimizer, rows: int
) -> optim.Schedule | optim.ReduceLROnPlateau | None:
    """The schedule of rate and momentum over all updates of the run; None where both are constant.

    Without options of their own, linear and cosine end at 0, exponential at a hundredth, inverse_time at a tenth of the
    rate; step divides it by 10 after each third.
    """
    per_epoch = _per_epoch(fit, rows)
    steps = fit.updates or fit.epochs * per_epoch
    if config.schedule == "plateau":
        return optim.ReduceLROnPlateau(optimizer, patience=3)
    if config.schedule == "one_cycle":
        assert config.lr is not None
        return optim.OneCycleLR(optimizer, config.lr, steps, cycle_momentum="momentum" in optimizer.defaults)
    curves: dict[str, Curve | list[Curve]] = {}
    rate = _rate(config, optimizer, steps, per_epoch)
    if rate is not None:
        curves["lr"] = [_shaped(curve, config, per_epoch) for curve in rate.curves["lr"]]
    if config.momentum_end is not None:
        curves["momentum"] = _momentum(config, per_epoch)
    return optim.Schedule(optimizer, curves) if curves else None


def _rate(config: OptimConfig, optimizer: optim.Optimizer, steps: int, per_epoch: int) -> optim.Schedule | None:
    """The rate as one of optim's schedules, after a warm-up; None for a constant rate without."""
    warmup = min(round(config.warmup * per_epoch), steps - 1)
    rest = steps - warmup
    whole = rest if config.total_epochs is None else max(1, round(config.total_epochs * per_epoch))
    gamma, decay = config.gamma or 0.01 ** (1 / rest), config.decay or 9 / rest
    makers: dict[str, Callable[[], optim.Schedule]] = {
        "constant": lambda: optim.ConstantLR(optimizer, 1.0),
        "cosine": lambda: optim.CosineAnnealingLR(optimizer, rest),
        "linear": lambda: optim.LinearLR(optimizer, 1.0, config.end_factor, whole),
        "step": lambda: optim.StepLR(optimizer, -(-rest // 3)),
        "exponential": lambda: optim.ExponentialLR(optimizer, gamma),
        "inverse_time": lambda: optim.InverseTimeLR(optimizer, decay),
    }
    if not warmup:
        return None if config.schedule == "constant" else makers[config.schedule]()
    rise = optim.LinearLR(optimizer, 1 / (warmup + 1), 1.0, warmup)
    return optim.SequentialLR(optimizer, [rise, makers[config.schedule]()], [warmup])


def _shaped(curve: Curve, config: OptimConfig, per_epoch: int) -> Curve:
    """The curve with its floor, changing when the configuration says so."""
    every = per_epoch if config.schedule_by == "epoch" else 1

    def shaped(t: int, start: float) -> float:
        return max(config.min_lr, curve(t - t % every, start))

    return shaped


def _momentum(config: OptimConfig, per_epoch: int) -> Curve:
    """The momentum on its way to its end."""
    end, epochs, updates = config.momentum_end, config.momentum_epochs, config.momentum_updates
    assert end is not None

    def line(t: int, start: float) -> float:
        assert epochs is not None
        return start + (end - start) * min(t // per_epoch / epochs, 1.0)

    def approach(t: int, start: float) -> float:
        assert updates is not None
        return end - (end - start) * exp(-t / updates)

    return line if epochs is not None else approach
