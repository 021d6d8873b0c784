"""Rows of sliding windows and of adding them up."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd.ops import window as ops

from .shape import anything
from .spec import Case, Spec, composite_case, fill, shapes, whole


def setting(draw: Any) -> tuple[tuple[int, ...], dict[str, Any], tuple[int, ...]]:
    """The lengths of the axes, the options size, stride and dilation, and the numbers of windows."""
    count = draw(whole(1, 2))
    size, stride, dilation = (tuple(draw(whole(1, 3, first)) for _ in range(count)) for first in (2, 1, 1))
    spans = [d * (k - 1) + 1 for k, d in zip(size, dilation, strict=True)]
    length = tuple(span + draw(whole(0, 4)) for span in spans)
    counts = tuple((n - span) // s + 1 for n, span, s in zip(length, spans, stride, strict=True))
    return length, {"size": size, "stride": stride, "dilation": dilation}, counts


def windows_case(draw: Any, rng: np.random.Generator) -> Case:
    length, options, _ = setting(draw)
    return Case((fill(anything, (*draw(shapes(max_ndim=2, max_side=2)), *length), rng),), options)


def overlap_case(draw: Any, rng: np.random.Generator) -> Case:
    length, options, counts = setting(draw)
    size = options.pop("size")
    shape = (*draw(shapes(max_ndim=2, max_side=2)), *counts, *size)
    return Case((fill(anything, shape, rng),), {"length": length, **options})


def windowed(x: np.ndarray, *, size: Any, stride: Any, dilation: Any) -> np.ndarray:
    count = len(size)
    outer, length = x.shape[: x.ndim - count], x.shape[x.ndim - count :]
    counts = [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(length, size, stride, dilation, strict=True)]
    out = np.zeros((*outer, *counts, *size), x.dtype)
    for place in np.ndindex(*counts, *size):
        out[(..., *place)] = x[(..., *origin(place, stride, dilation))]
    return out


def origin(place: tuple[int, ...], stride: Any, dilation: Any) -> list[int]:
    """Where a place in a window lies along the axes that the windows slide over."""
    window, within = place[: len(stride)], place[len(stride) :]
    return [o * s + i * d for o, s, i, d in zip(window, stride, within, dilation, strict=True)]


def overlapped(x: np.ndarray, *, length: Any, stride: Any, dilation: Any) -> np.ndarray:
    count = len(length)
    outer, inner = x.shape[: x.ndim - 2 * count], x.shape[x.ndim - 2 * count :]
    out = np.zeros((*outer, *length), x.dtype)
    for place in np.ndindex(inner):
        out[(..., *origin(place, stride, dilation))] += x[(..., *place)]
    return out


ROWS = [
    Spec(
        ops.windows,
        windowed,
        composite_case(windows_case),
        adjoint=lambda y, x, *, size, stride, dilation: ops.overlap_add(
            y, length=x.shape[x.ndim - len(size) :], stride=stride, dilation=dilation
        ),
    ),
    Spec(
        ops.overlap_add,
        overlapped,
        composite_case(overlap_case),
        adjoint=lambda y, x, *, length, stride, dilation: ops.windows(
            y, size=x.shape[x.ndim - len(length) :], stride=stride, dilation=dilation
        ),
    ),
]
