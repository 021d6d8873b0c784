"""state_dict and load_state_dict: what is in a state, and that one that does not fit changes nothing."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import Tensor
from autograd.writes import clock, written_after


def net():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def values(module):
    return {name: tensor.data.copy() for name, tensor in module.state_dict().items()}


def test_the_state_shares_memory_and_stays_outside_the_graph():
    model = net()
    state = model.state_dict()
    assert list(state) == [
        *("0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked"),
        *("2.weight", "2.bias"),
    ]
    assert state["0.weight"].data is model[0].weight.data
    assert not any(tensor.requires_grad for tensor in state.values())
    assert next(iter(model.state_dict("model."))) == "model.0.weight"


@pytest.mark.parametrize("compiled", [False, True])
def test_a_state_is_that_of_the_module_as_it_goes_on(compiled):
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    state, kept = model.state_dict(), copy.deepcopy(model.state_dict())

    def step(x):
        return model(x)

    step = ag.compile(step) if compiled else step
    for i in range(3):
        step(ag.Tensor(np.full((4, 2), i, "float32")))
    model[0].weight.data[...] = 5.0
    for name, tensor in model.state_dict().items():
        np.testing.assert_array_equal(state[name].data, tensor.data)
    assert state["1.num_batches_tracked"].item() == 3
    assert kept["1.num_batches_tracked"].item() == 0


def test_a_state_that_fits_is_copied_in_place():
    model, other = net(), net()
    other[1].num_batches_tracked.data[...] = 9
    arrays = [p.data for p in model.parameters()]
    birth = clock()
    differences = model.load_state_dict(other.state_dict())
    assert differences == ([], [])
    assert differences.missing_keys == []
    assert all(a is p.data for a, p in zip(arrays, model.parameters(), strict=True))
    assert written_after(arrays[0], birth)  # a graph that needs the old values will say so
    for name, array in values(model).items():
        assert np.array_equal(array, values(other)[name])
        assert array.dtype == values(other)[name].dtype


@pytest.mark.parametrize("convert", [lambda t: t, lambda t: t.numpy(), lambda t: t.tolist(), lambda t: t.to("float64")])
def test_values_may_be_tensors_arrays_or_lists_of_other_dtypes(convert):
    model, other = nn.Linear(3, 4), nn.Linear(3, 4)
    model.load_state_dict({name: convert(tensor) for name, tensor in other.state_dict().items()})
    assert model.weight.dtype == "float32"
    np.testing.assert_allclose(model.weight.data, other.weight.data)


@pytest.mark.parametrize(
    ("change", "texts"),
    [
        (lambda s: s.pop("2.bias"), [r"missing in the state \(1\): 2.bias", "strict=False"]),
        (lambda s: s.update({"3.weight": Tensor([1.0])}), [r"no place for \(1\): 3.weight", "strict=False"]),
        (
            lambda s: s.update({"0.weight": Tensor(np.zeros((4, 4)))}),
            [r"wrong shape, kind or value \(1\): 0.weight is \(4, 3\) here and \(4, 4\) in the state"],
        ),
        (
            lambda s: s.update({"1.num_batches_tracked": Tensor(1.5)}),
            ["1.num_batches_tracked is int64 here and float32 in the state"],
        ),
    ],
)
def test_a_state_that_does_not_fit_is_reported_and_changes_nothing(change, texts):
    model = net()
    before = values(model)
    state = net().state_dict()
    change(state)
    with pytest.raises(ValueError, match="Sequential: the state does not fit, and nothing was loaded") as raised:
        model.load_state_dict(state)
    for text in texts:
        assert raised.match(text)
    for name, array in values(model).items():
        assert np.array_equal(array, before[name])


def test_all_that_is_wrong_stands_in_one_report():
    state = {"0.weight": Tensor([1.0]), "other": Tensor([1.0])}
    with pytest.raises(ValueError, match="nothing was loaded") as raised:
        net().load_state_dict(state)
    for text in ("0.weight is", r"missing in the state \(8\): 0.bias, 1.weight", "no place for.*other"):
        assert raised.match("(?s).*" + text)


def test_not_strict_loads_what_fits_by_name_and_tells_the_rest():
    model, other = net(), net()
    state = other.state_dict()
    del state["2.bias"]
    state["extra"] = Tensor([1.0])
    before = model[2].bias.data.copy()
    assert model.load_state_dict(state, strict=False) == (["2.bias"], ["extra"])
    assert np.array_equal(model[0].weight.data, other[0].weight.data)
    assert np.array_equal(model[2].bias.data, before)
    state["0.weight"] = Tensor([1.0])
    with pytest.raises(ValueError, match="wrong shape"):
        model.load_state_dict(state, strict=False)


def test_one_name_of_a_shared_parameter_is_enough():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    state = model.state_dict()
    assert "1.weight" in state
    del state["1.weight"]
    assert model.load_state_dict(state) == ([], [])
    del state["0.weight"]
    with pytest.raises(ValueError, match=r"missing in the state \(2\): 0.weight, 1.weight"):
        model.load_state_dict(state)


def test_two_values_for_one_shared_parameter_are_refused():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    apart = model.state_dict()
    model[1].weight = model[0].weight
    before = model[0].weight.data.copy()
    for strict in (True, False):
        with pytest.raises(ValueError, match=r"0\.weight and 1\.weight are one Tensor here and differ in the state"):
            model.load_state_dict(apart, strict=strict)
    np.testing.assert_array_equal(model[0].weight.data, before)
    apart["1.weight"] = apart["0.weight"].clone()
    model.load_state_dict(apart)


@pytest.mark.parametrize("state", [[("0.weight", 1)], {"weight": "text", "bias": [0.0]}, {"weight": object()}])
def test_what_is_no_state_is_refused(state):
    with pytest.raises(TypeError, match="load_state_dict"):
        nn.Linear(1, 1).load_state_dict(state)


def test_a_buffer_that_is_not_persistent_is_not_in_the_state():
    model = nn.ReLU()
    model.register_buffer("kept", Tensor([1.0]))
    model.register_buffer("scratch", Tensor([1.0]), persistent=False)
    model.register_buffer("empty", None)
    assert list(model.state_dict()) == ["kept"]


@pytest.mark.peers
def test_a_state_of_pytorchs_loads_as_it_is():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2)).double()
    ours = net().double()
    ours.load_state_dict(theirs.state_dict())
    x = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_allclose(ours(Tensor(x)).data, theirs(torch.tensor(x)).detach().numpy(), rtol=1e-12)
    assert list(ours.state_dict()) == list(theirs.state_dict())


def test_a_read_only_parameter_is_seen_before_anything_is_loaded():
    model = net()
    before = values(model)
    model[2].weight.data.flags.writeable = False
    with pytest.raises(ValueError, match=r"nothing was loaded.\n.*2\.weight is read-only here"):
        model.load_state_dict(net().state_dict())
    for name, array in values(model).items():
        np.testing.assert_array_equal(array, before[name])
