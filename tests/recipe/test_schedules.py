"""The schedules of rate and momentum: they span the run, and those of the papers have the values of their formulas."""

from __future__ import annotations

from math import exp

import pytest

import nn
import optim
from recipe.config import SCHEDULES, configure
from recipe.papers import NAMES
from recipe.schedules import build_schedule, epochs_of


def rates(schedule_name, warmup="0", rows=100):
    flags = {"optim.schedule": schedule_name, "optim.warmup": warmup, "optim.lr": "1", "fit.epochs": "3"}
    config = configure(flags=flags)
    optimizer = optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    schedule = build_schedule(config.optim, config.fit, optimizer, rows * 128)
    seen = []
    for _ in range(300):
        seen.append(optimizer.param_groups[0]["lr"])
        if isinstance(schedule, optim.Schedule):
            schedule.step()
    return schedule, seen


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_span_the_run(name):
    schedule, seen = rates(name)
    ends = {"cosine": 0.0, "linear": 0.0, "exponential": 0.01, "inverse_time": 0.1, "step": 0.01, "one_cycle": 0.0}
    if name in ends:
        assert seen[-1] == pytest.approx(ends[name], abs=0.01)
        assert max(seen) == pytest.approx(1.0)
    elif name == "constant":
        assert schedule is None
    else:
        assert isinstance(schedule, optim.ReduceLROnPlateau)


@pytest.mark.parametrize("name", ["constant", "cosine", "linear", "step", "exponential", "inverse_time"])
def test_warm_up_rises_to_the_rate_and_the_rest_follows(name):
    _, seen = rates(name, warmup="0.5")
    assert seen[:51] == sorted(seen[:51])
    assert seen[0] == pytest.approx(1 / 51)
    assert seen[50] == pytest.approx(1.0)
    assert max(seen) == pytest.approx(1.0)
    assert len(rates(name, warmup="99")[1]) == 300  # a warm-up longer than the run


def driven(rows, **flags):
    """The optimizer and the schedule of some options, with batches of 100 rows."""
    names = {name if "." in name else f"optim.{name}": value for name, value in flags.items()}
    config = configure(flags={"optim.name": "sgd", "fit.batch_size": "100"} | names)
    optimizer = optim.SGD(nn.Linear(1, 1).parameters(), lr=config.optim.lr, momentum=config.optim.momentum)
    return optimizer.param_groups[0], build_schedule(config.optim, config.fit, optimizer, rows)


def at(schedule, option, t):
    return schedule.values(t)[option][0]


def test_a_factor_of_each_update_with_a_floor():
    """Maxout's: 0.1 divided by 1.000004 after every update, and not below 1e-6."""
    _, schedule = driven(50_000, lr="0.1", schedule="exponential", gamma="0.999996000016", min_lr="1e-6")
    for t in (0, 1, 2, 1000, 121_500):
        assert at(schedule, "lr", t) == pytest.approx(0.1 / 1.000004**t, rel=1e-9)
    assert at(schedule, "lr", 121_500) == pytest.approx(0.0615, abs=1e-4)  # where its second stage begins
    assert at(schedule, "lr", 10**8) == 1e-6


def test_a_rate_that_falls_in_a_line_once_an_epoch():
    """Dropout's of 2012: from 0.097259 to 0.022292 of it in 560 epochs of 500 updates."""
    options = {"lr": "0.097259", "end_factor": "0.022292", "total_epochs": "560"}
    _, schedule = driven(50_000, schedule="linear", schedule_by="epoch", **options)
    for epoch in (0, 1, 280, 559):
        wanted = 0.097259 * (1 - (1 - 0.022292) * epoch / 560)
        assert [at(schedule, "lr", 500 * epoch + i) for i in (0, 499)] == [pytest.approx(wanted)] * 2
    assert at(schedule, "lr", 500 * 560) == at(schedule, "lr", 10**6) == pytest.approx(0.097259 * 0.022292)
    _, by_update = driven(50_000, schedule="linear", **options)
    assert at(by_update, "lr", 250) == pytest.approx(0.097259 * (1 - (1 - 0.022292) * 0.5 / 560))


def test_a_momentum_that_rises_in_a_line_once_an_epoch():
    """Maxout's: 0.5 in the first epoch, 0.7 in the 250th and after, the same within an epoch."""
    group, schedule = driven(50_000, schedule="constant", momentum="0.5", momentum_end="0.7", momentum_epochs="249")
    for epoch, wanted in ((0, 0.5), (1, 0.5 + 0.2 / 249), (124, 0.5 + 0.2 * 124 / 249), (249, 0.7), (400, 0.7)):
        assert [at(schedule, "momentum", 500 * epoch + i) for i in (0, 499)] == [pytest.approx(wanted)] * 2
    assert "lr" not in schedule.values(0)
    for _ in range(500):
        schedule.step()
    assert group["momentum"] == pytest.approx(0.5 + 0.2 / 249)


def test_inverse_time_and_a_momentum_that_comes_near_its_end():
    """Dropout's of 2014: 1 / (1 + t / 10,000), and 0.99 - 0.49 exp(-t / 100,000)."""
    options = {"momentum": "0.5", "momentum_end": "0.99", "momentum_updates": "100000"}
    _, schedule = driven(50_000, lr="1", schedule="inverse_time", decay="1e-4", **options)
    for t in (0, 1, 10_000, 100_000):
        assert at(schedule, "lr", t) == pytest.approx(1 / (1 + t / 10_000))
        assert at(schedule, "momentum", t) == pytest.approx(0.99 - 0.49 * exp(-t / 100_000))
    assert at(schedule, "momentum", 0) == 0.5


def test_a_floor_under_any_rate():
    _, schedule = driven(1000, lr="1", schedule="cosine", min_lr="0.3", **{"fit.epochs": "3"})
    rates_ = [at(schedule, "lr", t) for t in range(31)]
    assert (rates_[0], rates_[15], rates_[30]) == (1.0, pytest.approx(0.5), 0.3)


def test_momentum_with_a_warm_up_of_the_rate():
    options = {"momentum": "0.5", "momentum_end": "0.9", "momentum_epochs": "2"}
    _, schedule = driven(1000, lr="1", schedule="linear", warmup="1", **options, **{"fit.epochs": "3"})
    assert [at(schedule, "lr", t) for t in (0, 10, 20, 30)] == [pytest.approx(v) for v in (1 / 11, 1, 0.5, 0)]
    assert [at(schedule, "momentum", t) for t in (0, 10, 20, 29)] == [pytest.approx(v) for v in (0.5, 0.7, 0.9, 0.9)]


def test_updates_in_the_place_of_epochs():
    fit = configure(flags={"fit.updates": "1001", "fit.batch_size": "100"}).fit
    assert epochs_of(fit, 50_000) == 3
    assert epochs_of(configure(flags={"fit.epochs": "7"}).fit, 50_000) == 7
    _, schedule = driven(50_000, lr="1", schedule="linear", **{"fit.updates": "1000", "fit.epochs": "99"})
    assert [at(schedule, "lr", t) for t in (0, 500, 1000)] == [1.0, 0.5, 0.0]


@pytest.mark.parametrize("name", NAMES)
def test_the_schedule_of_every_paper_can_be_built(name):
    start = {"fit": {"start_from": "a run"}}
    config = configure({"paper": name} | start)
    optimizer = optim.SGD(nn.Linear(1, 1).parameters(), lr=config.optim.lr, momentum=config.optim.momentum)
    schedule = build_schedule(config.optim, config.fit, optimizer, 50_000)
    assert (schedule is None) == (config.optim.schedule == "constant" and config.optim.momentum_end is None)
