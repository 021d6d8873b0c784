"""Every operation of the table as C: eager code's numbers, to rounding.

One idea: C may add up in another order and fuse a product with a sum, so results are compared with a tolerance of a few
units in the last place of what went in; dtypes and shapes must be the same. To call the compiler takes longer than to
compile a loop, so the calls of a row are one program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import assume

from autograd.compile.native import parts
from tests.autograd.compile.worlds import needs_c
from tests.opspecs import Case, Spec, laws

from .test_laws import check_forward, check_gradients, drawing, rows

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


def drawn(spec: Spec, applies: Callable[[Case], Any]) -> tuple[list[Case], np.random.Generator]:
    """Three calls of a row, and what draws other values for them."""
    found: list[tuple[Case, np.random.Generator]] = []

    @drawing(3)
    def draw(data: Any, rng: np.random.Generator) -> None:
        case = data.draw(spec.cases)
        assume(applies(case))
        found.append((case, rng))

    draw()
    return [case for case, _ in found], found[-1][1]


@rows(lambda spec: True)
def test_forward_is_the_same(spec: Spec) -> None:
    cases, rng = drawn(spec, lambda case: True)
    check_forward(spec, cases, rng, close, executor="native")


@rows(laws.has_gradient)
def test_gradients_are_the_same(spec: Spec) -> None:
    cases, rng = drawn(spec, spec.differentiable_in)
    check_gradients(spec, cases, rng, close, executor="native")
