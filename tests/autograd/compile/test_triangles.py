"""Triangles of eager code cut in C: those of NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.compile.native import triangles
from tests.autograd.compile.worlds import needs_c
from tests.opspecs.laws import same_bits

pytestmark = needs_c


@pytest.mark.parametrize("shape", [(70, 70), (3, 30, 50), (2, 4, 90, 10), (5000, 1), (1, 5000)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "complex128", "bool"])
def test_triangles_are_those_of_numpy(shape: Any, dtype: str, monkeypatch: Any) -> None:
    monkeypatch.delenv("TAPEGRAD_EXECUTOR")
    x = np.random.default_rng(4).normal(size=shape)
    x[..., 0, -1] = x[..., -1, 0] = np.nan if dtype[0] == "f" else 2
    x = x.astype(dtype)
    for given in (x, np.flip(x, -1), x.swapaxes(-1, -2)):
        for k in (0, 1, -1, 7, -20, 10**6, -(10**6)):
            assert triangles._in_c(given, k, True) is not None
            assert same_bits(Tensor(ag.tril(given, k=k)), np.tril(given, k))
            assert same_bits(Tensor(ag.triu(given, k=k)), np.triu(given, k))


@pytest.mark.parametrize("k", [-0.5, 1.5, np.float64(2), np.uint8(3)])
def test_a_diagonal_between_two_is_that_of_small_matrices(k: Any, monkeypatch: Any) -> None:
    monkeypatch.delenv("TAPEGRAD_EXECUTOR")
    x = np.ones((80, 80))
    for cut, numpys in ((ag.tril, np.tril), (ag.triu, np.triu)):
        assert same_bits(Tensor(cut(x, k=k)), numpys(x, int(k) if isinstance(k, np.uint8) else k))
