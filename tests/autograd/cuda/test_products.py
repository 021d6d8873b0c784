"""Two arrays as cuBLASLt multiplies them: the right numbers from every view, and copies only where they pay."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

import autograd as ag
import nn
from autograd.cuda import products
from autograd.cuda.operands import broadcast, multiplication, packed
from autograd.cuda.products import ArrayModule, Products
from tests.autograd.cuda.arrays import TOLERANCE, pairs
from tests.guard import GuardArray, GuardSurroundings, Module, guard, surroundings


def on_guard(array: np.ndarray) -> GuardArray:
    return GuardArray(array)  # its strides too


def same(got: GuardArray, wanted: np.ndarray) -> None:
    tolerance = TOLERANCE[wanted.dtype.name]
    assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype)
    np.testing.assert_allclose(got.get().astype(float), wanted.astype(float), rtol=tolerance, atol=tolerance * 4)
    assert not surroundings.library.errors, surroundings.library.errors[0]


@given(pairs())
def test_matmul_is_numpys_from_every_view(pair):
    a, b = (make(np) for make in pair)
    wanted = np.matmul(a.astype(float), b.astype(float)).astype(a.dtype)
    same(guard.matmul(on_guard(a), on_guard(b)), wanted)
    out = on_guard(np.full(wanted.shape[::-1], np.nan, a.dtype).T)  # by columns: it has to be filled afterwards
    assert guard.matmul(on_guard(a), on_guard(b), out=out) is out
    same(out, wanted)


@given(pairs())
def test_a_way_costs_no_more_than_copying_both(pair):
    a, b = (make(np) for make in pair)
    size = a.itemsize
    way = multiplication(
        a.shape, [s // size for s in a.strides], b.shape, [s // size for s in b.strides], "float32", False
    )
    assert len(way.offsets) + 4 * (way.copy_a + way.copy_b) <= 8 + len(_of_packed(a, b).offsets)


def _of_packed(a: np.ndarray, b: np.ndarray):
    return multiplication(a.shape, packed(a.shape), b.shape, packed(b.shape), "float32", False)


def way_of(a: np.ndarray, b: np.ndarray):
    strides = [tuple(s // x.itemsize for s in x.strides) for x in (a, b)]
    return multiplication(a.shape, strides[0], b.shape, strides[1], "float32", False)


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


QKV = zeros(2, 8, 3, 4, 16)  # batch, place, which of three, head, feature
Q, K = QKV[:, :, 0].swapaxes(1, 2), QKV[:, :, 1].swapaxes(1, 2)


@pytest.mark.parametrize(
    ("a", "b", "starts", "batch", "copies"),
    {
        "two matrices": (zeros(3, 4), zeros(4, 5), 1, 1, 0),
        "both transposed": (zeros(4, 3).T, zeros(5, 4).T, 1, 1, 0),
        "columns of a wider matrix": (zeros(3, 9)[:, 2:6], zeros(4, 5), 1, 1, 0),
        "every other row": (zeros(6, 4)[::2], zeros(4, 5), 1, 1, 0),
        "every other column": (zeros(3, 8)[:, ::2], zeros(4, 5), 1, 1, 1),
        "rows backwards": (zeros(3, 4)[::-1], zeros(4, 5), 1, 1, 1),
        "a stack": (zeros(7, 3, 4), zeros(7, 4, 5), 1, 7, 0),
        "a stack of stacks": (zeros(2, 7, 3, 4), zeros(2, 7, 4, 5), 1, 14, 0),
        "one matrix for a stack, at the end": (zeros(2, 7, 3, 4), zeros(4, 5), 1, 1, 0),
        "one matrix for a stack, in front": (zeros(3, 4), zeros(7, 4, 5), 1, 7, 0),
        "a row for each of a stack": (zeros(7, 1, 4), zeros(4, 5), 1, 1, 0),
        "heads of one product": (Q, K.swapaxes(2, 3), 2, 4, 0),
        "heads of many samples": (np.tile(Q, (6, 1, 1, 1)), zeros(12, 4, 16, 8), 1, 48, 0),
        "more heads than loops pay": (zeros(9, 8, 3, 9, 16)[:, :, 0].swapaxes(1, 2), zeros(9, 9, 16, 8), 1, 81, 1),
        "two vectors": (zeros(4), zeros(4), 1, 1, 0),
        "a matrix and a vector with gaps": (zeros(3, 4), zeros(8)[::2], 1, 1, 0),
        "a vector repeated": (np.broadcast_to(zeros(4), (3, 4)), zeros(4, 5), 1, 1, 1),
    }.values(),
)
def test_what_a_product_costs(a, b, starts, batch, copies):
    way = way_of(a, b)
    assert (len(way.offsets), way.product.batch, way.copy_a + way.copy_b) == (starts, batch, copies)


@given(pairs())
def test_shapes_broadcast_as_numpys(pair):
    a, b = (make(np).shape[:-2] for make in pair)
    assert broadcast(a, b) == np.broadcast_shapes(a, b)


def calls_of_the_library(function) -> int:
    before = surroundings.library.calls.count("Matmul")
    function()
    return surroundings.library.calls.count("Matmul") - before


def test_every_product_of_the_engine_ends_there(rng):
    x = ag.Tensor(rng.normal(size=(4, 3)), device="guard", requires_grad=True)
    w = ag.Tensor(rng.normal(size=(5, 3)), device="guard", requires_grad=True)
    b = ag.Tensor(rng.normal(size=5), device="guard", requires_grad=True)
    once = {
        "matmul": lambda: x @ w.mT,
        "tensordot": lambda: ag.tensordot(x, w, axes=(1, 1)),
        "einsum": lambda: ag.einsum("ik,jk->ij", x, w),
        "linear": lambda: nn.functional.linear(x, w, b),
        "linear with relu": lambda: nn.functional.linear(x, w, b, activation="relu"),
    }
    assert {name: calls_of_the_library(function) for name, function in once.items()} == dict.fromkeys(once, 1)
    assert calls_of_the_library(lambda: nn.functional.linear(x, w, b).sum().backward()) == 3
    assert not surroundings.library.errors


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


@pytest.mark.parametrize("activation", [None, "relu"])
@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("shape", [(4, 3), (2, 4, 3), (3,)])
def test_affine_is_one_product_or_else_the_steps(rng, activation, with_bias, shape):
    x, w, b = (rng.normal(size=shape).astype(np.float32) for shape in (shape, (5, 3), (5,)))
    wanted = x @ w.T + (b if with_bias else 0)
    wanted = np.maximum(wanted, 0) if activation else wanted
    lacking = GuardSurroundings()
    lacking.library.without = (2, 4, 6)
    for world in (surroundings, lacking):
        world.library.calls.clear()
        xp = Products(Module(), world)
        bias = on_guard(b) if with_bias else None
        for _ in range(2):
            same(xp.affine(on_guard(x), on_guard(w), bias, activation), wanted)
        assert world.library.calls.count("Matmul") == 2
    fused = with_bias or activation is not None
    assert lacking.library.calls.count("MatmulAlgoGetHeuristic") == 1 + fused, "a refusal is asked for once only"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (np.ones((2, 3), np.int64), np.ones((3, 2), np.int64)),
        (np.ones((2, 3), np.complex64), np.ones((3, 2), np.complex64)),
        (np.ones((2, 3), np.float32), np.ones((3, 2), np.float64)),
        (np.ones((2, 0), np.float32), np.ones((0, 2), np.float32)),
        (np.ones((0, 3), np.float32), np.ones((3, 2), np.float32)),
    ],
)
def test_what_cublaslt_cannot_the_library_does(a, b):
    results = []
    assert calls_of_the_library(lambda: results.append(guard.matmul(on_guard(a), on_guard(b)))) == 0
    np.testing.assert_array_equal(results[0].get(), a @ b)


def test_a_product_without_an_algorithm_is_the_librarys(rng):
    lacking = GuardSurroundings()
    lacking.library.without = (1,)
    xp = Products(Module(), lacking)
    a, b = rng.normal(size=(2, 3)), rng.normal(size=(3, 2))
    for _ in range(2):
        same(xp.matmul(on_guard(a), on_guard(b)), a @ b)
    assert lacking.library.calls.count("MatmulAlgoGetHeuristic") == 1
    assert "Matmul" not in lacking.library.calls


def test_dot_of_more_axes_is_the_librarys(rng):
    a, b = rng.normal(size=(2, 3, 4)), rng.normal(size=(5, 4, 2))
    np.testing.assert_allclose(guard.dot(on_guard(a), on_guard(b)).get(), np.dot(a, b))
    np.testing.assert_allclose(guard.dot(on_guard(a[0]), on_guard(b[0])).get(), a[0] @ b[0])


def test_a_result_may_be_written_over_an_operand(rng):
    a, b = rng.normal(size=(3, 3)), rng.normal(size=(3, 3))
    x = on_guard(a.copy())
    assert guard.matmul(x, on_guard(b), out=x) is x
    np.testing.assert_allclose(x.get(), a @ b)


def test_wrong_shapes_are_refused_with_our_words():
    x = ag.Tensor(np.ones((2, 3), np.float32), device="guard")
    with pytest.raises(ag.ShapeError, match="matmul: the last axis of a, of shape"):
        x @ x
    with pytest.raises(TypeError):
        guard.matmul(on_guard(np.ones((2, 2))), np.ones((2, 2)))


def test_views_that_begin_anywhere_are_told_how_they_are_aligned(rng):
    memory = on_guard(rng.normal(size=64).astype(np.float32))
    for start in range(8):
        a, b = memory[start : start + 12].reshape(3, 4), memory[start + 20 : start + 32].reshape(4, 3)
        same(guard.matmul(a, b), a.get() @ b.get())


def test_ways_are_forgotten_before_they_fill_the_memory(rng, monkeypatch):
    monkeypatch.setattr(products, "MOST", 3)
    xp = Products(Module(), surroundings)
    for n in range(1, 9):
        a, b = rng.normal(size=(2, n)), rng.normal(size=(n, 2))
        same(xp.matmul(on_guard(a), on_guard(b)), a @ b)
    assert len(xp._ways) <= 3


def test_an_array_module_is_the_library_with_our_products(rng):
    library = Module()
    xp = ArrayModule(library, Products(library, surroundings))
    assert xp.exp is library.exp
    assert xp.linalg.det is library.linalg.det
    assert "exp" in vars(xp)
    a = on_guard(rng.normal(size=(2, 2)))
    assert calls_of_the_library(lambda: xp.matmul(a, a)) == 1
    with pytest.raises(AttributeError):
        _ = xp.no_such_function


# How exactly


def test_tf32_only_where_it_is_asked_for(rng):
    a, b = rng.normal(size=(8, 64)).astype(np.float32), rng.normal(size=(64, 8)).astype(np.float32)

    def error() -> float:
        return float(np.abs(guard.matmul(on_guard(a), on_guard(b)).get() - a @ b).max())

    assert error() < 1e-4
    with ag.cuda.matmul_precision("tf32"):
        assert ag.cuda.get_matmul_precision() == "tf32"
        assert error() > 1e-3
        same(guard.matmul(on_guard(a.astype(float)), on_guard(b.astype(float))), a.astype(float) @ b.astype(float))
    assert ag.cuda.get_matmul_precision() == "float32"
    assert error() < 1e-4


def test_the_precision_can_be_set_for_good():
    try:
        ag.cuda.matmul_precision("tf32")
        assert ag.cuda.get_matmul_precision() == "tf32"
    finally:
        ag.cuda.matmul_precision("float32")
    with pytest.raises(ValueError, match='matmul_precision is "float32" or "tf32", got \'high\''):
        ag.cuda.matmul_precision("high")
