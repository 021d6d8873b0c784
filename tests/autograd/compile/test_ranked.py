"""The first positions in an order, found in C for eager code: those of a stable sort."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.compile.native import ranked
from tests.autograd.compile.worlds import needs_c

pytestmark = needs_c


@pytest.fixture(autouse=True)
def c_is_wanted(monkeypatch: Any) -> None:
    """The folder's tests run on NumPy; these are about C."""
    monkeypatch.delenv("TAPEGRAD_EXECUTOR")


def rows(kind: str, shape: tuple[int, ...], axis: int) -> Any:
    rng = np.random.default_rng(3)
    few = rng.integers(0, 3, shape)
    return {
        "any": rng.normal(size=shape),
        "equal": few.astype("float64"),
        "nan": np.array([-np.inf, np.nan, np.inf])[few],
        "rising": np.sort(rng.normal(size=shape), axis=axis),
        "nothing else": np.full(shape, np.nan),
    }[kind]


@pytest.mark.parametrize(
    ("shape", "axis"), [((30, 40), 1), ((70, 41), 0), ((5000,), 0), ((7, 65, 5), 1), ((2000, 1), 1)]
)
@pytest.mark.parametrize("kind", ["any", "equal", "nan", "rising", "nothing else"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_positions_are_those_of_a_stable_sort(shape: Any, axis: int, kind: str, dtype: str) -> None:
    x = rows(kind, shape, axis).astype(dtype)
    for k in {1, min(3, shape[axis]), min(64, shape[axis])}:
        for largest in (False, True):
            found = ranked._in_c(x, k, axis, largest)
            assert found is not None
            wanted = np.take(ag.argsort(x, axis=axis, descending=largest), np.arange(k), axis=axis)
            np.testing.assert_array_equal(found, wanted)
            values, positions = ag.topk(Tensor(x), k, axis=axis, largest=largest)
            np.testing.assert_array_equal(positions.numpy(), wanted)
            np.testing.assert_array_equal(values.numpy(), np.take_along_axis(x, wanted, axis))


def test_c_leaves_to_numpy_what_it_does_not_rank(monkeypatch: Any) -> None:
    x = np.zeros((20, 100))
    assert ranked._in_c(x.astype("float16"), 3, 1, True) is None
    assert ranked._in_c(x, 0, 1, True) is None
    assert ranked._in_c(x, 65, 1, True) is None
    monkeypatch.setenv("TAPEGRAD_EXECUTOR", "numpy")
    assert ranked._in_c(x, 3, 1, True) is None
    assert ag.topk(x, 100)[1].shape == (20, 100)


@pytest.mark.parametrize("k", [True, np.uint8(4), np.int8(4)])
def test_how_many_may_be_any_whole_number(k: Any) -> None:
    assert ag.topk(np.zeros((300, 9)), k)[1].shape == (300, int(k))
