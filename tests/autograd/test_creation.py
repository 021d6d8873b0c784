"""Creation functions: their dtypes, places and values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor


def same(tensor, expected, dtype):
    assert tensor.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(tensor.detach().numpy(), expected)


def test_filled_tensors_are_float32_unless_their_number_says_otherwise():
    same(ag.zeros((2, 3)), np.zeros((2, 3)), "float32")
    same(ag.ones(3), np.ones(3), "float32")
    same(ag.eye(2, 3, k=1), np.eye(2, 3, 1), "float32")
    same(ag.full((2,), 1.5), [1.5, 1.5], "float32")
    same(ag.full((2,), 3), [3, 3], "int64")
    same(ag.full((2,), True), [True, True], "bool")
    same(ag.full(2, np.float64(1.5)), [1.5, 1.5], "float64")
    same(ag.full(2, 1, dtype="float16"), [1, 1], "float16")
    assert ag.empty((2, 3)).shape == (2, 3)


def test_counted_tensors():
    same(ag.arange(4), [0, 1, 2, 3], "int64")
    same(ag.arange(1, 2, 0.5), [1.0, 1.5], "float32")
    same(ag.arange(5, 0, -2), [5, 3, 1], "int64")
    same(ag.arange(3, dtype="float64"), [0.0, 1.0, 2.0], "float64")
    same(ag.linspace(0, 1, 5), [0, 0.25, 0.5, 0.75, 1], "float32")
    same(ag.linspace(0, 1, 4, endpoint=False, dtype="float64"), [0, 0.25, 0.5, 0.75], "float64")


def test_like_keeps_shape_dtype_and_place():
    x = Tensor(np.ones((2, 3)), device="guard", requires_grad=True)
    for made, value in ((ag.zeros_like(x), 0), (ag.ones_like(x), 1), (ag.full_like(x, 7), 7)):
        assert (made.shape, made.dtype, made.device, made.requires_grad) == ((2, 3), np.float64, "guard", False)
        assert (made.to("cpu").data == value).all()
    assert ag.empty_like(x, dtype="int64").dtype == np.int64
    same(ag.zeros_like(x, device="cpu", requires_grad=True), np.zeros((2, 3)), "float64")
    same(ag.ones_like(np.zeros(2, "float32")), [1, 1], "float32")


@pytest.mark.parametrize(
    "make",
    [
        lambda **how: ag.zeros(2, **how),
        lambda **how: ag.ones(2, **how),
        lambda **how: ag.empty(2, **how),
        lambda **how: ag.full(2, 1.0, **how),
        lambda **how: ag.eye(2, **how),
        lambda **how: ag.arange(2.0, **how),
        lambda **how: ag.linspace(0, 1, 2, **how),
        lambda **how: ag.asarray([1.0, 2.0], **how),
    ],
)
def test_every_creation_function_takes_device_and_requires_grad(make):
    x = make(device="guard", requires_grad=True, dtype="float64")
    assert (x.device, x.requires_grad, x.dtype, x.is_leaf) == ("guard", True, np.float64, True)
    assert not make().requires_grad


def test_asarray_shares_what_it_can_and_copies_when_told():
    array = np.ones(3)
    assert np.shares_memory(ag.asarray(array).data, array)
    assert not np.shares_memory(ag.asarray(array, copy=True).data, array)
    assert not np.shares_memory(ag.asarray(array, dtype="float32").data, array)
    with pytest.raises(ValueError, match="copy=False"):
        ag.asarray(array, dtype="float32", copy=False)
    x = Tensor(array, requires_grad=True)
    assert ag.asarray(x) is x
    assert not np.shares_memory(ag.asarray(x, copy=True).data, x.data)
    ag.asarray(x, dtype="float32").sum().backward()
    assert x.grad.tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(ValueError, match="copy=False"):
        ag.asarray(x, dtype="float32", copy=False)
    assert ag.asarray(Tensor([True]), copy=True).dtype == bool


def test_meshgrid_is_numpys():
    vectors = [np.arange(2.0), np.arange(3.0), np.arange(4.0)]
    for indexing in ("xy", "ij"):
        for n in (0, 1, 2, 3):
            got = ag.meshgrid(*map(Tensor, vectors[:n]), indexing=indexing)
            for tensor, expected in zip(got, np.meshgrid(*vectors[:n], indexing=indexing), strict=True):
                same(tensor, expected, "float64")
    with pytest.raises(ValueError, match="neither"):
        ag.meshgrid(Tensor([1.0]), indexing="yx")


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("executor", [None, "numpy", "native"])
def test_a_matrix_of_numpy_is_an_array_like_any_other(executor: Any) -> None:
    matrix, weights = np.matrix([[1.0, 2.0], [3.0, 4.0]]), ag.Tensor([[1.0, 10.0], [100.0, 1000.0]], dtype="float64")

    def function(given: Any) -> Any:
        products = weights * matrix, weights * given, weights @ given
        return products, ag.grad(lambda w: (w * matrix * w * given).sum())(weights)

    products, slope = (function if executor is None else ag.compile(function, executor=executor))(matrix)
    wanted = weights.data * np.asarray(matrix)
    for product, numbers in zip(products, (wanted, wanted, weights.data @ np.asarray(matrix)), strict=True):
        same(product, numbers, "float64")
    same(slope, 2.0 * wanted * np.asarray(matrix), "float64")
    for made in (ag.Tensor(matrix), ag.asarray(matrix)):
        assert type(made.data) is np.ndarray
        x = made.requires_grad_()
        (x * x).sum().backward()
        same(x.grad, 2.0 * np.asarray(matrix), "float64")


def test_what_has_no_numbers_is_no_array() -> None:
    masked = np.ma.array([1.0, 2.0], mask=[False, True])
    for use in (ag.Tensor, ag.asarray, lambda array: ag.ones(2) * array):
        with pytest.raises(TypeError, match=r"masked entries.*filled"):
            use(masked)
        same(use(np.ma.array([1.0, 2.0])), [1.0, 2.0], "float64")
    for bad in (np.array(["2020-01-01"], "M8[D]"), np.zeros(2, [("a", "i4"), ("b", "f4")]), np.array(["text"])):
        for make in (ag.Tensor, ag.asarray):
            with pytest.raises(TypeError, match="cannot make an array of numbers from"):
                make(bad)


@pytest.mark.parametrize("kind", ["f4", "f8", "i8"])
def test_numbers_whose_bytes_lie_in_the_other_order_are_turned(kind: str) -> None:
    given = np.arange(6, dtype=np.dtype(kind).newbyteorder())
    for made in (ag.Tensor(given), ag.asarray(given), ag.Tensor(given.tolist(), dtype=given.dtype)):
        assert made.dtype.isnative
        assert made.dtype == np.dtype(kind)
        assert made.tolist() == given.tolist()
    with pytest.raises(ValueError, match="copy=False"):
        ag.asarray(given, copy=False)


# DLPack


def test_arrays_of_other_libraries_come_and_go_in_the_same_memory():
    array = np.arange(3.0)
    x = ag.from_dlpack(array)
    array[0] = 7.0
    assert x.tolist() == [7.0, 1.0, 2.0]
    assert np.shares_memory(np.from_dlpack(x), array)
    assert ag.from_dlpack(x) is x
    assert not np.shares_memory(ag.from_dlpack(array, copy=True).data, array)
    assert x.__dlpack_device__() == (1, 0)


def test_dlpack_does_not_leave_a_graph_unseen():
    with pytest.raises(ag.GradientError, match=r"give it tensor\.detach\(\)"):
        np.from_dlpack(Tensor([1.0], requires_grad=True))
    with pytest.raises(TypeError, match="from_dlpack takes an array that speaks DLPack, got list"):
        ag.from_dlpack([1.0])
    with pytest.raises(ValueError, match="copy=False"):
        ag.from_dlpack(np.ones(3), device="guard", copy=False)
