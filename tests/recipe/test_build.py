"""What a configuration becomes: the network, its first weights, the optimizer, the data."""

from __future__ import annotations

import gzip
import re
import struct

import numpy as np
import pytest

import autograd as ag
import nn
from recipe.assembly import build_stopping
from recipe.build import build_model, build_optimizer, title
from recipe.config import ACTIVATIONS, RATES, ConfigError, DataConfig, configure
from recipe.data import DataError, Dataset, Parts
from recipe.sources import load_parts, mended


def model_of(**flags):
    config = configure(flags={f"model.{name}": value for name, value in flags.items()})
    return build_model(config.model, 6, 3, config.seed)


def test_the_layers_have_speaking_names():
    names = [name for name, _ in model_of(hidden="5,4").named_children()]
    assert names == [
        *("dropout0", "linear1", "relu1", "dropout1", "linear2", "relu2", "dropout2", "linear3"),
    ]
    assert [name for name, _ in model_of(hidden="none").named_children()] == ["dropout0", "linear1"]
    assert [name for name, _ in model_of(hidden="4", dropout="0.5").named_children()] == [
        *("linear1", "relu1", "dropout1", "linear2")
    ]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_trains(activation):
    model = model_of(activation=activation, hidden="5", **({"pieces": "3"} if activation == "maxout" else {}))
    loss = nn.functional.cross_entropy(model(ag.Tensor(np.ones((4, 6), "float32"))), ag.Tensor(np.arange(4) % 3))
    loss.backward()
    assert all(np.isfinite(p.grad.numpy()).all() for p in model.parameters())
    assert title(configure(flags={"model.activation": activation}).model, 6, 3) == f"6-512-512-3 {activation}"


def test_first_weights():
    weights = {init: model_of(init=init, hidden="400").linear1 for init in ("glorot", "he", "torch")}
    glorot, he, torch = weights.values()
    bound = np.sqrt(6 / (6 + 400))
    values = glorot.weight.detach().numpy()
    assert np.abs(values).max() <= bound
    assert values.std() == pytest.approx(bound / np.sqrt(3), rel=0.05)
    assert he.weight.detach().numpy().std() == pytest.approx(np.sqrt(2 / 6), rel=0.05)
    assert np.abs(torch.weight.detach().numpy()).max() <= 1 / np.sqrt(6)
    assert not glorot.bias.detach().numpy().any()
    assert torch.bias.detach().numpy().any()


def test_each_piece_of_a_maxout_layer_starts_as_a_layer_of_its_own():
    layer = model_of(activation="maxout", hidden="200", pieces="4").maxout1
    values = layer.weight.detach().numpy()
    bound = np.sqrt(6 / (6 + 200))
    assert np.abs(values).max() <= bound
    assert all(np.abs(part).max() > 0.98 * bound for part in np.split(values, 4))


def test_random_choices_do_not_disturb_each_other():
    """The first layer starts the same with and without dropout, and its noise is its own."""
    one, other = model_of(hidden="5", dropout="none"), model_of(hidden="5")
    np.testing.assert_array_equal(one.linear1.weight.detach().numpy(), other.linear1.weight.detach().numpy())
    streams = [m.generator.stream for m in model_of(hidden="5,5").modules() if isinstance(m, nn.Dropout)]
    assert len(set(streams)) == 3


@pytest.mark.parametrize("name", RATES)
def test_every_optimizer_steps(name):
    config = configure(flags={"optim.name": name, "optim.l1": "1e-3", "optim.l2": "1e-3", "optim.weight_decay": "0.01"})
    model = model_of(hidden="5")
    before = model.linear1.weight.detach().numpy().copy()
    optimizer = build_optimizer(config.optim, model)
    assert [type(p).__name__ for p in optimizer.param_groups[0]["penalties"]] == ["L1", "L2", "MaxNorm"]
    ag.sum(model(ag.Tensor(np.ones((2, 6), "float32"))) ** 2.0).backward()
    optimizer.step()
    assert (model.linear1.weight.detach().numpy() != before).any()


