"""Live against the installed PyTorch: the committed references are what it gives, and random problems agree too."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import optim
from autograd import Tensor
from tests.optim.helpers import REFERENCES, flattened, give, parameter

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def torch():
    torch = pytest.importorskip("torch")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # NAdam's product of momenta would be float32, whatever the parameters are
    yield torch
    torch.set_default_dtype(before)


@pytest.fixture(scope="module")
def make(torch):
    path = Path(__file__).parent / "references" / "make.py"
    spec = importlib.util.spec_from_file_location("make_references", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def leaves(tree) -> list[float]:
    """All numbers in nested lists and dictionaries, in order."""
    if isinstance(tree, dict):
        return [x for value in tree.values() for x in leaves(value)]
    if isinstance(tree, (list, tuple)):
        return [x for value in tree for x in leaves(value)]
    return [float(tree)] if isinstance(tree, (int, float)) else []


def test_the_committed_references_are_what_pytorch_gives(make):
    built = make.build()
    for key in REFERENCES.keys() - {"torch"}:
        np.testing.assert_allclose(leaves(REFERENCES[key]), leaves(built[key]), rtol=1e-10, atol=1e-13, err_msg=key)


@pytest.mark.parametrize("case", REFERENCES["optimizers"], ids=lambda c: f"{c['name']}-{len(c['options'])}")
@pytest.mark.parametrize("seed", [0, 1])
def test_rules_agree_on_random_problems(torch, case, seed):
    # Unlike the references, these gradients depend on the weights, and one of them is missing now and then.
    random = np.random.default_rng(seed)
    shapes = [(5, 7), (7,), (3, 2, 2), ()]
    start = [random.normal(size=s) for s in shapes]
    ours, theirs = [parameter(w) for w in start], [torch.tensor(w, requires_grad=True) for w in start]
    our_optimizer = getattr(optim, case["name"])(ours, **case["options"])
    their_optimizer = getattr(torch.optim, case["name"])(theirs, **case["options"])
    for _ in range(20):
        noise = [random.normal(size=s) for s in shapes]
        missing = random.random(len(shapes)) < 0.2
        gone = list(zip(noise, missing, strict=True))
        give(ours, [None if m else p.data * 0.1 + n for p, (n, m) in zip(ours, gone, strict=True)])
        for p, (n, m) in zip(theirs, gone, strict=True):
            p.grad = None if m else p.detach() * 0.1 + torch.tensor(n)
        our_optimizer.step()
        their_optimizer.step()
    got, wanted = flattened([p.data for p in ours]), flattened([p.detach().numpy() for p in theirs])
    np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("case", REFERENCES["optimizers"], ids=lambda c: f"{c['name']}-{len(c['options'])}")
def test_a_run_of_pytorchs_goes_on_from_its_state_dict(torch, case):
    random = np.random.default_rng(0)
    shapes = [(5, 7), (7,), ()]
    theirs = [torch.tensor(random.normal(size=s), requires_grad=True) for s in shapes]
    their_optimizer = getattr(torch.optim, case["name"])(theirs, **case["options"])

    def step(ours, optimizers):
        for p, q, g in zip(theirs, ours, [random.normal(size=s) for s in shapes], strict=True):
            p.grad, q.grad = torch.tensor(g), Tensor(g)
        for optimizer in optimizers:
            optimizer.step()

    ours = [parameter(p.detach().numpy().copy()) for p in theirs]
    for _ in range(3):
        step(ours, [their_optimizer])
    ours = [parameter(p.detach().numpy().copy()) for p in theirs]
    our_optimizer = getattr(optim, case["name"])(ours, lr=7.0)
    our_optimizer.load_state_dict(their_optimizer.state_dict())
    for _ in range(3):
        step(ours, [their_optimizer, our_optimizer])
    got, wanted = flattened([p.data for p in ours]), flattened([p.detach().numpy() for p in theirs])
    np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_a_search_of_pytorchs_goes_on_from_its_state_dict(torch, search):
    start = np.random.default_rng(0).normal(size=(4, 3))
    theirs, ours = torch.tensor(start, requires_grad=True), parameter(start.copy())
    their_optimizer = torch.optim.LBFGS([theirs], max_iter=2, history_size=3, line_search_fn=search, lr=0.5)
    our_optimizer = optim.LBFGS([ours])

    def closure(optimizer, w):
        def closure():
            optimizer.zero_grad()
            loss = ((w[1:] - w[:-1] ** 2) ** 2).sum() + ((1 - w) ** 2).sum()
            loss.backward()
            return loss

        return closure

    for _ in range(3):
        their_optimizer.step(closure(their_optimizer, theirs))
    ours.data[...] = theirs.detach().numpy()
    our_optimizer.load_state_dict(their_optimizer.state_dict())
    for _ in range(3):
        losses = [o.step(closure(o, w)).item() for o, w in ((our_optimizer, ours), (their_optimizer, theirs))]
        np.testing.assert_allclose(*losses, rtol=1e-10)
    np.testing.assert_allclose(ours.data, theirs.detach().numpy(), rtol=1e-10, atol=1e-13)
