"""Convolution layers: a weight that slides over one axis of space or two, and the same backwards.

One idea: a window of x is what goes into a Linear, and the weight is the same for all windows; so it starts as that of
a Linear of that fan-in does. Read `pool.py` next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import autograd as ag
from autograd.random import Generator
from autograd.tensor import Tensor

from . import init as initial
from .functional.axes import Numbers, is_whole, numbers_of
from .functional.conv import Padding, conv, conv_transpose, reach, sides_of
from .functional.linear import Activation
from .module import Module
from .parameter import Parameter, zeros

__all__ = ["Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d"]

PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]

_NUMPYS_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


class _AnyConv(Module):
    """What all four have: the sizes, the parameters, and their start."""

    axes: int  # of space
    is_transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Numbers,
        stride: Numbers,
        dilation: Numbers,
        groups: int,
        bias: bool,
        device: str | None,
        dtype: Any,
    ) -> None:
        name = type(self).__name__
        for option, count in {"in_channels": in_channels, "out_channels": out_channels}.items():
            if not is_whole(count, 0):
                raise ValueError(f"{name} got {option}={count!r}: it must be a whole number, at least 0.")
        if not is_whole(groups, 1) or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{name}({in_channels}, {out_channels}) got groups={groups!r}: it must be a whole "
                "number that divides both."
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride = self._each("kernel_size", kernel_size), self._each("stride", stride)
        self.dilation = self._each("dilation", dilation)
        first, second = (in_channels, out_channels) if self.is_transposed else (out_channels, in_channels)
        self.weight = Parameter(zeros((first, second // groups, *self.kernel_size), dtype, device))
        self.bias = Parameter(zeros((out_channels,), dtype, device), "bias") if bias else None

    def _each(self, option: str, given: Numbers, least: int = 1) -> tuple[int, ...]:
        return numbers_of(type(self).__name__, option, given, self.axes, least)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw weight and bias anew, evenly over ±1 / sqrt(fan-in), PyTorch's default."""
        initial.fill_layer(self.weight, self.bias, generator)

    def _repr(self, **options: Any) -> str:
        """The sizes, and those options that are not what they are by default."""
        zeros, ones = (0,) * self.axes, (1,) * self.axes
        plain = {"padding": zeros, "output_padding": zeros, "dilation": ones, "groups": 1, "padding_mode": "zeros"}
        options |= {"dilation": self.dilation, "groups": self.groups, "bias": self.bias is not None}
        shown = [f"{name}={value!r}" for name, value in options.items() if value != plain.get(name, True)]
        sizes = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        return ", ".join((sizes, *shown))


