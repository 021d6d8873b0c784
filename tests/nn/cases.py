"""The table of layers and losses that must equal PyTorch's: how each is built, and what goes in.

One idea: names and arguments are the same on both sides, so one row builds ours and PyTorch's. Read
`references/make.py` next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["CASES", "Case", "draw_inputs", "draw_state", "first_of"]

# Every kink of every activation, and both tails.
KINKS = [-30.0, -6.5, -3.0, -1.0, -0.5, -0.3, 0.0, 0.2, 1.0, 3.0, 6.0, 25.0]


@dataclass(frozen=True)
class Case:
    """One layer or loss with its inputs: each ("kind", shape) or ("labels", shape, number of classes)."""

    layer: str
    args: tuple[Any, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    inputs: Sequence[tuple[Any, ...]] = (("kinks", (3, 4)),)
    training: bool = True
    times: int = 1  # how often forward is called
    rtol: float = 1e-10  # in float64

    @property
    def name(self) -> str:
        """What tells it from the other rows."""
        arguments = [*map(str, self.args), *(f"{k}={v}" for k, v in self.options.items())]
        shapes = ", ".join("x".join(map(str, shape)) or "()" for _, shape, *_ in self.inputs)
        kinds = "/".join(kind for kind, *_ in self.inputs)
        more = ("" if self.training else " eval") + (f" x{self.times}" if self.times > 1 else "")
        return f"{self.layer}({', '.join(arguments)}) {kinds} {shapes}{more}"


def draw_inputs(case: Case, rng: np.random.Generator) -> list[np.ndarray]:
    """The inputs of a case: float64, or int64 for labels."""
    return [_draw(rng, *spec) for spec in case.inputs]


def first_of(out: Any) -> Any:
    """What a layer gives, or the first thing of several."""
    return out[0] if isinstance(out, tuple) else out


def _draw(rng: np.random.Generator, kind: str, shape: tuple[int, ...], classes: int = 0) -> np.ndarray:
    match kind:
        case "normal":
            return rng.standard_normal(shape)
        case "kinks":
            return np.array(KINKS).reshape(shape)
        case "share":
            return rng.uniform(0.05, 0.95, shape)
        case "binary":
            return rng.integers(0, 2, shape).astype("float64")
        case "shares":  # sum to 1 over the classes
            shares = rng.uniform(0.05, 1.0, shape)
            return shares / shares.sum(1, keepdims=True)
        case "log shares":
            shares = rng.uniform(0.05, 1.0, shape)
            return np.log(shares / shares.sum(1, keepdims=True))
        case "labels":
            return rng.integers(0, classes, shape)
        case "hidden":  # for the first half of the last axis False, so that each row sees something
            hidden = rng.integers(0, 2, shape).astype(bool)
            hidden[..., : (shape[-1] + 1) // 2] = False
            return hidden
        case "hidden above":
            return np.triu(np.ones(shape, bool), 1)
        case "labels, some ignored":
            labels = rng.integers(0, classes, shape)
            labels.ravel()[:: max(2, labels.size // 2)] = -100
            return labels
    raise ValueError(kind)


def draw_state(shapes: dict[str, tuple[int, ...]], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Values for parameters and buffers by name."""
    state = {}
    for name, shape in shapes.items():
        if name == "num_batches_tracked":
            state[name] = np.array(3)
        elif name == "running_var":
            state[name] = rng.uniform(0.5, 2.0, shape)
        else:
            state[name] = rng.standard_normal(shape)
    return state