def test_momentum_and_nesterov_reach_sgd():
    flags = {"optim.name": "sgd", "optim.momentum": "0.9", "optim.nesterov": "true", "optim.max_norm": "none"}
    group = build_optimizer(configure(flags=flags).optim, model_of()).param_groups[0]
    assert (group["lr"], group["momentum"], group["nesterov"], group["penalties"]) == (0.1, 0.9, True, ())


# What an option says of single layers


def test_first_weights_of_a_scale_for_each_layer():
    scales = [0.00891, 0.0575, 0.0]
    model = model_of(hidden="40,30", init="uniform", init_scale=",".join(map(str, scales)))
    for layer, bound in zip((model.linear1, model.linear2, model.linear3), scales, strict=True):
        size = np.abs(layer.weight.detach().numpy())
        assert 0.9 * bound <= size.max() <= bound
        assert not layer.bias.detach().numpy().any()
    assert model.linear2.weight.detach().numpy().std() == pytest.approx(0.0575 / np.sqrt(3), rel=0.05)


def test_first_weights_of_one_scale_for_all_layers_and_all_pieces():
    model = model_of(activation="maxout", hidden="20,20", pieces="5", init="uniform", init_scale="0.005")
    for layer in (model.maxout1, model.maxout2, model.linear3):
        values = layer.weight.detach().numpy()
        assert 0.0045 < np.abs(values).max() <= 0.005
        assert values.min() < 0
    normal = model_of(hidden="400", init="normal", init_scale="0.2,0").linear1.weight.detach().numpy()
    assert normal.std() == pytest.approx(0.2, rel=0.05)
    assert not model_of(hidden="400", init="normal", init_scale="0.2,0").linear2.weight.detach().numpy().any()


def test_lecuns_first_weights_have_the_variance_one_over_inputs():
    model = model_of(hidden="300,200", init="lecun")
    for layer, inputs in ((model.linear1, 6), (model.linear2, 300), (model.linear3, 200)):
        assert layer.weight.detach().numpy().std() == pytest.approx(np.sqrt(1 / inputs), rel=0.06)


def test_kept_inputs_are_scaled_as_one_says_and_in_tests_not_at_all():
    ones = ag.Tensor(np.ones((200, 6), "float32"))
    for scale, kept in (("none", 1.25), ("1", 1.0), ("3", 3.0)):
        layer = model_of(hidden="5", input_scale=scale).dropout0
        values, counts = np.unique(layer(ones).detach().numpy(), return_counts=True)
        np.testing.assert_allclose(values, [0.0, kept], rtol=1e-4)
        assert counts[0] / 1200 == pytest.approx(0.2, abs=0.04)
        layer.eval()
        np.testing.assert_array_equal(layer(ones).detach().numpy(), ones.numpy())
    assert repr(layer) == "DropoutScaled(p=0.2, scale=3.0)"


def test_classic_dropout_leaves_what_it_keeps_and_scales_in_tests():
    ones = ag.Tensor(np.ones((50, 6), "float32"))
    layer = model_of(hidden="5", dropout_mode="classic").dropout0
    assert set(layer(ones).detach().numpy().ravel()) == {0.0, 1.0}
    layer.eval()
    np.testing.assert_allclose(layer(ones).detach().numpy(), 0.8, rtol=1e-4)


def test_each_layer_has_its_own_longest_vector():
    """After a step too long each row has just the norm that its layer allows."""
    flags = {"optim.name": "sgd", "optim.lr": "100", "model.hidden": "5,4", "model.activation": "prelu"}
    config = configure(flags=flags | {"optim.max_norm": "4.378,2.97,0.5"})
    model = build_model(config.model, 6, 3, 0)
    optimizer = build_optimizer(config.optim, model)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(model.parameters()))
    for parameter in model.parameters():
        parameter.grad = ag.Tensor(np.ones(parameter.shape, "float32"))
    optimizer.step()
    for layer, norm in ((model.linear1, 4.378), (model.linear2, 2.97), (model.linear3, 0.5)):
        np.testing.assert_allclose(np.linalg.norm(layer.weight.detach().numpy(), axis=1), norm, rtol=1e-5)
        assert layer.bias.detach().numpy().max() < -50  # biases have no such limit


