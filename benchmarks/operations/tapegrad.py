"""tapegrad's operations. Read `pytorch.py` next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..speed import tapegrad
from .table import NAMED, OPERATORS, Operations

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

        reductions = {"sum": ag.sum, "mean": ag.mean, "max": ag.max, "var": ag.var, "prod": ag.prod}
        reductions |= {"logsumexp": ag.logsumexp, "softmax": ag.softmax, "log_softmax": ag.log_softmax}
        reductions |= {"cumsum": ag.cumulative_sum, "cumprod": ag.cumulative_prod, "diff": ag.diff}
        reductions |= {"norm": ag.linalg.vector_norm, "median": ag.median}
        along = {
            f"{name} of {parts}": lambda x, function=function, axis=axis: function(x, axis=axis)
            for name, function in reductions.items()
            for parts, axis in (("rows", 1), ("columns", 0))
        }
        return {
            **OPERATORS,
            **{name: getattr(functional, name, None) or getattr(ag, name) for name in NAMED},
            **along,
            "max of all": ag.max,
            "var of all": ag.var,
            "clip": lambda x: ag.clip(x, -1.0, 1.0),
            "flip rows": lambda x: ag.flip(x, axis=1),
            "roll rows": lambda x: ag.roll(x, 3, axis=1),
            "repeat rows": lambda x: ag.repeat(x, 2, axis=0),
            "tile": lambda x: ag.tile(x, (2, 1)),
            "pad": lambda x: functional.pad(x, (1, 1, 1, 1)),
            "sorted rows": lambda x: ag.sort(x, axis=1),
            "top 5": lambda x: ag.topk(x, 5)[0],
            "concat rows": lambda x, y: ag.concat([x, y], axis=0),
            "concat columns": lambda x, y: ag.concat([x, y], axis=1),
            "stack": lambda x, y: ag.stack([x, y]),
            "einsum of rows": lambda x, y: ag.einsum("ij,ij->i", x, y),
            "gather one": lambda x, at: ag.take_along_axis(x, at, axis=1),
            "gather four": lambda x, at: ag.take_along_axis(x, at, axis=1),
            "layer_norm": lambda x, row: functional.layer_norm(x, row.shape, row),
            "rms_norm": lambda x, row: functional.rms_norm(x, row.shape, row),
            "gelu by tanh": lambda x: functional.gelu(x, approximate="tanh"),
        }

    def tensor(self, array: NDArray[Any], wanted: bool = False) -> Any:
        """A Tensor."""
        import autograd as ag

        return ag.Tensor(array, requires_grad=wanted)

    def versions(self) -> dict[str, str]:
        """NumPy, which does the arithmetic."""
        return {"numpy": np.__version__}


contenders = (Tapegrad("tapegrad", "tapegrad, eager", tapegrad.HERE),)
