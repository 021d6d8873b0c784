"""Recurrent layers beyond the numbers of the references: states, directions, dropout, compiled steps, and errors."""

from __future__ import annotations

import numpy as np
import pytest

import autograd as ag
import nn
import nn.functional as F
import optim
from autograd import Tensor
from autograd.random import Generator
from nn.functional.recurrent import gru, lstm, rnn
from tests.autograd.compile import simulated
from tests.autograd.compile.worlds import assert_same, world

KINDS = ["RNN", "LSTM", "GRU"]


def normal(*shape, seed=0, dtype="float64"):
    return Tensor(np.random.default_rng(seed).normal(size=shape).astype(dtype))


def make(kind, *args, **options):
    return getattr(nn, kind)(*args, **{"dtype": "float64", "generator": Generator(1), **options})


def flat(states):
    """The states as a list: an LSTM has two."""
    return list(states) if isinstance(states, tuple) else [states]


def close(found, wanted, rtol=1e-12):
    np.testing.assert_allclose(found.detach().numpy(), wanted.detach().numpy(), rtol=rtol, atol=rtol)


def begin(kind, *shape):
    """States to begin with."""
    states = tuple(normal(*shape, seed=seed) for seed in (5, 6))
    return states if kind.startswith("LSTM") else states[0]


# What comes out


@pytest.mark.parametrize("kind", KINDS)
def test_names_and_shapes_are_pytorchs(kind):
    layer = make(kind, 3, 2, num_layers=2, bidirectional=True)
    rows = {"RNN": 2, "LSTM": 8, "GRU": 6}[kind]
    wanted = {}
    for number, inputs in enumerate((3, 4)):
        for end in (f"_l{number}", f"_l{number}_reverse"):
            wanted |= {f"weight_ih{end}": (rows, inputs), f"weight_hh{end}": (rows, 2)}
            wanted |= {f"bias_ih{end}": (rows,), f"bias_hh{end}": (rows,)}
    assert {name: p.shape for name, p in layer.named_parameters()} == wanted
    assert list(layer.state_dict()) == list(wanted)
    out, states = layer(normal(5, 4, 3))
    assert out.shape == (5, 4, 4)
    assert [state.shape for state in flat(states)] == [(4, 4, 2)] * len(flat(states))
    assert {p.role for name, p in layer.named_parameters() if "bias" in name} == {"bias"}
    assert not [name for name, _ in make(kind, 3, 2, bias=False).named_parameters() if "bias" in name]


@pytest.mark.parametrize("kind", KINDS)
def test_all_parameters_start_evenly_spread_over_one_by_the_root_of_the_width(kind):
    for module in (make(kind, 30, 16, num_layers=2), make(f"{kind}Cell", 30, 16)):
        for parameter in module.parameters():
            size = np.abs(parameter.data)
            assert size.max() <= 0.25
            assert size.max() > 0.2
            assert 0.08 < size.mean() < 0.17


@pytest.mark.parametrize("kind", KINDS)
def test_a_sequence_in_two_parts_is_the_whole(kind):
    layer, x = make(kind, 3, 4, num_layers=2), normal(7, 2, 3)
    whole, states = layer(x, begin(kind, 2, 2, 4))
    first, between = layer(x[:3], begin(kind, 2, 2, 4))
    second, last = layer(x[3:], between)
    close(ag.concat([first, second]), whole)
    for a, b in zip(flat(last), flat(states), strict=True):
        close(a, b)
    close(flat(states)[0][-1], whole[-1])