def _activations() -> list[Case]:
    plain = ("Sigmoid", "LogSigmoid", "Tanh", "ReLU", "ReLU6", "SELU", "SiLU", "Mish", "Softsign", "Hardswish")
    return [
        *(Case(layer) for layer in (*plain, "Identity")),
        Case("Hardsigmoid", rtol=3.1e-8),  # PyTorch's gradient takes 1 / 6 rounded to float32
        *(Case("LeakyReLU", (), options) for options in ({}, {"negative_slope": 0.3}, {"negative_slope": 1.5})),
        *(Case("ELU", (), options) for options in ({}, {"alpha": 0.7})),
        *(Case("CELU", (), options) for options in ({}, {"alpha": 2.0}, {"alpha": -0.5})),
        *(Case("GELU", (), options) for options in ({}, {"approximate": "tanh"})),
        *(Case("Softplus", (), options) for options in ({}, {"beta": 2.0, "threshold": 3.0}, {"beta": -1.0})),
        *(Case("Hardtanh", (), options) for options in ({}, {"min_val": -3.0, "max_val": 0.2})),
        Case("PReLU"),
        Case("PReLU", (4,)),
        Case("PReLU", (2,), {}, [("normal", (3, 2, 4))]),
        Case("PReLU", (1,), {}, [("normal", ())]),
        Case("RReLU", (), {}, training=False),
        Case("RReLU", (0.1, 0.1)),
        *(Case(layer, (), {"dim": dim}) for layer in ("Softmax", "LogSoftmax") for dim in (0, 1, -1)),
        Case("Dropout", (0.4,), training=False),
        Case("Dropout", (0.0,)),
        Case("Dropout", (1.0,)),
    ]


def _layers() -> list[Case]:
    return [
        Case("Linear", (3, 2), {}, [("normal", (4, 3))]),
        Case("Linear", (3, 2), {}, [("normal", (3,))]),
        Case("Linear", (3, 2), {"bias": False}, [("normal", (2, 2, 3))]),
        Case("Embedding", (5, 3), {}, [("labels", (2, 4), 5)]),
        Case("Embedding", (3, 2), {"padding_idx": -2}, [("labels", (6,), 3)]),
        Case("Flatten", (), {}, [("normal", (2, 3, 2))]),
        Case("Flatten", (0, 1), {}, [("normal", (2, 3, 2))]),
        Case("LayerNorm", (4,), {}, [("normal", (3, 4))]),
        Case("LayerNorm", ((3, 2),), {"eps": 0.1}, [("normal", (2, 3, 2))]),
        Case("LayerNorm", (4,), {"elementwise_affine": False}, [("normal", (2, 2, 4))]),
        Case("LayerNorm", (4,), {"bias": False}, [("normal", (4,))]),
        Case("RMSNorm", (4,), {}, [("normal", (3, 4))]),
        Case("RMSNorm", ((3, 2),), {"eps": 0.1}, [("normal", (2, 3, 2))]),
        Case("RMSNorm", (4,), {"elementwise_affine": False}, [("normal", (2, 4))]),
        Case("BatchNorm1d", (3,), {}, [("normal", (4, 3))]),
        Case("BatchNorm1d", (3,), {}, [("normal", (4, 3))], training=False),
        Case("BatchNorm1d", (3,), {"momentum": 0.7, "eps": 0.01}, [("normal", (2, 3, 2))]),
        Case("BatchNorm1d", (3,), {}, [("normal", (2, 3, 2))], training=False),
        Case("BatchNorm1d", (3,), {"momentum": None}, [("normal", (4, 3))], times=3),
        Case("BatchNorm1d", (3,), {"affine": False}, [("normal", (1, 3, 2))]),
        Case("BatchNorm1d", (3,), {"track_running_stats": False}, [("normal", (4, 3))], training=False),
    ]


