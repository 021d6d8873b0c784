"""Hollow arrays: of the shape, dtype and layout of the real ones, and a step traced with them is the same program."""

from __future__ import annotations

import inspect
import operator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd as ag
from autograd import attending, convolution, pooling
from autograd.backend import to_host
from autograd.compile import trace
from autograd.compile.hollow import hollow, hollow_like
from autograd.compile.program import layout_of
from benchmarks.speed.networks import CNN, GPT, MLP
from benchmarks.speed.tapegrad import training_step
from benchmarks.speed.workloads import Workload
from tests.opspecs import convolution as convolutions
from tests.opspecs import pooling as pools

from . import simulated


def lying(shape: tuple[int, ...], axes: tuple[int, ...], dtype: str = "float32", step: int = 1) -> np.ndarray:
    """Numbers of this shape, whose axes follow one another in memory in the order of `axes`."""
    packed = np.random.default_rng(0).uniform(0.5, 1, [shape[a] * step for a in axes]).astype(dtype)
    return packed.transpose(np.argsort(axes))[tuple([slice(None, None, step)] * len(shape))]


@st.composite
def arrays(draw: st.DrawFn, like: tuple[int, ...] | None = None) -> np.ndarray:
    """Arrays that lie in all sorts of ways; with `like`, of a shape that can be broadcast with it."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)) if like is None else list(like)
    if like is not None:
        shape = [draw(st.sampled_from((n, 1))) for n in shape[draw(st.integers(0, len(shape) - 1)) :]]
    axes = draw(st.permutations(range(len(shape))))
    return lying(tuple(shape), tuple(axes), draw(st.sampled_from(("float32", "float64"))), draw(st.integers(1, 2)))


def agree(function: Any, *inputs: Any, **options: Any) -> None:
    real, found = function(*inputs, **options), hollow(function, inputs, options)
    assert found is not None
    assert (found.shape, found.dtype) == (real.shape, real.dtype)
    if isinstance(real, np.ndarray):
        assert layout_of(found) == layout_of(real)
    assert not found.any()


@settings(max_examples=200)
@given(data=st.data())
def test_functions_of_every_element(data: st.DataObject) -> None:
    a = data.draw(arrays())
    b = data.draw(st.one_of(arrays(a.shape), st.sampled_from((2.0, 3, np.float64(1.5)))))
    for function in (np.add, np.multiply, np.greater, np.arctan2):
        agree(function, a, b)
        agree(function, b, a)
    agree(np.exp, a)
    agree(np.where, a > 0.7, a, b) if isinstance(b, np.ndarray) else agree(np.where, a > 0.7, a, 0.0)


@settings(max_examples=200)
@given(data=st.data())
def test_sums_and_their_like(data: st.DataObject) -> None:
    x = data.draw(arrays())
    axes = st.integers(-x.ndim, x.ndim - 1)
    axis = data.draw(st.one_of(st.none(), axes, st.sets(axes.map(lambda a: a % x.ndim)).map(tuple)))
    for function in (np.sum, np.mean, np.max, np.min, np.prod):
        agree(function, x, axis=axis)
        agree(function, x, axis, keepdims=True)
    agree(np.sum, x, axis=axis, dtype="float64")


@pytest.mark.parametrize("axis", [0, -1, np.int64(0)])
def test_the_first_axis_of_a_number(axis: int) -> None:
    for function in (np.sum, np.max):
        agree(function, np.array(0.5), axis=axis)  # which it has as far as NumPy is concerned
        agree(function, np.array(0.5), axis=axis, keepdims=True)
        agree(function, np.ones((2, 3)), axis=axis)


@settings(max_examples=200)
@given(data=st.data())
def test_products(data: st.DataObject) -> None:
    m, k, n = (data.draw(st.integers(1, 4)) for _ in range(3))
    batch = data.draw(st.lists(st.integers(1, 3), max_size=2))
    own = [data.draw(st.sampled_from((n, 1))) for n in batch]
    a, b = (
        lying(tuple(shape), tuple(data.draw(st.permutations(range(len(shape))))))
        for shape in ((*batch, m, k), (*own, k, n))
    )
    agree(np.matmul, a, b)


@pytest.mark.parametrize(("stack", "columns"), [((), 2), ((2,), 2), ((), 0), ((2,), 0)])
def test_what_is_solved_is_not_refused_because_zeros_are_singular(stack: tuple[int, ...], columns: int) -> None:
    matrix, right = np.broadcast_to(np.eye(3, dtype="float32"), (*stack, 3, 3)), np.zeros((*stack, 3, columns))
    for function, inputs in ((np.linalg.inv, ()), (np.linalg.cholesky, ()), (np.linalg.solve, (right,))):
        found, real = hollow(function, (matrix, *inputs), {}), function(matrix, *inputs)
        assert (found.shape, found.dtype) == (real.shape, real.dtype)
        assert not real.size or layout_of(found) == layout_of(real)


@settings(max_examples=50)
@given(data=st.data())
def test_convolutions(data: st.DataObject) -> None:
    x, w, y, options = convolutions.setting(data.draw, least=1, depthwise=data.draw(st.booleans()))
    kind = data.draw(st.sampled_from(("float32", "float64")))
    of_x, of_w, of_y = (np.ones(shape, kind) for shape in (x, w, y))
    agree(inspect.unwrap(convolution.convolve), of_x, of_w, **options)
    agree(inspect.unwrap(convolution.convolve_input), of_y, of_w, length=x[1:3], **options)
    agree(inspect.unwrap(convolution.convolve_weight), of_x, of_y, size=w[1:3], **options)


@settings(max_examples=50)
@given(data=st.data())
def test_poolings(data: st.DataObject) -> None:
    length, counts, options = pools.setting(data.draw)
    kind = data.draw(st.sampled_from(("float32", "float64")))
    x, g = np.ones((2, *length, 3), kind), np.ones((2, *counts, 3), kind)
    places = inspect.unwrap(pooling.pool_places)(x, **options)
    found = hollow(inspect.unwrap(pooling.pool_places), (x,), options)
    assert (found.shape, found.dtype, layout_of(found)) == (places.shape, places.dtype, layout_of(places))
    agree(inspect.unwrap(pooling.pool_pick), x, places, **options)
    agree(inspect.unwrap(pooling.pool_put), g, places, length=length, **options)
    agree(inspect.unwrap(pooling.pool_sum), x, **options)
    agree(inspect.unwrap(pooling.pool_spread), g, length=length, **options)


POOL: Any = {"size": (2, 2), "stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_attention_in_one_piece(dtype: str) -> None:
    q, k, v, g = (lying((2, 5, 3, 8), (0, 2, 1, 3), dtype) for _ in range(4))
    agree(inspect.unwrap(attending.attend), q, k, v, causal=True, scale=0.5)
    statistics = inspect.unwrap(attending.attend_statistics)
    agree(statistics, q, k, causal=True, scale=0.5)
    given = q, k, v, g, statistics(q, k, causal=False, scale=0.5), g
    agree(inspect.unwrap(attending.attend_gradients), *given, causal=False, scale=0.5)


@settings(max_examples=200)
@given(data=st.data())
def test_a_new_shape_for_what_lies_in_another_order(data: st.DataObject) -> None:
    x = data.draw(arrays())
    for shape in ((-1,), (*x.shape, 1), (x.shape[0], -1)):
        if np.may_share_memory(np.reshape(x, shape), x):
            assert hollow(np.reshape, (x, shape), {}) is None
        else:
            agree(np.reshape, x, shape)


@pytest.mark.parametrize(
    ("function", "inputs", "options"),
    [
        (np.add, (np.arange(3), 1), {}),  # places in an array, perhaps
        (np.exp, (np.zeros((0, 3)),), {}),
        (np.frexp, (np.ones(3),), {}),  # two results
        (np.matmul, (np.ones((2, 3)), np.ones((2, 3))), {}),  # which is an error
        (np.matmul, (np.ones(3), np.ones(3)), {}),
        (np.add, (np.ones(3), 1.0), {"where": np.ones(3, bool)}),
        (np.reshape, (np.ones(4), (2, 2)), {}),
        (inspect.unwrap(pooling.pool_places), (np.ones((1, 3, 3, 1), int),), POOL),  # whole numbers have values
        (inspect.unwrap(pooling.pool_sum), (np.ones((0, 3, 3, 1)),), POOL),
    ],
)
def test_what_has_to_be_done(function: Any, inputs: Any, options: Any) -> None:
    assert hollow(function, inputs, options) is None


def test_a_copy_without_values_lies_as_the_array() -> None:
    x = lying((2, 3, 4), (2, 0, 1), step=2)
    found = hollow_like(x)
    assert (found.shape, found.dtype) == (x.shape, x.dtype)
    assert layout_of(found) == layout_of(x.copy("K"))


WORKLOADS = {
    "mlp": Workload("mlp", MLP((5, 7, 6, 3), 4), "adam", 1e-4),
    "cnn": Workload("cnn", CNN((4, 8), 2), "sgd", 1e-4),
    "gpt": Workload("gpt", GPT(2, 16, 2, 8, 2, 11), "adamw", 1e-4),
}


@simulated.needed
def test_a_step_for_a_gpu_convolves_and_pools_nothing_on_the_host(
    monkeypatch: pytest.MonkeyPatch, compiling: None
) -> None:
    def refused(*given: Any) -> Any:
        raise AssertionError("it was done on the host")

    for module, names in ((convolution, ("_way",)), (pooling, ("largest", "places_of", "_room"))):
        for name in names:
            monkeypatch.setattr(module, name, refused)
    step = ag.compile(training_step(WORKLOADS["cnn"], "guard"))
    assert [np.isfinite(step().item()) for _ in range(3)] == [True] * 3


@simulated.needed
@pytest.mark.parametrize("name", WORKLOADS)
def test_a_step_traced_without_values_is_the_same_program(
    name: str, compiling: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def traced() -> list[str]:
        step = ag.compile(training_step(WORKLOADS[name], "guard"))
        step()
        (program,) = step.traces
        return [f"{instruction}, {instruction.out.layout}" for instruction in program.instructions]

    without = traced()
    monkeypatch.setattr(trace, "hollow", lambda *call: None)
    monkeypatch.setattr(trace, "hollow_like", lambda array: trace._copy_as_it_lies(to_host(array)))
    monkeypatch.setattr(trace.Trace, "assign", lambda self, array, key, value: operator.setitem(array, key, value))
    assert without == traced()
