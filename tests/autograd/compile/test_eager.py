"""Loops and products in C for eager code: the same numbers as NumPy's, whatever the size, the threads, the compiler."""

from __future__ import annotations

import dataclasses
import functools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import autograd as ag
import nn
import nn.functional as F
import optim
from autograd import convolution, pooling
from autograd.compile.native import Native, any_length, cut_parts, eager, images, library, ordered, pools
from autograd.compile.native.any_length import LARGE
from autograd.compile.native.eager import Loop
from autograd.compile.native.many import matmul_many
from autograd.compile.trace import program_of
from autograd.convolution import windows
from autograd.errors import ShapeError
from autograd.fused import fused_functions
from nn.functional.group_norm import _by_groups
from nn.functional.total_loss import total_loss
from nn.functional.weighed_loss import weighed_logistic

from .worlds import needs_c, numbers

pytestmark = pytest.mark.usefixtures("c_is_wanted")


def wave(x):
    return ag.tanh(x) * x + 1.5


def centred(x, weight):
    """Rows less their mean, times a weight; and sums over the rows."""
    out = (x - ag.mean(x, axis=1, keepdims=True)) * weight
    return out, ag.sum(out, axis=0)


def every_way(known):
    """The ways that a Lengths has, for all lengths or for one."""
    return [*known._every, *(way for ways in known._of.values() for way in ways)]


# Loops


@needs_c
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(LARGE,), (LARGE + 1,), (LARGE + 63,), (333, 77), (5, 64, 100), (LARGE, 1)])
def test_elements_are_computed_whatever_the_shape(shape, dtype):
    x = numbers(*shape, dtype=dtype)
    made = Loop(wave)(x)
    assert made is not None
    assert made[0].dtype == dtype
    assert made[0].shape == shape
    np.testing.assert_allclose(made[0], np.tanh(x) * x + 1.5, rtol=1e-6 if dtype == "float32" else 1e-14, atol=1e-6)


@needs_c
@pytest.mark.parametrize("name", ["silu", "gelu", "gelu_tanh"])
def test_these_activations_are_one_loop(name):
    assert Loop(fused_functions[name].definition)(numbers(LARGE)) is not None


@needs_c
def test_one_loop_serves_every_size():
    loop = Loop(wave)
    for size in (LARGE, LARGE + 7, 3 * LARGE):
        assert loop(numbers(size)) is not None
    assert len(loop._made) == 1


@needs_c
@pytest.mark.parametrize("function", [centred, F.norm._slopes])
def test_one_library_serves_every_length_of_row(function):
    loop = Loop(function, by_rows=True)
    for columns in (2, 5, 7, 64, 333):  # five is also how many rows are traced
        rows = [numbers(LARGE, columns, dtype="float64", seed=seed) for seed in (0, 1)]
        given = rows[:1] if function is centred else [*rows, np.abs(rows[0][:, :1]), rows[1][:, -1:]]
        given.append(numbers(columns, dtype="float64"))
        options = {} if function is centred else {"centre": True, "weighted": True}
        made = loop(*given, **options)
        for one, wanted in zip(made, function(*map(ag.Tensor, given), **options), strict=True):
            np.testing.assert_allclose(one, wanted.data, rtol=1e-10, atol=1e-9)
    assert len({made.source for known in loop._made.values() for made in every_way(known)}) == 1


@needs_c
@pytest.mark.parametrize("function", [centred, F.norm._slopes, lambda x: ag.softmax(x, axis=-1)])
def test_two_lengths_of_row_are_traced_and_no_more(function, monkeypatch):
    traced = []
    monkeypatch.setattr(eager, "program_of", lambda *given: traced.append(given) or program_of(*given))
    loop = Loop(function, by_rows=True)
    options = {"centre": False, "weighted": False} if function is F.norm._slopes else {}
    for columns in (17, 33, 17, 5, 2, 200):  # five is also how many rows are traced
        rows = [numbers(LARGE, columns, dtype="float64", seed=seed) for seed in (0, 1)]
        given = rows[:1]
        if function is centred:
            given.append(numbers(columns, dtype="float64"))
        if function is F.norm._slopes:
            given += [rows[1], np.abs(rows[0][:, :1])]
        made, wanted = loop(*given, **options), function(*map(ag.Tensor, given), **options)
        for one, other in zip(made, wanted if isinstance(wanted, tuple) else [wanted], strict=True):
            np.testing.assert_allclose(one, other.data, rtol=1e-10, atol=1e-9, strict=True)
    assert len([given for given in traced if given[0] is function]) == 2


@needs_c
def test_a_length_that_stands_in_the_text_is_traced_each_time():
    loop = Loop(lambda x: ag.sum(x, axis=1, keepdims=True) / float(x.shape[1] + 1), by_rows=True)
    for columns in (7, 33, 200, 7):
        x = numbers(LARGE, columns, dtype="float64")
        np.testing.assert_allclose(loop(x)[0], x.sum(axis=1, keepdims=True) / (columns + 1), rtol=1e-9, atol=1e-12)
    assert len(every_way(next(iter(loop._made.values())))) == 3


@needs_c
def test_arrays_that_are_no_rows_are_told_apart():
    loop = Loop(lambda x, y: x * y - ag.max(x, axis=1, keepdims=True), by_rows=True)
    x = numbers(LARGE, 7)
    for y in (x, x[0], x[:, :1], x + 1.0):
        np.testing.assert_allclose(loop(x, y)[0], x * y - x.max(axis=1, keepdims=True), rtol=1e-5, atol=1e-6)
    for y in (x[:1], x[:, :3], x[:5], x[None], x[0, :1]):
        assert loop(x, y) is None


@needs_c
def test_strided_arrays_are_read_right():
    x = numbers(600, 120)
    for view in (x.T, x[::2, ::-1], x[:, 3:90]):
        np.testing.assert_allclose(Loop(wave)(view)[0], np.tanh(view) * view + 1.5, rtol=1e-6)


