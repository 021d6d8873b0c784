"""Writing into Tensors: on the record it makes a new value, off it it writes, and a stale backward is refused."""

from __future__ import annotations

import copy
import operator
import pickle
import tracemalloc

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.errors import GradientError, ShapeError, WrittenError
from autograd.writes import mark_written

from .leaves import leaf, same

# ---- on the record --------------------------------------------------------------------------------------------------


def test_assignment_divides_the_gradient_between_old_and_new():
    x, v = leaf([1.0, 2.0, 3.0]), leaf(5.0)
    y = x * 1.0
    y[1] = v
    same(y, [1.0, 5.0, 3.0])
    (y * y).sum().backward()
    same(x.grad, [2.0, 0.0, 6.0])
    same(v.grad, 10.0)


def test_what_used_the_old_value_keeps_it():
    x = leaf([1.0, 2.0, 3.0])
    y = x * 1.0
    before = (y * y).sum()
    part = y[:2]
    y[0] = 10.0
    after = (y * y).sum()
    same(part, [1.0, 2.0])
    (before + after + part.sum()).backward()
    same(x.grad, [2.0 + 0.0 + 1.0, 4.0 + 4.0 + 1.0, 6.0 + 6.0])


PARTS = {
    "a row": lambda x: x[0],
    "a row of rows": lambda x: x[:1][0],
    "the other order": lambda x: x.T,
    "another shape": lambda x: x.reshape(-1),
    "a diagonal": lambda x: ag.diagonal(x),
    "turned round": lambda x: ag.flip(x),
    "a half": lambda x: ag.split(x, 2)[1],
    "one of all": lambda x: ag.unstack(x)[1],
    "while it is gone through": lambda x: next(iter(x)),
    "outside the graph": lambda x: x.detach(),
}


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("take", PARTS.values(), ids=PARTS)
def test_a_write_into_a_part_of_what_is_still_there_is_refused(take, compiled):
    def change(x):
        y = x * 1.0
        take(y)[0] = 5.0
        return y

    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    with pytest.raises(GradientError, match=r"write into that one, x\[0, 1\] = y"):
        (ag.compile(change) if compiled else change)(x)


@pytest.mark.parametrize("take", [PARTS["a row of rows"], PARTS["the other order"], PARTS["outside the graph"]])
def test_under_no_grad_a_write_into_a_part_changes_the_whole(take):
    x = Tensor([[1.0, 2.0], [3.0, 4.0]])
    with ag.no_grad():
        take(x)[0] = 5.0
    assert (x == 5.0).any()


def test_a_part_of_what_is_gone_and_a_copy_take_writes():
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    whole = x.detach().clone()
    gone, copied, bound, picked = (x * 1.0)[0], x[0].clone(), x[0], x[[0]]
    bound += 1.0
    for y in (gone, copied, bound, picked[0].clone()):
        y[1] = 5.0
        same(y, [y.data[0], 5.0])
    picked[0] = 7.0
    same(picked, [[7.0, 7.0]])
    same(x, [[1.0, 2.0], [3.0, 4.0]])
    for twin in (copy.copy(whole[0]), copy.deepcopy(whole[0]), pickle.loads(pickle.dumps(whole[0]))):
        twin[0] = 5.0
        same(twin, [5.0, 2.0])


@pytest.mark.parametrize(
    ("change", "value", "slope"),
    [
        (lambda y, v: y.__iadd__(v), 7.0, (1.0, 1.0)),
        (lambda y, v: y.__isub__(v), -3.0, (1.0, -1.0)),
        (lambda y, v: y.__imul__(v), 10.0, (5.0, 2.0)),
        (lambda y, v: y.__itruediv__(v), 0.4, (0.2, -2.0 / 25.0)),
        (lambda y, v: y.__ipow__(v), 32.0, (80.0, 32.0 * np.log(2.0))),
    ],
)
def test_augmented_assignment_rebinds(change, value, slope):
    x, v = leaf([2.0, 2.0]), leaf(5.0)
    y = x * 1.0
    old_node, old_array = y.node, y.data
    assert change(y, v) is y
    same(y, [value, value])
    assert y.node is not old_node
    np.testing.assert_array_equal(old_array, [2.0, 2.0])
    y.sum().backward()
    same(x.grad, [slope[0]] * 2)
    same(v.grad, 2 * slope[1])


