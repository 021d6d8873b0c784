"""The networks: their sizes, their first parameters, and the data that they are trained on.

One idea: a network is its numbers, named as PyTorch names them in a state dict, and each framework builds it from these
in its own words. All come from NumPy and a seed, so each process makes its own copy and nothing has to be handed over.
Read `models.py` next.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["CNN", "GPT", "MLP", "Data", "LeNet", "Network"]


@dataclass(frozen=True)
class Data:
    """The numbers that a training starts from."""

    parameters: dict[str, NDArray[np.float32]]  # by PyTorch's names, in PyTorch's layouts: Linear's weight is (out, in)
    x: NDArray[Any]
    y: NDArray[np.int64]  # classes, in one row
    buffers: dict[str, NDArray[Any]] = field(default_factory=dict)  # what a model keeps besides and does not train

    @property
    def state(self) -> dict[str, NDArray[Any]]:
        """What PyTorch calls the state dict."""
        return {**self.parameters, **self.buffers}


def _he(draw: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    """Normal numbers of variance 2 / fan-in."""
    return (draw.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32)


def _small(draw: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    """Normal numbers of deviation 0.02, as in GPT-2 (Radford and others 2019)."""
    return (draw.standard_normal(shape) * 0.02).astype(np.float32)


def _with_biases(weights: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """Layers by name, as parameters: each weight beside a bias of zeros."""
    parameters = {}
    for layer, weight in weights.items():
        parameters[f"{layer}.weight"] = weight
        parameters[f"{layer}.bias"] = np.zeros(len(weight), np.float32)
    return parameters


@dataclass(frozen=True)
class MLP:
    """Linear layers with ReLU between them."""

    widths: tuple[int, ...]
    batch: int
    kind: ClassVar[str] = "mlp"

    def data(self) -> Data:
        """Weights after He, zero biases, uniform inputs (batch, widths[0]) and random classes (batch,)."""
        draw = np.random.default_rng(0)
        sizes = zip(self.widths, self.widths[1:], strict=False)
        return Data(
            _with_biases({str(2 * i): _he(draw, out, given) for i, (given, out) in enumerate(sizes)}),
            draw.random((self.batch, self.widths[0]), dtype=np.float32),
            draw.integers(0, self.widths[-1], self.batch),
        )

    def about(self) -> str:
        """The widths and the batch."""
        hidden, times = self.widths[1], len(self.widths) - 2
        chain = f"{times} x {hidden}" if times > 2 else "-".join(map(str, self.widths[1:-1]))
        return f"{self.widths[0]}-{chain}-{self.widths[-1]}, batch {self.batch}"


@dataclass(frozen=True)
class LeNet:
    """Two convolutions of 3x3 with ReLU, max pooling of 2x2, two linear layers; images are 1x28x28, classes 10."""

    batch: int
    kind: ClassVar[str] = "lenet"

    def data(self) -> Data:
        """Weights after He, zero biases, uniform images (batch, 1, 28, 28) and random classes (batch,)."""
        draw = np.random.default_rng(0)
        weights = {
            "0": _he(draw, 32, 1, 3, 3),
            "2": _he(draw, 64, 32, 3, 3),
            "6": _he(draw, 128, 64 * 12 * 12),
            "8": _he(draw, 10, 128),
        }
        images = draw.random((self.batch, 1, 28, 28), dtype=np.float32)
        return Data(_with_biases(weights), images, draw.integers(0, 10, self.batch))

    def about(self) -> str:
        """The layers and the batch."""
        return f"conv 32, conv 64, pool, 9216-128-10, batch {self.batch}"


@dataclass(frozen=True)
class CNN:
    """Blocks of convolution (3x3), BatchNorm, ReLU, pooling (2x2), then a linear layer; images 3x32x32, classes 10."""

    channels: tuple[int, ...]  # of each block
    batch: int
    kind: ClassVar[str] = "cnn"

    @property
    def features(self) -> int:
        """What the linear layer is given."""
        return self.channels[-1] * (32 >> len(self.channels)) ** 2

    def data(self) -> Data:
        """Weights after He, BatchNorm as it begins, uniform images (batch, 3, 32, 32) and random classes (batch,)."""
        draw = np.random.default_rng(0)
        parameters: dict[str, NDArray[np.float32]] = {}
        buffers: dict[str, NDArray[Any]] = {}
        for i, (given, out) in enumerate(zip((3, *self.channels), self.channels, strict=False)):
            norm = f"{4 * i + 1}"
            parameters[f"{4 * i}.weight"] = _he(draw, out, given, 3, 3)
            parameters[f"{norm}.weight"] = np.ones(out, np.float32)
            parameters[f"{norm}.bias"] = np.zeros(out, np.float32)
            buffers[f"{norm}.running_mean"] = np.zeros(out, np.float32)
            buffers[f"{norm}.running_var"] = np.ones(out, np.float32)
            buffers[f"{norm}.num_batches_tracked"] = np.array(0)
        parameters.update(_with_biases({f"{4 * len(self.channels) + 1}": _he(draw, 10, self.features)}))
        images = draw.random((self.batch, 3, 32, 32), dtype=np.float32)
        return Data(parameters, images, draw.integers(0, 10, self.batch), buffers)

    def about(self) -> str:
        """The blocks and the batch."""
        chain = "-".join(map(str, self.channels))
        return f"{chain} convolutions with BatchNorm, {self.features}-10, batch {self.batch}"


@dataclass(frozen=True)
class GPT:
    """A GPT: blocks of causal attention and a wide layer with GELU (tanh), each behind a LayerNorm.

    Where it is `tied`, the table of tokens also tells which one comes next, as in GPT-2.
    """

    layers: int
    width: int
    heads: int
    length: int  # tokens of a text
    batch: int  # texts
    vocabulary: int
    tied: bool = False
    kind: ClassVar[str] = "gpt"

    def data(self) -> Data:
        """Parameters as in GPT-2; texts (batch, length) of numbers, and for each place the number that comes next.

        A text walks: each number is the last one, doubled, plus 0, 1 or 2, so there is something to learn.
        """
        draw = np.random.default_rng(0)
        width = self.width
        parameters = {
            "token.weight": _small(draw, self.vocabulary, width),
            "position.weight": _small(draw, self.length, width),
        }
        sizes = {"qkv": (3 * width, width), "out": (width, width), "up": (4 * width, width), "down": (width, 4 * width)}
        for i in range(self.layers):
            for norm, names in (("norm1", ("qkv", "out")), ("norm2", ("up", "down"))):
                parameters.update(self._norm(f"blocks.{i}.{norm}"))
                parameters.update(_with_biases({f"blocks.{i}.{name}": _small(draw, *sizes[name]) for name in names}))
        parameters.update(self._norm("norm"))
        if not self.tied:
            parameters["head.weight"] = _small(draw, self.vocabulary, width)
        texts = np.empty((self.batch, self.length + 1), np.int64)
        texts[:, 0] = draw.integers(0, self.vocabulary, self.batch)
        steps = draw.integers(0, 3, texts.shape)
        for i in range(self.length):
            texts[:, i + 1] = (2 * texts[:, i] + steps[:, i]) % self.vocabulary
        return Data(parameters, texts[:, :-1].copy(), texts[:, 1:].ravel())

    def _norm(self, name: str) -> dict[str, NDArray[np.float32]]:
        return {f"{name}.weight": np.ones(self.width, np.float32), f"{name}.bias": np.zeros(self.width, np.float32)}

    def about(self) -> str:
        """Layers, width, heads, vocabulary, and the batch."""
        return (
            f"{self.layers} layers, {self.width} wide, {self.heads} heads, {self.vocabulary} tokens, "
            f"batch {self.batch} x {self.length}"
        )


Network = MLP | LeNet | CNN | GPT
