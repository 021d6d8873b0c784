"""The networks and optimizers in PyTorch's names, for PyTorch and for tapegrad alike.

One idea: tapegrad's names are PyTorch's, so one text is both frameworks' model, and neither gets a better one. What is
handed in is `nn`, `torch.nn` or ours. Read `tapegrad.py` next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .networks import CNN, GPT, MLP, LeNet, Network
from .workloads import Workload

__all__ = ["make_model", "make_optimizer"]

Thirds = Callable[[Any], Sequence[Any]]  # cuts the last axis in three; the one function whose name differs


def make_model(nn: Any, network: Network, thirds: Thirds) -> Any:
    """The module, with parameters named as the data of `network` names them."""
    if isinstance(network, MLP):
        return _mlp(nn, network)
    if isinstance(network, CNN):
        return _cnn(nn, network)
    return _lenet(nn) if isinstance(network, LeNet) else _gpt(nn, network, thirds)


def make_optimizer(optim: Any, workload: Workload, parameters: Iterable[Any], **how: Any) -> Any:
    """The workload's optimizer; `how` goes to its constructor."""
    if workload.optimizer == "sgd":
        return optim.SGD(parameters, lr=workload.lr, momentum=workload.momentum, **how)
    if workload.optimizer == "adam":
        return optim.Adam(parameters, lr=workload.lr, **how)
    return optim.AdamW(parameters, lr=workload.lr, weight_decay=workload.weight_decay, **how)


def _mlp(nn: Any, network: MLP) -> Any:
    layers: list[Any] = []
    for given, out in zip(network.widths, network.widths[1:], strict=False):
        layers += [nn.Linear(given, out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _lenet(nn: Any) -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(9216, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )


def _cnn(nn: Any, network: CNN) -> Any:
    layers: list[Any] = []
    for given, out in zip((3, *network.channels), network.channels, strict=False):
        layers += [nn.Conv2d(given, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(network.features, 10))


def _gpt(nn: Any, network: GPT, thirds: Thirds) -> Any:
    width, heads = network.width, network.heads
    F = nn.functional

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1 = nn.LayerNorm(width)
            self.qkv = nn.Linear(width, 3 * width)
            self.out = nn.Linear(width, width)
            self.norm2 = nn.LayerNorm(width)
            self.up = nn.Linear(width, 4 * width)
            self.down = nn.Linear(4 * width, width)

        def forward(self, x: Any) -> Any:
            batch, length, _ = x.shape
            parts = thirds(self.qkv(self.norm1(x)))
            q, k, v = (part.reshape(batch, length, heads, width // heads).swapaxes(1, 2) for part in parts)
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(mixed.swapaxes(1, 2).reshape(batch, length, width))
            return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token = nn.Embedding(network.vocabulary, width)
            self.position = nn.Embedding(network.length, width)
            self.blocks = nn.Sequential(*(Block() for _ in range(network.layers)))
            self.norm = nn.LayerNorm(width)
            if not network.tied:
                self.head = nn.Linear(width, network.vocabulary, bias=False)

        def forward(self, x: Any) -> Any:
            # Texts are as long as the table of positions, so the table is all positions in order.
            h = self.blocks(self.token(x) + self.position.weight)
            head = self.token if network.tied else self.head
            return F.linear(self.norm(h), head.weight).reshape(-1, network.vocabulary)

    return Model()