class _Conv(_AnyConv):
    """What Conv1d and Conv2d share."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Numbers,
        stride: Numbers = 1,
        padding: Padding = 0,
        dilation: Numbers = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        *,
        device: str | None = None,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, dilation, groups, bias, device, dtype)
        name = type(self).__name__
        if padding_mode not in ("zeros", *_NUMPYS_MODES):
            known = ", ".join(f'"{mode}"' for mode in ("zeros", *_NUMPYS_MODES))
            raise ValueError(f"{name} got padding_mode={padding_mode!r}: it must be one of {known}.")
        self.sides = sides_of(name, padding, self.kernel_size, self.stride, self.dilation)
        self.padding = padding if isinstance(padding, str) else self._each("padding", padding, 0)
        self.padding_mode = padding_mode
        self.reset_parameters(generator)

    def forward(self, x: Tensor) -> Tensor:
        return self.convolved(x)

    def convolved(self, x: Tensor, activation: Activation = None) -> Tensor:
        """What forward gives, with ReLU after it if `activation="relu"`."""
        padding: Padding = self.padding
        if self.padding_mode != "zeros":
            x, padding = self._padded(x), 0
        given = x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        return conv(self.axes, *given, activation=activation)

    def _padded(self, x: Tensor) -> Tensor:
        """x with its own numbers around it."""
        lengths = x.shape[x.ndim - self.axes :]
        longest = max((max(side) - length for side, length in zip(self.sides, lengths, strict=False)), default=0)
        if self.padding_mode != "replicate" and longest > (-1 if self.padding_mode == "reflect" else 0):
            raise ValueError(
                f'{type(self).__name__} with padding_mode="{self.padding_mode}" got x of shape {x.shape}: it is too '
                f"short for a padding of {self.sides}."
            )
        widths = [(0, 0)] * (x.ndim - self.axes) + list(self.sides)
        return ag.pad(x, widths, _NUMPYS_MODES[self.padding_mode])

    def extra_repr(self) -> str:
        return self._repr(padding=self.padding, padding_mode=self.padding_mode)


class Conv1d(_Conv):
    """A weight that slides over one axis: x (N, C, L) or (C, L); the weight is (out, in / groups, kernel_size).

    See `functional.conv2d`. `padding_mode` says what stands around x: "zeros", or x itself, mirrored ("reflect"),
    its ends ("replicate"), or from its other end ("circular"). Raises ValueError for options that do not fit.
    """

    axes = 1


class Conv2d(_Conv):
    """A weight that slides over two axes: x (N, C, H, W) or (C, H, W); the weight is (out, in / groups, *kernel_size).

    See `functional.conv2d`. `padding_mode` says what stands around x: "zeros", or x itself, mirrored ("reflect"),
    its ends ("replicate"), or from its other end ("circular"). Raises ValueError for options that do not fit.
    """

    axes = 2


class _ConvTranspose(_AnyConv):
    """What ConvTranspose1d and ConvTranspose2d share."""

    is_transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Numbers,
        stride: Numbers = 1,
        padding: Numbers = 0,
        output_padding: Numbers = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Numbers = 1,
        padding_mode: Literal["zeros"] = "zeros",
        *,
        device: str | None = None,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, dilation, groups, bias, device, dtype)
        if padding_mode != "zeros":
            raise ValueError(f'{type(self).__name__} got padding_mode={padding_mode!r}: it can only be "zeros".')
        self.padding = self._each("padding", padding, 0)
        self.output_padding = self._each("output_padding", output_padding, 0)
        self.reset_parameters(generator)

    def forward(self, x: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """Of the lengths that a convolution would bring to x's, those of `output_size`, by default the smallest."""
        extra = self.output_padding if output_size is None else self._beyond(x, output_size)
        given = x, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        return conv_transpose(self.axes, *given)

    def _beyond(self, x: Tensor, output_size: Sequence[int]) -> tuple[int, ...]:
        """The output_padding that gives these lengths."""
        whole = reach(x.shape[x.ndim - self.axes :], self.stride, self.dilation, self.kernel_size)
        smallest = [n - 2 * p for n, p in zip(whole, self.padding, strict=True)]
        wanted = tuple(output_size)[-self.axes :]
        extra = tuple(w - n for w, n in zip(wanted, smallest, strict=False))
        if len(extra) < self.axes or any(not 0 <= e < s for e, s in zip(extra, self.stride, strict=True)):
            largest = [n + s - 1 for n, s in zip(smallest, self.stride, strict=True)]
            raise ValueError(
                f"{type(self).__name__} got output_size={output_size} and x of shape {x.shape}: it can give lengths "
                f"from {smallest} to {largest}."
            )
        return extra

    def extra_repr(self) -> str:
        return self._repr(padding=self.padding, output_padding=self.output_padding)


class ConvTranspose1d(_ConvTranspose):
    """Windows of one axis laid over each other: x (N, C, L) or (C, L); the weight is (in, out / groups, kernel_size).

    See `functional.conv_transpose2d`. Raises ValueError for options that do not fit.
    """

    axes = 1


class ConvTranspose2d(_ConvTranspose):
    """Windows of two axes laid over each other: x (N, C, H, W) or (C, H, W).

    The weight is (in, out / groups, *kernel_size). See `functional.conv_transpose2d`. Raises ValueError for options
    that do not fit.
    """

    axes = 2
