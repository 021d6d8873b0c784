"""The rules by themselves: known step counts on a quadratic, the lecture's RMSprop, first steps in closed form."""

from __future__ import annotations

import numpy as np
import pytest

import autograd as ag
import optim
from tests.optim.helpers import give, parameter

RULES = [optim.SGD, optim.Adagrad, optim.Adadelta, optim.RMSprop, optim.Adam, optim.AdamW, optim.NAdam, optim.RAdam]
RULES += [optim.Adamax]


@pytest.mark.parametrize(
    ("rule", "options", "steps"),
    [
        (optim.SGD, {"lr": 0.019}, 343),
        (optim.SGD, {"lr": 0.004, "momentum": 0.9}, 140),
        (optim.SGD, {"lr": 0.004, "momentum": 0.9, "nesterov": True}, 71),
        (optim.Adagrad, {"lr": 0.5}, 16),
        (optim.RMSprop, {"lr": 0.01, "alpha": 0.9, "eps": 1e-7}, 137),
        (optim.Adam, {"lr": 0.05}, 129),
    ],
    ids=["SGD", "momentum", "Nesterov", "Adagrad", "RMSprop", "Adam"],
)
def test_steps_on_a_narrow_valley(rule, options, steps):
    # f = (100 a^2 + b^2) / 2 from (1, 1), until f < 1e-6; an independent implementation needed exactly these counts.
    curvature = np.array([100.0, 1.0])
    p = parameter(np.array([1.0, 1.0]))
    optimizer = rule([p], **options)
    taken = 0
    while 0.5 * np.sum(curvature * p.data**2) >= 1e-6:
        give([p], [curvature * p.data])
        optimizer.step()
        taken += 1
    assert taken == steps


