"""Averages over drawn masks: they find the exact ensemble, come again from their seed, and leave no trace."""

from __future__ import annotations

import numpy as np
import pytest

import nn
from autograd import random
from autograd.random import Generator
from autograd.tensor import Tensor
from recipe.ensemble import enumerate_masks, mc_curve, mc_predict, scaled_predict, unscaled_predict
from recipe.ensemble.average import Averages
from tests.recipe.ensemble.nets import drop, net, parts, softmax, x_of


def network(mode="inverted"):
    return net(drop(0.2, mode), nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), drop(0.5, mode), nn.Linear(6, 3))


FIELDS = ("arithmetic", "geometric", "spread", "entropy", "mutual_information")


def test_it_comes_near_the_exact_ensemble_as_masks_become_many():
    model, x = network(), x_of(3, 4)
    exact = enumerate_masks(model, x)
    few, many = mc_curve(model, x, [10, 500])
    for field in FIELDS:
        errors = [np.abs(getattr(found, field) - getattr(exact, field)).max() for found in (few, many)]
        # The mean of 500 draws of something in [0, 1] strays by 0.022 at most; the largest of nine, by thrice that.
        assert errors[1] < 0.07, field
        assert errors[1] < errors[0], field


def test_a_point_of_the_curve_is_a_prediction_of_its_own():
    model, x = network(), x_of(5, 4)
    for k, found in zip((1, 2, 7), mc_curve(model, x, [1, 2, 7], seed=3), strict=True):
        alone = mc_predict(model, x, k, seed=3)
        assert found.k == alone.k == k
        for field in FIELDS:
            np.testing.assert_array_equal(getattr(found, field), getattr(alone, field))


def test_one_network_has_no_spread():
    found = mc_predict(network(), x_of(5, 4), 1)
    assert not found.spread.any()
    np.testing.assert_allclose(found.arithmetic, found.geometric, rtol=1e-12)
    np.testing.assert_allclose(found.mutual_information, 0, atol=1e-12)


def test_the_seed_decides():
    model, x = network(), x_of(5, 4)
    one, again, other = (mc_predict(model, x, 3, seed=seed).arithmetic for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 1e-3


def test_each_row_meets_masks_of_its_own_unless_the_layer_shares_them():
    x = np.repeat(x_of(1, 8), 6, axis=0)
    for mask, different in [("per_case", True), ("per_batch", False)]:
        found = mc_predict(net(drop(0.5, mask=mask), nn.Linear(8, 1)), x, 1, of="output").arithmetic
        assert (np.ptp(found) > 0) == different


def test_outputs_without_softmax():
    model, x = network(), x_of(5, 4)
    found = mc_predict(model, x, 4, of="output", batch_size=5)
    assert found.arithmetic.shape == found.spread.shape == (5, 3)
    assert found.geometric is found.entropy is found.mutual_information is None
    # Shares of the same four networks, seen through softmax or not.
    networks = [mc_predict(model, x, 1, of="output", seed=0).arithmetic]
    np.testing.assert_allclose(softmax(networks[0]), mc_predict(model, x, 1).arithmetic, rtol=1e-12)


@pytest.mark.parametrize("mode", ["inverted", "classic"])
def test_the_model_is_left_as_it_was(mode):
    model, x = network(mode), x_of(5, 4)
    model.train()
    model[3].eval()
    model[4].generator = None
    drawn_before, default_before = model[0].generator.state_dict(), random.default.state_dict()
    state = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    mc_predict(model, x, 3)
    enumerate_masks(model, x[:1])
    unscaled_predict(model, x)
    scaled_predict(model, x)
    with pytest.raises(ValueError, match="last axis"):
        mc_predict(model, x_of(5, 3), 3)
    assert model[0].generator.state_dict() == drawn_before
    assert model[4].generator is None
    assert random.default.state_dict() == default_before
    assert [module.training for module in model.modules()] == modes
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), state[name])


