"""Live against PyTorch: what a program does with Tensors between the leaf and backward, in the same text for both.

One idea: whoever moves a program here from PyTorch finds the same values and the same gradients, in-place writes and
repeated backwards included. Run by `make test-peers`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch")


def writes_and_reads(x: Any, y: Any) -> Any:
    z = x * 1.0
    z += y
    z[0] *= x[1]
    z[1:] -= z[:-1] * 2.0
    z[-1] = y[0]
    return z * z


def one_leaf_many_times(x: Any, y: Any) -> Any:
    z = x
    for _ in range(4):
        z = z * x + y
    return z + x.detach() * x


def a_branch_without_gradient(x: Any, y: Any) -> Any:
    return x if float(x.detach().sum()) > 100.0 else (x * y.detach()).exp()


def parts(x: Any, y: Any) -> Any:
    return sum(a * b for a, b in zip(x, y, strict=True)) / len(x)


def masked(x: Any, y: Any) -> Any:
    z = x * y
    z[z < 0] = 0.5
    return z.reshape(1, -1) @ z.reshape(-1, 1)


@pytest.mark.parametrize("program", [writes_and_reads, one_leaf_many_times, a_branch_without_gradient, parts, masked])
def test_a_program_has_pytorchs_value_and_gradients(torch: Any, program: Callable[..., Any]) -> None:
    points = [np.array([0.5, -1.5, 2.0]), np.array([1.5, 0.25, -0.75])]
    ours = [ag.Tensor(x, requires_grad=True) for x in points]
    theirs = [torch.tensor(x, requires_grad=True) for x in points]
    y, y_theirs = program(*ours), program(*theirs)
    np.testing.assert_allclose(y.detach().numpy(), y_theirs.detach().numpy(), rtol=1e-13)
    for _ in range(2):  # gradients add up
        y.sum().backward(retain_graph=True)
        y_theirs.sum().backward(retain_graph=True)
    for x, x_theirs in zip(ours, theirs, strict=True):
        assert (x.grad is None) == (x_theirs.grad is None)
        if x.grad is not None:
            np.testing.assert_allclose(x.grad.numpy(), x_theirs.grad.numpy(), rtol=1e-13)


def test_a_gradient_penalty_has_pytorchs_gradient(torch: Any) -> None:
    point = np.array([0.5, -1.5, 2.0])
    x, x_theirs = ag.Tensor(point, requires_grad=True), torch.tensor(point, requires_grad=True)
    (g,) = ag.gradients((x**3).sum() * x.sum(), [x], create_graph=True)
    (g_theirs,) = torch.autograd.grad((x_theirs**3).sum() * x_theirs.sum(), [x_theirs], create_graph=True)
    ((g * g).sum() + x.sum()).backward()
    ((g_theirs * g_theirs).sum() + x_theirs.sum()).backward()
    np.testing.assert_allclose(x.grad.numpy(), x_theirs.grad.numpy(), rtol=1e-13)


@pytest.mark.parametrize("function", ["sign", "floor"])
def test_backward_through_steps_alone_is_refused_where_the_peers_give_zeros(torch: Any, function: str) -> None:
    x = torch.tensor([1.5], requires_grad=True)
    getattr(x, function)().sum().backward()
    assert x.grad.tolist() == [0.0]
    ours = ag.Tensor([1.5], requires_grad=True)
    with pytest.raises(ag.GradientError, match="requires no gradient"):
        getattr(ours, function)().sum().backward()
    assert ag.grad(lambda t: getattr(ag, function)(t).sum())(ours).tolist() == [0.0]
