"""Autocast: products are made in bfloat16, everything else is not, and gradients follow, wherever backward runs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
import optim
from autograd import Tensor
from autograd.backend import bfloat16
from autograd.compile.cuda import Tape
from autograd.random import Generator
from benchmarks.speed.networks import CNN
from benchmarks.speed.tapegrad import training_step
from benchmarks.speed.workloads import Workload
from tests.autograd.compile import simulated
from tests.autograd.compile.worlds import numbers

pytest.importorskip("ml_dtypes")


def rounded(x: Any) -> np.ndarray:
    """The nearest numbers of bfloat16, of two the even one, by its definition: float32's first 16 bits."""
    bits = np.asarray(x, "float32").view("uint32").astype("uint64")
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16 << 16).astype("uint32").view("float32")


def with_grad(x: np.ndarray) -> Tensor:
    return Tensor(x, requires_grad=True)


def test_a_product_rounds_its_factors_and_its_result() -> None:
    a, b = numbers(3, 40), numbers(40, 5, seed=1)
    with ag.autocast("bfloat16"):
        out = Tensor(a) @ Tensor(b)
    assert out.dtype == "float32"
    np.testing.assert_array_equal(out.data, rounded(rounded(a) @ rounded(b)))
    assert not np.array_equal(out.data, (Tensor(a) @ Tensor(b)).data)


@pytest.mark.parametrize("inside", [True, False])
def test_gradients_are_rounded_alike_wherever_backward_runs(inside: bool) -> None:
    a, b, g = with_grad(numbers(3, 40)), with_grad(numbers(40, 5, seed=1)), numbers(3, 5, seed=2)
    with ag.autocast():
        out = a @ b
        if inside:
            out.backward(Tensor(g))
    if not inside:
        out.backward(Tensor(g))
    assert a.grad.dtype == b.grad.dtype == "float32"
    np.testing.assert_array_equal(a.grad.data, rounded(rounded(g) @ rounded(b.data).T))
    np.testing.assert_array_equal(b.grad.data, rounded(rounded(a.data).T @ rounded(g)))


def test_the_second_order_is_there() -> None:
    a, b = Tensor(numbers(3, 4)), Tensor(numbers(4, 5, seed=1))
    second = ag.grad(lambda a: ag.grad(lambda a: (a @ b).square().sum())(a).square().sum())
    with ag.autocast():
        found = second(a).data
    wanted = second(a).data
    assert 0 < np.abs(found - wanted).max() < 0.05 * np.abs(wanted).max()


def linear(activation: Any) -> Callable[..., Any]:
    return lambda x, w, b: nn.functional.linear(x, w, b, activation=activation)