@needs_c
def test_loops_are_made_inside_anomaly():
    width = 401  # of rows that no other test has, so that the loops are made here
    x = ag.Tensor(numbers(LARGE // width + 1, width), requires_grad=True)
    with ag.anomaly():
        F.layer_norm(x, width).sum().backward()
    assert x.grad is not None


@needs_c
@pytest.mark.parametrize("rows", [200, 201, 1024, 5000])
def test_rows_have_means_and_sums_over_them_are_added_up(rows):
    x, weight = numbers(rows, 100, dtype="float64"), numbers(100, dtype="float64", seed=1)
    made = Loop(centred, by_rows=True)(x, weight)
    assert made is not None
    out = (x - x.mean(axis=1, keepdims=True)) * weight
    np.testing.assert_allclose(made[0], out, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(made[1], out.sum(axis=0), rtol=1e-10, atol=1e-10)


@needs_c
def test_a_number_among_options_may_be_another_at_each_call():
    loop = Loop(lambda x, *, factor, kind: x * factor if kind == "times" else x + factor)
    x = numbers(LARGE)
    for factor in (2.0, 3.0, float("inf"), -0.0, 3):
        np.testing.assert_array_equal(loop(x, factor=factor, kind="times")[0], x * np.float32(factor))
        np.testing.assert_array_equal(loop(x, factor=factor, kind="plus")[0], x + np.float32(factor))
    assert len({made.source for known in loop._made.values() for made in every_way(known)}) == 2


@needs_c
def test_a_number_that_leads_another_way_has_a_loop_of_its_own():
    loop = Loop(lambda x, *, factor: x * factor if factor > 2 else x - factor)
    x = numbers(LARGE)
    for factor in (1.0, 3.0, 2.0, 5.0):
        wanted = x * np.float32(factor) if factor > 2 else x - np.float32(factor)
        np.testing.assert_array_equal(loop(x, factor=factor)[0], wanted)
    assert [len(every_way(known)) for known in loop._made.values()] == [2]


@needs_c
def test_what_is_no_plain_option_is_left_to_numpy():
    loop = Loop(lambda x, *, factor: x * 2.0)
    for option in (np.float32(2), [1.0], np.ones(3)):
        assert loop(numbers(LARGE), factor=option) is None


@needs_c
def test_what_is_no_single_loop_is_left_to_numpy():
    def two_loops(x):  # a sum over all rows is ready when the loop is done
        return x / ag.sum(x, axis=0)

    assert Loop(two_loops, by_rows=True)(numbers(400, 100)) is None
    assert Loop(lambda x: ag.sort(x))(numbers(LARGE)) is None


def test_small_arrays_and_other_kinds_are_left_to_numpy():
    loop = Loop(wave)
    assert loop(numbers(LARGE - 1)) is None
    assert loop(numbers(LARGE, dtype="float16")) is None
    assert loop(np.arange(LARGE)) is None
    assert loop(numbers(LARGE).astype(">f4")) is None


@needs_c
def test_only_plain_arrays_are_given_to_c(tmp_path):
    loop, x = Loop(lambda x, y: x * y), numbers(LARGE)
    for other in (np.float32(2), 2.0, np.memmap(tmp_path / "numbers", "float32", "w+", shape=x.shape)):
        assert loop(x, other) is None
    np.testing.assert_array_equal(loop(x, x)[0], x * x)


@needs_c
def test_a_function_of_few_passes_begins_with_larger_arrays():
    loop = Loop(wave, least=2 * LARGE)
    assert loop(numbers(2 * LARGE - 1)) is None
    assert loop(numbers(2 * LARGE)) is not None


def test_without_a_compiler_numpy_computes_and_nobody_is_warned(monkeypatch, recwarn):
    monkeypatch.setattr(any_length, "missing", lambda: "there is no C compiler here")
    x = ag.Tensor(numbers(LARGE), requires_grad=True)
    F.gelu(x).sum().backward()
    assert Loop(wave)(x.data) is None
    assert not recwarn.list


def test_the_numpy_executor_wants_no_c(monkeypatch):
    monkeypatch.setenv("TAPEGRAD_EXECUTOR", "numpy")
    assert Loop(wave)(numbers(LARGE)) is None


KEPT_NOWHERE = """
import numpy as np, autograd as ag, nn.functional as F
x = np.random.default_rng(0).normal(size=(60, 80))
np.testing.assert_allclose(F.gelu(ag.Tensor(x)).data, x * 0.5 * (1 + ag.erf(x * 0.5**0.5)), rtol=1e-6)
np.testing.assert_allclose(ag.cumulative_sum(ag.Tensor(x), axis=0).data, x.cumsum(axis=0))
np.testing.assert_allclose(ag.compile(lambda x: ag.exp(x) * 2, executor="native")(ag.Tensor(x)).data, np.exp(x) * 2)
"""


@needs_c
@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_folder_that_cannot_be_had_is_told_once_and_numpy_computes(tmp_path, place):
    (tmp_path / "file").write_text("")
    environment = {**os.environ, "TAPEGRAD_CACHE": str(tmp_path / place)}
    done = subprocess.run(
        [sys.executable, "-c", KEPT_NOWHERE], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("RuntimeWarning") == 1
    assert "no library can be kept" in done.stderr
    assert "TAPEGRAD_CACHE" in done.stderr


# What eager code makes of them


@needs_c
@pytest.mark.parametrize("shape", [(LARGE,), (250, 1000), (3, 70, 16, 16), (LARGE + 1,), (LARGE, 3)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_losses_equal_their_definitions(shape, dtype):
    x, y = (numbers(*shape, dtype=dtype, seed=seed) for seed in (0, 1))
    y = np.clip(np.abs(y), 0, 1)
    for kind in ("square", "absolute", "huber", "logistic"):
        for mean in (True, False):
            found = [ag.Tensor(z, requires_grad=True) for z in (x, y)]
            wanted = [ag.Tensor(z.astype("float64"), requires_grad=True) for z in (x, y)]
            total, exact = total_loss(*found, kind=kind, by=0.7, mean=mean), _by_definition(*wanted, kind, mean)
            assert total.dtype == dtype
            np.testing.assert_allclose(total.item(), exact.item(), rtol=1e-6)
            for loss in (total, exact):
                loss.backward(np.array(3.0))
            for a, b in zip(found, wanted, strict=True):
                assert a.grad.dtype == dtype
                np.testing.assert_allclose(a.grad.data, b.grad.data, rtol=1e-5, atol=1e-6 * np.abs(b.grad.data).max())


def _by_definition(x, y, kind, mean):
    return total_loss.definition(x, y, kind=kind, by=0.7, mean=mean)


@needs_c
@pytest.mark.parametrize("shape", [(LARGE,), (4000, 10), (3, 70, 16, 17)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_weighed_losses_equal_their_definition(shape, dtype):
    x, y = 9 * numbers(*shape, dtype=dtype), np.clip(np.abs(numbers(*shape, dtype=dtype, seed=1)), 0, 1)
    weights = [np.abs(numbers(*shape[-1:], dtype=dtype, seed=seed)) for seed in (2, 3)]
    for pair in (weights, (1.0, weights[1])):
        kinds = [dtype, "float64"]
        x_and_others = [
            [ag.Tensor(np.asarray(z, kind), requires_grad=True) if np.ndim(z) else z for z in (x, y, *pair)]
            for kind in kinds
        ]
        loss = weighed_logistic(*x_and_others[0], mean=True)
        exact = weighed_logistic.definition(*x_and_others[1], mean=True)
        assert loss.node.primitive is weighed_logistic
        assert loss.dtype == dtype
        np.testing.assert_allclose(loss.item(), exact.item(), rtol=1e-6)
        for total in (loss, exact):
            total.backward()
        for a, b in zip(*x_and_others, strict=True):
            if isinstance(a, ag.Tensor):
                np.testing.assert_allclose(a.grad.data, b.grad.data, rtol=1e-5, atol=1e-7 * np.abs(b.grad.data).max())


SPECIAL = [0.0, 1.0, -1.0, 0.5, np.inf, -np.inf, np.nan]  # of 0.0 and -0.0 the larger is either
CHOICES = {
    "where": lambda x, y: ag.where(x > 0.1, x, y),
    "where not": lambda x, y: ag.where(ag.isnan(y), -0.0, x),
    "where numbers": lambda x, y: ag.where(x > y, 1, 0),
    "where floats": lambda x, y: ag.where(x > y, 1.0, 0.0) * x,
    "where nan": lambda x, y: ag.where(x > y, x, float("nan")),
    "clip": lambda x, y: ag.clip(x, -0.5, 0.5),
    "clip whole": lambda x, y: ag.clip(x, -1, 1),
    "clip below": lambda x, y: ag.clip(x, 0),
    "clip by arrays": lambda x, y: ag.clip(x, y, y + 1.0),
    "clip turned": lambda x, y: ag.clip(x, 1.0, -1.0),
    "maximum": ag.maximum,
    "minimum": ag.minimum,
    "maximum of a number": lambda x, y: ag.maximum(x, 0),
    "minimum of a number": lambda x, y: ag.minimum(0.5, x),
    "abs": lambda x, y: abs(x),
    "sign": lambda x, y: ag.sign(x) * x,
}


@needs_c
@pytest.mark.parametrize("dtypes", [("float32", "float32"), ("float64", "float32")])
@pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES)
def test_large_choices_have_numpys_bits(choice, dtypes, called, monkeypatch):
    pairs = np.array([(a, b) for a in SPECIAL for b in SPECIAL]).T
    filling = [numbers(LARGE, seed=seed) for seed in (1, 2)]
    values = [np.concatenate(both).astype(dtype) for *both, dtype in zip(pairs, filling, dtypes, strict=True)]
    g = numbers(len(values[0]), seed=3)

    def all_numbers():
        x, y = (ag.Tensor(v, requires_grad=True) for v in values)
        out = choice(x, y)
        if out.requires_grad:
            out.backward(g)
        return [z.data for z in (out, x.grad, y.grad) if z is not None]

    with np.errstate(all="ignore"):
        found = all_numbers()
        assert called
        monkeypatch.setenv("TAPEGRAD_EXECUTOR", "numpy")
        wanted = all_numbers()
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
        assert (np.signbit(one) == np.signbit(other))[~np.isnan(one)].all()


@needs_c
def test_numbers_that_are_equal_are_told_apart():
    condition = ag.Tensor(numbers(LARGE) > 0)
    for one, other in ((1, 1.0), (0.0, -0.0), (float("nan"), 2.0)):
        for number in (one, other, one, other):
            out = ag.where(condition, number, 3.0).data
            same = np.where(condition.data, number, 3.0).astype("float32")
            np.testing.assert_array_equal(out, same)
            assert (np.signbit(out) == np.signbit(same)).all()
    assert ag.where(condition, 1, 0).dtype == "int64"
    assert ag.where(condition, 1.0, 0.0).dtype == "float32"


@needs_c
@pytest.mark.parametrize("name", ["gelu", "gelu tanh", "silu"])
def test_large_activations_equal_their_definitions(name):
    function = {"gelu": F.gelu, "gelu tanh": lambda x: F.gelu(x, approximate="tanh"), "silu": F.silu}[name]
    values = 4 * numbers(300, 70, dtype="float64")
    values[0, :4] = [0.0, -40.0, 40.0, -1e4]
    small = [function(ag.Tensor(row)).data for row in values]  # too small for a loop
    x = ag.Tensor(values, requires_grad=True)
    out = function(x)
    # Far to the left NumPy's kernel goes another way than the definition, and is nearer to 0.
    np.testing.assert_allclose(out.data, np.stack(small), rtol=1e-12, atol=2e-13)
    g = numbers(300, 70, dtype="float64", seed=1)
    out.backward(ag.Tensor(g))
    for row, slope, g_row in zip(values[:5], x.grad.data, g, strict=False):
        one = ag.Tensor(row, requires_grad=True)
        function(one).backward(ag.Tensor(g_row))
        np.testing.assert_allclose(slope, one.grad.data, rtol=1e-11, atol=1e-13)


@needs_c
def test_what_is_not_a_number_stays_so():
    values = numbers(LARGE)
    values[[3, 5, 7]] = [np.nan, np.inf, -np.inf]
    out = F.gelu(ag.Tensor(values)).data
    assert np.isnan(out[3])
    assert out[5] == np.inf
    assert np.isnan(out[7])  # -inf times 0, as in the definition; NumPy warns of it
    with pytest.warns(RuntimeWarning, match="invalid value"):
        small = F.gelu(ag.Tensor(values[:8])).data
    np.testing.assert_array_equal(np.isnan(small), np.isnan(out[:8]))


@needs_c
@pytest.mark.parametrize("weight", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_large_layer_norm_equals_its_definition(weight, bias):
    x = ag.Tensor(numbers(200, 96, dtype="float64"), requires_grad=True)
    w = ag.Tensor(numbers(96, dtype="float64", seed=1), requires_grad=True) if weight else None
    b = ag.Tensor(numbers(96, dtype="float64", seed=2), requires_grad=True) if bias else None
    given = [p for p in (x, w, b) if p is not None]
    g = ag.Tensor(numbers(200, 96, dtype="float64", seed=3))
    F.layer_norm(x, (96,), w, b).backward(g)
    found = [p.grad.data for p in given]
    for p in given:
        p.grad = None
    F.norm.standardize.definition(x, w, b, axes=(1,), eps=1e-5).backward(g)
    for one, other in zip(found, given, strict=True):
        np.testing.assert_allclose(one, other.grad.data, rtol=1e-9, atol=1e-10)


@needs_c
def test_a_gradient_of_a_gradient_of_a_large_array():
    x = ag.Tensor(numbers(LARGE, dtype="float64"))
    first = ag.grad(lambda x: F.gelu(x).sum())
    second = ag.grad(lambda x: first(x).sum())(x).data
    small = ag.Tensor(x.data[:100])
    np.testing.assert_allclose(second[:100], ag.grad(lambda x: first(x).sum())(small).data, rtol=1e-10, atol=1e-12)


@needs_c
def test_threads_change_no_bit():
    code = (
        "import hashlib, numpy as np, autograd as ag, nn.functional as F\n"
        "x = ag.Tensor(np.random.default_rng(0).standard_normal((700, 128)).astype('f'), requires_grad=True)\n"
        "w = ag.ones(128, requires_grad=True)\n"
        "F.layer_norm(F.gelu(x), (128,), w).sum().backward()\n"
        "image = ag.reshape(x.detach(), (5, 32, 20, 28)).requires_grad_()\n"
        "kernels = ag.Tensor(np.random.default_rng(1).standard_normal((32, 1, 3, 3)).astype('f'), requires_grad=True)\n"
        "out = F.conv2d(image, kernels, groups=32)\n"
        "(out * out).sum().backward()\n"
        "made = [w.grad, x.grad, out, image.grad, kernels.grad]\n"
        "print(hashlib.sha256(b''.join(t.data.tobytes() for t in made)).hexdigest())\n"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "OPENBLAS_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2")
    ]
    assert runs[0] == runs[1]


# Primitives of several steps

STRANGE = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e4, -1e4]
PRIMITIVES = {
    "relu": F.relu,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
    "elu": F.elu,
    "hardtanh": F.hardtanh,
    "erf": ag.erf,
    "lgamma": ag.lgamma,
    "digamma": ag.digamma,
    "sigmoid": F.sigmoid,
    "softplus": ag.softplus,
    "softmax": F.softmax,
    "hardswish": F.hardswish,
    "mish": F.mish,
    "softplus with beta": lambda x: F.softplus(x, 2.0, 10.0),
    "log_softmax": lambda x: F.log_softmax(x, x.ndim - 1),
}


@pytest.fixture
def called(monkeypatch):
    """A list that grows by one with each loop that is run."""
    made, call = [], eager._Made.__call__
    monkeypatch.setattr(eager._Made, "__call__", lambda *given: made.append(given) or call(*given))
    return made


@needs_c
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", PRIMITIVES)
def test_large_primitives_in_c_are_those_of_numpy(name, dtype, called, monkeypatch):
    values = 4 * numbers(5, 60, 70, dtype=dtype)
    values[0, 0, : len(STRANGE)] = STRANGE
    values[1, 1, 3:5], values[2, 2] = -np.inf, -np.inf
    g = ag.Tensor(numbers(5, 60, 70, dtype=dtype, seed=1))

    def results():
        found = []
        for lying in (values, values.transpose(1, 0, 2), values[..., ::-1]):
            x = ag.Tensor(values, requires_grad=True)
            x.data = lying
            with np.errstate(all="ignore"):
                out = PRIMITIVES[name](x)
                out.backward(ag.Tensor(g.data.reshape(x.shape)))
            found += [out.data, x.grad.data]
        return found

    found = results()
    assert len(called) == 6
    monkeypatch.setenv("TAPEGRAD_EXECUTOR", "numpy")
    rtol, atol = (3e-6, 3e-6) if dtype == "float32" else (1e-13, 1e-14)
    for one, wanted in zip(found, results(), strict=True):
        np.testing.assert_allclose(one, wanted, rtol=rtol, atol=atol, strict=True)
    assert len(called) == 6


@needs_c
def test_large_primitives_have_second_derivatives(called):
    x = ag.Tensor(numbers(LARGE, dtype="float64"))
    slope = ag.grad(lambda x: ag.sigmoid(x).sum())
    s = ag.sigmoid(x).data
    np.testing.assert_allclose(ag.grad(lambda x: slope(x).sum())(x).data, s * (1 - s) * (1 - 2 * s), atol=1e-14)
    assert called


@needs_c
@pytest.mark.parametrize("function", [F.leaky_relu, F.elu, F.celu, F.softplus, ag.maximum])
def test_a_number_that_is_another_at_each_step_takes_the_same_loop(function, called):
    x = ag.Tensor(numbers(LARGE), requires_grad=True)
    sources = []
    for i in range(30):
        number = (i + 0.5) / 30
        out = function(x, number)
        (slope,) = ag.grad(lambda x, number=number: function(x, number).sum(), argnums=(0,))(x)
        exact = ag.Tensor(x.data.astype("float64"), requires_grad=True)
        wanted = function(exact, number)
        wanted.sum().backward()
        np.testing.assert_allclose(out.data, wanted.data, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(slope.data, exact.grad.data, rtol=1e-5, atol=1e-6)
        sources.append({made.source for made, *_ in called})
    assert sources[0]
    assert sources[0] == sources[-1]


@needs_c
def test_the_first_call_with_a_number_gives_the_bits_of_all_later_ones():
    x = ag.Tensor(numbers(LARGE))
    first, *others = [F.elu(x, 0.7718).data for _ in range(3)]  # a number that no other test has
    for other in others:
        np.testing.assert_array_equal(first, other)


@needs_c
def test_what_is_broadcast_or_along_another_axis_is_left_to_numpy(called):
    x = ag.Tensor(numbers(200, 100))
    F.leaky_relu(x, ag.Tensor(numbers(100)))
    F.softmax(x, 0)
    F.softmax(ag.Tensor(numbers(LARGE)))
    F.relu(ag.Tensor(np.ones(LARGE, "int64")))
    F.sigmoid(ag.Tensor(np.ones(LARGE, "float16")))
    F.leaky_relu(x, ag.Tensor(np.array(0.25)))
    assert not called


# Products of stacks


@needs_c
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True), (True, True)])
def test_products_of_stacks_have_the_bits_of_matmul(turned, dtype):
    a, b = numbers(8, 6, 40, 30, dtype=dtype), numbers(8, 6, 30, 50, dtype=dtype, seed=1)
    if turned[0]:
        a = np.ascontiguousarray(a.swapaxes(-1, -2)).swapaxes(-1, -2)
    if turned[1]:
        b = np.ascontiguousarray(b.swapaxes(-1, -2)).swapaxes(-1, -2)
    np.testing.assert_array_equal(matmul_many(np, a, b), a @ b)


@needs_c
def test_heads_that_are_views_and_parts_of_an_array_to_write_to():
    q, k = (numbers(16, 64, 4, 32, seed=s).transpose(0, 2, 1, 3) for s in (0, 1))
    out = np.full((16, 4, 64, 80), 7, "float32")
    matmul_many(np, q, k.swapaxes(-1, -2), out=out[..., :64])
    np.testing.assert_array_equal(out[..., :64], q @ k.swapaxes(-1, -2))
    assert (out[..., 64:] == 7).all()


def test_other_products_are_those_of_matmul():
    for a, b in (
        (numbers(4, 3, 5), numbers(4, 5, 2)),  # small
        (numbers(64, 40, 40), numbers(1, 40, 40)),  # to be broadcast
        (numbers(64, 40, 40), numbers(64, 40, 1)),  # vectors
        (numbers(64, 40, 40), numbers(64, 40, 40, dtype="float64")),
        (numbers(64, 40, 80)[..., ::2], numbers(64, 40, 40)),
        (numbers(70, 400, 40), numbers(70, 40, 0)),
    ):
        np.testing.assert_array_equal(matmul_many(np, a, b), a @ b)
    with pytest.raises(ValueError, match="matmul"):
        matmul_many(np, numbers(64, 40, 40), numbers(64, 41, 40))


@needs_c
def test_products_of_bytes_in_the_other_order_are_left_to_numpy():
    a, b = numbers(64, 32, 32).astype(">f4"), numbers(64, 32, 32, seed=1).astype(">f4")
    np.testing.assert_array_equal(matmul_many(np, a, b), a @ b)


# Convolutions

IMAGES = {  # (N, C, H, W), (O, kh, kw), options
    "tiles": ((9, 16, 20, 16), (32, 3, 3), {"padding": 1}),
    "tiles shared by channels": ((3, 128, 24, 15), (144, 3, 3), {"padding": (0, 2)}),
    "one sample": ((1, 32, 24, 24), (64, 3, 3), {}),
    "other channels": ((5, 7, 24, 24), (20, 3, 3), {"padding": 1}),
    "strides": ((8, 12, 33, 30), (24, 5, 4), {"padding": (2, 1), "stride": (2, 1)}),
    "holes": ((4, 16, 24, 24), (16, 3, 3), {"padding": 2, "dilation": (2, 1)}),
    "one place": ((4, 16, 24, 24), (32, 1, 1), {}),
    "depthwise": ((6, 36, 20, 24), (36, 3, 3), {"padding": 1, "groups": 36}),
    "depthwise, whole vectors": ((4, 128, 16, 17), (128, 3, 3), {"padding": 1, "groups": 128}),
    "depthwise, strides": ((6, 33, 40, 31), (66, 5, 3), {"padding": 2, "stride": (3, 2), "groups": 33}),
    "groups": ((6, 60, 20, 24), (40, 3, 3), {"padding": 1, "groups": 20}),
    "large groups": ((6, 48, 20, 24), (60, 3, 3), {"padding": 1, "groups": 3}),
    "groups of one place": ((6, 48, 20, 24), (60, 1, 1), {"groups": 3}),
}


@needs_c
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("which", IMAGES)
def test_convolution_in_c_is_that_of_numpy(which, transposed, dtype, monkeypatch):
    shape, (features, *size), options = IMAGES[which]
    groups = options.get("groups", 1)
    channels = (shape[1], features // groups) if transposed else (features, shape[1] // groups)
    weight = numbers(*channels, *size, dtype=dtype)
    function = F.conv_transpose2d if transposed else F.conv2d

    def results():
        arrays = numbers(*shape, dtype=dtype, seed=1), weight, numbers(features, dtype=dtype)
        given = [ag.Tensor(x, requires_grad=True) for x in arrays]
        out = function(*given, **options)
        out = out if transposed else F.relu(out)
        out.backward(ag.Tensor(numbers(*out.shape, dtype=dtype, seed=2)))
        return [out.data, *(x.grad.data for x in given)]

    calls = []
    call = images._call
    monkeypatch.setattr(images, "_call", lambda name, *rest: calls.append(name) or call(name, *rest))
    found = results()
    assert sorted(calls) == ["convolve", "convolve_input", "convolve_weight"]
    monkeypatch.setenv("TAPEGRAD_EXECUTOR", "numpy")
    for one, wanted in zip(found, results(), strict=True):
        assert one.dtype == wanted.dtype == dtype
        assert np.abs(one - wanted).max() <= (1e-4 if dtype == "float32" else 1e-13) * np.abs(wanted).max()
    assert len(calls) == 3


@needs_c
@pytest.mark.parametrize("shape", [(3, 16, 40, 24), (3, 16, 960)])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_leaf_keeps_the_gradient_of_images_where_c_wrote_it(shape, transposed, monkeypatch):
    name = "convolve" if transposed else "convolve_input"
    function, made = getattr(images, name), []
    monkeypatch.setattr(images, name, lambda *given, **more: made.append(function(*given, **more)) or made[-1])
    x = ag.Tensor(numbers(*shape), requires_grad=True)
    weight = ag.Tensor(numbers(16, 16, *[3] * (len(shape) - 2)), requires_grad=True)
    ways = {3: (F.conv1d, F.conv_transpose1d), 4: (F.conv2d, F.conv_transpose2d)}
    out = ways[len(shape)][transposed](x, weight, padding=1)
    out.backward(ag.Tensor(numbers(*out.shape)))
    assert np.shares_memory(made[-1], x.grad.data)
    assert x.grad.data.base is None


@st.composite
def groups_of_images(draw):
    """A geometry of groups that share no channels, or of one, as strange as they come."""
    groups = draw(st.integers(1, 20))
    most = 3 if groups > 3 else 20
    ins, outs = draw(st.integers(1, most)), draw(st.integers(1, most))
    length, size, stride, dilation = (
        draw(st.tuples(st.integers(1, most), st.integers(1, most))) for most in (9, 5, 6, 3)
    )
    padding = draw(st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 2))
    if draw(st.booleans()):  # a kernel as large as the image
        size, dilation = length, (1, 1)
    shape = (draw(st.integers(1, 3)), *length, groups * ins)
    try:
        return convolution.geometry("convolve", shape, (groups * outs, *size, ins), stride, padding, dilation, groups)
    except ShapeError:
        assume(False)


@needs_c
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("way", ["side", "direct", "blocks"])
@settings(max_examples=40, deadline=None)
@given(geo=groups_of_images(), seed=st.integers(0, 99), strange=st.sampled_from([None, np.inf, np.nan]))
def test_groups_in_c_give_what_windows_and_one_product_give(way, dtype, geo, seed, strange):
    x, w, y = (numbers(*shape, dtype=dtype, seed=seed) for shape in (geo.x_shape, geo.w_shape, geo.out_shape))
    if strange is not None:
        given = (x, w, y)[seed % 3].reshape(-1)
        given[seed % given.size] = strange
    with pytest.MonkeyPatch.context() as patch, np.errstate(invalid="ignore"):
        patch.setattr(images, "way_of", lambda name, geo, dtype: way)
        for name, given in (("convolve", (x, w)), ("convolve_input", (y, w)), ("convolve_weight", (x, y))):
            wanted = getattr(windows, name)(np, *(array.astype("float64") for array in given), geo)
            tolerance = 1e-4 if dtype == "float32" else 1e-12
            found = images._call(name, *given, geo, wanted.shape)
            np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


@needs_c
@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("lies", [(True, True), (True, False), (False, True)])
def test_windows_of_one_pixel_read_images_as_they_lie(lies, groups, monkeypatch):
    monkeypatch.setattr(images, "in_order", lambda x: x if x.flags.c_contiguous else pytest.fail("nothing is copied"))
    weight, bias = numbers(48, 60 // groups, 1, 1), numbers(48)
    x, g = numbers(3, 60, 24, 20), numbers(3, 48, 24, 20, seed=1)
    given = [ag.Tensor(array, requires_grad=True) for array in (x, weight, bias)]
    of_out = ag.Tensor(g)
    for t, first in zip((given[0], of_out), lies, strict=True):
        if not first:
            t.data = np.ascontiguousarray(t.data.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    wide = [ag.Tensor(array.astype("float64"), requires_grad=True) for array in (x, weight, bias)]
    out, wanted = F.conv2d(*given, groups=groups), F.conv2d(*wide, groups=groups)
    out.backward(of_out)
    wanted.backward(ag.Tensor(g.astype("float64")))
    for one, other in zip((out, *(t.grad for t in given)), (wanted, *(t.grad for t in wide)), strict=True):
        assert np.abs(one.data - other.data).max() <= 1e-5 * np.abs(other.data).max()
    for image in (out, given[0].grad):
        assert image.data.transpose(0, 2, 3, 1).flags.c_contiguous


@needs_c
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@settings(max_examples=60, deadline=None)
@given(geo=groups_of_images(), seed=st.integers(0, 99), strange=st.sampled_from([None, np.inf, np.nan]))
def test_planes_in_c_give_what_windows_and_one_product_give(dtype, geo, seed, strange):
    many = geo.features // geo.groups
    geo = dataclasses.replace(geo, channels=geo.groups + 1, features=(geo.groups + 1) * many, groups=geo.groups + 1)
    shapes = ((n, channels, *space) for n, *space, channels in (geo.x_shape, geo.out_shape))
    x, y = (numbers(*shape, dtype=dtype, seed=seed) for shape in shapes)
    w = numbers(*geo.w_shape, dtype=dtype, seed=seed)
    if strange is not None:
        given = (x, w, y)[seed % 3].reshape(-1)
        given[seed % given.size] = strange
    x, y = (image.transpose(0, 2, 3, 1) for image in (x, y))
    with pytest.MonkeyPatch.context() as patch, np.errstate(invalid="ignore"):
        patch.setattr(images, "_way", lambda name, geo, *arrays: "plane")
        for name, given in (("convolve", (x, w)), ("convolve_input", (y, w)), ("convolve_weight", (x, y))):
            wanted = getattr(windows, name)(np, *(array.astype("float64") for array in given), geo)
            bias = numbers(wanted.shape[-1], dtype=dtype) if name != "convolve_weight" else None
            wanted = wanted if bias is None else wanted + bias
            tolerance = 1e-4 if dtype == "float32" else 1e-12
            found = images._call(name, *given, geo, wanted.shape, bias=bias)
            np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


@needs_c
@pytest.mark.parametrize("shape", [(2, 12, 80, 60), (2, 12, 5000)])
def test_channels_by_themselves_stay_where_they_lie(shape):
    wide = [numbers(*of, dtype="float64") for of in (shape, (24, 1, *[3] * (len(shape) - 2)), (24,))]
    last = np.ascontiguousarray(np.moveaxis(wide[0], 1, -1))
    convolve = F.conv2d if len(shape) == 4 else F.conv1d
    found = []
    for dtype, turned in (("float64", False), ("float32", False), ("float32", True)):
        x, *others = (ag.Tensor(array.astype(dtype), requires_grad=True) for array in wide)
        x.data = np.moveaxis(last.astype(dtype), -1, 1) if turned else x.data
        for g_turned in (False, True):
            out = convolve(x, *others, stride=2, padding=1, groups=12)
            g = numbers(*out.shape, dtype=dtype)
            g = ag.Tensor(g)
            g.data = np.moveaxis(np.ascontiguousarray(np.moveaxis(g.data, 1, -1)), -1, 1) if g_turned else g.data
            for t in (x, *others):
                t.grad = None
            out.backward(g)
            found.append([t.data for t in (out, x.grad, *(t.grad for t in others))])
            assert out.data.flags.c_contiguous != turned
            assert x.grad.data.flags.c_contiguous != g_turned
            for one, wanted in zip(found[-1], found[0], strict=True):
                assert np.abs(one - wanted).max() <= 1e-5 * np.abs(wanted).max()


LINES = {  # of several lengths, short, long and many, with features for each number and width of vectors
    "three channels": ((2, 3, 40, 33), (64, 7, 7), {"stride": 2, "padding": 3}),
    "short lines": ((9, 20, 13, 7), (41, 3, 3), {"padding": 1}),
    "a long line": ((1, 33, 2, 200), (24, 1, 5), {"dilation": 2}),
    "groups": ((3, 40, 19, 18), (60, 3, 3), {"padding": 1, "groups": 5}),
    "many channels": ((2, 130, 8, 28), (16, 3, 3), {"stride": (2, 1)}),
}


@needs_c
@pytest.mark.parametrize("machine", ["native", "haswell"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("which", LINES)
def test_lines_are_convolved_by_wide_vectors_and_by_short_ones(which, dtype, machine, monkeypatch):
    if machine == "haswell":
        known = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
        if not {"avx2", "fma", "bmi2"} <= set(known.split()):
            pytest.skip("this machine does not run the code of one with AVX2")
        flags = tuple(flag.replace("-march=native", "-march=haswell") for flag in library._FLAGS)
        monkeypatch.setattr(library, "_FLAGS", flags)
        monkeypatch.setattr(images, "_library", functools.cache(images._library.__wrapped__))
    shape, (features, *size), options = LINES[which]
    pair = {name: (value,) * 2 if isinstance(value, int) else value for name, value in options.items()}
    groups, edge = options.get("groups", 1), options.get("padding", 0)
    weight_shape = (features, *size, shape[1] // groups)
    x_shape = (shape[0], *shape[2:], shape[1])
    strides, dilations = pair.get("stride", (1, 1)), pair.get("dilation", (1, 1))
    geo = convolution.geometry("convolve", x_shape, weight_shape, strides, ((edge, edge),) * 2, dilations, groups)
    x, w, y = (numbers(*of, dtype=dtype, seed=1) for of in (geo.x_shape, geo.w_shape, geo.out_shape))
    monkeypatch.setattr(images, "way_of", lambda name, geo, dtype: "direct")
    for name, arrays in (("convolve", (x, w)), ("convolve_input", (y, w)), ("convolve_weight", (x, y))):
        wanted = getattr(windows, name)(np, *(array.astype("float64") for array in arrays), geo)
        bias = numbers(wanted.shape[-1], dtype=dtype) if name != "convolve_weight" else None
        found = images._call(name, *arrays, geo, wanted.shape, bias=bias)
        wanted = wanted if bias is None else wanted + bias
        assert np.abs(found - wanted).max() <= (1e-4 if dtype == "float32" else 1e-12) * np.abs(wanted).max()


TURNED = [  # by which way, x (N, C, H, W), features, groups, kernel, stride
    ("direct", (2, 3, 9, 40), 20, 1, (3, 2), (1, 1)),
    ("direct", (2, 24, 7, 5), 9, 3, (2, 2), (2, 1)),
    ("direct", (1, 8, 50, 1), 8, 1, (5, 1), (1, 1)),
    ("side", (2, 12, 9, 17), 12, 12, (3, 3), (1, 2)),
    ("side", (2, 27, 7, 12), 18, 9, (2, 2), (2, 1)),
    ("side", (2, 34, 9, 5), 34, 17, (1, 3), (1, 1)),
]


@needs_c
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", TURNED)
def test_images_with_their_channels_in_axis_1_are_convolved_to_the_same_bits(case, dtype, monkeypatch):
    way, shape, features, groups, size, stride = case
    padding = ((1, 0), (0, 0)) if shape[3] == 1 else ((1, 0), (2, 1))
    last = shape[0], *shape[2:], shape[1]
    geo = convolution.geometry("convolve", last, (features, *size, shape[1] // groups), stride, padding, (1, 1), groups)
    x, w, y = (numbers(*of, dtype=dtype, seed=1) for of in (geo.x_shape, geo.w_shape, geo.out_shape))
    of_x, of_y = (np.moveaxis(np.ascontiguousarray(np.moveaxis(image, 3, 1)), 1, 3) for image in (x, y))
    assert not of_x.flags.c_contiguous
    assert not of_y.flags.c_contiguous
    monkeypatch.setattr(images, "_way", lambda name, geo, *arrays: way)
    for name, orders in {
        "convolve": [(x, w), (of_x, w)],
        "convolve_input": [(y, w), (of_y, w)],
        "convolve_weight": [(x, y), (x, of_y), (of_x, y), (of_x, of_y)],
    }.items():
        wanted, *others = (getattr(images, name)(*arrays, geo) for arrays in orders)
        assert np.abs(wanted - getattr(windows, name)(np, *orders[0], geo)).max() <= 1e-4 * np.abs(wanted).max()
        for found in others:
            np.testing.assert_array_equal(found, wanted, strict=True)


@needs_c
@pytest.mark.parametrize("groups", [4, 16])
@pytest.mark.parametrize("layer", [nn.Conv2d, nn.ConvTranspose2d])
def test_layers_of_images_give_the_same_in_both_orders(layer, groups, monkeypatch):
    module = layer(16, 32, 3, stride=2, padding=1, groups=groups)
    x, copies = numbers(8, 16, 22, 21), []
    monkeypatch.setattr(images, "in_order", lambda array: copies.append(array.shape) or ordered.in_order(array))

    def results(order):
        leaf = ag.Tensor(x, requires_grad=True)
        leaf.data = order(x)
        out = module(leaf)
        slope = ag.Tensor(numbers(*out.shape, seed=1))
        slope.data = order(slope.data)
        module.zero_grad()
        out.backward(slope)
        return [out.data, leaf.grad.data, *(p.grad.data for p in module.parameters())]

    found = results(lambda array: array)
    assert not copies
    for one, wanted in zip(
        found, results(lambda array: np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, 3)), 3, 1)), strict=True
    ):
        np.testing.assert_allclose(one, wanted, rtol=1e-4, atol=1e-4)


@needs_c
@pytest.mark.parametrize("channels", [48, 5])
def test_convolution_in_c_adds_a_bias_and_keeps_what_is_no_number(channels):
    x, weight = numbers(3, 12, 24, channels), numbers(32, 3, 3, channels)
    bias = numbers(64)[::2]  # which does not lie in order
    x[1, 5, 5, 3] = np.nan
    options = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
    geo = convolution.geometry("convolve", x.shape, weight.shape, **options)
    assert images.takes("convolve", geo, x, weight)
    plain = images.convolve(x, weight, geo, None, False)
    np.testing.assert_array_equal(images.convolve(x, weight, geo, bias, True), np.maximum(plain + bias, 0))
    assert np.isnan(plain).any()


@needs_c
def test_convolution_in_c_takes_one_dtype_and_what_is_large():
    x, weight = numbers(3, 24, 24, 16), numbers(32, 3, 3, 16)
    options = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1)}
    one = convolution.geometry("convolve", x.shape, weight.shape, **options, groups=1)
    small = convolution.geometry("convolve", (1, 4, 4, 16), weight.shape, **options, groups=1)
    assert images.takes("convolve", one, x, weight)
    assert not images.takes("convolve", one, x, weight.astype("float64"))
    assert not images.takes("convolve", one, x.astype("float16"), weight.astype("float16"))
    assert not images.takes("convolve", one, x.astype(">f4"), weight.astype(">f4"))
    assert not images.takes("convolve", small, x[:1, :4, :4], weight)


# Orders of memory


TURNED = [  # the shape as it lies, and how its axes are permuted
    ((3, 17, 19, 20), (0, 2, 3, 1)),
    ((64, 3, 16, 16), (0, 2, 3, 1)),
    ((5, 20, 21, 16), (0, 3, 1, 2)),
    ((130, 129), (1, 0)),
    ((2, 40, 1000), (0, 2, 1)),
]


@needs_c
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@pytest.mark.parametrize(("shape", "axes"), TURNED)
def test_turned_matrices_are_copied_in_order(shape, axes, dtype, monkeypatch):
    x = np.arange(np.prod(shape)).astype(dtype).reshape(shape).transpose(axes)
    called, copy = [], np.copyto
    monkeypatch.setattr(ordered.host, "copyto", lambda *given: called.append(given) or copy(*given))
    found = ordered.in_order(x)
    np.testing.assert_array_equal(found, x, strict=True)
    assert found.flags.c_contiguous
    assert not called
    for other in (x[1:], x[..., 1:], x[::2], x[:, ::-1]):  # some of them are turned matrices with gaps
        np.testing.assert_array_equal(ordered.in_order(other), other, strict=True)
    assert called
    packed = np.ascontiguousarray(x)
    assert ordered.in_order(packed) is packed


@needs_c
@pytest.mark.parametrize(("shape", "axes"), TURNED)
def test_turned_matrices_are_copied_in_order_in_a_compiled_step(shape, axes):
    x = np.arange(np.prod(shape)).astype("float32").reshape(shape)
    flat = ag.compile(lambda x: ag.reshape(ag.permute_dims(x, axes), (-1,)), executor="native")
    for _ in range(2):
        np.testing.assert_array_equal(flat(ag.Tensor(x)).data, x.transpose(axes).reshape(-1))
    (program,) = flat.programs
    assert "turn_32" in Native.of(program).source


# Pooling and ReLU's gradient


@needs_c
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 8), st.integers(1, 8), st.integers(1, 19)),
    windows=st.tuples(*[st.tuples(st.integers(1, 3), st.integers(1, 3))] * 3),
    padding=st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2))] * 2),
    seed=st.integers(0, 99),
)
def test_the_largest_of_windows_in_c_are_those_of_numpy(dtype, shape, windows, padding, seed):
    size, stride, dilation = windows
    options = {"size": size, "stride": stride, "padding": padding, "dilation": dilation}
    x = np.random.default_rng(seed).integers(-2, 2, shape).astype(dtype)  # with equal numbers in many windows
    x.reshape(-1)[seed % x.size], x.reshape(-1)[-1 - seed % x.size] = np.nan, -np.inf
    try:
        wanted = pooling.pool_places(x, **options)
    except ShapeError:
        assume(False)
    out, places = pools.largest_and_places(x, **options)
    np.testing.assert_array_equal(places, wanted)
    np.testing.assert_array_equal(out, pooling.pool_pick(x, wanted, **options), strict=True)
    g = numbers(*out.shape, dtype=dtype, seed=seed)
    found, length = pools.put(g, places, length=shape[1:3], **options), shape[1:3]
    np.testing.assert_allclose(found, pooling.pool_put(g, wanted, length=length, **options), rtol=1e-6, strict=True)


