"""Pairs of arrays to multiply, that lie in memory in many ways, for any array module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

DTYPES = ["float64", "float32", "float16"]
TOLERANCE = {"float64": 1e-12, "float32": 1e-5, "float16": 5e-3, "bfloat16": 4e-2}

Maker = Callable[[Any], Any]  # an array module -> an array of it


def view(xp: Any, seed: int, shape: tuple[int, ...], dtype: str, how: list[int]) -> Any:
    """An array of this shape that lies in memory in one of many ways: `how` has a number for each axis."""
    how = how[: len(shape)]
    order = np.argsort([number % 7 for number in how], kind="stable").tolist()
    steps = [1 + (number % 5 == 4) for number in how]
    gaps = [number % 3 == 2 for number in how]
    lengths = [length * step + gap for length, step, gap in zip(shape, steps, gaps, strict=True)]
    drawn = np.random.default_rng(seed).uniform(-1, 1, [lengths[i] for i in order]).astype(dtype)
    array = xp.asarray(drawn).transpose(np.argsort(order).tolist())
    array = array[tuple(slice(0, length * step, step) for length, step in zip(shape, steps, strict=True))]
    for axis, number in enumerate(how):
        if number == 6:
            array = xp.flip(array, axis)
        if number == 5:
            array = xp.broadcast_to(array[(slice(None),) * axis + (slice(0, 1),)], shape)
    assert array.shape == shape
    return array


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Maker, Maker]:
    """Two makers of arrays that fit together as `matmul` wants them."""
    m, n, k = (draw(st.integers(1, 5)) for _ in "mnk")
    front = draw(st.lists(st.integers(1, 4), max_size=3))
    dtype = draw(st.sampled_from(DTYPES))
    shapes = []
    for matrix in ((m, k), (k, n)):
        own = [1 if draw(st.integers(0, 3)) == 0 else length for length in front][draw(st.integers(0, len(front))) :]
        shapes.append((*own, *matrix))
    if draw(st.integers(0, 5)) == 0:
        shapes[0] = (k,)
    if draw(st.integers(0, 5)) == 0:
        shapes[1] = (k,)
    ways = st.lists(st.integers(0, 6), min_size=6, max_size=6)

    def maker(seed: int, shape: tuple[int, ...], how: list[int]) -> Maker:
        return lambda xp: view(xp, seed, shape, dtype, how)

    a, b = (maker(draw(st.integers(0, 99)), shape, draw(ways)) for shape in shapes)
    return a, b
