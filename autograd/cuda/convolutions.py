"""Convolution: everything that the choice of an algorithm for a convolution on the GPU depends on.

One idea: like a Product, it is a plain value that can be compared, hashed and printed, and knows nothing of a GPU. It
speaks of arrays that lie packed with their channels last, as `autograd.convolution` has them; `graphs.py` turns it into
the words of cuDNN. Read `attentions.py` next, which is the same for attention.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from .product import DTYPES as BYTES

__all__ = ["DTYPES", "KINDS", "Convolution"]

# Note [What cuDNN is not given]
# float64: by its Python package cuDNN takes the factors of result and of what lay there, 1 and 0, for doubles where
# floats were written. Measured on an H200 (cuDNN 9.19, package 1.26): NaN where the memory held NaN, else numbers of
# 1e-310. float32 as it is, without TF32: the engines that give the same bits each time are slower than our own windows
# and products (a step of a network of three convolutions took 2.17 ms against 1.74), and their sums lose digits: an
# adjoint in w was off by 2.3e-5 of its largest number. Nor is it given what follows a convolution, bias and ReLU, to be
# done in the same graph: its ReLU makes a number of NaN.

Pair = tuple[int, int]
Sides = tuple[Pair, Pair]  # (top, bottom), (left, right)
Shape = tuple[int, ...]

KINDS = {"forward": ("x", "w", "y"), "input": ("y", "w", "x"), "weight": ("x", "y", "w")}  # two read, one written
DTYPES = ("float32", "float16", "bfloat16")


@dataclass(frozen=True)
class Convolution:
    """A convolution of x (batch, *length, channels) by a weight w (features, *size, channels / groups) to y, or one of
    its two adjoints.

    `kind` says which: "forward" makes y, (batch, *counts, features), of x and w; "input" the adjoint in x, of y and w;
    "weight" the adjoint in w, of x and y. `dtype` is "float32", "float16" or "bfloat16".

    float32 is rounded to 10 bits before it is multiplied, which is TF32, for which `autograd.cuda.matmul_precision`
    asks; float16 and bfloat16 are multiplied as they are. All are summed up in float32. Every kind gives the same bits
    at each run. Other convolutions are done in other ways, see Note [What cuDNN is not given].

    Raises ValueError for a description that cannot be right.
    """

    kind: str
    batch: int
    length: Pair
    channels: int
    features: int
    size: Pair
    stride: Pair
    padding: Sides
    dilation: Pair
    groups: int
    dtype: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"a Convolution is of kind {', '.join(KINDS)}, got {self.kind!r}.")
        if self.dtype not in DTYPES:
            raise ValueError(f"cuDNN is given convolutions of {' or '.join(DTYPES)}, not of {self.dtype!r}.")
        lengths = (self.batch, self.channels, self.features, self.groups)
        if min(*lengths, *self.length, *self.size, *self.stride, *self.dilation) < 1:
            raise ValueError(f"a Convolution needs lengths, stride, dilation and groups of 1 at least, got {self!r}.")
        if min(min(side) for side in self.padding) < 0:
            raise ValueError(f"a Convolution needs a padding of 0 at least, got {self.padding}.")
        if self.channels % self.groups or self.features % self.groups:
            raise ValueError(
                f"{self.channels} channels and {self.features} features cannot be split into {self.groups} groups."
            )
        if min(self.counts) < 1:
            raise ValueError(f"no window of {self.size} places fits into x with its padding, in {self}.")

    @classmethod
    def of(cls, kind: str, geometry: Any, dtype: str) -> Convolution:
        """The Convolution of this `autograd.convolution.Geometry`."""
        g = geometry
        lengths = (g.batch, g.length, g.channels, g.features, g.size, g.stride, g.padding, g.dilation, g.groups)
        return cls(kind, *lengths, dtype)

    @property
    def counts(self) -> Pair:
        """How many windows there are along each axis."""
        down, across = (
            (length + sum(sides) - dilation * (size - 1) - 1) // stride + 1
            for length, sides, dilation, size, stride in zip(
                self.length, self.padding, self.dilation, self.size, self.stride, strict=True
            )
        )
        return down, across

    @property
    def reads(self) -> tuple[str, ...]:
        """The arrays that it reads: two of x, w and y."""
        return KINDS[self.kind][:2]

    @property
    def writes(self) -> tuple[str, ...]:
        """The array that it writes: y, x or w."""
        return KINDS[self.kind][2:]

    def shape(self, role: str) -> Shape:
        """The shape of x, w or y."""
        return {
            "x": (self.batch, *self.length, self.channels),
            "w": (self.features, *self.size, self.channels // self.groups),
            "y": (self.batch, *self.counts, self.features),
        }[role]

    def nbytes(self, role: str) -> int:
        """How many bytes x, w or y takes."""
        return prod(self.shape(role)) * BYTES[self.dtype]

    def __str__(self) -> str:
        word = {"forward": "convolution", "input": "adjoint in x", "weight": "adjoint in w"}[self.kind]
        more = (
            (f"stride {self.stride}", self.stride != (1, 1)),
            (f"padding {self.padding}", self.padding != ((0, 0), (0, 0))),
            (f"dilation {self.dilation}", self.dilation != (1, 1)),
            (f"{self.groups} groups", self.groups > 1),
            ("tf32", self.dtype == "float32"),
        )
        said = "".join(f", {words}" for words, holds in more if holds)
        return f"the {self.dtype} {word} of x {self.shape('x')} by w {self.shape('w')}{said}"
