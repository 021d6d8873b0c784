"""JAX on a GPU: the whole training step under `jit`, with donated buffers.

One idea: it is the CPU's contender with other sizes and the precision said. Read `launch.py` next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ..contender import Step
from ..speed.environment import ONE_POOL
from ..speed.jax import Jax
from ..speed.workloads import Workload
from .precision import wanted
from .workloads import WORKLOADS

__all__ = ["JaxOnGPU", "contenders"]


@dataclass(frozen=True)
class JaxOnGPU(Jax):
    """A jitted step in JAX."""

    install: ClassVar[str] = 'pip install "jax[cuda13]"'
    workloads: ClassVar[Mapping[str, Workload]] = WORKLOADS

    def prepare(self, job: str) -> Step:
        """A training step on a workload."""
        self._set_precision()
        return super().prepare(job)

    def _set_precision(self) -> None:
        import jax

        if jax.default_backend() != "gpu":
            raise RuntimeError(f'JAX sees no GPU, only {jax.devices()}: is "jax[cuda13]" installed?')
        jax.config.update("jax_default_matmul_precision", wanted().jax_matmul)

    def versions(self) -> dict[str, str]:
        """JAX's, and the precision that it was told."""
        import jax

        self._set_precision()
        told = f"jax_default_matmul_precision {jax.config.jax_default_matmul_precision}"
        return {**super().versions(), "gpu": jax.devices()[0].device_kind, "precision": told}


contenders = (JaxOnGPU("jax", "JAX, jit of the whole step, donated buffers", ONE_POOL),)
