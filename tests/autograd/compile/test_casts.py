"""Casts to bfloat16 and back, moved to where they cost least: no bit changes, and less is read and written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
import optim
from autograd import Tensor
from autograd.backend import bfloat16
from autograd.compile import passes
from autograd.compile.cuda import Tape, biases
from autograd.compile.native import missing
from benchmarks.speed.networks import GPT
from benchmarks.speed.tapegrad import training_step
from benchmarks.speed.workloads import Workload

from . import simulated
from .worlds import numbers

pytest.importorskip("ml_dtypes")
pytestmark = pytest.mark.skipif(missing() is not None, reason="needs a C compiler")


def small(x: Any) -> Any:
    return ag.astype(x, bfloat16())


def wide(x: Any) -> Any:
    return ag.astype(x, "float32")


def heads(x: Any, order: tuple[int, ...] = (0, 2, 1, 3)) -> Any:
    return ag.permute_dims(ag.reshape(x, (2, 3, 4, 8)), order)


def put(x: Any, y: Any) -> Any:
    """Two pieces beside each other, as the gradient of an array of which both are parts."""
    return ag.vjp(lambda z: (z[:, :32], z[:, 32:]), Tensor(np.ones((2, 64), "float32")))[1]((x, y))[0]


CASES: dict[str, tuple[Callable[..., Any], list[np.ndarray], int]] = {
    "there and back, with a move between": (lambda x: wide(small(heads(wide(small(x))))) + 1, [numbers(6, 32)], 2),
    "read as it is as well": (lambda x: (heads(wide(small(x))) * 3, small(heads(wide(small(x))))), [numbers(6, 32)], 2),
    "all heads of one product": (
        lambda x: [small(part) for part in ag.split(heads(ag.exp(x)), 2, axis=1)],
        [numbers(6, 32)],
        1,
    ),
    "a part alone is cast": (lambda x: (small(ag.exp(x)[:2]), ag.exp(x)[2:] * 2), [numbers(6, 32)], 1),
    "a transposed weight": (lambda x: (small(ag.permute_dims(x, (1, 0))), x + 1), [numbers(6, 32)], 1),
    "pieces": (lambda x, y: small(put(wide(small(x)), wide(small(y)))), [numbers(2, 32), numbers(2, 32)], 2),
    "what is returned stays": (lambda x: (ag.exp(x), small(ag.exp(x)[1])), [numbers(6, 32)], 1),
}


def traced(function: Callable[..., Any], arrays: list[np.ndarray]) -> tuple[list[np.ndarray], Any]:
    """The bits of the results, and the tape."""
    compiled = ag.compile(function, executor="native")
    results = compiled(*map(Tensor, arrays))
    results = results if isinstance(results, (list, tuple)) else [results]
    return [np.asarray(x.data).view("uint8") for x in results], Tape(compiled.programs[0])


@pytest.mark.parametrize("name", CASES)
def test_no_bit_changes_and_no_more_casts_are_left(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function, arrays, casts = CASES[name]
    found, tape = traced(function, arrays)
    assert sum(instruction.name == "ndarray.astype" for instruction in tape.program.instructions) == casts
    monkeypatch.setattr(passes, "with_moved_casts", lambda program: program)
    wanted, plain = traced(function, arrays)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a, b)
    assert tape.moved() <= plain.moved()


@simulated.needed
def test_a_training_keeps_its_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    def training() -> tuple[list[float], int]:
        step = training_step(Workload("", GPT(1, 16, 2, 8, 2, 11), "sgd", 0.0), "guard")
        compiled = ag.compile(ag.autocast()(step))
        losses = [compiled().item() for _ in range(2)]
        return losses, Tape(compiled.programs[0]).moved()

    # Which sums are only rounded, and so made by the products, is seen after casts were moved alone.
    monkeypatch.setattr(biases, "_added_and_rounded", lambda *_: None)
    losses, moved = training()
    monkeypatch.setattr(passes, "with_moved_casts", lambda program: program)
    wanted, before = training()
    assert losses == wanted
    assert moved < before


def tape_of(model: Any, optimizer: Any, x: Tensor) -> Tape:
    """That of a step of training inside autocast."""

    @ag.compile
    def step() -> Tensor:
        optimizer.zero_grad()
        with ag.autocast():
            loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    step()
    return Tape(step.programs[0])


@simulated.needed
def test_a_sum_in_float32_is_not_kept_where_it_follows_from_bfloat16() -> None:
    model = nn.Sequential(nn.Linear(8, 256), nn.GELU(approximate="tanh"), nn.Linear(256, 4)).to("guard")
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    x = Tensor(numbers(128, 8), device="guard")
    loop = next(command for command in tape_of(model, optimizer, x).commands if "tanh" in command.about)
    assert sum(stop - start for _, start, stop in loop.writes) == 2 * 128 * 256


@simulated.needed
def test_a_weight_that_is_cast_is_decayed_where_it_is_updated() -> None:
    """Not where it is cast, to be written and read once more."""
    model = nn.Sequential(nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 128)).to("guard")
    optimizer = optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
    x = Tensor(numbers(8, 128), device="guard")
    commands = tape_of(model, optimizer, x).commands
    first = next(i for i, command in enumerate(commands) if hasattr(command, "product"))
    assert not any("multiply" in command.about for command in commands[:first])
    (updates,) = (command for command in commands if "128 x 128" in command.about and "sqrt" in command.about)
    assert sum(stop - start for _, start, stop in updates.writes) == 2 * 4 * 4 * 128 * 128  # with its gradient
