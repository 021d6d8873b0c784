"""The networks that are trained: sizes, optimizer, first weights and data, the same for every contender.

One idea: all numbers come from NumPy and a seed, so each process makes its own copy of the same ones and nothing has
to be handed over. Weights have PyTorch's layout, (out, in). Read `tapegrad.py` next.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["WORKLOADS", "Data", "Workload"]

# Note [How close two trainings stay]
# After one forward pass float32 agrees to a few units in the last place. Later it depends on the network: rounding may
# put an input of a ReLU on the other side of zero, which changes that unit's gradient as a whole, and from there two
# trainings part. Against float64 (where frameworks agree to 15 digits all the way), float32 is off by at most 1e-5
# until step 5; at step 20 by 1e-7 in tiny, mlp-sgd and big, 3e-4 in deep, and 6e-4 in mlp-adam, whose steps are large
# (2e-3 at step 16). Each network is allowed a few times that; a test shows that a step size that is 5 % off is seen.


@dataclass(frozen=True)
class Data:
    """The numbers that a training starts from."""

    weights: list[NDArray[np.float32]]  # (out, in) each
    biases: list[NDArray[np.float32]]
    x: NDArray[np.float32]  # (batch, widths[0])
    y: NDArray[np.int64]  # (batch,), classes


@dataclass(frozen=True)
class Workload:
    """A network of linear layers with ReLU between them, cross entropy, one batch, one optimizer.

    A step is: forget the gradients, forward, loss, backward, the optimizer's step. "sgd" has momentum 0.9; all else is
    PyTorch's default.
    """

    name: str
    widths: tuple[int, ...]
    batch: int
    optimizer: str  # "sgd" or "adam"
    apart: float  # how far losses may be apart at step 20, see Note [How close two trainings stay]
    lr: float = 1e-3
    momentum: float = 0.9  # of "sgd"

    def data(self) -> Data:
        """First weights (He: normal, variance 2 / fan-in), zero biases, uniform inputs and random classes."""
        draw = np.random.default_rng(0)
        sizes = list(zip(self.widths, self.widths[1:], strict=False))
        return Data(
            [(draw.standard_normal((out, given)) * np.sqrt(2 / given)).astype(np.float32) for given, out in sizes],
            [np.zeros(out, np.float32) for _, out in sizes],
            draw.random((self.batch, self.widths[0]), dtype=np.float32),
            draw.integers(0, self.widths[-1], self.batch),
        )

    def agreement(self) -> dict[int, float]:
        """The relative difference from the median of all contenders that a loss may have, by step."""
        return {1: 1e-5, 5: 3e-5, 20: self.apart}

    def about(self) -> str:
        """One line: the widths, the batch, the optimizer."""
        hidden, times = self.widths[1], len(self.widths) - 2
        chain = f"{times} x {hidden}" if times > 2 else "-".join(map(str, self.widths[1:-1]))
        return f"{self.widths[0]}-{chain}-{self.widths[-1]}, batch {self.batch}, {self.optimizer}"


WORKLOADS = {
    w.name: w
    for w in (
        Workload("tiny", (16, 32, 2), 32, "sgd", 1e-5),
        Workload("deep", (*[64] * 20, 10), 100, "sgd", 1e-3),
        Workload("mlp-sgd", (784, 512, 512, 10), 128, "sgd", 1e-4),
        Workload("mlp-adam", (784, 512, 512, 10), 128, "adam", 1e-2),
        Workload("big", (784, 2048, 2048, 10), 512, "sgd", 1e-4),
    )
}
