"""PyTorch's layers, and those of images with the channels last in memory too. Read `run.py` next."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, ClassVar

from numpy.typing import NDArray

from ..speed import pytorch
from ..speed.environment import ONE_POOL, RAISED
from .table import LAYERS, Layer, Layers, numbers

__all__ = ["PyTorch", "contenders"]


@dataclass(frozen=True)
class PyTorch(Layers):
    """PyTorch in eager mode."""

    channels_last: bool = False

    module: ClassVar[str] = pytorch.PyTorch.module
    install: ClassVar[str] = pytorch.PyTorch.install

    def does(self, job: str) -> bool:
        """Channels can lie last in images."""
        return not self.channels_last or LAYERS[job].is_of_images

    def tensor(self, array: NDArray[Any], wanted: bool = False) -> Any:
        """A tensor."""
        import torch

        tensor = torch.from_numpy(array)
        if self.channels_last and array.ndim == 4:
            tensor = tensor.contiguous(memory_format=torch.channels_last)
        return tensor.requires_grad_(wanted)

    def filled(self, layer: Layer) -> Any:
        """A module of torch.nn."""
        import torch

        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        module = layer.make(torch.nn)
        with torch.no_grad():
            for seed, parameter in enumerate(module.parameters()):
                parameter.copy_(torch.from_numpy(numbers(parameter.shape, seed)))
        return module.to(memory_format=torch.channels_last) if self.channels_last else module

    def versions(self) -> dict[str, str]:
        """PyTorch's."""
        return pytorch.torch_versions()


PEER = {**ONE_POOL, **RAISED}
contenders = (
    PyTorch("torch", "PyTorch, eager, malloc's thresholds raised", PEER),
    PyTorch("torch-channels-last", "the same, images with their channels last", PEER, channels_last=True),
)
