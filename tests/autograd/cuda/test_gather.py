"""Parts by positions on a GPU: NumPy's numbers, and NaN where there is no such position.

One idea: every dtype, axis and way to lie is compared with NumPy's take, and a wrong position is seen in what comes of
it, as in the loss of a network whose words are more than its vectors. NumPy gives NaN there where x lies in a larger
array of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
from autograd.cuda.gather import Gather

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def cupy() -> Any:
    ag.Tensor([0.0], device="cuda")
    return __import__("cupy")


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "int8", "uint16", "int64", "bool"])
@pytest.mark.parametrize("positions", [[], [2, 0, -1, 2], [[1, -3], [0, 2]], 1])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_take_gives_numpys_numbers(cupy, dtype, positions, axis):
    x = np.random.default_rng(0).integers(0, 2, (3, 4, 5)).astype(dtype)
    at = np.asarray(positions, "int32")
    for given in (cupy.asarray(x), cupy.asarray(x.T.copy()).T, cupy.asarray(np.repeat(x, 2, axis=2))[:, :, ::2]):
        found = Gather(cupy).take(given, cupy.asarray(at), axis)
        assert found.dtype == x.dtype
        np.testing.assert_array_equal(found.get(), np.take(x, at, axis))


@pytest.mark.parametrize("kind", ["int64", "uint8", "int8"])
def test_a_wrong_position_gives_nan_and_others_their_numbers(cupy, kind):
    x = ag.Tensor(np.arange(6.0).reshape(2, 3), device="cuda")
    at = ag.Tensor(np.array([2, 5, 0, 3], kind), device="cuda")
    wanted = [[2, np.nan, 0, np.nan], [5, np.nan, 3, np.nan]]
    np.testing.assert_array_equal(ag.take(x, at, axis=1).numpy(), wanted)
    np.testing.assert_array_equal(x.T[at].numpy(), np.transpose(wanted))
    if kind != "uint8":
        negative = ag.take(x, ag.Tensor(np.array([-1, -3, -4], kind), device="cuda"), axis=1)
        np.testing.assert_array_equal(negative.numpy(), [[2, 0, np.nan], [5, 3, np.nan]])
    assert ag.take(x.astype("int64"), at, axis=1).tolist() == [[2, 0, 0, 0], [5, 0, 3, 0]]
    none = ag.take(ag.zeros((0, 2), device="cuda"), ag.Tensor(np.array([0], kind), device="cuda"), axis=0)
    np.testing.assert_array_equal(none.numpy(), [[np.nan, np.nan]])


def test_the_numbers_of_a_half_precision_array_are_picked(cupy):
    x = cupy.arange(6).astype(np.dtype(pytest.importorskip("ml_dtypes").bfloat16))
    found = ag.take(ag.Tensor(x), ag.Tensor(np.array([4, 9]), device="cuda"), axis=0)
    assert found.dtype == x.dtype
    np.testing.assert_array_equal(found.numpy().astype(float), [4, np.nan])


def test_a_word_without_a_vector_is_seen_in_the_loss(cupy):
    """Eager and compiled alike, where CuPy's own indexing gives the vector of another word."""
    embedding = nn.Embedding(4, 3, device="cuda")

    def loss(words: Any) -> Any:
        return embedding(words).sum()

    fast = ag.compile(loss)
    for words, is_right in (([0, 3], True), ([0, 4], False), ([0, -5], False)):
        given = ag.Tensor(np.array(words), device="cuda")
        for function in (loss, fast):
            assert bool(np.isfinite(function(given).item())) is is_right


def test_the_gradient_goes_to_the_rows_that_were_picked(cupy):
    x = ag.Tensor(np.ones((3, 2)), device="cuda", requires_grad=True)
    ag.take(x, ag.Tensor(np.array([2, 0, 2]), device="cuda"), axis=0).sum().backward()
    assert x.grad.tolist() == [[1, 1], [0, 0], [2, 2]]


# By an index

S, ALL, REST = slice(0, 4), slice(None), slice(1, 3)
A, B = np.array([1, 5, -4]), np.array([0, 3, 4])
COLUMN, NUMBER, MASK = np.array([[2], [-5]]), np.array(6), np.array([True, False, True, True])
INDICES = {  # for x of shape (4, 4, 4), and the same that reads no more of a larger one
    "all axes": ((A, B, A), (A, B, A)),
    "two axes": ((A, B), (A, B, S)),
    "the last two": ((..., A, B), (S, A, B)),
    "apart": ((A, ALL, B), (A, S, B)),
    "apart by a new axis": ((ALL, A, None, B), (S, A, None, B)),
    "beside a number": ((ALL, 2, A), (S, 2, A)),
    "apart from a number": ((1, ..., A), (1, S, A)),
    "crossed": ((COLUMN, REST, A), (COLUMN, REST, A)),
    "among new axes": ((None, ALL, A, ..., None), (None, S, A, S, None)),
    "one number": ((NUMBER, ALL, 0), (5, S, 0)),
    "in a slice": ((REST, A), (REST, A, S)),
    "beside a mask": ((MASK, A), (np.append(MASK, [False] * 2), A, S)),
    "unsigned": ((ALL, B.astype("uint8"), B.astype("uint64")), (S, B, B)),
}


