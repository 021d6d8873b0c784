"""Picking along an axis on a GPU: NumPy's numbers, and NaN where there is no such position.

One idea: every dtype, axis and way to lie is compared with NumPy's take, and a wrong position is seen in what comes of
it, as in the loss of a network whose words are more than its vectors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
from autograd.backend import module_of

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def cupy() -> Any:
    ag.Tensor([0.0], device="cuda")
    return __import__("cupy")


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "int8", "uint16", "int64", "bool"])
@pytest.mark.parametrize("positions", [[], [2, 0, -1, 2], [[1, -3], [0, 2]], 1])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_take_gives_numpys_numbers(cupy, dtype, positions, axis):
    x = np.random.default_rng(0).integers(0, 2, (3, 4, 5)).astype(dtype)
    at = np.asarray(positions, "int32")
    for given in (cupy.asarray(x), cupy.asarray(x.T.copy()).T, cupy.asarray(np.repeat(x, 2, axis=2))[:, :, ::2]):
        found = module_of(given).take(given, cupy.asarray(at), axis=axis)
        assert found.dtype == x.dtype
        np.testing.assert_array_equal(found.get(), np.take(x, at, axis))


@pytest.mark.parametrize("kind", ["int64", "uint8", "int8"])
def test_a_wrong_position_gives_nan_and_others_their_numbers(cupy, kind):
    x = ag.Tensor(np.arange(6.0).reshape(2, 3), device="cuda")
    at = ag.Tensor(np.array([2, 5, 0, 3], kind), device="cuda")
    wanted = [[2, np.nan, 0, np.nan], [5, np.nan, 3, np.nan]]
    np.testing.assert_array_equal(ag.take(x, at, axis=1).numpy(), wanted)
    np.testing.assert_array_equal(x.T[at].numpy(), np.transpose(wanted))
    if kind != "uint8":
        negative = ag.take(x, ag.Tensor(np.array([-1, -3, -4], kind), device="cuda"), axis=1)
        np.testing.assert_array_equal(negative.numpy(), [[2, 0, np.nan], [5, 3, np.nan]])
    assert ag.take(x.astype("int64"), at, axis=1).tolist() == [[2, 0, 0, 0], [5, 0, 3, 0]]
    none = ag.take(ag.zeros((0, 2), device="cuda"), ag.Tensor(np.array([0], kind), device="cuda"), axis=0)
    np.testing.assert_array_equal(none.numpy(), [[np.nan, np.nan]])


def test_the_numbers_of_a_half_precision_array_are_picked(cupy):
    x = cupy.arange(6).astype(np.dtype(pytest.importorskip("ml_dtypes").bfloat16))
    found = ag.take(ag.Tensor(x), ag.Tensor(np.array([4, 9]), device="cuda"), axis=0)
    assert found.dtype == x.dtype
    np.testing.assert_array_equal(found.numpy().astype(float), [4, np.nan])


def test_a_word_without_a_vector_is_seen_in_the_loss(cupy):
    """Eager and compiled alike, where CuPy's own indexing gives the vector of another word."""
    embedding = nn.Embedding(4, 3, device="cuda")

    def loss(words: Any) -> Any:
        return embedding(words).sum()

    fast = ag.compile(loss)
    for words, is_right in (([0, 3], True), ([0, 4], False), ([0, -5], False)):
        given = ag.Tensor(np.array(words), device="cuda")
        for function in (loss, fast):
            assert bool(np.isfinite(function(given).item())) is is_right


def test_the_gradient_goes_to_the_rows_that_were_picked(cupy):
    x = ag.Tensor(np.ones((3, 2)), device="cuda", requires_grad=True)
    ag.take(x, ag.Tensor(np.array([2, 0, 2]), device="cuda"), axis=0).sum().backward()
    assert x.grad.tolist() == [[1, 1], [0, 0], [2, 2]]