@needs_c
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(3, 20), st.integers(4, 40), st.just(1)),
    size=st.tuples(st.integers(1, 3), st.integers(2, 4)),
    seed=st.integers(0, 99),
)
def test_windows_side_by_side_in_c_are_those_of_numpy(dtype, shape, size, seed):
    options = {"size": size, "stride": size, "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}
    x = np.random.default_rng(seed).integers(-2, 2, shape).astype(dtype)
    x.reshape(-1)[seed % x.size :: 7], x.reshape(-1)[-1 - seed % x.size] = np.nan, -np.inf
    x[0, : size[0], : size[1]] = -np.inf
    wanted = pooling.pool_places(x, **options)
    out, places = pools.largest_and_places(x, **options)
    np.testing.assert_array_equal(places, wanted)
    np.testing.assert_array_equal(out, pooling.pool_pick(x, wanted, **options), strict=True)
    g, length = numbers(*out.shape, dtype=dtype, seed=seed), shape[1:3]
    found = pools.put(g, places, length=length, **options)
    np.testing.assert_array_equal(found, pooling.pool_put(g, wanted, length=length, **options), strict=True)


@needs_c
@pytest.mark.parametrize("way", [(3, 2, 1), (3, 1, 1), (2, 1, 0, 2)])
def test_the_largest_of_overlapping_windows_are_found_where_images_lie(way):
    planes = np.random.default_rng(0).integers(-2, 2, (3, 9, 19, 40)).astype("float32")
    planes[0, 0, :4, :4] = np.nan
    last = np.ascontiguousarray(planes.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    made = []
    for array in (planes, last):
        x = ag.Tensor(array, requires_grad=True)
        x.data = array  # as it lies
        out = F.max_pool2d(x, *way)
        (of_x,) = ag.gradients((out * ag.Tensor(numbers(*out.shape))).sum(), [x])
        made.append((out.data, of_x.data))
    assert [out.flags.c_contiguous for out, _ in made] == [True, False]
    for found, wanted in zip(*made, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


@needs_c
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(
    ("shape", "parts"), [((3, 11, 28, 23), (5, 4)), ((2, 70, 13, 10), (13, 7)), ((40, 9, 7, 7), 10)]
)
def test_means_of_uneven_parts_in_c_are_those_of_the_definition(shape, parts, last, dtype, monkeypatch):
    array, made, taken = numbers(*shape, dtype=dtype), [], []
    run = cut_parts._run
    monkeypatch.setattr(cut_parts, "_run", lambda name, *rest: taken.append(name) or run(name, *rest))
    for executor in ("", "numpy"):
        monkeypatch.setenv("TAPEGRAD_EXECUTOR", executor)
        x = ag.Tensor(array, requires_grad=True)
        x.data = np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1) if last else array
        out = F.adaptive_avg_pool2d(x, parts)
        (of_x,) = ag.gradients((out * ag.Tensor(numbers(*out.shape, dtype=dtype))).sum(), [x])
        made.append((out.data, of_x.data))
    assert taken == ["means", "slopes"]
    for found, wanted in zip(*made, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5 if dtype == "float32" else 1e-12, strict=True)


@needs_c
def test_a_long_row_of_windows_side_by_side_takes_no_more_of_the_stack():
    x = np.random.default_rng(0).integers(-2, 2, (1, 1, 3_000_001, 1)).astype("float32")
    options = {"size": (1, 2), "stride": (1, 2), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}
    out, places = pools.largest_and_places(x, **options)
    np.testing.assert_array_equal(places, pooling.pool_places(x, **options))
    found = pools.put(out, places, length=x.shape[1:3], **options)
    np.testing.assert_array_equal(found, pooling.pool_put(out, places, length=x.shape[1:3], **options))


SUMMED = st.one_of(
    st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 20), st.sampled_from([1, 1, 5, 64])),
    st.tuples(st.just(1), st.integers(1, 2), st.integers(3000, 9000), st.sampled_from([1, 3])),
)