def _images() -> list[Case]:
    """Normalisation of images; windows that overlap, leave out, reach beyond, and have padding."""
    image, sequence = [("normal", (1, 2, 5, 4))], [("normal", (2, 1, 7))]
    windows = [
        {"kernel_size": 2},
        {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0)},
        {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
        {"kernel_size": 2, "stride": 3, "padding": 1, "ceil_mode": True},
    ]
    return [
        Case("BatchNorm2d", (3,), {}, [("normal", (2, 3, 2, 2))], times=2),
        Case("BatchNorm2d", (2,), {}, [("normal", (2, 2, 1, 2))], training=False),
        Case("BatchNorm2d", (2,), {"affine": False, "eps": 0.1}, [("normal", (1, 2, 2, 1))]),
        Case("GroupNorm", (2, 4), {}, [("normal", (2, 4, 1, 2))]),
        Case("GroupNorm", (1, 2), {"affine": False, "eps": 0.1}, [("normal", (3, 2))]),
        Case("Dropout2d", (0.4,), {}, [("normal", (2, 1, 2))], training=False),
        *(Case(f"{kind}Pool2d", (), options, image) for kind in ("Max", "Avg") for options in windows),
        Case("MaxPool2d", (), {"kernel_size": 2, "stride": 1, "dilation": (3, 2)}, image),
        Case("MaxPool2d", (2,), {}, [("normal", (2, 3, 3))]),
        Case("AvgPool2d", (2,), {"ceil_mode": True, "divisor_override": 3}, [("normal", (2, 3, 3))]),
        Case("AvgPool2d", (), {**windows[2], "count_include_pad": False}, image),
        Case("MaxPool1d", (3,), {"stride": 2, "padding": 1, "dilation": 2}, sequence),
        Case("MaxPool1d", (2,), {"ceil_mode": True}, [("normal", (2, 5))]),
        Case("AvgPool1d", (3,), {"stride": 2, "padding": 1, "ceil_mode": True}, sequence),
        Case("AvgPool1d", (2,), {"padding": 1, "count_include_pad": False}, [("normal", (2, 4))]),
        Case("AdaptiveAvgPool1d", (3,), {}, sequence),
        *(Case("AdaptiveAvgPool2d", (size,), {}, image) for size in (1, (3, 2), (None, 3))),
        Case("AdaptiveAvgPool2d", ((2, 2),), {}, [("normal", (2, 2, 4))]),
        *(Case("AdaptiveMaxPool2d", (size,), {}, image) for size in (1, (3, 2), (None, 3))),
    ]


def _convolutions() -> list[Case]:
    around = [
        Case("Conv2d", (1, 1, 2), {"padding": (1, 2), "padding_mode": mode}, [("normal", (1, 1, 3, 3))])
        for mode in ("reflect", "replicate", "circular")
    ]
    return [
        Case("Conv1d", (2, 3, 3), {}, [("normal", (2, 2, 5))]),
        Case("Conv1d", (2, 4, 2), {"stride": 2, "padding": 1, "dilation": 2, "groups": 2}, [("normal", (2, 6))]),
        Case("Conv1d", (1, 2, 4), {"padding": "same", "bias": False}, [("normal", (1, 1, 5))]),
        Case("Conv1d", (1, 1, 2), {"padding": "same", "padding_mode": "circular"}, [("normal", (1, 1, 3))]),
        Case("Conv2d", (2, 3, (3, 2)), {}, [("normal", (2, 2, 4, 3))]),
        Case("Conv2d", (2, 2, 1), {"bias": False}, [("normal", (2, 2, 2, 2))]),
        Case("Conv2d", (1, 2, 3), {"stride": (2, 1), "padding": (1, 0)}, [("normal", (1, 1, 4, 3))]),
        Case("Conv2d", (2, 4, 2), {"padding": "same", "dilation": (2, 1), "groups": 2}, [("normal", (2, 3, 2))]),
        Case("Conv2d", (2, 2, 3), {"padding": 1, "groups": 2}, [("normal", (1, 2, 3, 3))]),
        *around,
        Case("ConvTranspose1d", (2, 3, 3), {"stride": 2, "padding": 1, "output_padding": 1}, [("normal", (1, 2, 3))]),
        Case("ConvTranspose1d", (2, 2, 2), {"groups": 2, "bias": False}, [("normal", (2, 3))]),
        Case("ConvTranspose2d", (2, 3, (2, 3)), {"stride": (2, 1), "dilation": (1, 2)}, [("normal", (2, 2, 2, 2))]),
        Case("ConvTranspose2d", (2, 4, 2), {"stride": 2, "output_padding": 1, "groups": 2}, [("normal", (1, 2, 2, 2))]),
    ]


