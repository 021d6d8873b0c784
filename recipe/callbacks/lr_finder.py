"""The learning-rate range test: raise the rate from far too small to far too large, and watch the loss.

One idea: one short sweep, after which everything is as it was, shows where the loss falls fastest and where it breaks.
Source: Smith, "Cyclical learning rates for training neural networks", 2017, section 3.3. Read `../trainer.py` first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autograd import random

from ..data.batches import Batches
from ..numbers import check_count, check_number

if TYPE_CHECKING:
    from ..trainer import Data, Trainer

__all__ = ["LRFinder", "Sweep"]


@dataclass(frozen=True)
class Sweep:
    """What a sweep saw: `rates`, and `losses`, smoothed, for each; `suggestion` is a rate to train with."""

    rates: list[float]
    losses: list[float]

    @property
    def steepest(self) -> float:
        """The rate at which the loss fell fastest per factor of rate."""
        slopes = [later - earlier for earlier, later in zip(self.losses, self.losses[1:], strict=False)]
        return self.rates[min(range(len(slopes)), key=slopes.__getitem__)]

    @property
    def suggestion(self) -> float:
        """A tenth of the rate of the least loss, or the steepest rate where that is smaller."""
        least = min(range(len(self.losses)), key=self.losses.__getitem__)
        return min(self.rates[least] / 10.0, self.steepest)


class LRFinder:
    """`LRFinder().run(trainer, train, batch_size=128)` sweeps the rate from `lowest` to `highest` in `steps` updates.

    The losses are smoothed by a running mean with factor `smoothing`, corrected for its start. The sweep ends early
    when the loss is `diverged` times the least so far, or not finite. Model, optimizer, schedule, generators and counts
    of the trainer are then as before.
    """

    def __init__(
        self,
        lowest: float = 1e-6,
        highest: float = 10.0,
        steps: int = 100,
        *,
        smoothing: float = 0.9,
        diverged: float = 4.0,
    ) -> None:
        check_number("LRFinder", "lowest", lowest, above=0)
        check_number("LRFinder", "highest", highest, above=lowest)
        check_count("LRFinder", "steps", steps, least=3)
        check_number("LRFinder", "smoothing", smoothing, least=0)
        if smoothing >= 1:
            raise ValueError(f"LRFinder got smoothing={smoothing}: less than 1 is wanted.")
        check_number("LRFinder", "diverged", diverged, above=0)
        self.lowest, self.highest, self.steps = lowest, highest, steps
        self.smoothing, self.diverged = smoothing, diverged

    def run(self, trainer: Trainer, train: Data, batch_size: int) -> Sweep:
        """Sweep on batches of `train`, and put the trainer back."""
        state = trainer.state_dict()
        schedule, trainer.schedule = trainer.schedule, None
        training = trainer.model.training
        try:
            return self._sweep(trainer, Batches(*train, batch_size, generator=random.Generator(0)))
        finally:
            trainer.schedule = schedule
            trainer.load_state_dict(state)
            trainer.optimizer.zero_grad()
            trainer.model.train(training)

    def _sweep(self, trainer: Trainer, batches: Batches) -> Sweep:
        trainer.model.train()
        rates: list[float] = []
        losses: list[float] = []
        mean = 0.0
        while len(rates) < self.steps:
            for x, y in batches:
                rate = self.lowest * (self.highest / self.lowest) ** (len(rates) / (self.steps - 1))
                for group in trainer.optimizer.param_groups:
                    group["lr"] = rate
                loss = float(trainer.backward(x, y))
                mean = self.smoothing * mean + (1.0 - self.smoothing) * loss
                smooth = mean / (1.0 - self.smoothing ** (len(rates) + 1))
                if not math.isfinite(loss) or (losses and smooth > self.diverged * min(losses)):
                    return Sweep(rates, losses)
                rates.append(rate)
                losses.append(smooth)
                trainer.update()
                if len(rates) == self.steps:
                    break
        return Sweep(rates, losses)
