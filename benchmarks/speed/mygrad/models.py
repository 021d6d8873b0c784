"""The networks in MyGrad: functions of their parameters, written with its functions on Tensors.

One idea: it has convolution, pooling, ReLU and softmax; LayerNorm, GELU and attention are written out, as its users do.
Read `../bars.py` next.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import mygrad as mg
import numpy as np
from mygrad.nnet.activations import relu, softmax
from mygrad.nnet.layers import conv_nd, max_pool

from ..networks import GPT, MLP, LeNet, Network

__all__ = ["make_model"]

Model = Callable[[Any, Any], Any]  # from parameters and inputs to logits


def make_model(network: Network) -> Model:
    """The function from parameters and inputs to logits."""
    if isinstance(network, MLP):
        return partial(_mlp, len(network.widths) - 1)
    if isinstance(network, LeNet):
        return _lenet
    assert isinstance(network, GPT)
    return partial(_gpt, network)


def _linear(p: Any, name: str, x: Any) -> Any:
    return mg.matmul(x, p[f"{name}.weight"].T) + p[f"{name}.bias"]


def _mlp(layers: int, p: Any, x: Any) -> Any:
    for i in range(layers - 1):
        x = relu(_linear(p, f"{2 * i}", x))
    return _linear(p, f"{2 * layers - 2}", x)


def _conv(p: Any, name: str, x: Any) -> Any:
    return conv_nd(x, p[f"{name}.weight"], stride=1) + p[f"{name}.bias"].reshape(1, -1, 1, 1)


def _lenet(p: Any, x: Any) -> Any:
    x = relu(_conv(p, "0", x))
    x = max_pool(relu(_conv(p, "2", x)), (2, 2), 2)
    return _linear(p, "8", relu(_linear(p, "6", x.reshape(len(x), -1))))


def _norm(p: Any, name: str, x: Any) -> Any:
    centred = x - mg.mean(x, axis=-1, keepdims=True)
    variance = mg.mean(centred * centred, axis=-1, keepdims=True)
    return centred / mg.sqrt(variance + 1e-5) * p[f"{name}.weight"] + p[f"{name}.bias"]


def _gelu(x: Any) -> Any:
    return 0.5 * x * (1.0 + mg.tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)))  # sqrt(2 / pi)


def _attention(q: Any, k: Any, v: Any) -> Any:
    """Causal; all of shape (batch, heads, length, width)."""
    length, width = q.shape[-2:]
    later = np.triu(np.full((length, length), -np.inf, np.float32), 1)
    return mg.matmul(softmax(mg.matmul(q, mg.swapaxes(k, -1, -2)) * width**-0.5 + later, axis=-1), v)


def _gpt(network: GPT, p: Any, x: Any) -> Any:
    batch, length = x.shape
    width, heads = network.width, network.heads
    # One text's row after another, so that a linear layer is one product.
    h = (p["token.weight"][x] + p["position.weight"]).reshape(-1, width)
    for i in range(network.layers):
        name = f"blocks.{i}"
        qkv = _linear(p, f"{name}.qkv", _norm(p, f"{name}.norm1", h))
        parts = mg.transpose(qkv.reshape(batch, length, 3, heads, -1), (2, 0, 3, 1, 4))
        mixed = mg.transpose(_attention(parts[0], parts[1], parts[2]), (0, 2, 1, 3))
        h = h + _linear(p, f"{name}.out", mixed.reshape(-1, width))
        wide = _gelu(_linear(p, f"{name}.up", _norm(p, f"{name}.norm2", h)))
        h = h + _linear(p, f"{name}.down", wide)
    return mg.matmul(_norm(p, "norm", h), p["head.weight"].T)
