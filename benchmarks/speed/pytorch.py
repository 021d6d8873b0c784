"""PyTorch, eager and compiled: default and fused optimizer, with and without the allocator's raised thresholds.

One idea: PyTorch is given everything that we have. tapegrad raises two thresholds of malloc at import; here the same
are raised through the environment. Read `run.py` next.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, ClassVar

from ..contender import Contender, Step
from .workloads import WORKLOADS

__all__ = ["ONE_POOL", "PyTorch", "contenders", "torch_versions"]

# What autograd/backend.py asks of mallopt, as glibc's environment variables.
RAISED = {"MALLOC_MMAP_THRESHOLD_": str(2**31 - 1), "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1)}
# NumPy only makes the first numbers here, so its pool of threads is not even started: PyTorch has its own.
ONE_POOL = {"OPENBLAS_NUM_THREADS": "1"}


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
        layers: list[Any] = []
        for weight, bias in zip(data.weights, data.biases, strict=True):
            layer = nn.Linear(weight.shape[1], weight.shape[0])
            with torch.no_grad():
                layer.weight.copy_(torch.from_numpy(weight))
                layer.bias.copy_(torch.from_numpy(bias))
            layers += [layer, nn.ReLU()]
        model = nn.Sequential(*layers[:-1])
        how = {"fused": True} if self.fused else {}
        if workload.optimizer == "sgd":
            optimizer = torch.optim.SGD(model.parameters(), lr=workload.lr, momentum=workload.momentum, **how)
        else:
            optimizer = torch.optim.Adam(model.parameters(), lr=workload.lr, **how)
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
