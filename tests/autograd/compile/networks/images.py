"""Networks of images and of sequences: convolutions both ways, pooling, normalisation and dropout of channels.

One idea: the lengths that a layer leaves decide what the next one can be, so a network is drawn layer by layer; at its
end what is left is flattened. Read `letters.py` next.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

import nn
from autograd.random import Generator
from tests.opspecs.spec import whole

from .parts import ROWS, Layer, activation, activations, biases, dropouts, maybe, numbers

LONGEST = 9  # of an axis of space after a transposed convolution

Lengths = tuple[int, ...]
Drawn = tuple[Layer, tuple[int, Lengths]]  # a layer, and the channels and lengths that it leaves


@st.composite
def drawn(draw: st.DrawFn, exact: bool) -> dict[str, Any]:
    """The channels and lengths of x, layers, and the channels and lengths that are left."""
    left = draw(whole(1, 4)), tuple(draw(st.lists(st.integers(3, 7), min_size=1, max_size=2)))
    network: dict[str, Any] = {"x": left, "layers": []}
    for _ in range(draw(whole(1, 4))):
        kind = draw(numbers([_convolution, _convolution, _transposed, _pooling, _parts, _between]))
        layer, left = draw(kind(*left, exact))
        network["layers"].append(layer)
    return {**network, "left": left}


@st.composite
def _windows(draw: st.DrawFn, length: int) -> dict[str, int]:
    """A kernel that fits, and where it stops along one axis."""
    sizes = [(size, dilation) for size in (2, 1, 3) for dilation in (1, 2) if dilation * (size - 1) < length]
    size, dilation = draw(numbers(sizes))
    return {
        "kernel_size": size,
        "stride": draw(st.integers(1, 2)),
        "padding": draw(whole(0, min(size // 2, length - 1), first=1)),
        "dilation": dilation,
    }


def _over_axes(axes: list[dict[str, int]]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(axis[name] for axis in axes) for name in axes[0]}


def _free(length: int, axis: dict[str, int]) -> float:
    """How many strides the kernel can go along a padded axis."""
    span = axis["dilation"] * (axis["kernel_size"] - 1) + 1
    return (length + 2 * axis["padding"] - span) / axis["stride"]


@st.composite
def _grouped(draw: st.DrawFn, channels: int) -> tuple[int, int]:
    """Groups, and a number of channels to come out that they divide."""
    groups = draw(numbers([n for n in range(1, channels + 1) if channels % n == 0]))
    return groups, groups * draw(whole(1, 3))


@st.composite
def _convolution(draw: st.DrawFn, channels: int, lengths: Lengths, exact: bool) -> Drawn:
    axes = [draw(_windows(n)) for n in lengths]
    groups, out = draw(_grouped(channels))
    options: dict[str, Any] = {**_over_axes(axes), "groups": groups, "bias": draw(biases(exact))}
    options["padding_mode"] = draw(numbers(["zeros", "zeros", "reflect", "replicate", "circular"]))
    left = tuple(math.floor(_free(n, axis)) + 1 for n, axis in zip(lengths, axes, strict=True))
    if max(options["stride"]) == 1 and draw(maybe):
        options["padding"], left = "same", lengths
    return (f"Conv{len(lengths)}d", out, options), (out, left)


@st.composite
def _transposed(draw: st.DrawFn, channels: int, lengths: Lengths, exact: bool) -> Drawn:
    axes, left = [], []
    for n in lengths:
        size, stride, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
        extra = draw(st.integers(0, max(stride, dilation) - 1))
        full = (n - 1) * stride + dilation * (size - 1) + 1 + extra
        padding = draw(st.integers(max(0, math.ceil((full - LONGEST) / 2)), (full - 1) // 2))
        axes.append({"kernel_size": size, "stride": stride, "padding": padding, "dilation": dilation})
        axes[-1]["output_padding"] = extra
        left.append(full - 2 * padding)
    groups, out = draw(_grouped(channels))
    options = {**_over_axes(axes), "groups": groups, "bias": draw(biases(exact))}
    return (f"ConvTranspose{len(lengths)}d", out, options), (out, tuple(left))


@st.composite
def _pooling(draw: st.DrawFn, channels: int, lengths: Lengths, exact: bool) -> Drawn:
    kind, ceil_mode = draw(numbers(["Max", "Avg"])), draw(maybe)
    axes = [draw(_windows(n)) for n in lengths]
    if kind == "Avg":
        axes = [{**axis, "dilation": 1} for axis in axes]
    options: dict[str, Any] = {**_over_axes(axes), "ceil_mode": ceil_mode}
    if kind == "Avg":
        del options["dilation"]
        options["count_include_pad"] = draw(maybe)
        if len(lengths) == 2:
            options["divisor_override"] = draw(numbers([None, None, 3]))
    left = []
    for n, axis in zip(lengths, axes, strict=True):
        last = (math.ceil if ceil_mode else math.floor)(_free(n, axis))
        # The last window must begin in x or in the padding before it.
        left.append(last if last * axis["stride"] >= n + axis["padding"] else last + 1)
    return (f"{kind}Pool{len(lengths)}d", None, options), (channels, tuple(left))


@st.composite
def _parts(draw: st.DrawFn, channels: int, lengths: Lengths, exact: bool) -> Drawn:
    kind = draw(numbers(["Avg", "Max"])) if len(lengths) == 2 else "Avg"
    parts = tuple(draw(st.integers(1, n + 1)) for n in lengths)
    return (f"Adaptive{kind}Pool{len(lengths)}d", None, {"output_size": parts}), (channels, parts)


@st.composite
def _between(draw: st.DrawFn, channels: int, lengths: Lengths, exact: bool) -> Drawn:
    norm = st.fixed_dictionaries({"momentum": numbers([0.1, 0.5, None]), "affine": maybe})
    kinds = [
        activations,
        dropouts,
        st.tuples(st.just(f"BatchNorm{len(lengths)}d"), norm),
        st.tuples(st.just("GroupNorm"), st.just(1 if channels % 2 else 2), st.fixed_dictionaries({"affine": maybe})),
    ]
    if len(lengths) == 2:
        kinds.append(st.tuples(st.just("Dropout2d"), st.just({"p": 0.3}), maybe))
    return draw(st.one_of(kinds)), (channels, lengths)


def layers(network: dict[str, Any], seed: int) -> tuple[list[nn.Module], int]:
    """The layers, and the width of the rows that they give."""
    channels, found = network["x"][0], []
    for number, layer in enumerate(network["layers"]):
        added, channels = _layer(layer, channels, Generator(seed, stream=number + 1))
        found.append(added)
    channels, lengths = network["left"]
    return [*found, nn.Flatten()], channels * math.prod(lengths)


def _layer(layer: Layer, channels: int, generator: Generator) -> tuple[nn.Module, int]:
    match layer:
        case ("activation", kind, options):
            return activation(kind, options, channels), channels
        case ("Dropout" | "Dropout2d" as kind, options, own):
            return getattr(nn, kind)(**options, generator=generator if own else None), channels
        case ("GroupNorm", groups, options):
            return nn.GroupNorm(groups, channels, **options), channels
        case (kind, options):
            return getattr(nn, kind)(channels, **options), channels
        case (kind, None, options):
            return getattr(nn, kind)(**options), channels
    kind, out, options = layer
    return getattr(nn, kind)(channels, out, **options), out


def batch(network: dict[str, Any], rng: np.random.Generator, dtype: str) -> tuple[Any, int]:
    """x, and how many rows the network makes of it."""
    channels, lengths = network["x"]
    return rng.normal(size=(ROWS, channels, *lengths)).astype(dtype), ROWS
