"""Numbers from inside a network, each against what it is by hand."""

from __future__ import annotations

import numpy as np
import pytest

import nn
from autograd.tensor import Tensor
from nn.functional import cross_entropy
from recipe.diagnose.measure import row_cosine
from recipe.inside import host_weights, inside, movements
from tests.recipe.ensemble.nets import drop, net, x_of

LABELS = np.array([0, 1, 2, 1, 0])


def network():
    return net(nn.Linear(4, 6), nn.ReLU(), drop(0.5), nn.Linear(6, 6), nn.Sigmoid(), nn.Linear(6, 3))


def test_against_the_network_taken_apart():
    model, x = network().eval(), x_of(5, 4)
    first = model[0](Tensor(x))
    hidden = model[1](first)
    squashed = model[4](model[3](hidden))
    loss = cross_entropy(model[5](squashed), Tensor(LABELS))
    loss.backward()
    gradients = {name: model[int(name)].weight.grad.numpy() for name in ("0", "3", "5")}
    model.zero_grad()

    found = inside(model.train(), cross_entropy, x, LABELS)
    assert found.loss == pytest.approx(loss.item())
    assert list(found.gradient_norm) == ["0", "3", "5"]
    for name, gradient in gradients.items():
        assert found.gradient_norm[name] == pytest.approx(np.sqrt((gradient**2).sum()), rel=1e-12)
    for name, rows in [("0", x), ("3", hidden.detach().numpy()), ("5", squashed.detach().numpy())]:
        assert found.row_cosine[name] == pytest.approx(row_cosine(rows))
    assert found.active == {"1": (first.detach().numpy() > 0).mean()}
    assert found.dead == {"1": (hidden.detach().numpy() == 0).all(axis=0).mean()}
    out = squashed.detach().numpy()
    assert found.saturated == {"4": ((out < 0.01) | (out > 0.99)).mean()}
    assert 0 < found.active["1"] < 1


def test_the_model_is_left_as_it_was():
    model, x = network().train(), x_of(5, 4)
    model[0].weight.grad = Tensor(np.ones((6, 4)))
    inside(model, cross_entropy, Tensor(x), Tensor(LABELS))
    assert all(module.training for module in model.modules())
    assert (model[0].weight.grad.numpy() == 1).all()
    assert model[3].weight.grad is None
    assert not model[1]._own_hooks().after


def test_movements():
    model = network()
    start = host_weights(model)
    model[3].weight.data[...] *= 1.5
    moved = movements(model, start)
    assert moved == {"0": 0.0, "3": pytest.approx(0.5), "5": 0.0}
