"""Pieces that are put together as they were: nothing is moved, and whatever is not as it was stays a move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import autograd as ag
from autograd.compile.cuda.whole import with_whole_arrays
from autograd.compile.passes import for_blas, simplified
from autograd.compile.trace import program_of

Pieces = list[tuple[tuple[slice, ...], tuple[slice, ...]]]  # to where, from where
ALL = slice(None)
LEFT, MIDDLE, RIGHT = slice(0, 2), slice(2, 5), slice(5, 6)


def copied(pieces: Pieces, shape: tuple[int, ...] = (4, 6)) -> Callable[[ag.Tensor], ag.Tensor]:
    def function(x: ag.Tensor) -> ag.Tensor:
        y = ag.exp(x)
        out = ag.zeros(shape, dtype=x.dtype)
        for to, source in pieces:
            out[to] = ag.reshape(y[source], out[to].shape)
        return out * 2

    return function


def names(pieces: Pieces, shape: tuple[int, ...] = (4, 6)) -> list[str]:
    x = np.linspace(-1, 1, 24).reshape(4, 6)
    program = program_of(copied(pieces, shape), (x,), {})
    zeros = [(variable, place.get()) for place, variable in program.places]
    program = with_whole_arrays(for_blas(simplified(replace(program, places=[], constants=zeros))))
    return [instruction.name for instruction in program.instructions]


COLUMNS: Pieces = [((ALL, part), (ALL, part)) for part in (RIGHT, LEFT, MIDDLE)]
ROWS: Pieces = [((part, ALL), (part, ALL)) for part in (slice(0, 1), slice(1, 4))]
IN_ANOTHER_SHAPE: Pieces = [((ALL, ALL, slice(3 * i, 3 * i + 3)), (ALL, slice(3 * i, 3 * i + 3))) for i in (0, 1)]
FIRST, SECOND = (ALL, slice(0, 3)), (ALL, slice(3, 6))
EVEN, ODD = (ALL, slice(0, None, 2)), (ALL, slice(1, None, 2))


@pytest.mark.parametrize(
    ("pieces", "shape"),
    [
        (COLUMNS, (4, 6)),
        (ROWS, (4, 6)),
        (IN_ANOTHER_SHAPE, (2, 2, 6)),
        ([((ALL,), (ALL,))], (4, 6)),
        ([(ODD, ODD), (EVEN, EVEN)], (4, 6)),
    ],
)
def test_nothing_is_moved(pieces: Pieces, shape: tuple[int, ...]) -> None:
    assert "set_at" not in names(pieces, shape)


@pytest.mark.parametrize(
    "pieces",
    [
        COLUMNS[:2],  # some are left at 0
        [*COLUMNS[:2], COLUMNS[1]],  # as many elements, but one piece twice
        [COLUMNS[0], ((ALL, MIDDLE), (ALL, slice(1, 4))), COLUMNS[1]],  # from elsewhere
        [(FIRST, SECOND), (SECOND, FIRST)],
        [(EVEN, ODD), (ODD, EVEN)],
        [((ALL, slice(None, None, -1)), (ALL, ALL))],  # the other way round
    ],
)
def test_everything_else_stays(pieces: Pieces) -> None:
    assert "set_at" in names(pieces)
