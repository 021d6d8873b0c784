"""What the layers do to affine maps: some compose with them, others pick a piece for each unit.

One idea: a layer never meets the input, only m affine maps z = S u + o of it, each read at one point u. An affine layer
makes new maps of them; a bent one looks which of its pieces holds at that point, unit by unit, and that choice is the
pattern. All is float64. Read `effective.py` next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Protocol

import numpy as np

import nn
from autograd.backend import to_host
from autograd.random import keep_probability
from autograd.tensor import Tensor, bare
from nn.module import Module

__all__ = ["Bent", "Maps", "row_of", "steps"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Maps:
    """m affine maps of n numbers to d units: slope (m, d, n), offset (m, d); each is read at its point, (m, n)."""

    slope: Array
    offset: Array
    point: Array

    def values(self) -> Array:
        """What each map gives at its point, (m, d)."""
        return np.einsum("mdn,mn->md", self.slope, self.point) + self.offset

    def then(self, weight: Array, bias: Array | float) -> Maps:
        """These maps with z -> weight z + bias behind them."""
        return replace(self, slope=weight @ self.slope, offset=self.offset @ weight.T + bias)


class Bent(Protocol):
    """A layer that picks one of its pieces for each unit."""

    def pick(self, maps: Maps) -> tuple[Maps, Array]:
        """The maps after the layer, and the pattern: (m, d) numbers of the pieces that hold at the points."""

    def bends(self, maps: Maps) -> Array:
        """For maps of one number t: every t at which a pattern may change, (m, any number); too many do no harm."""


# Each step is the name of a layer and either a function from maps to maps or something bent.
Step = tuple[str, Callable[[Maps], Maps] | Bent]


def steps(model: Module) -> Iterator[Step]:
    """The layers of a plain network in order, those of inner Sequentials too.

    Raises ValueError for a layer that is not made of straight pieces, or is not known here.
    """
    for name, layer in _layers(model, ""):
        make = _STEPS.get(type(layer))
        if make is None:
            known = ", ".join(kind.__name__ for kind in _STEPS)
            raise ValueError(
                f"layer {name!r} is a {type(layer).__name__}: the network must be a Sequential of layers with straight "
                f"pieces: {known}."
            )
        yield name, make(layer)


def _layers(module: Module, name: str) -> Iterator[tuple[str, Module]]:
    if type(module).forward is not nn.Sequential.forward:
        yield name, module
        return
    assert isinstance(module, nn.Sequential)
    for own, child in module.named_items():
        yield from _layers(child, f"{name}.{own}" if name else own)


def row_of(x: Any) -> Array:
    """One input as a flat array of float64."""
    return np.asarray(to_host(bare(x)), np.float64).reshape(-1)


def _numbers(tensor: Tensor | None) -> Any:
    return 0.0 if tensor is None else to_host(tensor.data).astype(np.float64)


# Affine layers


def _same(layer: Module) -> Callable[[Maps], Maps]:
    return lambda maps: maps


def _linear(layer: nn.Linear) -> Callable[[Maps], Maps]:
    return lambda maps: _fitting(maps, layer).then(_numbers(layer.weight), _numbers(layer.bias))


def _fitting(maps: Maps, layer: nn.Linear | nn.Maxout) -> Maps:
    if maps.offset.shape[1] != layer.in_features:
        raise ValueError(f"{layer!r} meets {maps.offset.shape[1]} numbers: pass one row of the shape the model takes.")
    return maps


def _dropout(layer: nn.Dropout) -> Callable[[Maps], Maps]:
    factor = keep_probability(layer.p) if layer.mode == "classic" else 1.0
    return lambda maps: replace(maps, slope=maps.slope * factor, offset=maps.offset * factor)


# Bent layers


@dataclass(frozen=True)
class _Elementwise:
    """A function of one number: slopes[i] z + offsets[i] between breaks[i - 1] and breaks[i]."""

    breaks: tuple[float, ...]
    slopes: tuple[Any, ...]  # numbers, or arrays with one for each unit
    offsets: tuple[float, ...]

    def pick(self, maps: Maps) -> tuple[Maps, Array]:
        values = maps.values()
        # A value at a break belongs to the piece below it: the slope of ReLU at 0 is 0.
        pattern = np.searchsorted(self.breaks, values, side="left")
        units = np.arange(values.shape[1])
        slopes = np.stack([np.broadcast_to(slope, units.shape) for slope in self.slopes])[pattern, units]
        offset = slopes * maps.offset + np.asarray(self.offsets)[pattern]
        return replace(maps, slope=slopes[..., None] * maps.slope, offset=offset), pattern

    def bends(self, maps: Maps) -> Array:
        breaks = np.asarray(self.breaks)
        return _crossings(maps.slope, breaks - maps.offset[..., None])


@dataclass(frozen=True)
class _Maxout:
    """The largest of several affine maps."""

    layer: nn.Maxout

    def pick(self, maps: Maps) -> tuple[Maps, Array]:
        pieces = self._pieces(maps)
        m, n = maps.point.shape
        count, d = self.layer.pieces, self.layer.out_features
        pattern = pieces.values().reshape(m, count, d).argmax(axis=1)
        slope = np.take_along_axis(pieces.slope.reshape(m, count, d, n), pattern[:, None, :, None], axis=1)[:, 0]
        offset = np.take_along_axis(pieces.offset.reshape(m, count, d), pattern[:, None, :], axis=1)[:, 0]
        return Maps(slope, offset, maps.point), pattern

    def bends(self, maps: Maps) -> Array:
        pieces = self._pieces(maps)
        shape = len(maps.offset), self.layer.pieces, self.layer.out_features
        slope, offset = pieces.slope.reshape(shape), pieces.offset.reshape(shape)
        pairs = list(combinations(range(self.layer.pieces), 2))
        if not pairs:
            return np.empty((len(offset), 0))
        one, other = map(list, zip(*pairs, strict=True))
        return _crossings(slope[:, one] - slope[:, other], offset[:, other] - offset[:, one])

    def _pieces(self, maps: Maps) -> Maps:
        return _fitting(maps, self.layer).then(_numbers(self.layer.weight), _numbers(self.layer.bias))


def _crossings(slope: Array, height: Array) -> Array:
    """The t of each map's solutions of slope t = height, none (nan) where the slope is 0."""
    t = np.full(np.broadcast_shapes(slope.shape, height.shape), np.nan)
    # A slope of next to nothing crosses beyond every segment.
    with np.errstate(over="ignore"):
        np.divide(height, slope, out=t, where=slope != 0)
    return t.reshape(len(t), -1)


def _leaky(slope: Any) -> _Elementwise:
    return _Elementwise((0.0,), (slope, 1.0), (0.0, 0.0))


def _clipped(low: float, high: float) -> _Elementwise:
    return _Elementwise((low, high), (0.0, 1.0, 0.0), (low, 0.0, high))


_STEPS: dict[type, Callable[[Any], Callable[[Maps], Maps] | Bent]] = {
    nn.Linear: _linear,
    nn.Maxout: _Maxout,
    nn.ReLU: lambda layer: _leaky(0.0),
    nn.LeakyReLU: lambda layer: _leaky(layer.negative_slope),
    nn.PReLU: lambda layer: _leaky(_numbers(layer.weight)),
    nn.RReLU: lambda layer: _leaky((layer.lower + layer.upper) / 2),
    nn.ReLU6: lambda layer: _clipped(0.0, 6.0),
    nn.Hardtanh: lambda layer: _clipped(layer.min_val, layer.max_val),
    nn.Dropout: _dropout,
    nn.Identity: _same,
    nn.Flatten: _same,
}