def test_without_the_factor_every_unit_speaks_as_loud_as_in_training():
    x = x_of(4, 5)
    classic, inverted = (net(nn.Linear(5, 6), nn.ReLU(), drop(0.5, mode), nn.Linear(6, 3)) for mode in MODES)
    (w1, b1), (w2, b2) = parts(classic[0]), parts(classic[3])
    hidden = np.maximum(x @ w1.T + b1, 0)
    np.testing.assert_allclose(unscaled_predict(classic, x, of="output"), hidden @ w2.T + b2, rtol=1e-12)
    np.testing.assert_allclose(scaled_predict(classic, x, of="output"), 0.5 * hidden @ w2.T + b2, rtol=1e-12)
    np.testing.assert_allclose(unscaled_predict(inverted, x, of="output"), 2 * hidden @ w2.T + b2, rtol=1e-12)
    np.testing.assert_allclose(scaled_predict(inverted, x), softmax(hidden @ w2.T + b2), rtol=1e-12)


MODES = ("classic", "inverted")


def test_attention_drops_too():
    class Attending(nn.Module):
        def __init__(self):
            self.attention = nn.MultiheadAttention(4, 2, dropout=0.5, batch_first=True, generator=Generator(1))
            self.out = nn.Linear(4, 2, generator=Generator(2))

        def forward(self, x):
            return self.out(self.attention(x, x, x)[0].mean(axis=1))

    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    assert mc_predict(Attending(), x, 5).spread.max() > 1e-3


def test_tensors_and_float32_are_taken_and_the_answer_is_float64():
    model, x = network().to("float32"), x_of(5, 4).astype("float32")
    found = mc_predict(model, Tensor(x), 2)
    assert found.arithmetic.dtype == np.float64
    np.testing.assert_array_equal(found.arithmetic, mc_predict(model, x, 2).arithmetic)
    np.testing.assert_allclose(found.arithmetic.sum(axis=1), 1, atol=1e-12)


def test_on_another_device(device):
    model, x = network().to("float32"), x_of(5, 4).astype("float32")
    expected, exact = mc_predict(model, x, 3), enumerate_masks(model, x)
    model.to(device)
    there = Tensor(x, device=device)
    np.testing.assert_allclose(mc_predict(model, there, 3).arithmetic, expected.arithmetic, atol=1e-6)
    np.testing.assert_allclose(enumerate_masks(model, there).arithmetic, exact.arithmetic, atol=1e-6)
    assert isinstance(unscaled_predict(model, there), np.ndarray)


def test_the_spread_of_close_numbers_far_from_zero_is_not_lost():
    values = 1e8 + np.random.default_rng(0).normal(size=(50, 2, 3))
    averages = Averages("output")
    for part in np.split(values, [1, 20, 21]):
        averages.add(part, np.ones(len(part)))
    np.testing.assert_allclose(averages.read().spread, values.std(axis=0), rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: mc_predict(nn.Linear(4, 2), x, 3), "no layer of the model drops anything"),
        (lambda x: enumerate_masks(net(nn.Dropout(0.0), nn.Linear(4, 2)), x), "no layer of the model drops anything"),
        (lambda x: unscaled_predict(nn.Linear(4, 2), x), "no layer of the model drops anything"),
        (lambda x: mc_predict(network(), x, 0), "1 or more"),
        (lambda x: mc_curve(network(), x, []), "1 or more"),
        (lambda x: mc_curve(network(), x, [5, 2]), "each larger than the last"),
        (lambda x: mc_predict(network(), x[:0], 1), "at least one row"),
        (lambda x: mc_predict(network(), x, 1, of="logits"), '"softmax" or "output"'),
        (lambda x: mc_predict(network(), x, 1, batch_size=0), "at least 1 row"),
        (lambda x: mc_predict(nn.Sequential(drop(0.5), nn.Flatten(0)), x, 1), "no axis of classes"),
    ],
)
def test_what_cannot_be_done_is_said(call, message):
    with pytest.raises(ValueError, match=message):
        call(x_of(3, 4))
