"""HIPS autograd (on PyPI: autograd), eager, with an optimizer by hand in NumPy.

One idea: it has our engine's import name, so it lives in a folder of its own, which only its process has on the path.
Read `models.py` next.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, ClassVar

import numpy as np

from ...contender import Contender, Step
from ..by_hand import make_update
from ..environment import RAISED, peer_folder
from ..workloads import WORKLOADS

__all__ = ["Hips", "contenders"]

FOLDER = peer_folder("hips")


@dataclass(frozen=True)
class Hips(Contender):
    """A step in HIPS autograd: `value_and_grad`, then the optimizer."""

    module: ClassVar[str] = "HIPS autograd"
    install: ClassVar[str] = "make peers"

    def does(self, job: str) -> bool:
        """All but LeNet: with its `scipy.signal.convolve` a step takes ten seconds, a hundred times ours."""
        return job != "lenet"

    def prepare(self, job: str) -> Step:
        """A training step on a workload."""
        from autograd import numpy as anp  # type: ignore[attr-defined]  # not our own autograd
        from autograd import value_and_grad

        from .models import log_softmax, make_model

        workload = WORKLOADS[job]
        data = workload.data()
        model, parameters = make_model(workload.network), data.parameters
        update = make_update(workload, parameters)
        rows = np.arange(len(data.y))

        def loss_of(parameters: Any) -> Any:
            return -anp.mean(log_softmax(model(parameters, data.x))[rows, data.y])

        with_grads = value_and_grad(loss_of)

        def step() -> Any:
            loss, grads = with_grads(parameters)
            update(grads)
            return loss

        return step

    def versions(self) -> dict[str, str]:
        """Its own, and NumPy's, which does the arithmetic."""
        return {"HIPS autograd": version("autograd"), "numpy": np.__version__}

    def is_installed(self) -> bool:
        """Whether its folder is there."""
        return (FOLDER / "autograd").is_dir()


contenders = (Hips("hips", "HIPS autograd, eager, malloc's thresholds raised", {**RAISED, "PYTHONPATH": str(FOLDER)}),)