@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_is_one_step_of_the_layer(kind):
    layer, cell, x = make(kind, 3, 4), make(f"{kind}Cell", 3, 4), normal(5, 2, 3)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    out, last = layer(x)
    states = None
    for t in range(5):
        states = cell(x[t], states)
        close(flat(states)[0], out[t])
    for a, b in zip(flat(states), flat(last), strict=True):
        close(a, b[0])
    close(flat(cell(x[0, 1]))[0], out[0, 1])  # without a batch


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_states_of_one_unit_are_the_same_in_float32(kind):
    wide, narrow, x = make(kind, 3, 1), make(kind, 3, 1, dtype="float32"), normal(2, 4, 3)
    narrow.load_state_dict(wide.state_dict())
    close(narrow(x.astype("float32"))[0].astype("float64"), wide(x)[0], rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_second_direction_reads_from_the_end(kind):
    layer, one, x = make(kind, 3, 4, bidirectional=True), make(kind, 3, 4), normal(5, 2, 3)
    state = layer.state_dict()
    one.load_state_dict({name: state[f"{name}_reverse"] for name in one.state_dict()})
    out, states = layer(x)
    back, last = one(ag.flip(x, axis=0))
    close(out[:, :, 4:], ag.flip(back, axis=0))
    for a, b in zip(flat(states), flat(last), strict=True):
        close(a[1], b[0])


@pytest.mark.parametrize("kind", KINDS)
def test_batch_first_and_no_batch(kind):
    layer, first, x = make(kind, 3, 4, num_layers=2), make(kind, 3, 4, num_layers=2, batch_first=True), normal(5, 2, 3)
    start = begin(kind, 2, 2, 4)
    out, states = layer(x, start)
    turned, same = first(x.permute_dims((1, 0, 2)), start)
    close(turned.permute_dims((1, 0, 2)), out)
    alone, own = first(x[:, 1], begin(kind, 2, 2, 4)[:, 1] if kind != "LSTM" else tuple(s[:, 1] for s in start))
    close(alone, out[:, 1])
    for a, b, c in zip(flat(states), flat(same), flat(own), strict=True):
        close(b, a)
        close(c, a[:, 1])


def test_between_layers_dropout_draws_as_nn_dropout_does():
    masks = Generator(3)
    layer = make("GRU", 3, 4, num_layers=2, dropout=0.5, generator=masks)
    lower, upper, x = make("GRU", 3, 4), make("GRU", 4, 4), normal(5, 2, 3)
    state = layer.state_dict()
    lower.load_state_dict({name: state[name] for name in lower.state_dict()})
    upper.load_state_dict({name: state[name.replace("_l0", "_l1")] for name in upper.state_dict()})
    draws = Generator(3)
    draws.load_state_dict(masks.state_dict())
    found, wanted = layer(x)[0], upper(F.dropout(lower(x)[0], 0.5, generator=draws))[0]
    close(found, wanted)
    close(layer.eval()(x)[0], upper(lower(x)[0])[0])


def test_half_precision_takes_the_definition():
    for kind in KINDS:
        out, _ = make(kind, 3, 4, dtype="float16")(normal(5, 2, 3, dtype="float16"))
        assert out.dtype == "float16"
        out.sum().backward()


def test_arrays_of_numpy_and_whole_numbers_go_in():
    assert nn.LSTM(3, 4)(np.ones((5, 2, 3), "float32"))[0].dtype == "float32"
    assert nn.GRUCell(3, 4)(np.ones((2, 3), np.uint8)).dtype == "float32"


def test_an_lstm_learns_what_it_has_to_keep():
    """One of four symbols, and after ten steps without any the question which it was."""
    generator, rng = Generator(0), np.random.default_rng(0)
    layer, out = nn.LSTM(4, 16, generator=generator), nn.Linear(16, 4, generator=generator)
    with ag.no_grad():
        layer.bias_ih_l0[16:32] = 1.0  # the forget gates begin open, Gers et al. 2000
    optimizer = optim.Adam([*layer.parameters(), *out.parameters()], lr=0.02)

    @ag.compile
    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(out(layer(x)[0][-1]), y)
        loss.backward()
        optim.clip_grad_norm_([*layer.parameters(), *out.parameters()], 1.0)
        optimizer.step()
        return loss

    def batch():
        symbols, x = rng.integers(0, 4, 32), np.zeros((11, 32, 4), "float32")
        x[0] = np.eye(4)[symbols]
        return Tensor(x), Tensor(symbols)

    first = step(*batch()).item()
    for _ in range(300):
        last = step(*batch()).item()
    assert first > 1.2
    assert last < 0.05


# Compiled


def steps(kind, device="cpu", layers=2):
    """Two equal trainings: as written, and compiled."""
    found = []
    for _ in range(2):
        dropout = 0.5 if layers > 1 else 0.0
        layer = make(kind, 3, 4, num_layers=layers, dropout=dropout, bidirectional=True, dtype="float32").to(device)
        optimizer = optim.Adam(layer.parameters(), lr=0.01)

        def step(x, hx, layer=layer, optimizer=optimizer):
            optimizer.zero_grad()
            out, states = layer(x, hx)
            loss = (out * out).mean() + sum((state * 0.3).sum() for state in flat(states))
            loss.backward()
            optimizer.step()
            return loss.detach()

        found.append((layer, optimizer, step))
    first, second = found
    return first, (*second[:2], ag.compile(second[2]))


def train(kind, first, second, device="cpu", rtol=None, times=3):
    hx = begin(kind, 2 * first[0].num_layers, 2, 4)
    hx = tuple(s.astype("float32").to(device) for s in flat(hx))
    hx = hx if kind == "LSTM" else hx[0]
    for seed in range(times):
        x = normal(3, 2, 3, seed=seed, dtype="float32").to(device)
        wanted, found = first[2](x, hx), second[2](x, hx)
        assert_same(found.to("cpu"), wanted.to("cpu"), "loss", rtol)
        assert_same(world(*second[:2]), world(*first[:2]), rtol=rtol)


@pytest.mark.parametrize("kind", KINDS)
def test_a_compiled_step_equals_the_one_as_written(kind):
    first, second = steps(kind)
    train(kind, first, second, rtol=2e-5)
    plan = second[2].explain()
    assert "recurrent layer" in plan or "native" not in plan  # there may be no compiler
    assert "NumPy: " not in plan


@pytest.mark.parametrize("kind", KINDS)
def test_compiled_with_numpy_it_has_the_bits_of_eager_code_in_numpy(kind, monkeypatch):
    monkeypatch.setenv("TAPEGRAD_EXECUTOR", "numpy")
    train(kind, *steps(kind))


@simulated.needed
def test_a_compiled_step_on_a_device(device):
    train("LSTM", *steps("LSTM", device, layers=1), device, rtol=2e-5, times=2)


# Mistakes


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: nn.LSTM(0, 2), r"LSTM got input_size=0: it must be a whole number, 1 or more"),
        (lambda: nn.GRUCell(2, 0.5), r"GRUCell got hidden_size=0.5"),
        (lambda: nn.GRU(3, 2, num_layers=0), r"GRU got num_layers=0"),
        (lambda: nn.RNN(3, 2, nonlinearity="gelu"), r"RNN got nonlinearity='gelu': it must be \"tanh\" or \"relu\""),
        (lambda: nn.RNN(3, 2, 2, dropout=1.5), r"RNN got dropout=1.5: a probability must be in \[0, 1\]"),
        (lambda: nn.LSTM(3, 2, proj_size=1), r"LSTM got proj_size=1.*put nn.Linear\(hidden_size, proj_size\) behind"),
        (
            lambda: nn.LSTM(3, 2)(normal(5, 4, 2)),
            r"x of shape \(5, 4, 2\): it must be \(T, N, 3\), or \(T, 3\) without",
        ),
        (lambda: nn.GRU(3, 2, batch_first=True)(normal(3)), r"x of shape \(3,\): it must be \(N, T, 3\), or \(T, 3\)"),
        (lambda: nn.RNN(3, 2)(normal(0, 4, 3)), r"x of shape \(0, 4, 3\), which has no times: give it 1 or more"),
        (
            lambda: nn.GRU(3, 2)(normal(5, 4, 3), normal(4, 2)),
            r"GRU got shape \(4, 2\) for hx, and x of shape \(5, 4, 3\): hx must be an array of shape \(1, 4, 2\), or",
        ),
        (
            lambda: nn.LSTM(3, 2)(normal(5, 4, 3), normal(1, 4, 2)),
            r"LSTM got shape \(1, 4, 2\) for hx.*hx must be a pair \(h, c\), each of shape \(1, 4, 2\), or None for z",
        ),
        (
            lambda: nn.LSTM(3, 2)(normal(5, 3), (normal(1, 2), normal(1, 3))),
            r"LSTM got \(shape \(1, 2\), shape \(1, 3\)\) for hx.*each of shape \(1, 2\)",
        ),
        (lambda: nn.LSTMCell(3, 2)(normal(4, 2)), r"LSTMCell got x of shape \(4, 2\): it must be \(N, 3\), or \(3,\)"),
        (lambda: nn.RNNCell(3, 2)(normal(4, 3), 1.0), r"RNNCell got a float for hx.*an array of shape \(4, 2\), or No"),
    ],
)
def test_mistakes_are_named(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_dropout_without_a_layer_above_is_a_warning():
    with pytest.warns(UserWarning, match=r"LSTM got dropout=0.2 and num_layers=1: dropout stands between layers"):
        nn.LSTM(3, 2, dropout=0.2)


def test_repr_shows_what_is_not_usual():
    assert repr(nn.LSTM(3, 2)).startswith("LSTM(3, 2) ")
    shown = "RNN(3, 2, num_layers=2, nonlinearity='relu', dropout=0.5) "
    assert repr(nn.RNN(3, 2, 2, "relu", dropout=0.5)).startswith(shown)
    assert repr(nn.GRUCell(3, 2, bias=False)).startswith("GRUCell(3, 2, bias=False) ")


# Against PyTorch, with states to begin with and gradients of all that goes in


@pytest.mark.peers
@pytest.mark.parametrize("layout", [{}, {"num_layers": 2, "bidirectional": True, "batch_first": True}])
@pytest.mark.parametrize("kind", KINDS)
def test_states_and_their_gradients_are_pytorchs(kind, layout):
    torch = pytest.importorskip("torch")
    ours, theirs = make(kind, 3, 4, **layout), getattr(torch.nn, kind)(3, 4, **layout).double()
    ours.load_state_dict(theirs.state_dict())
    theirs.load_state_dict({name: torch.tensor(value.numpy()) for name, value in ours.state_dict().items()})
    count = 4 if layout else 1
    x = normal(5, 2, 3)
    start = flat(begin(kind, count, 5 if layout else 2, 4))
    leaves = [t.requires_grad_() for t in (x, *start)]
    twins = [torch.tensor(t.numpy(), requires_grad=True) for t in (t.detach() for t in leaves)]
    results = []
    for layer, (first, *states) in ((ours, leaves), (theirs, twins)):
        out, last = layer(first, tuple(states) if kind == "LSTM" else states[0])
        loss = (out * out).sum() + sum((i + 1) * (state**3).sum() for i, state in enumerate(flat(last)))
        loss.backward()
        results.append([out, *flat(last), *(t.grad for t in (first, *states)), *(p.grad for p in layer.parameters())])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-11)