@needs_c
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@settings(max_examples=60, deadline=None)
@given(
    shape=SUMMED,
    windows=st.tuples(st.tuples(st.integers(1, 4), st.integers(1, 5)), *[st.tuples(*[st.integers(1, 3)] * 2)] * 2),
    padding=st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2))] * 2),
    seed=st.integers(0, 99),
)
def test_sums_of_windows_in_c_are_those_of_numpy(dtype, shape, windows, padding, seed):
    size, stride, dilation = windows
    options = {"size": size, "stride": stride, "padding": padding, "dilation": dilation}
    x, length = numbers(*shape, dtype=dtype, seed=seed), shape[1:3]
    x.reshape(-1)[seed % x.size], x.reshape(-1)[-1 - seed % x.size] = np.nan, -np.inf
    try:
        wanted = pooling.pool_sum(x, **options)
    except ShapeError:
        assume(False)
    close = {"rtol": 1e-5, "atol": 1e-5, "strict": True}
    np.testing.assert_allclose(pools.sums(x, 3, **options), wanted / x.dtype.type(3), **close)
    g = numbers(*wanted.shape, dtype=dtype, seed=seed)
    g.reshape(-1)[seed % g.size], g.reshape(-1)[-1 - seed % g.size] = np.nan, np.inf
    spread = pooling.pool_spread(g, length=length, **options)
    np.testing.assert_allclose(pools.spread(g, 1, length=length, **options), spread, **close)
    compiled = ag.compile(lambda x: ag.pool_sum(x, **options), executor="native")
    np.testing.assert_allclose(compiled(ag.Tensor(x)).data, wanted, **close)


