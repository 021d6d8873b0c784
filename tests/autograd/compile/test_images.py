"""Pooling and normalisation of images in compiled functions: one instruction each, and the steps of eager code."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
import nn.functional as F
import optim
from autograd import Tensor

from .worlds import assert_same, needs_c, world


def network() -> nn.Module:
    ag.random.seed(0)
    return nn.Sequential(
        *(nn.BatchNorm2d(2), nn.MaxPool2d(3, 2, 1), nn.GroupNorm(2, 2), nn.Dropout2d(0.3), nn.AvgPool2d(2, 1, 1)),
        *(nn.AdaptiveAvgPool2d((2, 1)), nn.Flatten(), nn.Linear(4, 3)),
    )


def trained(executor: str | None) -> tuple[list[float], Any]:
    """Losses of six steps, and the world after them; None for eager code."""
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    rng = np.random.default_rng(1)

    def step(x: Tensor, y: Tensor) -> Tensor:
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    run = step if executor is None else ag.compile(step, executor=executor)
    ag.random.seed(1)
    losses = [
        run(Tensor(rng.normal(size=(5, 2, 7, 6)).astype("float32")), Tensor(rng.integers(0, 3, 5))).item()
        for _ in range(6)
    ]
    return losses, world(model, optimizer)


@pytest.mark.usefixtures("kernels_off")
def test_a_network_of_images_trains_to_the_same_bits() -> None:
    losses, left = trained(None)
    found, theirs = trained("numpy")
    assert found == losses
    assert_same(theirs, left)


def test_a_network_of_images_trains_alike_as_c_and_with_kernels() -> None:
    losses, left = trained(None)
    found, theirs = trained("native")
    np.testing.assert_allclose(found, losses, rtol=1e-4)
    assert_same(theirs["state"], left["state"], rtol=1e-3)


def names(function: Any, x: Tensor) -> Counter[str]:
    compiled = ag.compile(function)
    for _ in range(2):
        compiled(x)
    return Counter(i.name for i in compiled.programs[0].instructions)


def test_pooling_is_one_instruction_forward_and_one_back() -> None:
    def gradient(pool: Any) -> Any:
        def function(x: Tensor) -> Any:
            leaf = Tensor(x, requires_grad=True)
            (g,) = ag.gradients((pool(leaf) ** 2).sum(), [leaf])
            return g

        return function

    x = Tensor(np.random.default_rng(0).normal(size=(2, 3, 4, 4)))
    found = names(gradient(lambda x: F.max_pool2d(x, 2)), x)
    assert (found["pool_places"], found["pool_pick"], found["pool_put"]) == (1, 1, 1)
    found = names(gradient(lambda x: F.avg_pool2d(x, 2)), x)
    assert (found["pool_sum"], found["pool_spread"]) == (1, 1)


def test_the_running_statistics_cost_a_compiled_step_no_second_mean() -> None:
    layer = nn.BatchNorm2d(3)
    found = names(lambda x: layer(x), Tensor(np.ones((2, 3, 4, 4), "float32")))
    assert found["mean"] == 2  # of x and of the squares


@needs_c
@pytest.mark.parametrize("shape", [(4, 24, 20, 21), (4, 24, 420)])
def test_images_that_are_given_back_lie_as_they_were_made(shape: tuple[int, ...]) -> None:
    layer = (nn.Conv1d if len(shape) == 3 else nn.Conv2d)(24, 12, 3, padding=1)
    rng = np.random.default_rng(0)
    x = Tensor(rng.normal(size=shape).astype("float32"), requires_grad=True)
    g = Tensor(rng.normal(size=(4, 12, *shape[2:])).astype("float32"))

    def step(x: Tensor, g: Tensor) -> Any:
        for leaf in (x, *layer.parameters()):
            leaf.grad = None
        out = layer(x)
        out.backward(g)
        return out, out * 2.0

    written = [*step(x, g), x.grad, layer.weight.grad, layer.bias.grad]
    wanted = [result.data.copy() for result in written]
    compiled = ag.compile(lambda g: step(x, g), executor="native")
    addresses = set()
    for _ in range(3):
        found = [*compiled(g), x.grad, layer.weight.grad, layer.bias.grad]
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one.data, other, rtol=1e-3, atol=1e-4)
        for images in (found[0], found[2]):
            assert np.moveaxis(images.data, 1, -1).flags.c_contiguous
        assert layer.weight.grad.data.flags.c_contiguous
        addresses.add(x.grad.data.__array_interface__["data"][0])
        del found, images, one
    assert len(addresses) == 1  # written over, since nobody holds it
    assert "NumPy" not in compiled.explain().split("native:")[1]
