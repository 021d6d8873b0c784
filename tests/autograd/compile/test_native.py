"""The native executor around its arithmetic: the cache, the compiler, memory, and what falls back.

One idea: whatever goes wrong with C, a compiled function still gives the right numbers, and says once why it is slow.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
import nn.functional as F
import optim
from autograd import Tensor
from autograd.compile.native import Native, library
from autograd.compile.native.dialect import HOST
from autograd.compile.native.library import load
from tests.autograd.compile.worlds import needs_c, numbers


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("TAPEGRAD_CACHE", str(folder))
    library._warn_once.cache_clear()
    library._compiler.cache_clear()
    yield folder
    library._warn_once.cache_clear()
    library._compiler.cache_clear()


def doubled(x: Tensor) -> Tensor:
    return ag.exp(x) * 2.0 + ag.sum(x, axis=1, keepdims=True)


def check(executor: str = "native") -> Any:
    compiled = ag.compile(doubled, executor=executor)
    for seed in range(3):
        x = Tensor(np.random.default_rng(seed).normal(size=(4, 5)))
        np.testing.assert_allclose(compiled(x).numpy(), doubled(x).numpy(), rtol=1e-13)
    return compiled


@needs_c
def test_a_library_is_made_once_and_kept_for_the_user_alone(cache: Path) -> None:
    check()
    made = {path: path.stat().st_mtime_ns for path in cache.glob("*.so")}
    assert 1 <= len(made) <= 2  # the program, and the pool of threads where it was not loaded before
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    check()
    assert {path: path.stat().st_mtime_ns for path in cache.glob("*.so")} == made


@needs_c
def test_a_damaged_library_is_made_again(cache: Path) -> None:
    source = "int seven(void) { return 7; }"
    path = library.folder() / library.name_of(source, library._compiler())
    path.write_bytes(b"no library at all")
    assert load(source).seven() == 7
    assert path.stat().st_size > 1000


@needs_c
def test_a_folder_that_others_may_write_to_is_refused(cache: Path) -> None:
    cache.mkdir(mode=0o700)
    cache.chmod(0o777)
    with pytest.raises(PermissionError, match="chmod 700"):
        check()


@pytest.mark.parametrize("compiler", ["/bin/false", "/no/such/compiler"])
def test_a_compiler_that_fails_means_numpy_and_one_warning(
    cache: Path, compiler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", compiler)
    with pytest.warns(RuntimeWarning, match="NumPy's kernels alone"):
        compiled = check()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check()
    assert "numpy: " in compiled.explain()


@pytest.mark.parametrize("compiler", ["/no/such/compiler", "failing"])
def test_with_a_fallback_no_compiler_means_eager(
    cache: Path, compiler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = tmp_path / "failing"
    failing.write_text('#!/bin/sh\n[ "$1" = --version ]\n')
    failing.chmod(0o700)
    monkeypatch.setenv("CC", str(tmp_path / compiler))
    compiled = ag.compile(doubled, executor="native", fallback=True)
    x = Tensor(np.random.default_rng(0).normal(size=(4, 5)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            assert compiled(x).tolist() == doubled(x).tolist()
    assert compiled.programs == []
    if compiler == "failing":
        assert compiled.refused == "the C compiler failed"
    else:
        assert compiled.refused == library.missing()
        assert "does not run" in compiled.refused
        assert not caught


@needs_c
def test_ctrl_c_on_the_terminal_does_not_reach_the_compiler(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step whose compiler was killed would be done by NumPy, and a run resumed after it would have other bits."""
    note, compiler = tmp_path / "session", tmp_path / "compiler"
    real = library._compiler()[0]
    script = (
        f"import os, sys; open({str(note)!r}, 'w').write(str(os.getsid(0))); os.execv({real!r}, ['cc', *sys.argv[1:]])"
    )
    compiler.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{script}" "$@"\n')
    compiler.chmod(0o700)
    library._compiler.cache_clear()
    monkeypatch.setenv("CC", str(compiler))
    check()
    assert note.read_text() != str(os.getsid(0))


@needs_c
def test_numpy_on_demand_needs_no_compiler(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "/bin/false")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check("numpy")
    assert not cache.exists()


def test_an_executor_that_does_not_exist_is_named() -> None:
    with pytest.raises(ValueError, match=r"executor='gpu'.*native.*numpy"):
        ag.compile(doubled, executor="gpu")


