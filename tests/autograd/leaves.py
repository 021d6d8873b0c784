"""What the tests of the engine begin and end with: a leaf that asks for its gradient, and a comparison of numbers.

One idea: float64, so that a rule that is wrong cannot hide behind rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd import Tensor

__all__ = ["close", "leaf", "ramp", "same"]


def leaf(values: Any, dtype: str = "float64") -> Tensor:
    """A leaf of these numbers."""
    return Tensor(np.asarray(values, dtype), requires_grad=True)


def ramp(*shape: int) -> Tensor:
    """A leaf of this shape, of the numbers 0, 1, 2, ..."""
    return leaf(np.arange(np.prod(shape, dtype=int)).reshape(shape))


def same(tensor: Any, expected: Any, rtol: float = 1e-12, atol: float = 0.0) -> None:
    """A Tensor of these numbers, to rounding."""
    assert isinstance(tensor, Tensor)
    np.testing.assert_allclose(tensor.detach().numpy(), expected, rtol=rtol, atol=atol)


def close(tensor: Any, expected: Any) -> None:
    """A Tensor of these numbers and of their shape, to what a factorisation loses."""
    assert tensor.shape == np.shape(expected)
    same(tensor, expected, rtol=1e-10, atol=1e-10)
