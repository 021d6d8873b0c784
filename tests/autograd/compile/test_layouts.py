"""How arrays lie in memory: NumPy adds up in that order, so a program keeps what would round otherwise.

One idea: one sum over many numbers of float32 has other last bits for every order, so it shows how its array lay.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.compile.passes.copies import without_copies

from .worlds import assert_same


def normal(*shape: int) -> Tensor:
    return Tensor(np.random.default_rng(sum(shape)).normal(size=shape).astype("float32"))


def added_in_place(x: Tensor, c: Tensor, w: Tensor) -> Tensor:
    """A gradient whose first part lies as w does, turned; the second, which lies as c does, is added to it."""
    leaf = Tensor(x, requires_grad=True)
    h = ag.broadcast_to(leaf, c.shape) * 1.0
    (g,) = ag.gradients((h * c).sum() + (h * ag.permute_dims(w, (0, 2, 1))).sum(), [leaf])
    return g


def copied(x: Tensor, c: Tensor, w: Tensor) -> Tensor:
    """Sums along the rows of a turned array, once a copy has laid these one after the other."""
    return ag.sum(Tensor(ag.permute_dims(w, (0, 2, 1))) * 1.0, axis=2)


ARRAYS = normal(5, 37, 1), normal(5, 37, 40), normal(5, 40, 37)


@pytest.mark.usefixtures("kernels_off")
@pytest.mark.parametrize("function", [added_in_place, copied])
def test_on_numpy_every_bit_is_the_same(function: Callable[..., Tensor]) -> None:
    compiled = ag.compile(function, executor="numpy")
    for _ in range(2):
        assert_same(compiled(*ARRAYS), function(*ARRAYS))


@pytest.mark.parametrize(("function", "name"), [(added_in_place, "laid_as"), (copied, "ndarray.copy")])
def test_c_needs_no_copy_that_only_lies_otherwise(function: Callable[..., Tensor], name: str) -> None:
    compiled = ag.compile(function, executor="numpy")
    for _ in range(2):
        compiled(*ARRAYS)
    (program,) = compiled.programs
    assert [i.name for i in program.instructions].count(name) == 1
    assert not any(i.name == name for i in without_copies(program, laid_alike=False).instructions)
