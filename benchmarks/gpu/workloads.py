"""What is trained on a GPU: networks small enough that launches count, up to some that keep it busy.

One idea: the steps are those of the CPU's benchmark at other sizes, so a contender is the same code. GPT-2 (124M) is
not among them: without a smaller type than float32 nobody would train it so. Read `tapegrad.py` next.
"""

from __future__ import annotations

from ..speed.networks import CNN, GPT, MLP
from ..speed.workloads import Workload

__all__ = ["WORKLOADS"]

# On the CPU, float32 is off from float64 at step 20 by at most 2e-7 in mlp-128, 2e-6 in cnn and 4e-6 in gpt-small; each
# is allowed much more, see Note [How close two trainings stay] in `../speed/workloads.py`.
WORKLOADS = {
    w.name: w
    for w in (
        Workload("mlp-128", MLP((784, 512, 512, 10), 128), "sgd", 1e-4),
        Workload("mlp-1024", MLP((784, 512, 512, 10), 1024), "sgd", 1e-4),
        Workload("cnn", CNN((32, 64, 128), 256), "sgd", 1e-4),
        Workload("gpt-small", GPT(4, 128, 4, 64, 12, 65), "adamw", 1e-4),
        Workload("gpt-char", GPT(6, 384, 6, 256, 64, 65), "adamw", 1e-4),
    )
}
