"""Functions in C: within a few units in the last place everywhere, and exact at the ends of the numbers."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from tests.autograd.compile.worlds import needs_c

pytestmark = needs_c


def everywhere(dtype: str) -> Any:
    """Numbers of every size and sign, and those in whose exponentials there is something to see."""
    rng = np.random.default_rng(0)
    largest = np.log(np.finfo(dtype).max)
    sizes = np.exp(rng.uniform(-40, 40, 20_000)) * rng.choice([-1, 1], 20_000)
    return np.concatenate([sizes, rng.uniform(-1.3 * largest, 1.1 * largest, 50_000)]).astype(dtype)


def units(found: Any, wanted: Any, dtype: str) -> float:
    """The largest difference in units in the last place of what is wanted."""
    whole = np.isfinite(wanted.astype(dtype))
    unit = np.spacing(np.abs(wanted.astype(dtype)))[whole]
    return float(np.max(np.abs(found[whole] - wanted[whole]) / unit))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "most"), [("exp", 1.1), ("tanh", 3.0)])
def test_errors_are_a_few_units_in_the_last_place(name: str, most: float, dtype: str) -> None:
    x = everywhere(dtype)
    compiled = ag.compile(getattr(ag, name), executor="native")
    with np.errstate(over="ignore"):
        wanted = getattr(np, name)(x.astype("longdouble"))
        found = compiled(Tensor(x)).numpy()
        assert units(found, wanted, dtype) < most
        np.testing.assert_array_equal(np.isinf(found), np.isinf(wanted.astype(dtype)))
    assert "NumPy" not in compiled.explain()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_infinities_zeros_and_nan_are_as_numpy_has_them(dtype: str) -> None:
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, *[1.0] * 20], dtype)
    compiled = ag.compile(lambda x: (ag.exp(x), ag.tanh(x)), executor="native")
    powers, tangents = compiled(Tensor(x))
    np.testing.assert_array_equal(powers.numpy()[:5], np.array([np.nan, np.inf, 0, 1, 1], dtype))
    np.testing.assert_array_equal(tangents.numpy()[:5], np.array([np.nan, 1, -1, 0, 0], dtype))
    assert np.signbit(tangents.numpy()[3:5]).tolist() == [False, True]


RANGES = {"acos": (-1, 1), "acosh": (1, 1e9), "asin": (-1, 1), "asinh": (-1e9, 1e9), "atanh": (-1, 1)}
RANGES |= {"log10": (0, 1e9), "log2": (0, 9), "tan": (-99, 99)}
NUMPYS = {"acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh", "atanh": "arctanh"}
NUMPYS |= {"atan2": "arctan2", "pow": "power"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", RANGES)
def test_functions_of_the_c_library_are_as_near_and_as_numpy_has_them_at_the_ends(name: str, dtype: str) -> None:
    x = np.random.default_rng(0).uniform(*RANGES[name], 20_000).astype(dtype)
    compiled, wanted = ag.compile(getattr(ag, name), executor="native"), getattr(np, NUMPYS.get(name, name))
    assert units(compiled(Tensor(x)).numpy(), wanted(x.astype("longdouble")), dtype) < 4
    ends = np.array(SPECIAL, dtype)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(compiled(Tensor(ends)).numpy(), wanted(ends), rtol=4 * np.finfo(dtype).eps)
    assert "NumPy" not in compiled.explain()


SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 2.5, -2.5, 7.0, -7.0, 1e30, -1e-30]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["remainder", "logaddexp", "floor_divide", "hypot", "atan2", "pow", "logical_xor"])
def test_functions_of_two_numbers_are_as_numpy_has_them(name: str, dtype: str) -> None:
    x, y = (np.array(numbers, dtype) for numbers in zip(*itertools.product(SPECIAL, SPECIAL), strict=True))
    compiled = ag.compile(getattr(ag, name), executor="native")
    with np.errstate(all="ignore"):
        wanted = getattr(np, NUMPYS.get(name, name))(x, y)
    found = compiled(Tensor(x), Tensor(y)).numpy()
    np.testing.assert_allclose(found, wanted, rtol=4 * np.finfo(dtype).eps)
    numbers = ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(1.0 * found)[numbers], np.signbit(1.0 * wanted)[numbers])
    assert "NumPy" not in compiled.explain()


def test_what_tells_signs_and_bits_is_as_numpy_has_it() -> None:
    x = np.array(SPECIAL, "float32")
    compiled = ag.compile(lambda x: (ag.signbit(x), ag.conj(x)), executor="native")
    for found, wanted in zip(compiled(Tensor(x)), (np.signbit(x), x), strict=True):
        np.testing.assert_array_equal(found.numpy(), wanted)
    a, b = np.random.default_rng(0).integers(-100, 100, (2, 40)).astype("int16")
    bits = ag.compile(lambda a, b: (a & b, a | b, a ^ b, a & 12), executor="native")
    for found, wanted in zip(bits(Tensor(a), Tensor(b)), (a & b, a | b, a ^ b, a & 12), strict=True):
        np.testing.assert_array_equal(found.numpy(), wanted, strict=True)
    assert "NumPy" not in compiled.explain() + bits.explain()
