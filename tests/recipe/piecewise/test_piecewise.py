"""The linear network of one input, and the regions along a way: exact against the model, autograd and a slow walk."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nn
from autograd import no_grad
from autograd.functional import jacobian
from autograd.tensor import Tensor
from recipe.piecewise import effective_linear, linear_regions, piece_wins
from tests.recipe.ensemble.nets import drop, net, parts, x_of

EXACT = 1e-12

NETS = {
    "relu": lambda: [nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)],
    "leaky": lambda: [nn.Linear(5, 8), nn.LeakyReLU(0.1), nn.Linear(8, 8), nn.LeakyReLU(0.1), nn.Linear(8, 3)],
    "prelu": lambda: [nn.Linear(5, 8), nn.PReLU(8), nn.Linear(8, 3), nn.PReLU()],
    "rrelu": lambda: [nn.Linear(5, 8), nn.RReLU(), nn.Linear(8, 3)],
    "maxout": lambda: [nn.Maxout(5, 6, 3), nn.Maxout(6, 5, 4), nn.Linear(5, 3)],
    "one piece": lambda: [nn.Maxout(5, 6, 1), nn.ReLU(), nn.Linear(6, 3, bias=False)],
    "limited": lambda: [nn.Linear(5, 8), nn.ReLU6(), nn.Linear(8, 6), nn.Hardtanh(-0.5, 0.8), nn.Linear(6, 3)],
    "classic dropout": lambda: [
        drop(0.2, "classic"),
        nn.Linear(5, 8),
        nn.ReLU(),
        drop(0.5, "classic"),
        nn.Linear(8, 3),
    ],
    "inner": lambda: [nn.Sequential(nn.Linear(5, 8), nn.ReLU()), nn.Identity(), drop(0.5), nn.Linear(8, 3)],
}


def outputs(model, x):
    with no_grad():
        return model.eval()(Tensor(x)).numpy()


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("seed", range(3))
def test_the_linear_network_of_a_row_gives_its_output_and_its_slope(name, seed):
    model, x = net(*NETS[name](), seed=seed).eval(), x_of(1, 5, seed)[0]
    found = effective_linear(model, x)
    largest = np.abs(outputs(model, x[None])).max()
    np.testing.assert_allclose(found.weight @ x + found.bias, outputs(model, x[None])[0], rtol=0, atol=EXACT * largest)
    slope = jacobian(model)(Tensor(x[None])).detach().numpy()[0, :, 0]
    np.testing.assert_allclose(found.weight, slope, rtol=0, atol=EXACT * np.abs(slope).max())


def test_it_is_the_network_without_the_silent_units():
    model, x = net(*NETS["relu"]()), x_of(1, 5)[0]
    (w1, b1), (w2, b2), (w3, b3) = parts(model[0]), parts(model[2]), parts(model[4])
    one = w1 @ x + b1 > 0
    two = w2[:, one] @ (w1[one] @ x + b1[one]) + b2 > 0
    assert 0 < one.sum() < 8
    assert 0 < two.sum() < 8
    found = effective_linear(model, x)
    np.testing.assert_array_equal(found.patterns["1"], one)
    np.testing.assert_array_equal(found.patterns["3"], two)
    thin2 = w2[np.ix_(two, one)]
    np.testing.assert_allclose(found.weight, w3[:, two] @ thin2 @ w1[one], rtol=0, atol=1e-11)
    bias = w3[:, two] @ (thin2 @ b1[one] + b2[two]) + b3
    np.testing.assert_allclose(found.bias, bias, rtol=0, atol=1e-11)


def test_the_pattern_of_maxout_is_the_winner():
    model, x = net(nn.Maxout(4, 5, 3), nn.Linear(5, 2)), x_of(1, 4)[0]
    w, b = parts(model[0])
    np.testing.assert_array_equal(effective_linear(model, x).patterns["0"], (w @ x + b).reshape(3, 5).argmax(axis=0))


def test_a_unit_at_its_bend_is_silent_as_its_slope_there_is_0():
    model = net(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    model[0].bias.data[...] = 0
    found = effective_linear(model, np.zeros(2))
    assert not found.patterns["1"].any()
    assert not found.weight.any()


def test_images_are_taken_before_a_flatten_and_float32_is_too():
    model = net(nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)).to("float32")
    x = x_of(2, 3).astype("float32")
    found = effective_linear(model, Tensor(x))
    assert found.weight.dtype == np.float64
    np.testing.assert_allclose(found.weight @ x.reshape(-1) + found.bias, outputs(model, x[None])[0], rtol=1e-5)


# Regions


def walked(model, a, b):
    """The cuts between a and b, found by one step to the next bend at a time: slow, and only for ReLU and Maxout."""
    cuts, t = [0.0], 0.0
    while t < 1:
        point = t + 1e-9
        nearest, slope, offset = 1.0, b - a, a
        for layer in model:
            if isinstance(layer, nn.Linear):
                slope, offset = layer.weight.data @ slope, layer.weight.data @ offset + layer.bias.data
            else:
                shape = (layer.pieces, -1) if isinstance(layer, nn.Maxout) else (2, -1)
                if isinstance(layer, nn.Maxout):
                    slope, offset = layer.weight.data @ slope, layer.weight.data @ offset + layer.bias.data
                else:
                    slope, offset = np.append(slope, 0 * slope), np.append(offset, 0 * offset)
                slopes, offsets = slope.reshape(shape), offset.reshape(shape)
                best = (slopes * point + offsets).argmax(axis=0)
                units = np.arange(slopes.shape[1])
                slope, offset = slopes[best, units], offsets[best, units]
                for other in range(len(slopes)):
                    for u in units:
                        if slopes[other, u] > slope[u]:
                            nearest = min(nearest, (offset[u] - offsets[other, u]) / (slopes[other, u] - slope[u]))
        assert nearest > t
        cuts.append(nearest)
        t = nearest
    return np.array(cuts)


@pytest.mark.parametrize("name", ["relu", "maxout"])
@pytest.mark.parametrize("seed", range(5))
def test_a_slow_walk_finds_the_same_cuts(name, seed):
    model, (a, b) = net(*NETS[name](), seed=seed), 3 * x_of(2, 5, seed + 50)
    found = linear_regions(model, a, b)
    np.testing.assert_allclose(found.t, walked(model, a, b), rtol=0, atol=1e-9)
    assert found.count > 1


@settings(max_examples=40)
@given(name=st.sampled_from(sorted(NETS)), seed=st.integers(0, 1000))
def test_in_each_region_the_network_is_the_line_and_its_pattern_one(name, seed):
    model, (a, b) = net(*NETS[name](), seed=seed), x_of(2, 5, seed)
    found = linear_regions(model, a, b)
    assert found.t[0] == 0
    assert found.t[-1] == 1
    assert (np.diff(found.t) > 0).all()
    patterns = []
    for i in range(found.count):
        shares = found.t[i] + np.array([0.001, 0.3, 0.999]) * (found.t[i + 1] - found.t[i])
        ways = np.array([a + t * (b - a) for t in shares])
        given_ = outputs(model, ways)
        lines = found.offset[i] + shares[:, None] * found.slope[i]
        np.testing.assert_allclose(lines, given_, rtol=0, atol=1e-11 * max(1, np.abs(given_).max()))
        inside = [np.concatenate([*effective_linear(model, u).patterns.values()]) for u in ways]
        assert (inside[0] == inside[1]).all()
        assert (inside[2] == inside[1]).all()
        patterns.append(inside[1])
    assert all((one != two).any() for one, two in pairwise(patterns))


def test_the_same_way_back_has_the_same_regions():
    model, (a, b) = net(*NETS["relu"]()), 3 * x_of(2, 5)
    np.testing.assert_allclose(linear_regions(model, b, a).t, 1 - linear_regions(model, a, b).t[::-1], atol=1e-12)


def test_by_hand():
    # |x| - 1 through two rectifiers, then the rectifier of it: bends at x = -1, 0, 1, and at 0 two units together.
    model = net(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1), nn.ReLU())
    model[0].weight.data[...], model[0].bias.data[...] = [[1], [-1]], 0
    model[2].weight.data[...], model[2].bias.data[...] = [[1, 1]], -1
    found = linear_regions(model, np.array([-2.0]), np.array([2.0]))
    np.testing.assert_allclose(found.t, [0, 0.25, 0.5, 0.75, 1], atol=1e-15)
    np.testing.assert_allclose(found.slope[:, 0], [-4, 0, 0, 4], atol=1e-15)
    np.testing.assert_allclose(found.offset[:, 0], [1, 0, 0, -3], atol=1e-15)


@pytest.mark.parametrize("shift", [0.0, 1e-14])
def test_two_units_that_bend_together_make_one_cut(shift):
    model = net(nn.Linear(1, 2), nn.ReLU())
    model[0].weight.data[...], model[0].bias.data[...] = [[1], [-1]], [0, shift]
    found = linear_regions(model, np.array([-1.0]), np.array([1.0]))
    np.testing.assert_allclose(found.t, [0, 0.5, 1], atol=1e-13)
    np.testing.assert_array_equal(found.slope, [[0, -2], [2, 0]])


def test_a_linear_network_and_a_way_of_no_length_have_one_region():
    x = x_of(2, 5)
    assert linear_regions(net(nn.Linear(5, 4), nn.Linear(4, 2)), *x).count == 1
    assert linear_regions(net(*NETS["relu"]()), x[0], x[0]).count == 1


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            [nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 2)],
            "layer '1' is a Tanh: .* pieces: Linear, Maxout, ReLU",
        ),
        ([nn.Sequential(nn.Linear(5, 4), nn.Residual(nn.Linear(4, 4)))], "layer '0.1' is a Residual"),
        ([nn.Linear(4, 4), nn.ReLU()], "meets 5 numbers"),
        ([nn.Maxout(4, 4)], "meets 5 numbers"),
    ],
)
def test_what_cannot_be_done_is_said(layers, message):
    x = x_of(2, 5)
    with pytest.raises(ValueError, match=message):
        effective_linear(net(*layers), x[0])
    with pytest.raises(ValueError, match=message):
        linear_regions(net(*layers), *x)


def test_ends_of_two_sizes():
    with pytest.raises(ValueError, match="5 and 4 numbers"):
        linear_regions(net(nn.Linear(5, 4)), np.zeros(5), np.zeros(4))


# Pieces


def test_wins_are_counted_row_by_row():
    model, x = net(nn.Maxout(4, 5, 3), nn.Maxout(5, 2, 2)), x_of(50, 4)
    wins = piece_wins(model, x, batch_size=7)
    for name, pieces in [("0", 3), ("1", 2)]:
        patterns = np.array([effective_linear(model, row).patterns[name] for row in x])
        np.testing.assert_array_equal(wins[name], [(patterns == piece).sum(axis=0) for piece in range(pieces)])


def test_a_piece_below_all_others_never_wins_and_tangents_all_do():
    x = np.linspace(-1, 1, 200)[:, None]
    low, tangent = net(nn.Maxout(1, 1, 4)), nn.Maxout(1, 1, 8, init="tangent").to("float64")
    low[0].weight.data[1], low[0].bias.data[1] = 0, -100
    assert piece_wins(low, x)["0"][1] == 0
    assert (piece_wins(tangent, x)[""] > 0).mean() == 1


def test_without_maxout_there_is_nothing_to_win():
    with pytest.raises(ValueError, match="no Maxout"):
        piece_wins(nn.Linear(2, 2), x_of(2, 2))
