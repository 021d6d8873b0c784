"""Checkpoints: the values and gradients of the call itself, while nothing of it is kept, and what is refused."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

import autograd as ag
import nn
import nn.functional as F
import optim
from autograd import Tensor, compile
from autograd.errors import WrittenError


class Block(nn.Module):
    """A residual block that drops by the default generator, and by one of its own."""

    def __init__(self):
        self.linear = nn.Linear(4, 4)
        self.drops = nn.Sequential(nn.Dropout(0.3), nn.Dropout(0.2, generator=ag.random.Generator(3)))

    def forward(self, x, scale=1.0):
        return x + self.drops(ag.tanh(self.linear(x))) * scale


def outcome(call, order=1):
    """The result, and the gradients of all that it was made of, of a network of which `call` calls the parts."""
    ag.random.seed(0)
    blocks = nn.ModuleList([Block() for _ in range(3)]).to("float64")
    w, x = (Tensor(np.random.default_rng(i).normal(size=(4, 4)), requires_grad=True) for i in range(2))
    h = x @ w
    for block in blocks:
        h = call(block, h, scale=0.5)
    out = call(lambda h: (h @ w).sin(), h)  # w is read before the part, and in it
    leaves = [x, w, *blocks.parameters()]
    found = (out**2).sum()
    for _ in range(order - 1):
        found = sum((g * g).sum() for g in ag.gradients(found, leaves, create_graph=True))
    found.backward()
    return [out.data, *(leaf.grad.data for leaf in leaves)]


def plainly(function, *inputs, **options):
    return function(*inputs, **options)


@pytest.mark.parametrize("order", [1, 2])
def test_values_and_gradients_are_those_of_the_call(order):
    draw = ag.random.default
    wanted, after = outcome(plainly, order), draw.state_dict()
    for one, other in zip(outcome(nn.checkpoint, order), wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=0 if order == 1 else 1e-11, atol=0 if order == 1 else 1e-11)
    assert draw.state_dict() == after


def test_nothing_of_the_part_is_kept():
    alive = []

    def part(x):
        for _ in range(5):
            x = x.sin()
            alive.append(weakref.ref(x.data))  # which the next sine keeps
        return x.sin()

    def kept():
        return sum(array() is not None for array in alive)

    x = Tensor(np.ones(3), requires_grad=True)
    out = part(x)
    assert kept() == 5
    del out
    alive.clear()
    out = nn.checkpoint(part, x)
    assert (len(alive), kept()) == (5, 0)
    out.sum().backward()
    assert (len(alive), kept()) == (10, 0)
    np.testing.assert_array_equal(x.grad.data, ag.grad(lambda x: part(x).sum())(x).data)


def test_a_part_that_draws_nothing_takes_no_generator_back(monkeypatch):
    x = Tensor(np.ones(2), requires_grad=True)
    out = nn.checkpoint(lambda x: x.sin(), x)
    monkeypatch.setattr(ag.random.Generator, "load_state_dict", None)
    out.sum().backward()
    np.testing.assert_array_equal(x.grad.data, np.cos(x.data))


def test_parts_within_parts():
    x = Tensor(np.linspace(0.1, 1, 4), requires_grad=True)

    def inner(x):
        return nn.checkpoint(lambda x: x.sin() * x, x).exp()

    nn.checkpoint(inner, x).sum().backward()
    np.testing.assert_allclose(x.grad.data, ag.grad(lambda x: (x.sin() * x).exp().sum())(x).data)


def test_inputs_may_stand_in_containers_and_several_gradients_may_come():
    x, y = (Tensor(np.full(2, v), requires_grad=True) for v in (2.0, 3.0))
    out = nn.checkpoint(lambda pair, power: pair["x"] ** power * pair["y"][0], {"x": x, "y": [y, None]}, power=2)
    for _ in range(2):
        out.backward(Tensor(np.ones(2)), retain_graph=True)
    np.testing.assert_allclose(x.grad.data, 2 * 2 * 2 * 3)
    np.testing.assert_allclose(y.grad.data, 2 * 4)
    (g,) = ag.gradients(out.sum(), [y])
    np.testing.assert_allclose(g.data, 4)


def test_an_input_that_is_written_into_is_the_one_from_before():
    def part(y):
        y[0] = y[1] * 3
        return y * y

    x = Tensor(np.array([2.0, 5.0]), requires_grad=True)
    nn.checkpoint(part, x * 1).sum().backward()
    np.testing.assert_allclose(x.grad.data, [0, 2 * 5 + 2 * 9 * 5])


def test_a_frozen_part_leads_to_its_input_alone():
    block, x = Block().requires_grad_(False), Tensor(np.ones((1, 4), "float32"), requires_grad=True)
    nn.checkpoint(block, x).sum().backward()
    assert x.grad is not None
    assert all(p.grad is None for p in block.parameters())
    assert nn.checkpoint(block, x.detach()).node is None
    with ag.no_grad():
        assert nn.checkpoint(block, x).node is None


def test_what_gives_its_input_or_a_parameter_is_left_alone():
    x = Tensor(np.ones(2), requires_grad=True)
    y = x * 2
    assert nn.checkpoint(lambda y: y, y) is y
    assert nn.checkpoint(lambda y: x, y) is x


def test_it_is_multiplied_again_as_it_was_before():
    pytest.importorskip("ml_dtypes")
    x = Tensor(np.random.default_rng(0).normal(size=(3, 3)).astype("float32"), requires_grad=True)
    found = []
    for call in (plainly, nn.checkpoint):
        x.grad = None
        with ag.autocast():
            out = call(lambda x: (x @ x).sin(), x)
        out.sum().backward()
        found.append(x.grad.data)
    np.testing.assert_array_equal(*found)


def test_it_trains_compiled_and_in_vmap_as_the_call_does():
    def losses(call, compiled):
        ag.random.seed(0)
        block = Block()
        optimizer = optim.SGD(block.parameters(), lr=0.1)

        def step(x):
            optimizer.zero_grad()
            loss = (call(block, x) ** 2).mean()
            loss.backward()
            optimizer.step()
            return loss

        fast = compile(step) if compiled else step
        ag.random.seed(1)
        return [fast(Tensor(np.ones((2, 4), "float32"))).item() for _ in range(4)]

    wanted = losses(plainly, False)
    assert losses(nn.checkpoint, False) == wanted
    np.testing.assert_allclose(losses(nn.checkpoint, True), wanted, rtol=1e-5)
    square = ag.vmap(ag.grad(lambda x: nn.checkpoint(lambda x: x * x, x).sum()))
    np.testing.assert_allclose(square(Tensor(np.arange(3.0))).data, [0, 2, 4])


def test_what_was_written_since_is_noticed():
    x = Tensor(np.ones(2), requires_grad=True)
    out = nn.checkpoint(lambda x: x * x, x)
    with ag.no_grad():
        x += 1
    with pytest.raises(WrittenError, match="checkpoint needs its inputs for backward"):
        out.sum().backward()


def test_its_inside_is_watched_for_nan():
    x = Tensor(np.zeros(2), requires_grad=True)
    with ag.anomaly(), np.errstate(all="ignore"), pytest.raises(ag.AnomalyError, match="sqrt"):
        nn.checkpoint(lambda x: x.sqrt(), x).sum().backward()


def test_mistakes():
    x = Tensor(np.ones(2), requires_grad=True)
    y = x * 2
    with pytest.raises(ValueError, match=r"reads a Tensor of shape \(2,\) that was computed outside of it: give it as"):
        nn.checkpoint(lambda x: x * y, x)
    with pytest.raises(TypeError, match="the function must give one Tensor, got a tuple: call it outside"):
        nn.checkpoint(lambda x: (x, x * 2), x)
    with pytest.raises(TypeError, match="there is one way here, leave use_reentrant out"):
        nn.checkpoint(F.relu, x, use_reentrant=False)