@needs_c
def test_the_plan_gives_no_two_living_variables_the_same_memory() -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16), nn.GELU(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 3))
    optimizer = optim.AdamW(model.parameters())

    def step(x: Tensor, y: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    compiled = ag.compile(step, executor="native")
    rng = np.random.default_rng(0)
    compiled(Tensor(rng.random((6, 8), dtype="f4")), Tensor(rng.integers(0, 3, 6)))
    plan = Native(compiled.programs[0]).plan
    placed = [
        (plan.made[v], plan.last[v], o, o + v.dtype.itemsize * int(np.prod(v.shape))) for v, o in plan.offsets.items()
    ]
    assert len(placed) > 10
    for i, (made, last, start, stop) in enumerate(placed):
        assert stop <= plan.arena_bytes
        for other_made, other_last, other_start, other_stop in placed[:i]:
            if made <= other_last and other_made <= last:
                assert stop <= other_start or other_stop <= start
    assert plan.arena_bytes < sum(stop - start for _, _, start, stop in placed)


@needs_c
@pytest.mark.parametrize("kind", ["int64", "int32", "uint8"])
@pytest.mark.parametrize("executor", ["native", "numpy"])
def test_a_wrong_label_is_refused_and_nothing_has_changed(executor: str, kind: str) -> None:
    model = nn.Linear(2, 3)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    @ag.compile(executor=executor)
    def step(x: Tensor, y: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y, ignore_index=100)
        loss.backward()
        optimizer.step()
        return loss

    x = Tensor(np.random.default_rng(0).random((4, 2), dtype="f4"))
    for good in ([0, 1, 2, 0], [2, 100, 2, 1]):
        assert np.isfinite(step(x, Tensor(np.array(good, dtype=kind))).item())
    before = model.weight.data.copy()
    for wrong in (3, 101, -1)[: 2 if kind == "uint8" else 3]:
        with pytest.raises(ValueError, match="3 classes"):
            step(x, Tensor(np.array([0, wrong, 2, 0], dtype=kind)))
        np.testing.assert_array_equal(model.weight.data, before)
    assert np.isfinite(step(x, Tensor(np.array([0, 1, 2, 0], dtype=kind))).item())
    assert len(step.programs) == 1


@needs_c
@pytest.mark.parametrize("executor", ["native", "numpy"])
def test_a_wrong_label_that_is_computed_is_refused_before_buffers_change(executor: str) -> None:
    norm = nn.BatchNorm1d(3)

    @ag.compile(executor=executor)
    def step(x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(norm(x), y + 1)

    x = Tensor(np.random.default_rng(0).random((4, 3), dtype="f4"))
    step(x, Tensor(np.array([0, 1, -1, 0])))
    before = {name: tensor.numpy().copy() for name, tensor in norm.state_dict().items()}
    with pytest.raises(ValueError, match="3 classes"):
        step(x, Tensor(np.array([0, 1, 2, 0])))
    for name, tensor in norm.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), before[name], err_msg=name)


@needs_c
@pytest.mark.parametrize(
    "read",
    [
        lambda x, i: ag.take_along_axis(ag.exp(x), i[:, None], axis=1),
        lambda x, i: ag.take_along_axis(x, (i * 2 - i)[:, None], axis=1),  # of what is computed it is not known
        lambda x, i: ag.scatter_add(x[:, :1] * 2.0, i[:, None], axis=1, length=4),
        lambda x, i: x[ag.arange(3), i].square(),
        lambda x, i: ag.grad(lambda x: x[ag.arange(3), i].sum())(x),
        lambda x, i: F.nll_loss(x, i),
    ],
)
def test_a_column_that_is_not_there_is_an_error(read: Any) -> None:
    x, compiled = Tensor(np.arange(12.0).reshape(3, 4)), ag.compile(read, executor="native")
    for good in ([0, 1, 2], [3, 0, 3]):
        i = Tensor(np.array(good))
        np.testing.assert_array_equal(compiled(x, i).numpy(), read(x, i).numpy())
    for wrong in (4, -5, 2**40):
        i = Tensor(np.array([0, wrong, 1]))
        with pytest.raises((IndexError, ValueError)) as wanted:
            read(x, i)
        with pytest.raises(wanted.type):
            compiled(x, i)


