"""Softmax along an axis that is not the last, in C: NumPy's numbers, and what C leaves to NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn.functional as F
from autograd import Tensor
from autograd.compile.native import across
from tests.autograd.compile.worlds import needs_c

pytestmark = needs_c

SHAPES = [((8, 21, 20, 15), 1), ((5000, 8), 0), ((3, 2, 700), 1), ((2, 3, 9, 5, 40), -2), ((70, 1, 80), 1)]
STRANGE = [np.inf, -np.inf, np.nan, 1e30, -1e30, 88.8, -104.5]


@pytest.fixture(autouse=True)
def calls(monkeypatch: Any) -> list[str]:
    """What C has done: the folder's tests run on NumPy, these are about C."""
    monkeypatch.delenv("TAPEGRAD_EXECUTOR")
    seen: list[str] = []
    run = across._run
    monkeypatch.setattr(across, "_run", lambda name, *given: seen.append(name) or run(name, *given))
    return seen


def numbers(*shape: int, dtype: str = "float64", seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape, scale=3).astype(dtype)


def both(function: Any, monkeypatch: Any) -> tuple[list[Any], list[Any]]:
    """What the function gives in C, and by NumPy."""
    with np.errstate(all="ignore"):
        found = function()
        monkeypatch.setenv("TAPEGRAD_EXECUTOR", "numpy")
        wanted = function()
        monkeypatch.delenv("TAPEGRAD_EXECUTOR")
    return found, wanted


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("function", [ag.softmax, ag.log_softmax])
def test_softmax_across_is_that_of_numpy(function, shape, axis, dtype, calls, monkeypatch) -> None:
    values, g = numbers(*shape, dtype=dtype), numbers(*shape, dtype=dtype, seed=1)
    flat = np.moveaxis(values, axis, 0).reshape(shape[axis], -1)
    for i, strange in enumerate(STRANGE):
        flat[i % len(flat), i] = strange
    flat[:, -1] = -np.inf
    values = np.moveaxis(flat.reshape(np.moveaxis(values, axis, 0).shape), 0, axis)

    def results() -> list[Any]:
        x = Tensor(values, requires_grad=True)
        out = function(x, axis=axis)
        out.backward(Tensor(g))
        return [out.data, x.grad.data]

    found, wanted = both(results, monkeypatch)
    assert calls == ["softmax", "slope"]
    tolerance = 2e-6 if dtype == "float32" else 1e-14
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=10 * tolerance, atol=10 * tolerance, strict=True)


def test_it_can_be_differentiated_again(calls) -> None:
    values = numbers(4, 5, 300)
    x = Tensor(values, requires_grad=True)

    def penalty(axis: int, x: Any) -> Any:
        (slope,) = ag.grad(lambda x: (ag.softmax(x, axis=axis) ** 2.0).sum(), argnums=(0,))(x)
        return (slope**2.0).sum()

    found = ag.grad(lambda x: penalty(1, x))(x).data
    wanted = ag.grad(lambda x: penalty(-1, x))(Tensor(np.moveaxis(values, 1, -1))).data
    np.testing.assert_allclose(found, np.moveaxis(wanted, -1, 1), rtol=1e-9, atol=1e-12)
    assert "softmax" in calls


def test_threads_change_no_bit(calls, monkeypatch) -> None:
    x = numbers(8, 21, 64, 64, dtype="float32")
    found = ag.softmax(Tensor(x), axis=1).data
    monkeypatch.setattr(across, "parts_of", lambda work, pieces: 1)
    np.testing.assert_array_equal(found, ag.softmax(Tensor(x), axis=1).data)
    assert len(calls) == 2


@pytest.mark.parametrize("order", ["classes in axis 1", "classes last", "every second"])
@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}, {"ignore_index": 3}, {"weight": 7}])
def test_cross_entropy_of_images_is_its_definition(order, options, calls, monkeypatch) -> None:
    values, labels = numbers(4, 7, 12, 20, dtype="float32"), np.random.default_rng(1).integers(0, 7, (4, 12, 20))
    if order == "classes last":
        values = np.ascontiguousarray(values.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    if order == "every second":
        values = np.repeat(values, 2, axis=3)[..., ::2]
    if "weight" in options:
        options = {"weight": Tensor(np.arange(1.0, 8.0, dtype="float32"))}

    def results(dtype: str = "float32", function: Any = F.cross_entropy) -> list[Any]:
        x = Tensor(np.zeros(values.shape, dtype), requires_grad=True)
        x.data = values.astype(dtype)
        given = {name: ag.astype(z, dtype) if isinstance(z, Tensor) else z for name, z in options.items()}
        loss = function(x, Tensor(labels), **given)
        loss.backward()
        return [loss.data, x.grad.data]

    found = results()
    assert calls == ([] if order == "classes last" else ["normalized"])
    for one, other in zip(found, results("float64", F.cross_entropy.definition), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-9)


def test_the_rest_is_left_to_numpy(calls) -> None:
    for values, axis in (
        (numbers(4, 5, 6), 1),
        (numbers(900, 5, 7), 1),
        (numbers(40, 5, 60, dtype="float16"), 1),
        (numbers(40, 5, 60), (1, 2)),
        (numbers(40, 5, 60), None),
        (np.ones((40, 5, 60), "int64"), 1),
        (np.ones((0, 5000, 60)), 1),
    ):
        ag.softmax(Tensor(values), axis=axis)
    assert calls == []
    with pytest.raises(ValueError, match="axis 3 is out of range"):
        ag.softmax(Tensor(numbers(40, 5, 60)), axis=3)
