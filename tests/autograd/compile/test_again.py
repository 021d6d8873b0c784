"""What backward computes again, rather than that it is kept for it.

One idea: as for every pass, a program before it and one after; and a law over random programs, that the numbers are the
same to the last bit.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
import optim
from autograd import Tensor
from autograd.compile.native import Native
from autograd.compile.passes import for_blas, simplified
from autograd.compile.passes.again import with_less_kept
from autograd.compile.program import Instruction, Program, Variable
from autograd.compile.replay import Replay
from autograd.compile.trace import program_of
from tests.autograd.compile.test_passes import V, program, text
from tests.autograd.compile.worlds import needs_c

# x * tanh(x) of a product, a further layer, and backward: the gradients of the second weight and of x.
LINES: list[tuple[Any, ...]] = [
    (np.matmul, (V(1), V(1))),
    (np.tanh, (V(2),)),
    (np.multiply, (V(2), V(3))),
    (np.matmul, (V(4), V(1))),
    (np.matmul, (V(5), V(1))),
    (np.matmul, (V(6), V(4))),
    (np.multiply, (V(6), V(3))),
    (np.square, (V(3),)),
    (np.subtract, (1, V(9))),
    (np.multiply, (V(6), V(2))),
    (np.multiply, (V(11), V(10))),
    (np.add, (V(8), V(12))),
]


def test_what_follows_from_what_is_read_anyway_is_computed_again() -> None:
    before = program(*LINES, give=[7, 13])
    assert text(with_less_kept(before, large=1)) == [
        "%1 = argument",
        "%2 = matmul(%1, %1)",
        "%3 = tanh(%2)",
        "%4 = multiply(%2, %3)",
        "%5 = matmul(%4, %1)",
        "%6 = matmul(%5, %1)",
        "%14 = tanh(%2) after %6",
        "%15 = multiply(%2, %14) after %6",
        "%16 = square(%14) after %6",
        "%17 = subtract(1, %16) after %6",
        "%7 = matmul(%6, %15)",
        "%8 = multiply(%6, %14)",
        "%11 = multiply(%6, %2)",
        "%12 = multiply(%11, %17)",
        "%13 = add(%8, %12)",
        "give %7, %13",
    ]
    assert len(before.instructions) == len(LINES)  # the program that came in is as it was
    assert all(instruction.after is None for instruction in before.instructions)


def test_what_is_small_is_kept() -> None:
    before = program(*LINES, give=[7, 13])
    assert with_less_kept(before, large=17) is before  # float64[2] has 16 bytes


def test_what_is_given_is_there_anyway() -> None:
    before = program(*LINES, give=[7, 13, 4])
    after = text(with_less_kept(before, large=1))
    assert "%7 = matmul(%6, %4)" in after
    assert "%14 = tanh(%2) after %6" in after


def test_what_would_have_to_be_read_for_it_alone_is_not() -> None:
    """A ReLU: its mask follows from its result, which only a product reads, so that the mask is less to read."""
    before = program(
        (np.matmul, (V(1), V(1))),
        (np.maximum, (V(2), 0)),
        (np.greater, (V(3), 0)),
        (np.matmul, (V(3), V(1))),
        (np.matmul, (V(5), V(1))),
        (np.matmul, (V(6), V(3))),
        (np.multiply, (V(6), V(4))),
        give=[7, 8],
    )
    assert with_less_kept(before, large=1) is before


def test_an_array_that_is_in_memory_is_kept_for_what_follows_from_its_rows() -> None:
    """A row less its mean is made again of what is given, or of a residual; what nobody reads later is not kept."""

    def normed(x: Any, w: Any) -> Any:
        return x + nn.functional.layer_norm(x, (4,)) @ w

    arrays = [np.random.default_rng(i).normal(size=shape).astype("float32") for i, shape in enumerate(((3, 4), (4, 4)))]
    made = {}
    for name, network in (
        ("residual", lambda x, w: normed(normed(normed(x, w), w), w).sum()),
        ("none", lambda x, w: (nn.functional.layer_norm(x @ w, (4,)) @ w).sum()),
    ):
        before = for_blas(simplified(program_of(ag.grad(network, argnums=(0, 1)), arrays, {})))
        after = with_less_kept(before, large=8)
        made[name] = [line.partition("= ")[2] for line in text(after) if "subtract" in line and "after" in line]
        for wanted, found in zip(of(before, arrays), of(after, arrays), strict=True):
            np.testing.assert_array_equal(found, wanted)
    assert len(made["residual"]) == 2
    assert made["none"] == []


def test_a_mask_that_layers_share_brings_none_of_them_back_before_its_turn() -> None:
    def masked(x: Any, w: Any, mask: Any) -> Any:
        z = x @ w
        return ag.where(mask, z * ag.exp(z), 0.0) @ w

    def network(x: Any, w: Any, mask: Any) -> Any:
        return masked(masked(masked(x, w, mask), w, mask), w, mask).sum()

    arrays = [np.random.default_rng(i).normal(size=shape).astype("float32") for i, shape in enumerate(((3, 4), (4, 4)))]
    arrays.append(np.array([True, False, True, True]))
    before = for_blas(simplified(program_of(ag.grad(network, argnums=(0, 1)), arrays, {})))
    after = with_less_kept(before, large=8)
    places = [i.after for i in after.instructions if i.name == "exp" and i.after is not None]
    assert len(places) == len(set(places)) == 3
    for wanted, found in zip(of(before, arrays), of(after, arrays), strict=True):
        np.testing.assert_array_equal(found, wanted)


def of(made: Program, arrays: list[np.ndarray]) -> Any:
    replay = Replay(made)
    replay.bind([])
    return replay(arrays, {})[0]


@pytest.mark.parametrize("between", [np.matmul, np.add])
def test_what_one_loop_does_is_left_alone(between: Any) -> None:
    before = program((np.exp, (V(1),)), (between, (V(2), V(1))), (np.multiply, (V(3), V(2))), give=[4])
    assert with_less_kept(before, large=1) is before


def test_a_program_of_nothing() -> None:
    before = program(give=[1])
    assert with_less_kept(before, large=1) is before


FUNCTIONS = [np.tanh, np.add, np.multiply, np.subtract, np.maximum, np.negative, np.matmul, np.matmul, np.cos]


def drawn(seed: int) -> Program:
    """A program of matrices in which later instructions read early ones too, as backward does."""
    rng = random.Random(seed)
    variables = [Variable(i + 1, (2, 2), np.dtype("float64")) for i in range(40)]
    made = Program(arguments=variables[:2])
    for i, out in enumerate(variables[2:], 2):
        function = rng.choice(FUNCTIONS)
        near, far = variables[max(0, i - 3) : i], variables[max(0, 38 - i) : max(1, 40 - i)]
        known = near + [x for x in far if x.index <= i]
        inputs = [rng.choice(known) for _ in range(getattr(function, "nin", 2))]
        made.instructions.append(Instruction(function.__name__, function, tuple(inputs), {}, out))
    made.results = [variables[-1], *rng.sample(variables[20:], 3)]
    return made


def values(made: Program) -> list[Any]:
    replay = Replay(made)
    replay.bind([])
    return replay([np.eye(2) + 0.25, np.arange(4.0).reshape(2, 2) / 8], {})[0]


def test_numbers_stay_the_same_to_the_last_bit() -> None:
    changed = 0
    for seed in range(400):
        before = drawn(seed)
        after = with_less_kept(before, large=1)
        changed += after is not before
        for wanted, found in zip(values(before), values(after), strict=True):
            np.testing.assert_array_equal(found, wanted)
    assert changed > 40


@needs_c
@pytest.mark.parametrize(
    ("activation", "arrays"), [(nn.GELU(approximate="tanh"), 1), (nn.SiLU(), 2), (nn.ReLU(), 1.25)]
)
def test_what_a_layer_with_an_activation_keeps(activation: Any, arrays: float) -> None:
    """GELU keeps its input, SiLU its sigmoid too, ReLU its result and a mask of bytes."""
    kept = {}
    for layers in (4, 8):
        hidden = [part for _ in range(layers) for part in (nn.Linear(128, 128), activation)]
        model = nn.Sequential(*hidden, nn.Linear(128, 1))
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        @ag.compile(executor="native")
        def step(x: Tensor, model: Any = model, optimizer: Any = optimizer) -> Tensor:
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            optimizer.step()
            return loss

        step(Tensor(np.ones((256, 128), "float32")))
        kept[layers] = Native(step.programs[0]).plan.arena_bytes
    layer = (kept[8] - kept[4]) / 4 / (256 * 128 * 4)
    assert layer <= arrays + 0.1
