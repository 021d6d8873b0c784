"""PyTorch, eager and compiled: default and fused optimizer, with and without the allocator's raised thresholds.

One idea: PyTorch runs as its users write it, in the form that was fastest. LeNet's images keep PyTorch's usual layout:
`channels_last` was 2 to 5 % slower in eager steps on two cores, and no faster compiled. Read `jax/__init__.py` next.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, ClassVar

from ..contender import Contender, Step
from .environment import ONE_POOL, RAISED
from .models import make_model, make_optimizer
from .workloads import WORKLOADS

__all__ = ["PyTorch", "contenders", "torch_versions"]


def torch_versions() -> dict[str, str]:
    """PyTorch's version, what it was built with, and its threads."""
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    build = [line.strip(" -") for line in torch.__config__.show().splitlines()[1:]]
    return {
        "torch": torch.__version__,
        "build": "; ".join(line for line in build if not line.startswith("Build settings")),
        "threads": str(torch.get_num_threads()),
    }


@dataclass(frozen=True)
class PyTorch(Contender):
    """PyTorch in eager mode."""

    compiled: bool = False  # forward, loss and backward by torch.compile
    fused: bool = False  # the optimizer's `fused=True`; its default loops over the parameters on the CPU

    module: ClassVar[str] = "torch"
    install: ClassVar[str] = "pip install -r requirements/peers.txt"

    def prepare(self, job: str) -> Step:
        """A training step on a workload."""
        import torch
        from torch import nn

        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        workload = WORKLOADS[job]
        data = workload.data()
        model = make_model(nn, workload.network, lambda x: x.chunk(3, dim=-1))
        model.load_state_dict({name: torch.from_numpy(array) for name, array in data.parameters.items()})
        optimizer = make_optimizer(torch.optim, workload, model.parameters(), **({"fused": True} if self.fused else {}))
        criterion = nn.CrossEntropyLoss()
        x, y = torch.from_numpy(data.x), torch.from_numpy(data.y)

        def loss_of(x: Any, y: Any) -> Any:
            return criterion(model(x), y)

        if self.compiled:
            loss_of = torch.compile(loss_of)

        def step() -> Any:
            optimizer.zero_grad()
            loss = loss_of(x, y)
            loss.backward()
            optimizer.step()
            return loss

        return step

    def builds(self) -> bool:
        """The first call of a compiled step traces and compiles."""
        return self.compiled

    def versions(self) -> dict[str, str]:
        """PyTorch's."""
        return torch_versions()


contenders = (
    PyTorch("torch", "PyTorch, eager, default optimizer", ONE_POOL),
    PyTorch("torch-malloc", "the same, malloc's thresholds raised", {**ONE_POOL, **RAISED}),
    PyTorch("torch-fused", "PyTorch, eager, fused optimizer", ONE_POOL, fused=True),
    PyTorch("torch-fused-malloc", "the same, malloc's thresholds raised", {**ONE_POOL, **RAISED}, fused=True),
    PyTorch(
        "torch-compile",
        "torch.compile, fused optimizer, malloc's thresholds raised",
        {**ONE_POOL, **RAISED},
        compiled=True,
        fused=True,
    ),
)