def _larger(x: Any, index: Any) -> tuple[Any, Any]:
    """x with NaN behind it along every axis, and the index in which what is outside x leads there."""
    around = np.full((6, 6, 6), np.nan)
    around[:4, :4, :4] = x
    places = [isinstance(part, np.ndarray) and part.dtype != bool for part in index]
    inner = [
        np.where((part >= -4) & (part < 4), part % 4, 5) if place else part
        for part, place in zip(index, places, strict=True)
    ]
    return around, tuple(inner)


def _filled(index: Any, arrays: Any) -> Any:
    """The index with these in the place of its arrays."""
    rest = iter(arrays)
    return tuple(next(rest) if isinstance(part, np.ndarray) else part for part in index)


def _arrays(index: Any) -> list[Any]:
    return [part for part in index if isinstance(part, np.ndarray)]


def _on_gpu(arrays: Any) -> list[Any]:
    return [ag.Tensor(array, device="cuda") for array in arrays]


@pytest.mark.parametrize("name", INDICES)
def test_an_index_reads_nan_where_a_position_is_outside(cupy, name):
    x = np.random.default_rng(0).normal(size=(4, 4, 4))
    index, same = INDICES[name]
    around, within = _larger(x, same)
    at = _filled(index, _on_gpu(_arrays(index)))
    for given in (ag.Tensor(x, device="cuda"), ag.Tensor(x.T.copy(), device="cuda").permute_dims((2, 1, 0))):
        np.testing.assert_array_equal(given[at].numpy(), around[within])
        assert (given.astype("int64")[at].numpy() == np.nan_to_num(around[within]).astype("int64")).all()


@pytest.mark.parametrize("name", [name for name in INDICES if "mask" not in name])
def test_a_compiled_index_reads_nan_there_as_well(cupy, name):
    x = np.random.default_rng(0).normal(size=(4, 4, 4))
    index, same = INDICES[name]
    around, within = _larger(x, same)
    read = ag.compile(lambda x, *arrays: x[_filled(index, arrays)])
    arrays, given = _arrays(index), ag.Tensor(x, device="cuda")
    read(given, *_on_gpu([array % 4 for array in arrays]))  # NumPy traces it, and would refuse
    np.testing.assert_array_equal(read(given, *_on_gpu(arrays)).numpy(), around[within])


def test_positions_in_rows_read_nan_where_they_are_outside(cupy):
    x = ag.Tensor(np.arange(12.0).reshape(3, 4), device="cuda")
    at = ag.Tensor([[1, 4], [-4, 0], [9, -5]], device="cuda")
    wanted = [[1, np.nan], [4, 4], [np.nan, np.nan]]
    np.testing.assert_array_equal(ag.take_along_axis(x, at, axis=1).numpy(), wanted)
    np.testing.assert_array_equal(ag.take_along_axis(x.mT, at.mT, axis=0).numpy(), np.transpose(wanted))
    each = ag.vmap(lambda row, at: row[at])
    np.testing.assert_array_equal(each(x, at).numpy(), wanted)


def _put(x: Any, at: Any) -> Any:
    y = x * 1
    y[at] = 7.0
    return y


WRITES = {
    "put": _put,
    "put along the last axis": lambda x, at: _put(x.mT, (slice(None), at)).mT,
    "add": lambda x, at: ag.index_add(x[:2], at, axis=0, length=3),
    "add along the last axis": lambda x, at: ag.index_add(x[:, :2], at, axis=1, length=3).mT,
    "add in rows": lambda x, at: ag.scatter_add(x[:2], ag.broadcast_to(at[:, None], (2, 40)), axis=0, length=3),
    "put in rows": lambda x, at: ag.scatter_add(x[:1], ag.broadcast_to(at[1:, None], (1, 40)), axis=0, length=3),
}


@pytest.mark.parametrize("how", WRITES)
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("first", [0, 1, -1])
def test_a_write_to_a_wrong_position_is_seen(cupy, how, compiled, first):
    x = ag.Tensor(np.random.default_rng(0).normal(size=(3, 40)), device="cuda")
    write = ag.compile(WRITES[how]) if compiled else WRITES[how]
    right = write(x, ag.Tensor([0, 2], device="cuda"))
    assert bool(ag.isfinite(right).all())
    for wrong in ([first, 3], [3, first], [3, -4]):
        assert bool(ag.isnan(write(x, ag.Tensor(wrong, device="cuda"))).any()) or (
            how == "put in rows" and wrong[1] == first
        )
    again = write(x, ag.Tensor([0, 2], device="cuda"))
    np.testing.assert_array_equal(again.numpy(), right.numpy())


def test_a_write_off_the_record_is_seen(cupy):
    x = ag.Tensor(np.ones((3, 2)), device="cuda")
    with ag.no_grad():
        x[ag.Tensor([1, 2], device="cuda")] = 0.0
        assert x.tolist() == [[1, 1], [0, 0], [0, 0]]
        x[ag.Tensor([1, 5], device="cuda")] = 2.0
    assert bool(ag.isnan(x).all())
    each = ag.vmap(lambda row, at: _put(row, at))(
        ag.Tensor(np.ones((2, 3)), device="cuda"), ag.Tensor([[1], [4]], device="cuda")
    )
    assert bool(ag.isnan(each).any())
