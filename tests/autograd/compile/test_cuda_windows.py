"""Convolution and pooling as commands for a GPU: NumPy's numbers, for every stride, padding, dilation and groups.

One idea: to compile a program takes longer than to run it, so one compiled function holds several settings. Each runs
three times, as commands and as a recording, in memory that is filled with NaN in between, and gives the same bits.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import autograd as ag
from autograd import Tensor, convolution, pooling
from autograd.backend import to_host
from autograd.compile.cuda import Tape
from autograd.compile.cuda import convolution as commands
from autograd.compile.cuda import pooling as pool_commands
from autograd.compile.cuda.commands import Call, Multiply
from autograd.compile.cuda.nests import Elements
from autograd.compile.native.layout import whole

from ...guard import guard
from . import simulated

pytestmark = simulated.needed

Arrays = list[np.ndarray]
Options = dict[str, Any]
dtypes = st.sampled_from(["float64", "float64", "float32"])


def over(examples: int) -> Any:
    return settings(max_examples=examples, phases=[Phase.generate], suppress_health_check=list(HealthCheck))


def on_device(function: Callable[[list[Any]], list[Any]], arrays: Arrays, device: str) -> tuple[Arrays, Tape]:
    """The results of a function of arrays, done without CuPy, and the tape of it."""
    compiled = ag.compile(lambda given: [Tensor(x) for x in function([x.data for x in given])])
    given = [Tensor(x, device=device) for x in arrays]
    results: list[Arrays] = []
    for _ in range(3):
        results.append([to_host(x.data).copy() for x in compiled(given)])
        ((entry,),) = compiled._entries.values()
        program = entry.run_program
        for memory in (program._arena, program._scratch):
            memory[...] = 0xFF  # NaN, whatever it is read as
    for later in results[1:]:
        for a, b in zip(results[0], later, strict=True):
            assert a.tobytes() == b.tobytes()
    assert not [str(command) for command in program.tape.commands if isinstance(command, Call)]
    return results[0], program.tape


def close(found: np.ndarray, wanted: np.ndarray, about: Any) -> None:
    assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype), about
    eps = np.finfo(wanted.dtype).eps
    np.testing.assert_allclose(found, wanted, rtol=256 * eps, atol=2048 * eps, err_msg=str(about))


# Convolution


Setting = tuple[tuple[int, ...], tuple[int, ...], Options]


@st.composite
def convolutions(draw: st.DrawFn) -> Setting:
    """The shapes of x and of the weight, and the options."""
    size, stride, dilation = (tuple(draw(st.integers(1, most)) for _ in range(2)) for most in (4, 3, 2))
    if draw(st.booleans()):
        stride = dilation = (1, 1)
    padding = tuple((draw(st.integers(0, 3)), draw(st.integers(0, 3))) for _ in range(2))
    if draw(st.integers(0, 5)) == 0:
        size, stride, padding = (1, 1), (1, 1), ((0, 0), (0, 0))
    groups, channels = draw(st.sampled_from([(1, draw(st.integers(1, 5))), (2, 3), (3, 2), (3, 1), (2, 1)]))
    spans = [d * (k - 1) + 1 for k, d in zip(size, dilation, strict=True)]
    length = [max(1, span - sum(p)) + draw(st.integers(0, 4)) for span, p in zip(spans, padding, strict=True)]
    x = (draw(st.integers(1, 4)), *length, groups * channels)
    w = (groups * draw(st.integers(1, 3)), *size, channels)
    return x, w, {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


def three(arrays: list[Any], options: Options) -> list[Any]:
    """A convolution and its adjoints, of x, of a weight, and of something like the result."""
    x, w, y = arrays
    return [
        convolution.convolve(x, w, **options),
        convolution.convolve_input(y, w, length=x.shape[1:3], **options),
        convolution.convolve_weight(x, y, size=w.shape[1:3], **options),
    ]


def numbers(shapes: list[Setting], dtype: str, seed: int = 0) -> Arrays:
    """x, weight and something like the result, for each setting."""
    rng, found = np.random.default_rng(seed), []
    for x, w, options in shapes:
        y = convolution.geometry("test", x, w, *(options[name] for name in OPTIONS)).out_shape
        found += [rng.normal(size=shape).astype(dtype) for shape in (x, w, y)]
    return found


OPTIONS = ("stride", "padding", "dilation", "groups")


def within(function: Callable[[list[Any]], list[Any]]) -> Callable[[list[Any]], list[Any]]:
    """The same of negated arrays, negated, so that all lies in memory of the program's own."""
    return lambda given: [-x for x in function([-x for x in given])]


