"""Rows of pooling: places, picking and putting, sums and spreading, each against a loop over single numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from hypothesis import strategies as st

from autograd.ops import pooling as ops

from .spec import LAYOUTS, Case, Spec, Values, composite_case, fill, whole

anything = Values(-2.0, 2.0)
apart = Values(-2.0, 2.0, apart=True)


def setting(draw: Any) -> tuple[tuple[int, int], tuple[int, int], dict[str, Any]]:
    """The lengths of the two axes of space, the numbers of windows, and the options."""
    axes = []
    for _ in range(2):
        size, stride, dilation = (draw(whole(1, 3, first)) for first in (2, 2, 1))
        span = dilation * (size - 1) + 1
        length = span + draw(whole(0, 3))
        # With no more padding than a step of dilation less one no window lies wholly in it.
        padding = draw(whole(0, size // 2, first=1)), draw(whole(0, size // 2, first=0))
        count = (length + sum(padding) - span) // stride + 1
        axes.append((length, count, size, stride, padding, dilation))
    length, counts, *options = zip(*axes, strict=True)
    return length, counts, dict(zip(("size", "stride", "padding", "dilation"), options, strict=True))


def in_windows(counts: Any, length: Any, options: dict[str, Any]) -> Iterator[tuple[tuple[int, int], int, Any]]:
    """Each window with the number of each place in it and where that lies in x; places in the padding are left out."""
    for window in np.ndindex(*counts):
        for place, within in enumerate(np.ndindex(*options["size"])):
            at = tuple(
                w * s + i * d - before
                for w, s, i, d, (before, _) in zip(
                    window, options["stride"], within, options["dilation"], options["padding"], strict=True
                )
            )
            if all(0 <= a < n for a, n in zip(at, length, strict=True)):
                yield window, place, at


def counts_of(length: Any, *, size: Any, stride: Any, padding: Any, dilation: Any) -> tuple[int, ...]:
    return tuple(
        (n + sum(p) - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(length, size, stride, padding, dilation, strict=True)
    )


def places(x: np.ndarray, **options: Any) -> np.ndarray:
    counts = counts_of(x.shape[1:3], **options)
    out = np.zeros((x.shape[0], *counts, x.shape[3]), "uint8")
    top = np.full(out.shape, -np.inf)
    for (i, j), place, (h, w) in in_windows(counts, x.shape[1:3], options):
        number = x[:, h, w]
        better = (number > top[:, i, j]) | (np.isnan(number) & ~np.isnan(top[:, i, j]))
        out[:, i, j] = np.where(better, place, out[:, i, j])
        top[:, i, j] = np.where(better, number, top[:, i, j])
    return out


def pick(x: np.ndarray, places: np.ndarray, **options: Any) -> np.ndarray:
    out = np.zeros(places.shape, x.dtype)
    for (i, j), place, (h, w) in in_windows(places.shape[1:3], x.shape[1:3], options):
        out[:, i, j] += np.where(places[:, i, j] == place, x[:, h, w], 0)
    return out


def put(g: np.ndarray, places: np.ndarray, *, length: Any, **options: Any) -> np.ndarray:
    out = np.zeros((g.shape[0], *length, g.shape[3]), g.dtype)
    for (i, j), place, (h, w) in in_windows(g.shape[1:3], length, options):
        out[:, h, w] += np.where(places[:, i, j] == place, g[:, i, j], 0)
    return out


def summed(x: np.ndarray, **options: Any) -> np.ndarray:
    counts = counts_of(x.shape[1:3], **options)
    out = np.zeros((x.shape[0], *counts, x.shape[3]), x.dtype)
    for (i, j), _, (h, w) in in_windows(counts, x.shape[1:3], options):
        out[:, i, j] += x[:, h, w]
    return out


def spread(g: np.ndarray, *, length: Any, **options: Any) -> np.ndarray:
    out = np.zeros((g.shape[0], *length, g.shape[3]), g.dtype)
    for (i, j), _, (h, w) in in_windows(g.shape[1:3], length, options):
        out[:, h, w] += g[:, i, j]
    return out


def _over(shape_of: str, values: Values, with_places: bool, with_length: bool) -> Any:
    """Cases on numbers of space ("length") or on one for each window ("counts")."""

    def draw_case(draw: Any, rng: np.random.Generator) -> Case:
        length, counts, options = setting(draw)
        batch, channels = draw(whole(0, 2)), draw(whole(0, 2))
        shape = (batch, *(length if shape_of == "length" else counts), channels)
        inputs = [fill(values, shape, rng, draw(st.sampled_from(LAYOUTS)))]
        if with_places:
            last = options["size"][0] * options["size"][1] - 1
            inputs.append(fill(Values(0, last, dtype="uint8"), (batch, *counts, channels), rng))
        return Case(tuple(inputs), {"length": length, **options} if with_length else options)

    return composite_case(draw_case)


ROWS = [
    Spec(ops.pool_places, places, _over("length", apart, False, False), same_dtype=False),
    Spec(
        ops.pool_pick,
        pick,
        _over("length", anything, True, False),
        adjoint=lambda y, x, places, **options: ops.pool_put(y, places, length=x.shape[1:3], **options),
    ),
    Spec(
        ops.pool_put,
        put,
        _over("counts", anything, True, True),
        adjoint=lambda y, g, places, *, length, **options: ops.pool_pick(y, places, **options),
    ),
    Spec(
        ops.pool_sum,
        summed,
        _over("length", anything, False, False),
        adjoint=lambda y, x, **options: ops.pool_spread(y, length=x.shape[1:3], **options),
    ),
    Spec(
        ops.pool_spread,
        spread,
        _over("counts", anything, False, True),
        adjoint=lambda y, g, *, length, **options: ops.pool_sum(y, **options),
    ),
]
