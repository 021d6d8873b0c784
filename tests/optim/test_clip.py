"""Clipping besides its equality with PyTorch: nothing held by others changes, and what is not finite is reported."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import optim
from autograd.tensor import Tensor
from tests.optim.helpers import flattened, give, parameter


def with_gradients(*gradients, dtype="float64"):
    parameters = [parameter(np.zeros(np.shape(g), dtype=dtype)) for g in gradients]
    give(parameters, gradients)
    return parameters


@given(
    st.lists(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=4), min_size=1, max_size=4),
    st.floats(1e-3, 1e3),
    st.sampled_from([1.0, 2.0, 3.0, float("inf")]),
)
def test_the_norm_ends_within_the_limit_in_the_same_direction(gradients, limit, p):
    parameters = with_gradients(*gradients)
    before = flattened(gradients)
    norm = optim.clip_grad_norm_(parameters, limit, norm_type=p)
    after = flattened([q.grad.data for q in parameters])
    np.testing.assert_allclose(norm, np.linalg.norm(before, p), rtol=1e-12)
    assert np.linalg.norm(after, p) <= limit * (1 + 1e-12)
    np.testing.assert_allclose(after, before * min(1, limit / (norm.item() + 1e-6)), rtol=1e-12)


def test_who_holds_the_gradient_keeps_it():
    parameters = with_gradients([3.0, 4.0])
    held = parameters[0].grad
    optim.clip_grad_norm_(parameters, 1.0)
    optim.clip_grad_value_(parameters, 0.1)
    np.testing.assert_array_equal(held.data, [3.0, 4.0])
    assert parameters[0].grad is not held


def test_the_norm_is_a_0d_tensor_and_float32_stays():
    parameters = with_gradients([3.0, 4.0], [[12.0]], dtype="float32")
    norm = optim.clip_grad_norm_(parameters, 1.0)
    assert isinstance(norm, Tensor)
    assert (norm.shape, norm.dtype, norm.item()) == ((), "float32", 13.0)
    assert isinstance(optim.clip_grad_norm_(parameters, 100.0), Tensor)  # nothing to scale
    assert isinstance(optim.clip_grad_norm_([], 1.0), Tensor)
    assert parameters[0].grad.dtype == "float32"


def test_half_precision_does_not_overflow():
    parameters = with_gradients([300.0, 400.0], dtype="float16")
    assert optim.clip_grad_norm_(parameters, 5.0) == 500
    np.testing.assert_allclose(parameters[0].grad.data, [3.0, 4.0], rtol=1e-3)
    assert parameters[0].grad.dtype == "float16"


def test_a_small_factor_keeps_its_digits_in_half_precision():
    parameters = with_gradients(np.full(4, 6e4), dtype="float16")
    optim.clip_grad_norm_(parameters, 0.01)
    np.testing.assert_allclose(parameters[0].grad.data, np.full(4, 0.005), rtol=1e-3)


def test_a_millionth_is_added_to_the_norm_as_in_pytorch():
    parameters = with_gradients([1e-6], dtype="float64")
    optim.clip_grad_norm_(parameters, 1e-6)
    np.testing.assert_allclose(parameters[0].grad.data, [0.5e-6])


def test_one_tensor_missing_and_empty_gradients():
    one, none, empty = parameter(np.zeros(2)), parameter(np.zeros(2)), parameter(np.zeros((0, 3)))
    give([one, none, empty], [[3.0, 4.0], None, np.zeros((0, 3))])
    assert optim.clip_grad_norm_(one, 1.0) == 5
    assert optim.clip_grad_norm_((p for p in [one, none, empty]), 100.0, norm_type=float("inf")) <= 0.8
    assert none.grad is None
    assert optim.clip_grad_norm_([none], 1.0) == 0


def test_values():
    parameters = with_gradients([3.0, -0.5, -9.0])
    optim.clip_grad_value_(parameters, 1.0)
    np.testing.assert_array_equal(parameters[0].grad.data, [1.0, -0.5, -1.0])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_an_error_when_asked(bad):
    parameters = with_gradients([1.0, bad])
    with pytest.raises(RuntimeError, match="some gradient is not finite"):
        optim.clip_grad_norm_(parameters, 1.0, error_if_nonfinite=True)
    assert parameters[0].grad.data[0] == 1.0


def test_nan_spreads_as_in_pytorch():
    parameters = with_gradients([1.0, np.nan], [2.0])
    assert np.isnan(optim.clip_grad_norm_(parameters, 1.0).item())
    assert np.isnan(flattened([p.grad.data for p in parameters])).all()


@pytest.mark.parametrize("dtype", ["int64", "bool", "uint8"])
def test_a_gradient_of_whole_numbers_is_scaled_and_not_made_zero(dtype):
    whole = np.asarray([1, 0, 1], dtype)
    for clip in (optim.clip_grad_norm_, optim.clip_grad_value_):
        p = parameter(np.zeros(3, "float32"))
        p.grad = Tensor(whole)
        clip(p, 0.5)
        assert p.grad.dtype == "float32"
        wanted = 0.5 / (np.sqrt(2) + 1e-6) if clip is optim.clip_grad_norm_ else 0.5
        np.testing.assert_allclose(p.grad.data, whole * wanted, rtol=1e-6)


@pytest.mark.parametrize(
    ("gradient", "message"),
    [
        (np.ones(3), r"parameter\.grad must be a Tensor or None, got a ndarray"),
        ([1.0, 2.0, 3.0], r"parameter\.grad must be a Tensor or None, got a list"),
        (Tensor(np.ones(3, "complex64")), "a parameter of float64 has a gradient of complex64"),
    ],
)
def test_what_is_no_gradient_is_named(gradient, message):
    p = parameter(np.zeros(3))
    p.grad = gradient
    for clip in (optim.clip_grad_norm_, optim.clip_grad_value_):
        with pytest.raises(TypeError, match=message):
            clip([p], 1.0)


@pytest.mark.parametrize("value", ["a", None, True, [1.0]])
def test_what_is_no_number_is_named(value):
    for name, call in (
        ("clip_grad_norm_: max_norm", lambda: optim.clip_grad_norm_([], value)),
        ("clip_grad_norm_: norm_type", lambda: optim.clip_grad_norm_([], 1.0, norm_type=value)),
        ("clip_grad_value_: clip_value", lambda: optim.clip_grad_value_([], value)),
    ):
        with pytest.raises(TypeError, match=re.escape(f"{name} must be a number, got {value!r}, a ")):
            call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: optim.clip_grad_norm_([], -1.0), "max_norm must be at least 0, got -1.0"),
        (lambda: optim.clip_grad_norm_([], 1.0, norm_type=0), "norm_type must be above 0"),
        (lambda: optim.clip_grad_value_([], -1.0), "clip_value must be at least 0"),
    ],
)
def test_mistakes(call, message):
    with pytest.raises(ValueError, match=message):
        call()
