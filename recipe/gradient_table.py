"""Every layer, activation and loss of nn, ready to have its gradients checked.

One idea: a row is a layer and its inputs, in float64 and clear of kinks; inputs and parameters are checked together, to
the second order. Read `autograd/gradcheck.py` for how a check is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import nn
from autograd.gradcheck import Verdict, gradcheck, gradgradcheck
from autograd.random import Generator
from autograd.tensor import Tensor

__all__ = ["Checked", "checks", "names"]


@dataclass(frozen=True)
class Checked:
    """The verdicts on one row: of the first derivatives, and of the second."""

    name: str
    first: Verdict
    second: Verdict

    @property
    def ok(self) -> bool:
        """Whether both are right."""
        return self.first.ok and self.second.ok


def _x(*shape: int) -> Any:
    """Numbers of both signs that keep away from 0 and 1, where activations have their kinks."""
    generator = Generator(0, stream=len(shape))
    signs = generator.integers(0, 2, shape) * 2 - 1
    return generator.uniform(shape, 0.15, 0.85, dtype="float64") * signs


def _positive(*shape: int) -> Any:
    return abs(_x(*shape))


def _labels(rows: int, classes: int) -> Any:
    return Generator(1).integers(0, classes, (rows,))


def _shares(rows: int, classes: int) -> Any:
    positive = _positive(rows, classes)
    return positive / positive.sum(axis=1, keepdims=True)


# Without ReLU, whose kinks nobody could keep clear of behind so many sums.
_LAYER: dict[str, Any] = {"dim_feedforward": 3, "dropout": 0.0, "activation": "gelu"}


def _padded(kind: str, axes: int) -> tuple[nn.Module, list[Any]]:
    layer = getattr(nn, f"{kind}Pad{axes}d")
    return layer((2, -1) * axes, *((0.5,) if kind == "Constant" else ())), [_x(2, *(3,) * axes)]


def _encoder() -> nn.Module:
    return nn.TransformerEncoderLayer(4, 2, **_LAYER)


def _decoder() -> nn.Module:
    return nn.TransformerDecoderLayer(4, 2, **_LAYER)


Row = Callable[[], tuple[nn.Module, Sequence[Any]]]

_ROWS: dict[str, Row] = {
    "Linear": lambda: (nn.Linear(4, 3), [_x(5, 4)]),
    "Maxout": lambda: (nn.Maxout(4, 3, pieces=3), [_x(5, 4)]),
    "Embedding": lambda: (nn.Embedding(6, 3), [_labels(5, 6)]),
    "Flatten": lambda: (nn.Flatten(), [_x(2, 3, 4)]),
    "Identity": lambda: (nn.Identity(), [_x(2, 3)]),
    "Dropout": lambda: (nn.Dropout(0.4), [_x(5, 4)]),
    "Dropout2d": lambda: (nn.Dropout2d(0.4), [_x(2, 3, 2, 2)]),
    "Conv1d": lambda: (nn.Conv1d(2, 2, 2, padding=1), [_x(1, 2, 3)]),
    "Conv2d": lambda: (nn.Conv2d(2, 2, 2, stride=2, padding=1), [_x(1, 2, 3, 3)]),
    "ConvTranspose1d": lambda: (nn.ConvTranspose1d(2, 2, 2, stride=2), [_x(1, 2, 3)]),
    "ConvTranspose2d": lambda: (nn.ConvTranspose2d(2, 1, 2), [_x(1, 2, 2, 2)]),
    "AvgPool1d": lambda: (nn.AvgPool1d(2, padding=1), [_x(1, 2, 5)]),
    "AvgPool2d": lambda: (nn.AvgPool2d(2, stride=1), [_x(1, 2, 3, 3)]),
    "MaxPool1d": lambda: (nn.MaxPool1d(2), [_x(1, 2, 5)]),
    "MaxPool2d": lambda: (nn.MaxPool2d(2, stride=1), [_x(1, 2, 3, 3)]),
    "AdaptiveAvgPool1d": lambda: (nn.AdaptiveAvgPool1d(2), [_x(1, 2, 5)]),
    "AdaptiveAvgPool2d": lambda: (nn.AdaptiveAvgPool2d(2), [_x(1, 2, 3, 3)]),
    "Unfold": lambda: (nn.Unfold((2, 1), dilation=(1, 2), padding=(0, 1), stride=2), [_x(1, 2, 4, 3)]),
    "Fold": lambda: (nn.Fold((3, 4), 2, padding=(0, 1)), [_x(1, 4, 10)]),
    "PixelShuffle": lambda: (nn.PixelShuffle(2), [_x(1, 8, 1, 2)]),
    "PixelUnshuffle": lambda: (nn.PixelUnshuffle(2), [_x(1, 1, 2, 4)]),
    "Upsample": lambda: (nn.Upsample((5, 3), mode="bilinear"), [_x(1, 2, 3, 2)]),
    "AdaptiveMaxPool2d": lambda: (nn.AdaptiveMaxPool2d(2), [_x(1, 2, 3, 3)]),
    **{
        f"{kind}Pad{axes}d": partial(_padded, kind, axes)
        for kind in ("Circular", "Constant", "Reflection", "Replication", "Zero")
        for axes in (1, 2)
    },
    "CosineSimilarity": lambda: (nn.CosineSimilarity(), [_x(4, 3), _x(4, 3)[::-1].copy()]),
    "PairwiseDistance": lambda: (nn.PairwiseDistance(p=3.0), [_x(4, 3), -_x(4, 3)[::-1].copy()]),
    "MultiheadAttention": lambda: (nn.MultiheadAttention(4, 2), [_x(3, 1, 4), _x(2, 1, 4), _x(2, 1, 4)[::-1].copy()]),
    "TransformerEncoderLayer": lambda: (_encoder(), [_x(2, 1, 4)]),
    "TransformerDecoderLayer": lambda: (_decoder(), [_x(2, 1, 4), _x(3, 1, 4)]),
    "TransformerEncoder": lambda: (nn.TransformerEncoder(_encoder(), 2), [_x(2, 1, 4)]),
    "TransformerDecoder": lambda: (nn.TransformerDecoder(_decoder(), 2), [_x(2, 1, 4), _x(3, 1, 4)]),
    "RNN": lambda: (nn.RNN(3, 2, num_layers=2), [_x(3, 2, 3)]),
    "LSTM": lambda: (nn.LSTM(3, 2, bidirectional=True), [_x(2, 2, 3)]),
    "GRU": lambda: (nn.GRU(3, 2), [_x(3, 2, 3), _x(1, 2, 2)]),
    "RNNCell": lambda: (nn.RNNCell(3, 2), [_x(2, 3), _x(2, 2)]),
    "LSTMCell": lambda: (nn.LSTMCell(3, 2), [_x(2, 3)]),
    "GRUCell": lambda: (nn.GRUCell(3, 2), [_x(2, 3), _x(2, 2)]),
    "BatchNorm1d": lambda: (nn.BatchNorm1d(4), [_x(6, 4)]),
    "BatchNorm2d": lambda: (nn.BatchNorm2d(2), [_x(2, 2, 2, 2)]),
    "GroupNorm": lambda: (nn.GroupNorm(2, 4), [_x(3, 4)]),
    "LayerNorm": lambda: (nn.LayerNorm(4), [_x(6, 4)]),
    "RMSNorm": lambda: (nn.RMSNorm(4), [_x(6, 4)]),
    "Residual": lambda: (nn.Residual(nn.Linear(4, 4), nn.Tanh()), [_x(5, 4)]),
    **{
        name: lambda name=name: (getattr(nn, name)(), [_x(4, 5)])  # type: ignore[misc]
        for name in (
            *("CELU", "ELU", "GELU", "SELU", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU", "LogSigmoid"),
            *("LogSoftmax", "Mish", "PReLU", "ReLU", "ReLU6", "RReLU", "Sigmoid", "SiLU", "Softmax", "Softplus"),
            *("Softsign", "Tanh"),
        )
    },
    "CrossEntropyLoss": lambda: (nn.CrossEntropyLoss(), [_x(5, 4), _labels(5, 4)]),
    "NLLLoss": lambda: (nn.NLLLoss(), [_x(5, 4), _labels(5, 4)]),
    "MSELoss": lambda: (nn.MSELoss(), [_x(5, 4), _x(5, 4)[::-1].copy()]),
    "L1Loss": lambda: (nn.L1Loss(), [_positive(5, 4), -_positive(5, 4)]),
    "HuberLoss": lambda: (nn.HuberLoss(), [_x(5, 4), _x(5, 4)[::-1].copy()]),
    "SmoothL1Loss": lambda: (nn.SmoothL1Loss(), [_x(5, 4), _x(5, 4)[::-1].copy()]),
    "BCELoss": lambda: (nn.BCELoss(), [_positive(5), _positive(5)[::-1].copy()]),
    "BCEWithLogitsLoss": lambda: (nn.BCEWithLogitsLoss(), [_x(5), _positive(5)]),
    "TripletMarginLoss": lambda: (nn.TripletMarginLoss(9.0), [_x(4, 3), _x(4, 3)[::-1].copy(), -_x(4, 3)]),
    "KLDivLoss": lambda: (nn.KLDivLoss(reduction="batchmean"), [_x(5, 4), _shares(5, 4)]),
}


def names() -> list[str]:
    """The names of all rows."""
    return list(_ROWS)


def checks(chosen: Sequence[str]) -> Iterator[Checked]:
    """The rows of these names, checked one after the other."""
    for name in chosen:
        module, inputs = _ROWS[name]()
        f, arguments = _as_function(module.to("float64"), inputs)
        yield Checked(name, gradcheck(f, *arguments), gradgradcheck(f, *arguments))


def _as_function(module: nn.Module, inputs: Sequence[Any]) -> tuple[Callable[..., Tensor], list[Any]]:
    """The layer as a function of its inputs and parameters that always draws the same numbers."""
    places = [
        (owner, name, value)
        for owner in module.modules()
        for name, value in vars(owner).items()
        if isinstance(value, nn.Parameter)
    ]

    def f(*values: Any) -> Tensor:
        for owner in module.modules():
            if hasattr(owner, "generator"):
                owner.generator = Generator(2)
        for (owner, name, _), value in zip(places, values[len(inputs) :], strict=True):
            vars(owner)[name] = value  # past Module's check that a parameter stays one
        out: Any = module(*(values[: len(inputs)]))
        return out[0] if isinstance(out, tuple) else out  # attention gives its weights too, a recurrent layer its state

    return f, [*inputs, *(parameter.data.copy() for _, _, parameter in places)]
