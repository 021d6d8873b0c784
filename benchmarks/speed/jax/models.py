"""The networks as pure functions of their parameters, for JAX.

One idea: where JAX leaves a choice, the one that was faster on two cores is taken: images as (batch, rows, columns,
channels), pooling as the maximum over two axes of a reshaped array (JAX has no fast gradient of `reduce_window` on the
CPU), `jax.nn.dot_product_attention`. Read `optimizers.py` next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from numpy.typing import NDArray

from ..networks import CNN, GPT, MLP, Data, LeNet, Network

__all__ = ["make_model"]

Model = Callable[[Any, Any], Any]  # from parameters and inputs to logits
Arrays = Mapping[str, NDArray[Any]]


def make_model(network: Network, data: Data) -> tuple[Model, Arrays, NDArray[Any]]:
    """The function, with parameters and inputs in the layouts that it wants."""
    if isinstance(network, MLP):
        return partial(_mlp, len(network.widths) - 1), data.parameters, data.x
    if isinstance(network, LeNet):
        return _lenet, _channels_last(data.parameters), data.x.transpose(0, 2, 3, 1)
    if isinstance(network, CNN):
        return partial(_cnn, network), *_cnn_channels_last(network, data)
    return partial(_gpt, network), data.parameters, data.x


def _linear(p: Any, name: str, x: Any) -> Any:
    return x @ p[f"{name}.weight"].T + p[f"{name}.bias"]


def _mlp(layers: int, p: Any, x: Any) -> Any:
    for i in range(layers - 1):
        x = jax.nn.relu(_linear(p, f"{2 * i}", x))
    return _linear(p, f"{2 * layers - 2}", x)


def _channels_last(parameters: Arrays) -> Arrays:
    """LeNet's parameters for images whose channels are the last axis; the same function as before."""
    moved = dict(parameters)
    for name in ("0.weight", "2.weight"):
        moved[name] = parameters[name].transpose(2, 3, 1, 0)
    first = parameters["6.weight"]
    moved["6.weight"] = first.reshape(-1, 64, 12, 12).transpose(0, 2, 3, 1).reshape(first.shape)
    return moved


def _conv(p: Any, name: str, x: Any) -> Any:
    axes = ("NHWC", "HWIO", "NHWC")
    return (
        jax.lax.conv_general_dilated(x, p[f"{name}.weight"], (1, 1), "VALID", dimension_numbers=axes)
        + (p[f"{name}.bias"])
    )


def _lenet(p: Any, x: Any) -> Any:
    x = jax.nn.relu(_conv(p, "0", x))
    x = jax.nn.relu(_conv(p, "2", x))
    x = x.reshape(-1, 12, 2, 12, 2, 64).max((2, 4)).reshape(-1, 9216)
    return _linear(p, "8", jax.nn.relu(_linear(p, "6", x)))


def _cnn_channels_last(network: CNN, data: Data) -> tuple[Arrays, NDArray[Any]]:
    """The CNN's parameters and images with the channels as the last axis; the same function as before."""
    blocks, side = len(network.channels), 32 >> len(network.channels)
    moved: dict[str, NDArray[Any]] = dict(data.parameters)
    for i in range(blocks):
        moved[f"{4 * i}.weight"] = moved[f"{4 * i}.weight"].transpose(2, 3, 1, 0)
    last = f"{4 * blocks + 1}.weight"
    weight = moved[last]
    moved[last] = weight.reshape(10, -1, side, side).transpose(0, 2, 3, 1).reshape(weight.shape)
    return moved, data.x.transpose(0, 2, 3, 1)


def _cnn(network: CNN, p: Any, x: Any) -> Any:
    axes = ("NHWC", "HWIO", "NHWC")
    for i, channels in enumerate(network.channels):
        x = jax.lax.conv_general_dilated(x, p[f"{4 * i}.weight"], (1, 1), "SAME", dimension_numbers=axes)
        x = jax.nn.relu(_batch_norm(p, f"{4 * i + 1}", x))
        side = x.shape[1] // 2
        x = x.reshape(-1, side, 2, side, 2, channels).max((2, 4))
    return _linear(p, f"{4 * len(network.channels) + 1}", x.reshape(-1, network.features))


def _batch_norm(p: Any, name: str, x: Any) -> Any:
    """The running statistics, which training does not use, are left out."""
    centred = x - x.mean((0, 1, 2))
    variance = (centred * centred).mean((0, 1, 2))
    return centred * jax.lax.rsqrt(variance + 1e-5) * p[f"{name}.weight"] + p[f"{name}.bias"]


def _norm(p: Any, name: str, x: Any) -> Any:
    centred = x - x.mean(-1, keepdims=True)
    variance = (centred * centred).mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt(variance + 1e-5) * p[f"{name}.weight"] + p[f"{name}.bias"]


def _gpt(network: GPT, p: Any, x: Any) -> Any:
    batch, length = x.shape
    h = p["token.weight"][x] + p["position.weight"]
    for i in range(network.layers):
        name = f"blocks.{i}"
        parts = jnp.split(_linear(p, f"{name}.qkv", _norm(p, f"{name}.norm1", h)), 3, axis=-1)
        q, k, v = (part.reshape(batch, length, network.heads, -1) for part in parts)
        mixed = jax.nn.dot_product_attention(q, k, v, is_causal=True)
        h = h + _linear(p, f"{name}.out", mixed.reshape(batch, length, -1))
        wide = jax.nn.gelu(_linear(p, f"{name}.up", _norm(p, f"{name}.norm2", h)), approximate=True)
        h = h + _linear(p, f"{name}.down", wide)
    head = p["token.weight" if network.tied else "head.weight"]
    return (_norm(p, "norm", h) @ head.T).reshape(-1, network.vocabulary)