def test_augmented_assignment_used_before_and_after():
    x = leaf([1.0, 2.0])
    y = x * x
    before = y * 3.0
    y += x
    y *= y
    (before + y).sum().backward()
    z = x.data**2 + x.data
    same(x.grad, 6 * x.data + 2 * z * (2 * x.data + 1))


def test_a_plain_tensor_takes_in_the_graph_of_what_is_put_into_it():
    total = Tensor(np.zeros(3))
    x = leaf([1.0, 2.0, 3.0])
    for i in range(3):
        total[i] = x[i] * x[i]
    total += x
    total.sum().backward()
    same(x.grad, 2 * x.data + 1)


def test_a_leaf_that_requires_a_gradient_cannot_be_changed_on_the_record():
    x = leaf([1.0, 2.0])
    with pytest.raises(GradientError, match=r"leaf that requires a gradient .* no_grad\(\)"):
        x += 1.0
    with pytest.raises(GradientError, match=r"into a copy: y = x\.clone\(\)"):
        x[0] = 1.0
    same(x, [1.0, 2.0])
    y = x.clone()
    y[0] = 1.0
    y.sum().backward()
    same(x.grad, [0.0, 1.0])


def test_a_change_of_shape_or_kind_is_no_change_in_place():
    x = Tensor([1.0])
    with pytest.raises(ShapeError, match=r"shape \(1,\) cannot become one of shape \(3,\) in place; write x = x \+ y"):
        x += Tensor([1.0, 2.0, 3.0])
    n = Tensor([1, 2])
    with pytest.raises(TypeError, match="Tensor of int64 cannot take float"):
        n += 0.5
    x += Tensor(np.ones(1))  # float64 into float32 keeps the kind of the left side
    assert x.dtype == np.float32


# ---- off the record -------------------------------------------------------------------------------------------------


def test_under_no_grad_writes_go_into_the_array():
    array = np.array([1.0, 2.0])
    x = ag.asarray(array) if hasattr(ag, "asarray") else Tensor(array)
    x.data = array
    x.requires_grad_()
    view = x.detach()
    with ag.no_grad():
        x += 1.0
        x[0] = 7.0
    assert x.data is array
    same(view, [7.0, 3.0])
    assert x.requires_grad
    assert x.node is None


@pytest.mark.parametrize("key", [1, (1,), (0, 2), (slice(1, 3), 0), np.int64(1), (..., 1)])
def test_under_no_grad_a_part_is_a_view_also_of_one_element(key):
    array = np.zeros((2, 3)) if isinstance(key, tuple) and len(key) > 1 else np.zeros(3)
    wanted, x = array.copy(), Tensor(array)
    wanted[key] += 5.0
    with ag.no_grad():
        part = x[key]
        part += 5.0
    same(x, wanted)


@pytest.mark.parametrize(
    "repeated",
    [
        *(lambda x: ag.tile(x, 1), lambda x: ag.tile(x, (1, 1)), lambda x: ag.repeat(x, 1)),
        *(lambda x: ag.tile(x[:1], 3), lambda x: ag.tile(x, (2, 1)), lambda x: ag.repeat(x[:1], 3)),
    ],
)
def test_what_is_repeated_has_memory_of_its_own(repeated):
    x = Tensor(np.array([1.0, 2.0]))
    y = repeated(x)
    wanted = y.data.copy()
    wanted[0] = 7.0
    with ag.no_grad():
        y[0] = 7.0
    same(y, wanted)
    same(x, [1.0, 2.0])


@pytest.mark.parametrize("name", ["and", "or", "xor", "lshift", "rshift", "matmul", "add", "floordiv", "mod"])
def test_every_augmented_assignment_writes_or_rebinds(name):
    change, array = getattr(operator, f"i{name}"), np.array([[6, 3], [5, 2]])
    wanted = change(array.copy(), array)
    x = Tensor(array)
    held = x.data
    with ag.no_grad():
        assert change(x, Tensor(array)) is x
    assert x.data is held
    same(x, wanted)
    y = Tensor(array)
    held = y.data
    assert change(y, Tensor(array)) is y
    same(y, wanted)
    np.testing.assert_array_equal(held, array)