@needs_c
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("options", [{}, {"stride": 1, "padding": 1}, {"stride": 2, "count_include_pad": False}])
def test_means_of_windows_in_c_are_those_of_numpy(options, last, monkeypatch):
    x = numbers(4, 20, 24, 24)
    x[0, 3, 5, 7], x[1, 2, 3, 4] = np.nan, np.inf
    if last:
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    images = ag.Tensor(x, requires_grad=True)

    def results():
        images.grad = None
        out = F.avg_pool2d(images, 3, **options)
        out.square().sum().backward()
        return out.data, images.grad.data

    taken = []
    monkeypatch.setattr(pools, "_run", lambda name, *rest, run=pools._run: taken.append(name) or run(name, *rest))
    found = results()
    assert taken == ["sum", "spread"]
    in_one = ag.compile(lambda x: ag.grad(lambda x: F.avg_pool2d(x, 3, **options).square().sum())(x))
    slope = in_one(ag.Tensor(x)).data
    assert "NumPy" not in in_one.explain()
    monkeypatch.setenv("TAPEGRAD_EXECUTOR", "numpy")
    out, wanted = results()
    np.testing.assert_allclose(found[0], out, rtol=1e-5, atol=1e-5, strict=True)
    for one in (found[1], slope):
        np.testing.assert_allclose(one, wanted, rtol=1e-5, atol=1e-5, strict=True)


