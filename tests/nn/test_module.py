"""Module: what it finds, what it refuses, modes, moves, hooks, copies, and how it is printed."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import Tensor
from autograd.errors import DeviceError
from nn import Module, Parameter


class Net(Module):
    """Never calls super().__init__(), as allowed."""

    def __init__(self):
        self.scale = Parameter([2.0])
        self.first = nn.Linear(3, 4)
        self.rest = nn.Sequential(nn.ReLU(), nn.Linear(4, 2, bias=False))
        self.register_buffer("seen", Tensor([0, 0]))
        self.register_buffer("scratch", Tensor([1.0]), persistent=False)

    def forward(self, x):
        return self.rest(self.first(x)) * self.scale


NAMES = ["scale", "first.weight", "first.bias", "rest.1.weight"]


# What is found


def test_parameters_are_found_in_order_under_dotted_names():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == NAMES
    assert [name for name, _ in net.named_parameters("net")] == [f"net.{name}" for name in NAMES]
    assert [name for name, _ in net.named_parameters(recurse=False)] == ["scale"]
    assert [p.shape for p in net.parameters()] == [(1,), (4, 3), (4,), (2, 4)]


def test_modules_children_and_buffers():
    net = Net()
    assert [name for name, _ in net.named_modules()] == ["", "first", "rest", "rest.0", "rest.1"]
    assert [type(m).__name__ for m in net.modules()] == ["Net", "Linear", "Sequential", "ReLU", "Linear"]
    assert [name for name, _ in net.named_children()] == ["first", "rest"]
    assert list(net.children()) == [net.first, net.rest]
    assert [name for name, _ in net.named_buffers()] == ["seen", "scratch"]
    assert list(net.buffers()) == [net.seen, net.scratch]
    assert net.get_submodule("rest.1") is net.rest[1]
    with pytest.raises(AttributeError, match=r"has no Module '7', looking for 'rest.7'"):
        net.get_submodule("rest.7")


def test_a_shared_parameter_and_a_shared_module_are_found_once():
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    net[1].weight = net[0].weight
    assert [name for name, _ in net.named_parameters()] == ["0.weight", "0.bias", "1.bias"]
    again = nn.Sequential(net[0], net[0])
    assert len(list(again.parameters())) == 2
    assert len(list(again.modules())) == 2
    x = Tensor(np.ones((2, 3)), dtype="float32")
    assert np.array_equal(again(x).data, net[0](net[0](x)).data)


def test_both_uses_of_a_tied_weight_add_to_its_gradient():
    first, second = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
    second.weight = first.weight
    x = Tensor(np.arange(6.0).reshape(2, 3), dtype="float32")
    (second(first(x)) * 1.0).sum().backward()
    w = Parameter(first.weight)
    v = Parameter(first.weight)
    ((x @ w.T) @ v.T).sum().backward()
    np.testing.assert_allclose(first.weight.grad.data, w.grad.data + v.grad.data, rtol=1e-6)


def test_a_module_inside_itself_does_not_hang():
    net = Net()
    net.first.owner = net
    assert [name for name, _ in net.named_parameters()] == NAMES
    assert list(net.state_dict()) == ["scale", "seen", *NAMES[1:]]


def test_an_attribute_can_be_none_and_become_a_parameter():
    layer = nn.Linear(2, 2, bias=False)
    assert layer.bias is None
    layer.bias = Parameter([0.0, 0.0], "bias")
    assert list(layer.state_dict()) == ["weight", "bias"]
    layer.register_parameter("more", None)
    assert list(layer.state_dict()) == ["weight", "bias"]


# What is refused


@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        (lambda: [nn.Linear(1, 1)], r"plain list, blocks, .* make it nn\.ModuleList\("),
        (lambda: (nn.Linear(1, 1),), r"plain tuple, blocks, .* make it nn\.ModuleList\("),
        (lambda: {"a": nn.Linear(1, 1)}, r"plain dict, blocks, .* make it nn\.ModuleDict\("),
        (lambda: [[1, {"b": Parameter([1.0])}]], r"a Parameter in a plain list, blocks, .* nn\.ParameterList\("),
        (lambda: {"a": Parameter([1.0])}, r"make it nn\.ParameterDict\("),
    ],
)
def test_what_hides_in_a_plain_container_is_refused(value, remedy):
    net = Net()
    net.blocks = value()
    for walk in (lambda: list(net.parameters()), net.state_dict, net.zero_grad, lambda: net.to("float64")):
        with pytest.raises(TypeError, match=remedy):
            walk()
    outer = nn.Sequential(net)
    with pytest.raises(TypeError, match=r"0\.blocks"):
        list(outer.parameters())


def test_a_plain_list_of_what_is_found_anyway_does_no_harm():
    net = Net()
    net.layers = [net.first, net.rest[1]]
    net.history = [1.0, "text", None]
    assert [name for name, _ in net.named_parameters()] == NAMES


def test_a_parameter_cannot_become_a_tensor_unseen():
    net = Net()
    with pytest.raises(TypeError, match=r"Net\.scale is a Parameter and cannot become a Tensor"):
        net.scale = Tensor([1.0])
    with pytest.raises(TypeError, match=r"Net\.seen is a buffer and cannot become a int"):
        net.seen = 3
    net.seen = Tensor([5, 5])
    assert [name for name, _ in net.named_buffers()] == ["seen", "scratch"]
    del net.seen
    assert [name for name, _ in net.named_buffers()] == ["scratch"]


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda net: net.register_buffer("b", [1.0]), TypeError, "must be a Tensor, it is a list"),
        (lambda net: net.register_buffer("b", Parameter([1.0])), TypeError, "must be a Tensor, it is a Parameter"),
        (lambda net: net.register_buffer("a.b", None), ValueError, "holds a dot"),
        (lambda net: net.register_buffer("first", None), ValueError, "has an attribute 'first' already"),
        (lambda net: net.register_parameter("p", Tensor([1.0])), TypeError, "must be a Parameter"),
        (lambda net: net.add_module("m", 3), TypeError, "must be a Module, it is a int"),
        (lambda net: net.add_module("train", nn.ReLU()), ValueError, "has an attribute 'train' already"),
        (lambda net: net.train("yes"), TypeError, "takes True or False"),
        (lambda net: Module()(1), NotImplementedError, "Module has no forward"),
        (lambda net: net.to("int64"), TypeError, "cannot become int64"),
        (lambda net: net.to(3.5), TypeError, "takes a device"),
        (lambda net: net.to("nowhere"), DeviceError, "nowhere"),
        (lambda net: net.register_forward_hook("hook"), TypeError, "a hook is a function"),
        (lambda net: Parameter([1.0], role="offset"), ValueError, "role='offset'"),
        (lambda net: Parameter([1]), ag.errors.GradientError, "int64"),
    ],
)
def test_mistakes_are_named(call, kind, text):
    with pytest.raises(kind, match=text):
        call(Net())


# What is done to all of it


def test_train_and_eval_reach_every_module():
    net = Net()
    assert all(m.training for m in net.modules())
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    net.rest.train()
    assert [m.training for m in net.modules()] == [False, False, True, True, True]


def test_freezing_and_forgetting():
    net = Net()
    net(Tensor([[1.0, 2.0, 3.0]])).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad(set_to_none=False)
    assert all((p.grad == 0).all() and p.grad.shape == p.shape for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    net.first.requires_grad_(False)
    assert [p.requires_grad for p in net.parameters()] == [True, False, False, True]


def test_apply_goes_from_the_leaves_up():
    visited = []
    net = Net()
    assert net.apply(lambda m: visited.append(type(m).__name__)) is net
    assert visited == ["Linear", "ReLU", "Linear", "Sequential", "Net"]


def test_to_a_dtype_keeps_the_objects_and_the_integers():
    net = Net()
    net(Tensor([[1.0, 2.0, 3.0]])).sum().backward()
    before = [*net.parameters(), *net.buffers()]
    assert net.to(dtype="float64") is net
    assert all(a is b for a, b in zip(before, [*net.parameters(), *net.buffers()], strict=True))
    assert {p.dtype.name for p in net.parameters()} == {"float64"}
    assert {p.grad.dtype.name for p in net.parameters()} == {"float64"}
    assert (net.seen.dtype.name, net.scratch.dtype.name) == ("int64", "float64")
    assert net(Tensor(np.ones((1, 3)))).dtype == "float64"
    assert net.float().scale.dtype == "float32"
    assert net.double().cpu().scale.dtype == "float64"


def test_a_shared_parameter_stays_shared_when_it_moves():
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    net[1].weight = net[0].weight
    net.to("float64")
    assert net[1].weight is net[0].weight
    assert net[0].weight.dtype == "float64"


def test_a_move_that_fails_changes_nothing():
    net = Net()
    with pytest.raises(DeviceError):
        net.to("float64", "nowhere")
    assert {p.dtype.name for p in net.parameters()} == {"float32"}


def test_a_copy_is_independent_and_keeps_what_is_shared():
    dropout = nn.Dropout(generator=ag.random.Generator(7))
    net = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 3), dropout)
    net[2].weight = net[0].weight
    twin = copy.deepcopy(net)
    assert twin[2].weight is twin[0].weight
    assert twin[0].weight.role == "weight"
    assert twin[1].weight.role == "norm"
    assert [name for name, _ in twin.named_buffers()] == [name for name, _ in net.named_buffers()]
    x = Tensor(np.random.default_rng(0).normal(size=(4, 3)).astype("float32"))
    assert np.array_equal(net(x).data, twin(x).data)  # the same masks too
    with ag.no_grad():
        twin[0].weight[...] = 0.0
    twin[1].running_mean.data[...] = 5.0
    assert np.abs(net[0].weight.data).min() > 0
    assert np.abs(net[1].running_mean.data).max() < 5


# Hooks


def test_hooks_see_and_change_what_goes_by_until_they_are_removed():
    layer = nn.Linear(2, 2)
    seen = []
    before = layer.register_forward_pre_hook(lambda module, inputs: seen.append((module, inputs)))
    doubled = layer.register_forward_pre_hook(lambda module, inputs: inputs[0] * 2.0)
    after = layer.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    x = Tensor([[1.0, 2.0]])
    plain = layer.forward(x * 2.0)
    assert np.array_equal(layer(x).data, plain.data)
    assert seen[0] == (layer, (x,))
    assert np.array_equal(seen[1].data, 2.0 * x.data)
    doubled.remove()
    after.remove()
    after.remove()
    with layer.register_forward_hook(lambda module, inputs, output: output + 1.0):
        assert np.array_equal(layer(x).data, layer.forward(x).data + 1.0)
    before.remove()
    assert np.array_equal(layer(x).data, layer.forward(x).data)
    assert len(seen) == 3


def test_a_hook_of_one_module_is_none_of_another():
    first, second = nn.ReLU(), nn.ReLU()
    first.register_forward_hook(lambda module, inputs, output: output + 1.0)
    assert second(Tensor([1.0])).tolist() == [1.0]
    assert first(Tensor([1.0])).tolist() == [2.0]


# How it is printed


def test_the_tree_shows_shapes_counts_and_a_total():
    net = Net()
    net.first.requires_grad_(False)
    assert repr(net) == (
        "Net(  scale 1, buffer seen 2, buffer scratch 1 = 1\n"
        "  (first): Linear(in_features=3, out_features=4, bias=True)  weight 4x3, bias 4 = 16\n"
        "  (rest): Sequential(\n"
        "    (0): ReLU()\n"
        "    (1): Linear(in_features=4, out_features=2, bias=False)  weight 2x4 = 8\n"
        "  )\n"
        ")\n"
        "25 parameters, float32 on cpu, 16 of them frozen"
    )


def test_large_numbers_have_separators_and_no_parameters_no_total():
    assert repr(nn.Linear(784, 512)).splitlines()[-1] == "401,920 parameters, float32 on cpu"
    assert repr(nn.Dropout(0.3)) == "Dropout(p=0.3, mode='inverted', mask='per_case')"
    assert repr(nn.LeakyReLU()) == "LeakyReLU(negative_slope=0.01)"


def test_a_shared_parameter_counts_once_in_the_total():
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    net[1].weight = net[0].weight
    assert repr(net).splitlines()[-1] == "15 parameters, float32 on cpu"


def test_every_public_layer_prints_itself():
    made = [nn.Linear(2, 2), nn.Maxout(2, 2), nn.Identity(), nn.Embedding(3, 2, padding_idx=1), nn.Flatten()]
    made += [nn.LayerNorm(2), nn.RMSNorm(2), nn.BatchNorm1d(2), nn.Dropout(), nn.CrossEntropyLoss(label_smoothing=0.1)]
    made += [getattr(nn, name)() for name in nn.activation.__all__]
    made += [getattr(nn, name)() for name in nn.loss.__all__]
    for module in made:
        assert repr(module).startswith(f"{type(module).__name__}(")


def test_a_parameter_says_what_it_is():
    p = Parameter([[1.0, 2.0], [3.0, 4.0]], "slope")
    assert repr(p) == 'Parameter([[1. 2.]\n           [3. 4.]], role="slope")'
    assert repr(Parameter([1.0]).requires_grad_(False)) == 'Parameter([1.], role="weight", requires_grad=False)'
    assert type(p * 2.0) is Tensor
    source = Tensor([1.0])
    assert Parameter(source).data is not source.data
