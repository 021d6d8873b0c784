"""Initialisers: the bounds, variances and structure that each one promises, in place, seeded, on what it is given."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd as ag
from autograd import Tensor
from autograd.random import Generator
from autograd.writes import clock, written_after
from nn import init
from tests.guard import guard

SHAPE = (60, 30, 3, 3)  # fan_in 270, fan_out 540


def empty(*shape, dtype="float32"):
    return Tensor(np.full(shape, np.nan, dtype))


# What each initialiser does to a Tensor of SHAPE: (call, bound on |values| or None, standard deviation).
XAVIER, FAN_IN, FAN_OUT = math.sqrt(2 / 810), 1 / math.sqrt(270), 1 / math.sqrt(540)
SPREADS = {
    "uniform_": (lambda t, g: init.uniform_(t, -2.0, 2.0, generator=g), 2.0, 2 / math.sqrt(3)),
    "normal_": (lambda t, g: init.normal_(t, 0.0, 0.3, generator=g), None, 0.3),
    "xavier_uniform_": (lambda t, g: init.xavier_uniform_(t, generator=g), XAVIER * math.sqrt(3), XAVIER),
    "xavier_uniform_ gain": (lambda t, g: init.xavier_uniform_(t, 2.0, g), 2 * XAVIER * math.sqrt(3), 2 * XAVIER),
    "xavier_normal_": (lambda t, g: init.xavier_normal_(t, generator=g), None, XAVIER),
    "kaiming_uniform_": (
        lambda t, g: init.kaiming_uniform_(t, generator=g), math.sqrt(6) * FAN_IN, math.sqrt(2) * FAN_IN,
    ),
    "kaiming_uniform_ of linear layers": (
        lambda t, g: init.kaiming_uniform_(t, a=math.sqrt(5), generator=g), FAN_IN, FAN_IN / math.sqrt(3),
    ),
    "kaiming_uniform_ fan_out": (
        lambda t, g: init.kaiming_uniform_(t, mode="fan_out", nonlinearity="linear", generator=g),
        math.sqrt(3) * FAN_OUT, FAN_OUT,
    ),
    "kaiming_normal_": (
        lambda t, g: init.kaiming_normal_(t, nonlinearity="relu", generator=g), None, math.sqrt(2) * FAN_IN,
    ),
    "kaiming_normal_ fan_out": (
        lambda t, g: init.kaiming_normal_(t, mode="fan_out", nonlinearity="tanh", generator=g), None, 5 / 3 * FAN_OUT,
    ),
    # The variance of a normal cut off at two standard deviations is 0.7737413 (Johnson, Kotz and Balakrishnan 13.10.1).
    "trunc_normal_": (lambda t, g: init.trunc_normal_(t, generator=g), 2.0, math.sqrt(0.7737413)),
}  # fmt: skip


@pytest.mark.parametrize("name", SPREADS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bounds_and_variance(name, dtype):
    call, bound, std = SPREADS[name]
    tensor = empty(*SHAPE, dtype=dtype)
    array = tensor.data
    assert call(tensor, Generator(0)) is tensor
    assert tensor.data is array
    assert tensor.dtype == dtype
    values = array.astype("float64")
    assert abs(values.mean()) < 4 * std / math.sqrt(values.size)
    # A variance from n numbers of kurtosis at most 3 spreads by sqrt(2 / n) of itself at most.
    assert abs(values.var() / std**2 - 1) < 4 * math.sqrt(2 / values.size)
    if bound is not None:
        assert 0.999 * bound < np.abs(values).max() <= bound * (1 + 1e-6)


@pytest.mark.parametrize("name", SPREADS)
def test_one_seed_gives_one_start(name):
    call = SPREADS[name][0]
    first, again, other = (call(empty(4, 5, 2, 2), Generator(seed)).data for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_without_a_generator_the_default_one_draws():
    state = ag.random.default.state_dict()
    try:
        ag.random.seed(7)
        values = init.normal_(empty(5)).tolist()
    finally:
        ag.random.default.load_state_dict(state)
    assert values == init.normal_(empty(5), generator=Generator(7)).tolist()


# Documented by PyTorch: torch.nn.init.calculate_gain.
@pytest.mark.parametrize(
    ("name", "param", "gain"),
    [
        ("linear", None, 1),
        ("conv2d", None, 1),
        ("conv_transpose3d", None, 1),
        ("sigmoid", None, 1),
        ("tanh", None, 5 / 3),
        ("relu", None, math.sqrt(2)),
        ("leaky_relu", None, math.sqrt(2 / (1 + 0.01**2))),
        ("leaky_relu", 0.2, math.sqrt(2 / 1.04)),
        ("leaky_relu", 0, math.sqrt(2)),
        ("selu", None, 3 / 4),
    ],
)
def test_gains_are_pytorchs(name, param, gain):
    assert init.calculate_gain(name, param) == pytest.approx(gain, rel=1e-15)


@given(
    mean=st.floats(-3, 3), std=st.floats(0.3, 3), a=st.floats(-6, 5), width=st.floats(0.01, 6), seed=st.integers(0, 99)
)
def test_a_truncated_normal_stays_inside_and_follows_the_density(mean, std, a, width, seed):
    b = a + width
    values = init.trunc_normal_(empty(400, dtype="float64"), mean, std, a, b, Generator(seed)).data
    assert ((a <= values) & (values <= b)).all()
    # Through its own distribution function (by integration of the density) the sample is even: Kolmogorov's distance.
    grid = np.linspace(a, b, 2001)
    low = min(abs(a - mean), abs(b - mean)) if not a < mean < b else 0.0
    density = np.exp((low**2 - (grid - mean) ** 2) / (2 * std**2))
    steps = (density[1:] + density[:-1]) / 2
    below = np.concatenate([[0.0], steps.cumsum()]) / steps.sum()
    even = np.sort(np.interp(values, grid, below))
    distance = np.abs(even - (np.arange(400) + 0.5) / 400).max()
    assert distance < 2.3 / math.sqrt(400)  # passed by chance once in 20,000


def test_a_truncated_normal_far_out_in_either_tail():
    for sign in (1, -1):
        values = init.trunc_normal_(empty(1000, dtype="float64"), 0, 1, *sorted((sign * 10, sign * 12)), Generator(0))
        distances = np.abs(values.data) - 10
        assert 0 <= distances.min() < 0.01
        assert distances.mean() == pytest.approx(0.098, rel=0.1)  # 1 / (10 + 1 / 10 - ...), the mean of such a tail


def test_constants():
    assert init.constant_(empty(2, 2), 0.5).tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert init.ones_(empty(2)).tolist() == [1, 1]
    assert init.zeros_(empty(2)).tolist() == [0, 0]
    assert init.ones_(empty()).item() == 1
    assert init.eye_(empty(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize("shape", [(6, 3, 5), (4, 6, 3, 3), (2, 2, 3, 1, 4)])
@pytest.mark.parametrize("groups", [1, 2])
def test_dirac_passes_each_groups_channels(shape, groups):
    weight = init.dirac_(empty(*shape), groups).data
    centre = tuple(size // 2 for size in shape[2:])
    per_group = shape[0] // groups
    expected = np.zeros(shape)
    for group in range(groups):
        for channel in range(min(per_group, shape[1])):
            expected[(group * per_group + channel, channel, *centre)] = 1
    assert (weight == expected).all()


@pytest.mark.parametrize("shape", [(5, 5), (7, 3), (3, 7), (4, 2, 3), (30, 2, 2, 2)])
@pytest.mark.parametrize("gain", [1.0, 2.0])
def test_orthogonal(shape, gain):
    w = init.orthogonal_(empty(*shape, dtype="float64"), gain, Generator(0)).data.reshape(shape[0], -1)
    product = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(product, gain**2 * np.eye(min(w.shape)), atol=1e-14 * gain**2)


def test_orthogonal_matrices_favour_no_sign():
    # Without the signs of r's diagonal, LAPACK's q has a diagonal that leans to one sign.
    diagonals = [init.orthogonal_(empty(3, 3), generator=Generator(seed)).data.diagonal() for seed in range(400)]
    assert abs(np.sign(diagonals).mean()) < 4 / math.sqrt(1200)


@given(rows=st.integers(1, 30), columns=st.integers(1, 5), sparsity=st.floats(0, 1), seed=st.integers(0, 99))
def test_sparse_columns_have_their_zeros(rows, columns, sparsity, seed):
    w = init.sparse_(empty(rows, columns), sparsity, 0.5, Generator(seed)).data
    assert ((w == 0).sum(axis=0) == math.ceil(sparsity * rows)).all()


def test_sparse_zeros_stand_in_every_row_alike():
    w = init.sparse_(empty(10, 4000), 0.3, generator=Generator(0)).data
    share = (w == 0).mean(axis=1)
    assert np.abs(share - 0.3).max() < 4 * math.sqrt(0.21 / 4000)
    assert w[w != 0].std() == pytest.approx(0.01, rel=0.02)


ALL = {
    "uniform_": init.uniform_,
    "normal_": init.normal_,
    "trunc_normal_": init.trunc_normal_,
    "constant_": lambda t: init.constant_(t, 3.0),
    "ones_": init.ones_,
    "zeros_": init.zeros_,
    "eye_": init.eye_,
    "dirac_": init.dirac_,
    "xavier_uniform_": init.xavier_uniform_,
    "xavier_normal_": init.xavier_normal_,
    "kaiming_uniform_": init.kaiming_uniform_,
    "kaiming_normal_": init.kaiming_normal_,
    "orthogonal_": init.orthogonal_,
    "sparse_": lambda t: init.sparse_(t, 0.5),
}


@pytest.mark.parametrize("name", ALL)
def test_a_leaf_is_written_in_place_outside_the_graph_and_marked(name):
    shape = (4, 3, 3) if name == "dirac_" else (4, 3)
    leaf = Tensor(np.full(shape, np.nan, "float32"), requires_grad=True)
    birth = clock()
    assert ALL[name](leaf) is leaf
    assert np.isfinite(leaf.data).all()
    assert leaf.node is None
    assert leaf.requires_grad
    assert written_after(leaf.data, birth)


@pytest.mark.parametrize("name", ALL)
def test_every_device_gets_the_same_numbers(name, device):
    shape = (4, 3, 3) if name == "dirac_" else (4, 3)
    state = ag.random.default.state_dict()
    host = ALL[name](empty(*shape))
    ag.random.default.load_state_dict(state)
    moved = Tensor(np.full(shape, np.nan, "float32"), device=device)
    array, waited = moved.data, guard.synchronizations
    assert ALL[name](moved).data is array
    assert guard.synchronizations == waited
    assert moved.tolist() == host.tolist()


@pytest.mark.parametrize("name", ALL)
def test_empty_tensors_stay_empty(name):
    shape = (0, 3, 3) if name == "dirac_" else (0, 3)
    assert ALL[name](empty(*shape)).shape == shape


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: init.xavier_uniform_(empty(3)), r"xavier_uniform_ needs the fan-in .* shape \(3,\): give it at least"),
        (lambda: init.xavier_normal_(empty(3)), "at least 2 dimensions"),
        (lambda: init.kaiming_uniform_(empty()), "at least 2 dimensions"),
        (lambda: init.kaiming_normal_(empty(3)), "at least 2 dimensions"),
        (lambda: init.orthogonal_(empty(3)), "at least 2 dimensions"),
        (lambda: init.kaiming_normal_(empty(3, 3), mode="fan"), 'mode="fan": take "fan_in" or "fan_out"'),
        (lambda: init.kaiming_normal_(empty(3, 3), nonlinearity="relu7"), 'no gain is known for "relu7": take one of'),
        (lambda: init.eye_(empty(3)), r"eye_ fills a matrix, and this Tensor has shape \(3,\)"),
        (lambda: init.sparse_(empty(3), 0.1), "sparse_ fills a matrix"),
        (lambda: init.sparse_(empty(3, 3), 1.1), r"sparsity=1\.1: the share of zeros in a column is from 0 to 1"),
        (lambda: init.dirac_(empty(3, 3)), "dirac_ fills the weight of a convolution"),
        (lambda: init.dirac_(empty(3, 3, 3), 2), "groups=2, which does not divide the 3 channels"),
        (lambda: init.trunc_normal_(empty(3), a=1.0, b=1.0), "needs a < b and std > 0, got a=1.0, b=1.0"),
    ],
)
def test_errors_say_what_came(call, words):
    with pytest.raises(ValueError, match=words):
        call()
