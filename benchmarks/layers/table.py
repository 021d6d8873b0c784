"""The layers that are timed, in PyTorch's names, and the step that is taken: forward, and back from a given gradient.

One idea: tapegrad's names are PyTorch's, so a row of the table is both frameworks' layer. Read `tapegrad.py` next.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..contender import Step
from ..given_gradient import GivenGradient

__all__ = ["AGREEMENT", "LAYERS", "Layer", "Layers", "numbers"]

AGREEMENT = {1: 1e-3, 20: 1e-3}

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """A module, given `nn`, and the shape of its input; `whole` are how many whole numbers it picks from, as words are.

    A loss has a target: of that shape, from 0 to 1, or labels from `classes`, of the shape without axis 1.
    """

    make: Callable[[Any], Any]
    shape: Shape
    first: bool = False  # the input is data, whose gradient nobody wants
    call: Callable[..., Any] = lambda module, *given: module(*given)
    whole: int = 0
    target: bool = False
    classes: int = 0

    def inputs(self) -> list[NDArray[Any]]:
        """The input, and the target of a loss: random numbers, always the same."""
        rng = np.random.default_rng(0)
        x = rng.integers(0, self.whole, self.shape) if self.whole else rng.standard_normal(self.shape)
        given = [x if self.whole else x.astype(np.float32)]
        if self.classes:
            given.append(rng.integers(0, self.classes, (self.shape[0], *self.shape[2:])))
        elif self.target:
            given.append(rng.random(self.shape, dtype=np.float32))
        return given

    @property
    def is_of_images(self) -> bool:
        """Whether the channels could lie last."""
        return len(self.shape) == 4


def _itself(module: Any, x: Any) -> Any:
    """Attention of x to itself."""
    return module(x, x, x, need_weights=False)[0]


def _outputs(module: Any, x: Any) -> Any:
    """Those of all times, without the last state."""
    return module(x)[0]


LAYERS = {
    "linear": Layer(lambda nn: nn.Linear(512, 2048), (1024, 512)),
    "conv 3x3": Layer(lambda nn: nn.Conv2d(64, 64, 3, padding=1), (8, 64, 56, 56)),
    "conv 3x3 of 512 channels": Layer(lambda nn: nn.Conv2d(512, 512, 3, padding=1), (8, 512, 7, 7)),
    "conv 3x3 with stride 2": Layer(lambda nn: nn.Conv2d(128, 256, 3, stride=2, padding=1), (8, 128, 28, 28)),
    "conv 3x3 with dilation 2": Layer(lambda nn: nn.Conv2d(64, 64, 3, padding=2, dilation=2), (8, 64, 28, 28)),
    "conv 5x5 of 16 channels": Layer(lambda nn: nn.Conv2d(16, 16, 5, padding=2), (32, 16, 28, 28)),
    "conv 1x1": Layer(lambda nn: nn.Conv2d(256, 64, 1), (8, 256, 28, 28)),
    "first conv 7x7": Layer(lambda nn: nn.Conv2d(3, 64, 7, stride=2, padding=3), (8, 3, 112, 112), first=True),
    "first conv 3x3": Layer(lambda nn: nn.Conv2d(3, 64, 3, padding=1), (64, 3, 32, 32), first=True),
    "depthwise conv 3x3": Layer(lambda nn: nn.Conv2d(128, 128, 3, padding=1, groups=128), (16, 128, 28, 28)),
    "conv 3x3 of 32 groups": Layer(lambda nn: nn.Conv2d(256, 256, 3, padding=1, groups=32), (8, 256, 28, 28)),
    "conv 3x3 of 4 groups": Layer(lambda nn: nn.Conv2d(64, 64, 3, padding=1, groups=4), (16, 64, 28, 28)),
    "conv 1d": Layer(lambda nn: nn.Conv1d(64, 64, 5, padding=2), (16, 64, 500)),
    "transposed conv": Layer(lambda nn: nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1), (16, 64, 14, 14)),
    "max pooling": Layer(lambda nn: nn.MaxPool2d(2), (16, 64, 56, 56)),
    "max pooling 3x3 with stride 2": Layer(lambda nn: nn.MaxPool2d(3, 2, 1), (16, 64, 56, 56)),
    "average pooling": Layer(lambda nn: nn.AvgPool2d(2), (16, 64, 56, 56)),
    "adaptive average pooling": Layer(lambda nn: nn.AdaptiveAvgPool2d(7), (16, 64, 28, 28)),
    "batch norm": Layer(lambda nn: nn.BatchNorm2d(64), (16, 64, 56, 56)),
    "group norm": Layer(lambda nn: nn.GroupNorm(8, 64), (16, 64, 56, 56)),
    "layer norm": Layer(lambda nn: nn.LayerNorm(512), (2048, 512)),
    "GELU": Layer(lambda nn: nn.GELU(), (2048, 512)),
    "LSTM": Layer(lambda nn: nn.LSTM(64, 128), (64, 32, 64), call=_outputs),
    "GRU": Layer(lambda nn: nn.GRU(64, 128), (64, 32, 64), call=_outputs),
    "attention": Layer(lambda nn: nn.MultiheadAttention(256, 8, batch_first=True), (16, 128, 256), call=_itself),
    "embedding": Layer(lambda nn: nn.Embedding(5000, 256), (32, 128), first=True, whole=5000),
    "cross entropy": Layer(lambda nn: nn.CrossEntropyLoss(), (512, 1000), classes=1000),
    "cross entropy with smoothed labels": Layer(
        lambda nn: nn.CrossEntropyLoss(label_smoothing=0.1), (512, 1000), classes=1000
    ),
    "cross entropy of images": Layer(lambda nn: nn.CrossEntropyLoss(), (8, 21, 64, 64), classes=21),
    "squared error": Layer(lambda nn: nn.MSELoss(), (512, 1000), target=True),
    "Huber loss": Layer(lambda nn: nn.HuberLoss(), (512, 1000), target=True),
    "binary cross entropy": Layer(lambda nn: nn.BCEWithLogitsLoss(), (512, 1000), target=True),
}


def numbers(shape: Sequence[int], seed: int) -> NDArray[np.float32]:
    """Numbers of about the size that a layer of so many inputs keeps."""
    inputs = np.prod(shape[1:]) if len(shape) > 1 else 4
    drawn = np.random.default_rng(seed).standard_normal(tuple(shape)) / np.sqrt(inputs)
    return drawn.astype(np.float32)


class Layers(GivenGradient):
    """A framework that is asked for single layers."""

    @abstractmethod
    def filled(self, layer: Layer) -> Any:
        """The module of a layer, each parameter filled by `numbers`, seeded by its place."""

    def prepare(self, job: str) -> Step:
        """The layer's output of random numbers, and the way back from a random gradient."""
        layer = LAYERS[job]
        module = self.filled(layer)
        drawn, *target = layer.inputs()
        x, others = self.tensor(drawn, not layer.first), [self.tensor(array) for array in target]
        leaves = [*([] if layer.first else [x]), *module.parameters()]
        return self.there_and_back(lambda: layer.call(module, x, *others), leaves)
