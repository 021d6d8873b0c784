"""Loops on a GPU in every shape that makes them another kernel: short and long rows, few and many, sums of each kind.

One idea: the same few lines over arrays of these shapes, on the device and in float64 on the host.
"""

from __future__ import annotations

import re
from itertools import product

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.backend import to_host
from autograd.compile.cuda import Tape, writer
from autograd.compile.cuda.commands import Launch
from autograd.compile.passes import simplified
from autograd.compile.trace import program_of

from . import simulated

pytestmark = simulated.needed

SHAPES = [(1, 1), (300, 1), (70, 33), (5, 700), (530, 12), (5, 9001)]


def summed(x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    """Elements, and sums over rows."""
    y = ag.tanh(x * w + b)
    return y, y.sum(axis=0), (y * x).mean(axis=0)


def normed(x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    """Values of rows, elements that need them, and sums over rows of those."""
    y = x - x.mean(axis=1, keepdims=True)
    z = y / (1 + (y * y).sum(axis=1, keepdims=True)) * w + b
    return z, z.sum(axis=0), z.max(axis=1), z.sum()


@pytest.mark.parametrize(("function", "shape"), [*product([summed, normed], SHAPES), (summed, (200, 8200))])
def test_results_are_those_of_the_host(function, shape, device):
    rng = np.random.default_rng(7)
    x, (w, b) = rng.uniform(1, 2, shape), rng.uniform(-1, 1, (2, shape[1]))
    x[:, ::2] *= -1
    wanted = function(*map(Tensor, (x, w, b)))
    fast = ag.compile(function)
    given = [Tensor(array.astype("float32"), device=device) for array in (x, w, b)]
    for _ in range(3):
        for made, value in zip(fast(*given), wanted, strict=True):
            scale = np.abs(value.data).max() + 1
            np.testing.assert_allclose(to_host(made.data) / scale, value.data / scale, rtol=0, atol=2e-5)


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize(
    ("function", "shape"), [*product([summed, normed], [(70, 64), (6, 1024)]), (summed, (600, 512))]
)
def test_neighbours_are_taken_together_wherever_their_columns_parameters_lie(function, shape, start, device):
    rng = np.random.default_rng(9)
    x, kept = rng.uniform(-1, 1, shape), rng.uniform(1, 2, (2, shape[1] + start))
    turned = np.eye(shape[1])[::-1].copy()

    def between(x: Tensor, turned: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
        elements, *sums = function(x @ turned, w, b)
        return elements @ turned, *sums

    wanted = between(Tensor(x), Tensor(turned), *(Tensor(row[start:]) for row in kept))
    rows = [Tensor(row.astype("float32"), device=device)[start:] for row in kept]
    given = [Tensor(array.astype("float32"), device=device) for array in (x, turned)]
    fast = ag.compile(between)
    for _ in range(3):
        for made, value in zip(fast(*given, *rows), wanted, strict=True):
            scale = np.abs(value.data).max() + 1
            np.testing.assert_allclose(to_host(made.data) / scale, value.data / scale, rtol=0, atol=2e-5)


@pytest.mark.parametrize(("columns", "dtype", "count"), [(512, "float32", 4), (512, "float64", 2)])
def test_so_many_neighbours_as_one_load_holds(columns, dtype, count):
    def between(x: Tensor, w: Tensor) -> Tensor:
        y = x @ x
        return (y * w - y.mean(axis=1, keepdims=True)) @ x

    tape = Tape(program_of(between, (np.ones((columns, columns), dtype), np.ones(columns, dtype)), {}))
    texts = [command.text for command in tape.commands if isinstance(command, Launch)]
    name = {"float32": "float", "float64": "double"}[dtype]
    assert any(f"*(const Beside<{name}, {count}> *)&x0[" in text for text in texts)
    assert any(f"beside<{name}, {count}>(&x" in text for text in texts)


@pytest.mark.parametrize("columns", [20, 300])
def test_a_number_of_a_row_is_written_over_when_all_lanes_have_read_it(columns, device):
    x = np.random.default_rng(3).standard_normal((5, columns)).astype("float32")
    means = [Tensor(np.ones((5, 1), "float32"), device=name) for name in ("cpu", device)]

    def step(x: Tensor, mean: Tensor) -> Tensor:
        moved = mean * 0.9 + x.mean(axis=1, keepdims=True) * 0.1
        mean.data[...] = moved.data
        return x - moved

    fast = ag.compile(lambda x: step(x, means[1]))
    for _ in range(3):
        made, wanted = fast(Tensor(x, device=device)), step(Tensor(x), means[0])
        np.testing.assert_allclose(to_host(made.data), wanted.data, atol=1e-6)
        np.testing.assert_allclose(to_host(means[1].data), means[0].data, atol=1e-6)


@pytest.mark.parametrize("shape", [(0, 3), (3,)])
def test_nothing_of_a_row_is_read_where_there_may_be_none(shape):
    """An empty array has no address on a GPU, and a row that is written over is read by those alone that write it."""
    tape = Tape(program_of(lambda x: (x.sum(axis=0), x - x.max(axis=-1, keepdims=True)), (np.ones(shape),), {}))
    texts = [command.text for command in tape.commands if isinstance(command, Launch)]
    before = [text.partition("for (int from")[0] for text in texts if "for (int from" in text]
    assert before
    assert not any(re.search(r"x\d\[", text) for text in before)


@pytest.mark.parametrize("width", [3, 300])
def test_rows_of_one_number_are_added_up_in_their_order(width, device):
    rng = np.random.default_rng(5)
    numbers, values = rng.integers(-7, 7, 1100), rng.standard_normal((1100, width)).astype("float32")
    wanted = np.zeros((7, width), "float32")
    np.add.at(wanted, numbers, values)
    table = Tensor(np.zeros((7, width), "float32"), device=device, requires_grad=True)
    places, weights = Tensor(numbers, device=device), Tensor(values, device=device)

    @ag.compile
    def step(places: Tensor, weights: Tensor) -> None:
        table.grad = None
        (table[places] * weights).sum().backward()

    for _ in range(3):
        step(places, weights)
        np.testing.assert_array_equal(to_host(table.grad.data), wanted)


@pytest.mark.parametrize(("short", "index"), [(10_000, "int"), (9999, "long")])
@pytest.mark.parametrize("function", [summed, normed])
def test_what_does_not_fit_in_32_bits_is_counted_in_64(monkeypatch, function, short, index):
    monkeypatch.setattr(writer, "_SHORT", short)
    tape = Tape(simplified(program_of(function, (np.ones((10, 1000)), np.ones(1000), np.ones(1000)), {})))
    texts = [command.text for command in tape.commands if isinstance(command, Launch)]
    counted = {word for text in texts for word in re.findall(r"(int|long) (?:from|r) = ", text)}
    assert counted == {index}
