"""PyTorch and JAX as peers: how each spells the rows of the table of operations, and how it differentiates.

One idea: most names are everybody's, since ours are the Array API's, so only the others stand in a map, each as a
function that takes a row's call as it is. What a peer cannot be asked stands in `WITHOUT`, with the reason. Only
`test_peers.py` imports this, when both peers are installed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
import torch.nn.functional as F

__all__ = ["JAX", "PEERS", "TORCH", "WITHOUT", "peer_of"]

Function = Callable[..., Any]

WITHOUT: dict[tuple[str, str], str] = {
    ("jax", "move"): "a change of device says nothing about numbers, and these peers are installed for the CPU",
    ("torch", "move"): "a change of device says nothing about numbers, and these peers are installed for the CPU",
    ("jax", "survives_at"): "which of two writes to one place stays is left open by both; ours is the last",
    ("torch", "survives_at"): "which of two writes to one place stays is left open by both; ours is the last",
    ("jax", "sum_to"): "the undoing of a broadcast has no public name there",
    ("jax", "gated"): "the gate of Embedding's padding row, which is compared with torch.nn.Embedding in tests/nn",
    ("torch", "gated"): "the gate of Embedding's padding row, which is compared with torch.nn.Embedding in tests/nn",
    ("jax", "clamped_log"): "a part of binary_cross_entropy, which is compared with PyTorch's in tests/nn",
    ("torch", "clamped_log"): "a part of binary_cross_entropy, which is compared with PyTorch's in tests/nn",
    ("torch", "by_batch"): "the training of BatchNorm1d and BatchNorm2d, which are compared in tests/nn",
    ("torch", "standardize"): "what BatchNorm1d, LayerNorm and RMSNorm share; they are compared in tests/nn",
    (
        "torch",
        "leaky_relu",
    ): "takes a number as the slope; with a learned one it is prelu, which is compared in tests/nn",
    **{
        ("torch", name): "refuses kernels and images without numbers; the layers made of it are compared in tests/nn"
        for name in ("convolve", "convolve_input", "convolve_weight", "conv", "conv_transpose")
    },
    **{
        (peer, name): "which of several vectors that are equally good is found is left open"
        for name in ("eigh", "svd", "complement")
        for peer in ("jax", "torch")
    },
    **{
        (peer, name): "takes its part of what was found; the functions of factors in the table compare its gradient"
        for name in ("eigenvalues", "eigenvectors", "left_vectors", "singular_values", "right_vectors")
        for peer in ("jax", "torch")
    },
    ("jax", "unique_values"): "has no gradient of a function whose result has a length that depends on values",
    ("torch", "unique_values"): "has no gradient there",
    **{
        (peer, name): "a loop over time; the layers made of it are compared with PyTorch's in tests/nn"
        for name in ("rnn", "rnn-relu", "lstm", "gru")
        for peer in ("jax", "torch")
    },
    **{
        (peer, name): "a part of cumprod, pad or topk, which are compared here and in tests/nn"
        for name in ("folded", "ranked", "recurrence", "repeated")
        for peer in ("jax", "torch")
    },
    ("jax", "huber"): "JAX's losses are in another package, optax",
    ("jax", "total_loss"): "JAX's losses are in another package, optax",
    **{
        (
            peer,
            "weighed_logistic",
        ): "a part of binary_cross_entropy_with_logits, which is compared with PyTorch's in tests/nn"
        for peer in ("jax", "torch")
    },
    ("jax", "cross_entropy-kernel"): "JAX's losses are in another package, optax",
    ("jax", "cross_entropy-labels"): "JAX's losses are in another package, optax",
    ("jax", "cross_entropy-shares"): "JAX's losses are in another package, optax",
    ("jax", "nll_loss"): "JAX's losses are in another package, optax",
}


# ---- spellings that both need ---------------------------------------------------------------------------------------


def _factors(linalg: Any, join: Function, weights: Function) -> dict[str, Function]:
    """Functions of factors; `weights(x)` is 1, 2, 3, ..., one for each column of x."""

    def symmetric(x: Any) -> Any:
        return (x + x.mT) / 2

    def weighed(left: Any, right: Any) -> Any:
        return (left * weights(left)) @ right

    def svd(x: Any) -> Any:
        return linalg.svd(x, full_matrices=False)

    return {
        **{name: getattr(linalg, name) for name in ("svdvals", "pinv", "matrix_rank", "matrix_power")},
        "eigvalsh": lambda x: linalg.eigvalsh(symmetric(x)),
        "values_of_eigh": lambda x: linalg.eigh(symmetric(x))[0],
        "weighed_eigenvectors": lambda x: weighed(linalg.eigh(symmetric(x))[1], linalg.eigh(symmetric(x))[1].mT),
        "values_of_svd": lambda x: svd(x)[1],
        "weighed_left": lambda x: weighed(svd(x)[0], svd(x)[0].mT),
        "weighed_right": lambda x: weighed(svd(x)[2].mT, svd(x)[2]),
        "weighed_both": lambda x: weighed(svd(x)[0], svd(x)[2]),
        "qr": lambda x: join(linalg.qr(x), -2),
        "qr_of_wide": lambda x: join(linalg.qr(x), -1),
    }


def _pools(pad: Function, windows: Function, overlap_add: Function, module: Any) -> dict[str, Function]:
    """Pooling as windows of a padded image with the places of each as its last axis, and back."""

    def padded(x: Any, padding: Any, value: float) -> Any:
        return pad(module.moveaxis(x, -1, 1), widths=((0, 0), (0, 0), *padding), value=value)

    def cut(x: Any, size: Any, padding: Any, value: float = 0.0, **options: Any) -> Any:
        found = module.moveaxis(windows(padded(x, padding, value), size=size, **options), 1, 3)
        return found.reshape((*found.shape[:4], math.prod(size)))

    def laid(g: Any, length: Any, size: Any, padding: Any, **options: Any) -> Any:
        whole = [n + sum(p) for n, p in zip(length, padding, strict=True)]
        g = module.moveaxis(g.reshape((*g.shape[:4], *size)), 3, 1)
        out = module.moveaxis(overlap_add(g, length=whole, **options), 1, -1)
        return _cropped(out, widths=((0, 0), *padding, (0, 0)))

    def chosen(places: Any, size: Any) -> Any:
        return places[..., None] == module.arange(math.prod(size))

    def places(x: Any, **options: Any) -> Any:
        # JAX cuts by products with 0 and 1, so what fills up must be finite.
        return module.asarray(cut(x, value=-1e6, **options).argmax(-1), dtype=module.uint8)

    def pick(x: Any, places: Any, **options: Any) -> Any:
        return (cut(x, **options) * chosen(places, options["size"])).sum(-1)

    def put(g: Any, places: Any, *, size: Any, **options: Any) -> Any:
        return laid(g[..., None] * chosen(places, size), size=size, **options)

    def spread(g: Any, *, size: Any, **options: Any) -> Any:
        return laid(module.broadcast_to(g[..., None], (*g.shape, math.prod(size))), size=size, **options)

    def largest(x: Any, **options: Any) -> Any:
        last = module.moveaxis(x, 1, -1)
        return module.moveaxis(pick(last, places(last, **options), **options), -1, 1)

    def means(x: Any, *, parts: tuple[int, int]) -> Any:
        for axis, count in zip((2, 3), parts, strict=True):
            x, length = module.moveaxis(x, axis, 0), x.shape[axis]
            cut = [x[i * length // count : -(-(i + 1) * length // count)].mean(0) for i in range(count)]
            x = module.stack(cut, axis)
        return x

    return {
        "mean_parts": means,
        "pool_places": places,
        "pool_pick": pick,
        "pool_put": put,
        "pool_sum": lambda x, **options: cut(x, **options).sum(-1),
        "pool_spread": spread,
        "max_windows": largest,
        "sum_windows": lambda x, *, by=1, **options: module.moveaxis(
            cut(module.moveaxis(x, 1, -1), **options).sum(-1) / by, -1, 1
        ),
    }


def _cofactors(linalg: Any) -> Function:
    def cofactors(x: Any) -> Any:
        return linalg.det(x)[..., None, None] * linalg.inv(x).mT if x.shape[-1] else x

    return cofactors


def _by_groups(x: Any, weight: Any, bias: Any, *, groups: int, eps: float) -> Any:
    parts = x.reshape(x.shape[0], groups, -1)
    plain = parts - parts.mean(-1)[..., None]
    out = (plain / ((plain * plain).mean(-1)[..., None] + eps) ** 0.5).reshape(x.shape)
    along = (-1,) + (1,) * (x.ndim - 2)
    out = out if weight is None else out * weight.reshape(along)
    return out if bias is None else out + bias.reshape(along)


def _cropped(x: Any, *, widths: Any) -> Any:
    return x[tuple(slice(before, n - after) for n, (before, after) in zip(x.shape, widths, strict=True))]


def _linear(module: Any, relu: Function) -> Function:
    def linear(x: Any, weight: Any, bias: Any, *, activation: Any) -> Any:
        out = module.matmul(x, weight.T)
        out = out if bias is None else out + bias
        return relu(out) if activation == "relu" else out

    return linear


def _attention(module: Any) -> Function:
    def attention(query: Any, key: Any, value: Any, mask: Any, *, causal: bool, scale: float | None) -> Any:
        scores = module.matmul(query, module.swapaxes(key, -1, -2))
        scores = scores * (query.shape[-1] ** -0.5 if scale is None else scale)
        seen = module.asarray(np.tri(*scores.shape[-2:], dtype=bool) | (not causal))
        if mask is not None and str(mask.dtype).endswith("bool"):
            seen = seen & mask
        elif mask is not None:
            scores, seen = scores + mask, seen & (mask > -math.inf)
        powers = module.where(seen, module.exp(module.where(seen, scores, 0.0)), 0.0)
        total = powers.sum(-1)[..., None]
        return module.matmul(powers / module.where(total == 0, 1.0, total), value)  # 0 where nothing is seen

    return attention


def _attend(module: Any) -> Function:
    """Attention of queries, keys and values whose heads stand behind their places."""

    def attend(*inputs: Any, causal: bool, scale: float) -> Any:
        query, key, value = (module.swapaxes(x, 1, 2) for x in inputs)
        return module.swapaxes(_attention(module)(query, key, value, None, causal=causal, scale=scale), 1, 2)

    return attend


# ---- JAX ------------------------------------------------------------------------------------------------------------


def _jax_running_sum(x: Any, *, axis: int | None, reverse: bool) -> Any:
    return jax.lax.cumsum(x.ravel() if axis is None else x, 0 if axis is None else axis % x.ndim, reverse)


def _jax_topk(x: Any, k: int, *, axis: int, largest: bool) -> Any:
    rows = jnp.moveaxis(x, axis, -1)
    values = jax.lax.top_k(rows, k)[0] if largest else -jax.lax.top_k(-rows, k)[0]
    return jnp.moveaxis(values, -1, axis)


def _jax_quantile(x: Any, q: float, *, axis: int | None, keepdims: bool) -> Any:
    out = jnp.quantile(x, q, axis=axis, keepdims=keepdims)
    return out if x.ndim else out.reshape(())  # it gives a number without axes one, when it shall keep them


def _jax_index_add(x: Any, positions: Any, *, axis: int, length: int) -> Any:
    axis %= x.ndim - positions.ndim + 1
    shape = (*x.shape[:axis], length, *x.shape[axis + positions.ndim :])
    return jnp.zeros(shape).at[(*(slice(None),) * axis, positions)].add(x)


def _jax_scatter_add(x: Any, positions: Any, *, axis: int, length: int) -> Any:
    x, positions = jnp.broadcast_arrays(x, positions)
    shape, places = list(x.shape), list(jnp.indices(x.shape))
    shape[axis], places[axis] = length, positions
    return jnp.zeros(shape).at[tuple(places)].add(x)


def _jax_diag_embed(x: Any, *, offset: int, shape: tuple[int, int]) -> Any:
    places = jnp.arange(x.shape[-1])
    return jnp.zeros((*x.shape[:-1], *shape)).at[..., places + max(-offset, 0), places + max(offset, 0)].set(x)


def _jax_pad(x: Any, *, widths: Any, value: float) -> Any:
    return jnp.pad(x, widths, constant_values=value) if x.ndim else x


def _jax_windows(x: Any, *, size: Any, stride: Any, dilation: Any) -> Any:
    count = len(size)
    outer, length = x.shape[: x.ndim - count], x.shape[x.ndim - count :]
    patches = jax.lax.conv_general_dilated_patches(
        x.reshape(math.prod(outer), 1, *length), size, stride, "VALID", rhs_dilation=dilation
    )
    counts = patches.shape[2:]
    return jnp.moveaxis(patches, 1, -1).reshape(*outer, *counts, *size)


def _jax_overlap_add(x: Any, *, length: Any, stride: Any, dilation: Any) -> Any:
    count = len(length)
    outer, size = x.shape[: x.ndim - 2 * count], x.shape[x.ndim - count :]
    whole = jax.ShapeDtypeStruct((*outer, *length), x.dtype)
    cut = lambda y: _jax_windows(y, size=size, stride=stride, dilation=dilation)  # noqa: E731
    return jax.linear_transpose(cut, whole)(x)[0]


def _jax_standardize(x: Any, weight: Any, bias: Any, *, axes: Any, eps: float, centre: bool) -> Any:
    how = {} if centre else {"mean": 0.0, "variance": jnp.mean(x * x, axis=axes, keepdims=True)}
    out = jax.nn.standardize(x, axis=axes, epsilon=eps, **how)
    return out * (1.0 if weight is None else weight) + (0.0 if bias is None else bias)


def _jax_by_batch(x: Any, weight: Any, bias: Any, *, eps: float) -> Any:
    along = (-1,) + (1,) * (x.ndim - 2)
    weight, bias = (None if a is None else a.reshape(along) for a in (weight, bias))
    return _jax_standardize(x, weight, bias, axes=(0, *range(2, x.ndim)), eps=eps, centre=True)


def _jax_convolve(x: Any, w: Any, *, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    layout = ("NHWC", "OHWI", "NHWC")
    return jax.lax.conv_general_dilated(
        x, w, stride, padding, rhs_dilation=dilation, dimension_numbers=layout, feature_group_count=groups
    )


def _jax_convolve_input(y: Any, w: Any, *, length: Any, groups: int, **options: Any) -> Any:
    x = jnp.zeros((y.shape[0], *length, w.shape[3] * groups))
    return jax.vjp(lambda x: _jax_convolve(x, w, groups=groups, **options), x)[1](y)[0]


def _jax_convolve_weight(x: Any, y: Any, *, size: Any, groups: int, **options: Any) -> Any:
    w = jnp.zeros((y.shape[3], *size, x.shape[3] // groups))
    return jax.vjp(lambda w: _jax_convolve(x, w, groups=groups, **options), w)[1](y)[0]


def _jax_layer(convolve: Function) -> Function:
    """A convolution of a layer, with channels in axis 1, over one axis of space or two."""

    def layer(x: Any, weight: Any, bias: Any, *, activation: Any = None, **options: Any) -> Any:
        ones = (1,) * (4 - x.ndim)
        out = convolve(*(jnp.moveaxis(a.reshape(*a.shape, *ones), 1, 3) for a in (x, weight)), **options)
        out = out if bias is None else out + bias
        out = jnp.moveaxis(jax.nn.relu(out) if activation == "relu" else out, 3, 1)
        return out[..., 0] if ones else out

    return layer


JAX: dict[str, Function] = {
    "convolve": _jax_convolve,
    "convolve_input": _jax_convolve_input,
    "convolve_weight": _jax_convolve_weight,
    "conv": _jax_layer(_jax_convolve),
    "conv_transpose": _jax_layer(_jax_convolve_input),
    # The second derivative of jnp.hypot is wrong where |x1| = |x2|: 0 at (0.4, 0.4) along (1, -1).
    "hypot": lambda x1, x2: jnp.sqrt(x1 * x1 + x2 * x2),
    "rsqrt": jax.lax.rsqrt,
    "norm": lambda x, *, axis, keepdims: jnp.sqrt(jnp.sum(x * x, axis=axis, keepdims=keepdims)),
    "cumsum": _jax_running_sum,
    "logsumexp": jax.nn.logsumexp,
    "softmax": jax.nn.softmax,
    "log_softmax": jax.nn.log_softmax,
    "sigmoid": jax.nn.sigmoid,
    "softplus": jax.nn.softplus,
    "softplus-steep": lambda x, *, beta, threshold: jnp.where(
        x * beta > threshold, x, jax.nn.softplus(x * beta) / beta
    ),
    "erf": jax.scipy.special.erf,
    "lgamma": jax.scipy.special.gammaln,
    "digamma": jax.scipy.special.digamma,
    "polygamma": lambda x, *, n: jax.scipy.special.polygamma(n, x),
    "largest_of_topk": _jax_topk,
    "quantile": _jax_quantile,
    "median": lambda x, **options: _jax_quantile(x, 0.5, **options),
    "getitem": lambda x, *, index: x[index],
    "put_at": lambda x, *, index, shape: jnp.zeros(shape).at[index].add(x),
    "set_at": lambda x, value, *, index: x.at[index].set(value),
    "index_add": _jax_index_add,
    "scatter_add": _jax_scatter_add,
    "concat": lambda *xs, axis: jnp.concat(xs, axis=axis),
    "stack": lambda *xs, axis: jnp.stack(xs, axis=axis),
    "pad": _jax_pad,
    "crop": _cropped,
    "einsum": lambda *xs, subscripts: jnp.einsum(subscripts, *xs),
    "diagonal": lambda x, *, offset: jnp.diagonal(x, offset, -2, -1),
    "diag_embed": _jax_diag_embed,
    "inv": jnp.linalg.inv,
    "solve": jnp.linalg.solve,
    "solve_triangular": lambda a, b, *, upper: jnp.linalg.solve(jnp.triu(a) if upper else jnp.tril(a), b),
    "det": lambda x: jnp.linalg.det(x) if x.shape[-1] else jnp.ones(x.shape[:-2]),  # fails on 0 x 0 matrices
    "cofactors": _cofactors(jnp.linalg),
    "by_groups": _by_groups,
    "sign_of_det": lambda x: jnp.linalg.slogdet(x)[0],
    "log_of_det": lambda x: jnp.linalg.slogdet(x)[1],
    "cholesky": jnp.linalg.cholesky,
    **_factors(jnp.linalg, jnp.concatenate, lambda x: jnp.arange(1.0, x.shape[-1] + 1)),
    "matrix_rank": lambda x: jnp.linalg.matrix_rank(x) if x.size else jnp.zeros(x.shape[:-2], int),  # fails on nothing
    "norm_of_order": lambda x, *, ord, **options: jnp.sum(jnp.abs(x) ** ord, **options) ** (1 / ord),
    "vector_norm": jnp.linalg.vector_norm,
    "nonzero": lambda x: jnp.stack(jnp.nonzero(x)),
    "windows": _jax_windows,
    "overlap_add": _jax_overlap_add,
    **_pools(_jax_pad, _jax_windows, _jax_overlap_add, jnp),
    "astype": lambda x, *, dtype: x.astype(dtype),
    "relu": jax.nn.relu,
    "leaky_relu": jax.nn.leaky_relu,
    "hardtanh": lambda x, *, low, high: jnp.clip(x, low, high),
    "hardswish": jax.nn.hard_swish,
    "hardsigmoid": jax.nn.hard_sigmoid,
    "mish": jax.nn.mish,
    "logsigmoid": jax.nn.log_sigmoid,
    "elu": lambda x, *, alpha, width: jax.nn.celu(x, alpha),  # the table has alpha = width
    "silu": jax.nn.silu,
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "gelu_tanh": lambda x: jax.nn.gelu(x, approximate=True),
    "standardize": _jax_standardize,
    "by_batch": _jax_by_batch,
    "linear": _linear(jnp, jax.nn.relu),
    "attention": _attention(jnp),
    "attend": _attend(jnp),
}


# ---- PyTorch --------------------------------------------------------------------------------------------------------


def _over(reduce: Function, *, same_shape: bool = False) -> Function:
    """A function of one `dim` as one of `axis` (one, several, none, or None for all): these become the last axis."""

    def reduced(x: Any, *args: Any, axis: Any, keepdims: bool = False, **options: Any) -> Any:
        named = range(x.ndim) if axis is None else [axis] if isinstance(axis, int) else axis
        axes = [a % x.ndim for a in named]
        others = [a for a in range(x.ndim) if a not in axes]
        lengths = [x.shape[a] for a in axes]
        rows = x.permute([*others, *axes]).reshape([*(x.shape[a] for a in others), math.prod(lengths)])
        out = reduce(rows, *args, dim=-1, **options)
        if same_shape:
            order = np.argsort([*others, *axes]).tolist()
            return out.reshape([*out.shape[:-1], *lengths]).permute(order)
        return out.reshape([1 if a in axes else n for a, n in enumerate(x.shape)]) if keepdims else out

    return reduced


def _running(accumulate: Function, initial: int) -> Function:
    def running(x: Any, *, axis: int | None, include_initial: bool = False, reverse: bool = False) -> Any:
        x, axis = (x.ravel(), 0) if axis is None else (x, axis)
        out = accumulate(x.flip(axis), axis).flip(axis) if reverse else accumulate(x, axis)
        return torch.cat([torch.full((1,), initial).to(x), out]) if include_initial else out

    return running


def _torch_positions(shape: Any, index: Any) -> Any:
    """Where the elements of x[index] lie in x as one long row: PyTorch knows no negative steps."""
    index = _as_numpy(index)
    return torch.tensor(np.arange(math.prod(shape)).reshape(tuple(shape))[index].copy())


def _as_numpy(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(_as_numpy(part) for part in index)
    return index.numpy() if isinstance(index, torch.Tensor) else index


def _torch_put_at(x: Any, *, index: Any, shape: Any) -> Any:
    return torch.zeros(shape, dtype=x.dtype).put(_torch_positions(shape, index), x, accumulate=True)


def _torch_set_at(x: Any, value: Any, *, index: Any) -> Any:
    positions = _torch_positions(x.shape, index)
    return x.put(positions, value.broadcast_to(positions.shape))


def _torch_take(x: Any, positions: Any, *, axis: int) -> Any:
    return x[(*(slice(None),) * (axis % x.ndim), positions)]


def _torch_index_add(x: Any, positions: Any, *, axis: int, length: int) -> Any:
    axis %= x.ndim - positions.ndim + 1
    rows = x.reshape(*x.shape[:axis], positions.numel(), *x.shape[axis + positions.ndim :])
    out = torch.zeros(*rows.shape[:axis], length, *rows.shape[axis + 1 :], dtype=x.dtype)
    return out.index_add(axis, positions.ravel() % length, rows)


def _torch_scatter_add(x: Any, positions: Any, *, axis: int, length: int) -> Any:
    x, positions = torch.broadcast_tensors(x, positions % length)
    shape = list(x.shape)
    shape[axis] = length
    return torch.zeros(shape, dtype=x.dtype).scatter_add(axis, positions, x)


def _torch_pad(x: Any, *, widths: Any, value: float) -> Any:
    return F.pad(x, [n for width in reversed(widths) for n in width], value=value)


def _torch_diag_embed(x: Any, *, offset: int, shape: tuple[int, int]) -> Any:
    return torch.diagonal_scatter(torch.zeros(*x.shape[:-1], *shape, dtype=x.dtype), x, offset, -2, -1)


def _pairs(*options: Any) -> list[Any]:
    """Options of one axis as those of two, the first of length 1."""
    return [(1, *option) if len(option) == 1 else option for option in options]


def _torch_windows(x: Any, *, size: Any, stride: Any, dilation: Any) -> Any:
    outer, length = x.shape[: x.ndim - len(size)], x.shape[x.ndim - len(size) :]
    spans = [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(length, size, stride, dilation, strict=True)]
    length, kernel, steps, gaps = _pairs(tuple(length), size, stride, dilation)
    blocks = F.unfold(x.reshape(math.prod(outer), 1, *length), kernel, gaps, 0, steps)
    return blocks.mT.reshape(*outer, *spans, *size)


def _torch_total_loss(x: Any, y: Any, *, kind: str, by: float, mean: bool) -> Any:
    losses = {
        "square": F.mse_loss,
        "absolute": F.l1_loss,
        "huber": lambda x, y, reduction: F.huber_loss(x, y, reduction, by),
        "logistic": lambda x, y, reduction: F.binary_cross_entropy_with_logits(x, y, reduction=reduction),
        "shares": lambda x, y, reduction: F.binary_cross_entropy(x, y, reduction=reduction),
    }
    return losses[kind](x, y, reduction="mean" if mean else "sum")


def _torch_overlap_add(x: Any, *, length: Any, stride: Any, dilation: Any) -> Any:
    outer, size = x.shape[: x.ndim - 2 * len(length)], tuple(x.shape[x.ndim - len(length) :])
    number = math.prod(x.shape[len(outer) : len(outer) + len(length)])
    whole, kernel, steps, gaps = _pairs(length, size, stride, dilation)
    blocks = x.reshape(math.prod(outer), number, math.prod(size)).mT
    return F.fold(blocks, whole, kernel, gaps, 0, steps).reshape(*outer, *length)


TORCH: dict[str, Function] = {
    "polygamma": lambda x, *, n: torch.polygamma(n, x),
    "cofactors": _cofactors(torch.linalg),
    "by_groups": _by_groups,
    "equal": torch.eq,
    "pow-of a number": lambda x1, x2: torch.pow(x1.to(x2), x2),
    "clip": lambda x, low=None, high=None: x if low is high is None else torch.clamp(x, low, high),
    "bitwise_invert": torch.bitwise_not,
    **{name: _over(getattr(torch, name)) for name in ("sum", "mean", "var", "std", "all", "any", "prod")},
    **{name: _over(getattr(torch, name)) for name in ("count_nonzero", "logsumexp", "argmax", "argmin", "quantile")},
    "norm": _over(torch.linalg.vector_norm),
    "max": _over(torch.amax),
    "min": _over(torch.amin),
    # torch.median is the lower of the two in the middle; ours, NumPy's and JAX's lies half way between them.
    "median": _over(lambda x, *, dim: torch.quantile(x, 0.5, dim)),
    "softmax": _over(torch.softmax, same_shape=True),
    "log_softmax": _over(torch.log_softmax, same_shape=True),
    "cumsum": _running(torch.cumsum, 0),
    "cumprod": _running(torch.cumprod, 1),
    "cumulative_sum": _running(torch.cumsum, 0),
    "cumulative_prod": _running(torch.cumprod, 1),
    "softplus": F.softplus,
    "sort": lambda x, *, axis, descending: torch.sort(x, dim=axis, descending=descending).values,
    "argsort": lambda x, *, axis, descending: torch.argsort(x, dim=axis, descending=descending),
    "largest_of_topk": lambda x, k, *, axis, largest: torch.topk(x, k, axis, largest).values,
    "broadcast_to": lambda x, *, shape: torch.broadcast_to(x, shape),
    "sum_to": lambda x, *, shape: x.sum_to_size(shape),
    "permute_dims": lambda x, *, axes: x.permute(axes),
    "flip": lambda x, *, axis: x.flip(tuple(range(x.ndim)) if axis is None else axis),
    "roll": lambda x, *, shift, axis: torch.roll(x, shift, axis),
    "getitem": lambda x, *, index: x.take(_torch_positions(x.shape, index)),
    "put_at": _torch_put_at,
    "set_at": _torch_set_at,
    "take": _torch_take,
    "index_add": _torch_index_add,
    "take_along_axis": lambda x, at, *, axis: torch.take_along_dim(x, at % x.shape[axis], axis),
    "scatter_add": _torch_scatter_add,
    "concat": lambda *xs, axis: torch.cat(xs, axis),
    "stack": lambda *xs, axis: torch.stack(xs, axis),
    "pad": _torch_pad,
    "crop": _cropped,
    "einsum": lambda *xs, subscripts: torch.einsum(subscripts, *xs),
    "tril": lambda x, *, k: torch.tril(x, k),
    "triu": lambda x, *, k: torch.triu(x, k),
    "diagonal": lambda x, *, offset: torch.diagonal(x, offset, -2, -1),
    "diag_embed": _torch_diag_embed,
    "inv": torch.linalg.inv,
    "solve": torch.linalg.solve,
    "solve_triangular": torch.linalg.solve_triangular,
    "det": torch.linalg.det,
    "sign_of_det": lambda x: torch.linalg.slogdet(x)[0],
    "log_of_det": lambda x: torch.linalg.slogdet(x)[1],
    # PyTorch reads the lower triangle only; ours and JAX's the mean of the two.
    "cholesky": lambda x, **options: torch.linalg.cholesky((x + x.mT) / 2, **options),
    **_factors(torch.linalg, torch.cat, lambda x: torch.arange(1.0, x.shape[-1] + 1)),
    **{
        name: _over(lambda x, *, dim, ord: torch.linalg.vector_norm(x, ord, dim))
        for name in ("norm_of_order", "vector_norm")
    },
    "conj": lambda x: torch.conj(x).resolve_conj(),
    "diff": lambda x, *, axis, n: torch.diff(x, n, axis),
    "imag": lambda x: torch.imag(x) if torch.is_complex(x) else torch.zeros_like(x),
    "nonzero": lambda x: torch.nonzero(x).mT,
    "searchsorted": lambda x1, x2, *, side: torch.searchsorted(x1, x2.contiguous(), side=side),
    "windows": _torch_windows,
    "overlap_add": _torch_overlap_add,
    **_pools(_torch_pad, _torch_windows, _torch_overlap_add, torch),
    "astype": lambda x, *, dtype: x.to(getattr(torch, dtype)),
    "hardtanh": lambda x, *, low, high: F.hardtanh(x, low, high),
    "hardswish": F.hardswish,
    "hardsigmoid": lambda x: F.relu6(x + 3) / 6,  # F.hardsigmoid has no second derivative
    "mish": F.mish,
    "logsigmoid": F.logsigmoid,
    # The table has alpha = width, which is celu; F.celu rounds its slope to float32.
    "elu": lambda x, *, alpha, width: alpha * F.elu(x / width),
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "huber": lambda x, *, delta: F.huber_loss(x, torch.zeros_like(x), "none", delta),
    "total_loss": _torch_total_loss,
    "linear": _linear(torch, torch.relu),
    "attention": _attention(torch),
    "attend": _attend(torch),
    "cross_entropy": F.cross_entropy,
    "nll_loss": F.nll_loss,
}


# ---- asking a peer --------------------------------------------------------------------------------------------------


def peer_of(peer: str, row: str) -> Function | None:
    """What a peer calls the operation of a row ("pow-of a number"): by the map, else by the same name."""
    known, module = (JAX, jnp) if peer == "jax" else (TORCH, torch)
    operation = row.partition("-")[0]
    return known.get(row) or known.get(operation) or getattr(module, operation, None)


def _tensor(x: Any) -> Any:
    return torch.tensor(np.array(x)) if isinstance(x, np.ndarray) else x


def _jax_derivatives(f: Function, xs: list[Any], weights: Any, directions: list[Any]) -> tuple[Any, Any]:
    def total(xs: list[Any]) -> Any:
        return jnp.sum(f(*xs) * weights)

    return jax.jvp(jax.grad(total), (xs,), (directions,))


def _torch_derivatives(f: Function, xs: list[Any], weights: Any, directions: list[Any]) -> tuple[Any, Any]:
    leaves = [x.requires_grad_() for x in xs]
    total = (f(*leaves) * weights).sum()
    first = _torch_gradients(total, leaves, create_graph=True)
    along = sum((g * d).sum() for g, d in zip(first, directions, strict=True))
    return [g.detach() for g in first], [h.numpy(force=True) for h in _torch_gradients(along, leaves)]


def _torch_gradients(y: Any, xs: list[Any], **how: bool) -> Any:
    if not y.requires_grad:
        return [torch.zeros_like(x) for x in xs]
    return torch.autograd.grad(y, xs, materialize_grads=True, **how)


# By name: NumPy's array as one of the peer's; the gradient of the sum of f(*xs) times weights, and how fast it changes
# as xs move along `directions`.
PEERS: dict[str, tuple[Function, Function]] = {
    "jax": (lambda x: jnp.asarray(x) if isinstance(x, np.ndarray) else x, _jax_derivatives),
    "torch": (_tensor, _torch_derivatives),
}
