"""What the tests of compiled functions share: everything that a training step can change, and how two of it compare.

One idea: `world` writes down all of it as plain arrays and numbers, so that "equal" and "nothing has changed" are one
comparison that forgets nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
import optim
from autograd import Tensor
from autograd.backend import is_array, to_host
from autograd.compile.native import missing
from autograd.random import Generator, default
from tests.opspecs.laws import same_bits

needs_c = pytest.mark.skipif(missing() is not None, reason="needs a C compiler and NumPy's BLAS")


def world(model: Any = None, optimizer: Any = None, *others: Any) -> dict[str, Any]:
    """Parameters, gradients, buffers, optimizer state, the default generator, and `others`: Tensors, generators."""
    found: dict[str, Any] = {"default generator": default.state_dict()}
    if model is not None:
        found["state"] = {name: to_host(tensor.data).copy() for name, tensor in model.state_dict().items()}
        found["gradients"] = {name: _gradient(p) for name, p in model.named_parameters()}
        own = [
            module.generator for module in model.modules() if isinstance(getattr(module, "generator", None), Generator)
        ]
        found["generators"] = [generator.state_dict() for generator in own]
    if optimizer is not None:
        found["optimizer"] = _on_host(optimizer.state_dict())
    for place, other in enumerate(others):
        if isinstance(other, Generator):
            found[f"other {place}"] = other.state_dict()
        else:
            found[f"other {place}"] = {"data": to_host(other.data).copy(), "grad": _gradient(other)}
    return found


def _on_host(state: Any) -> Any:
    """The same dictionaries and lists with all arrays on the host."""
    if isinstance(state, dict):
        return {name: _on_host(value) for name, value in state.items()}
    if isinstance(state, (list, tuple)):
        return type(state)(_on_host(value) for value in state)
    return to_host(state) if is_array(state) else state


def _gradient(tensor: Tensor) -> Any:
    return None if tensor.grad is None else to_host(tensor.grad.data).copy()


def assert_same(found: Any, wanted: Any, where: str = "", rtol: float | None = None) -> None:
    """Equal in structure and, to the last bit or to `rtol`, in every array."""
    if isinstance(wanted, dict):
        assert isinstance(found, dict), where
        assert found.keys() == wanted.keys(), where
        for name in wanted:
            assert_same(found[name], wanted[name], f"{where}[{name!r}]", rtol)
    elif isinstance(wanted, (list, tuple)):
        assert len(found) == len(wanted), where
        for i, (a, b) in enumerate(zip(found, wanted, strict=True)):
            assert_same(a, b, f"{where}[{i}]", rtol)
    elif isinstance(wanted, (np.ndarray, Tensor)):
        assert isinstance(found, (np.ndarray, Tensor)), f"{where}: {found!r}, wanted {wanted!r}"
        if rtol is None:
            assert same_bits(found, wanted), f"{where}: {found!r}, wanted {wanted!r}"
        else:
            a, b = (x.data if isinstance(x, Tensor) else x for x in (found, wanted))
            assert a.shape == b.shape, where
            assert a.dtype == b.dtype, where
            # What is small beside the rest of its array is compared with that.
            largest = float(np.max(np.abs(b[np.isfinite(b)]), initial=1.0))
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * largest, err_msg=where)
    else:
        assert type(found) is type(wanted), f"{where}: {found!r}, wanted {wanted!r}"
        assert found == wanted or found != found, f"{where}: {found!r}, wanted {wanted!r}"


def numbers(*shape: int, seed: int = 0, dtype: str = "float32") -> np.ndarray:
    """Normal numbers, the same ones for a seed."""
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def tensor(*values: Any, dtype: str = "float64", requires_grad: bool = False) -> Tensor:
    """A Tensor of these values."""
    return Tensor(np.array(values, dtype=dtype), requires_grad=requires_grad)


class Training:
    """A small network with everything that a step touches: dropout, batch norm, clipping, Adam; as a function."""

    def __init__(self, seed: int = 0, p: float = 0.25, **options: Any) -> None:
        generator = Generator(seed)
        self.dropout = Generator(seed, stream=7)
        self.model = nn.Sequential(
            nn.Linear(3, 4, generator=generator),
            nn.BatchNorm1d(4),
            nn.ReLU(),
            nn.Dropout(p, generator=self.dropout),
            nn.Linear(4, 2, generator=generator),
        )
        self.optimizer = optim.Adam(self.model.parameters(), lr=0.01, **options)
        self.loss = nn.MSELoss()
        self.rng = np.random.default_rng(seed)

    def step(self, x: Tensor, y: Tensor) -> Tensor:
        """One training step."""
        self.optimizer.zero_grad()
        loss = self.loss(self.model(x), y)
        loss.backward()
        optim.clip_grad_norm_(self.model.parameters(), 0.5)
        self.optimizer.step()
        return loss.detach()

    def batch(self, rows: int = 5, dtype: str = "float32") -> tuple[Tensor, Tensor]:
        """The next inputs and targets."""
        return Tensor(self.rng.normal(size=(rows, 3)).astype(dtype)), Tensor(
            self.rng.normal(size=(rows, 2)).astype(dtype)
        )

    def world(self) -> dict[str, Any]:
        """All that it has."""
        return world(self.model, self.optimizer, self.dropout)


def twins(**options: Any) -> tuple[Training, Training, Any]:
    """Two equal trainings, and the compiled step of the second."""
    first, second = Training(**options), Training(**options)
    return first, second, ag.compile(second.step)


def both_step(first: Training, second: Training, step: Any, rows: int = 5, dtype: str = "float32") -> None:
    """One step as written, one compiled, on one batch; all of it must be equal afterwards."""
    x, y = first.batch(rows, dtype)
    x2, y2 = second.batch(rows, dtype)
    wanted = first.step(x, y)
    assert_same(step(x2, y2), wanted, "loss")
    assert_same(second.world(), first.world())
