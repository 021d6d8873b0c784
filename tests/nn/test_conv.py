"""What convolution layers do beyond PyTorch's numbers: starts, views, nodes, borders, dtypes, and their errors."""

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


@pytest.mark.parametrize(
    ("layer", "fan_in"),
    [
        (lambda g: nn.Conv2d(10, 40, (5, 2), generator=g), 100),
        (lambda g: nn.Conv1d(40, 80, 5, groups=2, generator=g), 100),
        (lambda g: nn.ConvTranspose2d(40, 10, (5, 2), generator=g), 100),  # as PyTorch: what the second axis is
    ],
)
def test_a_kernel_starts_as_a_linear_of_its_fan_in(layer, fan_in):
    layer = layer(Generator(0))
    bound = 1 / math.sqrt(fan_in)
    assert 0.99 * bound < np.abs(layer.weight.data).max() <= bound
    assert abs(layer.weight.data.std() - bound / math.sqrt(3)) < 0.02 * bound
    assert 0.5 * bound < np.abs(layer.bias.data).max() <= bound
    assert nn.Conv2d(0, 2, 3).bias.tolist() == [0.0, 0.0]


def test_a_chain_of_convolutions_copies_nothing():
    x = Tensor(rng.normal(size=(2, 3, 8, 8)).astype("float32"))
    first, second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 5, 3)
    middle = first(x)
    assert middle.shape == (2, 4, 8, 8)
    assert middle.data.transpose(0, 2, 3, 1).flags.c_contiguous
    assert (middle * 2.0).data.transpose(0, 2, 3, 1).flags.c_contiguous
    assert second(middle).data.transpose(0, 2, 3, 1).flags.c_contiguous
    np.testing.assert_allclose(second(middle).data, second(Tensor(middle.data.copy("C"))).data, rtol=1e-6)


def test_a_gradient_of_a_weight_lies_as_the_weight_does():
    layer = nn.Conv2d(3, 4, 3)
    layer(Tensor(rng.normal(size=(2, 3, 8, 8)).astype("float32"))).sum().backward()
    assert layer.weight.grad.data.flags.c_contiguous


@pytest.mark.parametrize("hooked", [0, 1])
@pytest.mark.parametrize(
    "layer", [lambda: nn.Conv2d(2, 3, 2, padding=1, padding_mode="circular"), lambda: nn.Conv1d(2, 3, 2)]
)
def test_a_convolution_and_relu_are_one_node_unless_a_hook_stands_between(layer, hooked):
    net = nn.Sequential(layer(), nn.ReLU()).double()
    x = normal(2, 2, *(5,) * net[0].axes).requires_grad_()

    def results():
        net.zero_grad()
        x.grad = None
        out = net(x)
        out.backward(np.ones(out.shape))
        return out, [out.data, x.grad.data, *(p.grad.data for p in net.parameters())]

    out, fused = results()
    assert out.node.primitive.name == "conv"
    seen = []
    net[hooked].register_forward_hook(lambda module, inputs, output: seen.append(output))
    out, apart = results()
    assert out.node.primitive.name == "relu"
    assert len(seen) == 1
    assert all(np.array_equal(a, b) for a, b in zip(fused, apart, strict=True))


def test_same_padding_keeps_the_lengths_and_puts_the_odd_one_at_the_end():
    x = Tensor([[[1.0, 2.0, 3.0]]])
    assert F.conv1d(x, Tensor([[[1.0, 1.0]]]), padding="same").tolist() == [[[3.0, 5.0, 3.0]]]
    assert F.conv1d(x, Tensor([[[1.0, 1.0]]]), padding="valid").tolist() == [[[3.0, 5.0]]]


def test_a_transposed_convolution_gives_each_length_that_is_asked_for():
    layer = nn.ConvTranspose2d(1, 2, 3, stride=(2, 3))
    x = Tensor(np.ones((1, 1, 4, 4), "float32"))
    assert layer(x).shape == (1, 2, 9, 12)
    assert layer(x, output_size=(10, 14)).shape == (1, 2, 10, 14)
    assert layer(x, output_size=(1, 2, 10, 13)).shape == (1, 2, 10, 13)
    with pytest.raises(ValueError, match=r"output_size=\(11, 12\).*from \[9, 12\] to \[10, 14\]"):
        layer(x, output_size=(11, 12))


def test_output_padding_beyond_the_padding_is_zeros_and_bias():
    x, w = Tensor([[[1.0]]]), Tensor([[[1.0, 1.0]]])
    out = F.conv_transpose1d(x, w, Tensor([0.5]), dilation=3, output_padding=2)
    assert out.tolist() == [[[1.5, 0.5, 0.5, 1.5, 0.5, 0.5]]]


@pytest.mark.parametrize("dtype", ["float16", "int64"])
def test_numbers_that_blas_does_not_know_are_convolved_too(dtype):
    x, w = np.arange(18).reshape(1, 2, 3, 3).astype(dtype), np.arange(8).reshape(1, 2, 2, 2).astype(dtype)
    out = F.conv2d(Tensor(x), Tensor(w))
    assert out.dtype == dtype
    assert out.tolist() == F.conv2d(Tensor(x.astype("float64")), Tensor(w.astype("float64"))).tolist()