# In C


@pytest.mark.parametrize(
    ("function", "batch", "width"), [(rnn, 50, 268), (lstm, 50, 67), (gru, 50, 89), (lstm, 15, 270), (rnn, 3, 5)]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("reverse", [False, True])
def test_c_gives_numpys_numbers(function, batch, width, dtype, reverse, monkeypatch):
    """Of rows in parts and of few rows, in blocks and as a whole, of lengths that fill no vector."""
    gates, states = {"rnn": (1, 1), "lstm": (4, 2), "gru": (3, 1)}[function.__name__]
    steps, features = 5, 7
    rows, rng = gates * width, np.random.default_rng(0)
    shapes = [(steps, batch, features), *[(batch, width)] * states, (rows, features), (rows, width), (rows,), (rows,)]
    arrays = [rng.normal(size=shape).astype(dtype) / np.sqrt(width) for shape in shapes]
    arrays[0] = arrays[0][:, :, ::-1]
    found = []
    for executor in ("native", "numpy"):
        monkeypatch.setenv("TAPEGRAD_EXECUTOR", executor)
        leaves = [Tensor(a, requires_grad=True) for a in arrays]
        out = function(*leaves, reverse=reverse)
        g = np.random.default_rng(1).normal(size=out.shape).astype(dtype)
        found.append([out, *ag.gradients(out, leaves, g)])
    for a, b in zip(*found, strict=True):
        scale = np.abs(b.data).max()
        rtol = 3e-5 if dtype == "float32" else 1e-12
        np.testing.assert_allclose(a.data, b.data, rtol=rtol, atol=rtol * scale)


def test_long_sequences_are_differentiated_without_recursion():
    layer = make("RNN", 2, 3, dtype="float32")
    x = normal(3000, 1, 2, dtype="float32").requires_grad_()
    layer(x)[0][-1].sum().backward()
    assert np.isfinite(x.grad.data).all()
    assert not x.grad.data[:2000].any() or np.abs(x.grad.data[:2000]).max() < 1e-6  # what is long ago is forgotten


@pytest.mark.parametrize("kind", KINDS)
def test_sequences_of_several_lengths_are_read_both_ways_as_the_error_for_packed_ones_says(kind):
    # Of a layer in two directions, each sequence alone, and of two layers all of them, padded.
    both = make(kind, 3, 2, bidirectional=True)
    ahead, back = make(kind, 3, 2), make(kind, 3, 2)
    state = both.state_dict()
    ahead.load_state_dict({name: state[name] for name in ahead.state_dict()})
    back.load_state_dict({name: state[f"{name}_reverse"] for name in back.state_dict()})

    lengths, n = Tensor([5, 1, 3]), 3
    x = normal(5, n, 3)
    t = ag.expand_dims(ag.arange(5), axis=1)
    turned = ag.where(t < lengths, lengths - 1 - t, t)
    output, turned_output = ahead(x)[0], back(x[turned, range(n)])[0]
    for i, length in enumerate(lengths.tolist()):
        alone, states = both(x[:length, i])
        close(ag.concat([output[:length, i], turned_output[turned, range(n)][:length, i]], axis=1), alone)
        close(output[lengths - 1, range(n)][i], flat(states)[0][0])
        close(turned_output[lengths - 1, range(n)][i], flat(states)[0][1])


def test_the_size_of_keras_has_another_name():
    with pytest.raises(TypeError, match="LSTM has no option units; units is called hidden_size here"):
        nn.LSTM(3, units=4)
    with pytest.raises(TypeError, match="units is called out_features here"):
        nn.Linear(3, units=4)
