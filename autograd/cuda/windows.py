"""Windows over an array of the GPU, as a view that is made without asking the GPU.

One idea: where windows lie follows from shape and strides, which the host knows. CuPy's own function puts the lengths
of the windows on the device, looks at each of them there, and waits. Read `remainder.py` next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..backend import Array

__all__ = ["sliding_windows"]


def sliding_windows(as_strided: Callable[..., Array]) -> Callable[..., Array]:
    """NumPy's sliding_window_view by a library's as_strided: x, the lengths, and as many axes, by default all."""

    def sliding_window_view(x: Array, window_shape: Sequence[int], axis: Sequence[int] | None = None) -> Any:
        axes = range(x.ndim) if axis is None else axis
        shape, steps = list(x.shape), x.strides
        for length, i in zip(window_shape, axes, strict=True):
            shape[i] -= length - 1
        return as_strided(x, (*shape, *window_shape), (*steps, *(steps[i] for i in axes)))

    return sliding_window_view
