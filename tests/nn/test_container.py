"""Containers: order, names, indexing, and what they refuse."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import nn
from autograd import Tensor
from nn import Parameter

x = Tensor([[1.0, -2.0]])


def test_sequential_calls_one_after_the_other():
    first, second = nn.Linear(2, 3), nn.Linear(3, 1)
    net = nn.Sequential(first, nn.ReLU(), second)
    assert np.array_equal(net(x).data, second(nn.functional.relu(first(x))).data)
    assert len(net) == 3
    assert net[0] is first
    assert net[-1] is second
    assert list(net) == [first, net[1], second]
    assert list(net.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]


@pytest.mark.parametrize("hooked", [0, 1])
def test_linear_and_relu_are_one_node_unless_a_hook_stands_between(hooked):
    rng = np.random.default_rng(0)
    net = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.ReLU(), nn.Linear(4, 3), nn.ReLU()).double()
    batch, g = Tensor(rng.normal(size=(6, 5))), rng.normal(size=(6, 3))

    def results():
        net.zero_grad()
        out = net(batch)
        out.backward(g, retain_graph=True)
        return out, [out.data, *(p.grad.data for p in net.parameters())]

    out, fused = results()
    assert out.node.primitive.name == "linear"
    seen = []
    with net[3 + hooked].register_forward_hook(lambda module, inputs, output: seen.append(output)):
        out, apart = results()
    assert out.node.primitive.name == "relu"
    assert len(seen) == 1
    assert all(np.array_equal(a, b) for a, b in zip(fused, apart, strict=True))
    assert results()[0].node.primitive.name == "linear"  # one again once the hook is gone


@pytest.mark.parametrize("place", [0, 1])
def test_a_forward_assigned_to_one_of_the_two_is_called(place):
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    net(x)
    net[place].forward = lambda x: x * 7.0
    assert np.array_equal(net(x).data, net[1](net[0](x)).data)


def one_by_one(net):
    """What the Modules of a Sequential give, called by hand."""
    out = x
    for module in net:
        out = module(out)
    return out.data


CHANGES = [
    lambda net: net.append(nn.Linear(1, 2)),
    lambda net: net.__setitem__(1, nn.Tanh()),
    lambda net: delattr(net, "1"),
    lambda net: setattr(net[0], "weight", Parameter(np.ones((3, 2), np.float32))),
    lambda net: net[0].register_forward_hook(lambda module, inputs, output: output - 0.5),
    lambda net: net[1].register_forward_pre_hook(lambda module, inputs: inputs[0] + 0.5),
    lambda net: setattr(net[2], "forward", lambda x: x * 7.0),
    lambda net: net.load_state_dict({name: value * 2.0 for name, value in net.state_dict().items()}),
    lambda net: net.double().float(),
]


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_changed_after_a_call_is_seen_by_the_next(change):
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    net(x)
    change(net)
    assert np.array_equal(net(x).data, one_by_one(net))


@pytest.mark.parametrize("twin_of", [copy.deepcopy, copy.copy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_of_a_sequential_that_was_called_calls_its_own_modules(twin_of):
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    net(x)
    twin = twin_of(net)
    assert vars(twin).keys() == vars(net).keys()
    twin[2] = nn.Linear(3, 4)
    assert np.array_equal(twin(x).data, one_by_one(twin))
    assert net(x).shape == (1, 1)


def test_sequential_with_names_slices_and_replaces():
    net = nn.Sequential({"hidden": nn.Linear(2, 3), "act": nn.ReLU(), "out": nn.Linear(3, 1)})
    assert list(net.state_dict()) == ["hidden.weight", "hidden.bias", "out.weight", "out.bias"]
    head = net[:2]
    assert head[0] is net.hidden
    assert list(head.state_dict()) == ["hidden.weight", "hidden.bias"]
    net[1] = nn.Tanh()
    assert isinstance(net.act, nn.Tanh)
    net.append(nn.ReLU())
    assert len(net) == 4
    assert nn.Sequential()(x) is x


def test_rows_are_numbered_anew_when_something_is_taken_out_or_put_between():
    first, act, last = nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)
    net = nn.Sequential({"first": first, "act": act, "last": last})
    assert net(x).shape == (*x.shape[:-1], 1)
    del net[-1]
    assert list(net) == [first, act]
    assert list(net.state_dict()) == ["0.weight", "0.bias"]
    net.insert(0, last)
    assert [name for name, _ in net.named_children()] == ["0", "1", "2"]
    assert list(net) == [last, first, act]
    del net[:2]
    assert net(x) is not x
    assert list(net) == [act]
    layers = nn.ModuleList([first, last])
    layers.insert(1, act)
    del layers[0]
    assert list(layers) == [act, last]
    with pytest.raises(TypeError, match="ModuleList holds Modules, got a int"):
        layers.insert(0, 3)
    with pytest.raises(IndexError):
        del layers[5]
    assert list(layers) == [act, last]


def test_what_is_put_behind_a_slice_replaces_nothing():
    first, act, last, more = nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1), nn.Tanh()
    net = nn.Sequential(first, act, last)[1:]
    net.append(more)
    assert list(net) == [act, last, more]
    named = nn.Sequential({"1": first})
    named.append(act)
    assert list(named) == [first, act]


def test_rows_grow_by_what_is_added_and_give_back_what_is_taken_out():
    first, act, last = nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)
    layers = nn.ModuleList([first])
    same = layers
    layers += [act, last]
    assert layers is same
    assert isinstance(layers[1:], nn.ModuleList)
    assert list(layers[1:]) == [act, last]
    assert layers.pop(0) is first
    assert [name for name, _ in layers.named_children()] == ["0", "1"]
    heads = nn.ModuleDict({"a": first, "b": last})
    assert heads.pop("a") is first
    assert heads.keys() == ["b"]
    with pytest.raises(KeyError):
        heads.pop("a")


def test_the_same_module_may_stand_at_two_places():
    layer = nn.Linear(2, 2)
    net = nn.Sequential(layer, layer)
    assert len(net) == 2
    assert np.array_equal(net(x).data, layer(layer(x)).data)


def test_module_list_and_parameter_list():
    layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
    layers.append(nn.Linear(2, 1))
    layers.extend([nn.ReLU()])
    assert len(layers) == 5
    assert [name for name, _ in layers.named_parameters()][-1] == "3.bias"
    layers[-1] = nn.Tanh()
    assert isinstance(layers[4], nn.Tanh)
    assert [type(layer).__name__ for layer in layers][-1] == "Tanh"
    scales = nn.ParameterList([Parameter([1.0]), Parameter([2.0])])
    assert [p.item() for p in scales] == [1.0, 2.0]
    assert list(scales.state_dict()) == ["0", "1"]
    with pytest.raises(IndexError):
        layers[7]


def test_module_dict_and_parameter_dict():
    heads = nn.ModuleDict({"a": nn.Linear(2, 1)})
    heads["b"] = nn.Linear(2, 1)
    assert heads.keys() == ["a", "b"]
    assert list(heads) == ["a", "b"]
    assert "b" in heads
    assert heads.items()[0] == ("a", heads["a"])
    assert heads.values() == [heads["a"], heads["b"]]
    del heads["a"]
    assert len(heads) == 1
    assert list(heads.state_dict()) == ["b.weight", "b.bias"]
    table = nn.ParameterDict({"scale": Parameter([1.0])})
    assert list(table.state_dict()) == ["scale"]
    with pytest.raises(KeyError):
        heads["a"]
    with pytest.raises(KeyError):
        del heads["a"]


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: nn.Sequential([nn.ReLU()]), TypeError, "Sequential holds Modules, got a list"),
        (lambda: nn.Sequential(nn.functional.relu), TypeError, "Sequential holds Modules"),
        (lambda: nn.ModuleList([3]), TypeError, "ModuleList holds Modules, got a int"),
        (lambda: nn.ParameterList([Tensor([1.0])]), TypeError, "ParameterList holds Parameters, got a Tensor"),
        (lambda: nn.ModuleDict({"a.b": nn.ReLU()}), ValueError, "holds a dot"),
        (lambda: nn.ModuleDict({"keys": nn.ReLU()}), ValueError, "has an attribute 'keys' already"),
        (lambda: nn.ModuleDict({"a": 1}), TypeError, "ModuleDict holds Modules"),
        (lambda: nn.Residual(nn.Linear(2, 3))(x), ValueError, r"cannot add f\(x\) of shape \(1, 3\) to \(1, 2\)"),
        (lambda: nn.Residual(nn.Linear(2, 1))(x), ValueError, "pass a shortcut"),  # would broadcast
    ],
)
def test_mistakes_are_named(call, kind, text):
    with pytest.raises(kind, match=text):
        call()


def test_residual_adds_its_input():
    layer = nn.Linear(2, 2)
    block = nn.Residual(layer, nn.Tanh())
    assert np.array_equal(block(x).data, (x + nn.functional.tanh(layer(x))).data)
    assert list(block.state_dict()) == ["body.0.weight", "body.0.bias"]
    assert list(nn.Residual(layer).state_dict()) == ["body.weight", "body.bias"]
    wider = nn.Residual(nn.Linear(2, 3), shortcut=nn.Linear(2, 3))
    assert wider(x).shape == (1, 3)
    assert np.array_equal(wider(x).data, (wider.shortcut(x) + wider.body(x)).data)


def test_what_puts_more_in_gives_the_container_as_pytorch_does() -> None:
    net = nn.Sequential().append(nn.Linear(2, 3)).extend([nn.ReLU(), nn.Linear(3, 1)]).insert(0, nn.Identity())
    assert [type(layer) for layer in net] == [nn.Identity, nn.Linear, nn.ReLU, nn.Linear]
    layers = nn.ModuleList()
    assert layers.append(nn.ReLU()) is layers
    assert layers.extend([nn.ReLU()]) is layers
