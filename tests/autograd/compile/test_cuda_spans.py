"""What a command says that it reads and writes is all that it does: two lanes and the order of jobs lean on it.

One idea: on the simulated GPU everything else can be looked at before and after a command, and spoilt beforehand. Then
nothing else may have changed, and what is written must not have either.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
from autograd.compile.cuda import Cuda
from autograd.compile.cuda.commands import Call, Command, Span
from autograd.compile.cuda.tape import RESERVED
from autograd.random import Generator
from benchmarks.speed.networks import CNN, GPT, MLP
from benchmarks.speed.tapegrad import training_step
from benchmarks.speed.workloads import Workload
from tests.autograd.compile import simulated

pytestmark = simulated.needed

_NAN = np.uint8(0xFF)  # each byte of one


class Checked:
    """A command that is run twice, the second time with all spoilt that it does not name."""

    def __init__(self, command: Command, run: Callable[[], Any], memory: dict[int, np.ndarray]) -> None:
        self.command, self.run = command, run
        self.written, self.known = _places(command.writes, memory), _places(command.writes | command.reads, memory)
        self.memory = [*memory.values()]

    def __call__(self) -> None:
        before = [part.copy() for part in self.memory]
        self.run()
        after = [part.copy() for part in self.memory]
        for old, new, written in zip(before, after, self.written, strict=True):
            assert (written | (old == new)).all(), f"{self.command} writes elsewhere"
        for part, old, known in zip(self.memory, before, self.known, strict=True):
            part[...] = np.where(known, old, _NAN)
        self.run()
        for part, new, written in zip(self.memory, after, self.written, strict=True):
            assert (~written | (part == new)).all(), f"{self.command} reads elsewhere"
        for part, new in zip(self.memory, after, strict=True):
            part[...] = new


def _places(spans: Iterable[Span], memory: dict[int, np.ndarray]) -> list[np.ndarray]:
    """Which bytes of each memory these are. Numbers and draws, which no command writes, are in none."""
    found = {slot: np.zeros(part.size, bool) for slot, part in memory.items()}
    for slot, start, stop in spans:
        if slot in found:
            assert 0 <= start <= stop <= found[slot].size
            found[slot][start:stop] = True
    return [*found.values()]


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[Checked]:
    """The commands that are checked, from here on."""
    bound, found = Cuda._bound, []

    def check(self: Cuda, at: dict[int, int]) -> list[Any]:
        plan = self.plan
        sizes = {0: self._arena.nbytes, RESERVED: self._scratch.nbytes}
        sizes |= {slot: v.nbytes for v, slot in plan.slots.items() if v.dtype is not None and v not in plan.draws}
        memory = {
            slot: np.frombuffer((ctypes.c_char * size).from_address(at[slot]), "uint8")
            for slot, size in sizes.items()
            if size and slot in at
        }
        parts = zip(self.tape.commands, bound(self, at), strict=True)
        done = [run if isinstance(command, Call) else Checked(command, run, memory) for command, run in parts]
        found.extend(part for part in done if isinstance(part, Checked))
        return done

    monkeypatch.setattr(Cuda, "_bound", check)
    return found


@pytest.mark.parametrize("network", [MLP((5, 7, 6, 3), 4), CNN((4,), 2), GPT(2, 16, 2, 8, 2, 11)])
def test_training(network: Any, checked: list[Checked]) -> None:
    workload = Workload("", network, "adamw", 0.0)
    eager, ours = training_step(workload), ag.compile(training_step(workload, "guard"))
    for _ in range(3):
        assert ours().item() == pytest.approx(eager().item(), rel=1e-4)
    assert checked


def test_convolutions_of_each_channel_by_itself_and_masks(checked: list[Checked]) -> None:
    g = Generator(1)
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1, groups=3, generator=g),
        nn.BatchNorm2d(6),
        nn.MaxPool2d(2),
        nn.Dropout(0.5, generator=g),
        nn.Conv2d(6, 4, 2, stride=2, groups=2, generator=g),
        nn.AvgPool2d(2),
    ).to("guard")
    x = ag.asarray(np.linspace(-1, 1, 4 * 3 * 8 * 8, dtype="float32").reshape(4, 3, 8, 8)).to("guard")

    @ag.compile
    def step() -> ag.Tensor:
        for parameter in model.parameters():
            parameter.grad = None
        loss = (model(x) ** 2).sum()
        loss.backward()
        return loss

    for _ in range(3):
        step()
    assert any("channels apart" in str(part.command) for part in checked)
