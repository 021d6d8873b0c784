"""LBFGS equals PyTorch's over 20 steps, ends where the strong Wolfe conditions hold, and says what it cannot do."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest

import autograd
import optim
from autograd import Tensor, compile
from autograd.errors import TraceError
from autograd.tensor import wrap
from optim.line_search import FALL, FLATTER, Point, strong_wolfe
from tests.optim.helpers import REFERENCES, flattened, give, name_of, parameter, weights

BOTH = pytest.mark.parametrize("search", [None, "strong_wolfe"])


def valley(parameters):
    """Rosenbrock's function of all elements in a row; references/make.py has the same."""
    x = autograd.concat([p.reshape(-1) for p in parameters])
    return (10 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def closure_of(optimizer, loss_of=valley):
    def closure():
        optimizer.zero_grad()
        loss = loss_of(optimizer.param_groups[0]["params"])
        loss.backward()
        return loss

    return closure


def bits(parameters):
    return [p.data.tobytes() for p in parameters]


@pytest.mark.parametrize("case", REFERENCES["searches"], ids=name_of)
def test_it_equals_pytorchs(case):
    parameters = weights()
    optimizer = optim.LBFGS(parameters, **case["options"])
    for step, loss in enumerate(case["losses"], start=1):
        # A loss within 1e-8 of its minimum is what is left of 19 squares; 1e-12 of it is below what a double holds.
        np.testing.assert_allclose(optimizer.step(closure_of(optimizer)).item(), loss, rtol=1e-10, atol=1e-18)
        if str(step) in case["weights"]:
            got = flattened([p.data for p in parameters])
            np.testing.assert_allclose(got, case["weights"][str(step)], rtol=1e-10, atol=1e-12)
    assert optimizer.state_dict()["state"][0]["func_evals"] == case["evaluations"]


# ---- the line search ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [1e-3, 0.1, 1.0, 10.0, 100.0])
@pytest.mark.parametrize(
    ("f", "slope"),
    [
        (lambda t: (t - 2) ** 2, lambda t: 2 * (t - 2)),
        (lambda t: -t / (t * t + 2), lambda t: (t * t - 2) / (t * t + 2) ** 2),  # Moré and Thuente 1994, equation 5.1
        (lambda t: (t + 0.004) ** 5 - 2 * (t + 0.004) ** 4, lambda t: 5 * (t + 0.004) ** 4 - 8 * (t + 0.004) ** 3),
        (lambda t: math.cos(3 * t) - t / 2, lambda t: -3 * math.sin(3 * t) - 0.5),
        (lambda t: math.exp(min(t, 600)) - 3 * t, lambda t: math.exp(min(t, 600)) - 3),
    ],
)
def test_it_ends_where_the_strong_wolfe_conditions_hold(f, slope, first):
    tried = []

    def at(t):
        tried.append(t)
        return Point(t, f(t), slope(t), None)

    start = Point(0.0, f(0.0), slope(0.0), None)
    found = strong_wolfe(at, start, first, 1.0, 60)
    assert found.t in tried
    assert found.loss <= start.loss + FALL * found.t * start.slope
    assert abs(found.slope) <= -FLATTER * start.slope


def test_it_keeps_away_from_the_ends_of_a_bracket():
    def at(t):  # so steep behind its minimum that the cubic is lowest just where the bracket begins
        return Point(t, -t if t < 0.3 else 1e9 * (t - 0.3) - 0.3, -1.0 if t < 0.3 else 1e9, None)

    assert 0.29 < strong_wolfe(at, Point(0.0, 0.0, -1.0, None), 1.0, 1.0, 25).t < 0.3


def test_a_bracket_too_narrow_to_matter_is_left_as_it_is():
    tried = []

    def at(t):
        tried.append(t)
        return Point(t, 1.0, 1.0, None)  # never lower than at the start

    start = Point(0.0, 0.0, -1.0, None)
    assert strong_wolfe(at, start, 1.0, 1e-6, 40) is start
    assert 2 < len(tried) < 20


def test_where_the_loss_is_infinite_is_too_far():
    p = parameter(np.array([1.0]))
    optimizer = optim.LBFGS([p], lr=1e6, line_search_fn="strong_wolfe")

    def loss_of(parameters):
        with np.errstate(invalid="ignore", divide="ignore"):
            return -parameters[0].log().sum() + parameters[0].sum() * 1.5  # NaN below 0

    for _ in range(3):
        optimizer.step(closure_of(optimizer, loss_of))
    np.testing.assert_allclose(p.data, [1 / 1.5], rtol=1e-6)


def test_a_fall_below_the_precision_of_losses_is_not_waited_for():
    tried = []

    def at(t):  # a slope of 1e-6 that ends there: in float32 the loss is the same
        tried.append(t)
        return Point(t, 1.0, 0.0, None)

    start = Point(0.0, 1.0, -1e-6, None)
    assert strong_wolfe(at, start, 1.0, 1.0, 40, np.float32).t == 1
    assert tried == [1]
    assert strong_wolfe(at, start, 1.0, 1.0, 40) is start
    assert len(tried) > 5


# ---- what is shared with the other optimizers -----------------------------------------------------------------------


@BOTH
def test_it_goes_on_from_its_state_with_the_same_bits(search):
    def new():
        parameters = weights()
        return parameters, optim.LBFGS(parameters, max_iter=3, lr=0.3, line_search_fn=search, history_size=4)

    one, first = new()
    for _ in range(3):
        first.step(closure_of(first))
    other, second = new()
    second.load_state_dict(first.state_dict())
    for p, q in zip(other, one, strict=True):
        p.data = q.data.copy()
    third = copy.deepcopy(first)
    for optimizer in (first, second, third):
        for _ in range(3):
            optimizer.step(closure_of(optimizer))
    assert bits(one) == bits(other) == bits(third.param_groups[0]["params"])
    assert repr(first.state_dict()) == repr(second.state_dict()) == repr(third.state_dict())


def test_a_saved_state_does_not_go_on():
    optimizer = optim.LBFGS(weights(), max_iter=3)
    assert optimizer.state_dict()["state"] == {}
    optimizer.step(closure_of(optimizer))
    saved, kept = optimizer.state_dict(), repr(optimizer.state_dict())
    optimizer.step(closure_of(optimizer))
    assert repr(saved) == kept


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s["state"].update({0: {"step": 1}}), r"has \"n_iter\" and \"func_evals\", this one has \['step'\]"),
        (lambda s: s["state"][0].update(d=np.ones(3)), r"has a vector of shape \(3,\), and the parameters have 19"),
        (lambda s: s["param_groups"][0].pop("max_iter"), "it was saved by another kind of optimizer"),
        (lambda s: s["param_groups"][0].update(max_iter=0), "max_iter must be a whole number of at least 1, got 0"),
        (lambda s: s.pop("state"), 'has "state" and "param_groups"'),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change, message):
    optimizer = optim.LBFGS(weights(), max_iter=3)
    optimizer.step(closure_of(optimizer))
    before, other = repr(optimizer.state_dict()), optimizer.state_dict()
    other["state"][0]["n_iter"] = 77
    change(other)
    with pytest.raises(ValueError, match=message):
        optimizer.load_state_dict(other)
    assert repr(optimizer.state_dict()) == before