@needs_c
def test_labels_that_are_known_to_be_there_stay_in_their_loop() -> None:
    def step(x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        best = ag.take_along_axis(ag.exp(x), ag.argmax(x, axis=1, keepdims=True), axis=1)
        return best, F.cross_entropy(x, y, ignore_index=-1), F.nll_loss(x, y, ignore_index=-1)

    compiled = ag.compile(step, executor="native")
    compiled(Tensor(np.arange(12.0).reshape(3, 4)), Tensor(np.array([0, -1, 3])))
    lines = compiled.explain().splitlines()
    assert not [line for line in lines if "NumPy:" in line and "argmax" not in line]


@needs_c
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_the_largest_and_the_labelled_along_an_axis_between_are_numpys(kind: str) -> None:
    x = np.random.default_rng(0).normal(size=(6, 2, 3, 41)).astype(kind)
    x[0, :, 1, :9], x[1, 1, 2, 3], x[2], x[3, 0, 0, 5] = -np.inf, np.nan, np.inf, np.inf

    @ag.compile(executor="native")
    def several(x: Tensor) -> Any:
        places = ag.argmax(x, axis=2, keepdims=True)
        picked = ag.take_along_axis(x, places, axis=2)
        slope = ag.grad(lambda x: ag.sum(ag.take_along_axis(x, places, axis=2) * 3.0))(x)
        return ag.max(x, axis=(1, 2)) + 1.0, ag.min(x * 2.0, axis=2, keepdims=True), ag.exp(x), picked, slope

    biggest, smallest, _, picked, slope = (found.numpy() for found in several(Tensor(x)))
    np.testing.assert_array_equal(biggest, x.max(axis=(1, 2)) + 1, strict=True)
    np.testing.assert_array_equal(smallest, (x * 2).min(axis=2, keepdims=True), strict=True)
    places = x.argmax(axis=2, keepdims=True)
    wanted = np.zeros_like(x)
    np.put_along_axis(wanted, places, 3, axis=2)
    np.testing.assert_array_equal(picked, np.take_along_axis(x, places, axis=2), strict=True)
    np.testing.assert_array_equal(slope, wanted, strict=True)
    assert [line for line in several.explain().splitlines() if "NumPy: " in line and "argmax" not in line] == []


@needs_c
def test_labels_of_images_stay_in_loops_and_those_from_outside_may_be_negative() -> None:
    rng = np.random.default_rng(0)
    logits, labels = Tensor(rng.normal(size=(3, 4, 6, 5)).astype("f4")), rng.integers(0, 4, (3, 6, 5))
    labels[1, 2:4] = -1
    both = ag.compile(ag.value_and_grad(lambda x, y: F.cross_entropy(x, y, ignore_index=-1)), executor="native")
    loss, slope = both(logits, Tensor(labels))
    assert "NumPy: " not in both.explain()
    eager = ag.value_and_grad(lambda x: F.cross_entropy(x, Tensor(labels), ignore_index=-1))(logits)
    np.testing.assert_allclose(loss.numpy(), eager[0].numpy(), rtol=1e-6)
    np.testing.assert_allclose(slope.numpy(), eager[1].numpy(), rtol=1e-5, atol=1e-8)

    @ag.compile(executor="native")
    def picked(x: Tensor, y: Tensor) -> Any:
        return F.cross_entropy(x, y, ignore_index=-1), ag.take_along_axis(x, ag.expand_dims(y, axis=1), axis=1)

    found = picked(logits, Tensor(labels))[1].numpy()
    np.testing.assert_array_equal(found, np.take_along_axis(logits.numpy(), labels[:, None], axis=1))


@needs_c
def test_buffers_are_written_where_they_are() -> None:
    norm = nn.BatchNorm1d(3)
    step = ag.compile(lambda x: norm(x), executor="native")
    x = Tensor(np.random.default_rng(0).random((4, 3), dtype="f4"))
    for _ in range(2):
        step(x)
    plan = Native(step.programs[0]).plan
    assert plan.in_place == {place for place, _ in plan.program.writes}
    assert len(plan.in_place) == 3


@needs_c
def test_numbers_of_a_schedule_reach_the_c_function() -> None:
    w = Tensor([1.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.5)

    @ag.compile(executor="native")
    def step() -> None:
        optimizer.zero_grad()
        (w * 1.0).sum().backward()
        optimizer.step()

    for lr, wanted in ((0.5, 0.5), (0.25, 0.25), (1.0, -0.75), (0.0, -0.75)):
        optimizer.param_groups[0]["lr"] = lr
        step()
        assert w.data.tolist() == [wanted]
    assert len(step.programs) == 1


@needs_c
def test_arrays_that_are_not_packed_are_read_and_written_where_they_are() -> None:
    memory = np.arange(12.0).reshape(3, 4)
    w = Tensor(0.0)
    w.data = memory[:, ::2]
    x = Tensor(np.ones((2, 3)).T)

    @ag.compile(executor="native")
    def step(x: Tensor) -> Tensor:
        with ag.no_grad():
            w.__iadd__(x)
        return w * 2.0

    for _ in range(3):
        out = step(x)
    np.testing.assert_array_equal(memory[:, ::2], np.arange(12.0).reshape(3, 4)[:, ::2] + 3)
    np.testing.assert_array_equal(memory[:, 1::2], np.arange(12.0).reshape(3, 4)[:, 1::2])
    np.testing.assert_array_equal(out.numpy(), memory[:, ::2] * 2)


@needs_c
def test_an_array_for_reading_only_is_not_written_to() -> None:
    w, v = Tensor(np.arange(3.0)), Tensor(np.zeros(3))
    w.data.flags.writeable = False

    def step(x: Tensor) -> None:
        with ag.no_grad():
            v.__iadd__(x)
            w.__imul__(x)

    function = ag.compile(step, executor="native")
    with pytest.raises(ValueError, match="read-only"):
        step(Tensor([2.0], dtype="float64"))
    v.data[...] = 0.0
    for _ in range(2):
        with pytest.raises(ValueError, match="read-only"):
            function(Tensor([2.0], dtype="float64"))
        assert v.tolist() == [0.0] * 3
    w.data = np.ones(3)
    function(Tensor([2.0], dtype="float64"))
    assert v.tolist() == w.tolist() == [2.0] * 3


@needs_c
@pytest.mark.parametrize("dtype", ["float16", "longdouble"])
def test_dtypes_that_c_does_not_have_are_left_to_numpy(dtype: str) -> None:
    labels = Tensor([0, 2, 1])

    def written(x: Tensor) -> tuple[Tensor, ...]:
        slope = ag.grad(lambda x: F.cross_entropy(x, labels))(x)
        return slope, x.sum(axis=0), x.mean(), x.max(axis=1), x[np.arange(3), labels.data]

    function = ag.compile(written, executor="native")
    for seed in range(2):
        x = Tensor(np.random.default_rng(seed).normal(size=(3, 4)).astype(dtype))
        for wanted, found in zip(written(x), function(x), strict=True):
            assert found.dtype == wanted.dtype == dtype
            np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=max(10 * np.finfo(dtype).eps, 1e-15))


@needs_c
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_clip_is_a_loop_and_that_of_numpy(dtype: str) -> None:
    bounds = [(-1, 2), (2, -1), (None, 1), (-1, None)]
    x = np.array([-3, -1, 0, 2, 7], dtype)
    if dtype != "int32":
        bounds += [(np.nan, 1.0), (0.0, np.nan), (0.0, np.inf)]
        x = np.array([np.nan, np.inf, -np.inf, -2, -0.0, 3], dtype)

    @ag.compile(executor="native")
    def clipped(x: Tensor) -> list[Tensor]:
        return [Tensor(np.clip(x.data, low, high)) for low, high in bounds]

    for found, (low, high) in zip(clipped(Tensor(x)), bounds, strict=True):
        np.testing.assert_array_equal(found.numpy(), np.clip(x, low, high))
    assert clipped.explain().count("NumPy") == 2  # those with one bound


@needs_c
def test_nan_goes_through_maxima() -> None:
    def function(x: Tensor) -> tuple[Tensor, ...]:
        return ag.max(x, axis=1), ag.min(x, axis=1), ag.maximum(x, 0.0), ag.minimum(x, 0.0)

    x = np.random.default_rng(0).normal(size=(5, 40))
    x[1, 7] = x[3, 39] = np.nan
    compiled = ag.compile(function, executor="native")
    for _ in range(2):
        for wanted, found in zip(function(Tensor(x)), compiled(Tensor(x)), strict=True):
            np.testing.assert_array_equal(wanted.numpy(), found.numpy())


@needs_c
def test_a_cast_to_bool_asks_whether_a_number_is_zero() -> None:
    def function(x: Tensor) -> tuple[Tensor, ...]:
        truth = ag.astype(x, "bool")
        return truth, ag.astype(truth, "float32"), ag.astype(ag.permute_dims(x, (2, 1, 0)), "bool")

    compiled = ag.compile(function, executor="native")
    for dtype in ("float32", "float64", "int32"):
        x = Tensor(np.array([0.0, 0.5, -0.25, 256, 5, np.pi, -1, 0]).astype(dtype).reshape(2, 2, 2))
        for wanted, found in zip(function(x), compiled(x), strict=True):
            np.testing.assert_array_equal(wanted.numpy(), found.numpy())


@needs_c
@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
@pytest.mark.parametrize("floating", ["float32", "float64"])
def test_floats_become_the_whole_numbers_that_numpy_makes_of_them(dtype: str, floating: str) -> None:
    def function(x: Tensor) -> tuple[Tensor, ...]:
        whole = ag.astype(x * 1.0, dtype)
        return whole, ag.copysign(3.0, ag.astype(whole, floating)), ag.astype(whole, floating) * 0.5

    numbers = [0.7, -0.3, -1.0, -2.5, 300.7, -300.7, 70000.2, 5e9, -5e9, 1e30, np.inf, -np.inf, np.nan]
    x = Tensor(np.array(numbers * 7, floating))
    for found, wanted in zip(ag.compile(function, executor="native")(x), function(x), strict=True):
        np.testing.assert_array_equal(found.numpy(), wanted.numpy())


@needs_c
@pytest.mark.parametrize("dtype", ["uint8", "uint32", "uint64"])
def test_no_number_without_a_sign_is_below_zero(dtype: str) -> None:
    compiled = ag.compile(lambda x: (x < -1, x > -1, x == -1), executor="native")
    x = Tensor(np.array([0, 1, np.iinfo(dtype).max], dtype))
    assert [found.tolist() for found in compiled(x)] == [[False] * 3, [True] * 3, [False] * 3]


@needs_c
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint32", "int64"])
def test_whole_numbers_are_compared_with_any_of_pythons(dtype: str) -> None:
    limits = np.iinfo(dtype)
    x = Tensor(np.array([limits.min, limits.max, 1], dtype))
    for other in (2**70, 2**64, 2**63, 2**31, 300, limits.max, limits.min, -1, -(2**63), -(2**63) - 1, -(2**70)):

        def function(x: Tensor, other: int = other) -> tuple[Tensor, ...]:
            return x < other, x >= other, x == other, x != other

        for found, wanted in zip(ag.compile(function, executor="native")(x), function(x), strict=True):
            np.testing.assert_array_equal(found.numpy(), wanted.numpy())


@needs_c
@pytest.mark.parametrize("dtype", ["int8", "int64"])
def test_whole_numbers_with_a_sign_are_compared_with_those_without(dtype: str) -> None:
    """There is no type for both, and in double 2^53 and the next number are one."""
    largest = min(np.iinfo(dtype).max, 2**53)
    x, y = Tensor(np.array([-1, largest], dtype)), Tensor(np.array([2**64 - 1, largest + 1], "uint64"))

    compiled = ag.compile(lambda x, y: (x < y, x == y, y > x, x != y), executor="native")
    assert [found.tolist() for found in compiled(x, y)] == [[True] * 2, [False] * 2, [True] * 2, [True] * 2]


@needs_c
@pytest.mark.parametrize("shape", [(300_003,), (100_001, 3), (3, 300_001)])
def test_a_sum_of_many_numbers_loses_none_of_them(shape: tuple[int, ...]) -> None:
    def function(x: Tensor, y: Tensor) -> Tensor:
        return (x - y).sum()

    x, y = np.full(shape, 0.5, "float32"), np.full(shape[1:], 0.4, "float32")
    found = ag.compile(function, executor="native")(Tensor(x), Tensor(y)).item()
    assert found == pytest.approx(float((x - y).astype("float64").sum()), rel=1e-6)


@needs_c
@pytest.mark.parametrize(
    ("shape", "axis"), [((300_001, 3), 0), ((2, 120_000, 5), 1), ((100, 1000, 7), (0, 1)), ((3, 70_000, 4), 1)]
)
def test_sums_down_many_rows_lose_none_of_them(shape: tuple[int, ...], axis: Any) -> None:
    """Added to one another, equal numbers round to the same side each time."""
    x = np.full(shape, 0.1, "float32")
    step = ag.compile(lambda x: (ag.sum(x - 0.3, axis=axis), ag.mean(x * 1.5, axis=axis)), executor="native")
    total, mean = step(Tensor(x))
    assert "NumPy" not in step.explain()
    np.testing.assert_allclose(total.data, (x - np.float32(0.3)).astype("float64").sum(axis), rtol=2e-5)
    np.testing.assert_allclose(mean.data, (x * np.float32(1.5)).astype("float64").mean(axis), rtol=2e-5)


@needs_c
@pytest.mark.parametrize("dtype", ["int8", "uint16", "int32", "int64"])
def test_whole_numbers_go_round_as_in_numpy(dtype: str) -> None:
    def function(x: Tensor) -> Any:
        return x + 1 > x, -x < 0, x * x, ag.square(x) - x

    limits = np.iinfo(dtype)
    x = np.array([limits.max, limits.min, 3] * 30, dtype)
    with np.errstate(over="ignore"):
        wanted = function(Tensor(x))
    for found, expected in zip(ag.compile(function, executor="native")(Tensor(x)), wanted, strict=True):
        np.testing.assert_array_equal(found.numpy(), expected.numpy())


def test_the_environment_of_this_process_names_the_executor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAPEGRAD_EXECUTOR", "numpy")
    assert ag.compile(doubled).executor == "numpy"
    assert os.environ["TAPEGRAD_EXECUTOR"] == "numpy"


@needs_c
def test_arrays_given_again_are_those_that_nobody_holds() -> None:
    compiled = ag.compile(lambda x: x * 2.0, executor="native")
    held, views = [], []
    for i in range(20):
        out = compiled(Tensor(np.full(4, float(i))))
        if i % 3 == 0:
            held.append((i, out))
        if i % 3 == 1:
            views.append((i, out.data[1:]))
    for i, out in held:
        np.testing.assert_array_equal(out.data, 2.0 * i)
    for i, view in views:
        np.testing.assert_array_equal(view, 2.0 * i)


def loops(function: Any) -> list[str]:
    """The instructions of each loop in the plan of a compiled function."""
    lines = [line.partition(": ") for line in function.explain().splitlines() if " loop " in line]
    return [instructions.partition(" ->")[0] for _, _, instructions in lines]


@needs_c
def test_the_update_of_a_parameter_is_one_loop() -> None:
    w, v = Tensor(np.ones((3, 4), "f4"), requires_grad=True), Tensor(np.ones(4, "f4"), requires_grad=True)
    optimizer = optim.Adam([w, v])

    @ag.compile(executor="native")
    def step(x: Tensor) -> None:
        optimizer.zero_grad()
        (x @ w + v).square().sum().backward()
        optimizer.step()

    step(Tensor(np.ones((2, 3), "f4")))
    updates = [names for names in loops(step) if "sqrt" in names]
    assert [names.split()[-1] for names in updates] == ["subtract"] * 2
    assert len(loops(step)) == 3  # and that of the loss


@needs_c
def test_the_scale_of_a_mask_joins_the_loop_of_what_it_silences() -> None:
    generator = ag.random.Generator(0)
    function = ag.compile(
        lambda x: F.dropout(ag.maximum(x @ x.T, 0.0), 0.5, generator=generator) @ x, executor="native"
    )
    function(Tensor(np.ones((3, 4), "f4")))
    assert loops(function) == ["maximum multiply multiply"]


@needs_c
@pytest.mark.parametrize("count", [100, 5000, 300_000])
def test_a_share_of_a_loss_leaves_loss_and_gradient_one_loop_that_threads_can_share(count: int) -> None:
    """It was a value of the only row, for which all that comes before it was kept, however much, on the stack."""
    x, y, share = Tensor(numbers(count)), Tensor(numbers(count, seed=1)), Tensor(np.float32(0.7))

    @ag.compile(executor="native")
    def step(x: Tensor, y: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        return ag.value_and_grad(lambda x: ag.mean(ag.exp(-ag.abs(x - y))) * (share / 3.0))(x)

    found = step(x, y, share)
    wanted = step.function(x, y, share)
    np.testing.assert_allclose(found[0].data, wanted[0].data, rtol=1e-6)
    np.testing.assert_allclose(found[1].data, wanted[1].data, rtol=1e-5, atol=1e-12)
    native = Native(step.programs[0])
    large = [line for line in native.explain().splitlines() if f"loop 1 x {count}:" in line]
    assert len(large) == 1
    assert "_part" in native.source or count < 10_000
    assert all(int(length) <= HOST.longest_row for length in re.findall(r" b\d+\[(\d+)\]", native.source))


@needs_c
def test_a_long_row_is_not_kept_for_a_value_beside_it() -> None:
    x, scale = Tensor(numbers(3, 40_000)), Tensor(numbers(3, 1, seed=1))
    step = ag.compile(lambda x, scale: (ag.exp(x) * (scale * 2.0), ag.exp(x) + 1.0), executor="native")
    for found, wanted in zip(step(x, scale), step.function(x, scale), strict=True):
        np.testing.assert_allclose(found.data, wanted.data, rtol=1e-6)
    source = Native(step.programs[0]).source
    assert all(int(length) <= HOST.longest_row for length in re.findall(r" b\d+\[(\d+)\]", source))


@needs_c
def test_an_element_that_waits_for_a_reader_that_shares_nothing_else() -> None:
    def written(x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        doubled, halved = x * 2.0, y * 0.5  # of other shapes
        return doubled @ halved, doubled.sum(axis=0), y * 3.0, (doubled[:2] + halved[0, 0]).T

    function = ag.compile(written, executor="native")
    for seed in range(3):
        x, y = (Tensor(np.random.default_rng(seed).normal(size=shape)) for shape in ((3, 4), (4, 2)))
        for wanted, found in zip(written(x, y), function(x, y), strict=True):
            np.testing.assert_allclose(wanted.numpy(), found.numpy(), rtol=1e-13)


def trained_with_adam(layers: int) -> Any:
    model = nn.Sequential(*(nn.Linear(8, 8) for _ in range(layers)))
    optimizer = optim.AdamW(model.parameters())

    @ag.compile(executor="native")
    def step(x: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    step(Tensor(np.ones((4, 8), "float32")))
    return step


@needs_c
def test_layers_of_a_kind_share_their_loops() -> None:
    few, many = (trained_with_adam(layers).programs[0] for layers in (3, 6))
    assert Native(few).source.count("noinline") == Native(many).source.count("noinline")
    assert len(Native(few).steps) < len(Native(many).steps)


@needs_c
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_comparison_is_no_byte_while_it_is_multiplied_with(dtype: str) -> None:
    step = ag.compile(lambda x: ag.tanh(x) * ((x > 0.5) & (x < 9)), executor="native")
    x = np.array([-1.0, 0.5, 0.75, np.nan, np.inf], dtype)
    for _ in range(2):
        np.testing.assert_allclose(step(Tensor(x)).data, np.tanh(x) * ((x > 0.5) & (x < 9)), rtol=1e-6)
    assert Native(step.programs[0]).source.count("      int v") == 3  # bytes are done one after the other by GCC 12


@needs_c
def test_bounds_on_both_sides_join_their_loop() -> None:
    step = ag.compile(lambda x: ag.grad(lambda x: F.hardswish(x).sum())(x), executor="native")
    step(Tensor(np.linspace(-4, 4, 9, dtype="float32")))
    assert "NumPy" not in step.explain()


@needs_c
@pytest.mark.parametrize("length", [2, 4, 8, 16])
def test_a_loop_that_reads_a_matrix_along_its_columns_is_not_left_out(length: int) -> None:
    def written(x: Tensor, y: Tensor) -> Tensor:
        a, b = x @ y, y @ x
        return (a + b.T) @ b @ (a * 2.0)

    x, y = (Tensor(np.random.default_rng(seed).normal(size=(length, length))) for seed in (0, 1))
    found = ag.compile(written, executor="native")(x, y)
    np.testing.assert_allclose(found.numpy(), written(x, y).numpy(), rtol=1e-10, atol=1e-10)


@needs_c
@pytest.mark.parametrize("shapes", [((4,), (3, 4, 5)), ((3, 5, 4), (4,)), ((3, 4), (4, 5))], ids=str)
def test_the_transpose_of_a_product_of_vectors_and_stacks(shapes: Any) -> None:
    a, b = (Tensor(np.random.default_rng(0).normal(size=shape)) for shape in shapes)
    turned = ag.compile(lambda a, b: (a @ b).T * 2.0, executor="native")
    for _ in range(2):
        np.testing.assert_allclose(turned(a, b).data, (a.data @ b.data).T * 2.0, rtol=1e-12)
