"""SGD with momentum, Adam and AdamW as pure functions, for JAX.

One idea: an optimizer is two functions: the first state of the parameters, and from parameters, gradients and state to
the next parameters and state. The formulas are PyTorch's, in its order. Read `../by_hand.py` next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ..workloads import Workload

__all__ = ["OPTIMIZERS"]


def _zeros(params: Any) -> Any:
    return jax.tree.map(jnp.zeros_like, params)


def _sgd(workload: Workload, params: Any, grads: Any, state: Any) -> Any:
    v = jax.tree.map(lambda v, g: workload.momentum * v + g, state["v"], grads)
    return jax.tree.map(lambda p, v: p - workload.lr * v, params, v), {"v": v}


def _adam(workload: Workload, params: Any, grads: Any, state: Any) -> Any:
    t = state["t"] + 1
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, state["m"], grads)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, state["v"], grads)
    rate, c = workload.lr / (1 - 0.9**t), jnp.sqrt(1 - 0.999**t)
    new = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) / c + 1e-8), params, m, v)
    return new, {"m": m, "v": v, "t": t}


def _adamw(workload: Workload, params: Any, grads: Any, state: Any) -> Any:
    kept = 1 - workload.lr * workload.weight_decay
    return _adam(workload, jax.tree.map(lambda p: p * kept, params), grads, state)


def _first_of_sgd(params: Any) -> Any:
    return {"v": _zeros(params)}


def _first_of_adam(params: Any) -> Any:
    return {"m": _zeros(params), "v": _zeros(params), "t": jnp.float32(0)}


Update = Callable[[Workload, Any, Any, Any], Any]
OPTIMIZERS: dict[str, tuple[Callable[[Any], Any], Update]] = {
    "sgd": (_first_of_sgd, _sgd),
    "adam": (_first_of_adam, _adam),
    "adamw": (_first_of_adam, _adamw),
}
