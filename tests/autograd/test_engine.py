"""Backward: every path counted once, whatever the shape of the graph, and clear words where there is no gradient."""

from __future__ import annotations

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, gradients
from autograd.errors import GradientError

from .leaves import leaf, same

# ---- shapes of graphs -----------------------------------------------------------------------------------------------


def test_a_chain_of_300_000_operations_is_walked_and_freed_without_recursion():
    x = leaf(1.0)
    y = x
    for _ in range(300_000):
        y = y + 1.0
    y.backward()
    same(x.grad, 1.0)
    del y


def test_a_diamond_adds_what_comes_along_both_sides():
    x = leaf([1.0, 2.0])
    top = x * 3.0
    (top.exp() + top * top).sum().backward()
    same(x.grad, 3.0 * np.exp([3.0, 6.0]) + 18.0 * np.array([1.0, 2.0]))


def test_diamonds_on_diamonds_are_walked_once_each():
    # 2^60 paths: a walk by paths would never end.
    x = leaf(1.0)
    y = x
    for _ in range(60):
        y = y * 0.5 + y * 0.5
    y.backward()
    same(x.grad, 1.0)


def test_a_node_waits_for_its_youngest_child():
    x = leaf(2.0)
    early = x * x
    late = early * x
    for _ in range(5):
        late = late * 1.0
    (early + late).backward()
    same(x.grad, 2 * 2.0 + 3 * 2.0**2)


def test_one_leaf_in_many_places():
    x = leaf([1.0, 2.0, 3.0])
    y = x * x
    for _ in range(10):
        y = y + x
    (y * x).sum().backward()
    same(x.grad, 3 * x.data**2 + 20 * x.data)


def test_what_two_nodes_hold_is_not_added_into():
    x = leaf([1.0, 2.0])
    a, b = x * 3.0, x * 5.0
    # The youngest sum sends one array to a and to the older sum, which sends it on to a, again, and to b.
    ((a + b) + a).sum().backward()
    same(x.grad, [3.0 + 5.0 + 3.0] * 2)


@pytest.mark.parametrize(
    ("cut", "zeros"),
    [
        (ag.unstack, 0),
        (lambda y: ag.split(y, [1, 3], axis=1), 0),
        (lambda y: (y[..., 2:], y[:, -4:-3], y[:, 1:2], y[:, :0]), 0),
        (lambda y: (y[0], y[2]), 1),
        (lambda y: (y[:, :3], y[2:], y[1]), 1),
        (lambda y: (y[:-1], y[1:], y[:-1], y[0]), 1),  # more than y: what comes then is added
        (lambda y: (y[0, 1], y[None, 1], y[::2]), 1),
    ],
)
def test_the_gradients_of_parts_are_put_into_one_array(cut, zeros, monkeypatch):
    x = leaf(np.arange(12.0).reshape(3, 4))
    loss = sum((part * part * (i + 1.0)).sum() for i, part in enumerate(cut(x * 1.0)))
    (wanted,) = ag.engine.gradients(loss, [x], create_graph=True)
    made = []
    forward = ag.ops.index.put_at.forward
    monkeypatch.setattr(ag.ops.index.put_at, "forward", lambda *given, **how: made.append(1) or forward(*given, **how))
    loss.backward()
    same(x.grad, wanted.data)
    assert len(made) == zeros


