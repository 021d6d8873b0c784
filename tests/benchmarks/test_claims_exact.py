"""What the claims compute without chance: each number against one that is known another way.

One idea: these parts need no training, so their outcomes are laws and not figures. Read `test_claims.py` for verdicts.
"""

from __future__ import annotations

import numpy as np
import pytest

import nn
import optim
from benchmarks.claims import e5_penalties, e5_updates, e8_networks, e8_rectifiers, e8_shapes
from benchmarks.claims.experiment import Found
from benchmarks.claims.judge import State, judge


def orders_of(experiment, part, numbers):
    """The comparisons of an experiment that this part alone decides."""
    judged = judge(experiment, Found({0: {part: numbers}}))
    return [order for order in judged.orders if order.state is not State.NOT_MEASURED]


def test_single_weights_follow_their_closed_forms():
    decided = orders_of(e5_penalties.EXPERIMENT, "alone", e5_updates.alone(0))
    assert len(decided) == 5
    assert [order.says for order in decided if order.state is State.FAILS] == []


def test_a_wrong_penalty_does_not_follow_them(monkeypatch):
    monkeypatch.setattr(optim.L2, "add_gradient", lambda self, xp, w, g: g + 2 * self.lam * w)
    monkeypatch.setattr(optim.L1, "add_gradient", lambda self, xp, w, g: g + self.lam * xp.sign(w) / 2)
    decided = orders_of(e5_penalties.EXPERIMENT, "alone", e5_updates.alone(0))
    assert {order.claim for order in decided if order.state is State.FAILS} == {"C12", "C13", "C14"}


def test_the_spread_of_weights_is_what_it_says():
    w = np.array([0.0, 0.0005, -0.0005, 0.3, -0.4])
    shape = e5_penalties.shape_of(w)
    assert shape["norm"] == pytest.approx(0.5, abs=1e-6)
    assert (shape["max"], shape["zeros"], shape["small"]) == (0.4, 20.0, 60.0)
    assert sum(shape["histogram"]) == 5
    assert e5_penalties.shape_of(np.array([-1.0, 1.0]))["kurtosis"] == pytest.approx(1.0)


def test_sums_of_sigmoids_are_those_of_the_lecture():
    numbers = e8_shapes.sigmoids(0)
    judged = judge(e8_rectifiers.EXPERIMENT, Found({0: {"sigmoids": numbers}}))
    states = [figure.state for figure in judged.figures if figure.exact]
    assert states == [State.HOLDS] * 4
    # Far from both ends of the sum it is x itself.
    assert e8_shapes.sum_of_sigmoids(np.array([50.0]), 1.0, 100)[0] == pytest.approx(50.0, abs=1e-12)


def test_maxout_has_relu_and_leaky_relu_as_special_cases(monkeypatch):
    decided = orders_of(e8_rectifiers.EXPERIMENT, "special cases", e8_shapes.special_cases(0))
    assert [order.state for order in decided] == [State.HOLDS] * 2
    monkeypatch.setattr(e8_shapes, "SLOPE", 0.02)
    monkeypatch.setattr(nn.functional, "leaky_relu", lambda z, slope: nn.functional.relu(z))
    decided = orders_of(e8_rectifiers.EXPERIMENT, "special cases", e8_shapes.special_cases(0))
    assert [order.state for order in decided] == [State.HOLDS, State.FAILS]


def test_what_goes_into_a_layer_is_seen():
    model = nn.Sequential({"linear1": nn.Linear(3, 4), "relu1": nn.ReLU(), "linear2": nn.Linear(4, 2)})
    x = np.arange(6, dtype="float32").reshape(2, 3)
    expected = x @ model.get_submodule("linear1").weight.data.T + model.get_submodule("linear1").bias.data
    np.testing.assert_allclose(e8_networks.into(model, "relu1", x), expected, rtol=1e-6)
