"""Eager arithmetic of arrays that broadcast, and their sums, in C: NumPy's bits, and sums that lose no more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.compile.native import spread, sums
from autograd.ops import short_rows
from tests.autograd.compile.worlds import needs_c
from tests.opspecs.laws import same_bits

pytestmark = needs_c


@pytest.fixture(autouse=True)
def c_is_wanted(monkeypatch: Any) -> None:
    """The folder's tests run on NumPy; these are about C."""
    monkeypatch.delenv("TAPEGRAD_EXECUTOR")


def numbers(*shape: int, dtype: str = "float32") -> Any:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(dtype)


PAIRS = [
    ((5000, 4), (4,)),
    ((5001, 3), (5001, 1)),
    ((3000, 2), (2,)),
    ((3000, 17), (3000, 1)),
    ((40, 1, 7), (1, 70, 7)),
    ((64, 8, 1, 70), (64, 1, 8, 70)),
    ((60, 30, 2, 5), (30, 1, 5)),
    ((40, 9, 8, 2), (40, 1, 8, 1)),
    ((3000, 1), (1, 100)),
    # Long rows, which two threads share.
    ((300, 700), (700,)),
    ((301, 600), (301, 1)),
    ((600, 1), (1, 513)),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_arrays_that_broadcast_have_numpys_bits(left: Any, right: Any, dtype: str) -> None:
    x, y = numbers(*left, dtype=dtype), numbers(*right, dtype=dtype)
    for a, b in ((x, y), (y, x), (np.flip(x, 0), y), (np.asfortranarray(y), x)):
        for name in ("add", "subtract", "multiply"):
            wanted = getattr(np, name)(a, b)
            made = spread._in_c(name, a, b)
            assert made is None or same_bits(Tensor(made), wanted)
            assert same_bits(getattr(ag, name)(Tensor(a), Tensor(b)), wanted)
    assert spread._in_c("multiply", x, y) is not None


@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_the_gradients_are_those_of_numpy(left: Any, right: Any) -> None:
    x, y = (Tensor(numbers(*shape, dtype="float64"), requires_grad=True) for shape in (left, right))
    g = numbers(*np.broadcast_shapes(left, right), dtype="float64")
    (x * y).backward(Tensor(g))
    for found, product in ((x, g * y.data), (y, g * x.data)):
        extra = product.ndim - found.ndim
        axes = tuple(i for i in range(product.ndim) if i < extra or found.shape[i - extra] == 1 != product.shape[i])
        wanted = product.sum(axis=axes).reshape(found.shape)
        np.testing.assert_allclose(found.grad.numpy(), wanted, rtol=1e-12, atol=1e-11)


def test_numpy_says_what_does_not_broadcast_and_does_the_rest() -> None:
    with pytest.raises(ValueError, match="could not be broadcast"):
        ag.add(Tensor(np.ones((5000, 4))), Tensor(np.ones(5)))
    x = np.ones((5000, 4), "float32")
    assert spread._in_c("add", x, np.ones(4)) is None
    assert spread._in_c("add", x.astype("float16"), np.ones(4, "float16")) is None
    assert spread._in_c("add", x, np.ones(8, "float32")[::2]) is None
    assert ag.add(x, np.ones(4)).dtype == "float64"
    assert ag.add(np.ones((0, 70000)), np.ones(70000)).shape == (0, 70000)


@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        *[((20_000, 2), 0), ((9001, 7), 0), ((301, 130), 0), ((300, 256), 0), ((64, 33, 50), 1), ((5000, 3, 3), 1)],
        *[((5, 9000), 1), ((300, 129), -1), ((3, 90, 5, 40), (1, 2)), ((20, 40, 1, 50), (1, 2))],
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_lose_no_more_than_those_of_numpy(shape: Any, axis: Any, dtype: str) -> None:
    x = numbers(*shape, dtype=dtype) + np.asarray(1, dtype)
    exact = x.astype("longdouble").sum(axis)
    found = ag.sum(Tensor(x), axis=axis)
    assert found.dtype == dtype
    lost = abs(found.data - exact).max()
    assert lost <= 2 * abs(x.sum(axis) - exact).max() + np.finfo(dtype).eps * abs(exact).max()
    run = short_rows._run(x, axis)
    assert run is not None
    assert same_bits(found, sums._in_c(x, *run).reshape(found.shape))


def test_a_sum_in_c_passes_on_what_is_not_finite() -> None:
    x = numbers(20_000, 3)
    x[700, 0], x[5, 1], x[6, 1] = np.nan, np.inf, np.inf
    found = ag.sum(Tensor(x), axis=0).data
    assert np.isnan(found[0])
    assert found[1] == np.inf
    assert np.isfinite(found[2])


@pytest.mark.parametrize("shape", [(1000, 1000), (1_000_003,), (7, 11, 4096), (0, 5), ()])
@pytest.mark.parametrize("keepdims", [False, True])
def test_a_whole_array_is_added_up_without_a_loss(shape: Any, keepdims: bool) -> None:
    x = np.full(shape, 0.1, "float32")
    for function, numpys in ((ag.sum, np.sum), (ag.mean, np.mean)):
        if function is ag.mean and not x.size:
            continue
        found, wanted = function(x, keepdims=keepdims), numpys(x.astype("float64"), keepdims=keepdims)
        assert (found.shape, found.dtype) == (wanted.shape, x.dtype)
        np.testing.assert_allclose(found, wanted, rtol=1e-6)  # 32 numbers are added one after the other
        step = ag.compile(lambda x, function=function: function(x, keepdims=keepdims), executor="numpy")
        assert same_bits(step(Tensor(x)), np.asarray(found))
