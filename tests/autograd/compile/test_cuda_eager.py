"""Fused functions of eager code on a GPU: their tapes give what the definitions give, and stand aside where they must.

One idea: the simulated device counts launches, so a test sees that a tape was used, and compares with the host.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn.functional as F
import optim
from autograd import Tensor
from autograd.backend import to_host
from autograd.compile.cuda import device_named
from autograd.compile.cuda.eager import OnDevice
from benchmarks.speed.networks import GPT, MLP
from benchmarks.speed.tapegrad import training_step
from benchmarks.speed.workloads import Workload
from nn.functional import attention_tapes
from nn.functional.norm import standardize
from tests.optim.helpers import RULES

from ... import guard
from . import simulated
from .worlds import numbers

pytestmark = simulated.needed


@pytest.fixture(autouse=True)
def eager_on_simulated(monkeypatch: pytest.MonkeyPatch, compiling: None) -> None:
    monkeypatch.delenv("TAPEGRAD_EXECUTOR")
    monkeypatch.setattr(simulated.Simulated, "eager", True)


def launches() -> int:
    return device_named("guard").launches


SEEN = np.array([[i + j > 2 for j in range(5)] for i in range(6)])  # of the keys, by each query
SEEN[4] = False
LABELS = np.array([2, 0, 1, 3, 2])
CASES: dict[str, tuple[Any, list[np.ndarray]]] = {
    "silu": (F.silu, [numbers(3, 50)]),
    "gelu": (F.gelu, [numbers(3, 50)]),
    "gelu, tanh": (lambda x: F.gelu(x, approximate="tanh"), [numbers(3, 50)]),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, 8, w, b), [numbers(5, 8), numbers(8, seed=1), numbers(8, seed=2)]),
    "layer_norm alone": (lambda x: F.layer_norm(x, 8), [numbers(2, 5, 8)]),
    "rms_norm": (lambda x, w: F.rms_norm(x, 8, w), [numbers(5, 8), numbers(8, seed=1)]),
    "cross_entropy": (lambda z: F.cross_entropy(z, Tensor(LABELS, device=z.device)), [numbers(5, 4)]),
    "cross_entropy, smoothed": (
        lambda z: F.cross_entropy(z, Tensor(LABELS, device=z.device), label_smoothing=0.1),
        [numbers(5, 4)],
    ),
    "linear": (lambda x, w, b: F.linear(x, w, b), [numbers(5, 8), numbers(3, 8), numbers(3)]),
    "linear, relu": (
        lambda x, w, b: F.linear(x, w, b, activation="relu"),
        [numbers(2, 5, 8), numbers(3, 8), numbers(3)],
    ),
    "attention": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        [numbers(2, 3, 6, 4, seed=i) for i in range(3)],
    ),
    "attention, a mask of numbers": (
        lambda q, k, v, mask: F.scaled_dot_product_attention(q, k, v, mask, scale=0.3),
        [numbers(2, 3, 6, 4), numbers(2, 3, 5, 4, seed=1), numbers(2, 3, 5, 2, seed=2), numbers(3, 1, 5, seed=3)],
    ),
    "attention, heads that share keys": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, Tensor(SEEN, device=q.device)),
        [numbers(2, 3, 6, 4), numbers(2, 1, 5, 4, seed=1), numbers(5, 2, seed=2)],
    ),
    "conv2d": (
        lambda x, w, b: F.conv2d(x, w, b, stride=(2, 1), padding=1, activation="relu"),
        [numbers(3, 4, 6, 5), numbers(2, 4, 3, 3, seed=1), numbers(2, seed=2)],
    ),
    "conv2d, channels apart": (
        lambda x, w: F.conv2d(x, w, groups=4, dilation=2),
        [numbers(3, 4, 6, 5), numbers(8, 1, 2, 3, seed=1)],
    ),
    "conv1d": (lambda x, w, b: F.conv1d(x, w, b), [numbers(3, 4, 6), numbers(2, 4, 3, seed=1), numbers(2, seed=2)]),
    "conv_transpose2d": (
        lambda x, w, b: F.conv_transpose2d(x, w, b, stride=2),
        [numbers(3, 4, 3, 2), numbers(4, 2, 3, 3, seed=1), numbers(2, seed=2)],
    ),
    "max_pool2d": (lambda x: F.max_pool2d(x, 3, 2, 1), [numbers(2, 3, 6, 7)]),
}


def results(function: Any, given: list[np.ndarray], device: str) -> list[np.ndarray]:
    """The result and the gradients."""
    inputs = [Tensor(x, device=device, requires_grad=True) for x in given]
    out = function(*inputs)
    weights = numbers(*out.shape, seed=9)
    (out * Tensor(weights, device=device)).sum().backward()
    return [to_host(out.data), *(to_host(x.grad.data) for x in inputs if x.grad is not None)]


@pytest.mark.parametrize("name", CASES)
def test_tapes_give_what_the_host_gives(name: str) -> None:
    function, given = CASES[name]
    wanted = results(function, given, "cpu")
    results(function, given, "guard")  # the first call with these shapes
    before = launches()
    found = results(function, given, "guard")
    assert launches() > before, "no tape was used"
    for a, b in zip(found, wanted, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


def test_layers_of_images_are_a_few_commands_and_keep_channels_last() -> None:
    def step(x: Tensor, w: Tensor) -> Tensor:
        out = F.max_pool2d(F.conv2d(x, w, padding=1, activation="relu"), 2)
        out.sum().backward()
        return out

    w = Tensor(numbers(8, 4, 3, 3), device="guard", requires_grad=True)
    x = Tensor(numbers(2, 6, 6, 4, seed=1).transpose(0, 3, 1, 2), device="guard", requires_grad=True)
    for _ in range(2):
        step(x, w)
    before = launches()
    out = step(x, w)
    # The weight in order, windows, ReLU, places, picks; then places, put; the weight, sums, windows, its gradient.
    assert launches() - before == 11
    for lies in (out.data, x.grad.data):
        assert lies.transpose(0, 2, 3, 1).flags.c_contiguous


def test_shapes_that_never_come_back_cost_nothing() -> None:
    before = launches()
    for rows in range(3, 8):
        F.gelu(Tensor(numbers(rows, 31), device="guard"))
    assert launches() == before


def test_strided_arrays_are_read_right() -> None:
    x = Tensor(numbers(6, 40), device="guard")
    for part in (x.T, x[::2, ::-1], x[:, 3:30]):
        for _ in range(2):
            found = F.gelu(part)
        np.testing.assert_allclose(to_host(found.data), F.gelu(Tensor(to_host(part.data))).data, rtol=1e-5, atol=1e-6)


def test_a_layer_does_no_product_again(monkeypatch: pytest.MonkeyPatch) -> None:
    products: list[Any] = []
    product = simulated.Simulated.product
    monkeypatch.setattr(
        simulated.Simulated, "product", lambda self, *given: products.append(given) or product(self, *given)
    )
    given = [numbers(5, 9), numbers(3, 9), numbers(3)]
    for _ in range(3):
        products.clear()
        results(lambda x, w, b: F.linear(x, w, b, activation="relu"), given, "guard")
    assert len(products) == 2  # the gradients of both factors; that of the forward needs no tape


@pytest.mark.parametrize(("few", "products"), [(1 << 22, 6), (1, 7)])
def test_few_weights_of_an_attention_are_not_made_again(
    few: int, products: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention_tapes, "_FEW", few)
    done: list[Any] = []
    multiplier = simulated.Simulated.multiplier
    monkeypatch.setattr(
        simulated.Simulated,
        "multiplier",
        lambda self, product: (lambda run: lambda *at: done.append(product) or run(*at))(multiplier(self, product)),
    )
    function, _ = CASES["attention"]
    given = [numbers(2, products, 3, 4, seed=i) for i in range(3)]  # of a shape for which no tape was made yet
    wanted = results(function, given, "cpu")
    for _ in range(3):
        done.clear()
        found = results(function, given, "guard")
    assert len(done) == products
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("shape", [(70, 33), (5, 700), (1024, 40), (1025, 3)])
def test_sums_over_few_rows_are_one_launch(shape: tuple[int, int]) -> None:
    def summed(x: Tensor, w: Tensor) -> tuple[Tensor, ...]:
        y = x * w
        return y, y.sum(axis=0), (y * x).mean(axis=0)

    tape, given = OnDevice(summed, lambda _: [0, 1, 1]), [numbers(*shape), numbers(shape[1], seed=1)]
    arrays = tuple(Tensor(x, device="guard").data for x in given)
    for _ in range(3):
        before, found = launches(), tape(arrays, {})
    assert launches() - before == (1 if shape[0] <= 1024 else 3)  # then one that adds up the parts of each kind
    for a, b in zip(found, summed(*(Tensor(x.astype("float64")) for x in given)), strict=True):
        np.testing.assert_allclose(to_host(a), b.data, rtol=2e-5, atol=1e-4)


def test_heads_of_an_attention_are_taken_and_given_as_they_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    def mixed(*heads: Tensor) -> Tensor:
        out = F.scaled_dot_product_attention(*heads, is_causal=True)
        (out * weights).sum().backward()
        return out

    weights = Tensor(numbers(2, 6, 3, 4, seed=9).swapaxes(1, 2), device="guard")
    heads = [Tensor(numbers(2, 6, 3, 4, seed=i).swapaxes(1, 2), device="guard", requires_grad=True) for i in range(3)]
    for _ in range(2):
        mixed(*heads)
    for x in heads:
        x.grad = None
    called: list[str] = []
    call = guard._call_method
    monkeypatch.setattr(guard, "_call_method", lambda x, name, *given: called.append(name) or call(x, name, *given))
    out = mixed(*heads)
    assert "copy" not in called
    for lies in (out.data, *(x.grad.data for x in heads)):
        assert lies.swapaxes(1, 2).flags.c_contiguous


def test_the_gradients_of_an_optimizer_are_gathered_by_a_tape(monkeypatch: pytest.MonkeyPatch) -> None:
    given = [numbers(3, 4), numbers(4, seed=1), numbers(2, 5, seed=2)]

    def trained(device: str) -> list[np.ndarray]:
        weights = [Tensor(x, device=device, requires_grad=True) for x in given]
        optimizer = optim.SGD(weights, lr=0.1)
        for step in range(3):
            if step == 2:
                monkeypatch.setattr(guard.guard, "concatenate", None)
            for i, w in enumerate(weights):
                w.grad = Tensor(numbers(*w.shape, seed=i), device=device)
            optimizer.step()
        return [to_host(w.data) for w in weights]

    for a, b in zip(trained("guard"), trained("cpu"), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("name", "dtype"), [*[(name, "float64") for name in RULES], ("adamw", "float32")])
def test_the_rule_of_an_optimizer_is_one_kernel(name: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def trained(device: str) -> tuple[list[np.ndarray], list[int]]:
        weights = [Tensor(numbers(*shape).astype(dtype), device=device, requires_grad=True) for shape in ((3, 4), (5,))]
        optimizer, counts = RULES[name](weights), []
        for step in range(6):
            for i, w in enumerate(weights):
                w.grad = Tensor(numbers(*w.shape, seed=2 * step + i).astype(dtype), device=device)
            optimizer.param_groups[0]["lr"] *= 0.9  # as a schedule does
            before = launches()
            optimizer.step()
            counts.append(launches() - before)
        return [to_host(w.data) for w in weights], counts

    wanted, found, counts = *trained("cpu")[:1], *trained("guard")
    assert counts[3:] == [2, 2, 2]  # one that gathers the gradients, one that moves the weights
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12 if dtype == "float64" else 2e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("network", "wanted"),
    [
        # The loss and its gradient 4 and 2, a bias each, gathered gradients and the rule.
        (MLP((5, 7, 6, 3), 4), (4 + 2 + 3 + 2, 0)),
        # Residuals forward and back, the places, and the parts of queries, keys and values are left to CuPy.
        (GPT(2, 16, 2, 8, 2, 11), (55, 9)),
    ],
    ids=["mlp", "gpt"],
)
def test_a_step_is_so_many_launches(network: Any, wanted: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    step = training_step(Workload("", network, "adamw", 0.0), "guard")
    for _ in range(3):
        step()
    called: list[str] = []
    call = guard.Ufunc.__call__
    monkeypatch.setattr(
        guard.Ufunc, "__call__", lambda f, *given, **how: called.append(f.name) or call(f, *given, **how)
    )
    before = launches()
    step()
    assert (launches() - before, len(called)) == wanted, called


def test_a_rule_goes_another_way_when_its_options_say_so() -> None:
    def trained(device: str) -> np.ndarray:
        w = Tensor(numbers(7), device=device, requires_grad=True)
        optimizer = optim.SGD([w], lr=0.1, momentum=0.9)
        for step, momentum in enumerate([0.9, 0.9, 0.9, 0.0, 0, 0.8, 0.8, 0.0]):
            optimizer.param_groups[0].update(momentum=momentum, weight_decay=0.1 * (step > 4))
            w.grad = Tensor(numbers(7, seed=step), device=device)
            optimizer.step()
        return to_host(w.data)

    np.testing.assert_allclose(trained("guard"), trained("cpu"), rtol=1e-5, atol=1e-6)


def test_a_gradient_that_lies_among_the_weights_is_read_before_they_change() -> None:
    def trained(device: str) -> np.ndarray:
        first, second = (Tensor(numbers(16, seed=i), device=device, requires_grad=True) for i in range(2))
        optimizer = optim.SGD([first, second], lr=0.1)
        for step in range(4):
            second.grad = Tensor(numbers(16), device=device)
            if step:
                second.grad.data = second.data.base[15:31]  # of which each element is the weight before
            optimizer.step()
        return to_host(second.data)

    np.testing.assert_allclose(trained("guard"), trained("cpu"), rtol=1e-6, atol=1e-7)


def test_a_rule_of_the_users_own_is_asked_at_every_step() -> None:
    class Mine(optim.SGD):
        @staticmethod
        def update(xp: Any, w: Any, g: Any, state: Any, t: int, **options: Any) -> None:
            asked.append(t)
            w -= scale[0] * g

    asked: list[int] = []
    scale = [1.0]
    w = Tensor(np.ones(3, "float32"), device="guard", requires_grad=True)
    optimizer = Mine([w])
    for scale[0] in (1.0, 2.0, 4.0):
        w.grad = Tensor(np.ones(3, "float32"), device="guard")
        optimizer.step()
    assert asked == [1, 2, 3]
    assert to_host(w.data).tolist() == [-6.0] * 3


@pytest.mark.parametrize(("max_norm", "dtypes"), [(1.0, "dd"), (100.0, "ff"), (1.0, "df")])
def test_gradients_are_clipped_by_a_few_kernels(max_norm: float, dtypes: str) -> None:
    given = [numbers(3, 4).astype(dtypes[0]), numbers(5, seed=1).astype(dtypes[1])]

    def clipped(device: str) -> tuple[list[np.ndarray], int]:
        weights = [Tensor(np.zeros_like(x), device=device) for x in given]
        for _ in range(3):
            before, gradients = launches(), [Tensor(x, device=device) for x in given]
            for w, gradient in zip(weights, gradients, strict=True):
                w.grad = gradient
            norm = optim.clip_grad_norm_(weights, max_norm)
        assert all((to_host(g.data) == x).all() for g, x in zip(gradients, given, strict=True))
        return [to_host(norm.data), *(to_host(w.grad.data) for w in weights)], launches() - before

    found, count = clipped("guard")
    assert count == (0 if dtypes == "df" else 3)  # end to end, their norm, all scaled
    for a, b in zip(found, clipped("cpu")[0], strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-6 if "f" in dtypes else 1e-14)


def test_many_numbers_are_clipped_array_by_array(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["optim.clip"], "_MOST", 10)
    w = Tensor(numbers(11), device="guard", requires_grad=True)
    for _ in range(3):
        w.grad, before = Tensor(numbers(11), device="guard"), launches()
        optim.clip_grad_norm_([w], 1.0)
    assert launches() == before


def test_a_norm_that_is_not_finite_is_told_and_scales_nothing() -> None:
    w = Tensor(numbers(5), device="guard", requires_grad=True)
    for _ in range(3):
        w.grad = Tensor(np.full(5, np.nan, "float32"), device="guard")
        before = w.grad
        with pytest.raises(RuntimeError, match="not finite"):
            optim.clip_grad_norm_([w], 1.0, error_if_nonfinite=True)
        assert w.grad is before


def test_tapes_are_made_inside_anomaly_and_watched_there() -> None:
    x = numbers(5, 11)
    with ag.anomaly():
        for _ in range(2):
            before = launches()
            results(lambda x: F.layer_norm(x, 11), [x], "guard")
        assert launches() > before, "no tape was used"
        with pytest.raises(ag.AnomalyError, match=r"standardize gave NaN in the forward pass, .*test_cuda_eager\.py"):
            F.layer_norm(Tensor(np.sign(x) * np.float32(3e38), device="guard"), 11)


def test_only_what_is_asked_for_is_computed() -> None:
    given = [numbers(5, 8), numbers(8, seed=1), numbers(8, seed=2)]
    for _ in range(3):
        x, w, b = (Tensor(a, device="guard") for a in given)
        w.requires_grad_()
        F.layer_norm(x, 8, w, b).sum().backward()
    plain = given[0] - given[0].mean(axis=1, keepdims=True)
    plain /= np.sqrt((plain**2).mean(axis=1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(to_host(w.grad.data), plain.sum(axis=0), rtol=1e-4, atol=1e-5)
    assert x.grad is None


def test_a_second_derivative_takes_the_definition() -> None:
    def f(x: Tensor) -> Tensor:
        return F.gelu(x).sum()

    x = numbers(7)
    wanted = ag.grad(lambda x: ag.grad(f)(x).sum())(Tensor(x))
    for _ in range(3):
        found = ag.grad(lambda x: ag.grad(f)(x).sum())(Tensor(x, device="guard"))
    np.testing.assert_allclose(to_host(found.data), wanted.data, rtol=1e-4, atol=1e-5)


def test_backward_inside_autocast_rounds_no_product_of_a_forward_outside() -> None:
    def slopes(device: str) -> list[np.ndarray]:
        x, w = (Tensor(a, device=device, requires_grad=True) for a in (numbers(6, 8), numbers(8, 8, seed=1)))
        out = F.scaled_dot_product_attention(*(F.linear(x, w, activation="relu"),) * 3)
        with ag.autocast():
            out.sum().backward()
        return [to_host(a.grad.data) for a in (x, w)]

    wanted = slopes("cpu")
    for _ in range(3):
        for a, b in zip(slopes("guard"), wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("function", [ag.sort, lambda x: F.dropout(x, 0.5, training=True)])
def test_what_is_more_than_kernels_is_left_to_others(function: Any) -> None:
    tape = OnDevice(function)
    x = Tensor(numbers(3, 3), device="guard").data
    assert [tape((x,), {}) for _ in range(3)] == [None] * 3


def test_options_that_may_change_unseen_are_left_to_others() -> None:
    tape = OnDevice(lambda x, found: x * 2.0)
    x = Tensor(numbers(3, 3), device="guard").data
    assert [tape((x,), {"found": []}) for _ in range(3)] == [None] * 3


def test_numbers_of_numpy_are_left_to_others_and_pythons_are_not() -> None:
    x = Tensor(numbers(3, 13), device="guard")
    for eps in (np.float64(0.5), 0.5):
        for _ in range(3):
            before = launches()
            assert standardize(x, axes=(1,), eps=eps).dtype == "float32"
        assert (launches() > before) == (type(eps) is float)


def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAPEGRAD_EXECUTOR", "numpy")
    before = launches()
    for _ in range(3):
        F.gelu(Tensor(numbers(4, 30), device="guard"))
    assert launches() == before


def test_where_the_compiler_is_missing_it_warns_once_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(self: Any, source: str) -> Any:
        raise ag.DeviceError("there is no NVRTC")

    monkeypatch.setattr(simulated.Simulated, "library", missing)
    x = Tensor(numbers(4, 29), device="guard")
    F.gelu(x)
    with pytest.warns(RuntimeWarning, match="left to CuPy: there is no NVRTC"):
        found = F.gelu(x)
    np.testing.assert_allclose(to_host(found.data), F.gelu(Tensor(numbers(4, 29))).data, rtol=1e-5, atol=1e-6)
    F.gelu(x)  # no second warning, which would be an error