OTHERS = {
    "a number": 3,
    "an array": np.array([[1.5, -2.0, 0.1], [4.0, 5.0, 0.3]]),
    "one of the dtype": np.array([[1.5, -2.0, 0.1], [4.0, 5.0, 0.3]], "float32"),
    "a row": np.array([1.5, -2.0, 0.1], "float32"),
    "one element": np.array(0.7, "float32"),
    "whole numbers": np.array([[1, 2, 3], [4, 5, 6]]),
}


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv"])
def test_arithmetic_in_place_gives_the_bits_of_that_beside(name, dtype):
    for other in OTHERS.values():
        x = Tensor(np.array([[0.1, 0.2, 0.3], [1.0, 2.0, 7.0]], dtype))
        wanted, held = getattr(operator, name)(x, other).astype(dtype), x.data
        with ag.no_grad():
            assert getattr(operator, f"i{name}")(x, other) is x
        assert x.data is held
        np.testing.assert_array_equal(x.data, wanted.data)


def test_arithmetic_in_place_takes_no_memory():
    x, y = Tensor(np.ones(1 << 18)), Tensor(np.ones(1 << 18))
    tracemalloc.start()
    with ag.no_grad():
        x += y
        x *= 0.5
        x -= y
        x /= y
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < x.data.nbytes / 2
    same(x[:2], [0.0, 0.0])


def test_a_part_is_changed_by_what_overlaps_it_as_by_a_copy():
    x = Tensor(np.arange(6.0))
    with ag.no_grad():
        part = x[1:]
        part += x[:-1]
    same(x, [0.0, 1.0, 3.0, 5.0, 7.0, 9.0])


def test_whole_numbers_take_in_no_value_with_a_gradient():
    x, v = Tensor([1, 2, 3]), leaf(2.5)
    with pytest.raises(GradientError, match=r"Tensor of int64 cannot take in a value that requires a gradient"):
        x[0] = v
    assert x.tolist() == [1, 2, 3]
    x[0] = v.detach()
    assert x.tolist() == [2, 2, 3]


def test_a_product_of_another_shape_is_no_change_in_place():
    x = Tensor(np.ones((2, 3)))
    with pytest.raises(ShapeError, match=r"shape \(2, 3\) cannot become one of shape \(2, 4\) in place"):
        x @= Tensor(np.ones((3, 4)))


def test_an_optimizer_step_by_hand():
    w = leaf([1.0, 2.0])
    for _ in range(3):
        (w * w).sum().backward()
        with ag.no_grad():
            w -= 0.25 * w.grad
        w.grad = None
    same(w, [0.125, 0.25])


# ---- stale saved arrays ---------------------------------------------------------------------------------------------


def add_one(tensor):
    with ag.no_grad():
        tensor += 1.0


def assign(tensor):
    with ag.no_grad():
        tensor[0] = 5.0


def through_a_view(tensor):
    with ag.no_grad():
        part = tensor[:1]
        part += 1.0


def through_detach(tensor):
    with ag.no_grad():
        twin = tensor.detach()
        twin *= 2.0


def by_hand(tensor):
    tensor.data[0] = 9.0
    mark_written(tensor.data)


def by_hand_through_a_view(tensor):
    view = tensor.data[::2]
    view[...] = 0.0
    mark_written(view)


WRITES = [add_one, assign, through_a_view, through_detach, by_hand, by_hand_through_a_view]


@pytest.mark.parametrize("write", WRITES)
def test_a_write_between_forward_and_backward_is_an_error(write):
    w = leaf([1.0, 2.0, 3.0])
    y = (w * w).sum()
    write(w)
    with pytest.raises(WrittenError, match=r"multiply needs its x\d for backward, .* written in place since"):
        y.backward()


def test_a_written_result_is_an_error_too():
    x = leaf([1.0, 2.0])
    y = x.exp()
    z = y.sum()
    with ag.no_grad():
        y[0] = 0.0
    with pytest.raises(WrittenError, match="exp needs its out"):
        z.backward()


