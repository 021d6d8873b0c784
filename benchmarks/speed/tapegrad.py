"""tapegrad, eager and compiled: the step as a user writes it.

One idea: nothing is tuned here; what is fast is fast for everybody. Read `pytorch.py` next: the two steps are the same
lines.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from ..contender import Contender, Step
from .models import make_model, make_optimizer
from .workloads import WORKLOADS, Workload

__all__ = ["HERE", "Tapegrad", "contenders", "training", "training_step"]

HERE = {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}


def training(workload: Workload, device: str = "cpu") -> tuple[Callable[[Any, Any], Any], Any, Any]:
    """A training step on a batch, and the batch of a workload, with everything on a device."""
    import autograd as ag
    import nn
    import optim

    data = workload.data()
    model = make_model(nn, workload.network, lambda x: ag.split(x, 3, axis=-1))
    model.load_state_dict(data.state)
    model.to(device)
    optimizer = make_optimizer(optim, workload, model.parameters())
    criterion = nn.CrossEntropyLoss()
    x, y = ag.Tensor(data.x, device=device), ag.Tensor(data.y, device=device)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step, x, y


def training_step(workload: Workload, device: str = "cpu") -> Step:
    """The same on that batch alone."""
    step, x, y = training(workload, device)
    return lambda: step(x, y)


@dataclass(frozen=True)
class Tapegrad(Contender):
    """tapegrad in eager mode, or compiled for an executor."""

    executor: Literal["native", "numpy"] | None = None  # eager without one

    module: ClassVar[str] = "autograd"
    install: ClassVar[str] = "pip install -e ."
    ours: ClassVar[bool] = True

    def prepare(self, job: str) -> Step:
        """A training step on a workload."""
        import autograd as ag

        step = training_step(WORKLOADS[job])
        return ag.compile(step, executor=self.executor) if self.executor else step

    def builds(self) -> bool:
        """The first call of a compiled step traces and compiles."""
        return self.executor is not None

    def versions(self) -> dict[str, str]:
        """NumPy, which does the arithmetic; the commit stands with the machine."""
        return {"numpy": np.__version__, "threads": os.environ["OPENBLAS_NUM_THREADS"]}


contenders = (
    Tapegrad("tapegrad", "tapegrad, eager", HERE),
    Tapegrad(
        "tapegrad-default-malloc",
        "tapegrad, eager, the allocator left as the system has it",
        {**HERE, "TAPEGRAD_MALLOC": "0"},
    ),
    Tapegrad("tapegrad-native", "tapegrad, compiled, C and NumPy's BLAS", HERE, executor="native"),
    Tapegrad("tapegrad-numpy", "tapegrad, compiled, NumPy alone", HERE, executor="numpy"),
)