@BOTH
def test_nothing_is_learned_from_a_move_that_was_not_made(search):
    p, goal = parameter(np.zeros(2)), [1.0]
    optimizer = optim.LBFGS([p], tolerance_change=1e3, line_search_fn=search)
    for goal[0] in (1.0, 2.0, 3.0):  # as another batch has
        optimizer.step(closure_of(optimizer, lambda ps: ((ps[0] - goal[0]) ** 2).sum()))
    assert optimizer.state_dict()["state"][0]["old_dirs"] == []
    np.testing.assert_array_equal(p.data, 0)


@BOTH
def test_parameters_without_a_gradient_stay(search):
    one, frozen, unused = parameter(np.ones(2)), Tensor(np.full(3, 2.0)), parameter(np.full((), 5.0))
    optimizer = optim.LBFGS([one, frozen, unused], line_search_fn=search)
    optimizer.step(closure_of(optimizer, lambda ps: ((ps[0] * ps[1][0] - 3) ** 2).sum()))
    np.testing.assert_allclose(one.data, [1.5, 1.5], rtol=1e-6)
    np.testing.assert_array_equal(frozen.data, np.full(3, 2.0))
    assert unused.data == 5


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@BOTH
def test_the_dtype_of_the_parameters_is_kept(search, dtype):
    parameters = [parameter(np.ones((2, 3), dtype)), parameter(np.ones(4, dtype))]
    optimizer = optim.LBFGS(parameters, line_search_fn=search)
    optimizer.step(closure_of(optimizer, lambda ps: sum(((p - 3) ** 2).sum() for p in ps)))
    for p in parameters:
        assert p.dtype == dtype
        np.testing.assert_allclose(p.data, np.full(p.shape, 3.0), rtol=2e-3 if dtype == "float16" else 1e-5)