@needs_c
@pytest.mark.parametrize("turned", [False, True])
def test_images_with_channels_in_axis_1_are_pooled_as_they_lie(turned, monkeypatch):
    x = numbers(4, 7, 31, 33)
    x[0, 3, 5, 7], x[1, 2, 3, 4] = np.nan, np.inf
    g = numbers(4, 7, 15, 16, seed=1)
    if turned:
        g = np.ascontiguousarray(g.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    images = ag.Tensor(x, requires_grad=True)
    shapes = []
    monkeypatch.setattr(pools, "_run", lambda *given, run=pools._run: shapes.append(given[1][0].shape) or run(*given))

    def results():
        images.grad = None
        out = F.max_pool2d(images, 2)
        out.backward(ag.Tensor(g))
        return out.data, images.grad.data

    found = results()
    assert shapes == [(28, 31, 33, 1), (28, 15, 16, 1)]
    monkeypatch.setenv("TAPEGRAD_EXECUTOR", "numpy")
    for one, wanted in zip(found, results(), strict=True):
        np.testing.assert_array_equal(one, wanted, strict=True)


@needs_c
@pytest.mark.parametrize("options", [{}, {"stride": 1, "padding": 1}, {"stride": 2, "dilation": 2}])
@pytest.mark.parametrize("slope", ["float32", "float64"])
def test_max_pooling_and_relu_in_c_are_those_of_numpy(options, slope, monkeypatch):
    x = numbers(6, 20, 24, 24)
    x[0, 3, 5, 7], x[1, 2, 3, 4] = np.nan, np.inf
    images = ag.Tensor(x, requires_grad=True)
    weight = ag.Tensor(numbers(16, 20, 1, 1), requires_grad=True)

    def results():
        images.grad = weight.grad = None
        with np.errstate(invalid="ignore"):
            out = F.max_pool2d(F.relu(F.conv2d(images, weight)), 3, **options)
            out.backward(ag.Tensor(numbers(*out.shape, dtype=slope, seed=1)))
        return out.data, images.grad.data, weight.grad.data

    taken = []
    monkeypatch.setattr(pools, "_run", lambda name, *rest, run=pools._run: taken.append(name) or run(name, *rest))
    found = results()
    assert taken == ["places", "put"]
    monkeypatch.setenv("TAPEGRAD_EXECUTOR", "numpy")
    for one, wanted in zip(found, results(), strict=True):
        assert np.isfinite(wanted).any()
        np.testing.assert_allclose(one, wanted, rtol=1e-4, atol=1e-4, strict=True)
    assert len(taken) == 2


@needs_c
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(3, 6, 40, 31), (2, 4, 16_400), (40, 600), (2, 4, 16_411), (3, 70, 11, 9)])
@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("last", [False, True])
def test_group_norm_in_c_and_compiled_is_its_definition(shape, affine, dtype, last):
    x, g = numbers(*shape, dtype=dtype) + 3, ag.Tensor(numbers(*shape, dtype=dtype, seed=1))
    if last:
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    parameters = [ag.Tensor(numbers(shape[1], dtype=dtype, seed=seed)) for seed in (2, 3)] if affine else []
    leaves = [ag.Tensor(x), *parameters]
    leaves[0].data = x  # as it lies
    options = {"groups": 2, "eps": 1e-5}

    def results(function, *leaves):
        out, back = ag.vjp(lambda *leaves: function(*leaves, **options), *leaves)
        slopes = back(g)
        return out, *(slopes if isinstance(slopes, tuple) else (slopes,))

    exact = [ag.Tensor(leaf.data.astype("float64")) for leaf in leaves]
    wanted = results(_by_groups.definition, *exact)
    compiled = ag.compile(lambda *leaves: results(_by_groups, *leaves), executor="native")
    most = 3e-5 if dtype == "float32" else 1e-12
    for found in (results(_by_groups, *leaves), compiled(*leaves)):
        for one, like in zip(found, wanted, strict=True):
            assert one.dtype == dtype
            assert np.abs(one.data - like.data).max() <= most * np.abs(like.data).max()


