"""Padding as PyTorch writes it: the order of the pairs, widths that cut off, and what is refused; see cases.py too."""

from __future__ import annotations

import numpy as np
import pytest

import nn
import nn.functional as F
from autograd import Tensor

X = Tensor(np.arange(6.0).reshape(2, 3))


def test_the_first_pair_is_for_the_last_axis():
    assert F.pad(X, (1, 2, 0, 1)).tolist() == [[0, 0, 1, 2, 0, 0], [0, 3, 4, 5, 0, 0], [0] * 6]
    assert F.pad(X, (1, 0), value=7.0).tolist() == [[7, 0, 1, 2], [7, 3, 4, 5]]
    assert F.pad(X, ()).tolist() == X.tolist()


def test_a_negative_width_cuts_off():
    assert F.pad(X, (0, 0, 1, -1)).tolist() == [[0, 0, 0], [0, 1, 2]]  # a step back in time
    assert F.pad(X, (-1, -2)).shape == (2, 0)
    assert F.pad(X, [-1, 1], "replicate").tolist() == [[1, 2, 2], [4, 5, 5]]


def test_one_width_stands_for_all_ends():
    assert nn.ZeroPad2d(np.int64(1)).padding == (1, 1, 1, 1)
    assert nn.ConstantPad1d(1, 2.5)(X).tolist() == [[2.5, 0, 1, 2, 2.5], [2.5, 3, 4, 5, 2.5]]


def test_modes_have_gradients():
    x = Tensor(np.ones((1, 3)), requires_grad=True)
    F.pad(x, (2, 1), mode="reflect").sum().backward()
    np.testing.assert_array_equal(x.grad.data, [[1, 3, 2]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: F.pad(X, (1,)), r"pad got pad=\(1,\): it must be whole numbers, a pair"),
        (lambda: F.pad(X, 1), r"pad got pad=1: it must be whole numbers, a pair"),
        (lambda: F.pad(X, (1, 1) * 3), "for each of up to 2 axes, the last axis first"),
        (lambda: F.pad(X, (1, 0.5)), "it must be whole numbers"),
        (lambda: F.pad(X, (1, 1), "edge"), "mode='edge': it must be one of constant, reflect, replicate, circular"),
        (lambda: F.pad(X, (1, 1), "reflect", 0.0), 'value=0.0, which goes with mode="constant" alone'),
        (lambda: F.pad(X, (-2, -2)), r"pad got the widths \(-2, -2\) for an axis of length 3, which has not so many"),
        (lambda: nn.ZeroPad2d((1, 1)), r"ZeroPad2d got padding=\(1, 1\): it must be one whole number, or 4 of them"),
        (
            lambda: nn.ConstantPad1d(1.5, 0.0),
            "ConstantPad1d got padding=1.5: it must be one whole number, or 2 of them",
        ),
    ],
)
def test_mistakes(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(("mode", "most"), [("reflect", 3), ("circular", 4)])
def test_no_more_is_mirrored_or_goes_round_than_there_is(mode, most):
    x = Tensor(np.ones((2, 4)))
    assert F.pad(x, (most, most), mode).shape == (2, 4 + 2 * most)
    with pytest.raises(
        ValueError, match=rf"widths \(0, {most + 1}\) for an axis of length 4: {mode} has {most} at most"
    ):
        F.pad(x, (0, most + 1), mode)
    assert F.pad(x, (9, 9), "replicate").shape == (2, 22)