CASES: dict[str, tuple[Callable[..., Any], list[np.ndarray]]] = {
    "linear": (linear(None), [numbers(6, 8), numbers(5, 8, seed=1), numbers(5, seed=2)]),
    "linear and ReLU": (linear("relu"), [numbers(6, 8), numbers(5, 8, seed=1), numbers(5, seed=2)]),
    "attention": (
        lambda q, k, v: nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True),
        [numbers(2, 6, 8), numbers(2, 6, 8, seed=1), numbers(2, 6, 8, seed=2)],
    ),
    "convolution": (
        lambda x, w, b: nn.functional.conv2d(x, w, b, padding=1),
        [numbers(2, 3, 6, 6), numbers(4, 3, 3, 3, seed=1), numbers(4, seed=2)],
    ),
    "transposed convolution": (
        lambda x, w, b: nn.functional.conv_transpose2d(x, w, b, stride=2),
        [numbers(2, 4, 3, 3), numbers(4, 3, 3, 3, seed=1), numbers(3, seed=2)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_functions_with_products_are_near_float32_and_not_the_same(name: str) -> None:
    function, arrays = CASES[name]
    outcomes = []
    for enabled in (True, False):
        tensors = [with_grad(x) for x in arrays]
        with ag.autocast(enabled=enabled):
            out = function(*tensors)
        assert out.dtype == "float32"
        out.square().sum().backward()
        outcomes.append([out.data, *(t.grad.data for t in tensors)])
    for found, wanted in zip(*outcomes, strict=True):
        assert 0 < np.abs(found - wanted).max() < 0.05 * np.abs(wanted).max()


def test_what_is_not_float32_or_no_product_stays_as_it_is() -> None:
    x, y = numbers(4, 4), numbers(4, 4, seed=1)
    with ag.autocast():
        assert (Tensor(x.astype("float64")) @ Tensor(y.astype("float64"))).dtype == "float64"
        np.testing.assert_array_equal((Tensor(x) * Tensor(y)).data, x * y)
        np.testing.assert_array_equal(ag.softmax(Tensor(x), axis=1).data, ag.softmax(x, axis=1))
        np.testing.assert_array_equal((Tensor(np.eye(4, dtype=int)) @ Tensor(np.eye(4, dtype=int))).data, np.eye(4))
        assert isinstance(ag.matmul(x, y), np.ndarray)


def test_channels_by_themselves_are_convolved_in_float32() -> None:
    x, w = Tensor(numbers(2, 4, 6, 6)), Tensor(numbers(4, 1, 3, 3, seed=1))
    exact = nn.functional.conv2d(x, w, groups=4).data
    with ag.autocast():
        np.testing.assert_array_equal(nn.functional.conv2d(x, w, groups=4).data, exact)


def test_blocks_nest_and_belong_to_one_thread() -> None:
    x = Tensor(numbers(8, 8))
    exact, other = (x @ x).data, []

    @ag.autocast()
    def product() -> np.ndarray:
        with ag.autocast(enabled=False):
            np.testing.assert_array_equal((x @ x).data, exact)
        thread = threading.Thread(target=lambda: other.append((x @ x).data))
        thread.start()
        thread.join()
        return (x @ x).data

    assert not np.array_equal(product(), exact)
    np.testing.assert_array_equal(other[0], exact)
    np.testing.assert_array_equal((x @ x).data, exact)


@pytest.mark.parametrize("dtype", ["float16", "float32", np.dtype("float64"), None])
def test_another_dtype_is_refused(dtype: Any) -> None:
    with pytest.raises(ValueError, match=r'autocast multiplies in "bfloat16", got'), ag.autocast(dtype):
        pass


def test_the_dtype_itself_is_taken() -> None:
    with ag.autocast(bfloat16()):
        assert (Tensor(numbers(2, 2)) @ Tensor(numbers(2, 2))).dtype == "float32"


def test_without_ml_dtypes_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(ImportError, match="bfloat16 needs ml_dtypes: pip install ml_dtypes"), ag.autocast():
        pass
    with ag.autocast(enabled=False):
        pass


# Training


class Training:
    """A small network with attention in it, and its step."""

    def __init__(self, device: str, cast: bool) -> None:
        make = Generator(3)
        self.model = nn.Sequential(
            nn.Linear(6, 8, generator=make),
            nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, generator=make),
            nn.Linear(8, 3, generator=make),
        ).to(device)
        self.optimizer = optim.AdamW(self.model.parameters(), lr=1e-2)
        self.x = Tensor(numbers(4, 5, 6), device=device)
        self.y = Tensor(np.arange(20) % 3, device=device)
        self.cast = cast

    def step(self) -> Tensor:
        self.optimizer.zero_grad()
        with ag.autocast(enabled=self.cast):
            loss = nn.functional.cross_entropy(ag.reshape(self.model(self.x), (20, 3)), self.y)
        loss.backward()
        self.optimizer.step()
        return loss


def test_weights_gradients_and_state_stay_in_float32_and_training_goes_on() -> None:
    cast, exact = Training("cpu", True), Training("cpu", False)
    losses = [(cast.step().item(), exact.step().item()) for _ in range(20)]
    assert all(p.dtype == p.grad.dtype == "float32" for p in cast.model.parameters())
    assert losses[-1][0] < 0.8 * losses[0][0]
    assert 0 < max(abs(a - b) for a, b in losses) < 0.02


def test_a_compiled_step_computes_the_same_numbers() -> None:
    eager, ours = Training("cpu", True), Training("cpu", True)
    step = ag.compile(ours.step)
    for _ in range(4):
        assert step().item() == pytest.approx(eager.step().item(), rel=1e-5)


def test_a_program_is_for_the_block_in_which_it_was_traced() -> None:
    x = Tensor(numbers(8, 8))
    product = ag.compile(lambda x: x @ x)
    exact = product(x).data
    with ag.autocast():
        cast = product(x).data
    np.testing.assert_array_equal(cast, rounded(rounded(x.data) @ rounded(x.data)))
    np.testing.assert_array_equal(product(x).data, exact)
    assert len(product.programs) == 2


@simulated.needed
def test_a_gpu_multiplies_bfloat16_and_moves_less() -> None:
    eager, ours = Training("cpu", True), Training("guard", True)
    step = ag.compile(ours.step)
    for _ in range(4):
        assert step().item() == pytest.approx(eager.step().item(), rel=1e-3)
    tape = Tape(step.programs[0])
    products = [command.product for command in tape.commands if hasattr(command, "product")]
    assert {product.dtype for product in products} == {"bfloat16"}
    assert "CuPy" not in str(tape)
    exact = ag.compile(Training("guard", False).step)
    exact()
    assert tape.moved() < 0.9 * Tape(exact.programs[0]).moved()


@simulated.needed
def test_a_gpu_convolves_in_bfloat16() -> None:
    workload = Workload("", CNN((8, 16), 2), "sgd", 0.0)
    eager, ours = training_step(workload), training_step(workload, "guard")
    step = ag.compile(ag.autocast()(ours))
    assert step().item() == pytest.approx(ag.autocast()(eager)().item(), rel=1e-6)
    for _ in range(2):  # sums in another order, and so numbers that are rounded the other way: 2^-8 of each
        assert step().item() == pytest.approx(ag.autocast()(eager)().item(), rel=5e-3)
    tape = Tape(step.programs[0])
    assert {command.product.dtype for command in tape.commands if hasattr(command, "product")} == {"bfloat16"}
    assert "CuPy" not in str(tape)


@simulated.needed
def test_the_header_rounds_as_ml_dtypes_does() -> None:
    bits = np.random.default_rng(0).integers(0, 1 << 32, 20_000, dtype="uint32")
    edges = np.array([0, 1, 0x7F800000, 0xFF800000, 0x7FC00001, 0x7F7FFFFF, 0x3F808000, 0x3F818000], "uint32")
    x = np.concatenate([bits, edges]).view("float32")
    there = ag.compile(lambda x: ag.astype(ag.astype(x, bfloat16()), "float32"))
    with np.errstate(all="ignore"):
        found = there(Tensor(x, device="guard")).numpy()
        wanted = x.astype(bfloat16()).astype("float32")
    np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted))
    np.testing.assert_array_equal(found.view("uint32")[~np.isnan(x)], wanted.view("uint32")[~np.isnan(x)])
