"""What layers do beyond PyTorch's numbers: starts, modes, roles, statistics, dropout, and their errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

import autograd as ag
import nn
import nn.functional as F
from autograd import Tensor
from autograd.random import Generator

rng = np.random.default_rng(0)


def normal(*shape):
    return Tensor(rng.normal(size=shape))


# Starts


def test_linear_starts_as_pytorchs_does():
    layer = nn.Linear(100, 400, generator=Generator(0))
    for parameter in (layer.weight, layer.bias):
        values = parameter.data
        assert 0.099 < np.abs(values).max() <= 0.1  # 1 / sqrt(100)
        assert abs(values.std() - 0.1 / math.sqrt(3)) < 0.005
        assert abs(values.mean()) < 0.01
    assert nn.Linear(0, 2).bias.tolist() == [0.0, 0.0]


def test_one_seed_gives_one_start_and_the_default_generator_draws_otherwise():
    first, again = nn.Linear(3, 3, generator=Generator(5)), nn.Linear(3, 3, generator=Generator(5))
    assert np.array_equal(first.weight.data, again.weight.data)
    ag.random.seed(3)
    first = nn.Linear(3, 3)
    second = nn.Linear(3, 3)
    ag.random.seed(3)
    assert np.array_equal(first.weight.data, nn.Linear(3, 3).weight.data)
    assert not np.array_equal(first.weight.data, second.weight.data)


@pytest.mark.parametrize(
    "make",
    [
        lambda **o: nn.Linear(3, 2, **o),
        lambda **o: nn.Maxout(3, 2, init="tangent", **o),
        lambda **o: nn.Embedding(3, 2, padding_idx=0, **o),
        lambda **o: nn.LayerNorm(3, **o),
        lambda **o: nn.RMSNorm(3, **o),
        lambda **o: nn.BatchNorm1d(3, **o),
        lambda **o: nn.BatchNorm2d(3, **o),
        lambda **o: nn.GroupNorm(3, 6, **o),
        lambda **o: nn.PReLU(3, **o),
    ],
)
def test_dtype_device_and_a_second_start(make):
    layer = make(dtype="float64", device="cpu")
    assert {p.dtype.name for p in layer.parameters()} == {"float64"}
    assert {p.dtype.name for p in make().parameters()} == {"float32"}
    ag.random.seed(0)
    fresh = make(dtype="float64")
    with ag.no_grad():
        for parameter in layer.parameters():
            parameter[...] = 7.0
    ag.random.seed(0)
    layer.reset_parameters()
    for p, q in zip(layer.parameters(), fresh.parameters(), strict=True):
        assert np.array_equal(p.data, q.data)


def test_roles_say_what_penalties_leave_alone():
    net = nn.Sequential(
        *(nn.Linear(2, 2), nn.PReLU(), nn.BatchNorm1d(2), nn.LayerNorm(2), nn.RMSNorm(2), nn.Maxout(2, 1)),
        *(nn.Embedding(2, 2), nn.BatchNorm2d(1), nn.GroupNorm(1, 1)),
    )
    assert {name: p.role for name, p in net.named_parameters()} == {
        **{"0.weight": "weight", "0.bias": "bias", "1.weight": "slope", "2.weight": "norm", "2.bias": "norm"},
        **{"3.weight": "norm", "3.bias": "norm", "4.weight": "norm", "5.weight": "weight", "5.bias": "bias"},
        **{"6.weight": "weight", "7.weight": "norm", "7.bias": "norm", "8.weight": "norm", "8.bias": "norm"},
    }


# Maxout


def test_maxout_takes_the_largest_piece():
    layer = nn.Maxout(3, 2, 4, dtype="float64")
    x = normal(5, 3)
    pieces = x.data @ layer.weight.data.T + layer.bias.data
    assert layer.weight.shape == (8, 3)
    np.testing.assert_allclose(layer(x).data, pieces.reshape(5, 4, 2).max(axis=1))
    assert nn.Maxout(3, 2, bias=False)(x.to("float32")).shape == (5, 2)


def test_relu_and_leaky_relu_are_maxouts():
    """max(z, 0) and max(z, 0.01 z) are units of two pieces."""
    x = normal(50, 1)
    for slope, function in ((0.0, F.relu), (0.01, F.leaky_relu)):
        layer = nn.Maxout(1, 1, 2, dtype="float64")
        layer.load_state_dict({"weight": np.array([[1.0], [slope]]), "bias": np.zeros(2)})
        assert np.array_equal(layer(x).data, function(x).data)


def test_only_the_largest_piece_gets_a_gradient():
    layer = nn.Maxout(3, 1, 4, dtype="float64")
    x = normal(1, 3)
    layer(x).sum().backward()
    winner = (layer.weight.data @ x.data[0] + layer.bias.data).argmax()
    assert np.array_equal(layer.weight.grad.data[winner], x.data[0])
    assert np.count_nonzero(layer.weight.grad.data.any(axis=1)) == 1


@pytest.mark.parametrize("pieces", [1, 2, 3, 8])
def test_tangents_touch_the_parabola_and_each_wins_on_a_share(pieces):
    layer = nn.Maxout(1, 3, pieces, init="tangent", dtype="float64")
    z = np.linspace(-1, 1, 2001)[:, None]
    out = layer(Tensor(z)).data
    assert np.all(out <= z**2 / 2 + 1e-12)
    # Between two points of touch, 2 / k apart, the parabola is (1 / k)^2 / 2 away at most.
    assert np.abs(out - z**2 / 2).max() <= 0.5 / pieces**2 + 1e-9
    wins = (z @ layer.weight.data.T + layer.bias.data).reshape(-1, pieces, 3).argmax(axis=1)
    assert all(len(np.unique(wins[:, unit])) == pieces for unit in range(3))


def test_tangents_have_directions_of_length_one():
    layer = nn.Maxout(20, 5, 2, init="tangent", dtype="float64")
    np.testing.assert_allclose(np.linalg.norm(layer.weight.data, axis=1), 0.5)


# Dropout


def test_dropout_drops_in_training_only():
    layer = nn.Dropout(0.25, generator=Generator(1))
    x = Tensor(np.ones((200, 100)))
    out = layer(x).data
    assert set(np.unique(out)) == {0.0, 1 / 0.75}
    assert abs((out == 0).mean() - 0.25) < 0.01
    assert layer.eval()(x) is x


def test_classic_dropout_scales_in_evaluation_instead():
    layer = nn.Dropout(0.25, mode="classic", generator=Generator(1))
    x = Tensor(np.ones((200, 100)))
    assert set(np.unique(layer(x).data)) == {0.0, 1.0}
    assert np.array_equal(layer.eval()(x).data, 0.75 * x.data)


def test_a_mask_for_each_case_or_one_for_the_batch():
    x = Tensor(np.ones((50, 40)))
    shared = nn.Dropout(mask="per_batch", generator=Generator(1))(x).data
    own = nn.Dropout(mask="per_case", generator=Generator(1))(x).data
    assert (shared == shared[0]).all()
    assert 0 < np.count_nonzero(shared[0]) < 40
    assert not (own == own[0]).all()


@pytest.mark.parametrize("mask", ["per_case", "per_batch"])
def test_classic_and_inverted_dropout_are_one_network(mask):
    """With the same masks, and the next weights divided by 1 - p, they agree in training and in evaluation."""
    p = 0.375
    nets = {}
    for mode in ("inverted", "classic"):
        nets[mode] = nn.Sequential(
            nn.Linear(6, 8), nn.ReLU(), nn.Dropout(p, mode=mode, mask=mask, generator=Generator(2)), nn.Linear(8, 3)
        ).double()
    state = {name: tensor.data.copy() for name, tensor in nets["inverted"].state_dict().items()}
    state["3.weight"] = state["3.weight"] / (1 - p)
    nets["classic"].load_state_dict(state)
    x = normal(10, 6)
    for _ in range(3):
        np.testing.assert_allclose(nets["classic"](x).data, nets["inverted"](x).data, rtol=1e-12)
    np.testing.assert_allclose(nets["classic"].eval()(x).data, nets["inverted"].eval()(x).data, rtol=1e-12)


def test_dropout2d_drops_whole_channels_in_training_only():
    layer = nn.Dropout2d(0.25, generator=Generator(1))
    x = Tensor(np.ones((200, 50, 2, 3)))
    out = layer(x).data
    assert (out == out[:, :, :1, :1]).all()
    assert set(np.unique(out)) == {0.0, 1 / 0.75}
    assert abs((out == 0).mean() - 0.25) < 0.01
    assert layer.eval()(x) is x
    assert layer.train()(x[0]).shape == (50, 2, 3)
    assert not nn.Dropout2d(1.0)(x).data.any()


def test_the_gradient_goes_through_the_mask_that_was_drawn():
    layer = nn.Dropout(0.5, generator=Generator(3))
    x = Tensor(np.ones((4, 5)), requires_grad=True)
    out = layer(x)
    out.sum().backward()
    assert np.array_equal(x.grad.data, out.data)


def test_rrelu_draws_slopes_in_training_and_takes_their_mean_afterwards():
    layer = nn.RReLU(0.1, 0.3, generator=Generator(1))
    x = Tensor(np.full(1000, -1.0), requires_grad=True)
    out = layer(x)
    assert -0.3 <= out.data.min() < -0.29 < -0.11 < out.data.max() <= -0.1
    out.sum().backward()
    np.testing.assert_allclose(x.grad.data, -out.data)
    np.testing.assert_allclose(layer.eval()(x).data, -0.2)


# Normalisation


@pytest.mark.parametrize("layer", [nn.Linear(3, 5), nn.LayerNorm(5), nn.Conv2d(3, 5, 1)])
def test_the_gradient_of_a_bias_loses_none_of_many_rows(layer):
    """Added to one another, equal numbers round to the same side each time."""
    channels = getattr(layer, "in_channels", 5 if isinstance(layer, nn.LayerNorm) else 3)
    for rows in (4000, 5000, 6000, 300_001, 300_001):  # a loop in C that serves all lengths is made of several
        shape = (1, channels, 1, rows) if isinstance(layer, nn.Conv2d) else (rows, channels)
        layer.bias.grad = None
        out = layer(Tensor(np.zeros(shape, "float32")))
        out.backward(Tensor(np.full(out.shape, 0.1, "float32")))
        # BLAS adds up some thousand rows as they come, where up to 4e-5 is lost; of 300,001 it lost 2e-4 to 9e-4.
        np.testing.assert_allclose(layer.bias.grad.data, np.full(5, float(np.float32(0.1)) * rows), rtol=1e-4)


def test_batch_norm_moves_the_one_running_statistic_that_it_is_given():
    x, mean, var = normal(50, 3) + 2.0, Tensor(np.zeros(3)), Tensor(np.ones(3))
    F.batch_norm(x, mean, None, training=True)
    F.batch_norm(x, None, var, training=True)
    np.testing.assert_allclose(mean.data, 0.1 * x.data.mean(axis=0))
    np.testing.assert_allclose(var.data, 0.9 + 0.1 * x.data.var(axis=0, ddof=1))


def test_batch_norm_normalises_and_learns_in_training_only():
    layer = nn.BatchNorm1d(3, dtype="float64")
    x = normal(50, 3) * 4.0 + 2.0
    out = layer(x)
    np.testing.assert_allclose(out.data.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(out.data.var(axis=0), 1.0, rtol=1e-4)
    np.testing.assert_allclose(layer.running_mean.data, 0.1 * x.data.mean(axis=0))
    np.testing.assert_allclose(layer.running_var.data, 0.9 + 0.1 * x.data.var(axis=0, ddof=1))
    assert layer.num_batches_tracked.item() == 1
    before = layer.running_mean.data.copy()
    layer.eval()(x)
    assert np.array_equal(layer.running_mean.data, before)
    assert layer.num_batches_tracked.item() == 1


def test_batch_norm_forgets_its_statistics_and_learns_those_of_all_batches():
    layer, batches = nn.BatchNorm1d(3, dtype="float64"), [normal(5, 3) + i for i in range(4)]
    layer(batches[0])
    layer.weight.data[...] = 2.0
    layer.reset_running_stats()
    assert (layer.running_mean.tolist(), layer.running_var.tolist()) == ([0.0] * 3, [1.0] * 3)
    assert layer.num_batches_tracked.item() == 0
    assert layer.weight.tolist() == [2.0] * 3
    layer.momentum = None
    for batch in batches:
        layer(batch)
    np.testing.assert_allclose(layer.running_mean.data, np.mean([x.data.mean(axis=0) for x in batches], axis=0))
    nn.BatchNorm1d(3, track_running_stats=False).reset_running_stats()  # has none


def test_batch_norm_of_images_is_that_of_their_pixels_whatever_their_memory():
    """An image is H * W cases of a batch of vectors, with channels last in memory or not."""
    x = rng.normal(size=(4, 3, 5, 6)) * 4 + 2
    pixels = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    g = rng.normal(size=x.shape)
    flat = nn.BatchNorm1d(3, dtype="float64")
    rows = Tensor(pixels.reshape(-1, 3), requires_grad=True)
    wanted = flat(rows)
    wanted.backward(np.moveaxis(g, 1, -1).reshape(-1, 3))
    for image in (Tensor(x), Tensor(pixels).permute_dims((0, 3, 1, 2))):
        layer = nn.BatchNorm2d(3, dtype="float64")
        leaf = Tensor(image, requires_grad=True)
        out = layer(leaf)
        out.backward(g)
        for found, like in ((out.data, wanted.data), (leaf.grad.data, rows.grad.data)):
            np.testing.assert_allclose(np.moveaxis(found, 1, -1).reshape(-1, 3), like, rtol=1e-10, atol=1e-12)
        for name, like in flat.named_parameters():
            np.testing.assert_allclose(getattr(layer, name).grad.data, like.grad.data, rtol=1e-10)
        for name, like in flat.named_buffers():
            np.testing.assert_allclose(getattr(layer, name).data, like.data, rtol=1e-12)


def test_batch_norm_keeps_its_digits_over_many_pixels_far_from_zero():
    x = (rng.normal(size=(64, 2, 40, 40)) + 100).astype("float32")
    layer = nn.BatchNorm2d(2, momentum=1.0)
    out = layer(Tensor(x))
    exact = x.astype("float64")
    np.testing.assert_allclose(layer.running_var.data, exact.var(axis=(0, 2, 3), ddof=1), rtol=1e-4)
    plain = (exact - exact.mean(axis=(0, 2, 3), keepdims=True)) / exact.std(axis=(0, 2, 3), keepdims=True)
    np.testing.assert_allclose(out.data, plain, atol=1e-3)


SHORT = {
    "layer": (lambda x, w, b: F.layer_norm(x, (5,), w, b), (6, 5)),
    "rms": (lambda x, w, b: F.rms_norm(x, (5,), w, 1e-5), (6, 5)),
    "batch": (lambda x, w, b: F.batch_norm(x, None, None, w, b, True), (6, 5)),
    "batch of images": (lambda x, w, b: F.batch_norm(x, None, None, w, b, True), (3, 5, 2, 2)),
    "group": (lambda x, w, b: F.group_norm(x, 1, w, b), (3, 5, 2, 2)),
}


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 6e2, 6e3])
@pytest.mark.parametrize("norm", SHORT)
def test_norms_of_float16_are_those_of_float64_rounded(norm, scale, compiled):
    # Squares of float16 overflow from 256 on, and are 0 or coarse below 1e-3.
    f, shape = SHORT[norm]
    arrays = [np.float16(a) for a in (rng.normal(size=shape) * scale, rng.normal(size=5), rng.normal(size=5))]
    g = np.float16(rng.normal(size=shape))

    def run(dtype):
        leaves = [Tensor(a.astype(dtype), requires_grad=True) for a in arrays]

        def step():
            for leaf in leaves:
                leaf.grad = None
            out = f(*leaves)
            out.backward(Tensor(g.astype(dtype)))
            return out

        out = (ag.compile(step) if compiled else step)()
        return [out.data, *(leaf.grad.data for leaf in leaves if leaf.grad is not None)]

    for got, wanted in zip(run("float16"), run("float64"), strict=True):
        assert got.dtype == "float16"
        np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-3 * abs(wanted).max())


def test_running_statistics_of_float16_are_those_of_float64_rounded():
    x = np.float16(rng.normal(size=(40, 2)) * 200)  # with a variance that float16 holds, and squares that it does not
    layers = [nn.BatchNorm1d(2, momentum=1.0, dtype=dtype) for dtype in ("float16", "float64")]
    for layer in layers:
        layer(Tensor(x.astype(layer.weight.dtype)))
    short, wide = (layer.running_var.data for layer in layers)
    np.testing.assert_allclose(short, wide, rtol=1e-3)


def test_group_norm_of_one_group_is_layer_norm_and_of_single_channels_has_no_mean():
    x = normal(2, 4, 3, 3)
    one = nn.GroupNorm(1, 4, affine=False)(x)
    np.testing.assert_allclose(one.data, F.layer_norm(x, (4, 3, 3)).data, rtol=1e-12)
    each = nn.GroupNorm(4, 4, dtype="float64")(x)
    np.testing.assert_allclose(each.data.mean(axis=(2, 3)), 0.0, atol=1e-12)


def test_without_momentum_the_statistics_are_the_average_of_all_batches():
    layer = nn.BatchNorm1d(2, momentum=None, dtype="float64")
    batches = [normal(5, 2) for _ in range(4)]
    for batch in batches:
        layer(batch)
    np.testing.assert_allclose(layer.running_mean.data, np.mean([b.data.mean(axis=0) for b in batches], axis=0))


def test_learning_statistics_leaves_the_graph_usable():
    """The same layer twice in one graph: the second forward must not spoil what the first one keeps."""
    layer = nn.BatchNorm1d(3, dtype="float64")
    x = Tensor(normal(6, 3), requires_grad=True)
    (layer(layer(x)) ** 2).sum().backward()
    layer.eval()
    out = layer(x)
    layer.train()(x)
    out.sum().backward()
    assert x.grad is not None


def test_layer_norm_is_blind_to_scale_and_shift_and_rms_norm_to_scale():
    x = normal(4, 6)
    layer, root = nn.LayerNorm(6, eps=0.0, dtype="float64"), nn.RMSNorm(6, eps=0.0, dtype="float64")
    np.testing.assert_allclose(layer(x * 3.0 + 1.0).data, layer(x).data, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(root(x * 3.0).data, root(x).data)
    np.testing.assert_allclose((root(x).data ** 2).mean(axis=1), 1.0)


# Embedding


def test_an_embedding_adds_up_the_gradients_of_a_row_and_skips_padding():
    layer = nn.Embedding(4, 2, padding_idx=1, dtype="float64")
    assert layer.weight.data[1].tolist() == [0.0, 0.0]
    with ag.no_grad():
        layer.weight[1] = 5.0
    out = layer(Tensor([[0, 1], [0, 3]]))
    assert out.data[0, 1].tolist() == [5.0, 5.0]
    out.sum().backward()
    assert layer.weight.grad.tolist() == [[2.0, 2.0], [0.0, 0.0], [0.0, 0.0], [1.0, 1.0]]


def test_one_hot():
    assert F.one_hot(Tensor([[2], [0]])).tolist() == [[[0, 0, 1]], [[1, 0, 0]]]
    assert F.one_hot(np.array([1]), 4).tolist() == [[0, 1, 0, 0]]
    assert F.one_hot(Tensor([1])).dtype == "int64"
    assert F.one_hot(np.array(1, "uint64"), 3).tolist() == [0, 1, 0]
    assert F.one_hot(np.zeros((2, 0), "int32"), 0).shape == (2, 0, 0)


def test_flatten_and_identity():
    x = normal(2, 3, 4)
    assert nn.Flatten()(x).shape == (2, 12)
    assert nn.Flatten(-2)(x).shape == (2, 12)
    assert nn.Flatten(0, 1)(x).shape == (6, 4)
    assert nn.Flatten()(Tensor(np.zeros((0, 2, 3)))).shape == (0, 6)
    assert nn.Identity(3, whatever=4)(x) is x


# Errors


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: nn.Linear(3, 2)(normal(4, 2)), ValueError, r"x of shape \(4, 2\) and weight of shape \(2, 3\)"),
        (lambda: nn.Maxout(3, 2, 0), ValueError, "pieces=0"),
        (lambda: nn.Maxout(3, 2, init="parabola"), ValueError, "init='parabola'"),
        (lambda: nn.Maxout(3, 2, bias=False, init="tangent"), ValueError, "without a bias"),
        (lambda: F.maxout(normal(2, 5), 2), ValueError, "must divide into 2 blocks"),
        (lambda: nn.Dropout(1.5), ValueError, r"p=1.5.*\[0, 1\]"),
        (lambda: nn.Dropout(mode="old"), ValueError, "mode='old'"),
        (lambda: nn.Dropout(mask="none"), ValueError, "mask='none'"),
        (lambda: nn.LayerNorm(4)(normal(2, 3)), ValueError, r"\(\(4,\)\) got x of shape \(2, 3\): the last axes must"),
        (lambda: F.layer_norm(normal(2, 3), (3,), normal(2)), ValueError, r"weight of shape \(2,\): it must be \(3,\)"),
        (lambda: F.rms_norm(normal(2, 3), ()), ValueError, "the last axes must be"),
        (lambda: nn.BatchNorm1d(3)(normal(1, 3)), ValueError, r"x of shape \(1, 3\).*variance of 1 value.*eval\(\)"),
        (lambda: nn.BatchNorm1d(3)(normal(4, 2)), ValueError, r"BatchNorm1d\(3\) got x of shape \(4, 2\)"),
        (lambda: nn.BatchNorm1d(3)(normal(3)), ValueError, r"it must be \(N, 3\) or"),
        (lambda: nn.BatchNorm2d(3)(normal(4, 3)), ValueError, r"BatchNorm2d\(3\).*\(4, 3\): it must be \(N, 3, H, W\)"),
        (lambda: nn.BatchNorm1d(3)(normal(4, 3, 2, 2)), ValueError, r"it must be \(N, 3\) or \(N, 3, L\)"),
        (lambda: nn.GroupNorm(2, 3), ValueError, "num_groups=2 and num_channels=3"),
        (lambda: F.group_norm(normal(2, 3), 2), ValueError, r"x of shape \(2, 3\) and num_groups=2"),
        (lambda: F.group_norm(normal(2, 4), 2, normal(2)), ValueError, r"weight of shape \(2,\).*it must be \(4,\)"),
        (lambda: nn.Dropout2d(-0.5), ValueError, r"p=-0.5.*\[0, 1\]"),
        (lambda: F.dropout2d(normal(2, 3)), ValueError, r"x of shape \(2, 3\): it must be \(N, C, H, W\)"),
        (lambda: F.dropout2d(normal(2, 3, 3), 2), ValueError, "p=2"),
        (lambda: F.batch_norm(normal(3), None, None), ValueError, r"\(N, C\)"),
        (lambda: F.batch_norm(normal(4, 3), None, None), ValueError, "needs running_mean and running_var"),
        (lambda: F.batch_norm(normal(4, 3), normal(2), None), ValueError, r"running_mean of shape \(2,\)"),
        (lambda: nn.Embedding(3, 2)(Tensor([0, 3])), IndexError, "indices from 0 to 3, and there are 3, 0 to 2"),
        (lambda: nn.Embedding(3, 2)(Tensor([-1])), IndexError, "indices from -1 to -1"),
        (lambda: nn.Embedding(3, 2)(Tensor([0.0])), TypeError, r"indices of float32.*astype\('int64'\)"),
        (lambda: nn.Embedding(3, 2, padding_idx=3), ValueError, "padding_idx=3 for 3 rows"),
        (lambda: F.embedding(Tensor([0]), normal(3)), ValueError, r"weight of shape \(3,\)"),
        (lambda: F.embedding(Tensor([0]), normal(3, 2), 3), ValueError, "padding_idx=3"),
        (lambda: F.one_hot(Tensor([5]), 3), IndexError, "indices from 5 to 5"),
        (lambda: nn.Flatten(2)(normal(2, 3)), ValueError, "which has no such axes"),
        (lambda: nn.GroupNorm(2.0, 6), ValueError, "num_groups=2.0"),
        (lambda: F.group_norm(normal(2, 6), "2"), ValueError, "num_groups='2'"),
        (lambda: nn.PReLU(3)(normal(4, 2)), ValueError, "it takes one slope, or 2"),
        (lambda: F.rrelu(normal(2), 0.5, 0.1), ValueError, "lower=0.5 above upper=0.1"),
        (lambda: F.hardtanh(normal(2), 1.0, 1.0), ValueError, "the first must be the smaller"),
        (lambda: F.celu(normal(2), 0.0), ValueError, "alpha=0"),
        (lambda: F.gelu(normal(2), "erf"), ValueError, "approximate='erf'"),
    ],
)
def test_mistakes_are_named(call, kind, text):
    with pytest.raises(kind, match=text):
        call()


def test_options_by_keyword_reach_the_backward_pass():
    x = Tensor([-1.0, 2.0], requires_grad=True)
    F.leaky_relu(x, negative_slope=0.5).sum().backward()
    assert x.grad.tolist() == [0.5, 1.0]


def test_far_tails_neither_overflow_nor_lose_their_digits():
    x = Tensor([-1000.0, -60.0, 60.0, 1000.0], requires_grad=True)
    for function in (F.sigmoid, F.softplus, F.logsigmoid, F.silu, F.gelu, F.mish, F.elu, F.selu, F.celu, F.hardswish):
        x.grad = None
        out = function(x)
        out.sum().backward()
        assert np.isfinite(out.data).all()
        assert np.isfinite(x.grad.data).all()
    assert F.sigmoid(x).tolist()[1] == pytest.approx(math.exp(-60), rel=1e-5)


SLOPES_AT_INFINITY = {  # of functions that have a slope there: below, above
    **dict.fromkeys((F.relu, F.elu, F.celu, F.hardswish, F.softplus), (0, 1)),
    **dict.fromkeys((F.relu6, F.hardsigmoid, F.hardtanh, F.sigmoid, F.tanh), (0, 0)),
    F.selu: (0, 1.0507009873554805),
    F.leaky_relu: (0.01, 1),
    F.logsigmoid: (1, 0),
}


@pytest.mark.parametrize("function", SLOPES_AT_INFINITY, ids=lambda f: f.__name__)
@pytest.mark.parametrize("run", [lambda f: f, ag.compile], ids=["eager", "compiled"])
def test_slopes_at_infinity(function, run):
    x = Tensor([-math.inf, -1e38, 1e38, math.inf])
    low, high = SLOPES_AT_INFINITY[function]
    slope = ag.grad(lambda x: function(x).sum())
    with np.errstate(invalid="ignore"):  # of the sum
        np.testing.assert_allclose(run(slope)(x).data, [low, low, high, high], rtol=1e-6)
        np.testing.assert_array_equal(run(ag.grad(lambda x: slope(x).sum()))(x).data, 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gelu_lets_nothing_through_far_below_zero(dtype: str) -> None:
    far = Tensor(np.array([-1e15, -1e6, -1e4, -100.0, -60.0], dtype=dtype), requires_grad=True)
    out = nn.functional.gelu(far)
    out.sum().backward()
    assert far.grad is not None
    np.testing.assert_array_equal(out.detach().numpy(), 0.0)
    np.testing.assert_array_equal(far.grad.numpy(), 0.0)
