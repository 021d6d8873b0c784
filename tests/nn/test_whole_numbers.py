"""Whole numbers and bools where floating point is usual: the result is that of the same numbers in double precision.

One idea: bytes of an image wrap around at 256 where they are added up or taken from each other, and a share of one
cut off to a byte is 0, so each function that does either is given numbers at the ends of their range.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from nn import functional as F

LABELS = np.array([0, 2, 1, 2])
SHAPE = (4, 3, 6, 6)
LOSSES = {
    f"{loss.__name__} {reduction}": lambda x, y, loss=loss, reduction=reduction: loss(x, y, reduction=reduction)
    for loss in (F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss)
    for reduction in ("mean", "sum", "none")
}
CASES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    **LOSSES,
    "logits": lambda x, y: F.binary_cross_entropy_with_logits(x, y > 2),
    "logits of weighed examples": lambda x, y: F.binary_cross_entropy_with_logits(x, y > 2, pos_weight=Tensor(2.0)),
    "logits one by one": lambda x, y: F.binary_cross_entropy_with_logits(x, y > 2, Tensor(2.0), "none"),
    "nll_loss": lambda x, y: F.nll_loss(x[:, :, 0, 0], LABELS, Tensor([0.5, 1.0, 2.0])),
    "kl_div of logarithms": lambda x, y: F.kl_div(ag.clip(x, None, 3), ag.clip(y, None, 3), log_target=True),
    "pairwise_distance": F.pairwise_distance,
    "triplet_margin_loss": lambda x, y: F.triplet_margin_loss(x, y, ag.flip(x, axis=0)),
    "avg_pool2d": lambda x, y: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    "avg_pool2d by a divisor": lambda x, y: F.avg_pool2d(x, 2, divisor_override=3),
    "avg_pool1d": lambda x, y: F.avg_pool1d(x[0], 2),
    "adaptive_avg_pool2d": lambda x, y: F.adaptive_avg_pool2d(x, 3),
    "adaptive_avg_pool2d of uneven parts": lambda x, y: F.adaptive_avg_pool2d(x, 4),
    "bilinear": lambda x, y: F.interpolate(x, scale_factor=2, mode="bilinear"),
    "linear": lambda x, y: F.interpolate(x[0], size=4, mode="linear", align_corners=True),
    "rms_norm": lambda x, y: F.rms_norm(x, 6, eps=1e-5),
    "attention": lambda x, y: F.scaled_dot_product_attention(x, y, y, scale=1e-3),
    "logsigmoid": lambda x, y: F.logsigmoid(x),
    "gelu by tanh": lambda x, y: F.gelu(ag.clip(x, None, 9), approximate="tanh"),
}


@pytest.mark.parametrize("kind", ["bool", "int8", "uint8", "int32"])
@pytest.mark.parametrize("name", CASES)
def test_they_count_as_floating_point(name: str, kind: str) -> None:
    function, rng = CASES[name], np.random.default_rng(0)
    low, high = (0, 1) if kind == "bool" else (np.iinfo(kind).min, np.iinfo(kind).max)
    x, y = (rng.integers(max(low, -999), min(high, 999), SHAPE, endpoint=True).astype(kind) for _ in range(2))
    wanted = function(Tensor(x.astype("float64")), Tensor(y.astype("float64"))).numpy()
    for run in (function, ag.compile(function, executor="numpy")):
        found = run(Tensor(x), Tensor(y))
        assert found.dtype == "float64"
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-12, atol=1e-12)


def test_beside_floating_point_they_take_its_dtype() -> None:
    whole, halves = Tensor(np.array([200, 3], "uint8")), Tensor(np.array([0.5, 1.5], "float32"), requires_grad=True)
    for loss in (F.mse_loss(whole, halves), F.l1_loss(halves, whole), F.pairwise_distance(whole, halves)):
        assert loss.dtype == "float32"
    F.mse_loss(whole, halves, reduction="sum").backward()
    assert halves.grad.tolist() == [-399.0, -3.0]


def test_they_have_the_eps_of_what_they_become() -> None:
    x = np.array([[3, 4]], "uint8")
    np.testing.assert_allclose(F.rms_norm(Tensor(x), 2).numpy(), x / np.sqrt(12.5), rtol=1e-12)