@needs_c
@pytest.mark.parametrize("last", [False, True])
def test_group_norm_of_nan_inf_and_nothing_is_what_its_definition_gives(last):
    x = numbers(3, 8, 40, 75)
    x[0, 0, 3, 3], x[1, 7, 2, 2] = np.nan, np.inf
    given = ag.Tensor(x)
    given.data = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1) if last else x
    with np.errstate(invalid="ignore"):
        out, wanted = F.group_norm(given, 2), _by_groups.definition(x, groups=2, eps=1e-5)
    assert out.data.flags.c_contiguous is not last
    np.testing.assert_array_equal(np.isnan(out.data), np.isnan(wanted))
    assert np.isfinite(out.data).all(axis=(2, 3)).tolist() == [
        [False] * 4 + [True] * 4,
        [True] * 4 + [False] * 4,
        [True] * 8,
    ]
    assert F.group_norm(ag.Tensor(x[:0]), 2).shape == (0, 8, 40, 75)


BATCHES = [
    ((9, 33, 40, 31), True),
    ((20_000, 17), True),
    ((3, 5, 200, 99), False),  # channels of several rows
    ((4, 5, 16_411), True),  # a prime, which cannot be cut
]


@needs_c
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "affine"), BATCHES)
@pytest.mark.parametrize("last", [False, True])
def test_batch_norm_in_c_is_that_of_numpy(shape, affine, dtype, last, monkeypatch):
    x, g = numbers(*shape, dtype=dtype) + 3, numbers(*shape, dtype=dtype, seed=1)
    if last:
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    made = []
    made_loop = eager._Made.__call__
    monkeypatch.setattr(eager._Made, "__call__", lambda *given: made.append(given) or made_loop(*given))

    def results():
        layer = (nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d)(shape[1], affine=affine)
        layer.to(dtype)
        if affine:
            layer.weight.data, layer.bias.data = numbers(shape[1], dtype=dtype), numbers(shape[1], dtype=dtype, seed=2)
        leaves = [ag.Tensor(x, requires_grad=True), *layer.parameters()]
        leaves[0].data = x  # as it lies
        out = layer(leaves[0])
        out.backward(ag.Tensor(g))
        return [out.data, *(leaf.grad.data for leaf in leaves), layer.running_mean.data, layer.running_var.data]

    found = results()
    by_rows = len(shape) > 2 and not last and shape[2] != 16_411
    assert len(made) == (4 if by_rows else 5)  # where rows are channels, mean and variance are one loop
    monkeypatch.setenv("TAPEGRAD_EXECUTOR", "numpy")
    for one, wanted in zip(found, results(), strict=True):
        assert one.dtype == wanted.dtype == dtype
        assert np.abs(one - wanted).max() <= (3e-5 if dtype == "float32" else 1e-12) * np.abs(wanted).max()


