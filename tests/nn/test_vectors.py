"""Angles and distances of vectors: closed forms, vectors of length 0, and what is refused; cases.py has PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

import nn.functional as F
from autograd import Tensor

X = Tensor(np.array([[3.0, 4.0], [0.0, 0.0], [-1.0, 0.0]]), requires_grad=True)


def test_normalized_vectors_have_length_one_and_zero_stays():
    np.testing.assert_allclose(F.normalize(X).data, [[0.6, 0.8], [0, 0], [-1, 0]])
    np.testing.assert_allclose(F.normalize(X, p=1).data, [[3 / 7, 4 / 7], [0, 0], [-1, 0]])
    np.testing.assert_allclose(F.normalize(X, dim=0).data.T, [[3 / 10**0.5, 0, -1 / 10**0.5], [1, 0, 0]])
    np.testing.assert_allclose(F.normalize(X, dim=(0, 1)).data, X.data / 26**0.5)
    np.testing.assert_allclose(F.normalize(X, eps=10).data, X.data / 10)


def test_slopes_are_finite_where_a_vector_is_zero():
    zero = Tensor(np.zeros((1, 2)), requires_grad=True)
    for out in (F.normalize(zero), F.cosine_similarity(zero, X[:1]), F.pairwise_distance(zero, zero, eps=0.0)):
        zero.grad = None
        out.sum().backward()
        assert np.isfinite(zero.grad.data).all()


def test_cosine_similarity_broadcasts():
    np.testing.assert_allclose(F.cosine_similarity(X, Tensor(np.array([[1.0, 0.0]]))).data, [0.6, 0, -1])
    assert F.cosine_similarity(X[:, None], X[None], dim=-1).shape == (3, 3)


def test_a_triplet_costs_nothing_once_the_negative_is_far():
    a, p, n = (Tensor(np.array([[x, 0.0]])) for x in (0.0, 1.0, 5.0))
    assert F.triplet_margin_loss(a, p, n).item() == 0
    np.testing.assert_allclose(F.triplet_margin_loss(a, p, n, margin=4.5).item(), 0.5, rtol=1e-5)
    np.testing.assert_allclose(F.triplet_margin_loss(a, p, n, margin=4.5, swap=True).item(), 1.5, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_the_dtype_is_kept(dtype):
    x = Tensor(np.full((2, 3), 200.0, dtype))  # whose squares add up to more than float16 holds
    for out in (F.normalize(x), F.cosine_similarity(x, x), F.pairwise_distance(x, x), F.triplet_margin_loss(x, x, x)):
        assert out.dtype == dtype
    np.testing.assert_allclose(F.normalize(x).data, 3**-0.5, rtol=1e-3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.normalize(None), TypeError, "normalize got None in the place of input"),
        (lambda: F.normalize(X, eps="a"), TypeError, "normalize got eps='a': it must be a number"),
        (lambda: F.normalize(X, axis=1), TypeError, "axis is called dim here"),
        (lambda: F.cosine_similarity(X, 1.0), TypeError, "cosine_similarity got a float in the place of x2"),
        (lambda: F.pairwise_distance(X, X, None), TypeError, "pairwise_distance got p=None: it must be a number"),
        (lambda: F.triplet_margin_loss(X, X, X[:1]), ValueError, "triplet_margin_loss got input of shape"),
        (lambda: F.triplet_margin_loss(X, X, X, reduction="max"), ValueError, 'it must be "mean", "sum" or "none"'),
    ],
)
def test_mistakes(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.peers
@pytest.mark.parametrize("options", [{}, {"p": 1.0}, {"p": 3.0, "dim": 0}, {"dim": (0, 1)}, {"eps": 2.0, "dim": -1}])
def test_normalize_equals_pytorchs(options):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(size=(3, 4))
    ours, theirs = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    for leaf, out in ((ours, F.normalize(ours, **options)), (theirs, torch.nn.functional.normalize(theirs, **options))):
        (out[0] * leaf[1]).sum().backward()
    np.testing.assert_allclose(ours.grad.data, theirs.grad.numpy(), rtol=1e-12, atol=1e-14)
