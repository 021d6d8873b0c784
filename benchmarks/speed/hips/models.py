"""The networks in HIPS autograd: functions of their parameters, written with its copy of NumPy.

One idea: it has no layers, so what the others call by name (softmax, LayerNorm, GELU, attention) is written out, as
its users do. Read `../mygrad/__init__.py` next.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from autograd import numpy as np  # type: ignore[attr-defined]  # not our own autograd

from ..networks import GPT, MLP, Network

__all__ = ["log_softmax", "make_model"]

Model = Callable[[Any, Any], Any]  # from parameters and inputs to logits


def make_model(network: Network) -> Model:
    """The function from parameters and inputs to logits."""
    if isinstance(network, MLP):
        return partial(_mlp, len(network.widths) - 1)
    assert isinstance(network, GPT)
    return partial(_gpt, network)


def log_softmax(x: Any) -> Any:
    """The logarithm of e^x / sum(e^x) along the last axis."""
    x = x - np.max(x, axis=-1, keepdims=True)
    return x - np.log(np.sum(np.exp(x), axis=-1, keepdims=True))


def _linear(p: Any, name: str, x: Any) -> Any:
    return np.dot(x, p[f"{name}.weight"].T) + p[f"{name}.bias"]


def _mlp(layers: int, p: Any, x: Any) -> Any:
    for i in range(layers - 1):
        x = np.maximum(_linear(p, f"{2 * i}", x), 0.0)
    return _linear(p, f"{2 * layers - 2}", x)


def _norm(p: Any, name: str, x: Any) -> Any:
    centred = x - np.mean(x, axis=-1, keepdims=True)
    variance = np.mean(centred * centred, axis=-1, keepdims=True)
    return centred / np.sqrt(variance + 1e-5) * p[f"{name}.weight"] + p[f"{name}.bias"]


def _gelu(x: Any) -> Any:
    return 0.5 * x * (1.0 + np.tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)))  # sqrt(2 / pi)


def _attention(q: Any, k: Any, v: Any) -> Any:
    """Causal; all of shape (batch, heads, length, width)."""
    length, width = q.shape[-2:]
    later = np.triu(np.full((length, length), -np.inf, np.float32), 1)
    scores = np.matmul(q, np.swapaxes(k, -1, -2)) * width**-0.5 + later
    weights = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
    return np.matmul(weights / np.sum(weights, axis=-1, keepdims=True), v)


def _gpt(network: GPT, p: Any, x: Any) -> Any:
    batch, length = x.shape
    width, heads = network.width, network.heads
    # One text's row after another, so that a linear layer is one product.
    h = np.reshape(p["token.weight"][x] + p["position.weight"], (-1, width))
    for i in range(network.layers):
        name = f"blocks.{i}"
        qkv = _linear(p, f"{name}.qkv", _norm(p, f"{name}.norm1", h))
        parts = np.transpose(np.reshape(qkv, (batch, length, 3, heads, -1)), (2, 0, 3, 1, 4))
        mixed = np.transpose(_attention(parts[0], parts[1], parts[2]), (0, 2, 1, 3))
        h = h + _linear(p, f"{name}.out", np.reshape(mixed, (-1, width)))
        wide = _gelu(_linear(p, f"{name}.up", _norm(p, f"{name}.norm2", h)))
        h = h + _linear(p, f"{name}.down", wide)
    return np.dot(_norm(p, "norm", h), p["head.weight"].T)
