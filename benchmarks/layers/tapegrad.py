"""tapegrad's layers, eager and compiled. Read `pytorch.py` next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ..contender import Step
from ..speed import tapegrad
from .table import LAYERS, Layer, Layers, numbers

__all__ = ["Tapegrad", "contenders"]


@dataclass(frozen=True)
class Tapegrad(Layers):
    """tapegrad in eager mode, or compiled."""

    executor: Literal["native"] | None = None  # eager without one
    channels_last: bool = False

    module: ClassVar[str] = tapegrad.Tapegrad.module
    install: ClassVar[str] = tapegrad.Tapegrad.install
    ours: ClassVar[bool] = True

    def does(self, job: str) -> bool:
        """Channels can lie last in images."""
        return not self.channels_last or LAYERS[job].is_of_images

    def tensor(self, array: NDArray[Any], wanted: bool = False) -> Any:
        """A Tensor."""
        import autograd as ag

        tensor = ag.Tensor(array, requires_grad=wanted)
        if self.channels_last and array.ndim == 4:
            tensor.data = np.ascontiguousarray(array.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        return tensor

    def filled(self, layer: Layer) -> Any:
        """A Module of nn."""
        import nn

        module = layer.make(nn)
        state = {name: numbers(p.shape, seed) for seed, (name, p) in enumerate(module.named_parameters())}
        module.load_state_dict({**module.state_dict(), **state})
        return module

    def built(self, step: Step) -> Step:
        """Compiled, where there is an executor."""
        import autograd as ag

        return ag.compile(step, executor=self.executor) if self.executor else step

    def builds(self) -> bool:
        """The first call of a compiled step traces and compiles."""
        return self.executor is not None

    def versions(self) -> dict[str, str]:
        """NumPy, which does the products."""
        return {"numpy": np.__version__}


contenders = (
    Tapegrad("tapegrad", "tapegrad, eager", tapegrad.HERE),
    Tapegrad("tapegrad-channels-last", "the same, images with their channels last", tapegrad.HERE, channels_last=True),
    Tapegrad("tapegrad-native", "tapegrad, compiled, C and NumPy's BLAS", tapegrad.HERE, executor="native"),
)
