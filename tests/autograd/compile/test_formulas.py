"""GELU with tanh is known by its formula, however it is written; nothing else is taken for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd.compile.cuda.formulas import GELU, GELU_BACKWARD, G, Z, formula_of, is_same
from autograd.compile.native.dialect import HOST
from autograd.compile.native.expressions import CUDA_TYPES
from autograd.compile.native.groups import Group
from autograd.compile.native.layout import layouts
from autograd.compile.native.schedule import schedule
from autograd.compile.passes import simplified
from autograd.compile.trace import program_of
from nn import functional as F

A, B = 0.7978845608028654, 0.044715


def formula(function: Callable[..., Any]) -> Any:
    """That of a function of z and g."""
    program = simplified(program_of(function, [np.ones((3, 4), "float32")] * 2, {}))
    refs = layouts(program)
    steps = schedule(program, refs, replace(HOST, types=CUDA_TYPES))
    members = {out: member for step in steps if isinstance(step, Group) for out, member in step.members.items()}
    known = dict(zip(program.arguments, (Z, G), strict=False))
    return formula_of(program.results[0], members, known)


@pytest.mark.parametrize(
    "gelu",
    [
        lambda z, g: F.gelu(z, "tanh"),
        lambda z, g: z / 2 * (1 + ag.tanh(A * (z + B * z * z * z))),
        lambda z, g: z - 0.5 * z * (1 - ag.tanh((z + z * ag.square(z) * B) * A)),
    ],
)
def test_gelu_by_any_way(gelu: Callable[..., Any]) -> None:
    assert is_same(formula(gelu), GELU)


def test_its_slope() -> None:
    def slope(z: Any, g: Any) -> Any:
        t = ag.tanh(A * (z + B * z * z * z))
        return g * 0.5 * (1 + t) + 0.5 * g * z * (1 - t * t) * A * (1 + 3 * B * z * z)

    assert is_same(formula(slope), GELU_BACKWARD)
    assert is_same(formula(lambda z, g: ag.vjp(lambda z: F.gelu(z, "tanh"), z)[1](g)[0]), GELU_BACKWARD)
    assert not is_same(formula(lambda z, g: slope(z, g) + 1e-3 * g), GELU_BACKWARD)


@pytest.mark.parametrize(
    "other",
    [
        lambda z, g: F.gelu(z),
        lambda z, g: F.silu(z),
        lambda z, g: z / 2 * (1 + ag.tanh(A * (z + 0.0447 * z * z * z))),
        lambda z, g: z / 2 * (1 + ag.tanh(A * (g + B * g * g * g))),
        lambda z, g: z / 2 * (1 + ag.tanh(A * (z + B * z * z))),
        lambda z, g: F.gelu(z, "tanh") + 1e-3,
        lambda z, g: F.gelu(2 * z, "tanh"),
    ],
)
def test_what_is_something_else(other: Callable[..., Any]) -> None:
    assert not is_same(formula(other), GELU)