def test_the_line_is_named_under_anomaly():
    w = leaf([1.0, 2.0])
    with ag.anomaly():
        y = (w * w).sum()
    add_one(w)
    with pytest.raises(WrittenError, match=r"multiply, made at .*test_writes\.py:\d+, needs"):
        y.backward()


@pytest.mark.parametrize("write", WRITES)
def test_writes_before_forward_or_after_backward_are_fine(write):
    w = leaf([1.0, 2.0, 3.0])
    write(w)
    (w * w).sum().backward()
    write(w)
    (w * w).sum().backward()


@pytest.mark.parametrize("write", WRITES)
def test_writes_elsewhere_are_fine(write):
    other = leaf([1.0, 2.0, 3.0])
    w = leaf([1.0, 2.0, 3.0])
    y = (w * w).sum()
    write(other)
    y.backward()


def test_a_write_into_memory_that_backward_does_not_need_is_fine():
    w = leaf([1.0, 2.0])
    y = (w + w).sum()
    add_one(w)
    y.backward()
    same(w.grad, [2.0, 2.0])


def test_neighbours_in_one_buffer_are_told_apart():
    # An optimizer lays all parameters into one array; a write to one is no write to another.
    buffer = np.arange(6.0)
    a, b = Tensor(np.zeros(3)).requires_grad_(), Tensor(np.zeros(3)).requires_grad_()
    a.data, b.data = buffer[:3], buffer[3:]
    y = (a * a).sum()
    add_one(b)
    y.backward()
    y = (a * a).sum()
    buffer += 1.0
    mark_written(buffer)
    with pytest.raises(WrittenError):
        y.backward()


def test_a_whole_number_that_no_dtype_holds_is_refused_in_words():
    x = Tensor(np.ones(2))
    with ag.no_grad(), pytest.raises(OverflowError, match="a whole number of 1329 bits beside float64"):
        x += 10**400
    same(x, [1.0, 1.0])


def test_many_writes_are_not_forgotten():
    buffer = np.zeros(40)
    views = [buffer[2 * i : 2 * i + 2] for i in range(20)]
    first = Tensor(np.zeros(2)).requires_grad_()
    first.data = views[0]
    y = (first * first).sum()
    for view in views:
        view += 1.0
        mark_written(view)
    with pytest.raises(WrittenError):
        y.backward()


def test_new_memory_at_an_old_address_is_clean():
    for _ in range(50):
        w = leaf(np.ones(1000))
        add_one(w)
        del w
        fresh = leaf(np.ones(1000))
        (fresh * fresh).sum().backward()


# ---- copies ---------------------------------------------------------------------------------------------------------


def test_a_deep_copy_of_a_leaf_shares_nothing():
    x = leaf([1.0, 2.0])
    (x * x).sum().backward()
    twin = copy.deepcopy({"x": x, "again": x})
    assert twin["x"] is twin["again"]
    twin = twin["x"]
    assert twin.requires_grad
    assert not np.shares_memory(twin.data, x.data)
    assert not np.shares_memory(twin.grad.data, x.grad.data)
    add_one(twin)
    same(x, [1.0, 2.0])
    with pytest.raises(GradientError, match=r"only a leaf can be copied deeply; copy tensor\.detach\(\)"):
        copy.deepcopy(x * 2.0)


def test_clone_stays_in_the_graph():
    x = leaf([1.0, 2.0])
    y = x.clone()
    assert not np.shares_memory(y.data, x.data)
    (y * y).sum().backward()
    same(x.grad, [2.0, 4.0])


COLUMNS = [(np.s_[:, 0], np.s_[:, 1]), (np.s_[::2], np.s_[1::2]), (np.s_[::-1, 2], np.s_[::-2, :2])]


@pytest.mark.parametrize(("read", "beside"), COLUMNS)
def test_a_write_beside_what_was_saved_does_no_harm(read, beside):
    """Two columns lie between one another, and share no number."""
    for written in (beside, read):
        x = leaf(np.arange(12.0).reshape(4, 3))
        y = x * 1.0
        z = (y[read] * y[read]).sum()
        with ag.no_grad():
            y[written] = 5.0
        if written is read:
            with pytest.raises(WrittenError):
                z.backward()
        else:
            z.backward()
            expected = np.zeros((4, 3))
            expected[read] = 2 * x.data[read]
            same(x.grad, expected)