def _attentions() -> list[Case]:
    row, other = ("normal", (3, 2, 4)), ("normal", (5, 2, 4))  # (length, batch, width)
    first, other_first = ("normal", (2, 3, 4)), ("normal", (2, 5, 4))
    padding, above = ("hidden", (2, 3)), ("hidden above", (3, 3))
    layer = {"dim_feedforward": 5, "dropout": 0.0}
    return [
        Case("MultiheadAttention", (4, 2), {}, [row, other, other]),
        Case(
            "MultiheadAttention", (4, 2), {"batch_first": True}, [first, other_first, other_first, ("hidden", (2, 5))]
        ),
        Case(
            "MultiheadAttention", (4, 1), {"bias": False}, [("normal", (3, 4)), ("normal", (5, 4)), ("normal", (5, 4))]
        ),
        Case(
            "MultiheadAttention",
            (4, 2),
            {"kdim": 3, "vdim": 2},
            [row, ("normal", (5, 2, 3)), ("normal", (5, 2, 2)), ("hidden", (2, 5))],
        ),
        Case("MultiheadAttention", (4, 2), {"dropout": 0.5}, [row, row, row], training=False),
        Case("TransformerEncoderLayer", (4, 2), layer, [row]),
        Case("TransformerEncoderLayer", (4, 2), {**layer, "batch_first": True}, [first, above, padding]),
        Case("TransformerEncoderLayer", (4, 2), {**layer, "norm_first": True, "activation": "gelu"}, [row, above]),
        Case("TransformerEncoderLayer", (4, 2), {**layer, "bias": False, "layer_norm_eps": 0.1}, [("normal", (3, 4))]),
        Case("TransformerDecoderLayer", (4, 2), layer, [row, other, above]),
        Case(
            "TransformerDecoderLayer", (4, 2), {**layer, "norm_first": True, "batch_first": True}, [first, other_first]
        ),
    ]


