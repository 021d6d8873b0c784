"""NVRTC: every kind of kernel is CUDA C for an H100, which is seen without a GPU.

One idea: the simulated device takes whatever C++ takes. The compiler that a real one needs is a wheel, and where that
is installed the same tapes go through it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
import optim
from autograd import DeviceError, Tensor, pooling
from autograd.compile.cuda import Tape
from autograd.compile.cuda.nvrtc import compiled
from autograd.compile.passes import simplified
from autograd.compile.trace import program_of
from benchmarks.speed.networks import CNN, GPT, MLP
from benchmarks.speed.tapegrad import training_step
from benchmarks.speed.workloads import Workload

from . import simulated
from .test_cuda_windows import numbers, plain, three


def tape_of(step: Callable[..., Any], *arguments: Any, eager: bool = False) -> Tape:
    traced = ag.compile(step)
    for _ in range(2):
        traced(*arguments)
    return Tape(traced.programs[-1], eager=eager)


def for_h100(tape: Tape) -> int:
    """The size of its code."""
    try:
        return len(compiled(tape.source, "sm_90"))
    except DeviceError as error:
        if "was not found" in str(error):
            pytest.skip(str(error))
        raise


@pytest.mark.parametrize("network", [MLP((5, 7, 6, 3), 4), CNN((4, 8), 2), GPT(2, 16, 2, 8, 2, 11)])
def test_the_step_of_a_network(network: Any) -> None:
    for eager in (False, True):
        assert for_h100(tape_of(training_step(Workload("", network, "adamw", 0.0)), eager=eager)) > 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_convolutions_and_poolings(dtype: str) -> None:
    wide = {"stride": (2, 3), "padding": ((0, 2), (3, 1)), "dilation": (2, 1)}
    shapes = [
        ((2, 9, 8, 4), (6, 3, 4, 2), {**wide, "groups": 2}),
        ((2, 9, 8, 4), (8, 3, 4, 1), {**wide, "groups": 4}),
        ((2, 90, 80, 40), (40, 3, 3, 1), plain(groups=40)),
        ((2, 5, 5, 3), (4, 1, 1, 3), plain()),
    ]
    arrays = [Tensor(x) for x in numbers(shapes, dtype)]

    def step(given: list[Tensor]) -> list[Tensor]:
        raw = [x.data for x in given]
        found = [x for i, (*_, options) in enumerate(shapes) for x in three(raw[3 * i : 3 * i + 3], options)]
        options: Any = {"size": (3, 17), "stride": (1, 2), "padding": ((1, 0), (0, 1)), "dilation": (2, 1)}
        x, length = raw[6], (90, 80)
        places = pooling.pool_places(x, **options)
        picked = pooling.pool_pick(x, places, **options)
        put = pooling.pool_put(picked, places, length=length, **options)
        spread = pooling.pool_spread(pooling.pool_sum(x, **options), length=length, **options)
        return [Tensor(x) for x in (*found, places, picked, put, spread)]

    tape = tape_of(step, arrays)
    assert "CuPy" not in str(tape)
    assert for_h100(tape) > 0


def test_a_rule_whose_numbers_are_words_of_its_launch() -> None:
    w = Tensor(np.ones(5, "float32"), requires_grad=True)
    w.grad = Tensor(np.ones(5, "float32"))
    tape = tape_of(optim.AdamW([w]).step, eager=True)
    assert "*(const double *)&p[" in tape.source
    assert for_h100(tape) > 0


def test_rows_of_a_table_and_draws() -> None:
    table, silenced = nn.Embedding(11, 5), nn.Dropout(0.5)

    def step(numbers: Tensor) -> None:
        table.weight.grad = None
        silenced(table(numbers)).square().sum().backward()

    assert for_h100(tape_of(step, ag.arange(6).reshape(2, 3))) > 0


@simulated.needed
def test_products_in_bfloat16() -> None:
    pytest.importorskip("ml_dtypes")

    @ag.autocast()
    def loss(x: Tensor, w: Tensor, q: Tensor) -> Tensor:
        y = nn.functional.conv2d(x, w, stride=2, padding=1)
        heads = nn.functional.scaled_dot_product_attention(q, q, q, is_causal=True)
        return y.square().sum() + (heads @ heads.mT).square().sum()

    given = [np.ones(shape, "float32") for shape in ((2, 3, 7, 7), (4, 3, 3, 3), (2, 3, 5, 7))]
    arrays = [Tensor(x, device="guard").data for x in given]
    tape = Tape(simplified(program_of(ag.grad(loss, argnums=(0, 1, 2)), arrays, {})))
    assert {command.product.dtype for command in tape.commands if hasattr(command, "product")} == {"bfloat16"}
    assert "CuPy" not in str(tape)
    assert for_h100(tape) > 0
