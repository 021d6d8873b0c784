"""anomaly() names the first operation and line that gave NaN or Inf, and guards what backward will need."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import autograd as ag
import nn.functional as F
from autograd import Tensor
from autograd.errors import AnomalyError

from .leaves import leaf


@pytest.fixture(autouse=True)
def quiet():
    with np.errstate(all="ignore"):
        yield


def line_of(word):
    """Where this test's program says a word, as the errors write it."""
    frame = inspect.currentframe().f_back
    lines, first = inspect.getsourcelines(frame.f_code)
    return f"test_anomaly.py:{first + next(i for i, line in enumerate(lines) if f'# {word}' in line)}"


def test_a_nan_born_forward_is_named():
    x = leaf([1.0, -1.0])
    with ag.anomaly():
        y = x * 2.0
        with pytest.raises(AnomalyError) as caught:
            y.log()  # here
    assert str(caught.value).startswith("log gave NaN in the forward pass, from finite inputs, at ")
    assert line_of("here") in str(caught.value)


def test_an_infinity_born_forward_is_named():
    with ag.anomaly(), pytest.raises(AnomalyError, match="exp gave Inf in the forward pass"):
        leaf([1000.0]).exp()
    with ag.anomaly(), pytest.raises(AnomalyError, match="divide gave Inf"):
        Tensor([1.0]) / Tensor([0.0])


def test_what_only_passes_a_nan_on_is_not_blamed():
    x = leaf([float("nan"), 1.0])
    with ag.anomaly():
        y = (x * 2.0).sum()
    assert np.isnan(y.item())


def test_an_infinity_that_was_given_as_a_number_is_not_blamed():
    x, seen = leaf([[0.3, 1.0], [2.0, 0.1]]), Tensor(np.tri(2, dtype=bool))
    with ag.anomaly():
        ag.softmax(ag.where(seen, x, -np.inf)).sum().backward()
        ag.max(ag.pad(x, 1, constant_values=-np.inf), axis=0).sum()
        heads = ag.stack([x, x])
        out = F.scaled_dot_product_attention(heads, heads, x, is_causal=True)  # with one x the definition does it
        (g,) = ag.gradients(out.sum(), [x], create_graph=True)
        (g * g).sum().backward()
        with pytest.raises(AnomalyError, match="exp gave Inf"):
            ag.exp(x * 1e9)


def test_a_nan_born_backward_is_named_with_the_line_that_made_the_node():
    x = leaf([0.0, 1.0])
    with ag.anomaly():
        y = x.sqrt()  # here
        z = (y * 3.0).sum()
        with pytest.raises(AnomalyError) as caught:
            z.backward()
    text = str(caught.value)
    assert text.startswith("the gradient of sqrt gave Inf in the backward pass, for the operation made at ")
    assert line_of("here") in text


def test_a_nan_in_the_second_derivative_is_named():
    x = leaf(0.0)
    with ag.anomaly():
        y = x.abs() * x.sqrt() * x  # finite at 0, with slopes that are not
        with pytest.raises(AnomalyError, match="the gradient of sqrt"):
            ag.gradients(y, [x], create_graph=True)


def test_backward_of_what_was_recorded_outside():
    x = leaf([0.0])
    y = x.sqrt().sum()
    with ag.anomaly(), pytest.raises(AnomalyError, match=r"for an operation recorded outside anomaly\(\)"):
        y.backward()


def test_nothing_is_checked_outside():
    x = leaf([0.0])
    with ag.anomaly():
        pass
    x.sqrt().sum().backward()
    assert np.isinf(x.grad.data).all()


def test_finite_work_is_left_alone():
    x = leaf([1.0, 2.0])
    with ag.anomaly():
        y = (x.exp() * x).sum()
        y.backward()
    np.testing.assert_allclose(x.grad.data, np.exp(x.data) * (1 + x.data))


# ---- saved arrays are read-only -------------------------------------------------------------------------------------


