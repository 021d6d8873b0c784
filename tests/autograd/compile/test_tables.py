"""Tables whose rows lie along several axes in memory: one loop with what else is done there, and the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.compile.native.members import position
from autograd.compile.passes import constants
from benchmarks.speed.networks import GPT

from . import simulated
from .test_cuda import tape


@pytest.mark.parametrize(
    ("rows", "columns", "wanted"),
    [
        ((), 0, "0"),
        ((), 1, "c"),
        (((6, 5),), 1, "r * 5 + c"),
        (((6, 1),), 0, "r"),
        (((3, 0), (2, 7)), 1, "(r % 2) * 7 + c"),
        (((3, 7), (2, 0)), 1, "(r / 2) * 7 + c"),
        (((4, 1), (3, 20), (2, 8)), 1, "(r % 2) * 8 + (r / 2 % 3) * 20 + r / 6 + c"),
    ],
)
def test_the_place_of_an_element(rows: Any, columns: int, wanted: str) -> None:
    found = position(rows, columns)
    assert found == wanted
    strides = [stride for _, stride in rows]
    for r, index in enumerate(np.ndindex(*(n for n, _ in rows))):
        place = sum(i * stride for i, stride in zip(index, strides, strict=True))
        assert eval(found.replace("/", "//"), {"r": r, "c": 3}) == place + 3 * columns


def masked(scores: Any, mask: Any) -> Any:
    return ag.softmax(ag.where(mask, scores, -float("inf")), axis=-1)


def positions(x: Any, table: Any) -> Any:
    return (x + table - ag.mean(x + table, axis=-1, keepdims=True)) * 2.0


def heads(product: Any, scale: Any) -> Any:
    """Numbers of one head after the other, from rows that hold those of all heads."""
    view = ag.permute_dims(ag.reshape(product, (2, 5, 3, 32)), (0, 2, 1, 3))
    return ag.exp(view * 0.5) + scale


CASES = {
    "a mask for all heads": (masked, [(2, 3, 16, 32), np.tri(16, 32, dtype=bool)]),
    "a mask for each of a batch": (masked, [(2, 3, 16, 32), np.tri(32, 32, dtype=bool).reshape(2, 1, 16, 32)]),
    "positions": (positions, [(3, 7, 20), (7, 20)]),
    "heads": (heads, [(2, 5, 96), (2, 3, 5, 32)]),
    "short rows": (masked, [(2, 3, 4, 5), np.tri(4, 5, dtype=bool)]),
}


@simulated.needed
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("device", ["cpu", "guard"])
def test_the_numbers_are_the_same(name: str, device: str, compiling: None) -> None:
    function, given = CASES[name]
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=x).astype("float32") if isinstance(x, tuple) else x for x in given]

    def step(first: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        first.grad, first.requires_grad = None, True
        out = function(first, other)
        (out * out).sum().backward()
        return out.detach(), first.grad

    wanted = step(*map(Tensor, arrays))
    options = {"executor": "native"} if device == "cpu" else {}
    compiled = ag.compile(lambda x, y: step(x.detach(), y), **options)
    found = compiled(*(Tensor(x, device=device) for x in arrays))
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6)


def test_a_mask_is_put_on_in_the_loop_of_softmax() -> None:
    commands = tape(GPT(1, 64, 2, 16, 2, 7), "sgd")
    assert [about for about in commands if " where max isfinite where subtract exp " in about]
    assert "kernel <8 x 256>: 4 x 256, where" not in commands


def test_zeros_of_any_size_are_known_to_be_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    network = GPT(1, 64, 2, 16, 2, 7)
    wanted = tape(network, "sgd")
    monkeypatch.setattr(constants, "_LARGE", 256)  # bytes
    found = [about for about in tape(network, "sgd") if "set_at" in about]
    assert found == [about for about in wanted if "set_at" in about]