# In place


@needs_c
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", [None, "relu"])
def test_a_large_linear_layer_is_ended_by_a_loop(activation, dtype, monkeypatch):
    x, w, b = numbers(600, 30, dtype=dtype), numbers(200, 30, dtype=dtype, seed=1), numbers(200, dtype=dtype, seed=2)
    x[3] = np.nan
    found = F.linear(ag.Tensor(x), ag.Tensor(w), ag.Tensor(b), activation=activation).data
    monkeypatch.setenv("TAPEGRAD_EXECUTOR", "numpy")
    wanted = F.linear(ag.Tensor(x), ag.Tensor(w), ag.Tensor(b), activation=activation).data
    np.testing.assert_allclose(found, wanted, rtol=1e-6 if dtype == "float32" else 1e-14, atol=1e-6)
    finish = sys.modules["nn.functional.linear"]._finish
    monkeypatch.delenv("TAPEGRAD_EXECUTOR")
    assert finish([np.ones((600, 200), dtype)], [b], {"activation": activation})


@needs_c
@pytest.mark.parametrize("places", [slice(None, None, 2), slice(None, None, -2)], ids=["apart", "backward"])
def test_what_does_not_lie_in_order_is_read_right_after_what_does(places):
    x, w, both = ag.Tensor(numbers(600, 30)), ag.Tensor(numbers(200, 30, seed=1)), ag.Tensor(numbers(400, seed=2))
    gradients = ag.Tensor(numbers(2 * LARGE, seed=3))
    for bias, gradient in [(both[:200], gradients[:LARGE]), (both[places], gradients[places])]:
        np.testing.assert_allclose(F.linear(x, w, bias).data, x.data @ w.data.T + bias.data, rtol=1e-5, atol=1e-5)
        parameter = nn.Parameter(np.zeros(LARGE, "float32"))
        parameter.grad = gradient
        optim.SGD([parameter], lr=0.5).step()
        np.testing.assert_array_equal(parameter.data, -0.5 * gradient.data)


@needs_c
@pytest.mark.parametrize("far", [False, True])
@pytest.mark.parametrize("mask", [None, "causal", "bools", "floats", "each head"])
def test_weights_of_large_attention_are_made_by_loops(mask, far, monkeypatch):
    def attended():
        # Heads that are views of one product, and queries that see no key.
        q, k, v = (ag.Tensor(numbers(4, 70, 3, 16, seed=i), requires_grad=True) for i in range(3))
        seen = numbers(*((3, 70, 70) if mask == "each head" else (70, 70)), seed=3)
        seen = {"floats": seen, "bools": (seen > 0), "each head": seen > 0}.get(mask)
        if seen is not None and seen.dtype == bool:
            seen[..., 5, :] = False
        heads = [x.swapaxes(1, 2) for x in (q * (40 if far else 1), k, v)]
        given = None if seen is None else ag.Tensor(seen)
        out = F.scaled_dot_product_attention(*heads, given, is_causal=mask == "causal")
        (out * ag.Tensor(numbers(4, 3, 70, 16, seed=4))).sum().backward()
        return [out.data, *(x.grad.data for x in (q, k, v))]

    found = attended()
    attention = sys.modules["nn.functional.attention"]
    used = [
        attention._shares,
        attention._back_through_shares,
        *[attention._exponentials] * (mask == "causal" and not far),
    ]
    assert all(any(map(every_way, loop._known.values())) for loop in used)
    monkeypatch.setenv("TAPEGRAD_EXECUTOR", "numpy")
    for a, b in zip(found, attended(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 if far else 1e-5)