def test_one_norm_for_all_layers_leaves_one_group():
    config = configure(flags={"model.hidden": "5,4", "optim.max_norm": "2"})
    assert len(build_optimizer(config.optim, build_model(config.model, 6, 3, 0)).param_groups) == 1


# Data


def test_mnist_is_the_lectures_split(monkeypatch):
    x, y = np.arange(10_700, dtype=np.float32)[:, None], np.arange(10_700) % 10
    monkeypatch.setattr("recipe.sources.mnist.load", lambda: Dataset(x, y, x[:20], y[:20]))
    parts = load_parts(configure(flags={"data.limit_rows": "700"}).data, 3)
    assert [len(x) for x in parts[::2]] == [700, 10_000, 20]
    again = load_parts(configure(flags={"data.limit_rows": "300"}).data, 3)
    np.testing.assert_array_equal(parts.x_train[:300], again.x_train)
    other = load_parts(configure(flags={"data.limit_rows": "300"}).data, 4)
    assert (other.y_train != again.y_train).any()
    np.testing.assert_array_equal(other.x_valid, again.x_valid)


@pytest.mark.parametrize("source", ["blobs", "spirals"])
def test_synthetic_sets(source):
    parts = load_parts(configure(flags={"data.source": source}).data, 0)
    assert [len(y) for y in parts[1::2]] == [1800, 600, 600]
    assert set(parts.y_test.tolist()) == set(parts.y_train.tolist())


def test_validation_rows_can_be_trained_on_and_are_measured_as_before():
    alone = load_parts(configure(flags={"data.source": "blobs", "data.limit_rows": "100"}).data, 0)
    both = load_parts(
        configure(flags={"data.source": "blobs", "data.limit_rows": "100", "data.train_on_validation": "true"}).data, 0
    )
    np.testing.assert_array_equal(both.x_train, np.concatenate([alone.x_train, alone.x_valid]))
    np.testing.assert_array_equal(both.y_train, np.concatenate([alone.y_train, alone.y_valid]))
    for name in ("x_valid", "y_valid", "x_test", "y_test"):
        np.testing.assert_array_equal(getattr(both, name), getattr(alone, name))


