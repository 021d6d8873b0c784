"""Every rule, schedule and clipping equals PyTorch's, over 20 steps in float64.

The values were written by references/make.py; `test_peers.py` compares them with the PyTorch that is installed.
"""

from __future__ import annotations

import numpy as np
import pytest

import optim
from tests.optim.helpers import REFERENCES, flattened, give, gradients, name_of, parameter, weights


def two_groups() -> optim.Optimizer:
    one, two, _ = weights()
    return optim.SGD([{"params": [one]}, {"params": [two], "lr": 0.3}], lr=0.1, momentum=0.9)


def follow(optimizer, schedule, arguments):
    rows = []
    for given in [None, *arguments]:
        if given is not None:
            schedule.step(*given)
        rows.append([group[key] for group in optimizer.param_groups for key in ("lr", "momentum")])
    return rows


@pytest.mark.parametrize("case", REFERENCES["optimizers"], ids=name_of)
def test_rule_equals_pytorch(case):
    parameters = weights()
    optimizer = getattr(optim, case["name"])(parameters, **case["options"])
    for step, grads in enumerate(gradients(), start=1):
        give(parameters, grads)
        optimizer.step()
        if str(step) in case["weights"]:
            got = flattened([p.data for p in parameters])
            np.testing.assert_allclose(got, case["weights"][str(step)], rtol=1e-10, atol=1e-13)


def test_every_rule_is_among_the_references():
    rules = {cls.__name__ for cls in vars(optim).values() if isinstance(cls, type) and issubclass(cls, optim.Optimizer)}
    # What asks for the loss itself has its own (test_lbfgs.py).
    assert rules - {"Optimizer", "LBFGS"} == {case["name"] for case in REFERENCES["optimizers"]}


@pytest.mark.parametrize("case", REFERENCES["schedules"], ids=name_of)
def test_schedule_equals_pytorch(case):
    optimizer = two_groups()
    schedule = getattr(optim, case["name"])(optimizer, **case["options"])
    np.testing.assert_allclose(follow(optimizer, schedule, [()] * 20), case["rows"], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("case", REFERENCES["sequences"], ids=["warm-up", "constant", "three"])
def test_sequence_equals_pytorch(case):
    optimizer = two_groups()
    schedules = [getattr(optim, name)(optimizer, **options) for name, options in case["parts"]]
    sequence = optim.SequentialLR(optimizer, schedules, case["milestones"])
    np.testing.assert_allclose(follow(optimizer, sequence, [()] * 20), case["rows"], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("case", REFERENCES["plateaus"], ids=name_of)
def test_plateau_equals_pytorch(case):
    optimizer = two_groups()
    schedule = optim.ReduceLROnPlateau(optimizer, **case["options"])
    arguments = [(m,) for m in REFERENCES["metrics"]]
    np.testing.assert_allclose(follow(optimizer, schedule, arguments), case["rows"], rtol=1e-12, atol=0)


@pytest.mark.parametrize("case", REFERENCES["clips"], ids=name_of)
def test_clipping_equals_pytorch(case):
    parameters = weights()
    give(parameters, gradients()[0])
    norm = optim.clip_grad_norm_(parameters, **case["options"])
    np.testing.assert_allclose(norm, case["norm"], rtol=1e-14)
    np.testing.assert_allclose(flattened([p.grad.data for p in parameters]), case["gradients"], rtol=1e-14)


def test_beta1_is_cycled_like_momentum():
    # PyTorch keeps beta1 in `betas`; the curve is the same as SGD's momentum.
    case = next(c for c in REFERENCES["schedules"] if c["name"] == "OneCycleLR")
    optimizer = optim.Adam([parameter([1.0])])
    schedule = optim.OneCycleLR(optimizer, **case["options"])
    for row in case["rows"]:
        np.testing.assert_allclose(optimizer.param_groups[0]["betas"], (row[1], 0.999), rtol=1e-12)
        if schedule.last_epoch < 20:
            schedule.step()