def _losses() -> list[Case]:
    """Each loss with its options, and each with every reduction."""
    classes, pixels = [("normal", (4, 3)), ("labels", (4,), 3)], [("normal", (2, 3, 2)), ("labels", (2, 2), 3)]
    ignoring = [("normal", (5, 3)), ("labels, some ignored", (5,), 3)]
    chosen = [("log shares", (4, 3)), ("labels", (4,), 3)]
    chosen_ignoring = [("log shares", (5, 3)), ("labels, some ignored", (5,), 3)]
    pair, logits = [("normal", (3, 2)), ("normal", (3, 2))], [("normal", (3, 2)), ("binary", (3, 2))]
    shares = [("share", (3, 2)), ("share", (3, 2))]
    divergence = [("log shares", (3, 4)), ("shares", (3, 4))]
    weight = {"weight": [0.5, 2.0, 1.5]}
    each = [
        Case("CrossEntropyLoss", (), {}, classes),
        Case("CrossEntropyLoss", (), weight, ignoring),
        Case("CrossEntropyLoss", (), {"label_smoothing": 0.2}, ignoring),
        Case("CrossEntropyLoss", (), {"label_smoothing": 0.2, **weight}, classes),
        Case("CrossEntropyLoss", (), {"label_smoothing": 0.2, **weight}, [("normal", (4, 3)), ("shares", (4, 3))]),
        Case("NLLLoss", (), {}, chosen),
        Case("NLLLoss", (), weight, chosen_ignoring),
        Case("MSELoss", (), {}, pair),
        Case("L1Loss", (), {}, pair),
        Case("HuberLoss", (), {"delta": 0.6}, pair),
        Case("SmoothL1Loss", (), {"beta": 0.6}, pair),
        Case("BCELoss", (), {}, shares),
        Case("BCEWithLogitsLoss", (), {}, logits),
        Case("KLDivLoss", (), {}, divergence),
    ]
    every = [
        Case(case.layer, case.args, {**case.options, "reduction": reduction}, case.inputs)
        for case in each
        for reduction in ("mean", "sum", "none")
    ]
    return [
        *every,
        Case("CrossEntropyLoss", (), {"ignore_index": 1}, classes),
        Case("CrossEntropyLoss", (), {}, pixels),
        Case("CrossEntropyLoss", (), {}, [("normal", (3,)), ("labels", (), 3)]),
        Case("NLLLoss", (), {"ignore_index": 1}, chosen),
        Case("NLLLoss", (), weight, [("log shares", (2, 3, 2)), ("labels", (2, 2), 3)]),
        Case("NLLLoss", (), {}, [("normal", (3,)), ("labels", (), 3)]),
        Case("MSELoss", (), {}, [("normal", ()), ("normal", ())]),
        Case("HuberLoss", (), {}, [("kinks", (3, 4)), ("normal", (3, 4))]),
        Case("SmoothL1Loss", (), {"beta": 0.0}, pair),
        Case("BCELoss", (), {"weight": [0.5, 2.0]}, shares),
        Case("BCEWithLogitsLoss", (), {"weight": [0.5, 2.0], "pos_weight": [3.0, 0.5]}, logits),
        Case("BCEWithLogitsLoss", (), {}, [("kinks", (3, 4)), ("share", (3, 4))]),
        Case("KLDivLoss", (), {"reduction": "batchmean"}, divergence),
        Case("KLDivLoss", (), {"log_target": True}, [("log shares", (3, 4)), ("log shares", (3, 4))]),
        Case("KLDivLoss", (), {}, [("log shares", (3, 2)), ("binary", (3, 2))]),
    ]


def _patches() -> list[Case]:
    """Patches that overlap, leave out and reach beyond; pixels and channels."""
    return [
        Case("Unfold", (2,), {}, [("normal", (1, 2, 4, 3))]),
        Case("Unfold", ((2, 1),), {"dilation": (2, 1), "padding": (0, 1), "stride": 2}, [("normal", (2, 5, 2))]),
        Case("Fold", ((3, 4), 2), {}, [("normal", (1, 8, 6))]),
        Case("Fold", (5, (2, 3)), {"dilation": (2, 1), "padding": 1, "stride": (1, 2)}, [("normal", (6, 15))]),
        Case("PixelShuffle", (2,), {}, [("normal", (1, 8, 2, 1))]),
        Case("PixelShuffle", (3,), {}, [("normal", (9, 1, 2))]),
        Case("PixelUnshuffle", (2,), {}, [("normal", (1, 2, 4, 2))]),
    ]


def _vectors() -> list[Case]:
    """Angles and distances of two vectors, and losses of three."""
    pair, three = [("normal", (4, 3)), ("normal", (4, 3))], [("normal", (4, 3))] * 3
    return [
        Case("CosineSimilarity", (), {}, pair),
        Case("CosineSimilarity", (0,), {}, pair),
        Case("CosineSimilarity", (-1,), {"eps": 1e-3}, [("normal", (2, 4, 3)), ("normal", (4, 3))]),
        Case("PairwiseDistance", (), {}, pair),
        Case("PairwiseDistance", (1.0,), {"keepdim": True, "eps": 0.1}, pair),
        Case("PairwiseDistance", (3.0,), {}, [("normal", (2, 4, 3)), ("normal", (4, 3))]),
        Case("TripletMarginLoss", (), {}, three),
        Case("TripletMarginLoss", (0.3,), {"p": 1.0, "swap": True, "reduction": "sum"}, three),
        Case("TripletMarginLoss", (), {"eps": 0.1, "swap": True, "reduction": "none"}, [("normal", (2, 4, 3))] * 3),
    ]


