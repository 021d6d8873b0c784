"""Every operation of the table as C: eager code's numbers, to rounding.

One idea: C may add up in another order and fuse a product with a sum, so results are compared with a tolerance of a few
units in the last place of what went in; dtypes and shapes must be the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from autograd.compile.native import parts
from tests.autograd.compile.worlds import needs_c
from tests.opspecs import Spec, laws

from .test_laws import check_forward, check_gradients, over

pytestmark = [
    pytest.mark.usefixtures("kernels_off"),
    needs_c,
]


def close(wanted: Any, found: Any, scale: float) -> bool:
    """Whether two results agree to rounding, with errors as large as those of numbers of this size."""
    a, b = laws.host(wanted), laws.host(found)
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind not in "fc":
        return bool((a == b).all())
    eps = np.finfo(a.dtype).eps
    with np.errstate(all="ignore"):
        return bool(np.allclose(a, b, rtol=64 * eps, atol=64 * eps * scale, equal_nan=True))


@pytest.fixture(autouse=True, scope="module")
def many_parts() -> Iterator[None]:
    """Loops are cut into parts however short they are; the other tests run them whole."""
    before, parts._GRAIN = parts._GRAIN, 1
    yield
    parts._GRAIN = before


@over(3, lambda spec: True)
def test_forward_is_the_same(spec: Spec, data: Any, rng: np.random.Generator) -> None:
    check_forward(spec, data, rng, close, executor="native")


@over(3, laws.has_gradient)
def test_gradients_are_the_same(spec: Spec, data: Any, rng: np.random.Generator) -> None:
    check_gradients(spec, data, rng, close, executor="native")
