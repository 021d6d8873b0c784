"""Schedules besides their equality with PyTorch: other options, checkpoints, and one schedule for one option."""

from __future__ import annotations

import copy
import json
import pickle
from math import exp, inf

import numpy as np
import pytest

import optim
from tests.optim.helpers import give, parameter


def sgd(**options):
    return optim.SGD([parameter([1.0])], **{"lr": 0.1, "momentum": 0.5, **options})


def path(optimizer, schedule, steps, option="lr"):
    values = [optimizer.param_groups[0][option]]
    for _ in range(steps):
        schedule.step()
        values.append(optimizer.param_groups[0][option])
    return values


def test_inverse_time():
    optimizer = sgd(lr=1.0)
    # deepnet's rate: 1 / (1 + t / 10000).
    np.testing.assert_allclose(
        path(optimizer, optim.InverseTimeLR(optimizer, 1e-4), 3), [1, 1 / 1.0001, 1 / 1.0002, 1 / 1.0003]
    )


def test_lambda_for_all_groups_and_for_each():
    for factors in (lambda t: 0.5**t, [lambda t: 0.5**t, lambda t: 1.0 + t]):
        optimizer = optim.SGD([{"params": [parameter([1.0])]}, {"params": [parameter([1.0])], "lr": 3.0}], lr=1.0)
        schedule = optim.LambdaLR(optimizer, factors)
        schedule.step()
        assert schedule.get_last_lr() == ([0.5, 6.0] if isinstance(factors, list) else [0.5, 1.5])


def test_momentum_by_any_function():
    optimizer = sgd()
    schedule = optim.Schedule(optimizer, {"momentum": lambda t, start: 0.99 - 0.49 * exp(-t / 100)})
    wanted = [0.99 - 0.49 * exp(-t / 100) for t in range(3)]
    np.testing.assert_allclose(path(optimizer, schedule, 2, "momentum"), wanted)
    assert optimizer.param_groups[0]["lr"] == 0.1


def _half(t):
    return 0.5**t


MADE = {
    "ConstantLR": lambda o: optim.ConstantLR(o, total_iters=3),
    "StepLR": lambda o: optim.StepLR(o, 2),
    "MultiStepLR": lambda o: optim.MultiStepLR(o, [2, 4]),
    "ExponentialLR": lambda o: optim.ExponentialLR(o, 0.9),
    "InverseTimeLR": lambda o: optim.InverseTimeLR(o, 0.1),
    "LinearLR": optim.LinearLR,
    "CosineAnnealingLR": lambda o: optim.CosineAnnealingLR(o, 8),
    "CosineAnnealingWarmRestarts": lambda o: optim.CosineAnnealingWarmRestarts(o, 2, T_mult=2),
    "PolynomialLR": optim.PolynomialLR,
    "LambdaLR": lambda o: optim.LambdaLR(o, _half),
    "OneCycleLR": lambda o: optim.OneCycleLR(o, 0.3, total_steps=8),
    "SequentialLR": lambda o: optim.SequentialLR(o, [optim.LinearLR(o), optim.StepLR(o, 2)], [2]),
}


def test_every_schedule_is_made_here():
    kinds = [kind for kind in map(vars(optim).get, optim.__all__) if isinstance(kind, type)]
    assert {*MADE, "Schedule"} == {kind.__name__ for kind in kinds if issubclass(kind, optim.Schedule)}


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
@pytest.mark.parametrize("name", MADE)
def test_a_copy_goes_on_with_its_own_optimizer(name, copied):
    optimizer = optim.SGD(
        [{"params": [parameter([1.0])]}, {"params": [parameter([1.0])], "lr": 3.0}], lr=1.0, momentum=0.5
    )
    schedule = MADE[name](optimizer)
    path(optimizer, schedule, 3)
    before = schedule.get_last_lr()
    other, twin = copied((optimizer, schedule))
    assert twin.optimizer is other
    theirs = path(other, twin, 4)
    assert schedule.get_last_lr() == before
    assert theirs == path(optimizer, schedule, 4)
    assert len(set(theirs)) > 1 or name == "ConstantLR"


