"""Arrays that lie otherwise than in order, as views of memory in order.

One idea: the view is taken of the array's own memory, so it has to show the very same elements.
"""

from __future__ import annotations

import numpy as np
import pytest

from autograd.compile.cuda.strided import memory_of, order_of, view_of
from autograd.tensor import wrap

BASE = np.arange(5 * 6 * 36, dtype="float32").reshape(5, 6, 36)


@pytest.mark.parametrize(
    "x",
    [
        BASE.T,
        BASE[1:4, :, 12:24].reshape(3, 6, 4, 3).swapaxes(1, 2),  # the heads of an attention
        BASE[::2, 3:5, ::3],
        BASE[:, 0],
        BASE[2, :, :1],
        BASE[..., 5],
    ],
)
def test_a_view_shows_the_same_elements(x: np.ndarray) -> None:
    view = view_of(x)
    assert view is not None
    memory = memory_of(x, view)
    assert memory.flags.c_contiguous
    np.testing.assert_array_equal(view(wrap(memory)).data, x)


@pytest.mark.parametrize(
    "x",
    [
        BASE,
        BASE[:, ::-1],
        np.lib.stride_tricks.sliding_window_view(BASE[0, 0], 4),
        np.broadcast_to(BASE[:1, :, :7], (3, 6, 7)),
        np.broadcast_to(BASE[0, 0, 3], (6, 7)),
    ],
)
def test_others_are_no_views(x: np.ndarray) -> None:
    assert view_of(x) is None


def test_the_order_of_axes_is_that_of_memory() -> None:
    assert order_of(BASE) is None
    assert order_of(BASE.transpose(2, 0, 1)) == (1, 2, 0)
