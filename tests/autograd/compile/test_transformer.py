"""A small Transformer in a compiled step: ten steps of AdamW leave what ten steps as written leave."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
import optim
from autograd import Tensor
from autograd.random import Generator
from tests.autograd.compile.worlds import assert_same, world


class Letters(nn.Module):
    """Tokens, learned places, two causal layers with dropout, and a guess of each next token."""

    def __init__(self, norm_first: bool, bias: bool) -> None:
        generator = Generator(0)
        self.tokens = nn.Embedding(5, 8, generator=generator)
        self.places = nn.Embedding(6, 8, generator=generator)
        part = nn.TransformerEncoderLayer(8, 2, 12, 0.1, "gelu", 1e-5, True, norm_first, bias, generator=generator)
        self.body = nn.TransformerEncoder(part, 2, nn.LayerNorm(8))
        self.head = nn.Linear(8, 5, bias=False, generator=generator)

    def forward(self, indices: Tensor) -> Tensor:
        x = self.tokens(indices) + self.places(ag.arange(indices.shape[-1]))
        return self.head(self.body(x, is_causal=True))


class Training:
    """The network with its optimizer."""

    def __init__(self, norm_first: bool, bias: bool) -> None:
        self.model = Letters(norm_first, bias)
        self.optimizer = optim.AdamW(self.model.parameters(), lr=0.01)

    def step(self, x: Tensor, y: Tensor) -> Tensor:
        """One training step."""
        loss = nn.functional.cross_entropy(self.model(x).reshape((-1, 5)), y.reshape(-1))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def train(self, step: Any) -> list[Any]:
        """The loss of each of ten steps, and all that there is at the end."""
        rng = np.random.default_rng(0)
        rows = [(rng.integers(0, 5, (3, 1)) + np.arange(7)) % 5 for _ in range(10)]
        losses = [step(Tensor(x[:, :-1]), Tensor(x[:, 1:])).numpy().copy() for x in rows]
        return [*losses, world(self.model, self.optimizer)]


def compare(norm_first: bool, bias: bool, executor: str, rtol: float | None) -> None:
    as_written, twin = Training(norm_first, bias), Training(norm_first, bias)
    compiled = ag.compile(twin.step, executor=executor)
    wanted = as_written.train(as_written.step)
    assert_same(twin.train(compiled), wanted, "", rtol)
    assert len(compiled.programs) <= 2
    assert wanted[9] < wanted[0]


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.usefixtures("kernels_off")
def test_on_numpy_every_bit_is_the_same(norm_first: bool) -> None:
    compare(norm_first, True, "numpy", None)


@pytest.mark.parametrize("executor", ["numpy", "native"])
def test_with_kernels_and_as_c_it_is_the_same_to_rounding(executor: str) -> None:
    # A bias of keys moves all scores of a row alike: its gradient is 0 but for rounding, and Adam steps by its sign.
    compare(True, False, executor, 1e-5)
