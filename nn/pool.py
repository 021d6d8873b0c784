"""Pooling layers: the largest number, or the mean, of each window.

One idea: there is nothing to learn here, so a layer keeps its options and calls a function. Read `norm.py` next.
"""

from __future__ import annotations

from autograd.tensor import Tensor

from . import functional as F
from .functional.adaptive_pool import Parts
from .functional.axes import Numbers
from .functional.pool import avg_pool, max_pool
from .module import Module

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveMaxPool2d",
    "AvgPool1d",
    "AvgPool2d",
    "MaxPool1d",
    "MaxPool2d",
]


class _Pool(Module):
    """What all have whose windows lie side by side, or a stride apart."""

    axes: int  # of space

    def __init__(self, kernel_size: Numbers, stride: Numbers | None, padding: Numbers, ceil_mode: bool) -> None:
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.ceil_mode = padding, ceil_mode

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _MaxPool(_Pool):
    """What MaxPool1d and MaxPool2d share."""

    def __init__(
        self,
        kernel_size: Numbers,
        stride: Numbers | None = None,
        padding: Numbers = 0,
        dilation: Numbers = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode)
        self.dilation, self.return_indices = dilation, return_indices

    def forward(self, x: Tensor) -> Tensor:
        windows = self.kernel_size, self.stride, self.padding, self.dilation
        return max_pool(self.axes, x, *windows, self.ceil_mode, self.return_indices)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, dilation={self.dilation}, ceil_mode={self.ceil_mode}"


class MaxPool1d(_MaxPool):
    """The largest number of each window over the last axis of x, (N, C, L) or (C, L): see `functional.max_pool2d`."""

    axes = 1


class MaxPool2d(_MaxPool):
    """The largest number of each window of x, (N, C, H, W) or (C, H, W): see `functional.max_pool2d`."""

    axes = 2


class _AvgPool(_Pool):
    """What AvgPool1d and AvgPool2d share."""

    divisor_override: int | None = None

    def __init__(
        self,
        kernel_size: Numbers,
        stride: Numbers | None = None,
        padding: Numbers = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode)
        self.count_include_pad = count_include_pad

    def forward(self, x: Tensor) -> Tensor:
        windows = self.kernel_size, self.stride, self.padding, self.ceil_mode
        return avg_pool(self.axes, x, *windows, self.count_include_pad, self.divisor_override)


class AvgPool1d(_AvgPool):
    """The mean of each window over the last axis of x, (N, C, L) or (C, L): see `functional.avg_pool2d`."""

    axes = 1


class AvgPool2d(_AvgPool):
    """The mean of each window of x, (N, C, H, W) or (C, H, W): see `functional.avg_pool2d`."""

    axes = 2

    def __init__(
        self,
        kernel_size: Numbers,
        stride: Numbers | None = None,
        padding: Numbers = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        self.divisor_override = divisor_override


class _Adaptive(Module):
    """What all have that cut x into parts."""

    def __init__(self, output_size: Parts) -> None:
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_Adaptive):
    """The mean of each of `output_size` parts of the last axis of x: see `functional.adaptive_avg_pool2d`."""

    def forward(self, x: Tensor) -> Tensor:
        return F.adaptive_avg_pool1d(x, self.output_size)


class AdaptiveAvgPool2d(_Adaptive):
    """The mean of each of `output_size` parts of x, down and across: see `functional.adaptive_avg_pool2d`."""

    def forward(self, x: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(x, self.output_size)


class AdaptiveMaxPool2d(_Adaptive):
    """The largest number of each of `output_size` parts of x, down and across: see `functional.adaptive_max_pool2d`."""

    def __init__(self, output_size: Parts, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, x: Tensor) -> Tensor:
        return F.adaptive_max_pool2d(x, self.output_size, self.return_indices)
