"""What is trained: a network, an optimizer, and how close the losses of all contenders must be.

One idea: the table below is the benchmark; `networks.py` makes the numbers, and a contender does the rest. Read that
file next.
"""

from __future__ import annotations

from dataclasses import dataclass

from .networks import GPT, MLP, Data, LeNet, Network

__all__ = ["WORKLOADS", "Workload"]

# Note [How close two trainings stay]
# After one forward pass float32 agrees to a few units in the last place. Later it depends on the network: rounding may
# put an input of a ReLU on the other side of zero, which changes that unit's gradient as a whole, and from there two
# trainings part. Against float64 (where frameworks agree to 15 digits all the way), float32 is off by at most 1e-5
# until step 5; at step 20 by 1e-7 in tiny, mlp-sgd and big, 3e-4 in deep, and 6e-4 in mlp-adam, whose steps are large
# (2e-3 at step 16), 2e-4 in lenet, and 4e-7 in gpt (without its weight decay it would be off by 4e-4). Each network is
# allowed a few times that, or more; a test shows that a step size that is 5 % off is seen.


@dataclass(frozen=True)
class Workload:
    """A network with cross entropy, one batch, one optimizer.

    A step is: forget the gradients, forward, loss, backward, the optimizer's step. "sgd" has momentum 0.9; all else is
    PyTorch's default: betas of 0.9 and 0.999, eps 1e-8, and 0.01 of weight decay for "adamw" on all parameters.
    """

    name: str
    network: Network
    optimizer: str  # "sgd", "adam" or "adamw"
    apart: float  # how far losses may be apart at step 20, see Note [How close two trainings stay]
    lr: float = 1e-3
    momentum: float = 0.9  # of "sgd"
    weight_decay: float = 0.01  # of "adamw"

    def data(self) -> Data:
        """The numbers that it starts from, made anew at each call."""
        return self.network.data()

    def agreement(self) -> dict[int, float]:
        """The relative difference from the median of all contenders that a loss may have, by step."""
        return {1: 1e-5, 5: 3e-5, 20: self.apart}

    def about(self) -> str:
        """One line: the network, the batch, the optimizer."""
        return f"{self.network.about()}, {self.optimizer}"


WORKLOADS = {
    w.name: w
    for w in (
        Workload("tiny", MLP((16, 32, 2), 32), "sgd", 1e-5),
        Workload("deep", MLP((*[64] * 20, 10), 100), "sgd", 1e-3),
        Workload("mlp-sgd", MLP((784, 512, 512, 10), 128), "sgd", 1e-4),
        Workload("mlp-adam", MLP((784, 512, 512, 10), 128), "adam", 1e-2),
        Workload("big", MLP((784, 2048, 2048, 10), 512), "sgd", 1e-4),
        Workload("lenet", LeNet(64), "sgd", 1e-3, lr=3e-3),
        Workload("gpt", GPT(4, 128, 4, 64, 16, 65), "adamw", 1e-4),
    )
}
