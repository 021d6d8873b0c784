"""What it costs to have a GPU do one small thing, by the way in which it is asked.

One idea: a vector of 4096 numbers is added to, which is next to nothing for a GPU, so what is left is the asking.
Two times are taken: until all is asked for, and until all is done. Read `device.py` next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from ..contender import Contender, Step
from ..speed.environment import ONE_POOL
from ..speed.tapegrad import HERE
from .tapegrad import cupy_versions

__all__ = ["PATHS", "calls_of", "contenders", "nodes_of"]

SIZE = 4096
GRAPHS = (1, 10, 100, 1000)  # nodes
THREADS = 128
KERNEL = """
struct Words { long x, y, size; };
extern "C" __global__ void add_one(Words w) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < w.size) ((float *)w.y)[i] = ((const float *)w.x)[i] + 1.f;
}
"""
RAW = """
extern "C" __global__ void add_one(const float *x, float *y, long size) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < size) y[i] = x[i] + 1.f;
}
"""


def _graph(nodes: int) -> str:
    return f"tapegrad CUDA graph of {nodes}"


CUPY = ("CuPy x + 1", "CuPy add(out=)", "CuPy RawKernel", "tapegrad prepared launch", *map(_graph, GRAPHS))
TORCH = ("PyTorch x + 1", "PyTorch add(out=)", "PyTorch x + 1 recorded")
PATHS = (*CUPY, *TORCH)


def nodes_of(path: str) -> int:
    """How many kernels one call of a path launches."""
    return {_graph(nodes): nodes for nodes in GRAPHS}.get(path, 1)


def calls_of(path: str) -> int:
    """Calls a sample: not so many that the GPU's queue is full, and the asking has to wait."""
    return max(2, 200 // nodes_of(path))


@dataclass(frozen=True)
class CupyLaunch(Contender):
    """CuPy's ways, and ours, which speaks to the driver."""

    module: ClassVar[str] = "cupy"
    install: ClassVar[str] = "pip install cupy-cuda13x"

    def does(self, job: str) -> bool:
        """Its own paths."""
        return job in CUPY

    def prepare(self, job: str) -> Step:
        """One call by a path."""
        import cupy

        x, y = cupy.ones(SIZE, cupy.float32), cupy.zeros(SIZE, cupy.float32)
        add = cupy.add
        if job == CUPY[0]:
            return lambda: x + 1
        if job == CUPY[1]:
            return lambda: add(x, 1, out=y)
        run = self._raw(x, y) if job == CUPY[2] else _ours(x, y, nodes_of(job) if job in CUPY[4:] else None)

        def step() -> Any:
            run()
            return y

        return step

    def _raw(self, x: Any, y: Any) -> Callable[[], Any]:
        import cupy
        import numpy as np

        kernel, blocks = cupy.RawKernel(RAW, "add_one"), (SIZE // THREADS,)
        arguments = (x, y, np.int64(SIZE))
        return lambda: kernel(blocks, (THREADS,), arguments)

    def wait(self, result: Any) -> None:
        """Until the GPU is done."""
        import cupy

        cupy.cuda.Device().synchronize()

    def value(self, result: Any) -> float:
        """The last number."""
        return float(result[-1])

    def versions(self) -> dict[str, str]:
        """CuPy's."""
        return cupy_versions()


def _ours(x: Any, y: Any, nodes: int | None) -> Callable[[], Any]:
    """What the compiled step is made of: a launch made ready, or so many of them as one graph."""
    from autograd.compile.cuda import device_named

    device = device_named("cuda")
    words = [device.address(x), device.address(y), SIZE]
    launch = device.library(KERNEL).launch("add_one", SIZE // THREADS, THREADS, words)
    launch()
    return launch if nodes is None else device.record([launch] * nodes)


@dataclass(frozen=True)
class TorchLaunch(Contender):
    """PyTorch's operations."""

    module: ClassVar[str] = "torch"
    install: ClassVar[str] = "pip install torch"

    def does(self, job: str) -> bool:
        """Its own paths."""
        return job in TORCH

    def prepare(self, job: str) -> Step:
        """One call by a path."""
        import torch

        x = torch.ones(SIZE, device="cuda", requires_grad=job == TORCH[2])
        if job != TORCH[1]:
            return lambda: x + 1
        y, add = torch.zeros(SIZE, device="cuda"), torch.add
        return lambda: add(x, 1, out=y)

    def wait(self, result: Any) -> None:
        """Until the GPU is done."""
        import torch

        torch.cuda.synchronize()

    def value(self, result: Any) -> float:
        """The last number."""
        return float(result[-1].item())

    def versions(self) -> dict[str, str]:
        """PyTorch's."""
        import torch

        return {"torch": torch.__version__, "cuda": str(torch.version.cuda)}


contenders = (
    CupyLaunch("launch-cupy", "CuPy and what tapegrad asks of the driver", {**HERE, **ONE_POOL}),
    TorchLaunch("launch-torch", "PyTorch's operations", ONE_POOL),
)
