"""Patches besides their equality with PyTorch: convolution by columns, there and back, compiled, errors."""

from __future__ import annotations

import numpy as np
import pytest

import nn
from autograd import Tensor
from nn import functional as F
from tests.nn.trained import assert_trains_alike


def normal(*shape: int) -> Tensor:
    return Tensor(np.random.default_rng(len(shape)).normal(size=shape), requires_grad=True)


def test_a_product_with_columns_is_a_convolution():
    x, weight = normal(2, 3, 6, 5), Tensor(np.random.default_rng(1).normal(size=(4, 3, 3, 2)))
    columns = F.unfold(x, (3, 2), dilation=(1, 2), padding=(2, 1), stride=(2, 1))
    wanted = F.conv2d(x, weight, stride=(2, 1), padding=(2, 1), dilation=(1, 2))
    np.testing.assert_allclose((weight.reshape(4, 18) @ columns).reshape(wanted.shape).data, wanted.data, atol=1e-12)


def test_fold_is_the_adjoint_of_unfold_and_shuffling_turns_back():
    x, options = normal(2, 3, 6, 5), {"dilation": (1, 2), "padding": (0, 1), "stride": (3, 1)}
    columns = F.unfold(x, (2, 3), **options)
    y = normal(*columns.shape)
    folded = F.fold(y, (6, 5), (2, 3), **options)
    np.testing.assert_allclose((columns * y).sum().data, (x * folded).sum().data, rtol=1e-12)
    pixels = normal(2, 9, 1, 2)
    np.testing.assert_array_equal(F.pixel_unshuffle(F.pixel_shuffle(pixels, 3), 3).data, pixels.data)


def test_an_empty_batch_has_an_empty_result():
    x = Tensor(np.zeros((0, 4, 4, 4)))
    assert F.unfold(x, 2).shape == (0, 16, 9)
    assert F.fold(Tensor(np.zeros((0, 16, 9))), 4, 2).shape == (0, 4, 4, 4)
    assert F.pixel_shuffle(x, 2).shape == (0, 1, 8, 8)


def test_a_compiled_step_is_the_eager_one():
    assert_trains_alike(
        lambda: nn.Sequential(
            *(nn.Unfold(3, padding=1, stride=2), nn.Linear(9, 15), nn.Tanh(), nn.Fold(5, 3, padding=1, stride=(1, 2))),
            *(nn.Conv2d(4, 8, 3), nn.PixelShuffle(2), nn.PixelUnshuffle(3), nn.Conv2d(18, 1, 2)),
        ),
        lambda out, _: (out**2).mean(),
        Tensor(np.random.default_rng(0).normal(size=(2, 4, 5, 5)).astype("float32")),
    )


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: F.unfold(normal(4, 4), 2), r"unfold got x of shape \(4, 4\): it must be \(N, C, H, W\) or"),
        (lambda: F.unfold(normal(1, 4, 4), 2, stride=0), "unfold got stride=0: it must be one whole number"),
        (lambda: F.unfold(normal(1, 4, 4), 2.5), "unfold got kernel_size=2.5: it must be one whole number"),
        (lambda: F.unfold(normal(1, 4, 4), None), "unfold got kernel_size=None: it must be one whole number"),
        (
            lambda: F.unfold(normal(1, 4, 4), 3, 3, 1),
            r"kernel_size=3 and dilation=3, which reach over \(7, 7\) places, .* with padding=1 has \(6, 6\)",
        ),
        (lambda: F.fold(normal(1, 7, 9), 4, 2), r"must divide by the 4 places .* must be 3 x 3 windows"),
        (lambda: F.fold(normal(1, 8, 8), 4, 2), r"fold got x of shape \(1, 8, 8\): for images of \(4, 4\)"),
        (lambda: F.fold(normal(1, 8, 1), 1, 2), "must be 0 x 0 windows"),
        (lambda: nn.PixelShuffle(2)(normal(1, 6, 2, 2)), "with C a multiple of 4"),
        (lambda: nn.PixelUnshuffle(2)(normal(1, 1, 2, 3)), "H and W multiples of 2"),
        (lambda: F.pixel_shuffle(normal(4, 2, 2), 0), "upscale_factor=0: it must be one whole number, at least 1"),
    ],
)
def test_mistakes_are_named(call, text):
    with pytest.raises(ValueError, match=text):
        call()
