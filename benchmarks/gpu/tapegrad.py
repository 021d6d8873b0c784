"""tapegrad on a GPU, eager, compiled, and several steps in one launch: the step as a user writes it.

One idea: it is the step of the CPU's benchmark, moved to "cuda". Read `precision.py` next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from ..contender import Contender, Step
from ..speed.environment import ONE_POOL
from ..speed.tapegrad import HERE, training, training_step
from .precision import wanted
from .workloads import WORKLOADS

__all__ = ["StepsOnGPU", "TapegradOnGPU", "WithoutCudnn", "contenders", "cupy_versions"]


def cupy_versions() -> dict[str, str]:
    """CuPy's version, and those of CUDA's libraries that it found."""
    import cupy

    runtime = cupy.cuda.runtime
    return {
        "cupy": cupy.__version__,
        "cuda": str(runtime.runtimeGetVersion()),
        "gpu": runtime.getDeviceProperties(0)["name"].decode(),
    }


@dataclass(frozen=True)
class TapegradOnGPU(Contender):
    """tapegrad in eager mode, where CuPy does the arithmetic, or compiled, as one CUDA graph."""

    compiled: bool = False
    algorithms: Literal["expected", "timed"] = "expected"  # of products, as autograd.cuda.matmul_algorithms takes them

    module: ClassVar[str] = "cupy"
    install: ClassVar[str] = "pip install cupy-cuda13x"
    ours: ClassVar[bool] = True

    def prepare(self, job: str) -> Step:
        """A training step on a workload."""
        import autograd as ag

        self._begin()
        step = self._cast(training_step(WORKLOADS[job], "cuda"))
        return ag.compile(step) if self.compiled else step

    def _begin(self) -> None:
        """Forget the job before, and take the precision and the algorithms that were told."""
        import cupy

        import autograd as ag

        cupy.get_default_memory_pool().free_all_blocks()
        ag.cuda.matmul_precision(wanted().tapegrad)
        ag.cuda.matmul_algorithms(self.algorithms)

    def _cast(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """The step inside `autocast`, where that was told."""
        import autograd as ag

        return ag.autocast()(step) if wanted().autocast else step

    def builds(self) -> bool:
        """The first call of a compiled step traces and compiles; that of an eager one compiles CuPy's kernels."""
        return True

    def wait(self, result: Any) -> None:
        """The GPU is told what to do and does it later."""
        import cupy

        cupy.cuda.Device().synchronize()

    def device_peak(self, step: Step) -> int:
        """The most that CuPy's pool has handed out during a step."""
        import cupy

        pool = cupy.get_default_memory_pool()
        most = pool.used_bytes()

        class Highest(cupy.cuda.MemoryHook):  # type: ignore[misc]  # CuPy has no types here
            name = "highest"

            def malloc_postprocess(self, **what: Any) -> None:
                nonlocal most
                most = max(most, pool.used_bytes())

        with Highest():
            step()
            step()
        return int(most)

    def versions(self) -> dict[str, str]:
        """CuPy's; the commit stands with the machine."""
        import numpy as np

        import autograd as ag

        ag.cuda.matmul_precision(wanted().tapegrad)
        precision = f"matmul_precision {ag.cuda.get_matmul_precision()}, autocast {wanted().autocast}"
        return {**cupy_versions(), "numpy": np.__version__, "precision": precision}


@dataclass(frozen=True)
class StepsOnGPU(TapegradOnGPU):
    """tapegrad compiled, several steps a launch, on what is small: there the host takes longer than the GPU."""

    together: ClassVar[int] = 8

    def does(self, job: str) -> bool:
        """Networks of which a step takes well below a millisecond."""
        return job in ("mlp-128", "mlp-1024", "gpt-small")

    def prepare(self, job: str) -> Step:
        """So many training steps on a workload, each with a batch of its own, though all are the same."""
        import autograd as ag

        self._begin()
        step, x, y = training(WORKLOADS[job], "cuda")
        xs, ys = (ag.stack([batch] * self.together) for batch in (x, y))
        steps = ag.compile(self._cast(step)).steps
        return lambda: steps(xs, ys)

    def values(self, result: Any) -> list[float]:
        """The losses of all steps."""
        return [float(loss) for loss in result.tolist()]


@dataclass(frozen=True)
class WithoutCudnn(TapegradOnGPU):
    """tapegrad compiled, its convolutions as windows and products of cuBLASLt, as where cuDNN is not installed.

    So they are for float32 that is not rounded, whether cuDNN is installed or not.
    """

    def does(self, job: str) -> bool:
        """The network that has convolutions, where cuDNN would do them."""
        return job == "cnn" and wanted(self.environment).word != "float32"


contenders = (
    TapegradOnGPU("tapegrad-compiled", "tapegrad, compiled: the step as one CUDA graph", {**HERE, **ONE_POOL}, True),
    TapegradOnGPU(
        "tapegrad-timed", "tapegrad, compiled, products by trial", {**HERE, **ONE_POOL}, True, algorithms="timed"
    ),
    StepsOnGPU("tapegrad-8-steps", "tapegrad, compiled, 8 steps a launch", {**HERE, **ONE_POOL}, True),
    TapegradOnGPU("tapegrad", "tapegrad, eager, over CuPy", {**HERE, **ONE_POOL}),
    WithoutCudnn(
        "tapegrad-no-cudnn", "tapegrad, compiled, without cuDNN", {**HERE, **ONE_POOL, "TAPEGRAD_CUDNN": "0"}, True
    ),
)
