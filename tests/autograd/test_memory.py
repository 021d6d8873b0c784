"""Who holds what: graphs die with their Tensors, and no gradient shares memory with anything else."""

from __future__ import annotations

import contextlib
import gc
import weakref

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, writes
from autograd.primitive import elementwise, primitives

from .leaves import leaf


def garbage_of(step, times):
    """How many objects only the garbage collector can free after `times` steps; the first step may fill caches."""
    step()
    while gc.collect():  # what other tests left, and what that leaves when it goes
        pass
    gc.disable()
    try:
        for _ in range(times):
            step()
        return gc.collect()
    finally:
        gc.enable()


# ---- lifetimes ------------------------------------------------------------------------------------------------------


def training_step(w, b, x):
    hidden = (x @ w + b).exp()
    hidden[0] = hidden[1] * 2.0
    hidden += 1.0
    loss = (hidden * hidden).sum() + (w * w).sum()
    loss.backward()
    with ag.no_grad():
        for p in (w, b):
            p -= 1e-6 * p.grad
            p.grad = None


def test_nothing_is_left_for_the_garbage_collector_after_50_steps():
    w, b = leaf(np.full((3, 4), 0.1)), leaf(np.zeros(4))
    x = Tensor(np.ones((5, 3)))
    assert garbage_of(lambda: training_step(w, b, x), 50) == 0


def test_garbage_is_seen():
    def step():
        circle = []
        circle.append(circle)

    assert garbage_of(step, 3) == 3


@pytest.mark.parametrize("mode", ["never walked", "retained", "create_graph", "anomaly", "error"])
def test_nothing_is_left_whatever_happens_to_a_graph(mode):
    x = leaf([1.0, 2.0])

    def step():
        y = (x.exp() * x).sum()
        if mode == "retained":
            y.backward(retain_graph=True)
        elif mode == "create_graph":
            (first,) = ag.gradients(y, [x], create_graph=True)
            ag.gradients(first.sum(), [x])
        elif mode == "anomaly":
            with ag.anomaly():
                (x * x).sum().backward()
        elif mode == "error":
            y.backward()
            with contextlib.suppress(RuntimeError):
                y.backward()

    assert garbage_of(step, 5) == 0


def test_a_graph_dies_with_its_last_tensor():
    x = leaf([1.0, 2.0])
    y = x.exp()
    node = weakref.ref(y.node)
    z = y.sum()
    del y
    assert node() is not None
    del z
    assert node() is None


def test_backward_drops_the_saved_arrays():
    x = leaf([1.0, 2.0])
    y = x.exp()
    saved = weakref.ref(y.data)
    z = (y * 2.0).sum()
    del y
    assert saved() is not None
    z.backward()
    assert saved() is None


def test_only_what_a_rule_names_is_kept():
    x = leaf([1.0, 2.0])
    inner = x * 3.0
    kept = weakref.ref(inner.data)
    y = inner + 1.0  # the rule of add needs neither of its inputs
    del inner
    assert kept() is None
    assert y.requires_grad


# ---- memory of gradients --------------------------------------------------------------------------------------------

GRAPHS = {
    "sum": lambda a, b: (a + b).sum(),
    "difference": lambda a, b: (a - b).sum(),
    "reshape": lambda a, b: a.reshape(6).reshape(2, 3) + b.reshape(2, 3),
    "transpose": lambda a, b: a.T.T + b.T.T,
    "broadcast": lambda a, b: (a + b).sum(axis=0).broadcast_to((5, 3)),
    "no operation at all": lambda a, b: a,
    "dtype": lambda a, b: a.astype("float64") + b.astype("float64"),
    "slices": lambda a, b: a[:] + b[::-1][::-1],
    "several paths": lambda a, b: a + b + a + a.reshape(2, 3) + b * 1.0 + a,
}


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("name", GRAPHS)
def test_gradients_share_no_memory(name, create_graph):
    a, b = leaf(np.ones((2, 3))), leaf(np.ones((2, 3)))
    y = GRAPHS[name](a, b)
    given = Tensor(np.ones(y.shape))
    incoming = given.data
    y.backward(given, retain_graph=True, create_graph=create_graph)
    arrays = [t.grad.data for t in (a, b) if t.grad is not None]
    first = [g.copy() for g in arrays]
    everything = [*arrays, a.data, b.data, y.data, incoming]
    for i, g in enumerate(arrays):
        assert g.flags.writeable
        assert not any(np.shares_memory(g, other) for j, other in enumerate(everything) if j != i)
    for g in arrays:  # and a second walk is not disturbed by what happens to the gradients of the first
        g[...] = 7.0
    a.grad = b.grad = None
    y.backward(incoming)
    for g, t in zip(first, [t for t in (a, b) if t.grad is not None], strict=True):
        np.testing.assert_array_equal(t.grad.data, g)


