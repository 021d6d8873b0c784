"""The exact ensemble against masks gone through by hand, and the identities that Dropout rests on, in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nn
from autograd.random import keep_probability
from recipe.ensemble import enumerate_masks, scaled_predict
from tests.recipe.ensemble.nets import all_masks, drop, net, parts, softmax, x_of

EXACT = 1e-12
PS = [0.2, 0.5, 0.7]


@pytest.mark.parametrize("p", PS)
@pytest.mark.parametrize("mode", ["inverted", "classic"])
def test_by_hand(p, mode):
    # 3 units of the input and 4 hidden ones: 128 networks.
    model = net(drop(p, mode), nn.Linear(3, 4), nn.ReLU(), drop(0.5, mode), nn.Linear(4, 3))
    x = x_of(2, 3)
    (w1, b1), (w2, b2) = parts(model[1]), parts(model[4])
    scale1, scale2 = (1 / keep_probability(p), 2.0) if mode == "inverted" else (1.0, 1.0)
    found = [
        (a * b, softmax(np.maximum(x * m * scale1 @ w1.T + b1, 0) * n * scale2 @ w2.T + b2))
        for m, a in all_masks(3, p)
        for n, b in all_masks(4, 0.5)
    ]
    weights, ps = np.array([w for w, _ in found]), np.array([q for _, q in found])
    arithmetic = np.einsum("m,mrc->rc", weights, ps)
    geometric = np.exp(np.einsum("m,mrc->rc", weights, np.log(ps)))
    spread = np.sqrt(np.einsum("m,mrc->rc", weights, (ps - arithmetic) ** 2))
    entropy = -(arithmetic * np.log(arithmetic)).sum(axis=1)
    expected = -np.einsum("m,mrc->r", weights, ps * np.log(ps))

    exact = enumerate_masks(model, x, batch_size=50)  # which does not divide 128 pairs evenly
    assert exact.k == 128
    for mine, theirs in [
        (exact.arithmetic, arithmetic),
        (exact.geometric, geometric / geometric.sum(axis=1, keepdims=True)),
        (exact.spread, spread),
        (exact.entropy, entropy),
        (exact.mutual_information, entropy - expected),
    ]:
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=EXACT)


@pytest.mark.parametrize("p", PS)
def test_for_a_linear_unit_scaled_weights_are_the_average(p):
    model, x = net(drop(p, "classic"), nn.Linear(12, 1)), x_of(3, 12)
    exact = enumerate_masks(model, x, of="output")
    assert exact.k == 4096
    np.testing.assert_allclose(exact.arithmetic, scaled_predict(model, x, of="output"), rtol=0, atol=EXACT)
    assert exact.geometric is exact.entropy is exact.mutual_information is None
    # The variance of a sum of independent terms, each there with probability 1 - p.
    (w, _), q = parts(model[1]), keep_probability(p)
    np.testing.assert_allclose(exact.spread, np.sqrt(q * (1 - q) * (x**2) @ (w.T**2)), rtol=1e-10)


@pytest.mark.parametrize("p", PS)
def test_for_two_linear_layers_too(p):
    model, x = net(drop(p), nn.Linear(5, 7), drop(p), nn.Linear(7, 2)), x_of(3, 5)
    exact = enumerate_masks(model, x, of="output").arithmetic
    np.testing.assert_allclose(exact, scaled_predict(model, x, of="output"), rtol=0, atol=EXACT)


@pytest.mark.parametrize("p", PS)
def test_of_softmax_it_is_the_geometric_mean_that_scaled_weights_give(p):
    model, x = net(drop(p), nn.Linear(12, 4)), x_of(3, 12)
    exact, scaled = enumerate_masks(model, x), scaled_predict(model, x)
    np.testing.assert_allclose(exact.geometric, scaled, rtol=0, atol=EXACT)
    assert np.abs(exact.arithmetic - scaled).max() > 1e-3


@pytest.mark.parametrize("p", PS)
def test_with_a_hidden_relu_nothing_is_exact(p):
    model, x = (
        net(nn.Linear(6, 8), nn.ReLU(), drop(p), nn.Linear(8, 8), nn.ReLU(), drop(p), nn.Linear(8, 2)),
        x_of(2, 6),
    )
    exact, scaled = enumerate_masks(model, x, of="output").arithmetic, scaled_predict(model, x, of="output")
    assert np.abs(exact - scaled).max() > 1e-3


@pytest.mark.parametrize("p", [0.2, 0.7])
def test_equal_weights_for_all_masks_are_right_for_one_half_only(p):
    model, x = net(drop(p, "classic"), nn.Linear(6, 1)), x_of(2, 6)
    w, b = parts(model[1])
    plain = np.mean([x * m @ w.T + b for m, _ in all_masks(6, p)], axis=0)
    assert np.abs(enumerate_masks(model, x, of="output").arithmetic - plain).max() > 1e-3


@settings(max_examples=25)
@given(
    p=st.floats(0.01, 0.99),
    units=st.integers(1, 6),
    mask=st.sampled_from(["per_case", "per_batch"]),
    batch=st.sampled_from([1, 3, 64, 4096]),
)
def test_masks_weigh_one_together_however_they_are_batched(p, units, mask, batch):
    model, x = net(drop(p, mask=mask), nn.Linear(units, 3)), x_of(3, units)
    exact = enumerate_masks(model, x, batch_size=batch)
    np.testing.assert_allclose(exact.arithmetic.sum(axis=1), 1, atol=EXACT)
    np.testing.assert_allclose(exact.geometric, scaled_predict(model, x), rtol=0, atol=EXACT)


def test_channels_are_units():
    model = net(nn.Conv2d(1, 3, 2), nn.Dropout2d(0.5), nn.Flatten(), nn.Linear(12, 2))
    x = np.random.default_rng(0).normal(size=(2, 1, 3, 3))
    exact = enumerate_masks(model, x, of="output")
    assert exact.k == 8
    np.testing.assert_allclose(exact.arithmetic, scaled_predict(model, x, of="output"), rtol=0, atol=EXACT)


def test_normalisation_uses_its_running_statistics():
    model, x = net(nn.BatchNorm1d(4), drop(0.5), nn.Linear(4, 2)), x_of(3, 4)
    model[0].running_mean.data[...] = 3.0
    before = model[0].running_mean.numpy().copy()
    exact = enumerate_masks(model, x, of="output").arithmetic
    np.testing.assert_allclose(exact, scaled_predict(model, x, of="output"), rtol=0, atol=EXACT)
    assert (model[0].running_mean.numpy() == before).all()


def test_what_is_always_dropped_is_in_no_network():
    model, x = net(drop(1.0), nn.Linear(3, 2)), x_of(2, 3)
    exact = enumerate_masks(model, x, of="output")
    assert exact.k == 1
    np.testing.assert_array_equal(exact.arithmetic, np.broadcast_to(parts(model[1])[1], (2, 2)))


def test_too_many_units_say_what_to_do():
    model = net(drop(0.2), nn.Linear(9, 8), drop(0.5), nn.Linear(8, 2))
    with pytest.raises(ValueError, match=r"17 units under dropout: 9 \(p=0.2\), 8 \(p=0.5\).*at most 16.*mc_predict"):
        enumerate_masks(model, x_of(1, 9))


def test_rows_must_be_kept_apart():
    class Turned(nn.Module):
        def __init__(self):
            self.drop = nn.Dropout(0.5)

        def forward(self, x):
            return self.drop(x.T).T

    class Halved(nn.Module):
        def __init__(self):
            self.drop = nn.Dropout(0.5)

        def forward(self, x):
            return self.drop(x.reshape(-1, 1)).reshape(-1, 2)

    for model in (Turned(), Halved()):
        with pytest.raises(ValueError, match="does not have these rows along axis 0"):
            enumerate_masks(model, x_of(3, 2))
