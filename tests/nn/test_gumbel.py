"""Gumbel's softmax: how often each class is drawn, its slopes, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import autograd as ag
import nn.functional as F
from autograd import Tensor, compile
from autograd.random import Generator

LOGITS = np.log(np.array([0.1, 0.2, 0.7]))


@pytest.mark.parametrize("hard", [False, True])
def test_classes_are_drawn_as_often_as_the_logits_say(hard):
    n = 20_000
    shares = F.gumbel_softmax(Tensor(np.tile(LOGITS, (n, 1))), 0.01, hard, generator=Generator(0)).data
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(shares.mean(axis=0), np.exp(LOGITS), atol=4 * 0.5 / n**0.5)  # four deviations
    assert not hard or set(np.unique(shares)) == {0.0, 1.0}


def test_a_hard_choice_has_the_slopes_of_the_soft_one():
    found = []
    for hard in (False, True):
        x = Tensor(np.random.default_rng(0).normal(size=(5, 3, 2)), requires_grad=True)
        out = F.gumbel_softmax(x, 0.5, hard, dim=1, generator=Generator(1))
        assert out.shape == (5, 3, 2)
        np.testing.assert_allclose(out.data.sum(axis=1), 1)
        (out * Tensor(np.arange(3.0)[:, None])).sum().backward()
        found.append((x.grad.data, out.data.argmax(axis=1)))
    for soft, hard in zip(*found, strict=True):
        np.testing.assert_array_equal(soft, hard)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_dtype_is_kept_and_a_compiled_function_draws_anew(dtype):
    x = Tensor(np.zeros((4, 3), dtype))
    results = []
    for call in (F.gumbel_softmax, compile(F.gumbel_softmax)):
        ag.random.seed(0)
        results.append([call(x, hard=True).data for _ in range(3)])
        assert {y.dtype.name for y in results[-1]} == {dtype}
    np.testing.assert_array_equal(*results)
    assert not np.array_equal(results[0][0], results[0][1])


def test_mistakes():
    x = Tensor(np.zeros(3))
    with pytest.raises(ValueError, match=r"gumbel_softmax got tau=0: it must be greater than 0"):
        F.gumbel_softmax(x, 0)
    with pytest.raises(TypeError, match="gumbel_softmax got None in the place of logits"):
        F.gumbel_softmax(None)
    with pytest.raises(TypeError, match="axis is called dim here"):
        F.gumbel_softmax(x, axis=0)
