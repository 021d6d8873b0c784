"""Rows by their numbers in C: NumPy's bits, its negative positions, and its refusals before anything has changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
import optim
from autograd import Tensor
from autograd.compile.native.added_rows import added_rows
from tests.autograd.compile.worlds import needs_c
from tests.opspecs.laws import same_bits

pytestmark = needs_c

TABLES = [((7, 20), 0), ((3, 7, 16), 1), ((1, 17), 0), ((2, 7, 3, 6), 1)]  # with long rows: C adds those up
SHORT = [((7,), 0), ((4, 3, 7), 2), ((3, 7, 5), 1)]
SHAPES = [(1,), (9,), (3, 4), (2, 1, 5)]


def numbers(rng: Any, *shape: int, dtype: str = "float32") -> Any:
    return rng.normal(size=shape).astype(dtype) if dtype[0] == "f" else rng.integers(0, 99, shape).astype(dtype)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("table", "axis"), TABLES)
@pytest.mark.parametrize("kind", ["int64", "int32", "uint8"])
def test_rows_and_their_sums_have_numpys_bits(table: Any, axis: int, shape: Any, kind: str) -> None:
    rng = np.random.default_rng(0)
    number = table[axis]
    at = (slice(None),) * axis

    def function(x: Tensor, i: Tensor, g: Tensor) -> Any:
        return ag.take(x, i, axis=axis), ag.index_add(g, i, axis=axis, length=number)

    compiled = ag.compile(function, executor="native")
    for _ in range(3):
        x, g = numbers(rng, *table), numbers(rng, *table[:axis], *shape, *table[axis + 1 :])
        i = rng.integers(0 if kind == "uint8" else -number, number, shape).astype(kind)
        rows, added = compiled(Tensor(x), Tensor(i), Tensor(g))
        wanted = np.zeros(table, "float32")
        np.add.at(wanted, (*at, i), g)
        assert same_bits(rows, x[(*at, i)])
        assert same_bits(added, wanted)
    assert "NumPy" not in compiled.explain()


@pytest.mark.parametrize(("table", "axis"), SHORT)
def test_sums_of_many_short_rows_are_as_good_as_numpys(table: Any, axis: int) -> None:
    rng = np.random.default_rng(3)
    i, shape = np.zeros(20_000, "int64"), (*table[:axis], 20_000, *table[axis + 1 :])
    g = Tensor(rng.random(shape, dtype="float32"))
    compiled = ag.compile(lambda g, i: ag.index_add(g, i, axis=axis, length=table[axis]), executor="native")
    found = compiled(g, Tensor(i)).numpy().take(0, axis=axis)
    np.testing.assert_allclose(found, g.numpy().sum(axis=axis, dtype="float64"), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "bool"])
def test_rows_are_read_and_replaced_in_every_dtype(dtype: str) -> None:
    rng = np.random.default_rng(1)

    def function(x: Tensor, i: Tensor, value: Tensor) -> Any:
        return x[i], ag.set_at(x, value, index=i.data)

    compiled = ag.compile(function, executor="native")
    for _ in range(2):
        x, value, i = numbers(rng, 6, 4, dtype=dtype), numbers(rng, 5, 4, dtype=dtype), np.array([0, -1, 2, 2, 5])
        rows, changed = compiled(Tensor(x), Tensor(i), Tensor(value))
        wanted = x.copy()
        wanted[i] = value  # the last value stays
        assert same_bits(rows, x[i])
        assert same_bits(changed, wanted)
    assert "NumPy" not in compiled.explain()


def test_tables_values_and_positions_may_be_views() -> None:
    rng = np.random.default_rng(2)

    def function(x: Tensor, i: Tensor, g: Tensor) -> Any:
        table = ag.swapaxes(x, 0, 1)[1:, ::-1]
        return (
            ag.take(table, i[:, ::2], axis=0),
            ag.index_add(ag.permute_dims(g, (1, 0, 2)), ag.swapaxes(i, 0, 1), axis=0, length=8),
            ag.index_add(ag.broadcast_to(g[0, 0], (3, 4, 16)), i, axis=0, length=9),
        )

    compiled = ag.compile(function, executor="native")
    for _ in range(2):
        x, g, i = numbers(rng, 6, 9), numbers(rng, 3, 4, 16), rng.integers(-8, 8, (3, 4))
        found = compiled(Tensor(x), Tensor(i), Tensor(g))
        for one, other in zip(found, function(Tensor(x), Tensor(i), Tensor(g)), strict=True):
            np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-6)
    assert "NumPy" not in compiled.explain()


def training(executor: str) -> tuple[Any, Any]:
    words, places = nn.Embedding(7, 16), nn.Embedding(3, 16)
    optimizer = optim.SGD([*words.parameters(), *places.parameters()], lr=0.1)
    numbers = Tensor(np.arange(3))

    @ag.compile(executor=executor)
    def step(x: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = (words(x) + places(numbers)).square().sum()
        loss.backward()
        optimizer.step()
        return loss

    return words, step


@pytest.mark.parametrize("executor", ["native", "numpy"])
def test_a_word_that_is_not_in_the_table_is_refused_and_nothing_has_changed(executor: str) -> None:
    words, step = training(executor)
    good = Tensor(np.array([[1, 2, 6], [0, 0, 3]]))
    step(good)
    before = words.weight.data.copy()
    for wrong, said in ((7, "from 0 to 7"), (-1, "from -1 to 3")):
        with pytest.raises(IndexError, match=f"embedding got indices {said}, and there are 7"):
            step(Tensor(np.array([[1, 2, wrong], [0, 0, 3]])))
        np.testing.assert_array_equal(words.weight.data, before)
    step(good)
    assert (words.weight.data != before).any()
    assert len(step.programs) == 1


def test_an_embedding_is_checked_once_and_leaves_nothing_to_numpy() -> None:
    _, step = training("native")
    step(Tensor(np.array([[1, 2, 6], [0, 0, 3]])))
    plan = step.explain().split("\n\n")[1]
    assert plan.count("check:") == 2
    assert plan.count("rows:") == 4
    assert "NumPy" not in plan


@pytest.mark.parametrize("given", ["outside", "computed"])
def test_positions_outside_are_refused_as_numpy_refuses_them(given: str) -> None:
    w = Tensor(np.arange(12.0).reshape(4, 3), requires_grad=True)

    @ag.compile(executor="native")
    def step(i: Tensor) -> Tensor:
        rows = ag.take(w, i if given == "outside" else i + 0, axis=0)
        with ag.no_grad():
            w.__imul__(2.0)
        return rows

    for right in ([0, -4, 3], [1, 1, 1]):
        before = w.data.copy()
        np.testing.assert_array_equal(step(Tensor(np.array(right))).numpy(), before[right])
    assert "NumPy" not in step.explain()
    before = w.data.copy()
    for wrong in (4, -5):
        with pytest.raises(IndexError, match=f"index {wrong} is out of bounds for axis 0 with size 4"):
            step(Tensor(np.array([0, wrong, 1])))
        np.testing.assert_array_equal(w.data, before)


@pytest.mark.parametrize("function", [ag.softmax, ag.log_softmax, ag.logsumexp, ag.max, ag.sum], ids=lambda f: f.name)
def test_a_single_number_is_a_row_of_one(function: Any) -> None:
    def slopes(x: Tensor) -> Any:
        return function(x, axis=-1), ag.grad(lambda x: ag.grad(lambda x: function(x, axis=-1) * x)(x))(x)

    for x in (Tensor(2.0), Tensor(-3.0)):
        for found, wanted in zip(ag.compile(slopes, executor="native")(x), slopes(x), strict=True):
            np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-6)


@pytest.mark.parametrize("kind", [">i8", ">i2"])
def test_positions_whose_bytes_lie_in_the_other_order(kind: str) -> None:
    table, i = numbers(np.random.default_rng(0), 3, 4), np.array([1, 0, 2], kind)

    def function(table: Tensor) -> Any:
        return table[i], table[[0, 1, 2], i], nn.functional.cross_entropy(table, i)

    compiled = ag.compile(function, executor="native")
    for found, wanted in zip(compiled(Tensor(table)), function(Tensor(table)), strict=True):
        np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-6)


@pytest.mark.parametrize("width", [1, 2, 3, 4, 15, 16, 17, 128, 300])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_eager_sums_of_rows_are_added_in_c_to_the_bits_of_numpy(width: int, dtype: str, c_is_wanted: Any) -> None:
    rng = np.random.default_rng(1)
    given, count = 1 + 20_000 // width, 37
    rows, at = numbers(rng, given, width, dtype=dtype), rng.integers(0, count, given)
    at[:3] = 0, count - 1, 0
    found = added_rows(rows, at, count)
    assert found is not None
    wanted = np.zeros((count, width), "float64" if width < 16 else dtype)
    np.add.at(wanted, at, rows)
    assert found.dtype == dtype
    assert same_bits(Tensor(found), wanted.astype(dtype))


@pytest.mark.parametrize(
    ("shape", "index"),
    [
        ((50, 40), lambda at: at - 25),
        ((8, 50, 40), lambda at: (slice(None, None, -2), at)),
        ((50, 8, 40), lambda at: (at, 3)),
        ((50, 50, 40), lambda at: (at, at[::-1])),
        ((50, 50, 2), lambda at: (at.astype("uint8"), at[::-1].astype("int8") - 50)),
        ((50, 50, 2), lambda at: (at[:, None].astype("uint8"), at[:40].astype("uint64"))),
        ((50, 50, 40), lambda at: (at, at[::-1], slice(5, None, 3))),
        ((50,), lambda at: np.stack([at] * 16)),
    ],
)
def test_the_gradient_of_what_was_picked_is_that_of_numpy(shape: Any, index: Any, c_is_wanted: Any) -> None:
    rng = np.random.default_rng(2)
    where = index(rng.integers(0, 50, 600))
    x = Tensor(numbers(rng, *shape, dtype="float64"), requires_grad=True)
    g = numbers(rng, *x.data[where].shape, dtype="float64")
    x[where].backward(g)
    wanted = np.zeros(shape)
    np.add.at(wanted, where, g)
    np.testing.assert_allclose(x.grad.numpy(), wanted, rtol=1e-14, atol=1e-14)
    x[where].backward(np.broadcast_to(g.ravel()[0], g.shape))  # a gradient that takes no memory


def test_c_leaves_to_numpy_what_it_cannot_add(c_is_wanted: Any, monkeypatch: Any) -> None:
    rows, at = np.ones((5000, 8), "float32"), np.zeros(5000, "int64")
    assert added_rows(rows, at, 3) is not None
    assert added_rows(rows[:9], at[:9], 3) is None
    assert added_rows(rows.astype("float16"), at, 3) is None
    assert added_rows(rows.astype(rows.dtype.newbyteorder()), at, 3) is None
    monkeypatch.setenv("TAPEGRAD_EXECUTOR", "numpy")
    assert added_rows(rows, at, 3) is None
