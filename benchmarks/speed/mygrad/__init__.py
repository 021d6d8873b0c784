"""MyGrad, eager, with an optimizer by hand in NumPy.

One idea: its Tensors carry their gradients, as ours do, so the step has the usual four lines. Its guards of memory,
which its pages say to switch off in code that has been tested, are off. Read `models.py` next.
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

__all__ = ["MyGrad", "contenders"]

FOLDER = peer_folder("mygrad")


@dataclass(frozen=True)
class MyGrad(Contender):
    """A step in MyGrad."""

    module: ClassVar[str] = "mygrad"
    install: ClassVar[str] = "make peers"

    def prepare(self, job: str) -> Step:
        """A training step on a workload."""
        import mygrad as mg
        from mygrad.nnet.losses import softmax_crossentropy

        from .models import make_model

        mg.turn_memory_guarding_off()
        workload = WORKLOADS[job]
        data = workload.data()
        model = make_model(workload.network)
        parameters = {name: mg.tensor(array, copy=False) for name, array in data.parameters.items()}
        update = make_update(workload, {name: p.data for name, p in parameters.items()})

        def step() -> Any:
            for p in parameters.values():
                p.null_grad()
            loss = softmax_crossentropy(model(parameters, data.x), data.y)
            loss.backward()
            update({name: p.grad for name, p in parameters.items()})
            return loss

        return step

    def versions(self) -> dict[str, str]:
        """Its own, and NumPy's, which does the arithmetic."""
        return {"mygrad": version("mygrad"), "numpy": np.__version__}

    def is_installed(self) -> bool:
        """Whether its folder is there."""
        return (FOLDER / "mygrad").is_dir()


contenders = (MyGrad("mygrad", "MyGrad, eager, malloc's thresholds raised", {**RAISED, "PYTHONPATH": str(FOLDER)}),)
