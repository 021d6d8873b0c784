"""A Module as a function of its parameters: what is computed, where gradients go, and that nothing of it stays."""

from __future__ import annotations

import numpy as np
import pytest

import nn
from autograd import ShapeError, Tensor, compile, grad, no_grad
from nn import functional_call

X = Tensor(np.random.default_rng(0).normal(size=(4, 3)))


def doubled(module: nn.Module) -> dict[str, Tensor]:
    return {name: Tensor(p.detach() * 2.0, requires_grad=True) for name, p in module.named_parameters()}


def test_it_computes_with_what_is_given_and_keeps_its_own():
    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh()).double()
    given, before = doubled(model), {name: p.tolist() for name, p in model.named_parameters()}
    out = functional_call(model, given, X)
    wanted = np.tanh(np.asarray(X) @ np.asarray(given["0.weight"].detach()).T + np.asarray(given["0.bias"].detach()))
    np.testing.assert_allclose(out.detach().numpy(), wanted, rtol=1e-14)
    out.sum().backward()
    assert all(t.grad is not None for t in given.values())
    own = dict(model.named_parameters())
    assert {name: p.tolist() for name, p in own.items()} == before
    assert all(p.grad is None and p.node is None and p.requires_grad for p in own.values())


def test_a_shared_parameter_has_all_its_names():
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)).double()
    model[1].weight = model[0].weight
    weight = Tensor(np.eye(3) * 2.0, requires_grad=True)
    for names in (["0.weight"], ["1.weight"], ["1.weight", "0.weight"]):
        out = functional_call(model, dict.fromkeys(names, weight), X)
        np.testing.assert_allclose(out.detach().numpy(), 4 * X.numpy(), rtol=1e-14)
    np.testing.assert_array_equal(functional_call(model, model.state_dict(), X).numpy(), model(X).detach().numpy())
    with pytest.raises(ValueError, match=r"'1.weight' is shared under several names, and they got different"):
        functional_call(model, {"0.weight": weight, "1.weight": weight * 2.0}, X)


def test_what_is_not_named_stays_and_results_may_be_given_too():
    model = nn.Linear(3, 2).double()
    scale = Tensor(2.0, dtype="float64", requires_grad=True)
    out = functional_call(model, {"bias": model.bias.detach() * scale}, (X,))
    out.sum().backward()
    np.testing.assert_allclose(scale.grad.item(), 4 * model.bias.detach().sum().item())
    assert model.weight.grad is not None
    assert model.bias.grad is None


def test_it_is_whole_again_after_an_error():
    model = nn.Linear(3, 2).double()
    weight = model.weight.data
    with pytest.raises(ValueError, match="in_features"):
        functional_call(model, doubled(model), Tensor(np.ones(5)))
    assert model.weight.data is weight
    assert model.weight.node is None


def test_statistics_move_in_what_was_given():
    norm = nn.BatchNorm1d(3).double()
    given = {"running_mean": Tensor(np.zeros(3)), "running_var": Tensor(np.ones(3))}
    functional_call(norm, given, X)
    np.testing.assert_allclose(given["running_mean"].numpy(), 0.1 * np.asarray(X).mean(0))
    assert norm.running_mean.tolist() == [0.0] * 3


def test_in_a_compiled_function():
    model = nn.Linear(3, 2).double()
    slopes = compile(grad(lambda parameters: (functional_call(model, parameters, X) ** 2).sum()))
    given = {name: p.detach() for name, p in doubled(model).items()}
    for _ in range(2):
        found = slopes(given)
        wanted = 2 * functional_call(model, given, X).numpy()
        np.testing.assert_allclose(found["bias"].numpy(), wanted.sum(0))
        with no_grad():
            given["bias"] += 1.0
    assert model.weight.node is None


def test_names_and_shapes_that_do_not_fit_are_refused():
    model = nn.Linear(3, 2)
    with pytest.raises(ValueError, match="Linear has no parameter or buffer 'gain'"):
        functional_call(model, {"gain": Tensor([1.0])}, X)
    with pytest.raises(ShapeError, match=r"'bias' has shape \(2,\), the Tensor for it \(3,\)"):
        functional_call(model, {"bias": Tensor([1.0, 2.0, 3.0])}, X)


@pytest.mark.parametrize(
    ("module", "parameters", "says"),
    [
        (nn.Linear(3, 2), [X], "got a Linear and a list"),
        ({}, nn.Linear(3, 2), "got a dict and a Linear"),
        (nn.Linear(3, 2), {"bias": 1.0}, "'bias' must be a Tensor, got a float"),
        (nn.Linear(3, 2), {"bias": np.zeros(2)}, "'bias' must be a Tensor, got a ndarray"),
    ],
)
def test_what_is_no_module_or_no_tensor_is_told(module, parameters, says):
    with pytest.raises(TypeError, match=says):
        functional_call(module, parameters, X)
