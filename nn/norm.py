"""Normalisation layers: their scale, shift and running statistics.

One idea: scale and shift have the role "norm", so that penalties leave them alone. Read `embedding.py` next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from autograd.tensor import Tensor

from . import functional as F
from .functional.axes import is_whole, numbers
from .functional.given import check_arrays, number
from .init import ones_, zeros_
from .module import Module
from .parameter import Parameter, zeros

__all__ = ["BatchNorm1d", "BatchNorm2d", "GroupNorm", "LayerNorm", "RMSNorm"]


class LayerNorm(Module):
    """x with mean 0 and variance 1 over its last axes, of `normalized_shape`, times weight, plus bias.

    Ba, Kiros and Hinton 2016.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        self.normalized_shape = numbers("LayerNorm", "normalized_shape", normalized_shape)
        self.eps = number("LayerNorm", "eps", eps, "it must be 0 or greater", 0)
        self.elementwise_affine = elementwise_affine
        shift = elementwise_affine and bias
        self.weight = _norm(self.normalized_shape, dtype, device) if elementwise_affine else None
        self.bias = _norm(self.normalized_shape, dtype, device) if shift else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale 1, shift 0."""
        _reset(self.weight, self.bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class RMSNorm(Module):
    """x divided by the root of its mean square over its last axes, of `normalized_shape`, times weight.

    `eps=None` is the distance from 1 to the next number of x's dtype. Zhang and Sennrich 2019.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        self.normalized_shape = numbers("RMSNorm", "normalized_shape", normalized_shape)
        self.eps = None if eps is None else number("RMSNorm", "eps", eps, "it must be None, 0 or greater", 0)
        self.elementwise_affine = elementwise_affine
        self.weight = _norm(self.normalized_shape, dtype, device) if elementwise_affine else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale 1."""
        _reset(self.weight, None)

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(Module):
    """x, (N, C, ...), with mean 0 and variance 1 in each of `num_groups` groups of channels, times weight, plus bias.

    Each case is normalised by itself; weight and bias are (C,). Raises ValueError for channels that do not divide into
    the groups. Wu and He 2018.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        bias: bool = True,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        if not is_whole(num_groups, 1) or not is_whole(num_channels, 0) or num_channels % num_groups:
            raise ValueError(
                f"GroupNorm got num_groups={num_groups!r} and num_channels={num_channels!r}: the channels must divide "
                "into that many groups."
            )
        self.eps = number("GroupNorm", "eps", eps, "it must be 0 or greater", 0)
        self.num_groups, self.num_channels, self.affine = num_groups, num_channels, affine
        self.weight = _norm((num_channels,), dtype, device) if affine else None
        self.bias = _norm((num_channels,), dtype, device) if affine and bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale 1, shift 0."""
        _reset(self.weight, self.bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"


class _BatchNorm(Module):
    """What BatchNorm1d and BatchNorm2d share; they differ in the axes that x may have besides the channels."""

    wanted: ClassVar[tuple[str, ...]]  # the shapes that x may have; C stands for the number of channels
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        name = type(self).__name__
        self.eps = number(name, "eps", eps, "it must be 0 or greater", 0)
        if momentum is not None:
            momentum = number(name, "momentum", momentum, "the share of the new must be None or in [0, 1]", 0, 1)
        self.num_features, self.momentum = num_features, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        shape = (num_features,)
        self.weight = _norm(shape, dtype, device) if affine else None
        self.bias = _norm(shape, dtype, device) if affine and bias else None
        self.register_buffer("running_mean", zeros(shape, dtype, device) if track_running_stats else None)
        self.register_buffer("running_var", zeros(shape, dtype, device) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", zeros((), "int64", device) if track_running_stats else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale 1, shift 0, and statistics as if nothing had been seen."""
        _reset(self.weight, self.bias)
        self.reset_running_stats()

    def reset_running_stats(self) -> None:
        """Forget the batches seen: averaged weights, for one, need statistics of their own, with `momentum` None."""
        if self.track_running_stats:
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.num_batches_tracked is not None
            zeros_(self.running_mean)
            ones_(self.running_var)
            zeros_(self.num_batches_tracked)

    def forward(self, x: Tensor) -> Tensor:
        check_arrays(type(self).__name__, x=x)
        if x.ndim not in [shape.count(",") + 1 for shape in self.wanted] or x.shape[1] != self.num_features:
            wanted = " or ".join(self.wanted).replace("C", str(self.num_features))
            raise ValueError(
                f"{type(self).__name__}({self.num_features}) got x of shape {x.shape}: it must be {wanted}."
            )
        if not self.training:
            by_batch = self.running_mean is None
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, by_batch, eps=self.eps)
        out = F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, True, self._share(), self.eps
        )
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.data = (self.num_batches_tracked + 1).data
        return out

    def _share(self) -> Any:
        """By how much the running statistics move towards this batch's."""
        if self.momentum is not None:
            return self.momentum
        return 1 / (self.num_batches_tracked.data + 1.0) if self.num_batches_tracked is not None else 0.0

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    """x, (N, C) or (N, C, L), with mean 0 and variance 1 in each channel, times weight, plus bias.

    Training uses the batch's statistics and moves the running ones towards them by the share `momentum` (None for the
    plain average of all batches so far); evaluation uses the running ones. Ioffe and Szegedy 2015.
    """

    wanted = ("(N, C)", "(N, C, L)")


class BatchNorm2d(_BatchNorm):
    """x, (N, C, H, W), with mean 0 and variance 1 in each channel, times weight, plus bias: see `BatchNorm1d`."""

    wanted = ("(N, C, H, W)",)


def _norm(shape: tuple[int, ...], dtype: Any, device: str | None) -> Parameter:
    return Parameter(zeros(shape, dtype, device), "norm")


def _reset(weight: Parameter | None, bias: Parameter | None) -> None:
    if weight is not None:
        ones_(weight)
    if bias is not None:
        zeros_(bias)
