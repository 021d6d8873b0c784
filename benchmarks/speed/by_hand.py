"""SGD with momentum, Adam and AdamW by hand in NumPy, for frameworks that have no optimizers of their own.

One idea: an optimizer is a function that changes arrays in place, given their gradients, as users of such a framework
write it. The formulas are PyTorch's, in its order. Read `hips/__init__.py` next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .workloads import Workload

__all__ = ["make_update"]

Arrays = Mapping[str, Any]
Update = Callable[[Arrays], None]  # takes the gradients


def make_update(workload: Workload, parameters: Arrays) -> Update:
    """A function that takes the gradients by name and moves the parameters."""
    if workload.optimizer == "sgd":
        return _sgd(workload, parameters)
    return _adam(workload, parameters, workload.weight_decay if workload.optimizer == "adamw" else 0.0)


def _sgd(workload: Workload, parameters: Arrays) -> Update:
    velocity = {name: np.zeros_like(p) for name, p in parameters.items()}

    def update(grads: Arrays) -> None:
        for name, p in parameters.items():
            v = velocity[name]
            v *= workload.momentum
            v += grads[name]
            p -= workload.lr * v

    return update


def _adam(workload: Workload, parameters: Arrays, weight_decay: float) -> Update:
    means = {name: np.zeros_like(p) for name, p in parameters.items()}
    squares = {name: np.zeros_like(p) for name, p in parameters.items()}
    t = 0

    def update(grads: Arrays) -> None:
        nonlocal t
        t += 1
        rate, c = workload.lr / (1 - 0.9**t), (1 - 0.999**t) ** 0.5
        for name, p in parameters.items():
            g, m, v = grads[name], means[name], squares[name]
            m *= 0.9
            m += 0.1 * g
            v *= 0.999
            v += 0.001 * g * g
            if weight_decay:
                p *= 1 - workload.lr * weight_decay
            p -= rate * m / (np.sqrt(v) / c + 1e-8)

    return update
