"""Rows of convolution and of its two adjoints, against the sum that defines them."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from autograd.ops import convolution as ops

from .spec import LAYOUTS, Case, Spec, Values, composite_case, fill, whole
from .window import origin

few = Values(-1.0, 1.0)


def setting(
    draw: Any, least: int = 0, depthwise: bool = False
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    """The shapes of x, of the weight and of the result, and the options stride, padding, dilation and groups.

    No axis is shorter than `least`.
    """
    size, stride, dilation = ((draw(whole(1, 3, first)), draw(whole(1, 3, first))) for first in (2, 1, 1))
    if draw(st.booleans()):
        stride = dilation = (1, 1)
    padding = tuple((draw(whole(0, 2, first=1)), draw(whole(0, 2, first=0))) for _ in range(2))
    groups = draw(st.integers(2 if depthwise else 1, 3))
    per_group, each = 1 if depthwise else draw(whole(least, 2)), draw(whole(least, 2))
    spans = [d * (k - 1) + 1 for k, d in zip(size, dilation, strict=True)]
    length = tuple(
        max(least, span - sum(sides)) + draw(whole(0, 4)) for span, sides in zip(spans, padding, strict=True)
    )
    counts = tuple(
        (n + sum(sides) - span) // s + 1 for n, sides, span, s in zip(length, padding, spans, stride, strict=True)
    )
    batch = draw(whole(least, 3))
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    features = groups * each
    return (batch, *length, groups * per_group), (features, *size, per_group), (batch, *counts, features), options


def drawn(shape: tuple[int, ...], draw: Any, rng: np.random.Generator) -> np.ndarray:
    return fill(few, shape, rng, draw(st.sampled_from(LAYOUTS)))


def forward_case(draw: Any, rng: np.random.Generator) -> Case:
    x, w, _, options = setting(draw)
    return Case((drawn(x, draw, rng), drawn(w, draw, rng)), options)


def input_case(draw: Any, rng: np.random.Generator) -> Case:
    x, w, out, options = setting(draw)
    return Case((drawn(out, draw, rng), drawn(w, draw, rng)), {"length": x[1:3], **options})


def weight_case(draw: Any, rng: np.random.Generator) -> Case:
    x, w, out, options = setting(draw)
    return Case((drawn(x, draw, rng), drawn(out, draw, rng)), {"size": w[1:3], **options})


def _products(x_shape: Any, w_shape: Any, out_shape: Any, options: dict[str, Any]) -> Any:
    """Where each number of the result, of the padded x and of the weight meet: one triple of indices a product."""
    of_group, per_group = out_shape[3] // options["groups"], w_shape[3]
    for at in np.ndindex(*out_shape[1:], *w_shape[1:]):
        (i, j, o), (p, q, c) = at[:3], at[3:]
        h, v = origin((i, j, p, q), options["stride"], options["dilation"])
        yield (i, j, o), (h, v, o // of_group * per_group + c), (o, p, q, c)


def _padded(shape: Any, options: dict[str, Any]) -> tuple[np.ndarray, tuple[slice, slice]]:
    (top, bottom), (left, right) = options["padding"]
    room = np.zeros((shape[0], top + shape[1] + bottom, left + shape[2] + right, shape[3]))
    return room, (slice(top, top + shape[1]), slice(left, left + shape[2]))


def convolved(x: np.ndarray, w: np.ndarray, **options: Any) -> np.ndarray:
    room, inner = _padded(x.shape, options)
    room[:, *inner] = x
    spans = [d * (k - 1) + 1 for k, d in zip(w.shape[1:3], options["dilation"], strict=True)]
    counts = [(n - span) // s + 1 for n, span, s in zip(room.shape[1:3], spans, options["stride"], strict=True)]
    out = np.zeros((x.shape[0], *counts, w.shape[0]))
    for at, read, by in _products(x.shape, w.shape, out.shape, options):
        out[:, *at] += room[:, *read] * w[by]
    return out


def spread(y: np.ndarray, w: np.ndarray, *, length: Any, **options: Any) -> np.ndarray:
    shape = (y.shape[0], *length, w.shape[3] * options["groups"])
    room, inner = _padded(shape, options)
    for at, read, by in _products(shape, w.shape, y.shape, options):
        room[:, *read] += y[:, *at] * w[by]
    return room[:, *inner]


def correlated(x: np.ndarray, y: np.ndarray, *, size: Any, **options: Any) -> np.ndarray:
    room, inner = _padded(x.shape, options)
    room[:, *inner] = x
    w = np.zeros((y.shape[3], *size, x.shape[3] // options["groups"]))
    for at, read, by in _products(x.shape, w.shape, y.shape, options):
        w[by] += (room[:, *read] * y[:, *at]).sum()
    return w


ROWS = [
    Spec(
        ops._convolve,
        convolved,
        composite_case(forward_case),
    ),
    Spec(
        ops._convolve_input,
        spread,
        composite_case(input_case),
    ),
    Spec(
        ops.convolve_weight,
        correlated,
        composite_case(weight_case),
    ),
]