def test_an_unseen_write_fails_where_it_happens():
    x = leaf([1.0, 2.0])
    with ag.anomaly():
        y = (x * x).sum()
        with pytest.raises(ValueError, match="read-only"):
            x.data[0] = 5.0
        y.backward()
        x.data[0] = 5.0


def test_optimizer_steps_work_inside():
    w = leaf([1.0, 2.0])
    with ag.anomaly():
        for _ in range(3):
            (w * w).sum().backward()
            with ag.no_grad():
                w -= 0.25 * w.grad
            w.grad = None
    np.testing.assert_array_equal(w.data, [0.125, 0.25])


def locked(*arrays):
    return [not array.flags.writeable for array in arrays]


def test_arrays_are_given_back_at_the_end_though_the_graph_lives():
    x = leaf([1.0, 2.0])
    with ag.anomaly():
        y = (x * x).sum()
        assert locked(x.data) == [True]
    assert locked(x.data) == [False]
    y.backward()


def test_arrays_are_given_back_after_an_exception():
    x = leaf([1.0, 2.0])
    held = []

    def fail():
        with ag.anomaly():
            held.append((x * x).sum())
            assert locked(x.data) == [True]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert locked(x.data) == [False]
    with ag.anomaly():
        y = (x * x).sum() + (x * 0.0).sqrt().sum()
        with pytest.raises(AnomalyError):
            y.backward()
    assert locked(x.data) == [False]


def test_arrays_are_given_back_when_the_graph_dies_without_backward():
    x = leaf([1.0, 2.0])
    with ag.anomaly():
        y = x * x
        assert locked(x.data) == [True]
        del y
        assert locked(x.data) == [False]


def test_arrays_in_several_nodes_stay_locked_until_the_last():
    x = leaf([1.0, 2.0])
    with ag.anomaly():
        first = (x * x).sum()
        second = (x * x).sum()
        second.backward()
        assert locked(x.data) == [True]
        first.backward()
        assert locked(x.data) == [False]


@pytest.mark.parametrize("view_first", [True, False])
def test_views_and_what_is_behind_them_are_both_given_back(view_first):
    x = leaf([1.0, 2.0, 3.0, 4.0])
    with ag.anomaly():
        view = x.reshape(2, 2)
        first, second = (view, x) if view_first else (x, view)
        y = (first * first).sum()
        (y + (second * second).sum()).backward()
        assert locked(x.data, view.data) == [False, False]
    np.testing.assert_array_equal(x.grad.data, 4 * x.data)


def test_arrays_in_lists_are_locked_too():
    from autograd.primitive import primitive, primitives

    @primitive
    def kept_in_a_list(xp, *xs):
        return sum(xs)

    kept_in_a_list.vjp(lambda g, i, xs: g * xs[i] / xs[i])
    try:
        a, b = leaf([1.0]), leaf([2.0])
        with ag.anomaly():
            y = kept_in_a_list(a, b)
            assert locked(a.data, b.data) == [True, True]
            y.sum().backward()
            assert locked(a.data, b.data) == [False, False]
    finally:
        del primitives["kept_in_a_list"]


def test_an_array_that_was_read_only_before_stays_so():
    x = leaf([1.0, 2.0])
    x.data.flags.writeable = False
    with ag.anomaly():
        (x * x).sum().backward()
    assert locked(x.data) == [True]


def test_retained_graphs_stay_locked_inside_and_not_outside():
    x = leaf([1.0, 2.0])
    with ag.anomaly():
        y = (x * x).sum()
        y.backward(retain_graph=True)
        assert locked(x.data) == [True]
    assert locked(x.data) == [False]
    y.backward()


def test_anomaly_inside_anomaly():
    x = leaf([1.0, 2.0])
    with ag.anomaly():
        y = (x * x).sum()
        with ag.anomaly():
            z = (x.exp() * x).sum()
        assert locked(x.data) == [True]
        (y + z).backward()
        assert locked(x.data) == [False]
