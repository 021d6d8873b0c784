"""On a device the same rules run, in one block, without waiting for it: checked on the guard backend."""

from __future__ import annotations

import numpy as np
import pytest

import optim
from autograd.backend import array_of, to_host
from autograd.tensor import Tensor
from tests.guard import counts

RULES = [
    (optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1, "maximize": True}),
    (optim.Adagrad, {}),
    (optim.Adadelta, {}),
    (optim.RMSprop, {"centered": True, "momentum": 0.5}),
    (optim.RMSprop, {"init": "lecture"}),
    (optim.Adam, {"amsgrad": True}),
    (optim.AdamW, {}),
]
PENALTIES = [
    optim.L2(0.1),
    optim.L1(0.1),
    optim.L1(0.1, mode="proximal"),
    optim.MaxNorm(0.5),
    optim.MaxNorm(1.0, axis=0),
]
SHAPES = [(200, 300), (7,), (), (3, 4)]


def trained(device, rule, options, steps=3):
    """Parameters after some clipped steps, and how often the device was waited for."""
    random = np.random.default_rng(0)
    parameters = [Tensor(random.normal(size=s), device=device, requires_grad=True) for s in SHAPES]
    optimizer = rule(parameters, lr=0.1, penalties=PENALTIES, **options)
    draws = [[random.normal(size=s) for s in SHAPES] for _ in range(steps)]
    gradients = [[Tensor(g, device=device) for g in step] for step in draws]
    before = counts.synchronizations
    for step in gradients:
        for p, g in zip(parameters, step, strict=True):
            p.grad = g
        optim.clip_grad_norm_(parameters, 1.0)
        optim.clip_grad_value_(parameters, 0.5)
        optimizer.step()
    return parameters, optimizer, counts.synchronizations - before


@pytest.mark.parametrize(("rule", "options"), RULES, ids=lambda x: getattr(x, "__name__", ""))
def test_a_device_computes_the_same_and_is_never_waited_for(rule, options, device):
    host, _, _ = trained("cpu", rule, options)
    there, optimizer, waited = trained(device, rule, options)
    assert waited == 0
    for p, q in zip(host, there, strict=True):
        np.testing.assert_allclose(to_host(q.data), p.data, rtol=1e-12, atol=1e-15)
    saved = optimizer.state_dict()
    second = rule(there, **options)
    second.load_state_dict(saved)
    for i, entry in second.state_dict()["state"].items():
        for name, value in entry.items():
            np.testing.assert_array_equal(to_host(value), to_host(saved["state"][i][name]))


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_a_device_finds_the_same_minimum(search, device):
    found = []
    for where in ("cpu", device):
        parameters = [Tensor(np.full(shape, 2.0), device=where, requires_grad=True) for shape in SHAPES[1:]]
        optimizer = optim.LBFGS(parameters, max_iter=4, line_search_fn=search)

        def closure(optimizer=optimizer, parameters=parameters):
            optimizer.zero_grad()
            loss = sum(((p - 1) ** 4).sum() + p.sum() for p in parameters)
            loss.backward()
            return loss

        for _ in range(2):
            optimizer.step(closure)
            optimizer.load_state_dict(optimizer.state_dict())
        found.append([to_host(p.data) for p in parameters])
    for here, there in zip(*found, strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-12)


def test_a_device_gets_one_block(monkeypatch):
    seen = []
    monkeypatch.setattr(optim.SGD, "update", staticmethod(lambda xp, w, g, state, t, **options: seen.append(w.size)))
    trained("guard", optim.SGD, {}, steps=1)
    # One array for the parameters that the penalties of weights concern, one for vectors, which have no max-norm.
    assert sorted(seen) == [8, 60_012]


def test_moving_to_a_device_takes_the_state_along(device):
    stays, moves = (Tensor(np.ones(5), requires_grad=True) for _ in range(2))
    one, two = optim.Adam([stays], lr=0.1), optim.Adam([moves], lr=0.1)
    for where in ("cpu", device):
        moves.data = array_of(moves.data, device=where)
        stays.grad = Tensor(np.linspace(-1, 1, 5))
        moves.grad = Tensor(np.linspace(-1, 1, 5), device=where)
        one.step()
        two.step()
    np.testing.assert_allclose(to_host(moves.data), stays.data, rtol=1e-12)
