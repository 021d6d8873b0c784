"""What is trained on a GPU: networks small enough that launches count, up to some that keep it busy.

One idea: the steps are those of the CPU's benchmark at other sizes, so a contender is the same code. GPT-2 (124M) takes
each contender longer than all others together, so it is measured where it is named, and last. Read `tapegrad.py` next.
"""

from __future__ import annotations

from ..speed.networks import CNN, GPT, MLP
from ..speed.workloads import Workload

__all__ = ["USUAL", "WORKLOADS"]

# On the CPU, float32 is off from float64 at step 20 by at most 2e-7 in mlp-128, 2e-6 in cnn and 4e-6 in gpt-small; each
# is allowed much more, see Note [How close two trainings stay] in `../speed/workloads.py`. At GPT-2's depth and rate,
# but 192 and 384 wide on short texts, it is off by at most 2e-6.
WORKLOADS = {
    w.name: w
    for w in (
        Workload("mlp-128", MLP((784, 512, 512, 10), 128), "sgd", 1e-4),
        Workload("mlp-1024", MLP((784, 512, 512, 10), 1024), "sgd", 1e-4),
        Workload("cnn", CNN((32, 64, 128), 256), "sgd", 1e-4),
        Workload("gpt-small", GPT(4, 128, 4, 64, 12, 65), "adamw", 1e-4),
        Workload("gpt-char", GPT(6, 384, 6, 256, 64, 65), "adamw", 1e-4),
        # 50,257 tokens, and 47 more so that rows of logits begin at multiples of 128 elements.
        Workload("gpt2", GPT(12, 768, 12, 1024, 12, 50304, tied=True), "adamw", 1e-3, lr=3e-4),
    )
}
USUAL = [name for name in WORKLOADS if name != "gpt2"]  # those of a full run
