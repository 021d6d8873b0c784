"""tapegrad's operations. Read `pytorch.py` next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..speed import tapegrad
from .operations import OPERATORS, Operations

__all__ = ["Tapegrad", "contenders"]


@dataclass(frozen=True)
class Tapegrad(Operations):
    """tapegrad in eager mode."""

    module: ClassVar[str] = tapegrad.Tapegrad.module
    install: ClassVar[str] = tapegrad.Tapegrad.install
    ours: ClassVar[bool] = True

    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """Operators, the array namespace, nn.functional."""
        import autograd as ag
        from nn import functional

        return {
            **OPERATORS,
            "exp": ag.exp,
            "log": ag.log,
            "tanh": ag.tanh,
            "relu": functional.relu,
            "sum": ag.sum,
            "mean": ag.mean,
            "reshape": lambda x: ag.reshape(x, shape=(1, 1)),
            "concat": lambda x, y: ag.concat([x, y]),
            "linear": functional.linear,
            "softmax": lambda x: functional.softmax(x, dim=-1),
            "mse_loss": functional.mse_loss,
        }

    def leaf(self, array: NDArray[np.float32]) -> Any:
        """A Tensor that requires its gradient."""
        import autograd as ag

        return ag.Tensor(array, requires_grad=True)

    def ones_like(self, result: Any) -> Any:
        """A Tensor of ones."""
        import autograd as ag

        return ag.Tensor(np.ones(result.shape, np.float32))

    def versions(self) -> dict[str, str]:
        """NumPy, which does the arithmetic."""
        return {"numpy": np.__version__}


contenders = tuple(Tapegrad(c.name, c.about, c.environment) for c in tapegrad.contenders if c.name == "tapegrad")