def test_arrays_that_others_hold_see_every_step():
    p = parameter(np.ones((2, 2)))
    held = p.data
    optimizer = optim.LBFGS([p])
    optimizer.step(closure_of(optimizer, lambda ps: ((ps[0] - 3) ** 2).sum()))
    assert p.data is held
    np.testing.assert_allclose(held, 3.0)


def test_a_graph_from_before_a_step_is_stale():
    p = parameter(np.ones(2))
    optimizer = optim.LBFGS([p])
    loss = (p * p).sum()
    optimizer.step(closure_of(optimizer, lambda ps: ((ps[0] - 3) ** 2).sum()))
    with pytest.raises(autograd.errors.WrittenError):
        loss.backward()


def test_schedules_change_its_rate():
    p = parameter(np.array([4.0]))
    optimizer = optim.LBFGS([p], lr=1.0, max_iter=1)
    schedule = optim.StepLR(optimizer, 1, gamma=0.25)
    optimizer.step(closure_of(optimizer, lambda ps: (ps[0] ** 2).sum() / 2))
    assert p.data == 3  # 1 / |g| of g in the very first move
    schedule.step()
    optimizer.step(closure_of(optimizer, lambda ps: (ps[0] ** 2).sum() / 2))
    np.testing.assert_allclose(p.data, [3 - 0.25 * 3])  # the curvature is 1


@BOTH
def test_a_rate_of_zero_moves_nothing(search):
    parameters = weights()
    optimizer = optim.LBFGS(parameters, lr=0.0, line_search_fn=search)
    before = bits(parameters)
    optimizer.step(closure_of(optimizer))
    assert bits(parameters) == before


@BOTH
def test_a_closure_may_be_compiled(search):
    both = weights(), weights()
    for parameters, compiled in zip(both, (False, True), strict=True):
        optimizer = optim.LBFGS(parameters, line_search_fn=search, max_iter=5)
        closure = closure_of(optimizer)
        calls = compile(closure) if compiled else closure
        for _ in range(4):
            optimizer.step(calls)
    np.testing.assert_allclose(*(flattened([p.data for p in ps]) for ps in both), rtol=1e-9, atol=1e-12)
    assert len(calls.programs) == 1


def test_the_closure_is_recorded_also_under_no_grad():
    p = parameter(np.ones(2))
    optimizer = optim.LBFGS([p])
    with autograd.no_grad():
        loss = optimizer.step(closure_of(optimizer, lambda ps: ((ps[0] - 3) ** 2).sum()))
    assert loss.item() == 8
    np.testing.assert_allclose(p.data, 3.0)


# ---- mistakes -------------------------------------------------------------------------------------------------------