def test_every_curve_takes_another_option():
    # Maxout's momentum: from 0.5 in a line to 0.7.
    optimizer = sgd()
    schedule = optim.LinearLR(optimizer, start_factor=1.0, end_factor=1.4, total_iters=4, option="momentum")
    np.testing.assert_allclose(path(optimizer, schedule, 5, "momentum"), [0.5, 0.55, 0.6, 0.65, 0.7, 0.7])
    adam = optim.Adam([parameter([1.0])], betas=(0.8, 0.99))
    optim.ConstantLR(adam, factor=0.5, option="beta1")
    assert adam.param_groups[0]["betas"] == (0.4, 0.99)


def test_two_options_may_each_have_a_schedule():
    optimizer = sgd()
    rate, momentum = optim.StepLR(optimizer, 1), optim.ExponentialLR(optimizer, 0.5, option="momentum")
    rate.step()
    momentum.step()
    np.testing.assert_allclose([optimizer.param_groups[0][k] for k in ("lr", "momentum")], [0.01, 0.25])


def test_any_step_can_be_asked_for():
    schedule = optim.CosineAnnealingLR(sgd(), T_max=10)
    np.testing.assert_allclose(schedule.values(5)["lr"], [0.05])
    assert schedule.get_last_lr() == [0.1]


def test_a_second_schedule_of_one_option_is_noticed():
    optimizer = sgd()
    first = optim.StepLR(optimizer, 1)
    second = optim.ExponentialLR(optimizer, 0.9)
    first.step()
    with pytest.raises(RuntimeError, match=r"ExponentialLR left lr at \[0.1\] and finds \[0.01.*else changed it"):
        second.step()


def test_a_group_added_later_is_noticed():
    optimizer = sgd()
    schedule = optim.StepLR(optimizer, 1)
    optimizer.add_param_group({"params": [parameter([1.0])]})
    with pytest.raises(RuntimeError, match="make schedules after the last group is added"):
        schedule.step()


SCHEDULES = {
    "cosine": lambda o: optim.CosineAnnealingLR(o, 10),
    "warm-up": lambda o: optim.SequentialLR(o, [optim.LinearLR(o), optim.ExponentialLR(o, 0.9)], [4]),
    "one-cycle": lambda o: optim.OneCycleLR(o, 1.0, total_steps=10),
    "plateau": lambda o: optim.ReduceLROnPlateau(o, patience=1),
}


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("optimizer_first", [True, False])
def test_resumed_goes_on_exactly(name, optimizer_first):
    arguments = [(m,) if name == "plateau" else () for m in (1.0, 0.9, 0.9, 0.9, 0.9, 0.8, 0.9, 0.9, 0.9)]
    optimizer = sgd()
    schedule = SCHEDULES[name](optimizer)
    for given in arguments[:5]:
        schedule.step(*given)
    saved = json.loads(json.dumps([optimizer.state_dict(), schedule.state_dict()]))

    second = sgd(lr=0.7)
    resumed = SCHEDULES[name](second)
    parts = [(second, saved[0]), (resumed, saved[1])]
    for part, state in parts if optimizer_first else parts[::-1]:
        part.load_state_dict(state)
    for given in arguments[5:]:
        schedule.step(*given)
        resumed.step(*given)
        assert resumed.get_last_lr() == schedule.get_last_lr()
        assert second.param_groups[0]["momentum"] == optimizer.param_groups[0]["momentum"]
    assert resumed.state_dict() == schedule.state_dict()


def test_the_rule_uses_the_scheduled_rate():
    p = parameter(np.zeros(1))
    optimizer = optim.SGD([p], lr=1.0)
    schedule = optim.StepLR(optimizer, 1, gamma=0.5)
    for _ in range(3):
        give([p], [[1.0]])
        optimizer.step()
        schedule.step()
    assert p.data[0] == -1.75


