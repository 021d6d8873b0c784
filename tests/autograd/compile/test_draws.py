"""Random numbers made in C: those of the generator, to the last bit.

One idea: eager code with a generator of the same state is the measure; what C makes and what it leaves to NumPy must be
equal to that in every bit, and so must the generator be afterwards.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn.functional as F
from autograd import Tensor
from autograd.compile.native import draws
from autograd.compile.native.library import load
from autograd.random import Draw, Generator
from tests.autograd.compile.worlds import Training, assert_same, needs_c

pytestmark = needs_c

SHAPES = [(), (1,), (7,), (0,), (3, 0), (2, 3, 5), 2047, 2048, (2049,), (70, 1001)]
LARGEST = 2**64 - 1

# What C makes of a draw, for each shape.
MADE: dict[str, Callable[[Any, Any], Any]] = {
    "mask": lambda draw, shape: draw.keep_mask(shape, 0.3),
    "mask of nothing": lambda draw, shape: draw.keep_mask(shape, 1.0),
    "mask of all": lambda draw, shape: draw.keep_mask(shape, 0.0),
    "uniform": lambda draw, shape: draw.uniform(shape),
    "uniform, bounds": lambda draw, shape: draw.uniform(shape, low=-0.1, high=0.7),
    "uniform, whole bounds": lambda draw, shape: draw.uniform(shape, -3, 2**40),
    "uniform, float64": lambda draw, shape: draw.uniform(shape, dtype="float64"),
    "uniform, float64, bounds": lambda draw, shape: draw.uniform(shape, 1 / 3, -0.7, np.float64),
    "integers": lambda draw, shape: draw.integers(-5, 1000, shape),
    "integers, all negative": lambda draw, shape: draw.integers(-(2**63), 0, shape, device="cpu"),
    "integers, all positive": lambda draw, shape: draw.integers(0, 2**63, shape),
}
# What it leaves to NumPy.
LEFT: dict[str, Callable[[Any, Any], Any]] = {
    "normal": lambda draw, shape: draw.normal(shape),
    "permutation": lambda draw, shape: draw.permutation(9),
    "half precision": lambda draw, shape: draw.uniform(shape, dtype="float16"),
    "bounds with a dtype": lambda draw, shape: draw.uniform(shape, np.float64(-0.1), 0.7),
}


def philox(counter: list[int], key: list[int]) -> list[int]:
    """A block of four words, by the C code."""
    library = load(f"{draws.PRODUCT}{draws.PHILOX}\nvoid block(const word *key, word *w) {{ philox(key, w); }}")
    words = (ctypes.c_uint64 * 4)(*counter)
    library.block((ctypes.c_uint64 * 2)(*key), words)
    return list(words)


def test_blocks_are_those_of_the_paper() -> None:
    """The known answers that come with Salmon, Moraes, Dror and Shaw 2011, for philox4x64 with 10 rounds."""
    assert philox([0] * 4, [0] * 2) == [
        *(0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B),
    ]
    assert philox([LARGEST] * 4, [LARGEST] * 2) == [
        *(0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0),
    ]
    pi = [0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89]
    assert philox(pi, [0x452821E638D01377, 0xBE5466CF34E90C6C]) == [
        *(0xA528F45403E61D95, 0x38C72DBD566E9788, 0xA5A1610E72FD18B5, 0x57BD43B5E52B7FE6),
    ]


def kinds(compiled: Any) -> set[str]:
    """Who makes the numbers of a compiled function: "draw" for C, "NumPy"."""
    plan = compiled.explain().partition("native: ")[2].splitlines()[1:]
    return {line.split()[1].rstrip(":") for line in plan if " draw." in line}


@pytest.mark.parametrize("executor", ["native", "numpy"])
@pytest.mark.parametrize("name", [*MADE, *LEFT])
def test_numbers_are_those_of_the_generator(name: str, executor: str) -> None:
    make = {**MADE, **LEFT}[name]
    generator, twin = Generator(3), Generator(3)
    compiled = ag.compile(lambda: [make(generator.next(), shape) for shape in SHAPES], executor=executor)
    states = [(3, 0, 0), (LARGEST, LARGEST, 2**63), (12345, 7, 1)]
    for seed, stream, draw in states:
        for one in (generator, twin):
            one.load_state_dict({"seed": seed, "stream": stream, "draw": draw})
        for _ in range(2):
            assert_same(compiled(), [make(twin.next(), shape) for shape in SHAPES])
            assert generator.state_dict() == twin.state_dict()
    assert len(compiled.programs) == 1
    if executor == "native":
        assert kinds(compiled) == {"draw" if name in MADE else "NumPy"}


def test_words_are_those_of_the_draw() -> None:
    generator = Generator(1)
    compiled = ag.compile(lambda: generator.next().words(1001), executor="native")
    for draw in range(3):
        assert_same(compiled(), Draw(1, 0, draw).words(1001))
    assert kinds(compiled) == {"draw"}


def test_draws_are_taken_in_the_order_in_which_they_were_written() -> None:
    generators, twins = [Generator(1), Generator(1, stream=2)], [Generator(1), Generator(1, stream=2)]

    def written(one: Generator, other: Generator) -> list[Any]:
        draw = one.next()  # made into numbers three times, by both
        found = [one.normal(3), draw.uniform(5), other.keep_mask(5, 0.5), one.uniform(4), draw.normal(2)]
        one.next()
        return [*found, other.permutation(5), one.keep_mask(3, 0.5), draw.words(2), one.normal(1)]

    compiled = ag.compile(lambda: written(*generators), executor="native")
    for _ in range(3):
        assert_same(compiled(), written(*twins))
        assert [one.state_dict() for one in generators] == [one.state_dict() for one in twins]
    assert kinds(compiled) == {"draw", "NumPy"}


@pytest.mark.parametrize("mask", ["per_case", "per_batch"])
@pytest.mark.parametrize("mode", ["inverted", "classic"])
def test_dropout_silences_the_units_that_it_would(mode: Any, mask: Any) -> None:
    generator, twin = Generator(5), Generator(5)
    w = Tensor(np.random.default_rng(0).normal(size=(6, 50)).astype("f4"), requires_grad=True)

    def written(x: Tensor, source: Generator) -> Any:
        w.grad = None
        out = F.dropout(x * w, 0.3, mode=mode, mask=mask, generator=source)
        out = F.dropout(out, 0.5, mode=mode, mask=mask, generator=source)
        out.sum().backward()
        return out.detach(), w.grad

    compiled = ag.compile(lambda x: written(x, generator), executor="native")
    for step in range(10):
        x = Tensor(np.random.default_rng(step).normal(size=(6, 50)).astype("f4"))
        found = compiled(x)
        assert_same(list(found), list(written(x, twin)))
        assert_same(w.grad, found[1])
        assert generator.draw == twin.draw
    assert "NumPy" not in compiled.explain()


def test_a_network_is_trained_as_eager_code_trains_it() -> None:
    first, second = Training(), Training()
    step = ag.compile(second.step, executor="native")
    for k in range(10):
        if k == 5:
            for one in (first, second):
                one.dropout.load_state_dict({"seed": 99, "stream": 3, "draw": 12})
        wanted, found = first.step(*first.batch()), step(*second.batch())
        assert_same(found, wanted, rtol=1e-4)
        assert first.dropout.state_dict() == second.dropout.state_dict()
    assert len(step.programs) == 1
    assert kinds(step) == {"draw"}


def test_the_module_functions_and_the_default_generator() -> None:
    compiled = ag.compile(lambda: (ag.random.rand(3, 2), ag.random.randint(0, 9, (4,))), executor="native")
    for seed in (1, 2):
        ag.random.seed(seed)
        found = compiled()
        ag.random.seed(seed)
        assert_same(list(found), [ag.random.rand(3, 2), ag.random.randint(0, 9, (4,))])
    assert kinds(compiled) == {"draw"}


@pytest.mark.parametrize("executor", ["native", "numpy"])
def test_a_count_that_has_run_out_is_refused_as_in_eager_code(executor: str) -> None:
    generator, twin = Generator(0), Generator(0)
    compiled = ag.compile(lambda: generator.keep_mask(3, 0.5), executor=executor)
    compiled()
    for one in (generator, twin):
        one.load_state_dict({"seed": 0, "stream": 0, "draw": LARGEST})
    assert_same(compiled(), twin.keep_mask(3, 0.5))
    for call in (compiled, lambda: twin.keep_mask(3, 0.5)):
        with pytest.raises(OverflowError):
            call()
    assert generator.draw == twin.draw


@pytest.mark.parametrize("executor", ["native", "numpy"])
def test_a_call_that_is_refused_has_taken_its_draws(executor: str) -> None:
    generator = Generator(0)

    def written(x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(F.dropout(x, 0.5, generator=generator), y)

    compiled = ag.compile(written, executor=executor)
    x = Tensor(np.ones((2, 3), "f4"))
    compiled(x, Tensor(np.array([0, 1])))
    with pytest.raises(ValueError, match="3 classes"):
        compiled(x, Tensor(np.array([0, 3])))
    assert generator.draw == 2


def test_halves_of_words_are_left_to_numpy_where_they_lie_the_other_way_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draws.sys, "byteorder", "big")
    generator = Generator(0)
    compiled = ag.compile(lambda: generator.keep_mask(3, 0.5), executor="native")
    assert_same(compiled(), Generator(0).keep_mask(3, 0.5))
    assert kinds(compiled) == {"NumPy"}
