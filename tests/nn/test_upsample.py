"""Images of another size, besides their equality with PyTorch: what stays, compiled, second order, errors."""

from __future__ import annotations

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import Tensor
from autograd.gradcheck import gradcheck, gradgradcheck
from nn import functional as F
from tests.nn.trained import assert_trains_alike


def normal(*shape: int) -> Tensor:
    return Tensor(np.random.default_rng(len(shape)).normal(size=shape), requires_grad=True)


def test_a_plane_stays_a_plane_and_its_corners_where_they_are():
    down, across = np.meshgrid(np.arange(4.0), np.arange(3.0), indexing="ij")
    x = Tensor((2.0 * down - across)[None, None])
    out = F.interpolate(x, (7, 5), mode="bilinear", align_corners=True).data[0, 0]
    wanted = np.linspace(0, 6, 7)[:, None] - np.linspace(0, 2, 5)
    np.testing.assert_allclose(out, wanted, atol=1e-12)


def test_the_same_size_is_the_same_image():
    x = normal(1, 2, 3, 4)
    for options in ({"size": (3, 4)}, {"scale_factor": 1.0}, {"scale_factor": 1.2}):
        for mode in ("nearest", "bilinear"):
            np.testing.assert_array_equal(F.interpolate(x, mode=mode, **options).data, x.data)


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_gradients_of_both_orders_are_slopes(mode):
    x = normal(1, 1, 3, 2)
    for options in ({"size": (4, 5)}, {"scale_factor": 2}, {"scale_factor": 0.7}):
        assert gradcheck(lambda x, options=options: F.interpolate(x, mode=mode, **options) ** 2, x)
        assert gradgradcheck(lambda x, options=options: F.interpolate(x, mode=mode, **options) ** 3, x)


def test_vmap_does_each_example():
    x = normal(3, 2, 2, 3, 2)
    out = ag.vmap(lambda x: F.interpolate(x, scale_factor=(2, 1.5), mode="bilinear"))(x)
    for example, one in zip(x, out, strict=True):
        np.testing.assert_allclose(one.data, F.interpolate(example, scale_factor=(2, 1.5), mode="bilinear").data)


def test_float32_stays_and_autocast_rounds_nothing():
    pytest.importorskip("ml_dtypes")
    x = normal(1, 2, 3, 5).astype("float32")
    out = F.interpolate(x, scale_factor=1.7, mode="bilinear")
    with ag.autocast("bfloat16"):
        inside = F.interpolate(x, scale_factor=1.7, mode="bilinear")
    assert out.dtype == "float32"
    np.testing.assert_array_equal(inside.data, out.data)


def test_a_compiled_step_is_the_eager_one_and_is_traced_once():
    assert_trains_alike(
        lambda: nn.Sequential(
            *(nn.Conv2d(1, 4, 3, padding=1), nn.Tanh(), nn.MaxPool2d(2), nn.Upsample(scale_factor=2)),
            *(nn.Conv2d(4, 4, 3, padding=1), nn.Tanh(), nn.Upsample(None, 1.3, "bilinear"), nn.Upsample((8, 8))),
        ),
        lambda out, x: ((out - x) ** 2).mean(),
        Tensor(np.random.default_rng(0).normal(size=(2, 1, 8, 8)).astype("float32")),
    )


def test_it_is_printed_as_it_is_written():
    assert repr(nn.Upsample(scale_factor=2)).startswith('Upsample(scale_factor=2, mode="nearest")')
    assert repr(nn.Upsample((2, 3), mode="bilinear")).startswith('Upsample(size=(2, 3), mode="bilinear")')


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: F.interpolate(x), "takes one of size and scale_factor, got neither"),
        (lambda x: F.interpolate(x, 4, 2), "takes one of size and scale_factor, got both"),
        (
            lambda x: F.interpolate(x, 4, mode="bicubic"),
            'mode=\'bicubic\': it must be "nearest", "linear" or "bilinear"',
        ),
        (lambda x: F.interpolate(x, 4, mode="area"), "for means of areas write nn.functional.adaptive_avg_pool2d"),
        (lambda x: F.interpolate(x, 4, mode="linear"), r"for mode='linear' it must be \(N, C, L\)\."),
        (lambda x: F.interpolate(x[0], 4, mode="bilinear"), r"for mode='bilinear' it must be \(N, C, H, W\)\."),
        (lambda x: F.interpolate(x[0, 0], 4), r"it must be \(N, C, L\) or \(N, C, H, W\)\."),
        (lambda x: F.interpolate(x, 4, align_corners=False), 'got align_corners and mode="nearest", which has no use'),
        (lambda x: F.interpolate(x, (4, 4, 4)), r"got size=\(4, 4, 4\): it must be one whole number"),
        (lambda x: F.interpolate(x, 2.5), "got size=2.5: it must be one whole number"),
        (lambda x: F.interpolate(x, scale_factor=(2, 2, 2)), "it must be one number, or 2 of them"),
        (lambda x: F.interpolate(x, scale_factor=-1), "got scale_factor=-1: it must be a number above 0"),
        (lambda x: F.interpolate(x, scale_factor=float("inf")), "got scale_factor=inf: it must be a number above 0"),
        (lambda x: F.interpolate(x, scale_factor=0.1), r"cannot make \[0, 0\] places of \[3, 4\]: some are none"),
        (lambda x: F.interpolate(x[:, :, :0], 2), r"cannot make \[2, 2\] places of \[0, 4\]: some are none"),
    ],
)
def test_mistakes_are_named(call, text):
    with pytest.raises(ValueError, match=text):
        call(normal(1, 2, 3, 4))
