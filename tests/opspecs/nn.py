"""Rows of nn's own primitives and of its fused functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from nn.functional import activation, cross_entropy, linear, loss, norm
from nn.functional.batch_norm import _by_batch
from nn.functional.embedding import gated
from nn.functional.pool import _max_windows

from . import pooling
from .spec import LAYOUTS, Case, Spec, Values, composite_case, elementwise_cases, fill, shapes

anything = Values(-2.0, 2.0)
off_zero = Values(-2.0, 2.0, avoid=(0.0,))
erf = np.vectorize(math.erf, otypes=["float64"])


def _elu(x: Any, *, alpha: float, width: float) -> Any:
    return np.where(x > 0, x, alpha * (np.exp(x / width) - 1))


def _huber(x: Any, *, delta: float) -> Any:
    size = np.abs(x)
    return np.where(size <= delta, x * x / 2, delta * (size - delta / 2))


def _gelu_tanh(x: Any) -> Any:
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def _standardize(x: Any, weight: Any, bias: Any, *, axes: Any, eps: float, centre: bool) -> Any:
    x = x - x.mean(axis=axes, keepdims=True) if centre else x
    out = x / np.sqrt((x**2).mean(axis=axes, keepdims=True) + eps)
    return out * (1 if weight is None else weight) + (0 if bias is None else bias)


def _rows_or_columns(draw: Any, rng: np.random.Generator) -> Case:
    shape = draw(shapes(min_ndim=1, min_side=2))
    axes = draw(st.sampled_from([(len(shape) - 1,), tuple(range(len(shape))), (0, *range(2, len(shape)))]))
    own = draw(st.sampled_from([shape[-1:], shape, (1,) * len(shape)]))
    weight = fill(anything, own, rng) if draw(st.booleans()) else None
    bias = fill(anything, own, rng) if draw(st.booleans()) else None
    x = fill(anything, shape, rng, draw(st.sampled_from(LAYOUTS)))
    return Case((x, weight, bias), {"axes": axes, "eps": 0.1, "centre": draw(st.booleans())})


def _batch(x: Any, weight: Any, bias: Any, *, eps: float) -> Any:
    along = (-1,) + (1,) * (x.ndim - 2)
    weight, bias = (None if a is None else a.reshape(along) for a in (weight, bias))
    return _standardize(x, weight, bias, axes=(0, *range(2, x.ndim)), eps=eps, centre=True)


def _image(draw: Any, values: Values, shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    """Numbers with the channels in axis 1, and in memory last or in one of the usual ways."""
    layout = draw(st.sampled_from([*LAYOUTS, "last"]))
    if layout == "last":
        return np.moveaxis(fill(values, (shape[0], *shape[2:], shape[1]), rng), -1, 1)
    return fill(values, shape, rng, layout)


def _batches(draw: Any, rng: np.random.Generator) -> Case:
    shape = draw(shapes(min_ndim=2, max_ndim=4, min_side=1, max_side=3))
    weight, bias = (fill(anything, shape[1:2], rng) if draw(st.booleans()) else None for _ in range(2))
    return Case((_image(draw, anything, shape, rng), weight, bias), {"eps": 0.1})


def _largest(x: Any, **options: Any) -> Any:
    last = np.moveaxis(x, 1, -1)
    return np.moveaxis(pooling.pick(last, pooling.places(last, **options), **options), -1, 1)


def _windowed(draw: Any, rng: np.random.Generator) -> Case:
    length, _, options = pooling.setting(draw)
    shape = (draw(st.integers(0, 2)), draw(st.integers(0, 2)), *length)
    return Case((_image(draw, Values(apart=True), shape, rng),), options)


def _linear(x: Any, weight: Any, bias: Any, *, activation: Any) -> Any:
    out = x @ weight.T + (0 if bias is None else bias)
    return np.maximum(out, 0) if activation else out


def _affine(draw: Any, rng: np.random.Generator) -> Case:
    shape = draw(shapes(min_ndim=1))
    out = draw(st.integers(0, 3))
    layout = draw(st.sampled_from(LAYOUTS))
    x, weight = fill(Values(-1.0, 1.0), shape, rng, layout), fill(Values(-1.0, 1.0), (out, shape[-1]), rng, layout)
    if draw(st.booleans()):
        return Case((x, weight, fill(anything, (out,), rng) if draw(st.booleans()) else None), {"activation": None})
    # Farther from 0 than four products can bring it back.
    bias = np.where(rng.integers(0, 2, out), 8.0, -8.0)
    return Case((x, weight, bias), {"activation": "relu"})


def _cross_entropy(
    logits: Any, target: Any, weight: Any, *, reduction: str, label_smoothing: float, ignore_index: int = -100
) -> Any:
    axis = 1 if logits.ndim > 1 else 0
    classes = logits.shape[axis]
    shares, counts = np.moveaxis(target, axis, -1) if target.dtype.kind == "f" else None, None
    if shares is None:
        counts = target != ignore_index
        shares = (target[..., None] == np.arange(classes)) * 1.0
    shares = shares * (1 - label_smoothing) + label_smoothing / classes
    logp = np.moveaxis(logits - np.log(np.exp(logits).sum(axis=axis, keepdims=True)), axis, -1)
    own = np.ones(classes) if weight is None else weight
    losses = -(shares * logp * own).sum(-1)
    if counts is None:
        return {"mean": np.mean, "sum": np.sum, "none": np.asarray}[reduction](losses)
    losses = losses * counts
    if reduction == "mean":
        return losses.sum() / (own[np.where(counts, target, 0)] * counts).sum()
    return losses.sum() if reduction == "sum" else losses


def _classes(draw: Any, rng: np.random.Generator, labels: bool, plain: bool) -> Case:
    """Logits with labels or shares; `plain` is the case that the kernel takes."""
    classes, rows = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    shape = (rows, classes) if plain else draw(st.sampled_from([(classes,), (rows, classes), (rows, classes, 2)]))
    logits = fill(anything, shape, rng, draw(st.sampled_from(LAYOUTS)))
    options = {
        "reduction": draw(st.sampled_from(["mean", "sum"] if plain else ["mean", "sum", "none"])),
        "label_smoothing": 0.0 if plain else draw(st.sampled_from([0.0, 0.1])),
    }
    weight = None if plain or draw(st.booleans()) else fill(Values(0.5, 2.0), (classes,), rng)
    if not labels:
        return Case((logits, fill(Values(0.1, 1.0), shape, rng), weight), options)
    target = np.asarray(rng.integers(0, classes, shape[:1] + shape[2:] if len(shape) > 1 else ()))
    if target.ndim and target.shape[0] > 1 and not plain:
        target[0] = -100
    return Case((logits, target, weight), options)


ROWS = [
    Spec(activation.relu, lambda x: np.maximum(x, 0), elementwise_cases(off_zero)),
    Spec(
        activation.leaky_relu,
        lambda x, negative_slope: np.where(x > 0, x, negative_slope * x),
        elementwise_cases(off_zero, Values(-0.5, 1.5)),
    ),
    Spec(
        activation._hardtanh,
        lambda x, *, low, high: np.clip(x, low, high),
        elementwise_cases(
            Values(-2.0, 2.0, avoid=(-1.0, 0.5, 1.0)), options=[{"low": -1.0, "high": 1.0}, {"low": -1.0, "high": 0.5}]
        ),
    ),
    Spec(
        activation._elu,
        _elu,
        elementwise_cases(off_zero, options=[{"alpha": 1.0, "width": 1.0}, {"alpha": 0.7, "width": 0.7}]),
    ),
    Spec(activation.silu, lambda x: x / (1 + np.exp(-x)), elementwise_cases(Values(-8.0, 8.0))),
    Spec(activation._gelu, lambda x: x * (1 + erf(x / math.sqrt(2))) / 2, elementwise_cases(Values(-4.0, 4.0))),
    Spec(activation._gelu_tanh, _gelu_tanh, elementwise_cases(Values(-4.0, 4.0))),
    Spec(norm.standardize, _standardize, composite_case(_rows_or_columns)),
    Spec(_by_batch, _batch, composite_case(_batches)),
    Spec(_max_windows, _largest, composite_case(_windowed)),
    # Where the gate is shut the gradient is 0 and not the slope; see test_embedding.py.
    Spec(gated, lambda x, gate: x + 0 * gate, elementwise_cases(anything, Values(1, 1, dtype="int64"))),
    Spec(
        loss._huber,
        _huber,
        elementwise_cases(
            Values(-2.0, 2.0, avoid=(-1.0, -0.5, 0.0, 0.5, 1.0)), options=[{"delta": 1.0}, {"delta": 0.5}]
        ),
    ),
    Spec(loss._clamped_log, np.log, elementwise_cases(Values(0.5, 3.0))),
    Spec(linear, _linear, composite_case(_affine)),
    Spec(
        cross_entropy,
        _cross_entropy,
        composite_case(lambda draw, rng: _classes(draw, rng, labels=True, plain=True)),
        label="kernel",
        differentiable=(0,),
    ),
    Spec(
        cross_entropy,
        _cross_entropy,
        composite_case(lambda draw, rng: _classes(draw, rng, labels=True, plain=False)),
        label="labels",
        differentiable=(0,),
        same_dtype=False,  # class weights in float64 make the loss float64
    ),
    Spec(
        cross_entropy,
        _cross_entropy,
        composite_case(lambda draw, rng: _classes(draw, rng, labels=False, plain=False)),
        label="shares",
        differentiable=(0, 1),
        same_dtype=False,
    ),
]
