"""The loop on a GPU, by the guard backend: the same results, and no waiting for the device inside an epoch."""

from __future__ import annotations

import numpy as np
import pytest

import nn
from autograd import random
from autograd.backend import array_of
from recipe import Trainer, checkpoint
from recipe.build import build_model, build_optimizer
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
from recipe.config import configure
from recipe.run_folder import RunFile
from recipe.schedules import build_schedule
from recipe.watch import LiveView
from recipe.watch.board import Board
from tests.autograd.compile import simulated
from tests.guard import guard
from tests.recipe.small import assert_same_run, data, fit, network, plain, timeless, trainer


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


def of_paper(name: str, device: str, rows: int = 200, **options) -> Trainer:
    """A run by a paper's settings, with small layers."""
    flags = {"model.hidden": "12,8", "model.init_scale": "none", "model.init": "he", "fit.epochs": "2"}
    config = configure({"paper": name}, flags)
    model = build_model(config.model, 2, 3, 0).to(device)
    optimizer = build_optimizer(config.optim, model)
    schedule = build_schedule(config.optim, config.fit, optimizer, rows)
    return Trainer(model, nn.functional.cross_entropy, optimizer, schedule=schedule, device=device, **options)


PAPERS = ("maxout-2013", "dropout-2012", "dropout-2014")  # all options that they need


@pytest.mark.parametrize("name", PAPERS)
def test_a_step_by_a_papers_settings_does_not_wait_for_the_device(name):
    def waits_in(rows):
        run = of_paper(name, "guard", rows)
        before = guard.synchronizations
        run.fit(data(rows), epochs=1, batch_size=10)
        return guard.synchronizations - before

    assert waits_in(200) == waits_in(400)


@pytest.mark.parametrize("name", PAPERS)
def test_a_papers_settings_give_on_the_device_what_they_give_on_the_host(name, device):
    here, there = (of_paper(name, where) for where in ("cpu", device))
    for run in (here, there):
        run.fit(data(200), data(40, seed=6), epochs=2, batch_size=50)
    for one, other in zip(here.history, there.history, strict=True):
        for key in ("train_loss", "val_loss", "running_loss", "lr"):
            assert other[key] == pytest.approx(one[key], rel=1e-3, abs=1e-6), key


def test_the_live_view_waits_for_the_device_only_when_it_shows_something(tmp_path, monkeypatch):
    def views():
        run = RunFile(tmp_path, configure(flags={"data.source": "blobs"})).run
        return [LiveView(Board(), run, "a run")]

    monkeypatch.setattr("recipe.watch.view.TICK", 1e9)
    assert waits(200, callbacks=views()) == waits(400, callbacks=views())
    monkeypatch.setattr("recipe.watch.view.TICK", 0.0)
    (view,) = views()
    assert waits(200, callbacks=[view]) > waits(200)
    shown = view.board.after(0, 0.0).parts
    assert len(shown["curves"]["loss"]["running"]) == len(shown["gradients"]["0"]) == 20


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


@simulated.needed
def test_a_compiled_run_on_the_device_is_that_on_the_host_and_is_resumed_to_the_last_bit(tmp_path, device):
    def run(where: str, **options) -> Trainer:
        watched = [NanGuard(every=1), GradientMonitor(every=2), ActivationMonitor(), WeightMonitor()]
        # No BatchNorm: the gradient of a bias before it is rounding, of which Adam makes whole steps.
        model = nn.Sequential(nn.Dropout(0.2, generator=random.Generator(3)), *plain())
        return trainer(model.to(where), device=where, callbacks=[*watched, ModelCheckpoint(tmp_path)], **options)

    here, there = fit(run("cpu")), fit(run(device, compile=True))
    assert there.describe_steps().startswith(f"compiled ({device}), traced in ")
    for one, other in zip(here.history, there.history, strict=True):
        for name, value in timeless(one).items():
            if isinstance(value, float):
                assert other[name] == pytest.approx(value, rel=1e-3, abs=1e-6), name
    fit(run(device, compile=True), epochs=2)
    resumed = run(device, compile=True)
    resumed.load_state_dict(checkpoint.load(tmp_path / "checkpoint.safetensors"))
    assert_same_run(fit(resumed), there)


@simulated.needed
def test_a_compiled_step_does_not_wait_for_the_device():
    def waits_in(rows):
        run = trainer(network().to("guard"), device="guard", compile=True)
        run.fit(data(50), epochs=2, batch_size=10)
        before = guard.synchronizations
        run.fit(data(rows), epochs=3, batch_size=10)
        return guard.synchronizations - before

    assert waits_in(200) == waits_in(400)


def test_the_guard_against_nan_looks_on_the_device(device):
    run = fit(trainer(plain().to(device), device=device), epochs=1)
    run.model[2].weight.data[...] = 3e38
    assert locate(run, *run.train_data).startswith("the output of layer 2 (Linear) is ")
    run.model[2].weight.data[...] = float("nan")
    assert locate(run, *run.train_data) == "the parameter 2.weight is NaN in 36 of 36 places, left by an earlier step"