def test_one_group_with_one_loss_alone():
    with pytest.raises(ValueError, match="LBFGS moves all parameters as one vector: give it one group, a list of them"):
        optim.LBFGS([{"params": [parameter([1.0])]}, {"params": [parameter([1.0])], "lr": 0.1}])
    optimizer = optim.LBFGS([parameter([1.0])])
    with pytest.raises(ValueError, match="give it one group"):
        optimizer.add_param_group({"params": [parameter([1.0])]})
    for option in ({"penalties": [optim.L2(0.1)]}, {"maximize": True}):
        with pytest.raises(ValueError, match="LBFGS: the line search knows the closure's loss alone: add penalties to"):
            optimizer.param_groups[0].update(option)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": -1}, "LBFGS: lr must be at least 0, got -1"),
        ({"max_iter": 0}, "LBFGS: max_iter must be a whole number of at least 1, got 0"),
        ({"max_iter": 2.5}, "max_iter must be a whole number of at least 1, got 2.5"),
        ({"max_eval": 0}, "max_eval must be a whole number of at least 1, got 0"),
        ({"history_size": 0}, "history_size must be a whole number of at least 1, got 0"),
        ({"tolerance_grad": -1}, "tolerance_grad must be at least 0"),
        ({"tolerance_change": float("nan")}, "tolerance_change must be at least 0, got nan"),
        ({"line_search_fn": "armijo"}, "line_search_fn must be None or \"strong_wolfe\", got 'armijo'"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        optim.LBFGS([parameter([1.0])], **options)


P = parameter(np.ones(3))


@pytest.mark.parametrize(
    ("closure", "error", "message"),
    [
        (None, TypeError, r"LBFGS asks for the loss several times: write step\(closure\), a function that calls opti"),
        (Tensor(1.0), TypeError, r"LBFGS asks for the loss several times"),
        (lambda: 1.0, ValueError, "LBFGS: the closure left no gradient in any parameter: it must be a function that"),
        (lambda: give([P], [np.ones(3)]), TypeError, "the closure must return the loss, one number, got None"),
        (lambda: give([P], [np.ones(3)]) or P, TypeError, "the closure must return the loss, one number, got Tensor"),
        (lambda: give([P], [np.ones(2)]) or 1.0, ValueError, r"shape \(3,\) has a gradient of shape \(2,\)"),
        (lambda: give([P], [np.full(3, np.inf)]) or 1.0, ValueError, "the loss is 1.0, or its gradient is not finite"),
        (lambda: give([P], [np.ones(3)]) or np.float64("nan"), ValueError, "LBFGS: the loss is nan, or its gradient"),
    ],
)
def test_mistakes_in_the_closure(closure, error, message):
    P.grad = None
    optimizer = optim.LBFGS([P])
    with pytest.raises(error, match=message):
        optimizer.step(closure)
    np.testing.assert_array_equal(P.data, np.ones(3))


def test_a_gradient_that_is_no_tensor_is_refused():
    def closure():
        P.grad = np.ones(3)
        return 1.0

    with pytest.raises(TypeError, match=r"parameter\.grad must be a Tensor or None, got a ndarray"):
        optim.LBFGS([P]).step(closure)


def test_a_step_that_fails_moves_nothing():
    parameters = weights()
    optimizer = optim.LBFGS(parameters, max_iter=6)
    optimizer.step(closure_of(optimizer))
    before, state, calls = bits(parameters), repr(optimizer.state_dict()), []

    def closure():
        calls.append(0)
        loss = closure_of(optimizer)()
        return loss * float("nan") if len(calls) == 4 else loss

    with pytest.raises(ValueError, match="the loss is nan, or its gradient is not finite, after move 9: take a"):
        optimizer.step(closure)
    assert len(calls) == 4
    assert (bits(parameters), repr(optimizer.state_dict())) == (before, state)


def test_a_step_is_refused_in_a_compiled_function():
    p = parameter(np.ones(2))
    optimizer = optim.LBFGS([p])

    def step():
        return optimizer.step(closure_of(optimizer, lambda ps: (ps[0] ** 2).sum()))

    with pytest.raises(TraceError, match="compile the closure, and call optimizer"):
        compile(step)()
    np.testing.assert_array_equal(p.data, np.ones(2))


def test_parameters_on_two_devices_are_refused(monkeypatch):
    one, two = parameter(np.ones(2)), parameter(np.ones(2))
    optimizer = optim.LBFGS([one, two])
    monkeypatch.setattr(type(two), "device", property(lambda p: "cuda:0" if p is two else "cpu"))
    with pytest.raises(ValueError, match=r"LBFGS: the parameters lie on cpu and cuda:0: bring all of them to one"):
        optimizer.step(lambda: wrap(np.ones(())))