def check(shapes: list[Setting], dtype: str, device: str, inside: bool = False) -> Tape:
    arrays = numbers(shapes, dtype)

    def all_of_them(given: list[Any]) -> list[Any]:
        return [r for i, (*_, options) in enumerate(shapes) for r in three(given[3 * i : 3 * i + 3], options)]

    all_of_them = within(all_of_them) if inside else all_of_them
    found, tape = on_device(all_of_them, arrays, device)
    exact = all_of_them([x.astype("float64") for x in arrays])
    for i, (one, wanted) in enumerate(zip(found, exact, strict=True)):
        close(one, wanted.astype(dtype), shapes[i // 3])
    return tape


@over(6)
@given(
    shapes=st.lists(convolutions(), min_size=6, max_size=6),
    dtype=dtypes,
    block=st.sampled_from([1, 1 << 10, 1 << 12, 1 << 27]),
)
def test_convolution_is_that_of_numpy(shapes: list[Setting], dtype: str, block: int, device: str) -> None:
    before, commands.BLOCK = commands.BLOCK, block
    try:
        check(shapes, dtype, device)
    finally:
        commands.BLOCK = before


def names_of(tape: Tape) -> list[str]:
    return [str(command).partition(": %")[0] for command in tape.commands]


def plain(**options: Any) -> Options:
    return {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1, **options}


def test_samples_are_laid_out_in_blocks_that_fit(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "BLOCK", 2 * 9 * 18 * 8)  # two samples of nine windows of 3 x 3 x 2
    shapes = [((5, 5, 5, 2), (4, 3, 3, 2), plain())]
    tape = check(shapes, "float64", device)
    assert tape.plan.arena_bytes < 3 * 2 * 9 * 18 * 8  # two blocks, for one is given on a step later, and a result
    laid, spread = "kernel <{} x 256>: {} samples as windows", "kernel <{} x 256>: {} samples from their windows"
    assert names_of(tape) == [
        *(laid.format(2, 2), "product 18 x 18 by 18 x 4") * 2,
        *(laid.format(1, 1), "product 9 x 18 by 18 x 4"),
        *("product 18 x 4 by 4 x 18", spread.format(1, 2)) * 2,
        *("product 9 x 4 by 4 x 18", spread.format(1, 1)),
        *(laid.format(2, 2), "product 4 x 18 by 18 x 18") * 2,
        *(laid.format(1, 1), "product 4 x 9 by 9 x 18"),
    ]
    assert [c.product.accumulate for c in tape.commands if isinstance(c, Multiply)] == [False] * 7 + [True] * 2


def test_a_window_of_one_place_is_its_own_row(device: str) -> None:
    tape = check([((3, 4, 5, 6), (4, 1, 1, 3), plain(groups=2))], "float32", device)
    assert names_of(tape) == [
        "product 2 of 60 x 3 by 3 x 2",
        "product 2 of 60 x 2 by 2 x 3",
        "product 2 of 2 x 60 by 60 x 3",
    ]


@pytest.mark.parametrize(("dtype", "rounded"), [("float32", True), ("float64", False)])
def test_products_are_rounded_only_where_it_is_asked_for(dtype: str, rounded: bool, device: str) -> None:
    tape = check([((2, 4, 4, 2), (3, 2, 2, 2), plain())], dtype, device)
    for tf32 in (False, True):
        products = [c.product for c in Tape(tape.program, tf32).commands if isinstance(c, Multiply)]
        assert [product.tf32 for product in products] == [tf32 and rounded] * 3


def test_channels_apart_need_no_product(device: str) -> None:
    shapes = [((2, 40, 40, 3), (6, 3, 2, 1), plain(groups=3, padding=((1, 0), (0, 1))))]
    assert names_of(check(shapes, "float64", device)) == [
        "kernel <74 x 256>: convolve, 3 channels apart",
        "kernel <38 x 256>: convolve_input, 3 channels apart",
        "kernel <291 x 256>: convolve_weight, 3 channels apart",
        "kernel <1 x 256>: 97 partial sums",
    ]


def test_operands_that_lie_out_of_order(device: str) -> None:
    shapes = [
        ((3, 5, 4, 2), (3, 2, 2, 2), plain(stride=(2, 1))),
        ((3, 5, 4, 2), (4, 2, 2, 1), plain(groups=2)),
        ((3, 5, 4, 2), (3, 1, 1, 2), plain()),
    ]
    pool = {"size": (2, 2), "stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}

    def function(given: list[Any]) -> list[Any]:
        *operands, g, places = (x.mT for x in given)  # a view that no pass moves
        found = [r for i, (*_, options) in enumerate(shapes) for r in three(operands[3 * i : 3 * i + 3], options)]
        x, length = operands[0], (5, 4)
        found += [pooling.pool_places(x, **pool), pooling.pool_pick(x, places, **pool), pooling.pool_sum(x, **pool)]
        put = pooling.pool_put(g, places, length=length, **pool)
        return [*found, put, pooling.pool_spread(g, length=length, **pool)]

    rng = np.random.default_rng(1)
    arrays = [*numbers(shapes, "float64"), rng.normal(size=(3, 4, 3, 2)), rng.integers(0, 4, (3, 4, 3, 2), "uint8")]
    arrays = [x.mT.copy() for x in arrays]
    found, tape = on_device(function, arrays, device)
    kinds = [name.partition(": ")[2] for name in names_of(tape)]
    packed = [kind for kind in kinds if kind == "packed"]
    assert len(packed) == 7  # launches, of nine operands
    assert not any("move" in kind for kind in kinds)
    for one, wanted in zip(found, function(arrays), strict=True):
        close(one, wanted, "") if one.dtype.kind == "f" else np.testing.assert_array_equal(one, wanted)


@pytest.mark.parametrize(("dtype", "loads"), [("float32", {8, 16}), ("float64", {16})])
def test_channels_beside_one_another_are_read_at_once(dtype: str, loads: set[int], device: str) -> None:
    wide = {"stride": (2, 3), "padding": ((1, 0), (0, 2)), "dilation": (1, 2), "groups": 2}
    shapes = [
        ((2, 5, 6, 8), (3, 3, 2, 8), plain(padding=((1, 1), (0, 1)))),
        ((2, 7, 8, 16), (4, 3, 3, 8), wide),
        ((2, 4, 5, 6), (3, 2, 2, 6), plain(stride=(3, 1))),
        ((2, 4, 5, 3), (3, 2, 2, 3), plain()),
    ]
    tape = check(shapes, dtype, device, inside=True)
    assert sizes_of_loads(tape) == {np.dtype(dtype).itemsize, *loads}
    assert sizes_of_loads(check(shapes, dtype, device)) == {np.dtype(dtype).itemsize}  # arguments may lie anywhere


def sizes_of_loads(tape: Tape) -> set[int]:
    """Of arrays with channels, in bytes."""
    bytes_of = {"float": 4, "double": 8, "unsigned char": 1, "long long": 8}
    found = re.findall(r"using [XY]\d = Beside<([\w ]+), (\d+)>", tape.source)
    return {bytes_of[kind] * int(count) for kind, count in found}


def test_indices_are_as_wide_as_they_have_to_be(device: str) -> None:
    options = {"size": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}
    pooled = check_pooling([((2, 8, 8, 4), options)], "float32", device)
    apart = check([((2, 4, 4, 3), (6, 2, 2, 1), plain(groups=3))], "float32", device)
    assert indices(pooled) == indices(apart) + ["int"] * 2 == ["int"] * 5
    for tape in (pooled, apart):
        for variable in {v for i in tape.program.instructions for v in (i.out, *i.variables())}:
            if variable.shape[0] == 2:
                variable.shape = (1 << 26, *variable.shape[1:])  # which has no memory anywhere
    assert indices(pooled) == indices(apart) + ["long"] * 2 == ["long"] * 5


def indices(tape: Tape) -> list[str]:
    """What indices are in the kernels of its poolings and convolutions."""
    anywhere: Any = SimpleNamespace(place=lambda base: (0, 0))
    kernels = {**commands.KERNELS, **pool_commands.KERNELS}
    found: list[str] = []
    for instruction in tape.program.instructions:
        kernel: Any = kernels[instruction.name](instruction, {v: whole(v) for v in instruction.variables()})
        for launch in kernel.launches(anywhere):
            found += re.findall(r"using index = (\w+);", launch.text)
    return found


@pytest.mark.parametrize(("side", "index"), [(5_000, "int"), (9_000, "long")])
def test_indices_into_the_rows_of_a_large_sample(side: int, index: str) -> None:
    geo = convolution.geometry("test", (1, side, side, 4), (4, 3, 3, 4), **plain())
    x, rows = (Elements(np.dtype("float32"), (0, 0), (0, 0, 1)) for _ in range(2))
    launches = [*commands._laid_out(geo, x, rows, 1), *commands._gathered(geo, rows, x, 1)]
    assert [re.findall(r"using index = (\w+);", launch.text) for launch in launches] == [[index]] * 2


def test_the_function_of_numpy_that_has_the_same_name_is_left_to_cupy() -> None:
    compiled = ag.compile(lambda x: Tensor(np.convolve(x.data, x.data)))
    compiled(Tensor(np.arange(4.0)))
    assert [type(command) for command in Tape(compiled.programs[0]).commands] == [Call]


# Pooling


@st.composite
def pools(draw: st.DrawFn) -> tuple[tuple[int, ...], Options]:
    """The shape of x, and the options."""
    axes = []
    for _ in range(2):
        size, stride, dilation = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 2))
        padding = draw(st.integers(0, size // 2)), draw(st.integers(0, size // 2))  # so that each has a number
        axes.append((dilation * (size - 1) + 1 + draw(st.integers(0, 4)), size, stride, padding, dilation))
    length, *options = zip(*axes, strict=True)
    shape = (draw(st.integers(1, 3)), *length, draw(st.integers(1, 4)))
    return shape, dict(zip(("size", "stride", "padding", "dilation"), options, strict=True))


def five(x: Any, g: Any, plain: Any, options: Options) -> list[Any]:
    places, length = pooling.pool_places(x, **options), x.shape[1:3]
    return [
        places,
        pooling.pool_pick(x, places, **options),
        pooling.pool_put(g, places, length=length, **options),
        pooling.pool_sum(plain, **options),
        pooling.pool_spread(g, length=length, **options),
    ]


def with_ties(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Numbers of which many are equal, with NaN and infinities where there are such."""
    x = rng.integers(0, 4, shape).astype(dtype)
    if x.dtype.kind == "f":
        x -= 2
        x[rng.random(shape) < 0.1] = np.nan
        x[rng.random(shape) < 0.2] = -np.inf
    return x


def check_pooling(cases: list[tuple[tuple[int, ...], Options]], dtype: str, device: str, inside: bool = False) -> Tape:
    rng, arrays = np.random.default_rng(1), []
    for shape, options in cases:
        counts = pooling.geometry(shape[1:3], **options).counts
        for lengths in (shape[1:3], counts, shape[1:3]):
            whole = (shape[0], *lengths, shape[3])
            arrays.append(with_ties(rng, whole, dtype) if len(arrays) % 3 == 0 else (3 * rng.normal(size=whole)))
            arrays[-1] = arrays[-1].astype(dtype)

    def all_of_them(given: list[Any]) -> list[Any]:
        return [r for i, (_, options) in enumerate(cases) for r in five(*given[3 * i : 3 * i + 3], options)]

    all_of_them = within(all_of_them) if inside else all_of_them
    found, tape = on_device(all_of_them, arrays, device)
    for i, (one, wanted) in enumerate(zip(found, all_of_them(arrays), strict=True)):
        if i % 5 < 3 or wanted.dtype.kind != "f":  # the same numbers are added in the same order
            np.testing.assert_array_equal(one, wanted, strict=True, err_msg=str(cases[i // 5]))
        else:
            close(one, wanted, cases[i // 5])
    return tape


@over(6)
@given(
    cases=st.lists(pools(), min_size=8, max_size=8),
    dtype=st.sampled_from(["float32", "float64", "float64", "int32", "uint8"]),
)
def test_pooling_is_that_of_numpy(cases: list[tuple[tuple[int, ...], Options]], dtype: str, device: str) -> None:
    check_pooling(cases, dtype, device)


@pytest.mark.parametrize(("dtype", "loads"), [("float32", {4, 16, 2, 8}), ("float64", {2, 16}), ("uint8", {16, 4})])
def test_pooling_of_channels_beside_one_another(dtype: str, loads: set[int], device: str) -> None:
    plain = {"size": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}
    wide = {"size": (3, 4), "stride": (2, 3), "padding": ((1, 0), (2, 1)), "dilation": (1, 1)}
    apart = {"size": (3, 2), "stride": (3, 1), "padding": ((1, 1), (0, 1)), "dilation": (1, 3)}
    cases = [((2, 6, 8, 16), plain), ((2, 7, 9, 4), wide), ((1, 8, 7, 4), apart)]
    cases += [((2, 5, 4, 6), wide)] if dtype == "float32" else []
    assert sizes_of_loads(check_pooling(cases, dtype, device, inside=True)) == loads


def test_places_of_large_windows_take_more_bytes(device: str) -> None:
    options = {"size": (17, 16), "stride": (2, 1), "padding": ((8, 7), (0, 8)), "dilation": (1, 1)}
    tape = check_pooling([((2, 20, 18, 2), options)], "float64", device)
    assert next(i.out.dtype for i in tape.program.instructions if i.name == "pool_places") == "uint16"


def test_a_place_that_there_is_not_gives_nothing(device: str) -> None:
    options = {"size": (2, 2), "stride": (2, 2), "padding": ((1, 0), (0, 0)), "dilation": (1, 1)}
    x, g = (np.random.default_rng(0).normal(size=shape) for shape in ((1, 5, 4, 3), (1, 3, 2, 3)))
    places = np.array([0, 1, 2, 3, 4, 5, -1, 250, -250]).repeat(2).reshape(g.shape)

    def function(given: list[Any]) -> list[Any]:
        x, g, places = given
        put = pooling.pool_put(g, places, length=(5, 4), **options)
        return [pooling.pool_pick(x, places, **options), put]

    found, _ = on_device(function, [x, g, places], device)
    for one, wanted in zip(found, function([x, g, places]), strict=True):
        np.testing.assert_array_equal(one, wanted)


def test_windows_that_are_left_to_the_module_are_its_own() -> None:
    x = np.arange(20.0).reshape(4, 5)
    fast = ag.compile(lambda x: ag.windows(x, size=(2, 3)) * 2.0)
    given = Tensor(x, device="guard")
    for _ in range(3):
        before = guard.synchronizations
        found = fast(given)
        assert guard.synchronizations == before
        np.testing.assert_array_equal(to_host(found.data), ag.windows(Tensor(x), size=(2, 3)).data * 2)
