"""What the tests of optim share: parameters with a role, gradients by hand, and the committed references."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import optim
from autograd.tensor import Tensor

REFERENCES = json.loads((Path(__file__).parent / "references" / "references.json").read_text())

# Every rule, with options that lead it different ways.
RULES: dict[str, Callable[[Any], optim.Optimizer]] = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.2, weight_decay=0.01),
    "nesterov": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, maximize=True),
    "adagrad": lambda p: optim.Adagrad(p, lr=0.1, lr_decay=0.1),
    "adadelta": lambda p: optim.Adadelta(p, lr=0.5),
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    "lecture": lambda p: optim.RMSprop(p, lr=0.01, init="lecture"),
    "adam": lambda p: optim.Adam(p, lr=0.1, amsgrad=True, weight_decay=0.1),
    "adamw": lambda p: optim.AdamW(p, lr=0.1, penalties=[optim.L1(0.01, "proximal"), optim.L2(0.01)]),
    "nadam": lambda p: optim.NAdam(p, lr=0.1, weight_decay=0.1, penalties=[optim.L1(0.01), optim.MaxNorm(5.0)]),
    "radam": lambda p: optim.RAdam(p, lr=0.1, weight_decay=0.1, decoupled_weight_decay=True),
    "adamax": lambda p: optim.Adamax(p, lr=0.1, weight_decay=0.1),
    "rprop": lambda p: optim.Rprop(p, lr=0.1, step_sizes=(0.02, 0.3)),
}


class WithRole(Tensor):
    """A leaf that says what it is, as nn.Parameter does."""

    def __init__(self, data: Any, role: str) -> None:
        super().__init__(data, requires_grad=True)
        self.role = role


def parameter(data: Any, role: str | None = None) -> Tensor:
    """A leaf that requires grad; arrays keep their dtype."""
    return Tensor(data, requires_grad=True) if role is None else WithRole(data, role)


def give(parameters: list[Tensor], gradients: list[Any]) -> None:
    """Set the gradients by hand; None for a parameter without one."""
    for p, g in zip(parameters, gradients, strict=True):
        p.grad = None if g is None else Tensor(np.asarray(g, dtype=p.dtype))


def weights() -> list[Tensor]:
    """The three parameters of the references, in float64."""
    return [parameter(np.array(w)) for w in REFERENCES["weights"]]


def gradients() -> list[list[np.ndarray]]:
    """The references' gradients: for every step one for each parameter."""
    return [[np.array(g) for g in step] for step in REFERENCES["gradients"]]


def flattened(arrays: list[Any]) -> np.ndarray:
    """All elements of all arrays in one vector."""
    return np.concatenate([np.asarray(a).reshape(-1) for a in arrays])


def name_of(case: dict[str, Any]) -> str:
    """A readable test id for a case of the references."""
    options = ",".join(f"{k}={v}" for k, v in case.get("options", {}).items())
    return f"{case.get('name', '')}({options})"
