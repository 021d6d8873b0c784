"""JAX: the whole training step under `jit`, with donated buffers.

One idea: this is how JAX's users train: one pure function from parameters and state to the next ones, which may be
written over the old. Read `models.py` next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ...contender import Contender, Step
from ..environment import ONE_POOL
from ..workloads import WORKLOADS, Workload

__all__ = ["Jax", "contenders"]


@dataclass(frozen=True)
class Jax(Contender):
    """A jitted step in JAX."""

    module: ClassVar[str] = "jax"
    install: ClassVar[str] = "pip install -r requirements/peers.txt"
    workloads: ClassVar[Mapping[str, Workload]] = WORKLOADS

    def prepare(self, job: str) -> Step:
        """A training step on a workload."""
        import jax
        import jax.numpy as jnp

        from .models import make_model
        from .optimizers import OPTIMIZERS

        workload = self.workloads[job]
        data = workload.data()
        model, arrays, inputs = make_model(workload.network, data)
        params = {name: jnp.array(array) for name, array in arrays.items()}
        x, y = jnp.asarray(inputs), jnp.asarray(data.y)
        first, update = OPTIMIZERS[workload.optimizer]
        state = first(params)

        def loss_of(params: Any, x: Any, y: Any) -> Any:
            logp = jax.nn.log_softmax(model(params, x))
            return -jnp.take_along_axis(logp, y[:, None], axis=1).mean()

        def whole(params: Any, state: Any, x: Any, y: Any) -> Any:
            loss, grads = jax.value_and_grad(loss_of)(params, x, y)
            return loss, *update(workload, params, grads, state)

        jitted = jax.jit(whole, donate_argnums=(0, 1))

        def step() -> Any:
            nonlocal params, state
            loss, params, state = jitted(params, state, x, y)
            return loss

        return step

    def builds(self) -> bool:
        """The first call traces and compiles."""
        return True

    def wait(self, result: Any) -> None:
        """JAX returns before the work is done."""
        result.block_until_ready()

    def versions(self) -> dict[str, str]:
        """JAX's version."""
        import jax

        return {"jax": jax.__version__, "devices": str(jax.devices())}


contenders = (Jax("jax", "JAX, jit, donated buffers", ONE_POOL),)
