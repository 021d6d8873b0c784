"""The operations that are timed, and how: one call, or one call and the way back.

One idea: a job is the name of an operation and a mode; a framework adds a table from names to functions and says how it
makes an input. Read `tapegrad.py` next.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..contender import Contender, Step

__all__ = ["AGREEMENT", "FORWARD", "MODES", "OPERATIONS", "OPERATORS", "Operations", "job_name"]

FORWARD, BACKWARD = "forward", "forward+backward"
MODES = (FORWARD, BACKWARD)

AGREEMENT = {1: 1e-5, 20: 1e-5}

# The shapes of each operation's inputs.
OPERATIONS: dict[str, tuple[tuple[int, ...], ...]] = {
    "add": ((1,), (1,)),
    "multiply": ((1,), (1,)),
    "divide": ((1,), (1,)),
    "times 2.0": ((1,),),
    "exp": ((1,),),
    "log": ((1,),),
    "tanh": ((1,),),
    "relu": ((1,),),
    "sum": ((1,),),
    "mean": ((1,),),
    "getitem": ((1,),),
    "reshape": ((1,),),
    "transpose": ((1, 1),),
    "concat": ((1,), (1,)),
    "matmul": ((1, 1), (1, 1)),
    "linear": ((1, 1), (1, 1), (1,)),
    "softmax": ((1, 1),),
    "mse_loss": ((1,), (1,)),
}

# Those that are written alike in every framework.
OPERATORS: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "times 2.0": lambda x: x * 2.0,
    "getitem": lambda x: x[0],
    "transpose": lambda x: x.T,
    "matmul": lambda x, y: x @ y,
}


def job_name(operation: str, mode: str) -> str:
    """The name of a job, such as "exp, forward"."""
    return f"{operation}, {mode}"


class Operations(Contender):
    """A framework that is asked for single operations."""

    @abstractmethod
    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """A function for each name in OPERATIONS."""

    @abstractmethod
    def leaf(self, array: NDArray[np.float32]) -> Any:
        """An input that asks for its gradient, where there are gradients."""

    def prepare(self, job: str) -> Step:
        """One call, recorded; or one call and the way back, whose result is the first input's gradient."""
        operation, _, mode = job.rpartition(", ")
        function = self.functions()[operation]
        leaves = [self.leaf(np.full(shape, 0.5 + i, np.float32)) for i, shape in enumerate(OPERATIONS[operation])]
        if mode == FORWARD:
            return lambda: function(*leaves)
        ones = self.ones_like(function(*leaves))

        def step() -> Any:
            for leaf in leaves:
                leaf.grad = None
            function(*leaves).backward(ones)
            return leaves[0].grad

        return step

    def value(self, result: Any) -> float:
        """The sum of a result, for some have two elements."""
        return float(result.sum().item())

    @abstractmethod
    def ones_like(self, result: Any) -> Any:
        """The gradient that the way back starts from."""
