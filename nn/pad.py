"""Padding as layers: zeros, another number, or elements that are repeated, around sequences and images.

One idea: there is nothing to learn here, so a layer keeps its widths and calls a function. Read `vectors.py` next.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import ClassVar

from autograd.tensor import Tensor

from . import functional as F
from .functional.axes import is_whole
from .module import Module

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ZeroPad1d",
    "ZeroPad2d",
]


class _Pad(Module):
    """The base: `padding` is one width for all ends, or (left, right), or (left, right, top, bottom)."""

    axes: ClassVar[int]
    mode: ClassVar[str] = "constant"
    value: float | None = None

    def __init__(self, padding: int | Sequence[int]) -> None:
        ends = 2 * self.axes
        self.padding: tuple[int, ...] = tuple(padding) if isinstance(padding, Sequence) else (padding,) * ends
        if len(self.padding) != ends or not all(is_whole(n, -inf) for n in self.padding):
            raise ValueError(
                f"{type(self).__name__} got padding={padding!r}: it must be one whole number, or {ends} of them."
            )

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}"


class ConstantPad1d(_Pad):
    """x, (C, L) or (N, C, L), with places that hold `value` at the ends of L; negative widths cut off."""

    axes = 1

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, value={self.value}"


class ConstantPad2d(ConstantPad1d):
    """x, (C, H, W) or (N, C, H, W), with places that hold `value` around it; negative widths cut off."""

    axes = 2


class ZeroPad1d(_Pad):
    """x, (C, L) or (N, C, L), with zeros at the ends of L; negative widths cut off."""

    axes = 1


class ZeroPad2d(_Pad):
    """x, (C, H, W) or (N, C, H, W), with zeros around it; negative widths cut off."""

    axes = 2


class ReflectionPad1d(_Pad):
    """x, (C, L) or (N, C, L), mirrored at the elements where L ends."""

    axes, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """x, (C, H, W) or (N, C, H, W), mirrored at the elements where H and W end."""

    axes, mode = 2, "reflect"


class ReplicationPad1d(_Pad):
    """x, (C, L) or (N, C, L), with its first and last elements repeated at the ends of L."""

    axes, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """x, (C, H, W) or (N, C, H, W), with its outermost elements repeated around it."""

    axes, mode = 2, "replicate"


class CircularPad1d(_Pad):
    """x, (C, L) or (N, C, L), as if L were a circle: before its beginning stands its end."""

    axes, mode = 1, "circular"


class CircularPad2d(_Pad):
    """x, (C, H, W) or (N, C, H, W), as if H and W were circles."""

    axes, mode = 2, "circular"
