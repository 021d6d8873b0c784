"""Ten healthy runs of which nothing bad may be said: other nets, other optimizers, other data.

One idea: each has something that a careless rule takes for an illness: units that are off (ReLU, dropout, maxout), or
near saturation (sigmoid), few classes and unequal ones, outputs that are no classes, a rate that ends at zero. They
were written down together with the second bank, before anything of it was run. Read `score.py` next.
"""

from __future__ import annotations

from collections.abc import Mapping

import nn
from autograd.random import Generator
from autograd.tensor import Tensor

from .setups import SetUp, by, fit, net

__all__ = ["HEALTHY"]


class Images(nn.Module):
    """Rows of 196 pixels as images of one channel, (N, 1, 14, 14)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(len(x), 1, 14, 14)


def _residual(features: int, outputs: int, seed: int) -> nn.Module:
    """Ten blocks h + W relu(W relu(h)), the outer W being 0 at the start: 22 layers of weights."""
    generator = Generator(seed, stream=2)
    layers: list[nn.Module] = [nn.Linear(features, 64, generator=generator)]
    for _ in range(10):
        inner, outer = nn.Linear(64, 64, generator=generator), nn.Linear(64, 64, generator=generator)
        nn.init.zeros_(outer.weight)
        layers.append(nn.Residual(nn.Sequential(nn.ReLU(), inner, nn.ReLU(), outer)))
    return nn.Sequential(*layers, nn.ReLU(), nn.Linear(64, outputs, generator=generator))


def _cnn(features: int, outputs: int, seed: int) -> nn.Module:
    """Two convolutions with pooling over images of 14 x 14 pixels."""
    generator = Generator(seed, stream=2)
    return nn.Sequential(
        Images(),
        nn.Conv2d(1, 8, 3, generator=generator),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, generator=generator),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, outputs, generator=generator),
    )


def _normalised(features: int, outputs: int, seed: int) -> nn.Module:
    """Three hidden layers with batch normalisation."""
    generator = Generator(seed, stream=2)
    layers: list[nn.Module] = []
    for width in (features, 100, 100):
        layers += [nn.Linear(width, 100, generator=generator), nn.BatchNorm1d(100), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(100, outputs, generator=generator))


HEALTHY: Mapping[str, SetUp] = {
    "mlp": SetUp("fine", fit(30_000, 100, 4) | by("sgd", 0.1, momentum=0.5) | net((256, 256))),
    "maxout": SetUp("fine", fit(20_000, 100, 5) | by("sgd", 0.05) | net((128, 128), "maxout")),
    "sigmoid-adam": SetUp("fine", fit(20_000, 100, 6) | by("adam", 3e-3) | net((128, 128), "sigmoid")),
    "residual": SetUp("fine", fit(20_000, 100, 5) | by("sgd", 0.01, momentum=0.9), network=_residual),
    "cnn": SetUp("fine", fit(8000, 50, 4, "mnist 14x14") | by("adam", 2e-3), network=_cnn),
    "dropout": SetUp("fine", fit(20_000, 100, 6) | by("adam", 1e-3) | net((256, 256), dropout=(0.2, 0.5))),
    "batch-norm": SetUp("fine", fit(20_000, 100, 4) | by("sgd", 0.05, momentum=0.9), network=_normalised),
    "sine": SetUp("fine", fit(None, 32, 40, "sine") | by("adam", 0.01) | net((32, 32), "tanh")),
    "one-in-ten": SetUp("fine", fit(15_000, 100, 5, "is it 8") | by("adam", 1e-3) | net((100,))),
    "spirals-cosine": SetUp("fine", fit(None, 32, 60, "spirals") | by("adam", 0.01, schedule="cosine") | net((64, 64))),
}
