"""Geometry: the lengths of a convolution, worked out and checked once for each setting.

One idea: x, weight and result of a convolution tie each other's shapes, so one record says them all, and whoever is
given two of the three can ask it for the third. Read `windows.py` next.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from ..backend import Array
from ..errors import ShapeError
from ..shapes import Shape

__all__ = ["Finish", "Geometry", "Pair", "Sides", "geometry", "geometry_of", "weight_rows"]

Pair = tuple[int, int]
Sides = tuple[Pair, Pair]  # (top, bottom), (left, right)
Finish = Callable[[Array], object]  # changes a part of a result, (n, h, W', O), in place


@dataclass(frozen=True)
class Geometry:
    """A convolution of x (batch, *length, channels) with windows of `size`, `counts` of them, to so many `features`."""

    batch: int
    length: Pair
    channels: int
    features: int
    size: Pair
    counts: Pair
    stride: Pair
    padding: Sides
    dilation: Pair
    groups: int

    @functools.cached_property
    def x_shape(self) -> Shape:
        """The shape of x."""
        return (self.batch, *self.length, self.channels)

    @functools.cached_property
    def w_shape(self) -> Shape:
        """The shape of the weight."""
        return (self.features, *self.size, self.channels // self.groups)

    @functools.cached_property
    def out_shape(self) -> Shape:
        """The shape of the result."""
        return (self.batch, *self.counts, self.features)

    @functools.cached_property
    def spans(self) -> Pair:
        """How far a window reaches along each axis, dilation included."""
        return _spans(self.size, self.dilation)

    @functools.cached_property
    def padded(self) -> Pair:
        """The lengths of x with its padding."""
        return _padded(self.length, self.padding)

    @functools.cached_property
    def fan_in(self) -> int:
        """How many numbers a window has in one group, and the weight for one feature: kh kw C / groups."""
        return self.size[0] * self.size[1] * self.channels // self.groups

    @functools.cached_property
    def windows(self) -> int:
        """How many windows there are in one sample."""
        return self.counts[0] * self.counts[1]

    @functools.cached_property
    def is_empty(self) -> bool:
        """Whether x, the weight or the result holds no number."""
        return 0 in (*self.x_shape, *self.w_shape, *self.out_shape)

    @functools.cached_property
    def is_pointwise(self) -> bool:
        """Whether each window is one place and each place of x one window, so that there is nothing to lay out."""
        return self.size == self.stride == (1, 1) and self.padded == self.length

    @functools.cached_property
    def is_depthwise(self) -> bool:
        """Whether each channel is convolved by itself, one or more times."""
        return self.groups == self.channels > 1

    def turned(self) -> Geometry:
        """The convolution of the result by the turned weight that gives the adjoint in x; the stride must be 1.

        Where the padding is more than a window reaches, its own padding is less than none: a part of the result is cut.
        """
        (top, bottom), (left, right) = self.padding
        down, across = self.spans[0] - 1, self.spans[1] - 1
        padding = (down - top, down - bottom), (across - left, across - right)
        return replace(
            self,
            length=self.counts,
            channels=self.features,
            features=self.channels,
            counts=self.length,
            padding=padding,
        )


def _spans(size: Pair, dilation: Pair) -> Pair:
    return dilation[0] * (size[0] - 1) + 1, dilation[1] * (size[1] - 1) + 1


def _padded(length: Pair, padding: Sides) -> Pair:
    return length[0] + sum(padding[0]), length[1] + sum(padding[1])


@functools.lru_cache(maxsize=512)
def geometry(
    name: str, x_shape: Shape, w_shape: Shape, stride: Pair, padding: Sides, dilation: Pair, groups: int
) -> Geometry:
    """The geometry of x (N, H, W, C) and a weight (O, kh, kw, C / groups); `name` is for the errors.

    Raises ShapeError for shapes that do not fit each other or the groups, or a window that reaches over more than the
    padded x; ValueError for options that are not two numbers each, at least 1, or 0 for the padding.
    """
    _check_options(name, stride, padding, dilation, groups)
    if len(x_shape) != 4 or len(w_shape) != 4:
        raise ShapeError(
            f"{name}: x has shape {x_shape} and the weight {w_shape}; x must be (N, H, W, C), and the weight "
            "(O, kh, kw, C / groups)."
        )
    batch, *_, channels = x_shape
    features = w_shape[0]
    length, size = (x_shape[1], x_shape[2]), (w_shape[1], w_shape[2])
    if channels % groups or features % groups:
        raise ShapeError(
            f"{name}: {channels} channels of x and {features} of the result cannot be split into {groups} groups; "
            "groups must divide both."
        )
    if w_shape[3] * groups != channels:
        raise ShapeError(
            f"{name}: x of shape {x_shape} has {channels} channels, a weight of shape {w_shape} reads {w_shape[3]} in "
            f"each of {groups} groups; they must be (N, H, W, C) and (O, kh, kw, C / groups)."
        )
    spans, padded = _spans(size, dilation), _padded(length, padding)
    if min(size) < 1 or spans[0] > padded[0] or spans[1] > padded[1]:
        raise ShapeError(
            f"{name}: windows of {size} places with dilation {dilation} reach over {spans} places, but x has {length}, "
            f"with its padding {padded}."
        )
    counts = (padded[0] - spans[0]) // stride[0] + 1, (padded[1] - spans[1]) // stride[1] + 1
    return Geometry(batch, length, channels, features, size, counts, stride, padding, dilation, groups)


def geometry_of(
    name: str,
    first: Shape,
    second: Shape,
    *,
    length: Pair | None = None,
    size: Pair | None = None,
    stride: Pair,
    padding: Sides,
    dilation: Pair,
    groups: int,
) -> Geometry:
    """The geometry of `convolve`, `convolve_input` or `convolve_weight`, by name, of two arrays of these shapes."""
    x, w = first, second
    if length is not None:
        x = (first[0], *length, second[3] * groups)
    elif size is not None:
        w = (second[3], *size, first[3] // groups)
    return geometry(name, x, w, stride, padding, dilation, groups)


def weight_rows(w: Array, geo: Geometry) -> Array:
    """The weight by group, a row for each feature: (G, O/G, kh kw C/G)."""
    return w.reshape(geo.groups, geo.features // geo.groups, geo.fan_in)


def _check_options(name: str, stride: Pair, padding: Sides, dilation: Pair, groups: int) -> None:
    for option, pair in (("stride", stride), ("dilation", dilation)):
        if not _is_pair(pair, 1):
            _refuse(name, option, pair, "two whole numbers, at least 1")
    if len(padding) != 2 or not all(isinstance(side, tuple) and _is_pair(side, 0) for side in padding):
        _refuse(name, "padding", padding, "((top, bottom), (left, right)), numbers from 0")
    if not isinstance(groups, int) or groups < 1:
        _refuse(name, "groups", groups, "a whole number, at least 1")


def _is_pair(pair: Sequence[int], least: int) -> bool:
    return len(pair) == 2 and all(isinstance(n, int) and n >= least for n in pair)


def _refuse(name: str, option: str, given: object, wanted: str) -> NoReturn:
    raise ValueError(f"{name}: {option}={given!r} must be {wanted}.")
