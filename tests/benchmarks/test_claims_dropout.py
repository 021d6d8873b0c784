"""What E6 and E7 compute without training, or on networks of a few units, against what is known another way.

One idea: a measure that is wrong is believed as readily as a right one, so each is checked where its value is known.
Read `test_claims.py` for verdicts.
"""

from __future__ import annotations

import numpy as np
import pytest

import nn
from autograd.random import Generator
from benchmarks.claims import e6_networks, e7_ensemble, e7_exact, e7_monte_carlo, e7_variance
from benchmarks.claims.experiment import Found, measured
from benchmarks.claims.judge import State, judge
from benchmarks.claims.setting import noisy_labels


def orders_of(part, numbers):
    """The comparisons of E7 that this part alone decides."""
    orders = judge(e7_ensemble.EXPERIMENT, Found({0: {part: numbers}})).orders
    return [order for order in orders if order.state is not State.NOT_MEASURED]


def small(p):
    """A network 6-5-4-3 with ReLU and dropout, for rows of six numbers."""
    weights = Generator(1)
    first, second, last = (nn.Linear(*sizes, generator=weights) for sizes in ((6, 5), (5, 4), (4, 3)))
    return nn.Sequential(first, nn.ReLU(), nn.Dropout(p), second, nn.ReLU(), nn.Dropout(p), last)


def x_of(rows):
    return np.random.default_rng(0).normal(size=(rows, 6)).astype("float32")


def test_all_masks_decide_what_is_exact_and_what_is_not():
    decided = orders_of(e7_exact.PART, e7_exact.all_masks(3))
    assert len(decided) == 6
    assert [order.says for order in decided if order.state is State.FAILS] == []


def test_a_wrong_factor_is_found(monkeypatch):
    scaled = e7_exact.scaled_predict
    monkeypatch.setattr(e7_exact, "scaled_predict", lambda *a, **o: (1 + 1e-9) * scaled(*a, **o))
    decided = orders_of(e7_exact.PART, e7_exact.all_masks(3))
    assert [order.claim for order in decided if order.state is State.FAILS] == ["C16", "C18", "C18", "C18"]


def test_polynomials_trade_bias_for_variance():
    decided = orders_of(e7_variance.POLYNOMIALS, e7_variance.polynomials(5))
    assert [order.state for order in decided] == [State.HOLDS, State.HOLDS]


def test_an_ensemble_is_told_by_hand():
    # Two members that are sure of different classes: their average is never sure, and half right on each row.
    sure = np.eye(10)
    y = np.array([0, 1])
    told = e7_variance.told_by([sure[[0, 1]], sure[[0, 2]]], y)
    assert told["by_count"] == [0.0, 0.0]
    assert (told["member"], told["worst"], told["together"]) == (25.0, 50.0, 0.0)
    assert told["brier_members"] == (0 + 0 + 0 + 2) / 4
    assert told["brier_together"] == (0 + 0.5) / 2
    assert told["variance"] == 2 * (0 + 0.5) / 4
    assert told["remainder"] == 0


def test_the_identity_of_the_brier_score_holds_for_any_members():
    members = np.random.default_rng(0).dirichlet(np.ones(10), size=(4, 50))
    told = e7_variance.told_by(list(members), np.arange(50) % 10)
    assert told["remainder"] < 1e-15
    assert told["variance"] > 0.01


def test_distances_of_probabilities_by_hand():
    p, q = np.array([[0.5, 0.5], [0.25, 0.75]]), np.array([[0.25, 0.75], [0.25, 0.75]])
    assert e7_monte_carlo.apart(p, q) == pytest.approx((0.5 * np.log(2) + 0.5 * np.log(2 / 3)) / 2)
    assert e7_monte_carlo.apart(np.eye(2), np.eye(2)) == 0
    assert e7_monte_carlo.nll(q, np.array([0, 1])) == pytest.approx(-(np.log(0.25) + np.log(0.75)) / 2)
    assert e7_monte_carlo.error(q, np.array([0, 1])) == 50


def test_a_number_of_masks_that_was_not_drawn_was_not_measured():
    read = measured("masks, relu", "error", "100")
    assert read({"masks, relu": {"error": {"20": 3.7, "100": 3.6}}}) == 3.6
    with pytest.raises(KeyError):
        read({"masks, relu": {"error": {"20": 3.7}}})


def test_without_the_factor_inverted_dropout_doubles_what_each_layer_hears():
    model, x, y = small(0.5), x_of(20), np.arange(20) % 3
    (w1, b1), (w2, b2), (w3, b3) = ((model[i].weight.data, model[i].bias.data) for i in (0, 3, 6))
    hidden = 2 * np.maximum(x @ w1.T + b1, 0)
    logits = 2 * np.maximum(hidden @ w2.T + b2, 0) @ w3.T + b3
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = e6_networks.unscaled(model, x, y)
    assert found["unscaled_loss"] == pytest.approx(e7_monte_carlo.nll(p, y), rel=1e-5)
    assert found["unscaled"] == 100 - e7_monte_carlo.error(p, y)


@pytest.mark.parametrize("p", [0.2, 0.5])
def test_a_network_of_classic_dropout_is_the_same(p, monkeypatch):
    changes = e6_networks.of_classic(small(p), x_of(50))
    assert max(changes.values()) < 1e-6

    def switch_only(model, mode):
        for layer in (model[2], model[5]):
            layer.mode = mode

    monkeypatch.setattr(e6_networks, "convert_dropout", switch_only)
    assert min(e6_networks.of_classic(small(p), x_of(50)).values()) > 1e-3


def test_a_fifth_of_the_labels_is_drawn_again():
    y = np.repeat(np.arange(10), 1000)
    noisy = noisy_labels(y, 0)
    assert (y == np.repeat(np.arange(10), 1000)).all()
    assert 0.17 < (noisy != y).mean() < 0.19  # a tenth of those drawn are right again
    assert np.bincount(noisy, minlength=10) == pytest.approx(1000, abs=100)
    assert (noisy_labels(y, 1) != noisy).any()
