"""PyTorch's operations. Read `run.py` next."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from numpy.typing import NDArray

from ..speed import pytorch
from ..speed.environment import ONE_POOL, RAISED
from .table import NAMED, OPERATORS, Operations

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

        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        reductions = {"sum": torch.sum, "mean": torch.mean, "max": torch.amax, "prod": torch.prod}
        reductions |= {"var": lambda x, dim: torch.var(x, dim, correction=0), "logsumexp": torch.logsumexp}
        reductions |= {"softmax": torch.softmax, "log_softmax": torch.log_softmax, "cumsum": torch.cumsum}
        reductions |= {"cumprod": torch.cumprod, "diff": lambda x, dim: torch.diff(x, dim=dim)}
        reductions |= {"norm": lambda x, dim: torch.linalg.vector_norm(x, dim=dim)}
        reductions |= {"median": lambda x, dim: torch.quantile(x, 0.5, dim=dim)}  # of two in the middle the mean
        along = {
            f"{name} of {parts}": lambda x, function=function, axis=axis: function(x, axis)
            for name, function in reductions.items()
            for parts, axis in (("rows", 1), ("columns", 0))
        }
        return {
            **OPERATORS,
            **{name: getattr(functional, name, None) or getattr(torch, name) for name in NAMED},
            **along,
            "max of all": torch.amax,
            "var of all": lambda x: torch.var(x, correction=0),
            "clip": lambda x: torch.clip(x, -1.0, 1.0),
            "flip rows": lambda x: torch.flip(x, (1,)),
            "roll rows": lambda x: torch.roll(x, 3, 1),
            "repeat rows": lambda x: torch.repeat_interleave(x, 2, 0),
            "tile": lambda x: torch.tile(x, (2, 1)),
            "pad": lambda x: functional.pad(x, (1, 1, 1, 1)),
            "sorted rows": lambda x: torch.sort(x, 1)[0],
            "top 5": lambda x: torch.topk(x, 5)[0],
            "concat rows": lambda x, y: torch.concat([x, y], 0),
            "concat columns": lambda x, y: torch.concat([x, y], 1),
            "stack": lambda x, y: torch.stack([x, y]),
            "einsum of rows": lambda x, y: torch.einsum("ij,ij->i", x, y),
            "gather one": lambda x, at: torch.gather(x, 1, at),
            "gather four": lambda x, at: torch.gather(x, 1, at),
            "layer_norm": lambda x, row: functional.layer_norm(x, row.shape, row),
            "rms_norm": lambda x, row: functional.rms_norm(x, row.shape, row),
            "gelu by tanh": lambda x: functional.gelu(x, approximate="tanh"),
        }

    def tensor(self, array: NDArray[Any], wanted: bool = False) -> Any:
        """A tensor."""
        import torch

        return torch.from_numpy(array).requires_grad_(wanted)

    def versions(self) -> dict[str, str]:
        """PyTorch's."""
        return pytorch.torch_versions()


contenders = (PyTorch("torch", "PyTorch, eager, malloc's thresholds raised", {**ONE_POOL, **RAISED}),)
