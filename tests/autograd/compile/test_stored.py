"""What a loop makes again rather than reads: less memory, and the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
import nn.functional as F
from autograd import Tensor
from autograd.compile.native import Native
from autograd.compile.passes.linear_sums import with_linear_sums
from autograd.compile.program import Instruction, Program, Variable
from tests.autograd.compile.worlds import needs_c, numbers

SHAPE = (16, 8, 24, 24)
TURNED = np.eye(8, dtype="float32")[::-1].reshape(8, 8, 1, 1).copy()
NORMS = {
    "batch": lambda x, g: (F.batch_norm(x, None, None, training=True) * g).sum(),
    "batch, channels last": lambda x, g: (F.batch_norm(F.conv2d(x, TURNED), None, None, training=True) * g).sum(),
    "group": lambda x, g: (F.group_norm(x, 4) * g).sum(),
    "group, channels last": lambda x, g: (F.group_norm(F.conv2d(x, TURNED), 4) * g).sum(),
}


@needs_c
@pytest.mark.parametrize("name", NORMS)
def test_a_normalisation_keeps_no_array_of_its_size(name: str) -> None:
    x, g = numbers(*SHAPE) + 2, numbers(*SHAPE, seed=1)
    compiled = ag.compile(lambda x, g: ag.grad(lambda x: NORMS[name](x, g))(x), executor="native")
    found = compiled(Tensor(x), Tensor(g))
    wanted = ag.grad(lambda x: NORMS[name](x, g.astype("float64")))(Tensor(x.astype("float64")))
    np.testing.assert_allclose(found.data, wanted.data, atol=2e-5)
    assert "NumPy" not in compiled.explain()
    if "last" not in name:
        assert Native(compiled.programs[0]).plan.arena_bytes < x.nbytes // 8


@needs_c
def test_a_batch_norm_with_its_channels_last_goes_over_them_four_times() -> None:
    """For the mean, for the variance, for the sums of backward, and for the gradient, whose mean follows from those."""
    bn = nn.BatchNorm2d(8)

    def step(x: Tensor, g: Tensor) -> Tensor:
        return ag.grad(lambda x: (F.max_pool2d(bn(F.conv2d(x, TURNED)), 2) * g).sum())(x)

    compiled = ag.compile(step, executor="native")
    compiled(Tensor(numbers(*SHAPE) + 2), Tensor(numbers(16, 8, 12, 12, seed=1)))
    large = [line for line in compiled.explain().splitlines() if f"loop {16 * 24 * 24} x 8" in line]
    assert [line.count(" sum") + line.count(" mean") for line in large] == [1, 2, 0, 2, 0]  # the third is the result's


@needs_c
def test_what_is_compared_with_what_was_made_of_it_is_not_made_again() -> None:
    """A product and a sum may round once in one loop and twice in another."""
    x, scale, shift = numbers(400, 300), numbers(300, seed=1), numbers(300, seed=2)

    def tops(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        product = x * scale
        y = product + shift
        top = ag.max(y, axis=1, keepdims=True)
        number = ag.mean(ag.mean(ag.maximum(product, y - product), axis=0) ** 2)  # not a sum alone
        return ag.where(y - number == top - number, number, 0.0)

    compiled = ag.compile(tops, executor="native")
    found = compiled(Tensor(x), Tensor(scale), Tensor(shift)).data
    assert ((found > 0).sum(axis=1) == 1).all()


@needs_c
def test_a_parameter_is_still_written_in_place() -> None:
    w, x = Tensor(numbers(300, 300)), numbers(300, 300, seed=1)
    before = w.data.astype("float64")

    def step(x: Tensor) -> Tensor:
        less = w - ag.mean(w, axis=0)
        spread = ag.mean(ag.mean(ag.square(less), axis=0) ** 2)
        with ag.no_grad():
            w.__isub__(less * spread * x)
        return less * ag.mean(ag.mean(ag.square(w), axis=0) ** 2)

    compiled = ag.compile(step, executor="native")
    out = compiled(Tensor(x))
    less = before - before.mean(axis=0)
    after = before - less * (np.square(less).mean(axis=0) ** 2).mean() * x
    np.testing.assert_allclose(w.data, after, atol=1e-5)
    np.testing.assert_allclose(out.data, less * (np.square(after).mean(axis=0) ** 2).mean(), atol=2e-5)
    assert len(Native(compiled.programs[0]).plan.in_place) == 1


@needs_c
@pytest.mark.parametrize("function", [ag.sum, ag.mean])
@pytest.mark.parametrize(
    ("shape", "axis"),
    [((5, 7, 9), 1), ((16, 300, 64), 1), ((4, 60, 8, 32), (1, 2)), ((4, 6, 80, 32), 2), ((2, 1, 9, 8), (1, 2))],
)
def test_sums_over_axes_in_the_middle_are_loops(function: Any, shape: Any, axis: Any) -> None:
    x = numbers(*shape)
    compiled = ag.compile(
        lambda x: (function(ag.square(x), axis=axis), function(x * 2.0, axis=axis, keepdims=True), ag.sum(x, axis=0)),
        executor="native",
    )
    found = compiled(Tensor(x))
    by = getattr(np, function.__name__)
    exact = x.astype("float64")
    wanted = by(exact**2, axis=axis), by(2 * exact, axis=axis, keepdims=True), exact.sum(axis=0)
    for one, like in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one.data, like, atol=1e-4, rtol=1e-5)
    assert "NumPy" not in compiled.explain()


def test_a_sum_of_a_weighted_sum_is_a_weighted_sum_of_sums() -> None:
    shape, count = (4, 8, 32, 32), iter(range(1, 99))

    def variable(*shape: int) -> Variable:
        return Variable(next(count), shape, np.dtype("float32"))

    g, z, number = variable(*shape), variable(*shape), variable(4, 8, 1, 1)
    made = Program(arguments=[g, z, number])

    def build(function: Any, *inputs: Any, shape: Any, **options: Any) -> Variable:
        out = variable(*shape)
        made.instructions.append(Instruction(function.__name__, function, inputs, options, out))
        return out

    late = build(np.sum, number, shape=(4, 1, 1, 1), axis=1, keepdims=True)
    weighted = build(np.multiply, z, late, shape=shape)
    total = build(np.subtract, g, weighted, shape=shape)
    made.results = [build(np.sum, total, shape=(4, 8), axis=(2, 3))]
    text = [line.replace(": float32", "") for line in str(with_linear_sums(made)).splitlines()]
    assert text[6:] == [
        "%8[4, 8, 1, 1] = sum(%1, axis=(2, 3), keepdims=True)",
        "%9[4, 8, 1, 1] = sum(%2, axis=(2, 3), keepdims=True)",
        "%10[4, 8, 1, 1] = multiply(%9, %4)",
        "%11[4, 8, 1, 1] = subtract(%8, %10)",
        "%7[4, 8] = reshape(%11, (4, 8))",
        "give %7",
    ]
    made.instructions[1] = Instruction("multiply", np.multiply, (z, number), {}, weighted)
    assert str(with_linear_sums(made)) == str(made)  # this weight can be had in time


@pytest.mark.parametrize("axis", [0, 1])
def test_a_weight_that_follows_from_a_sum_down_the_rows_comes_too_late(axis: int) -> None:
    """One that follows from a sum along each row does not."""
    shape, each = (512, 16), ((1, 16), (512, 1))[axis]
    g, z, weighted, total = (Variable(i, shape, np.dtype("float32")) for i in (1, 2, 4, 5))
    number, out = Variable(3, each, np.dtype("float32")), Variable(6, each, np.dtype("float32"))
    made = Program(arguments=[g, z], results=[out])
    made.instructions = [
        Instruction("sum", np.sum, (z,), {"axis": axis, "keepdims": True}, number),
        Instruction("multiply", np.multiply, (z, number), {}, weighted),
        Instruction("subtract", np.subtract, (g, weighted), {}, total),
        Instruction("sum", np.sum, (total,), {"axis": axis, "keepdims": True}, out),
    ]
    after = with_linear_sums(made)
    if axis:
        assert str(after) == str(made)
    else:
        assert [line.replace(": float32", "") for line in str(after).splitlines()][5:] == [
            "%7[1, 16] = sum(%1, axis=(0,), keepdims=True)",
            "%8[1, 16] = sum(%2, axis=(0,), keepdims=True)",
            "%9[1, 16] = multiply(%8, %3)",
            "%10[1, 16] = subtract(%7, %9)",
            "%6[1, 16] = reshape(%10, (1, 16))",
            "give %6",
        ]


def test_sums_of_halves_stay_within_their_range() -> None:
    def shares(x: Tensor) -> Tensor:
        return ag.sum(x / ag.mean(ag.mean(x, axis=1), axis=0), axis=1)

    x = Tensor(np.full((64, 128), 1000.0), dtype="float16")  # whose rows sum up to more than 65504
    np.testing.assert_array_equal(ag.compile(shares, executor="native")(x).data, np.full(64, 128.0))
