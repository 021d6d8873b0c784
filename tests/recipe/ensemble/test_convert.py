"""Classic and inverted dropout as one network: converted with the weights, or refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nn
from recipe.ensemble import convert_dropout, enumerate_masks, mc_predict, scaled_predict
from tests.recipe.ensemble.nets import drop, net, x_of

MODES = ("classic", "inverted")


def network(mode, p=0.5):
    return net(drop(0.2, mode), nn.Linear(4, 6), nn.ReLU(), drop(p, mode), nn.Linear(6, 3))


def other(mode):
    return MODES[1 - MODES.index(mode)]


@settings(max_examples=20)
@given(mode=st.sampled_from(MODES), p=st.floats(0.01, 0.99), dtype=st.sampled_from(["float64", "float32"]))
def test_the_same_networks_under_every_mask_and_without(mode, p, dtype):
    model, x = network(mode, p).to(dtype), x_of(4, 4).astype(dtype)
    before = scaled_predict(model, x), mc_predict(model, x, 3).arithmetic
    assert convert_dropout(model, other(mode)) is model
    assert [layer.mode for layer in model.modules() if isinstance(layer, nn.Dropout)] == [other(mode)] * 2
    after = scaled_predict(model, x), mc_predict(model, x, 3).arithmetic
    for one, two in zip(before, after, strict=True):
        np.testing.assert_allclose(two, one, rtol=0, atol=1e-12 if dtype == "float64" else 1e-5)


def test_the_weights_that_read_the_units_are_divided_by_one_minus_p():
    model = network("inverted")
    weights = [model[i].weight.data.copy() for i in (1, 4)]
    biases = [model[i].bias.data.copy() for i in (1, 4)]
    convert_dropout(model, "classic")
    np.testing.assert_allclose(model[1].weight.data, weights[0] / 0.8, rtol=1e-5)  # 0.8 as it is drawn
    np.testing.assert_allclose(model[4].weight.data, weights[1] / 0.5, rtol=1e-15)
    np.testing.assert_array_equal(model[1].bias.data, biases[0])
    np.testing.assert_array_equal(model[4].bias.data, biases[1])


ONE_AFTER_THE_OTHER = {
    "two in a row": lambda: [drop(0.2), drop(0.5), nn.Linear(4, 2)],
    "through what lets a factor pass": lambda: [
        nn.Linear(4, 5),
        drop(0.3),
        nn.LeakyReLU(),
        nn.Identity(),
        nn.Linear(5, 2),
    ],
    "before maxout": lambda: [drop(0.3), nn.Maxout(4, 3, pieces=3), nn.Linear(3, 2)],
    "inside": lambda: [nn.Linear(4, 5), nn.Sequential(nn.ReLU(), drop(0.3)), nn.Sequential(nn.Linear(5, 2))],
    "in a branch": lambda: [nn.Residual(nn.Linear(4, 4), nn.ReLU(), drop(0.3), nn.Linear(4, 4)), nn.Linear(4, 2)],
    "nothing that drops": lambda: [nn.Linear(4, 2)],
}


@pytest.mark.parametrize("name", ONE_AFTER_THE_OTHER)
def test_wherever_it_is_exact(name):
    model, x = net(*ONE_AFTER_THE_OTHER[name]()), x_of(3, 4)
    before = scaled_predict(model, x, of="output")
    convert_dropout(model, "classic")
    np.testing.assert_allclose(scaled_predict(model, x, of="output"), before, rtol=0, atol=1e-12)
    convert_dropout(model, "classic")  # which it is already
    np.testing.assert_allclose(scaled_predict(model, x, of="output"), before, rtol=0, atol=1e-12)


def test_before_a_convolution_and_pooling():
    model = net(nn.Conv2d(1, 2, 2), drop(0.5), nn.MaxPool2d(2), nn.Conv2d(2, 2, 1), nn.Flatten(), nn.Linear(2, 2))
    x = np.random.default_rng(0).normal(size=(2, 1, 3, 3))
    before = enumerate_masks(model, x).arithmetic
    convert_dropout(model, "classic")
    np.testing.assert_allclose(enumerate_masks(model, x).arithmetic, before, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "grow",
    [
        nn.Upsample(scale_factor=2, mode="bilinear"),
        *(pad(1) for pad in (nn.ZeroPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d, nn.CircularPad2d)),
    ],
)
def test_before_what_makes_images_larger(grow):
    model = net(nn.Conv2d(1, 2, 2), drop(0.5), grow, nn.Conv2d(2, 1, 2), nn.Flatten(), nn.Linear(9, 2))
    x = np.random.default_rng(0).normal(size=(2, 1, 3, 3))
    before = enumerate_masks(model, x).arithmetic
    convert_dropout(model, "classic")
    np.testing.assert_allclose(enumerate_masks(model, x).arithmetic, before, rtol=0, atol=1e-12)


class Own(nn.Module):
    def __init__(self):
        self.drop, self.out = drop(0.5), nn.Linear(4, 2)

    def forward(self, x):
        return self.out(self.drop(x))


def shared_linear():
    linear = nn.Linear(4, 4)
    return [linear, drop(0.5), linear]


def shared_weight():
    one, two = nn.Linear(4, 4), nn.Linear(4, 4)
    two.weight = one.weight
    return [one, drop(0.5), two]


def shared_block():
    block = nn.Sequential(nn.Linear(4, 4), drop(0.5))
    return [block, nn.Linear(4, 4), nn.Residual(nn.Linear(4, 4), block), nn.Linear(4, 2)]


REFUSED = {
    "tanh next": (lambda: [nn.Linear(4, 4), drop(0.5), nn.Tanh(), nn.Linear(4, 2)], "Tanh comes next"),
    "normalisation next": (lambda: [drop(0.5), nn.BatchNorm1d(4), nn.Linear(4, 2)], "BatchNorm1d comes next"),
    "at the end": (lambda: [nn.Linear(4, 4), drop(0.5), nn.ReLU()], "nothing comes next"),
    "a forward of one's own": (lambda: [Own()], "stands in no Sequential"),
    "a layer used twice": (shared_linear, "used in another place"),
    "a weight used twice": (shared_weight, "used in another place"),
    "a block used twice": (shared_block, "used in another place"),
    "everything dropped": (lambda: [drop(1.0), nn.Linear(4, 2)], "p = 1 leaves nothing"),
    "channels": (lambda: [nn.Dropout2d(0.5), nn.Linear(4, 2)], "only Dropout can be classic"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_where_it_is_not_exact_it_is_refused_and_nothing_changes(name):
    make, message = REFUSED[name]
    # The first could be converted, and must not be when the second cannot.
    model = nn.Sequential(drop(0.3), nn.Linear(4, 4), *make())
    before = [parameter.data.copy() for parameter in model.parameters()]
    with pytest.raises(ValueError, match=message):
        convert_dropout(model, "classic")
    assert model[0].mode == "inverted"
    for parameter, value in zip(model.parameters(), before, strict=True):
        np.testing.assert_array_equal(parameter.data, value)


def test_an_unknown_mode():
    with pytest.raises(ValueError, match='"classic" or "inverted"'):
        convert_dropout(network("classic"), "scaled")