def test_plateau_reads_tensors_and_keeps_above_its_minimum():
    optimizer = sgd()
    schedule = optim.ReduceLROnPlateau(optimizer, patience=0, factor=0.5, min_lr=0.04)
    for _ in range(5):
        schedule.step(np.float32(1.0))
    assert schedule.get_last_lr() == [0.04]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda o: optim.StepLR(o, 0), ValueError, "StepLR: step_size must be at least 1, got 0"),
        (lambda o: optim.StepLR(o, 1, option="beta1"), ValueError, "no option 'beta1' to schedule; it has lr, mom"),
        (lambda o: optim.StepLR(o, 1, option="nesterov"), ValueError, "no option 'nesterov'"),
        (lambda o: optim.LinearLR(o, total_iters=0), ValueError, "total_iters must be at least 1"),
        (lambda o: optim.CosineAnnealingLR(o, 0), ValueError, "T_max must be at least 1"),
        (lambda o: optim.LambdaLR(o, [abs, abs]), ValueError, "lr_lambda: got 2 for an optimizer of 1 param"),
        (lambda o: optim.OneCycleLR(o, 1.0), ValueError, "needs total_steps, or epochs and steps_per_epoch"),
        (lambda o: optim.OneCycleLR(o, 1.0, 10, pct_start=2.0), ValueError, "pct_start must lie between 0 and 1"),
        (lambda o: optim.OneCycleLR(o, 1.0, 10, anneal_strategy="sin"), ValueError, '"cos" or "linear"'),
        (lambda o: optim.SequentialLR(o, [], []), ValueError, "0 schedules and 0 milestones"),
        (lambda o: optim.SequentialLR(o, [optim.StepLR(o, 1)] * 3, [5, 2]), ValueError, "milestones must rise"),
        (lambda o: optim.SequentialLR(o, [optim.ReduceLROnPlateau(o)], []), TypeError, "got ReduceLROnPlateau"),
        (lambda o: optim.SequentialLR(o, [optim.StepLR(sgd(), 1)], []), ValueError, "the same optimizer"),
        (lambda o: optim.ReduceLROnPlateau(o, factor=1.0), ValueError, "factor must be below 1"),
        (
            lambda o: optim.ReduceLROnPlateau(o, patience=float("nan")),
            ValueError,
            "patience must be at least 0, got nan",
        ),
        (lambda o: optim.ReduceLROnPlateau(o, min_lr="a"), TypeError, "min_lr must be a number, got 'a', a str"),
        (
            lambda o: optim.ReduceLROnPlateau(o, threshold=float("nan")),
            ValueError,
            "threshold must be a number, got nan",
        ),
        (lambda o: optim.ExponentialLR(o, None), TypeError, "ExponentialLR: gamma must be a number, got None"),
        (lambda o: optim.MultiStepLR(o, ["a"]), TypeError, "each of milestones must be a number, got 'a'"),
        (lambda o: optim.OneCycleLR(o, 1.0, "a"), TypeError, "OneCycleLR: total_steps must be a number, got 'a'"),
        (lambda o: optim.OneCycleLR(o, 1.0, 9, div_factor=0), ValueError, "div_factor must be above 0, got 0"),
        (lambda o: optim.OneCycleLR(o, 1.0, 9, final_div_factor=-1), ValueError, "final_div_factor must be above 0"),
        (lambda o: optim.OneCycleLR(o, [-1.0], 9), ValueError, "OneCycleLR: max_lr must be at least 0, got -1"),
        (lambda o: optim.ReduceLROnPlateau(o, mode="low"), ValueError, 'mode must be "min" or "max"'),
        (lambda o: optim.ReduceLROnPlateau(o, threshold_mode="x"), ValueError, '"rel" or "abs"'),
    ],
)
def test_mistakes(make, error, message):
    with pytest.raises(error, match=message):
        make(sgd())


def test_one_cycle_ends():
    schedule = optim.OneCycleLR(sgd(), 1.0, total_steps=3)
    for _ in range(3):
        schedule.step()
    with pytest.raises(ValueError, match="was made for 3 steps"):
        schedule.step()


def test_a_state_dict_of_another_schedule_is_refused():
    saved = optim.OneCycleLR(sgd(), 1.0, total_steps=3).state_dict()
    with pytest.raises(ValueError, match="is of a schedule of lr in 1 groups and momentum in 1 groups, this"):
        optim.StepLR(sgd(), 1).load_state_dict(saved)
    with pytest.raises(ValueError, match="takes a state with initial, last_epoch, got one with best, num_bad"):
        optim.StepLR(sgd(), 1).load_state_dict(optim.ReduceLROnPlateau(sgd()).state_dict())


def test_a_state_that_cannot_be_loaded_changes_nothing():
    schedule = optim.OneCycleLR(sgd(), 1.0, total_steps=3)
    before = schedule.state_dict()
    with pytest.raises(ValueError, match="was made for 3 steps"):
        schedule.load_state_dict(before | {"last_epoch": 9})
    assert schedule.state_dict() == before
    plateau = optim.ReduceLROnPlateau(sgd())
    with pytest.raises(ValueError, match=r"takes a state with best, num_bad_epochs, .*, got one with best: give what"):
        plateau.load_state_dict({"best": 0.5})
    assert plateau.best == inf