def _pads() -> list[Case]:
    """Wider and narrower sequences and images, with and without an axis of cases."""
    rows, image = [("normal", (1, 2, 4))], [("normal", (1, 1, 3, 4))]
    return [
        Case("ConstantPad1d", ((2, -1), 3.5), {}, rows),
        Case("ConstantPad2d", (1, -2.0), {}, image),
        Case("ZeroPad1d", (2,), {}, [("normal", (3, 4))]),
        Case("ZeroPad2d", ((0, 0, 1, -1),), {}, image),
        Case("ReflectionPad1d", ((3, 1),), {}, rows),
        Case("ReflectionPad2d", ((1, 2, 3, 0),), {}, [("normal", (1, 4, 4))]),
        Case("ReplicationPad1d", ((1, 6),), {}, rows),
        Case("ReplicationPad2d", ((1, 0, -1, 2),), {}, image),
        Case("CircularPad1d", ((4, 1),), {}, rows),
        Case("CircularPad2d", ((1, 2, 3, 0),), {}, image),
    ]


def _sizes() -> list[Case]:
    """Images and sequences of another size, larger and smaller, between whole factors and beyond the last place."""
    linear = {"mode": "bilinear"}
    return [
        Case("Upsample", (), {"scale_factor": 2}, [("normal", (1, 2, 2, 3))]),
        Case("Upsample", ((3, 5),), {}, [("normal", (2, 2, 5, 3))]),
        Case("Upsample", (None, 2.5), {}, [("normal", (1, 2, 4))]),
        Case("Upsample", (None, 2), linear, [("normal", (2, 2, 3, 1))]),
        Case("Upsample", (None, (1.7, 0.6)), linear, [("normal", (1, 2, 3, 5))]),
        Case("Upsample", (5,), {**linear, "align_corners": True}, [("normal", (1, 2, 3, 7))]),
        Case("Upsample", (4,), {"mode": "linear"}, [("normal", (1, 2, 7))]),
        Case("Upsample", (1,), {"mode": "linear", "align_corners": True}, [("normal", (1, 2, 3))]),
    ]


def _recurrent() -> list[Case]:
    """One step and several, layers and directions, with and without a batch and states to begin with."""
    x, alone, state = ("normal", (4, 2, 3)), ("normal", (3, 3)), ("normal", (1, 2, 2))
    both = {"num_layers": 2, "bidirectional": True}
    layers = ("RNN", "LSTM", "GRU")
    return [
        *(Case(layer, (3, 2), {}, [x]) for layer in layers),
        *(Case(layer, (3, 2), {"bias": False}, [alone]) for layer in layers),
        *(Case(layer, (3, 2), {**both, "batch_first": True}, [("normal", (2, 3, 3))]) for layer in layers),
        *(Case(layer, (3, 2), {}, [x, state]) for layer in ("RNN", "GRU")),
        Case("RNN", (3, 2), {**both, "nonlinearity": "relu"}, [alone, ("normal", (4, 2))]),
        Case("GRU", (2, 1), {"num_layers": 2, "dropout": 0.5}, [("normal", (2, 1, 2))], training=False),
        *(Case(f"{layer}Cell", (3, 2), {}, [("normal", (2, 3))]) for layer in layers),
        *(Case(f"{layer}Cell", (3, 2), {}, [("normal", (3,)), ("normal", (2,))]) for layer in ("RNN", "GRU")),
        Case("RNNCell", (3, 2), {"nonlinearity": "relu", "bias": False}, [("normal", (2, 3)), ("normal", (2, 2))]),
    ]


CASES = [
    *_activations(),
    *_layers(),
    *_losses(),
    *_images(),
    *_convolutions(),
    *_attentions(),
    *_patches(),
    *_recurrent(),
    *_sizes(),
    *_vectors(),
    *_pads(),
]
