"""Modules that a step makes, such as the list that layers[:-1] gives: the same at each call, no reason to trace anew.

One idea: what was there before is guarded through them, and what the step makes is asked for as the step leaves it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

import autograd as ag
import nn
from autograd import Tensor
from tests.autograd.compile.worlds import tensor

pytestmark = pytest.mark.usefixtures("kernels_off")


class Scale(nn.Module):
    """Times a number of its own."""

    def __init__(self, by: float) -> None:
        self.by = nn.Parameter(tensor(by))
        self.drop = nn.Dropout(0.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop(x) * self.by


def _each(layers: Any, x: Tensor) -> Tensor:
    for layer in layers:
        x = layer(x)
    return x


def _another_mode(layers: Any, x: Tensor) -> Tensor:
    drop = nn.Dropout(1.0)
    zero = drop(x)
    drop.eval()
    return _each(layers, drop(x)) + zero


WAYS: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "a slice": lambda layers, x: _each(layers[1:], layers[0](x)),
    "a list": lambda layers, x: _each(nn.ModuleList([*layers]), x),
    "a list that grows": lambda layers, x: _each(nn.ModuleList([layers[0]]).extend(layers[1:]), x),
    "a dict": lambda layers, x: _each(nn.ModuleDict({"a": layers[0], "b": layers[1]}).values(), x),
    "a network": lambda layers, x: nn.Sequential(*layers)(x),
    "a list of parameters": lambda layers, x: _each(layers, x) + 0.0 * nn.ParameterList([layers[0].by])[0],
    "another mode": _another_mode,
}


@pytest.mark.parametrize("name", WAYS)
def test_what_a_step_makes_is_no_reason_to_trace_anew(name: str) -> None:
    layers = nn.ModuleList([Scale(2.0), Scale(3.0)])
    function = ag.compile(lambda x: WAYS[name](layers, x))
    for x in (1.0, 2.0, 3.0):
        assert function(tensor(x)).tolist() == [6.0 * x]
    assert len(function.traces) == 1


CHANGES: dict[str, tuple[Callable[[Any], Any], float]] = {
    "a parameter": (lambda layers: layers[1].by.data.fill(5.0), 10.0),
    "a Module": (lambda layers: layers.__setitem__(1, Scale(4.0)), 8.0),
    "a number": (lambda layers: setattr(layers[1].drop, "p", 1.0), 0.0),
    "a hook": (lambda layers: layers[1].register_forward_hook(lambda module, inputs, y: y + 1.0), 7.0),
}


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("what", CHANGES)
def test_what_was_there_before_is_guarded_through_it(what: str, name: str) -> None:
    change, wanted = CHANGES[what]
    layers = nn.ModuleList([Scale(2.0), Scale(3.0)])
    function = ag.compile(lambda x: WAYS[name](layers, x))
    assert function(tensor(1.0)).tolist() == [6.0]
    change(layers)
    assert function(tensor(1.0)).tolist() == [wanted]


def test_what_a_step_makes_once_and_keeps_is_guarded_from_then_on() -> None:
    @functools.cache
    def kept() -> nn.Dropout:
        return nn.Dropout(0.0)

    function = ag.compile(lambda x: kept()(x))
    assert function(tensor(3.0)).tolist() == [3.0]
    kept().p = 1.0
    assert function(tensor(3.0)).tolist() == [0.0]


def test_what_the_forward_of_a_module_reads_that_a_step_makes_is_guarded() -> None:
    class Shift(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + by[0]

    by = [1.0]
    function = ag.compile(lambda x: Shift()(x))
    assert [function(tensor(3.0)).tolist() for _ in range(2)] == [[4.0], [4.0]]
    by[0] = 2.0
    assert function(tensor(3.0)).tolist() == [5.0]
