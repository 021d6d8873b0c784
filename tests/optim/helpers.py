"""What the tests of optim share: parameters with a role, gradients by hand, and the committed references."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from autograd.tensor import Tensor

REFERENCES = json.loads((Path(__file__).parent / "references" / "references.json").read_text())


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
