"""PyTorch's operations. Read `numpy_floor.py` next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..speed import pytorch
from ..speed.environment import ONE_POOL
from .operations import OPERATORS, Operations

__all__ = ["PyTorch", "contenders"]


@dataclass(frozen=True)
class PyTorch(Operations):
    """PyTorch in eager mode."""

    module: ClassVar[str] = pytorch.PyTorch.module
    install: ClassVar[str] = pytorch.PyTorch.install

    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """Operators, torch, torch.nn.functional."""
        import torch
        from torch.nn import functional

        return {
            **OPERATORS,
            "exp": torch.exp,
            "log": torch.log,
            "tanh": torch.tanh,
            "relu": functional.relu,
            "sum": torch.sum,
            "mean": torch.mean,
            "reshape": lambda x: torch.reshape(x, (1, 1)),
            "concat": lambda x, y: torch.concat([x, y]),
            "linear": functional.linear,
            "softmax": lambda x: functional.softmax(x, dim=-1),
            "mse_loss": functional.mse_loss,
        }

    def leaf(self, array: NDArray[np.float32]) -> Any:
        """A tensor that requires its gradient."""
        import torch

        return torch.from_numpy(array).requires_grad_()

    def ones_like(self, result: Any) -> Any:
        """A tensor of ones."""
        import torch

        return torch.ones_like(result)

    def versions(self) -> dict[str, str]:
        """PyTorch's."""
        return pytorch.torch_versions()


contenders = (PyTorch("torch", "PyTorch, eager", ONE_POOL),)
