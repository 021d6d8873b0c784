"""PyTorch on a GPU: eager, compiled, with CUDA graphs made by it or by hand; the optimizer is the fused one.

One idea: the step captured whole by hand is the honest opponent of ours, since both are one launch. Read `jax.py` next.
"""

# Note [A graph that begins at the beginning]
# A capture must come after some steps, which load libraries and make the optimizer's state; these train. So then all
# parameters and buffers get their first values again and the state becomes zeros, in place, since the graph knows the
# addresses: zeros are where SGD's momentum and Adam's averages and counts begin, and step 1 of the graph is step 1.

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from ..contender import Contender, Step
from ..speed.environment import ONE_POOL
from ..speed.pytorch import Training, training
from .precision import wanted
from .workloads import WORKLOADS

__all__ = ["TorchOnGPU", "contenders", "restart"]

WARM_UP = 3  # steps before a capture


@dataclass(frozen=True)
class TorchOnGPU(Contender):
    """PyTorch in one of its ways to run a step."""

    way: Literal["eager", "compile", "reduce-overhead", "graph"] = "eager"

    module: ClassVar[str] = "torch"
    install: ClassVar[str] = "pip install torch"

    def prepare(self, job: str) -> Step:
        """A training step on a workload."""
        import torch

        self._set_precision()
        if self.way in ("compile", "reduce-overhead"):
            torch.compiler.reset()  # so that no job finds what the one before left
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        workload = WORKLOADS[job]
        how: dict[str, Any] = {"capturable": True} if self.way == "graph" and workload.optimizer != "sgd" else {}
        made = training(workload, "cuda", fused=True, **how)
        if wanted().autocast:
            made.loss_of = torch.autocast("cuda", torch.bfloat16)(made.loss_of)
        if self.way == "graph":
            return _as_graph(made)
        if self.way == "compile":
            made.loss_of = torch.compile(made.loss_of, dynamic=False)
        elif self.way == "reduce-overhead":
            made.loss_of = _marked(torch.compile(made.loss_of, dynamic=False, mode="reduce-overhead"))
        return made.step()

    def _set_precision(self) -> None:
        import torch

        if not torch.cuda.is_available():
            raise RuntimeError("PyTorch sees no GPU: is it built for CUDA?")
        torch.backends.cuda.matmul.allow_tf32 = wanted().torch_allow_tf32
        torch.backends.cudnn.allow_tf32 = wanted().torch_allow_tf32
        torch.backends.cudnn.benchmark = True

    def builds(self) -> bool:
        """The first call compiles, captures, or at least loads."""
        return True

    def wait(self, result: Any) -> None:
        """The GPU is told what to do and does it later."""
        import torch

        torch.cuda.synchronize()

    def device_peak(self, step: Step) -> int:
        """The most that PyTorch's allocator has handed out since the job was prepared."""
        import torch

        return int(torch.cuda.max_memory_allocated())

    def versions(self) -> dict[str, str]:
        """PyTorch's, and the precision that it was told."""
        import torch

        self._set_precision()
        flags = f"matmul.allow_tf32 {torch.backends.cuda.matmul.allow_tf32}, cudnn.allow_tf32 "
        return {
            "torch": torch.__version__,
            "cuda": str(torch.version.cuda),
            "cudnn": str(torch.backends.cudnn.version()),
            "gpu": torch.cuda.get_device_name(),
            "precision": f"{flags}{torch.backends.cudnn.allow_tf32}, autocast {wanted().autocast}",
        }


def _marked(loss_of: Any) -> Any:
    """Says at each call that what the last step gave may be written over."""
    import torch

    def marked(x: Any, y: Any) -> Any:
        torch.compiler.cudagraph_mark_step_begin()
        return loss_of(x, y)

    return marked


def _as_graph(made: Training) -> Step:
    """The whole step as one graph, which the first call captures."""
    captured: list[Any] = []

    def step() -> Any:
        if not captured:
            captured.extend(_capture(made))
        replay, loss = captured
        replay()
        return loss

    return step


def _capture(made: Training) -> tuple[Any, Any]:
    """What replays a step, and where its loss will be. See Note [A graph that begins at the beginning]."""
    import torch

    first = {name: value.cpu().clone() for name, value in made.model.state_dict().items()}
    eager, stream = made.step(), torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            eager()
    torch.cuda.current_stream().wait_stream(stream)
    made.optimizer.zero_grad()
    restart(made, first)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = made.loss_of(made.x, made.y)
        loss.backward()
        made.optimizer.step()
    return graph.replay, loss.detach()


def restart(made: Training, first: dict[str, Any]) -> None:
    """Give a training its first parameters and buffers again, and an optimizer whose state is zeros, all in place."""
    import torch

    made.model.load_state_dict(first)
    for state in made.optimizer.state.values():
        for value in state.values():
            if isinstance(value, torch.Tensor):
                value.zero_()


contenders = (
    TorchOnGPU("torch-graph", "PyTorch, the whole step captured as one CUDA graph", ONE_POOL, "graph"),
    TorchOnGPU("torch", "PyTorch, eager", ONE_POOL, "eager"),
    TorchOnGPU("torch-compile", "torch.compile of forward and loss", ONE_POOL, "compile"),
    TorchOnGPU("torch-reduce-overhead", 'the same with mode="reduce-overhead"', ONE_POOL, "reduce-overhead"),
)
