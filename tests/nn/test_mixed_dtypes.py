"""Layers on arrays of more than one dtype: the result has the dtype that NumPy gives, each gradient that of its array.

One idea: a kernel is for arrays of one dtype, so where one differs the definition has to do it; all combinations of
single and double precision are compared with double precision throughout.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from nn import functional as F

LAYERS: dict[str, tuple[Callable[..., Tensor], list[tuple[int, ...]]]] = {
    "linear": (F.linear, [(4, 5), (3, 5), (3,)]),
    "conv2d": (F.conv2d, [(2, 3, 6, 6), (4, 3, 3, 3), (4,)]),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (5,), w, b), [(64, 5), (5,), (5,)]),
    "rms_norm": (lambda x, w: F.rms_norm(x, (5,), w), [(64, 5), (5,)]),
    "group_norm": (lambda x, w, b: F.group_norm(x, 2, w, b), [(4, 6, 3), (6,), (6,)]),
    "batch_norm": (lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), [(8, 6, 3), (6,), (6,)]),
}
CASES = [
    (name, dtypes)
    for name, (_, shapes) in LAYERS.items()
    for dtypes in itertools.product(["float32", "float64"], repeat=len(shapes))
    if len(set(dtypes)) > 1
]


@pytest.mark.parametrize(("name", "dtypes"), CASES)
def test_the_result_has_the_wider_dtype_and_gradients_their_own(name: str, dtypes: tuple[str, ...]) -> None:
    layer, shapes = LAYERS[name]
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape).astype(dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
    weights = rng.normal(size=layer(*map(Tensor, arrays)).shape)

    def of(*arrays: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
        xs = [Tensor(array, requires_grad=True) for array in arrays]
        y = layer(*xs)
        (y * weights).sum().backward()
        return y, tuple(x.grad for x in xs)

    got, gradients = of(*arrays)
    wanted, true = of(*(array.astype("float64") for array in arrays))
    assert got.dtype == np.float64
    np.testing.assert_allclose(got.detach().numpy(), wanted.detach().numpy(), rtol=1e-5, atol=1e-5)
    for gradient, dtype, right in zip(gradients, dtypes, true, strict=True):
        assert gradient.dtype == dtype
        np.testing.assert_allclose(gradient.numpy(), right.numpy(), rtol=1e-4, atol=1e-5)
    compiled = ag.compile(layer)(*map(Tensor, arrays))
    assert compiled.dtype == np.float64
    np.testing.assert_allclose(compiled.numpy(), wanted.detach().numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", ["linear", "conv2d"])
def test_products_of_bfloat16_are_float32_eager_and_compiled(name: str, bias: bool) -> None:
    kind = np.dtype(pytest.importorskip("ml_dtypes").bfloat16)
    layer, shapes = LAYERS[name]
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape).astype(kind) for shape in shapes[: 3 if bias else 2]]
    wanted = layer(*(Tensor(array.astype("float64")) for array in arrays)).numpy()
    for run in (layer, ag.compile(layer)):
        found = run(*map(Tensor, arrays))
        assert found.dtype == np.float32
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-5, atol=1e-5)
