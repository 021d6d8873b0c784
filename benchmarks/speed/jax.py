"""JAX: the whole training step under `jit`, with donated buffers.

One idea: this is how JAX's users train: one pure function from parameters and state to the next ones, which may be
written over the old. Read `run.py` next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..contender import Contender, Step
from .pytorch import ONE_POOL
from .workloads import WORKLOADS

__all__ = ["Jax", "contenders"]


@dataclass(frozen=True)
class Jax(Contender):
    """A jitted step in JAX."""

    module: ClassVar[str] = "jax"
    install: ClassVar[str] = "pip install -r requirements/peers.txt"

    def prepare(self, job: str) -> Step:
        """A training step on a workload."""
        import jax
        import jax.numpy as jnp

        workload = WORKLOADS[job]
        data = workload.data()
        params = [(jnp.asarray(w), jnp.asarray(b)) for w, b in zip(data.weights, data.biases, strict=True)]
        x, y = jnp.asarray(data.x), jnp.asarray(data.y)

        def loss_of(params: Any) -> Any:
            h = x
            for w, b in params[:-1]:
                h = jax.nn.relu(h @ w.T + b)
            w, b = params[-1]
            logp = jax.nn.log_softmax(h @ w.T + b)
            return -jnp.take_along_axis(logp, y[:, None], axis=1).mean()

        def sgd(params: Any, state: Any) -> Any:
            loss, grads = jax.value_and_grad(loss_of)(params)
            v = jax.tree.map(lambda v, g: workload.momentum * v + g, state["v"], grads)
            return loss, jax.tree.map(lambda p, v: p - workload.lr * v, params, v), {"v": v}

        def adam(params: Any, state: Any) -> Any:
            loss, grads = jax.value_and_grad(loss_of)(params)
            t = state["t"] + 1
            m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, state["m"], grads)
            v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, state["v"], grads)
            rate, c = workload.lr / (1 - 0.9**t), jnp.sqrt(1 - 0.999**t)
            new = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) / c + 1e-8), params, m, v)
            return loss, new, {"m": m, "v": v, "t": t}

        def zeros() -> Any:
            return jax.tree.map(jnp.zeros_like, params)

        chosen, state = (sgd, {"v": zeros()})
        if workload.optimizer == "adam":
            chosen, state = adam, {"m": zeros(), "v": zeros(), "t": jnp.float32(0)}
        jitted = jax.jit(chosen, donate_argnums=(0, 1))

        def step() -> Any:
            nonlocal params, state
            loss, params, state = jitted(params, state)
            return loss

        return step

    def wait(self, result: Any) -> None:
        """JAX returns before the work is done."""
        result.block_until_ready()

    def versions(self) -> dict[str, str]:
        """JAX's version."""
        import jax

        return {"jax": jax.__version__, "devices": str(jax.devices())}


contenders = (Jax("jax", "JAX, jit, donated buffers", ONE_POOL),)