def test_parts_of_random_arrays_by_random_cuts():
    rng = np.random.default_rng(0)
    for _ in range(200):
        shape = tuple(rng.integers(0, 4, rng.integers(1, 4)))
        x = leaf(rng.standard_normal(shape))
        y = x * 1.0
        axis = int(rng.integers(len(shape)))
        parts = []
        for _ in range(rng.integers(1, 5)):
            start, stop = sorted(int(n) for n in rng.integers(-4, 5, 2))
            key = slice(start, stop) if rng.random() < 0.7 or not shape[axis] else int(rng.integers(shape[axis]))
            parts.append(y[(..., key, *[slice(None)] * (len(shape) - 1 - axis))])
        parts += ag.unstack(y, axis=axis) if rng.random() < 0.5 else ag.split(y, [1], axis=axis)
        weights = [rng.standard_normal(part.shape) for part in parts]
        wanted = ag.engine.gradients([parts[i] for i in range(len(parts))], [x], weights, create_graph=True)[0]
        ag.backward(parts, weights)
        np.testing.assert_allclose(x.grad.data, wanted.data, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("of_a_leaf", [True, False])
def test_parts_may_overlap_repeat_and_stand_beside_other_uses(of_a_leaf):
    x = leaf(np.arange(5.0))
    y = x if of_a_leaf else x * 1.0
    terms = [y[1:4], y[::2], y[[0, 0, 4]], y * 3.0, y[2], y[[1, 3]], y[y.data > 2.5], y[None, -1:]]
    sum((k + 1.0) * term.sum() for k, term in enumerate(terms)).backward()
    same(x.grad, [2 + 6 + 12, 1 + 12 + 6, 1 + 2 + 12 + 5, 1 + 12 + 6 + 7, 2 + 3 + 12 + 7 + 8])


def test_parts_of_a_tensor_without_axes():
    x = leaf(2.0)
    y = x * x
    (y[...] * 3.0 + y[None][0] + y[()]).backward()
    same(x.grad, 20.0)


def test_joined_parts_lie_in_order_however_their_gradients_do():
    """A compiled step puts them into zeros: its sums of them would round otherwise."""
    x = leaf(np.ones((2, 3, 4)))
    y = x * 1.0
    weights = np.asfortranarray(np.arange(12.0).reshape(2, 3, 2))
    sum((part * weights).sum() for part in (y[..., :2], y[..., 2:])).backward()
    assert x.grad.data.flags.c_contiguous
    same(x.grad, np.concatenate([weights, weights], axis=2))


@pytest.mark.parametrize("key", [True, 1, np.array([True, False]), (0, ...), (0, 1), np.array(1)], ids=repr)
def test_parts_that_are_copies_are_put_back_with_what_is_added(key):
    x = leaf(np.ones((2, 3)))
    y = x * 1.0
    (y[key].sum() + y[key].sum() * 2.0).backward()
    wanted = np.zeros((2, 3))
    wanted[key] = 3.0
    assert x.grad.tolist() == wanted.tolist()


def test_parts_are_not_put_back_where_they_are():
    class Watched(np.ndarray):
        def __setitem__(self, index, value):
            raise AssertionError("written twice")

    total = np.zeros(4).view(Watched)
    ag.ops.index.getitem.rules["x"].gather(total, np.ones(2), (4,), slice(1, 3))
    assert total.tolist() == [0, 1, 1, 0]


def test_the_gradient_of_a_part_is_not_added_into_what_another_node_holds():
    x = leaf([1.0, 2.0])
    a, b = x * 3.0, x * 5.0
    part = a[:1]
    both = a + b  # sends one array to a and to b, before the part sends its own to a
    (both.sum() + part.sum() * 10.0).backward()
    same(x.grad, [3.0 + 5.0 + 30.0, 3.0 + 5.0])


def test_the_gradients_of_parts_have_gradients():
    x = leaf([1.0, 2.0, 3.0])
    first, *_, last = ag.unstack(x * x)
    (g,) = gradients(first * first + first * last, [x], create_graph=True)
    (gradient,) = gradients((g * Tensor(np.array([1.0, 1.0, 10.0]))).sum(), [x])
    # x0^4 + x0^2 x2^2, differentiated along (1, 1, 10) and then by x
    same(gradient, [12 + 2 * 9 + 10 * 4 * 3, 0.0, 4 * 3 + 10 * 2])


def test_a_leaf_can_be_the_root():
    x = leaf(3.0)
    x.backward()
    same(x.grad, 1.0)


def test_several_roots_share_one_walk():
    x = leaf([1.0, 2.0])
    y = x * 2.0
    ag.backward([y.sum(), (y * y).sum(), y], [None, None, np.array([10.0, 20.0])])
    same(x.grad, 2.0 + 8 * x.data + [20.0, 40.0])


def test_the_same_root_twice_counts_twice():
    x = leaf(1.0)
    y = x * 3.0
    ag.backward([y, y], [None, 2.0])
    same(x.grad, 9.0)


# ---- .grad ----------------------------------------------------------------------------------------------------------


def test_gradients_accumulate_over_calls():
    x = leaf([1.0, 2.0])
    for times in (1, 2, 3):
        (x * x).sum().backward()
        same(x.grad, 2 * times * x.data)
    x.grad = None
    (x * x).sum().backward()
    same(x.grad, 2 * x.data)


def test_only_leaves_that_ask_get_a_gradient():
    x, constant = leaf(2.0), Tensor(3.0)
    middle = x * constant
    middle.exp().backward()
    assert constant.grad is None
    assert middle.grad is None
    assert not x.grad.requires_grad


def test_retain_grad_keeps_the_gradient_of_a_result():
    x = leaf(2.0)
    middle = (x * 3.0).retain_grad()
    (middle * middle).backward()
    same(middle.grad, 12.0)
    same(x.grad, 36.0)
    x.retain_grad()
    with pytest.raises(GradientError, match="requires no gradient"):
        Tensor(1.0).retain_grad()


def test_detach_cuts():
    x = leaf(2.0)
    cut = (x * x).detach()
    assert not cut.requires_grad
    assert cut.node is None
    (x * cut).backward()
    same(x.grad, 4.0)


def test_no_grad_records_nothing():
    x = leaf(2.0)
    with ag.no_grad():
        y = x * x
        with ag.enable_grad():
            z = x * x
    assert y.node is None
    assert not y.requires_grad
    assert z.node is not None

    @ag.no_grad()
    def off():
        return x * x

    assert off().node is None
    assert (x * x).node is not None


def test_each_leaf_gets_its_own_dtype():
    a, b = leaf([1.0, 2.0], "float32"), leaf([3.0, 4.0], "float64")
    y = a * b
    assert y.dtype == np.float64
    y.sum().backward()
    assert a.grad.dtype == np.float32
    assert b.grad.dtype == np.float64
    same(a.grad, b.data)


def test_float32_stays_float32_with_python_numbers():
    x = leaf([1.0, 2.0], "float32")
    y = ((2.0 * x + 1) / 3.0 - 0.5) ** 2
    assert y.dtype == np.float32
    y.sum().backward()
    assert x.grad.dtype == np.float32


def test_a_leaf_whose_data_was_replaced_gets_the_gradient_at_the_old_value():
    for create_graph in (False, True):
        x = leaf([1.0, 2.0])
        y = (x * x * x).sum()
        x.data = np.array([10.0, 20.0])
        y.backward(create_graph=create_graph)
        same(x.grad, [3.0, 12.0])
    (second,) = gradients(x.grad.sum(), [x])
    same(second, [6.0, 12.0])


def test_numpy_may_stand_on_either_side():
    x = leaf([1.0, 2.0])
    array = np.array([3.0, 4.0])
    for y in (array * x, x * array, np.float64(2.0) * x):
        assert isinstance(y, Tensor)
    (array * x).sum().backward()
    same(x.grad, array)


# ---- gradients() ----------------------------------------------------------------------------------------------------


def test_gradients_of_leaves_and_results_leave_grad_alone():
    x = leaf([1.0, 2.0])
    before = x * 1.0
    middle = before * 3.0
    y = (middle * middle).sum()
    by_middle, by_x = gradients(y, [middle, x])
    same(by_middle, 6 * x.data)
    same(by_x, 18 * x.data)
    assert x.grad is None


def test_gradients_by_one_input_twice_share_no_memory():
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    for more in (False, True):
        one, two, by_w, missing = gradients(
            (x * x * w).sum(), [x, x, w, leaf(1.0)], create_graph=more, allow_unused=True
        )
        with ag.no_grad():
            one *= 0.0
        same(two, 2 * x.data * w.data)
        same(by_w, x.data**2)
        assert missing is None


def test_gradients_by_a_result_alone_stop_there():
    x = leaf([1.0, 2.0])
    middle = x * 3.0
    (found,) = gradients((middle * middle).sum(), [middle])
    same(found, 6 * x.data)
    middle.sum().backward()  # what made `middle` was not walked, so it is not spent
    same(x.grad, [3.0, 3.0])


def test_gradients_by_an_output_itself():
    x = leaf(2.0)
    y = x * x
    same(gradients(y, [y])[0], 1.0)
    same(gradients(x, [x])[0], 1.0)


def test_gradients_by_an_input_that_is_not_used():
    x, other = leaf(2.0), leaf(3.0)
    with pytest.raises(GradientError, match=r"do not depend on input 1; pass allow_unused=True"):
        gradients(x * x, [x, other])
    found, nothing = gradients(x * x, [x, other], allow_unused=True)
    same(found, 4.0)
    assert nothing is None
    with pytest.raises(GradientError, match="input 0 requires no gradient"):
        gradients(x * x, [Tensor(1.0)])
    assert gradients(x * x, [Tensor(1.0)], allow_unused=True) == [None]


def test_gradients_do_no_work_that_leads_nowhere(counted):
    x, other = leaf(2.0), leaf(3.0)
    y = x
    for _ in range(5):
        y = counted(y)
    for _ in range(7):
        other = counted(other)
    z = y * other
    gradients(z, [x], retain_graph=True)
    assert counted.calls == 5
    gradients(z, [y])
    assert counted.calls == 5
    z = counted(counted(x))
    gradients(z, [z])
    assert counted.calls == 5


def test_a_primitive_computes_no_gradient_for_an_input_without():
    x = leaf([1.0])
    y = x * Tensor([2.0])
    assert y.node.parents[1] is None
    assert set(y.node.saved) == {"x2"}


@pytest.fixture
def counted():
    """A primitive that counts the calls of its rule."""
    from autograd.primitive import elementwise, primitives

    @elementwise
    def counted_copy(xp, x):
        return xp.positive(x)

    def rule(g):
        counted_copy.calls += 1
        return +g

    counted_copy.vjp(rule)
    counted_copy.calls = 0
    yield counted_copy
    del primitives["counted_copy"]


# ---- create_graph ---------------------------------------------------------------------------------------------------


def test_third_derivatives_by_create_graph():
    x = leaf([0.5, 2.0])
    y = (x * x * x * x).sum()
    (first,) = gradients(y, [x], create_graph=True)
    (second,) = gradients(first.sum(), [x], create_graph=True)
    (third,) = gradients(second.sum(), [x])
    same(first, 4 * x.data**3)
    same(second, 12 * x.data**2)
    same(third, 24 * x.data)
    assert not third.requires_grad


def test_backward_with_create_graph_gives_a_gradient_with_a_graph():
    x = leaf([0.5, 2.0])
    x.exp().sum().backward(create_graph=True)
    first = x.grad
    assert first.requires_grad
    x.grad = None
    (first * first).sum().backward()
    same(x.grad, 2 * np.exp(2 * x.data))


def test_create_graph_records_under_no_grad_too():
    x = leaf([1.0, 2.0])
    y = (x * x).sum() + (x * x * x).sum()
    with ag.no_grad():
        (first,) = gradients(y, [x], create_graph=True)
        assert not ag.is_recording()
    (second,) = gradients(first.sum(), [x])
    same(second, 2 + 6 * x.data)


def test_backward_with_create_graph_records_under_no_grad_too():
    x = leaf([1.0, 2.0])
    y = (x * x * x).sum()
    with ag.no_grad():
        y.backward(create_graph=True)
        assert not ag.is_recording()
    (second,) = gradients(x.grad.sum(), [x])
    same(second, 6 * x.data)


def test_the_given_gradient_is_differentiated_too():
    x, weight = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    (first,) = gradients(x * x, [x], weight, create_graph=True)
    (by_weight,) = gradients(first.sum(), [weight])
    same(by_weight, 2 * x.data)


def test_every_order_on_another_device():
    # The device is registered long after the engine was imported, as CuPy is.
    x = Tensor(np.array([0.5, 2.0]), device="guard", requires_grad=True)
    (first,) = gradients((x * x * x).sum(), [x], create_graph=True)
    (second,) = gradients((first * first).sum(), [x], create_graph=True)
    assert second.requires_grad
    assert second.device == x.device
    assert second.tolist() == [36 * 0.5**3, 36 * 2.0**3]
    y = (x * x).sum()
    with ag.no_grad():
        x += 1.0
    with pytest.raises(ag.errors.WrittenError):
        y.backward()