def test_standardizing_uses_the_training_rows():
    parts = load_parts(configure(flags={"data.source": "blobs", "data.standardize": "true"}).data, 0)
    np.testing.assert_allclose(parts.x_train.mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(parts.x_train.std(axis=0), 1.0, atol=1e-5)
    assert abs(parts.x_valid.mean(axis=0)).max() > 1e-5


def test_rows_that_leaked_are_left_out_of_training():
    x = np.arange(20, dtype=np.float32).reshape(10, 2)
    parts = Parts(x, np.arange(10), x[[3, 7]], np.array([3, 7]), x[[0]], np.array([0]))
    dropped = mended(parts, DataConfig(drop_leaked=True))
    assert dropped.y_train.tolist() == [1, 2, 4, 5, 6, 8, 9]
    np.testing.assert_array_equal(dropped.x_train, x[dropped.y_train])
    assert dropped.x_valid is parts.x_valid
    assert mended(parts, DataConfig()) is parts
    with pytest.raises(ConfigError, match="leaves no row to train on"):
        mended(parts._replace(x_valid=x, y_valid=np.arange(10)), DataConfig(drop_leaked=True))


def test_what_may_stop_a_run_is_what_was_asked_for():
    kinds = {"stop.criterion": "GL", "stop.time_limit": "5"}
    found = build_stopping(configure(flags=kinds).stop)
    assert [type(callback).__name__ for callback in found] == ["EarlyStopping", "TimeLimit"]
    assert build_stopping(configure().stop) == []


def idx(array):
    kinds = {"uint8": 8, "int32": 12, "float32": 13}
    head = bytes([0, 0, kinds[array.dtype.name], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for part, rows in (("train", 60), ("t10k", 12)):
        images = rng.integers(0, 256, (rows, 3, 2)).astype("uint8")
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        labels = (np.arange(rows) % 4).astype("uint8")
        (tmp_path / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    return tmp_path


def test_a_folder_of_idx_files_packed_or_not(folder):
    parts = load_parts(configure(flags={"data.source": str(folder)}).data, 0)
    assert [x.shape for x in parts[::2]] == [(50, 6), (10, 6), (12, 6)]
    assert parts.x_train.dtype == np.float32
    assert 0.9 < parts.x_train.max() <= 1.0
    assert parts.y_test.tolist() == [0, 1, 2, 3] * 3


def damage(folder, name, data):
    (folder / name).write_bytes(data)


def one_class(folder):
    for part, rows in (("train", 60), ("t10k", 12)):
        damage(folder, f"{part}-labels-idx1-ubyte.gz", gzip.compress(idx(np.zeros(rows, "uint8"))))


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda f: (f / "train-images-idx3-ubyte").unlink(), "has neither train-images-idx3-ubyte nor train-images"),
        (lambda f: damage(f, "t10k-labels-idx1-ubyte.gz", b"xyz"), "t10k-labels-idx1-ubyte.gz is damaged"),
        (
            lambda f: damage(f, "t10k-labels-idx1-ubyte.gz", gzip.compress(b"x" * 99)[:15]),
            "t10k-labels-idx1-ubyte.gz is cut short",
        ),
        (lambda f: damage(f, "train-images-idx3-ubyte", b"\0\0\x08\x03"), "train-images-idx3-ubyte is cut short"),
        (
            lambda f: damage(f, "t10k-images-idx3-ubyte", idx(np.zeros((12, 2, 2), "uint8"))),
            "the train images have 6 pixels, the t10k ones 4.",
        ),
        (
            lambda f: damage(f, "t10k-images-idx3-ubyte", idx(np.zeros((11, 3, 2), "uint8"))),
            "hold images of shape (11, 3, 2) and labels of shape (12,)",
        ),
        (
            lambda f: damage(f, "t10k-images-idx3-ubyte", idx(np.full((12, 3, 2), np.nan, "float32"))),
            "the t10k images hold NaN or infinite numbers",
        ),
        (
            lambda f: damage(f, "t10k-labels-idx1-ubyte.gz", gzip.compress(idx(np.full(12, 10**6, "int32")))),
            "the t10k labels reach 1000000; wanted are classes below 65536.",
        ),
        (
            lambda f: damage(f, "t10k-labels-idx1-ubyte.gz", gzip.compress(idx(np.zeros(12, "float32")))),
            "the t10k labels are float32",
        ),
        (one_class, "every label is 0, and one class leaves nothing to learn; wanted are 0, 1, 2, ..."),
        (
            lambda f: damage(f, "t10k-images-idx3-ubyte", idx(np.zeros((12, 0, 2), "uint8"))),
            "hold images of shape (12, 0, 2) and labels of shape (12,); wanted are (rows, ...) and (rows,), with at",
        ),
    ],
)
def test_a_folder_with_something_wrong(folder, spoil, text):
    spoil(folder)
    with pytest.raises(DataError, match=re.escape(text)):
        load_parts(configure(flags={"data.source": str(folder)}).data, 0)


def test_a_folder_that_is_not_there_and_too_many_rows(tmp_path):
    with pytest.raises(DataError, match="nowhere: there is no such folder, and what is built in is mnist, blobs"):
        load_parts(configure(flags={"data.source": "nowhere"}).data, 0)
    with pytest.raises(ConfigError, match=re.escape("data.limit_rows = 99999, but there are 1800 rows to train on")):
        load_parts(configure(flags={"data.source": "blobs", "data.limit_rows": "99999"}).data, 0)
