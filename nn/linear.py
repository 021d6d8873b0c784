"""Affine layers: Linear, Maxout, which takes the largest of several, and Identity.

One idea: a layer is its parameters and one formula; the mathematics is in `functional/`. Read `activation.py` next.
"""

from __future__ import annotations

from typing import Any, Literal

import autograd as ag
from autograd.random import Generator
from autograd.tensor import Tensor

from . import functional as F
from . import init as initial
from .module import Module
from .parameter import Parameter, zeros

__all__ = ["Identity", "Linear", "Maxout"]


class Identity(Module):
    """x as it is; takes and ignores any arguments, so that it can stand in for a layer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def forward(self, x: Tensor) -> Tensor:
        return x


class Linear(Module):
    """y = x W^T + b over the last axis; W is (out_features, in_features), b (out_features,).

    Both start evenly spread over ±1 / sqrt(in_features), PyTorch's default.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        device: str | None = None,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(zeros((out_features, in_features), dtype, device))
        self.bias = Parameter(zeros((out_features,), dtype, device), "bias") if bias else None
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw weight and bias anew."""
        initial.fill_layer(self.weight, self.bias, generator)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Maxout(Module):
    """The largest of `pieces` affine maps of the last axis: a convex function of it, learned piece by piece.

    W is (pieces * out_features, in_features) with piece j in rows j * out_features to (j + 1) * out_features - 1, each
    row the incoming weights of one piece. With `init="default"` the pieces start as Linear does. With
    `init="tangent"` the pieces of a unit start as tangents of the parabola z^2 / 2 along a random direction z of the
    input, touching it at points spread evenly over [-1, 1]: there each piece is the largest on a share of its own, and
    none begins unused. Goodfellow, Warde-Farley, Mirza, Courville and Bengio 2013, equation 1.

    Raises ValueError for fewer than 1 piece, an unknown start, or tangents without bias.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        pieces: int = 2,
        bias: bool = True,
        *,
        init: Literal["default", "tangent"] = "default",
        device: str | None = None,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        if pieces < 1:
            raise ValueError(f"Maxout got pieces={pieces}: it takes the largest of 1 or more.")
        if init not in ("default", "tangent"):
            raise ValueError(f'Maxout got init={init!r}: it must be "default" or "tangent".')
        if init == "tangent" and not bias:
            raise ValueError('Maxout got init="tangent" and bias=False: without a bias every tangent goes through 0.')
        self.in_features, self.out_features, self.pieces, self.init = in_features, out_features, pieces, init
        self.weight = Parameter(zeros((pieces * out_features, in_features), dtype, device))
        self.bias = Parameter(zeros((pieces * out_features,), dtype, device), "bias") if bias else None
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw weight and bias anew."""
        if self.init == "tangent":
            self._reset_to_tangents(generator)
            return
        initial.fill_layer(self.weight, self.bias, generator)

    def _reset_to_tangents(self, generator: Generator | None) -> None:
        assert self.bias is not None
        start = zeros((self.out_features, self.in_features), self.weight.dtype, self.weight.device)
        directions = initial.normal_(start, generator=generator)
        directions = directions / ag.sqrt(ag.sum(directions * directions, axis=1, keepdims=True))
        for piece in range(self.pieces):
            # Each touches the parabola in the middle of its own share of [-1, 1].
            z = (2 * piece + 1) / self.pieces - 1
            rows = slice(piece * self.out_features, (piece + 1) * self.out_features)
            with ag.no_grad():
                self.weight[rows] = directions * z
                self.bias[rows] = -z * z / 2

    def forward(self, x: Tensor) -> Tensor:
        return F.maxout(F.linear(x, self.weight, self.bias), self.pieces)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, pieces={self.pieces}, "
            f"bias={self.bias is not None}"
        )