def test_an_image_of_bytes_is_convolved_by_floats():
    x = Tensor(np.full((1, 1, 2, 2), 200, "uint8"))
    assert F.conv2d(x, Tensor(np.ones((1, 1, 2, 2), "float32"))).tolist() == [[[[800.0]]]]


def test_the_second_derivative_of_a_layer_comes_from_the_definition():
    x = Tensor(rng.normal(size=(1, 2, 4, 4)), requires_grad=True)
    w = Tensor(rng.normal(size=(2, 2, 3, 3)), requires_grad=True)
    assert ag.gradgradcheck(lambda x, w: F.conv2d(x, w, padding=1, activation="relu"), x, w)


def test_what_the_layers_look_like():
    assert nn.Conv2d(1, 32, 3).extra_repr() == "1, 32, kernel_size=(3, 3), stride=(1, 1)"
    assert nn.Conv1d(4, 2, 3, 2, "valid", 2, 2, False, "circular").extra_repr() == (
        "4, 2, kernel_size=(3,), stride=(2,), padding='valid', padding_mode='circular', dilation=(2,), "
        "groups=2, bias=False"
    )
    assert nn.ConvTranspose1d(4, 2, 3, 2, 1, 1).extra_repr() == (
        "4, 2, kernel_size=(3,), stride=(2,), padding=(1,), output_padding=(1,)"
    )


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: F.conv2d(None, normal(1, 1, 2, 2)), TypeError, "None in the place of x"),
        (lambda: nn.Conv2d(3, 2, 3)(normal(3, 5)), ValueError, r"x of shape \(3, 5\).*\(N, C, H, W\) or \(C, H, W\)"),
        (lambda: F.conv1d(normal(1, 3, 5), normal(2, 3)), ValueError, r"\(2, 3\).*weight must have 3 axes"),
        (
            lambda: nn.Conv2d(3, 2, 3)(normal(1, 5, 5, 3)),
            ValueError,
            r"with 5 channels, and weight of shape \(2, 3, 3, 3\)",
        ),
        (lambda: F.conv2d(normal(1, 4, 5, 5), normal(3, 2, 1, 1), groups=2), ValueError, "groups must divide both"),
        (lambda: F.conv2d(normal(1, 4, 5, 5), normal(3, 2, 1, 1), groups=0), ValueError, "groups=0"),
        (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, r"Conv2d\(3, 4\) got groups=2"),
        (lambda: F.conv1d(normal(1, 1, 2), normal(1, 1, 2), normal(3)), ValueError, r"bias of shape \(3,\)"),
        (lambda: F.conv2d(normal(1, 1, 2, 2), normal(1, 1, 2, 2), activation="tanh"), ValueError, "activation='tanh'"),
        (
            lambda: F.conv2d(normal(1, 1, 4, 4), normal(1, 1, 3, 1), dilation=3, padding=1),
            ValueError,
            "a window of 3 places with dilation 3 reaches over 7, and the padded x has only 6",
        ),
        (lambda: nn.Conv2d(1, 1, 3, stride=0), ValueError, "Conv2d got stride=0.*at least 1"),
        (lambda: nn.Conv1d(1, 1, (3, 3)), ValueError, r"kernel_size=\(3, 3\).*one whole number"),
        (lambda: nn.Conv2d(1, 1, 3, padding=(1, 2, 3)), ValueError, r"padding=\(1, 2, 3\).*one for each of 2 axes"),
        (lambda: nn.Conv2d(1, 1, 3, padding="all"), ValueError, "padding='all'"),
        (lambda: nn.Conv2d(1, 1, 3, 2, "same"), ValueError, r'padding="same" and stride=\(2, 2\)'),
        (lambda: nn.Conv2d(1, 1, 3, padding_mode="mirror"), ValueError, "padding_mode='mirror'"),
        (
            lambda: nn.Conv1d(1, 1, 3, padding=3, padding_mode="reflect")(normal(1, 1, 3)),
            ValueError,
            "too short for a padding",
        ),
        (lambda: nn.ConvTranspose1d(1, 1, 2, padding_mode="reflect"), ValueError, 'can only be "zeros"'),
        (lambda: nn.ConvTranspose1d(1, 1, 2, output_padding=1)(normal(1, 1, 3)), ValueError, "output_padding=\\(1,\\)"),
        (lambda: nn.ConvTranspose1d(1, 1, 2, padding=2)(normal(1, 1, 2)), ValueError, "leaves nothing"),
        (lambda: nn.ConvTranspose2d(2, 1, 2)(normal(1, 1, 2, 2)), ValueError, "with 1 channels"),
    ],
)
def test_mistakes_are_named(call, kind, text):
    with pytest.raises(kind, match=text):
        call()
