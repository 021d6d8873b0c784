"""Rows of nn's own primitives and of its fused functions."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st

from nn.functional import (
    activation,
    attention,
    cross_entropy,
    flash,
    fused_conv,
    gates,
    linear,
    nll_loss,
    norm,
    recurrent,
    total_loss,
    weighed_loss,
)
from nn.functional.adaptive_pool import _mean_parts
from nn.functional.batch_norm import _by_batch
from nn.functional.embedding import gated
from nn.functional.group_norm import _by_groups
from nn.functional.pool_windows import max_windows, sum_windows

from . import pooling
from .convolution import convolved, setting, spread
from .spec import LAYOUTS, Case, Spec, Values, chance, composite_case, elementwise_cases, fill, shapes, whole

anything = Values(-2.0, 2.0)
off_zero = Values(-2.0, 2.0, avoid=(0.0,))
off_corners = Values(-5.0, 5.0, avoid=(-3.0, 3.0))
erf = np.vectorize(math.erf, otypes=["float64"])


def _elu(x: Any, *, alpha: float, width: float) -> Any:
    return np.where(x > 0, x, alpha * (np.exp(x / width) - 1))


def _huber(x: Any, *, delta: float) -> Any:
    size = np.abs(x)
    return np.where(size <= delta, x * x / 2, delta * (size - delta / 2))


def _total_loss(x: Any, y: Any, *, kind: str, by: float, mean: bool) -> Any:
    d = x - y
    losses = {
        "square": d**2,
        "absolute": np.abs(d),
        "huber": _huber(d, delta=by),
        "logistic": -y * np.log(1 / (1 + np.exp(-x))) - (1 - y) * np.log(1 / (1 + np.exp(x))),
        "shares": -y * np.log(np.abs(x)) - (1 - y) * np.log(np.abs(1 - x)),
    }[kind]
    return losses.mean() if mean else losses.sum()


def _compared(draw: Any, rng: np.random.Generator) -> Case:
    kind = draw(st.sampled_from(["square", "absolute", "huber", "logistic", "shares"]))
    shape, layout = draw(shapes(min_side=1)), draw(st.sampled_from(LAYOUTS))
    share = Values(0.1, 0.9)
    x, y = fill(share if kind == "shares" else anything, shape, rng, layout), fill(share, shape, rng)
    return Case((x, y), {"kind": kind, "by": draw(st.sampled_from([1.0, 0.5])), "mean": draw(st.booleans())})


def _weighed_logistic(x: Any, y: Any, of_zero: Any, of_one: Any, *, mean: bool) -> Any:
    losses = of_zero * (1 - y) * np.log(1 + np.exp(x)) + of_one * y * np.log(1 + np.exp(-x))
    return losses.mean() if mean else losses.sum()


def _weighed(draw: Any, rng: np.random.Generator) -> Case:
    shape, layout, weights = draw(shapes(min_ndim=1, min_side=1)), draw(st.sampled_from(LAYOUTS)), Values(0.5, 2.0)
    x, y = fill(anything, shape, rng, layout), fill(Values(0.1, 0.9), shape, rng)
    of_zero, of_one = fill(weights, shape[-1:], rng), fill(weights, shape, rng)
    return Case((x, y, of_zero, of_one), {"mean": draw(st.booleans())})


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
    weight = fill(anything, own, rng) if draw(chance) else None
    bias = fill(anything, own, rng) if draw(chance) else None
    x = fill(anything, shape, rng, draw(st.sampled_from(LAYOUTS)))
    return Case((x, weight, bias), {"axes": axes, "eps": 0.1, "centre": draw(st.booleans())})


def _attention(query: Any, key: Any, value: Any, mask: Any, *, causal: bool, scale: float | None) -> Any:
    """One query at a time, over the keys that it sees; -inf in a mask of floats hides one too."""
    scores = query @ key.swapaxes(-1, -2) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    out = np.zeros((*scores.shape[:-1], value.shape[-1]))
    value = np.broadcast_to(value, (*scores.shape[:-2], *value.shape[-2:]))
    for place in np.ndindex(scores.shape[:-1]):
        row, rows = scores[place], value[place[:-1]]
        seen = np.isfinite(row) & ((np.arange(row.size) <= place[-1]) | (not causal))
        powers = np.exp(row[seen])
        out[place] = (powers[:, None] * rows[seen]).sum(0) / powers.sum() if seen.any() else 0
    return out


def _places(draw: Any, rng: np.random.Generator) -> Case:
    """Queries, keys and values of one shape (N, L, H, E), alone or beside each other."""
    n, length, heads, width = draw(st.tuples(*(whole(1, 4, first) for first in (2, 3, 2, 4))))
    beside = fill(anything, (n, length, 3, heads, width), rng)
    arrays = [beside[:, :, i] if draw(st.booleans()) else beside[:, :, i].copy() for i in range(3)]
    return Case(tuple(arrays), {"causal": draw(st.booleans()), "scale": 0.7})


def _heads(draw: Any, rng: np.random.Generator) -> Case:
    lead = draw(st.sampled_from([(2, 3), (2,), ()]))
    queries, keys, width, out = draw(st.tuples(*(whole(1, 4, first) for first in (2, 3, 2, 4))))
    layout = draw(st.sampled_from([*LAYOUTS, "heads last"]))
    shapes = [(queries, width), (keys, width), (keys, out)]
    if layout == "heads last" and lead:  # views of a product whose heads lie beside each other
        arrays = [fill(anything, (*lead[:-1], n, lead[-1], m), rng).swapaxes(-2, -3) for n, m in shapes]
    else:
        arrays = [fill(anything, (*lead, *shape), rng, layout if layout in LAYOUTS else "C") for shape in shapes]
    if draw(st.booleans()):
        arrays[2] = arrays[2][(0,) * len(lead)]  # broadcasts, which only the definition does
    mask = None
    kind = draw(st.sampled_from(["none", "bools", "floats"]))
    if kind != "none":
        own = draw(st.sampled_from([(queries, keys), (keys,), (*lead, 1, keys), (*lead, queries, keys)]))
        mask = rng.random(own) < 0.7 if kind == "bools" else fill(anything, own, rng)
    return Case((*arrays, mask), {"causal": draw(st.booleans()), "scale": draw(st.sampled_from([None, 0.5]))})


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
    weight, bias = (fill(anything, shape[1:2], rng) if draw(chance) else None for _ in range(2))
    return Case((_image(draw, anything, shape, rng), weight, bias), {"eps": 0.1})


def _groups(x: Any, weight: Any, bias: Any, *, groups: int, eps: float) -> Any:
    along = (-1,) + (1,) * (x.ndim - 2)
    cut = x.reshape(len(x), groups, -1)
    out = _standardize(cut, None, None, axes=(2,), eps=eps, centre=True).reshape(x.shape)
    return out * (1 if weight is None else weight.reshape(along)) + (0 if bias is None else bias.reshape(along))


def _grouped(draw: Any, rng: np.random.Generator) -> Case:
    n, groups, each, *space = draw(shapes(min_ndim=3, max_ndim=5, min_side=1, max_side=3))
    shape = (n, groups * each, *space)
    weight, bias = (fill(anything, shape[1:2], rng) if draw(chance) else None for _ in range(2))
    return Case((_image(draw, anything, shape, rng), weight, bias), {"groups": groups, "eps": 0.1})


def _largest(x: Any, **options: Any) -> Any:
    last = np.moveaxis(x, 1, -1)
    return np.moveaxis(pooling.pick(last, pooling.places(last, **options), **options), -1, 1)


def _mean(x: Any, *, by: int, **options: Any) -> Any:
    return np.moveaxis(pooling.summed(np.moveaxis(x, 1, -1), **options), -1, 1) / by


def _windowed(draw: Any, rng: np.random.Generator) -> Case:
    length, _, options = pooling.setting(draw)
    shape = (draw(whole(0, 2)), draw(whole(0, 2)), *length)
    return Case((_image(draw, Values(apart=True), shape, rng),), options)


def _summed(draw: Any, rng: np.random.Generator) -> Case:
    case = _windowed(draw, rng)
    return Case(case.inputs, {**case.options, "by": draw(st.sampled_from([1, 3]))})


def _mean_of_parts(x: Any, *, parts: Any) -> Any:
    cut = [[slice(i * n // m, -(-(i + 1) * n // m)) for i in range(m)] for n, m in zip(x.shape[2:], parts, strict=True)]
    rows = [[x[:, :, down, across].mean(axis=(2, 3)) for across in cut[1]] for down in cut[0]]
    return np.moveaxis(np.array(rows), (0, 1), (2, 3))


def _cut(draw: Any, rng: np.random.Generator) -> Case:
    shape = (draw(whole(0, 2)), draw(whole(0, 2)), 5, draw(whole(1, 4, 3)))
    parts = draw(st.sampled_from([3, 1, 4])), draw(whole(1, 5))
    return Case((_image(draw, anything, shape, rng),), {"parts": parts})


def _linear(x: Any, weight: Any, bias: Any, *, activation: Any) -> Any:
    out = x @ weight.T + (0 if bias is None else bias)
    return np.maximum(out, 0) if activation else out


def _affine(draw: Any, rng: np.random.Generator) -> Case:
    shape = draw(shapes(min_ndim=1))
    out = draw(whole(0, 3))
    layout = draw(st.sampled_from(LAYOUTS))
    x, weight = fill(Values(-1.0, 1.0), shape, rng, layout), fill(Values(-1.0, 1.0), (out, shape[-1]), rng, layout)
    if draw(st.booleans()):
        return Case((x, weight, fill(anything, (out,), rng) if draw(chance) else None), {"activation": None})
    # Farther from 0 than four products can bring it back.
    bias = np.where(rng.integers(0, 2, out), 8.0, -8.0)
    return Case((x, weight, bias), {"activation": "relu"})


def _convolved_image(draw: Any, rng: np.random.Generator, transposed: bool) -> Case:
    """A call of a convolution with channels in axis 1, over one axis of space or two."""
    shape, w_shape, out_shape, options = setting(draw)
    if transposed:
        options["length"] = shape[1:3]
        shape, out_shape = out_shape, shape
    if draw(st.booleans()):
        # One axis is two, of which the second has length 1.
        shape, w_shape = (*shape[:2], 1, shape[3]), (*w_shape[:2], 1, w_shape[3])
        options |= {name: (options[name][0], 1) for name in ("stride", "dilation")}
        options |= {"padding": (options["padding"][0], (0, 0))}
        options |= {"length": (options["length"][0], 1)} if transposed else {}
    one = shape[2] == w_shape[2] == 1 == options["stride"][1] and options["padding"][1] == (0, 0)
    x, weight = (
        np.moveaxis(fill(Values(-1.0, 1.0), whole, rng, draw(st.sampled_from(LAYOUTS))), 3, 1)
        for whole in (shape, w_shape)
    )
    x, weight = (x[..., 0], weight[..., 0]) if one else (x, weight)
    channels = out_shape[3]
    if transposed or draw(st.booleans()):
        bias = fill(anything, (channels,), rng) if draw(chance) else None
        return Case((x, weight, bias), options if transposed else {**options, "activation": None})
    # Farther from 0 than 18 products can bring it back.
    return Case((x, weight, rng.choice([-20.0, 20.0], channels)), {**options, "activation": "relu"})


def _by_channels_last(function: Any, x: Any, weight: Any, bias: Any, activation: Any = None, **options: Any) -> Any:
    ones = (1,) * (4 - x.ndim)
    inside = [np.moveaxis(a.reshape(*a.shape, *ones), 1, 3) for a in (x, weight)]
    out = function(*inside, **options) + (0 if bias is None else bias)
    out = np.moveaxis(np.maximum(out, 0) if activation else out, 3, 1)
    return out[..., 0] if ones else out


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
    classes, rows = draw(whole(1, 4, first=3)), draw(whole(1, 4))
    shape = (rows, classes) if plain else draw(st.sampled_from([(rows, classes), (classes,), (rows, classes, 2)]))
    logits = fill(anything, shape, rng, draw(st.sampled_from(LAYOUTS)))
    options = {
        "reduction": draw(st.sampled_from(["mean", "sum", "none"])),
        "label_smoothing": 0.0 if plain else draw(st.sampled_from([0.0, 0.1])),
    }
    weight = None if plain or draw(st.booleans()) else fill(Values(0.5, 2.0), (classes,), rng)
    if not labels:
        return Case((logits, fill(Values(0.1, 1.0), shape, rng), weight), options)
    target = np.asarray(rng.integers(0, classes, shape[:1] + shape[2:] if len(shape) > 1 else ()))
    if target.ndim and target.shape[0] > 1 and not plain:
        target[0] = -100
    return Case((logits, target, weight), options)


def _nll(logp: Any, target: Any, weight: Any, *, reduction: str, ignore_index: int = -100) -> Any:
    axis = 1 if logp.ndim > 1 else 0
    own = np.ones(logp.shape[axis]) if weight is None else weight
    counts = target != ignore_index
    labels = np.where(counts, target, 0)
    losses = -np.moveaxis(logp, axis, -1).reshape(-1, own.size)[range(labels.size), labels.ravel()]
    losses = losses.reshape(labels.shape) * own[labels] * counts
    if reduction == "mean":
        return losses.sum() / (own[labels] * counts).sum()
    return losses.sum() if reduction == "sum" else losses


def _log_probabilities(draw: Any, rng: np.random.Generator) -> Case:
    case = _classes(draw, rng, labels=True, plain=draw(st.booleans()))
    return Case(case.inputs, {"reduction": case.options["reduction"]})


def _step(
    name: str, x: Any, states: list[Any], w: Any, u: Any, b: Any, d: Any, nonlinearity: str = "tanh"
) -> list[Any]:
    """The states after x, a formula a line as the papers have them."""
    h = states[0]
    a, s = x @ w.T + b, h @ u.T + d
    if name == "rnn":
        return [np.tanh(a + s) if nonlinearity == "tanh" else np.maximum(a + s, 0)]
    sigma = [1 / (1 + np.exp(-part)) for part in np.split(a + s, len(w) // h.shape[1], axis=1)]
    if name == "lstm":
        i, f, _, o = sigma
        c = f * states[1] + i * np.tanh(np.split(a + s, 4, axis=1)[2])
        return [o * np.tanh(c), c]
    r, z, _ = sigma
    n = np.tanh(np.split(a, 3, axis=1)[2] + r * np.split(s, 3, axis=1)[2])
    return [(1 - z) * n + z * h]


def _recurrent(name: str, x: Any, *given: Any, reverse: bool, **options: Any) -> Any:
    states, weights = list(given[:-4]), [0 if a is None else a for a in given[-4:]]
    out = np.zeros((len(x), *states[0].shape))
    for t in reversed(range(len(x))) if reverse else range(len(x)):
        states = _step(name, x[t], states, *weights, **options)
        out[t] = states[0]
    return np.concatenate([out, states[1][None]]) if name == "lstm" else out


def _sequence(draw: Any, rng: np.random.Generator, gates: int, states: int, bias: float = 0.0) -> Case:
    """A sequence with its weights; `bias` keeps a ReLU on one side of its kink."""
    steps, batch, features, width = draw(st.tuples(*(whole(1, 3, first) for first in (3, 2, 3, 2))))
    shapes = [(steps, batch, features), *[(batch, width)] * states, (gates * width, features), (gates * width, width)]
    inputs = [fill(Values(-1.0, 1.0), shape, rng, draw(st.sampled_from(LAYOUTS))) for shape in shapes]
    biases: list[Any] = [fill(anything, (gates * width,), rng) for _ in range(2)]
    if bias:
        inputs[1:] = [np.abs(a) / width for a in inputs[1:]]
        biases = [np.full(width, draw(st.sampled_from([-bias, bias]))), np.zeros(width)]
    elif draw(st.booleans()):
        biases = [None, None]
    return Case((*inputs, *biases), {"reverse": draw(st.booleans())})


def _relus(draw: Any, rng: np.random.Generator) -> Case:
    # Of the inputs come 3 at the most, and of a state no more than the largest in it.
    case = _sequence(draw, rng, 1, 1, bias=4.0)
    return Case(case.inputs, {**case.options, "nonlinearity": "relu"})


ROWS = [
    Spec(activation.relu, lambda x: np.maximum(x, 0), elementwise_cases(off_zero)),
    Spec(
        activation._leaky_relu,
        lambda x, slope: np.where(x > 0, x, slope * x),
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
    Spec(activation.hardsigmoid, lambda x: np.clip(x + 3, 0, 6) / 6, elementwise_cases(off_corners)),
    Spec(activation.hardswish, lambda x: x * np.clip(x + 3, 0, 6) / 6, elementwise_cases(off_corners)),
    Spec(
        activation._softplus,
        lambda x, *, beta, threshold: np.where(x * beta > threshold, x, np.log1p(np.exp(x * beta)) / beta),
        elementwise_cases(
            Values(-4.0, 4.0, avoid=(2.0,)), options=[{"beta": b, "threshold": 2 * b} for b in (1.0, 0.7)]
        ),
        label="steep",
    ),
    Spec(activation.logsigmoid, lambda x: -np.log(1 + np.exp(-x)), elementwise_cases(Values(-8.0, 8.0))),
    Spec(gates.mish, lambda x: x * np.tanh(np.log1p(np.exp(x))), elementwise_cases(Values(-4.0, 4.0))),
    Spec(gates.silu, lambda x: x / (1 + np.exp(-x)), elementwise_cases(Values(-8.0, 8.0))),
    Spec(gates._gelu, lambda x: x * (1 + erf(x / math.sqrt(2))) / 2, elementwise_cases(Values(-4.0, 4.0))),
    Spec(gates._gelu_tanh, _gelu_tanh, elementwise_cases(Values(-4.0, 4.0))),
    Spec(attention.attention, _attention, composite_case(_heads)),
    Spec(
        flash.attend,
        lambda q, k, v, **options: _attention(*(x.swapaxes(1, 2) for x in (q, k, v)), None, **options).swapaxes(1, 2),
        composite_case(_places),
    ),
    Spec(norm.standardize, _standardize, composite_case(_rows_or_columns)),
    Spec(_by_batch, _batch, composite_case(_batches)),
    Spec(_by_groups, _groups, composite_case(_grouped)),
    Spec(max_windows, _largest, composite_case(_windowed)),
    Spec(sum_windows, _mean, composite_case(_summed)),
    Spec(_mean_parts, _mean_of_parts, composite_case(_cut)),
    # Where the gate is shut the gradient is 0 and not the slope; see test_embedding.py.
    Spec(gated, lambda x, gate: x + 0 * gate, elementwise_cases(anything, Values(1, 1, dtype="int64"))),
    Spec(
        total_loss._huber,
        _huber,
        elementwise_cases(
            Values(-2.0, 2.0, avoid=(-1.0, -0.5, 0.0, 0.5, 1.0)), options=[{"delta": 1.0}, {"delta": 0.5}]
        ),
    ),
    Spec(total_loss._clamped_log, np.log, elementwise_cases(Values(0.5, 3.0))),
    Spec(total_loss.total_loss, _total_loss, composite_case(_compared)),
    Spec(weighed_loss.weighed_logistic, _weighed_logistic, composite_case(_weighed)),
    Spec(linear, _linear, composite_case(_affine)),
    Spec(recurrent.rnn, partial(_recurrent, "rnn"), composite_case(lambda draw, rng: _sequence(draw, rng, 1, 1))),
    Spec(recurrent.rnn, partial(_recurrent, "rnn"), composite_case(_relus), label="relu"),
    Spec(recurrent.lstm, partial(_recurrent, "lstm"), composite_case(lambda draw, rng: _sequence(draw, rng, 4, 2))),
    Spec(recurrent.gru, partial(_recurrent, "gru"), composite_case(lambda draw, rng: _sequence(draw, rng, 3, 1))),
    Spec(
        fused_conv.conv,
        lambda *inputs, **options: _by_channels_last(convolved, *inputs, **options),
        composite_case(lambda draw, rng: _convolved_image(draw, rng, transposed=False)),
    ),
    Spec(
        fused_conv.conv_transpose,
        lambda *inputs, **options: _by_channels_last(spread, *inputs, **options),
        composite_case(lambda draw, rng: _convolved_image(draw, rng, transposed=True)),
    ),
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
    Spec(nll_loss, _nll, composite_case(_log_probabilities), differentiable=(0,), same_dtype=False),
]
