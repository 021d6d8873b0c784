"""Bare NumPy, forward only: what the same arithmetic costs when nobody records it. Read `run.py` next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .operations import FORWARD, OPERATORS, Operations

__all__ = ["NumPyFloor", "contenders"]


def _softmax(x: Any) -> Any:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _mse_loss(x: Any, y: Any) -> Any:
    difference = x - y
    return np.mean(difference * difference)


@dataclass(frozen=True)
class NumPyFloor(Operations):
    """NumPy without an engine."""

    def does(self, job: str) -> bool:
        """Only the forward modes."""
        return job.endswith(f", {FORWARD}")

    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """What one would write by hand."""
        return {
            **OPERATORS,
            "exp": np.exp,
            "log": np.log,
            "tanh": np.tanh,
            "relu": lambda x: np.maximum(x, 0),
            "sum": np.sum,
            "mean": np.mean,
            "reshape": lambda x: np.reshape(x, (1, 1)),
            "concat": lambda x, y: np.concatenate([x, y]),
            "linear": lambda x, weight, bias: x @ weight.T + bias,
            "softmax": _softmax,
            "mse_loss": _mse_loss,
        }

    def leaf(self, array: NDArray[np.float32]) -> Any:
        """The array itself."""
        return array

    def ones_like(self, result: Any) -> Any:
        """An array of ones."""
        return np.ones_like(result)

    def versions(self) -> dict[str, str]:
        """NumPy's."""
        return {"numpy": np.__version__}


contenders = (NumPyFloor("numpy", "bare NumPy, forward only"),)
