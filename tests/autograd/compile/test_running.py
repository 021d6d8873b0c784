"""Running sums, products and recurrences of eager code in C: NumPy's bits, and what C leaves to NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.compile.native import running
from autograd.ops.products import _recurrence
from tests.autograd.compile.worlds import needs_c
from tests.opspecs.laws import same_bits

pytestmark = needs_c

TABLES = [((300, 40), 1), ((303, 41), 0), ((9000,), 0), ((7, 33, 50), 1), ((3, 5, 400, 3), -2), ((9000, 1), 1)]


@pytest.fixture(autouse=True)
def calls(monkeypatch: Any) -> list[str]:
    """What C has done: the folder's tests run on NumPy, these are about C."""
    monkeypatch.delenv("TAPEGRAD_EXECUTOR")
    seen: list[str] = []
    in_c = running._running

    def counted(kind: str, *given: Any) -> Any:
        made = in_c(kind, *given)
        if made is not None:
            seen.append(kind)
        return made

    monkeypatch.setattr(running, "_running", counted)
    return seen


def numbers(*shape: int, dtype: str = "float64") -> Any:
    return np.random.default_rng(len(shape)).normal(size=shape).astype(dtype)


@pytest.mark.parametrize(("shape", "axis"), TABLES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_running_sums_and_products_have_numpys_bits(shape: Any, axis: int, dtype: str, calls: Any) -> None:
    x = numbers(*shape, dtype=dtype)
    x[x > 2] = [np.nan, np.inf][dtype == "float32"]
    with np.errstate(all="ignore"):
        for order in (x, np.flip(x, axis)):
            assert same_bits(ag.cumsum(Tensor(order), axis=axis), np.cumsum(order, axis, float).astype(dtype))
            assert same_bits(ag.cumprod(Tensor(order), axis=axis), np.cumprod(order, axis))
        back = ag.cumsum(Tensor(x), axis=axis, reverse=True)
        assert same_bits(back, np.flip(np.cumsum(np.flip(x, axis), axis, float), axis).astype(dtype))
    assert calls == ["sum", "product"] * 2 + ["sum"]


@pytest.mark.parametrize(("shape", "axis"), TABLES)
@pytest.mark.parametrize("reverse", [False, True])
def test_a_recurrence_is_that_of_numpy(shape: Any, axis: int, reverse: bool, calls: Any, monkeypatch: Any) -> None:
    x, a = numbers(*shape), np.tanh(numbers(*shape)[::-1])
    found = _recurrence(x, a, axis=axis, reverse=reverse)
    assert calls == ["recurrence"]
    monkeypatch.setenv("TAPEGRAD_EXECUTOR", "numpy")
    np.testing.assert_allclose(found, _recurrence(x, a, axis=axis, reverse=reverse), rtol=1e-9, atol=1e-12)
    assert calls == ["recurrence"]


@pytest.mark.parametrize(("shape", "axis"), TABLES)
def test_a_recurrence_of_floats_comes_back_from_beyond_their_range(shape: Any, axis: int, calls: Any) -> None:
    place = np.moveaxis(np.broadcast_to(np.arange(shape[axis]), np.moveaxis(np.empty(shape), axis, -1).shape), -1, axis)
    x, a = numbers(*shape, dtype="float32"), np.array([1e30, 1e30, 1e-30, 1e-30], "float32")[place % 4]
    exact = _recurrence(x.astype("float64"), a.astype("float64"), axis=axis, reverse=True)
    found = _recurrence(x, a, axis=axis, reverse=True)
    assert calls == ["recurrence"] * 2
    inside = np.abs(exact) < 1e38
    np.testing.assert_allclose(found[inside], exact[inside], rtol=1e-6)


def test_the_gradient_of_a_running_product_is_right_at_zeros(calls: Any) -> None:
    x = Tensor(np.where(np.arange(6000) % 7, 1.5, 0.0).reshape(1000, 6), requires_grad=True)
    g = numbers(1000, 6)
    ag.cumprod(x, axis=1).backward(Tensor(g))
    for row, weights, slopes in zip(x.data[:20], g, x.grad.numpy(), strict=False):
        moved = [np.cumprod(np.where(np.arange(6) == i, 1.0, row)) * (np.arange(6) >= i) for i in range(6)]
        np.testing.assert_allclose(slopes, [(weights * m).sum() for m in moved], rtol=1e-13, atol=1e-13)
    assert calls == ["product", "recurrence"]


def test_c_leaves_to_numpy_what_it_cannot_run(calls: Any) -> None:
    ag.cumsum(Tensor(np.ones((90, 90), "float16")), axis=0)
    ag.cumsum(Tensor(np.ones((90, 90), "int64")), axis=0)
    ag.cumsum(Tensor(np.ones(9)))
    ag.cumsum(Tensor(np.ones((0, 9000))), axis=0)
    ag.cumsum(Tensor(np.ones((90, 90))))
    assert not calls
    with pytest.raises(ValueError, match="axis 2 is out of"):
        ag.cumsum(Tensor(np.ones((90, 90))), axis=2)
