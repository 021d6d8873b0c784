"""E5, exactly: the updates of L2 and L1 against the lecture's formulas, on single weights and on a network.

One idea: nothing here is left to chance but rounding, so everything is float64 and must agree to 1e-12. Read
`e5_penalties.py` for what the penalties make of a network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import nn
import optim
from autograd import Tensor
from autograd.random import Generator
from recipe.data import Batches
from recipe.diagnose import measure

from .experiment import Numbers
from .setting import digits, network

__all__ = ["LAM", "RATE", "alone", "updates"]

RATE, LAM = 0.1, 0.01
STARTS = (1.5, 0.5)
UPDATES = 2000
LOOK = 100  # updates from one kept value to the next

Array = np.ndarray[Any, Any]


# Single weights, without data


def alone(seed: int) -> Numbers:
    """Weights whose gradient is 0, under each penalty, against the closed forms."""
    w0, t = np.array(STARTS), np.arange(UPDATES + 1)[:, None]
    l2, l1 = path(optim.L2(LAM), w0, UPDATES), path(optim.L1(LAM), w0, UPDATES)
    proximal = path(optim.L1(LAM, mode="proximal"), w0, UPDATES)
    falling = w0 - t * RATE * LAM
    there = falling < 0.5 * RATE * LAM
    two = np.array([0.5, 2.0])
    lost_l2, lost_l1 = (two - path(penalty, two, 1)[1] for penalty in (optim.L2(LAM), optim.L1(LAM)))
    return {
        "l2": np.abs(l2 - (1 - RATE * LAM) ** t * w0).max(),
        "l1_falling": np.abs(l1 - falling)[~there].max(),
        "l1_jumping": np.abs(l1)[there].max(),
        "proximal": np.abs(proximal - np.maximum(falling, 0)).max(),
        "lost_l2": lost_l2,
        "lost_l1": lost_l1,
        "half": slope_of_the_slide(two)[0],
        "starts": STARTS,
        "updates": t[::LOOK, 0],
        "L2": l2[::LOOK].T,
        "L1": l1[::LOOK].T,
    }


def path(penalty: optim.Penalty, start: Array, updates: int) -> Array:
    """The weights before each update and after the last, (updates + 1, weights), where the loss knows none of them."""
    w = nn.Parameter(start)
    w.grad = Tensor(np.zeros_like(start))
    optimizer = optim.SGD([w], lr=RATE, penalties=[penalty])
    seen = [start]
    for _ in range(updates):
        optimizer.step()
        seen.append(w.data.copy())
    return np.stack(seen)


def slope_of_the_slide(start: Array) -> Array:
    """The gradient of the slide's L1 objective, lambda/2 sum |w|, over the lambda sgn(w) of its update."""
    w = nn.Parameter(start)
    (0.5 * LAM * w.abs().sum()).backward()
    assert w.grad is not None
    return np.asarray(w.grad.data / (LAM * np.sign(start)))


# A network, with data


def updates(seed: int) -> Numbers:
    """After 100 batches: penalties against the formulas by hand, and Adam with L2 against AdamW."""

    def sgd(penalty: optim.Penalty) -> list[Array]:
        return trained(seed, lambda model: optim.SGD(model.parameters(), lr=RATE, penalties=[penalty]).step)

    def adam(model: nn.Module) -> Callable[[], Any]:
        return optim.Adam(model.parameters(), lr=1e-3, penalties=[optim.L2(LAM)]).step

    def adamw(model: nn.Module) -> Callable[[], Any]:
        weights, others = (
            [p for p in model.parameters() if (p.role == "weight") is wanted] for wanted in (True, False)
        )
        decayed, spared = {"params": weights, "weight_decay": LAM}, {"params": others, "weight_decay": 0.0}
        return optim.AdamW([decayed, spared], lr=1e-3).step

    coupled, decoupled = trained(seed, adam), trained(seed, adamw)
    return {
        "l2": apart(sgd(optim.L2(LAM)), trained(seed, partial(by_hand, l2_by_hand))),
        "l1": apart(sgd(optim.L1(LAM)), trained(seed, partial(by_hand, l1_by_hand))),
        "adam": measure.movement(coupled, decoupled),
    }


def l2_by_hand(w: Array, g: Array) -> Array:
    """The lecture's update with L2."""
    return (1 - RATE * LAM) * w - RATE * g


def l1_by_hand(w: Array, g: Array) -> Array:
    """The lecture's update with L1."""
    return w - RATE * g - RATE * LAM * np.sign(w)


def by_hand(formula: Callable[[Array, Array], Array], model: nn.Module) -> Callable[[], None]:
    """A step of gradient descent with a formula for the weights; biases have no penalty."""

    def step() -> None:
        for p in model.parameters():
            assert p.grad is not None
            g = p.grad.data
            p.data = formula(p.data, g) if p.role == "weight" else p.data - RATE * g

    return step


def trained(seed: int, make: Callable[[nn.Module], Callable[[], Any]]) -> list[Array]:
    """The weights of a float64 network after 100 batches, where `make(model)` gives what updates it."""
    model = network((128, 128), seed=seed).double()
    step = make(model)
    for x, y in _hundred_batches(seed):
        model.zero_grad()
        nn.functional.cross_entropy(model(Tensor(x)), Tensor(y)).backward()
        step()
    return [p.data for p in model.parameters() if p.role == "weight"]


def _hundred_batches(seed: int) -> Iterator[tuple[Array, Array]]:
    data = digits(seed)
    return iter(Batches(data.x_train.astype(np.float64), data.y_train, 100, generator=Generator(seed, stream=1)))


def apart(one: list[Array], other: list[Array]) -> float:
    """The largest difference between the weights of two networks."""
    return max(float(np.abs(a - b).max()) for a, b in zip(one, other, strict=True))
