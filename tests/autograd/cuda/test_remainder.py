"""The remainder that CuPy gets is NumPy's to the last bit, on arrays of NumPy and, where there is one, of a GPU."""

from __future__ import annotations

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.cuda.remainder import remainder_of

PAIRS = [(1e8, 0.3), (-1e8, 0.3), (7.5e30, 2.5), (0.3, -0.1), (5.0, np.inf), (-5.0, np.inf), (5.0, -np.inf)]
PAIRS += [(-5.0, -np.inf), (0.0, -2.0), (-0.0, 2.0), (4.0, -2.0), (3.0, 0.0), (np.inf, 2.0), (np.nan, 1.0), (3.0, -2.0)]
DTYPES = ["float32", "float64", "int32", "uint8"]


def columns(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    if dtype.startswith("float"):
        x1, x2 = np.array(PAIRS, dtype).T
        return x1, x2
    return np.arange(20, dtype=dtype), np.full(20, 7, dtype)


def same(found: np.ndarray, wanted: np.ndarray) -> None:
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)
    is_number = wanted == wanted
    assert (np.signbit(found) == np.signbit(wanted))[is_number].all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_it_is_numpys_by_fmod(dtype: str) -> None:
    x1, x2 = columns(dtype)
    with np.errstate(all="ignore"):
        same(remainder_of(np)(x1, x2), np.remainder(x1, x2))
        same(remainder_of(np)(x1, 7), np.remainder(x1, 7))
        same(remainder_of(np)(9, x2[-1:]), np.remainder(9, x2[-1:]))


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_gpu_gives_it_eager_and_compiled(dtype: str) -> None:
    x1, x2 = columns(dtype)
    given = [Tensor(x, device="cuda") for x in (x1, x2)]
    with np.errstate(all="ignore"):
        wanted = np.remainder(x1, x2)
    for run in (ag.remainder, ag.compile(ag.remainder)):
        same(run(*given).numpy(), wanted)
