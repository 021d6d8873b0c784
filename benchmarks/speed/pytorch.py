"""PyTorch, eager and compiled: default and fused optimizer, with and without the allocator's raised thresholds.

One idea: PyTorch runs as its users write it, in the form that was fastest. Read `jax/__init__.py` next.
"""

# Note [LeNet's layout in PyTorch]
# Eager steps keep images as PyTorch does, channels before rows: `channels_last` was 2 to 5 % slower on two cores.
# Compiled steps have `channels_last`, which was as fast: without it torch.compile 2.13 gives gradients of LeNet's
# convolutions that are off by as much as they are long, where forward and the layers after the pooling are right
# (compare https://github.com/pytorch/pytorch/issues/185509). The check of the losses found it at step 5.

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from ..contender import Contender, Step
from .environment import ONE_POOL, RAISED
from .models import make_model, make_optimizer
from .networks import LeNet
from .workloads import WORKLOADS, Workload

__all__ = ["PyTorch", "Training", "contenders", "torch_versions", "training"]


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


@dataclass
class Training:
    """What a training step is made of."""

    model: Any
    optimizer: Any
    loss_of: Callable[[Any, Any], Any]  # from the data
    x: Any
    y: Any

    def step(self) -> Step:
        """The step as a function."""
        optimizer, loss_of, x, y = self.optimizer, self.loss_of, self.x, self.y

        def step() -> Any:
            optimizer.zero_grad()
            loss = loss_of(x, y)
            loss.backward()
            optimizer.step()
            return loss

        return step


def training(workload: Workload, device: str = "cpu", channels_last: bool = False, **how: Any) -> Training:
    """A training with everything on a device; `how` goes to the optimizer's constructor."""
    import torch
    from torch import nn

    data = workload.data()
    model = make_model(nn, workload.network, lambda x: x.chunk(3, dim=-1))
    model.load_state_dict({name: torch.from_numpy(array) for name, array in data.state.items()})
    model.to(device)
    x, y = torch.from_numpy(data.x).to(device), torch.from_numpy(data.y).to(device)
    if channels_last:
        model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    optimizer = make_optimizer(torch.optim, workload, model.parameters(), **how)
    criterion = nn.CrossEntropyLoss()

    def loss_of(x: Any, y: Any) -> Any:
        return criterion(model(x), y)

    return Training(model, optimizer, loss_of, x, y)


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

        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        workload = WORKLOADS[job]
        # See Note [LeNet's layout in PyTorch].
        channels_last = self.compiled and isinstance(workload.network, LeNet)
        how: dict[str, Any] = {"fused": True} if self.fused else {}
        made = training(workload, channels_last=channels_last, **how)
        if self.compiled:
            made.loss_of = torch.compile(made.loss_of)
        return made.step()

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