def test_gradients_of_results_share_no_memory():
    x = leaf(np.ones((2, 3)))
    first = (x + 0.0).retain_grad()
    second = (first + 0.0).retain_grad()
    y = second.reshape(2, 3)
    given = Tensor(np.ones((2, 3)))
    y.backward(given, retain_graph=True)
    for found in ([x.grad, first.grad, second.grad], ag.gradients(y, [x, first, second, y], given)):
        arrays = [given.data, *(g.data for g in found)]
        for i, a in enumerate(arrays):
            assert not any(np.shares_memory(a, b) for b in arrays[:i])


def test_accumulation_leaves_the_earlier_gradient_alone():
    x = leaf([1.0, 2.0])
    (x * x).sum().backward()
    first = x.grad
    (x * x).sum().backward()
    np.testing.assert_array_equal(first.data, [2.0, 4.0])
    np.testing.assert_array_equal(x.grad.data, [4.0, 8.0])


def test_backward_writes_into_nothing_it_was_given():
    x = leaf([1.0, 2.0])
    incoming = np.array([1.0, 2.0])
    (x + x + x * x).backward(incoming)
    np.testing.assert_array_equal(incoming, [1.0, 2.0])
    np.testing.assert_array_equal(x.data, [1.0, 2.0])


@pytest.mark.parametrize("held", [False, True])
def test_a_leaf_keeps_a_view_whose_memory_nobody_else_holds_and_copies_others(held):
    made = []

    @elementwise
    def turned_rule(xp, x):
        return xp.positive(x)

    @turned_rule.vjp
    def _(g):
        memory = np.ascontiguousarray(g.T)
        made.append(memory.ctypes.data)
        if held:
            made.append(memory)
        return memory.T

    try:
        x = Tensor(np.ones((300, 40)), requires_grad=True)
        turned_rule(x).sum().backward()
    finally:
        del primitives["turned_rule"]
    assert (x.grad.data.ctypes.data == made[0]) is not held
    np.testing.assert_array_equal(x.grad.data, np.ones((300, 40)))


MEMORY = np.zeros(6000)
VIEWS = {  # a function, since pytest holds what it shows of an assert
    "turned": (lambda: np.zeros((2000, 3, 4)).transpose(1, 2, 0), True),
    "axes of length 1": (lambda: np.zeros((1, 6000)).reshape(6000, 1), True),
    "small": (lambda: np.zeros((2, 3, 4)).transpose(1, 2, 0), False),
    "no view": (lambda: np.zeros((2000, 3)), False),
    "a part": (lambda: np.zeros(6000)[1:], False),
    "read only": (lambda: np.broadcast_to(np.zeros(6000), (6000,)), False),
    "one number twice": (lambda: np.ndarray((2000, 2), "float64", np.zeros(4000), strides=(8, 8)), False),
    "memory of others": (lambda: np.frombuffer(bytearray(1 << 15)).reshape(64, 64), False),
    "held": (lambda: MEMORY.reshape(2, 3000), False),
}


@pytest.mark.parametrize("which", VIEWS)
def test_a_view_is_alone_with_all_of_its_memory_or_not(which):
    make, wanted = VIEWS[which]
    found = writes.holds_alone(make())
    assert found is wanted