def test_the_lectures_rmsprop_by_hand():
    # sigma_0 = |g_0|, sigma_t = sqrt(alpha sigma_{t-1}^2 + (1 - alpha) g_t^2), w <- w - lr g / sigma.
    p = parameter(np.array([1.0]))
    optimizer = optim.RMSprop([p], lr=0.1, alpha=0.75, eps=0, init="lecture")
    table = [
        (4.0, 0.9),  # sigma 4
        (8.0, 0.9 - 0.8 / 28**0.5),  # sigma^2 = 0.75 * 16 + 0.25 * 64 = 28
        (-2.0, 0.9 - 0.8 / 28**0.5 + 0.2 / 22**0.5),  # sigma^2 = 0.75 * 28 + 0.25 * 4 = 22
    ]
    for g, w in table:
        give([p], [[g]])
        optimizer.step()
        np.testing.assert_allclose(p.data, [w], rtol=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_lectures_first_step_is_exactly_the_sign(dtype):
    g = np.array([3.0, -1e-30, 0.0, 1e20, -7.5], dtype=dtype)
    p = parameter(np.zeros(5, dtype=dtype))
    give([p], [g])
    # Squares over- and underflow in float32; the first step must not depend on them.
    with np.errstate(over="ignore"):
        optim.RMSprop([p], lr=0.25, init="lecture").step()
    np.testing.assert_array_equal(p.data, -0.25 * np.sign(g))


def test_rmsprop_from_zero_starts_longer_by_the_known_factor():
    p = parameter(np.zeros(1))
    give([p], [[5.0]])
    optim.RMSprop([p], lr=0.1, alpha=0.99, eps=0).step()
    np.testing.assert_allclose(p.data, [-0.1 / 0.1], rtol=1e-14)


def test_centered_rmsprop_survives_a_constant_gradient():
    # E[g^2] - E[g]^2 tends to 0 here, and rounding puts it below.
    p = parameter(np.zeros(64, dtype="float32"))
    optimizer = optim.RMSprop([p], lr=1e-3, alpha=0.5, centered=True)
    g = np.linspace(0.1, 3, 64, dtype="float32")
    for _ in range(60):
        give([p], [g])
        optimizer.step()
    assert np.isfinite(p.data).all()


def test_adams_first_step_is_lr_whatever_the_gradient():
    p = parameter(np.zeros(3))
    give([p], [[1e-3, -5.0, 1e6]])
    optim.Adam([p], lr=0.01, eps=0).step()
    np.testing.assert_allclose(p.data, [-0.01, 0.01, -0.01], rtol=1e-14)


def test_adamw_decays_beside_the_gradient():
    one, two = parameter(np.array([2.0])), parameter(np.array([2.0]))
    give([one, two], [[0.5], [0.5]])
    optim.AdamW([one], lr=0.1, weight_decay=0.3).step()
    optim.Adam([two], lr=0.1).step()
    np.testing.assert_allclose(one.data, two.data - 0.1 * 0.3 * 2.0, rtol=1e-14)


def test_rprop_by_hand():
    p = parameter(np.zeros(1))
    optimizer = optim.Rprop([p], lr=0.1)
    for g, w in [(1.0, -0.1), (2.0, -0.22), (-1.0, -0.22), (-1.0, -0.16), (-1.0, -0.088)]:
        give([p], [[g]])  # steps of 0.1 and 0.12, a turn that halves it and waits, then 0.06 and 0.072
        optimizer.step()
        np.testing.assert_allclose(p.data, [w], rtol=1e-12)


@pytest.mark.parametrize("rule", RULES)
def test_maximize_climbs_as_far_as_minimize_falls(rule):
    down, up = parameter(np.zeros(3)), parameter(np.zeros(3))
    falls, climbs = rule([down]), rule([up], maximize=True)
    for g in ([1.0, -2.0, 3.0], [0.5, 0.1, -1.0]):
        give([down, up], [g, g])
        falls.step()
        climbs.step()
    np.testing.assert_array_equal(up.data, -down.data)
    assert np.abs(up.data).min() > 0


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("rule", RULES)
def test_the_dtype_of_the_parameters_is_kept(rule, dtype):
    p = parameter(np.ones((2, 3), dtype=dtype))
    optimizer = rule([p], weight_decay=0.1)
    for _ in range(2):
        give([p], [np.ones((2, 3))])
        optimizer.step()
    assert p.dtype == dtype
    state = optimizer.state_dict()["state"].get(0, {})
    kept = np.dtype("float32" if dtype == "float16" else dtype)
    assert {value.dtype for name, value in state.items() if name != "step"} <= {kept}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("rule", RULES)
def test_weights_of_16_bits_are_rounded_once_a_step(rule, compiled, dtype):
    """In float16 eps is 0 and so is the square of 1e-4: Adam would divide 0 by 0, and 1e-5 by next to nothing."""
    kind = np.dtype(getattr(pytest.importorskip("ml_dtypes"), dtype) if dtype == "bfloat16" else dtype)
    narrow = parameter(np.linspace(-1, 1, 8).astype(kind))
    wide = parameter(narrow.data.astype("float32"))
    options = {"lr": 0.01, "weight_decay": 0.1, "penalties": [optim.L1(0.01, mode="proximal"), optim.L2(0.1)]}
    optimizers = [rule([p], **options) for p in (narrow, wide)]
    steps = [ag.compile(optimizer.step) if compiled else optimizer.step for optimizer in optimizers]
    for g in (np.zeros(8), np.full(8, 1e-5), np.linspace(-0.5, 2, 8)):
        g = g.astype(kind)
        give([narrow, wide], [g, g.astype("float32")])
        for step in steps:
            step()
        assert narrow.dtype == kind
        np.testing.assert_array_equal(narrow.data.astype("float32"), wide.data.astype(kind).astype("float32"))
        with ag.no_grad():
            wide[...] = narrow.data.astype("float32")  # the state of both goes on


def test_the_state_of_weights_of_16_bits_is_saved_as_it_is():
    def trained(p, optimizer, gradients):
        for g in gradients:
            give([p], [g])
            optimizer.step()

    gradients = [np.random.default_rng(i).normal(size=8).astype("float16") / 1000 for i in range(6)]
    one, two = parameter(np.ones(8, "float16")), parameter(np.ones(8, "float16"))
    optimizer, other = optim.Adam([one], lr=0.01), optim.Adam([two], lr=0.01)
    trained(one, optimizer, gradients[:3])
    two.data[...] = one.data
    other.load_state_dict(optimizer.state_dict())
    trained(one, optimizer, gradients[3:])
    trained(two, other, gradients[3:])
    np.testing.assert_array_equal(one.data, two.data)
    saved = [each.state_dict()["state"][0]["exp_avg_sq"] for each in (optimizer, other)]
    np.testing.assert_array_equal(*saved)


@pytest.mark.parametrize(
    ("rule", "options", "message"),
    [
        (optim.SGD, {"lr": -0.1}, "SGD: lr must be at least 0, got -0.1"),
        (optim.SGD, {"lr": float("nan")}, "lr must be at least 0, got nan"),
        (optim.SGD, {"momentum": -1}, "momentum must be at least 0"),
        (optim.SGD, {"nesterov": True}, "SGD: nesterov needs a momentum above 0, got 0"),
        (optim.SGD, {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "no dampening, got dampening 0.1"),
        (optim.Adagrad, {"initial_accumulator_value": -1}, "initial_accumulator_value must be at least 0"),
        (optim.Adagrad, {"lr_decay": -1}, "lr_decay must be at least 0"),
        (optim.Adadelta, {"rho": 1.5}, "rho must lie between 0 and 1, got 1.5"),
        (optim.RMSprop, {"alpha": -0.5}, "alpha must lie between 0 and 1"),
        (optim.RMSprop, {"init": "one"}, 'init must be "zero" or "lecture"'),
        (optim.RMSprop, {"init": "lecture", "centered": True}, "leave centered off"),
        (optim.Adam, {"betas": (0.9, 1.0)}, "betas must be at least 0 and below 1"),
        (optim.Adam, {"betas": (-0.1, 0.9)}, "betas must be at least 0 and below 1"),
        (optim.Adam, {"betas": (0.9,)}, "betas must be two numbers"),
        (optim.AdamW, {"weight_decay": -1}, "AdamW: weight_decay must be at least 0"),
        (optim.AdamW, {"eps": -1}, "eps must be at least 0"),
        (optim.NAdam, {"momentum_decay": -1}, "NAdam: momentum_decay must be at least 0"),
        (optim.Adamax, {"betas": (0.9, 1.0)}, "Adamax: betas must be at least 0 and below 1"),
        (optim.Rprop, {"etas": (1.2, 0.5)}, "Rprop: etas must be one number between 0 and 1 and one above 1"),
        (optim.Rprop, {"etas": 0.5}, "Rprop: etas must be two numbers, got 0.5"),
        (optim.Rprop, {"step_sizes": (0, 1)}, "Rprop: step_sizes must be above 0, got 0"),
        (optim.Rprop, {"step_sizes": (2, 1)}, "Rprop: step_sizes must be at least 2, got 1"),
        (optim.RAdam, {"betas": (0.9, 1.0)}, "RAdam: betas must be at least 0 and below 1"),
    ],
)
def test_options_out_of_range(rule, options, message):
    with pytest.raises(ValueError, match=message):
        rule([parameter([1.0])], **options)
