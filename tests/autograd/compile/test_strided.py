"""Elementwise functions of views that lie in no table: NumPy's bits, and no call of NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from tests.autograd.compile.worlds import needs_c
from tests.opspecs.laws import same_bits

pytestmark = needs_c


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_a_view_of_three_strides_is_computed_in_c(dtype: str) -> None:
    def function(x: Tensor, mask: Tensor) -> Any:
        heads = ag.permute_dims(x, (2, 0, 3, 1, 4))  # (3, batch, heads, length, features)
        return heads[0] * 2, ag.maximum(heads[1], heads[2]), ag.where(mask, heads[0], 0), heads[2] > 1

    compiled = ag.compile(function, executor="native")
    rng = np.random.default_rng(0)
    for _ in range(2):
        x = Tensor((10 * rng.normal(size=(2, 5, 3, 4, 6))).astype(dtype))
        mask = Tensor(rng.random((5, 1)) > 0.5)
        for found, wanted in zip(compiled(x, mask), function(x, mask), strict=True):
            assert same_bits(found, wanted)
    plan = compiled.explain().split("\n\n")[1]
    assert plan.count("strided:") == 4
    assert "NumPy" not in plan


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16"])
@pytest.mark.parametrize("n", [2, 4, 8])
def test_what_is_chosen_out_of_a_transposed_matrix(dtype: str, n: int) -> None:
    """GCC 12 turns no small matrix of which only some elements are read; see Note [Read before choosing]."""

    def function(x: Tensor, mask: Tensor) -> Any:
        turned = ag.matrix_transpose(x)
        return ag.where(mask, turned, 0), ag.where(mask, 0, ag.flip(turned, axis=-1))

    compiled = ag.compile(function, executor="native")
    rng = np.random.default_rng(0)
    x, mask = Tensor((10 * rng.normal(size=(4, n, n))).astype(dtype)), Tensor(rng.random((4, n, n)) > 0.5)
    for _ in range(2):
        for found, wanted in zip(compiled(x, mask), function(x, mask), strict=True):
            assert same_bits(found, wanted)
