"""Penalties: the lecture's closed forms, exact zeros, norms within their limit, and whom they spare."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import optim
from autograd import compile
from autograd.tensor import Tensor
from tests.optim.helpers import give, parameter

ETA, LAM = 0.1, 0.01
START = np.array([3.0, -2.0, 1.0, 0.5, -0.01, 0.0])
matrices = hnp.arrays("float64", st.tuples(st.integers(1, 4), st.integers(1, 5)), elements=st.floats(-10, 10))


def decay(penalty, steps, gradient=0.0, start=START):
    """Weights after some SGD steps along a constant gradient."""
    p = parameter(start)
    optimizer = optim.SGD([p], lr=ETA, penalties=[penalty])
    for _ in range(steps):
        give([p], [np.full(start.shape, gradient)])
        optimizer.step()
    return p.data


# ---- L2 and L1 without data: g = 0 ----------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 2, 50])
def test_l2_takes_the_same_share_each_step(steps):
    np.testing.assert_allclose(decay(optim.L2(LAM), steps), (1 - ETA * LAM) ** steps * START, rtol=1e-12)


@pytest.mark.parametrize("steps", [1, 2, 50])
def test_l1_takes_the_same_amount_each_step(steps):
    left = np.maximum(np.abs(START) - steps * ETA * LAM, 0)
    np.testing.assert_allclose(decay(optim.L1(LAM, mode="proximal"), steps), np.sign(START) * left, atol=1e-12)
    chatter = np.abs(np.abs(decay(optim.L1(LAM), steps)) - left)
    assert chatter.max() <= ETA * LAM + 1e-12


def test_after_one_step_l2_takes_more_from_weights_above_one():
    by_l2, by_l1 = np.abs(START - decay(optim.L2(LAM), 1)), np.abs(START - decay(optim.L1(LAM), 1))
    np.testing.assert_array_equal(by_l2[:2] > by_l1[:2], True)
    np.testing.assert_array_equal(by_l2[3:5] < by_l1[3:5], True)


@pytest.mark.parametrize("gradient", [0.0, 0.3])
def test_updates_are_the_lectures(gradient):
    # w <- (1 - eta lam) w - eta g, and w <- w - eta g - eta lam sgn(w).
    wanted = (1 - ETA * LAM) * START - ETA * gradient
    np.testing.assert_allclose(decay(optim.L2(LAM), 1, gradient), wanted, rtol=1e-14)
    wanted = START - ETA * gradient - ETA * LAM * np.sign(START)
    np.testing.assert_allclose(decay(optim.L1(LAM), 1, gradient), wanted, rtol=1e-14)


def test_l2_is_weight_decay_under_sgd_and_not_under_adam():
    random = np.random.default_rng(0)
    gradients = 0.01 * random.normal(size=(100, 6))
    ends = {}
    for name, rule, options in [
        ("penalty", optim.SGD, {"penalties": [optim.L2(LAM)]}),
        ("decay", optim.SGD, {"weight_decay": LAM}),
        ("adam", optim.Adam, {"penalties": [optim.L2(LAM)]}),
        ("adamw", optim.AdamW, {"weight_decay": LAM}),
    ]:
        p = parameter(START)
        optimizer = rule([p], lr=ETA, **options)
        for g in gradients:
            give([p], [g])
            optimizer.step()
        ends[name] = p.data
    multiplied = START.copy()
    for g in gradients:
        multiplied = (1 - ETA * LAM) * multiplied - ETA * g
    np.testing.assert_allclose(ends["penalty"], multiplied, rtol=0, atol=1e-12)
    np.testing.assert_allclose(ends["penalty"], ends["decay"], rtol=0, atol=1e-12)
    assert np.linalg.norm(ends["adam"] - ends["adamw"]) > 0.05 * np.linalg.norm(ends["adamw"])


def test_only_proximal_l1_gives_exact_zeros():
    # After 600 steps all that was within 600 eta lam = 0.6 has gone.
    start = np.array([0.7123, -0.6123, 0.5123, -0.0123, 0.0003])
    zeros = decay(optim.L1(LAM, mode="proximal"), 600, start=start) == 0
    np.testing.assert_array_equal(zeros, [False, False, True, True, True])
    assert np.count_nonzero(decay(optim.L1(LAM), 600, start=start)) == 5


@given(matrices, st.floats(0, 5))
def test_proximal_l1_is_the_soft_threshold(w, amount):
    # The minimum of (x - w)^2 / 2 + amount |x|, by its formula.
    p = parameter(w)
    give([p], [np.zeros_like(w)])
    optim.SGD([p], lr=1.0, penalties=[optim.L1(amount, mode="proximal")]).step()
    np.testing.assert_allclose(p.data, np.sign(w) * np.maximum(np.abs(w) - amount, 0), atol=1e-15)
    assert (p.data[np.abs(w) <= amount] == 0).all()


# ---- MaxNorm --------------------------------------------------------------------------------------------------------


@given(matrices, st.floats(0.1, 20))
def test_max_norm_scales_back_only_the_units_beyond_it(w, c):
    p = parameter(w)
    give([p], [np.zeros_like(w)])
    optim.SGD([p], lr=1.0, penalties=[optim.MaxNorm(c)]).step()
    norms = np.linalg.norm(w, axis=1)
    for before, after, norm in zip(w, p.data, norms, strict=True):
        if norm <= c * (1 - 1e-12):
            np.testing.assert_array_equal(after, before)
        elif norm > c * (1 + 1e-12):
            np.testing.assert_allclose(after, before * c / norm, rtol=1e-12)
    assert (np.linalg.norm(p.data, axis=1) <= c * (1 + 1e-12)).all()


def test_max_norm_acts_after_the_step():
    p = parameter(np.array([[3.0, 0.0], [0.1, 0.1]]))
    give([p], [np.array([[0.0, -4.0], [0.0, 0.0]])])
    optim.SGD([p], lr=1.0, penalties=[optim.MaxNorm(1.0)]).step()
    np.testing.assert_allclose(p.data, [[0.6, 0.8], [0.1, 0.1]], rtol=1e-14)


@pytest.mark.parametrize(
    ("axis", "norm_axis"), [(None, (1, 2, 3)), (0, 0), ((0, 2), (0, 2)), (-1, -1)], ids=["None", "0", "(0, 2)", "-1"]
)
def test_max_norm_over_chosen_axes(axis, norm_axis):
    p = parameter(np.random.default_rng(0).normal(size=(4, 3, 2, 5)))
    before = np.sqrt(np.sum(p.data**2, axis=norm_axis))
    give([p], [np.zeros(p.shape)])
    optim.SGD([p], penalties=[optim.MaxNorm(1.5, axis=axis)]).step()
    after = np.sqrt(np.sum(p.data**2, axis=norm_axis))
    np.testing.assert_allclose(after, np.minimum(before, 1.5), rtol=1e-14)
    assert (before > 1.5).any()


# ---- whom penalties concern -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", [optim.L2(LAM), optim.L1(LAM), optim.L1(LAM, mode="proximal"), optim.MaxNorm(0.1)])
def test_biases_slopes_and_norms_are_spared(penalty):
    start = np.ones((2, 2))
    roles = [None, "weight", "bias", "slope", "norm"]
    parameters = [parameter(start, role) for role in roles]
    give(parameters, [np.zeros((2, 2))] * 5)
    optim.SGD(parameters, lr=ETA, penalties=[penalty]).step()
    assert [bool((p.data != start).all()) for p in parameters] == [True, True, False, False, False]


def test_roles_can_be_chosen():
    weight, bias = parameter(np.ones(2), "weight"), parameter(np.ones(2), "bias")
    give([weight, bias], [np.zeros(2)] * 2)
    optim.SGD([weight, bias], lr=1.0, penalties=[optim.L2(0.5, roles=("bias",))]).step()
    np.testing.assert_array_equal(weight.data, np.ones(2))
    np.testing.assert_array_equal(bias.data, np.full(2, 0.5))


def test_vectors_have_no_max_norm():
    p = parameter(np.ones(3) * 100)
    give([p], [np.zeros(3)])
    optim.SGD([p], penalties=[optim.MaxNorm(1.0)]).step()
    np.testing.assert_array_equal(p.data, np.ones(3) * 100)


def test_groups_have_their_own_penalties():
    one, two = parameter(np.ones(1)), parameter(np.ones(1))
    give([one, two], [np.zeros(1)] * 2)
    optimizer = optim.SGD([{"params": [one], "penalties": [optim.L2(0.5)]}, {"params": [two]}], lr=1.0)
    optimizer.step()
    assert (one.data[0], two.data[0]) == (0.5, 1.0)
    optimizer.param_groups[1]["penalties"] = (optim.L2(0.25),)  # may be exchanged between steps
    optimizer.step()
    assert (one.data[0], two.data[0]) == (0.25, 0.75)


def test_parameters_without_a_gradient_are_not_penalised():
    p = parameter(np.ones((2, 2)) * 10)
    optim.SGD([p], penalties=[optim.L2(LAM), optim.L1(LAM, mode="proximal"), optim.MaxNorm(1.0)]).step()
    np.testing.assert_array_equal(p.data, np.ones((2, 2)) * 10)


def test_penalties_shrink_also_when_climbing():
    p = parameter(np.ones(1))
    give([p], [np.zeros(1)])
    optim.SGD([p], lr=1.0, maximize=True, penalties=[optim.L2(0.5)]).step()
    assert p.data[0] == 0.5


def test_loss_is_what_the_gradient_belongs_to():
    weight, bias = parameter(np.array([3.0, -4.0]), "weight"), parameter(np.array([100.0]), "bias")
    for penalty, value in [(optim.L2(0.5), 6.25), (optim.L1(0.5), 3.5), (optim.MaxNorm(1.0), 0.0)]:
        assert penalty.loss([weight, bias]) == value
        assert penalty.loss([bias]) == 0
    # The slope of the loss is what `add_gradient` adds.
    for penalty in (optim.L2(0.5), optim.L1(0.5)):
        slopes = []
        for i in range(2):
            step = np.eye(2)[i] * 1e-6
            up, down = (penalty.loss([parameter(weight.data + s)]) for s in (step, -step))
            slopes.append((up - down) / 2e-6)
        np.testing.assert_allclose(penalty.add_gradient(np, weight.data, np.zeros(2)), slopes, rtol=1e-8)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: optim.L2(-1), ValueError, "L2: lam must be at least 0, got -1"),
        (lambda: optim.L2("0.1"), TypeError, "L2: lam must be a number, got '0.1', a str"),
        (lambda: optim.MaxNorm(None), TypeError, "MaxNorm: c must be a number, got None"),
        (lambda: optim.L1(float("nan")), ValueError, "L1: lam must be at least 0, got nan"),
        (lambda: optim.L1(1, mode="prox"), ValueError, 'mode must be "subgradient" or "proximal"'),
        (lambda: optim.MaxNorm(0), ValueError, "MaxNorm: c must be above 0, got 0"),
        (lambda: optim.L2(1, roles="weight"), TypeError, r"write \('weight',\)"),
    ],
)
def test_mistakes(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("axis", [5, (0, -2)])
def test_an_axis_that_is_not_there_is_refused_before_anything_moves(axis):
    p = parameter(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"MaxNorm, for a parameter of shape \(2, 3\): axis"):
        optim.SGD([p], lr=1.0, penalties=[optim.MaxNorm(1.0, axis=axis)])
    optimizer = optim.SGD([p], lr=1.0)
    optimizer.param_groups[0]["penalties"] = [optim.MaxNorm(1.0, axis=axis)]
    give([p], [np.ones((2, 3))])
    with pytest.raises(ValueError, match=r"MaxNorm, for a parameter of shape \(2, 3\): axis"):
        optimizer.step()
    assert (p.data == 1).all()


def test_numbers_of_numpy_are_pythons():
    assert [type(optim.L2(lam).lam) for lam in (np.float64(0.5), np.float32(0.5), np.array(0.5))] == [float] * 3


@pytest.mark.parametrize("compiled", [False, True])
def test_penalties_and_their_roles_may_change_between_steps(compiled):
    w = parameter(np.ones(2), "weight")
    optimizer = optim.SGD([w], lr=0.5)

    def step(x):
        optimizer.zero_grad()
        (w * x).sum().backward()
        optimizer.step()

    def after():
        chosen(Tensor(np.zeros(2)))
        return w.data[0]

    chosen = compile(step) if compiled else step
    group = optimizer.param_groups[0]
    group["penalties"] = []
    assert after() == 1.0
    group["penalties"].append(optim.L2(1.0))
    assert after() == 0.5
    group["penalties"][0].roles = ("bias",)
    assert after() == 0.5
    group["penalties"][0].roles = ("bias", "weight")
    assert after() == 0.25
    group["penalties"].clear()
    assert after() == 0.25
