"""The loop on a GPU, by the guard backend: the same results, and no waiting for the device inside an epoch."""

from __future__ import annotations

import numpy as np
import pytest

from autograd.backend import array_of
from recipe import checkpoint
from recipe.callbacks import (
    ActivationMonitor,
    EarlyStopping,
    GradientMonitor,
    HistoryLog,
    LRFinder,
    ModelCheckpoint,
    NanGuard,
    StepLog,
    WeightMonitor,
)
from recipe.callbacks.nan_guard import locate
from tests.guard import guard
from tests.recipe.small import data, fit, plain, timeless, trainer


def waits(rows: int, **options) -> int:
    """How often one epoch over so many rows waited."""
    run = trainer(plain().to("guard"), device="guard", **options)
    before = guard.synchronizations
    run.fit(data(rows), epochs=1, batch_size=10)
    return guard.synchronizations - before


@pytest.mark.parametrize("options", [{}, {"accumulate": 2}, {"clip_norm": 1.0}, {"clip_value": 1.0}])
def test_a_step_does_not_wait_for_the_device(tmp_path, options):
    def logs():
        return [NanGuard(every=1000), StepLog(tmp_path / "steps.csv", every=1000), GradientMonitor(every=1000)]

    assert waits(200, callbacks=logs(), **options) == waits(400, callbacks=logs(), **options)


def test_everything_runs_on_the_device_and_gives_what_the_host_gives(tmp_path, device):
    def watched(name):
        folder = tmp_path / name
        folder.mkdir()
        return [
            *(NanGuard(every=1), GradientMonitor(every=2), ActivationMonitor(), WeightMonitor(), EarlyStopping()),
            *(StepLog(folder / "steps.csv"), HistoryLog(folder / "history.csv"), ModelCheckpoint(folder)),
        ]

    here = fit(trainer(plain(), callbacks=watched("host")))
    there = fit(trainer(plain().to(device), device=device, callbacks=watched("device")))
    assert there.model[0].weight.device.startswith(device)
    for one, other in zip(here.history, there.history, strict=True):
        for name, value in timeless(one).items():
            if isinstance(value, float):
                assert other[name] == pytest.approx(value, rel=1e-3, abs=1e-6), name
    resumed = trainer(plain().to(device), device=device)
    resumed.load_state_dict(checkpoint.load(tmp_path / "device" / "checkpoint.safetensors"))
    assert resumed.step == there.step
    sweep = LRFinder(steps=5).run(there, tuple(array_of(part, device=device) for part in data()), 16)
    assert np.isfinite(sweep.losses).all()


def test_the_guard_against_nan_looks_on_the_device(device):
    run = fit(trainer(plain().to(device), device=device), epochs=1)
    run.model[2].weight.data[...] = 3e38
    assert locate(run, *run.train_data).startswith("the output of layer 2 (Linear) is ")
    run.model[2].weight.data[...] = float("nan")
    assert locate(run, *run.train_data) == "the parameter 2.weight is NaN in 36 of 36 places, left by an earlier step"
