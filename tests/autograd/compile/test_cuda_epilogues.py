"""ReLU, GELU and their backward are done by the products beside which they stand, where the device says that this pays.

One idea: the commands tell who does it, and the same step on the CPU, in float64, what must come out. The products are
those of the simulated cuBLASLt, which reads what a forward left. Of bfloat16 whole numbers, whose sums are exact, tell
how often was rounded.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

import autograd as ag
import nn
import optim
from autograd import Tensor
from autograd.backend import bfloat16, to_host
from autograd.cuda.blas import Product
from nn import functional as F

from . import simulated

pytestmark = simulated.needed

RNG = np.random.default_rng
Offers = Callable[[Callable[[list[str]], bool]], list[list[str]]]
SIZES = (12, 24, 16, 10)  # of the layers

# The bytes that loops read and write less: float32, a byte for each element of a mask, and sums over rows. Without the
# sums a loop still reads their table, and without backward one still makes a mask.
LOOPS: dict[str, Callable[[Product], int]] = {
    "relu_aux_bias": lambda p: 9 * p.m * p.n,
    "drelu_bgrad": lambda p: 9 * p.m * p.n + 4 * p.n,
    "drelu": lambda p: 5 * p.m * p.n,
    "relu_bias": lambda p: 4 * p.m * p.n,
    "bgrad_a": lambda p: 4 * p.k * p.m + 4 * p.m,
}


def network(device: str, dtype: str, bias: bool = True, bend: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(itertools.pairwise(SIZES)):
        layer = nn.Linear(before, after, bias=bias)
        for parameter in layer.parameters():
            parameter.data = RNG(i).uniform(-0.5, 0.5, parameter.shape).astype(dtype)
        layers += [layer, bend()]
    return nn.Sequential(*layers[:-1]).to(device)


def train(
    device: str,
    dtype: str,
    bias: bool = True,
    shape: tuple[int, ...] = (6,),
    bend: type[nn.Module] = nn.ReLU,
    cast: bool = False,
) -> tuple[list[np.ndarray], str]:
    """The losses of four steps, most of which a recording does, and the parameters; and the commands."""
    net = network(device, dtype, bias, bend)
    optimizer = optim.SGD(net.parameters(), lr=0.5, momentum=0.9)

    def step(x: Tensor, y: Tensor) -> Tensor:
        with ag.autocast(enabled=cast):
            loss = F.cross_entropy(net(x).reshape(-1, 10), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    fast, losses = ag.compile(step), []
    for i in range(4):
        x = Tensor(RNG(i).normal(size=(*shape, 12)).astype(dtype), device=device)
        y = Tensor(RNG(i).integers(0, 10, np.prod(shape)), device=device)
        losses.append(to_host((fast if device == "guard" else step)(x, y).data).copy())
    return [*losses, *(to_host(p.data) for p in net.parameters())], fast.explain() if device == "guard" else ""


def bends(text: str) -> list[str]:
    """What each product does besides, in order."""
    return [line.partition(":")[0].partition(", ")[2] for line in text.splitlines() if " product " in line]


@pytest.fixture(autouse=True)
def timed() -> Iterator[None]:
    with ag.cuda.matmul_algorithms("timed"):
        yield


@pytest.fixture
def offers(monkeypatch: pytest.MonkeyPatch) -> Offers:
    """Lets a device take the offers that a test takes; gives the list of all, each by its epilogues."""
    made: list[list[str]] = []

    def of(takes: Callable[[list[str]], bool]) -> list[list[str]]:
        def pays(self: object, fused: Sequence[Product], apart: Sequence[Product], saved: int, aligned: int) -> bool:
            assert len(fused) == len(apart)
            assert saved == sum(LOOPS[str(p.epilogue)](p) for p in fused)
            made.append([str(p.epilogue) for p in fused])
            return takes(made[-1])

        monkeypatch.setattr(simulated.Simulated, "pays", pays)
        return made

    return of


@pytest.mark.parametrize("shape", [(6,), (3, 5)])
@pytest.mark.parametrize("bias", [True, False])
def test_products_do_all_of_a_layer(bias: bool, shape: tuple[int, ...]) -> None:
    wanted, _ = train("cpu", "float64", bias, shape)
    made, text = train("guard", "float32", bias, shape)
    for x, y in zip(made, wanted, strict=True):
        np.testing.assert_allclose(x, y, rtol=2e-5, atol=2e-6)
    slope = "drelu_bgrad" if bias else "drelu"
    assert bends(text) == ["relu_aux", "relu_aux", "", slope, "", slope, "", ""]
    assert "maximum" not in "".join(line for line in text.splitlines() if "kernel" in line)


def test_a_device_is_offered_less_and_less(offers: Offers) -> None:
    bias, none = "relu_aux_bias", "relu_bias"
    made = offers(lambda offer: False)
    plain = train("guard", "float32")
    layer = [[bias, "drelu_bgrad"], [bias, "drelu"], [none]]
    assert made == [*layer, *layer]
    assert set(bends(plain[1])) == {""}
    for wanted in layer:
        made = offers(lambda offer, wanted=wanted: offer == wanted)
        values, text = train("guard", "float32")
        assert {name for name in bends(text) if name} == {name.removesuffix("_bias") for name in wanted}
        for x, y in zip(values, plain[0], strict=True):
            np.testing.assert_allclose(x, y, rtol=2e-5, atol=2e-6)


def commands(function: Callable[..., object], *given: Tensor) -> tuple[list[np.ndarray], list[str]]:
    fast = ag.compile(function)
    for _ in range(3):
        made = fast(*given)
    return [to_host(x.data) for x in made], bends(fast.explain())


def numbers(*shape: int, seed: int = 0, needs: bool = False) -> Tensor:
    return Tensor(RNG(seed).normal(size=shape).astype("float32"), device="guard", requires_grad=needs)


def test_without_gradients_nothing_is_left_for_them() -> None:
    x, w = numbers(5, 8), numbers(8, 16, seed=1)
    (made,), bent = commands(lambda x, w: (F.relu(x @ w),), x, w)
    np.testing.assert_allclose(made, np.maximum(to_host(x.data) @ to_host(w.data), 0), rtol=1e-5, atol=1e-6)
    assert bent == ["relu"]


def test_nan_comes_through() -> None:
    x, w = numbers(5, 8), numbers(8, 16, seed=1)
    x.data[2, 3] = np.nan
    (made,), bent = commands(lambda x, w: (F.relu(x @ w),), x, w)
    assert bent == ["relu"]
    assert np.isnan(made[2]).all()
    assert not np.isnan(made[[0, 1, 3, 4]]).any()


def test_a_product_that_is_wanted_as_it_is_stays() -> None:
    x, w = numbers(5, 8), numbers(8, 16, seed=1)

    def both(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        product = x @ w
        return product, F.relu(product)

    (product, cut), bent = commands(both, x, w)
    assert bent == [""]
    np.testing.assert_array_equal(cut, np.maximum(product, 0))


def test_a_gradient_that_is_wanted_as_it_comes_stays() -> None:
    """The hidden layer's gradient goes through ReLU, and is asked for itself."""
    x, w, v = numbers(5, 8), numbers(8, 16, seed=1), numbers(16, 4, seed=2)

    def of_hidden(x: Tensor, w: Tensor, v: Tensor) -> tuple[Tensor, ...]:
        hidden = F.relu(x @ w)
        return ag.gradients(((hidden @ v) ** 2).sum(), [hidden, w])

    w.requires_grad = True
    (of_h, of_w), bent = commands(of_hidden, x, w, v)
    X, W, V = (to_host(z.data).astype(float) for z in (x, w, v))
    H = np.maximum(X @ W, 0)
    G = 2 * (H @ V) @ V.T
    np.testing.assert_allclose(of_h, G, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(of_w, X.T @ (G * (H > 0)), rtol=1e-4, atol=1e-4)
    assert not {"drelu", "drelu_bgrad"} & set(bent)


def test_a_mask_that_more_is_done_with_stays() -> None:
    x, w, v = numbers(5, 8), numbers(8, 16, seed=1, needs=True), numbers(16, 4, seed=2)

    def masked(x: Tensor, w: Tensor, v: Tensor) -> tuple[Tensor, ...]:
        hidden = F.relu(x @ w)
        (of_w,) = ag.gradients((hidden @ v).sum(), [w])
        return of_w, ag.where(hidden > 0, 2.0, 3.0)

    (of_w, chosen), _ = commands(masked, x, w, v)
    X, W, V = (to_host(z.data).astype(float) for z in (x, w, v))
    np.testing.assert_array_equal(chosen, np.where(X @ W > 0, 2, 3))
    np.testing.assert_allclose(of_w, X.T @ (np.ones((5, 4)) @ V.T * (X @ W > 0)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", ["relu", "gelu"])
def test_products_in_bfloat16_do_all_of_a_layer(kind: str, bias: bool) -> None:
    pytest.importorskip("ml_dtypes")
    bend = nn.ReLU if kind == "relu" else Gelu
    wanted, _ = train("cpu", "float64", bias, (64,), bend)
    made, text = train("guard", "float32", bias, (64,), bend, cast=True)
    for x, y in zip(made, wanted, strict=True):
        assert distance(x, y) < (5e-2 if kind == "relu" else 2e-2)  # near 0 another rounding lets others through
    slope = f"d{kind}_bgrad" if bias else f"d{kind}"
    assert bends(text) == [f"{kind}_aux", f"{kind}_aux", "", slope, "", slope, "", ""]
    loop = "maximum" if kind == "relu" else "tanh"
    assert not any(loop in line for line in text.splitlines() if "kernel" in line)


class Gelu(nn.GELU):
    def __init__(self, approximate: str = "tanh") -> None:
        super().__init__(approximate)


def distance(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.linalg.norm(x - y) / np.linalg.norm(y))


def whole(*shape: int, most: int, seed: int = 0) -> Tensor:
    data = RNG(seed).integers(-most, most + 1, shape).astype("float32")
    return Tensor(data, device="guard", requires_grad=True)


def rounded(x: np.ndarray) -> np.ndarray:
    return x.astype(bfloat16()).astype("float32")


@ag.autocast()
def layer(x: Tensor, w: Tensor, b: Tensor, v: Tensor, bend: Callable[[Tensor], Tensor]) -> Tensor:
    return F.linear(bend(F.linear(x, w, b)), v)


def test_of_whole_numbers_sums_in_bfloat16_are_rounded_once() -> None:
    pytest.importorskip("ml_dtypes")
    x, w, b, v = whole(40, 24, most=9), whole(32, 24, most=9, seed=1), whole(32, most=999, seed=2), whole(8, 32, most=3)

    def step(x: Tensor, w: Tensor, v: Tensor) -> list[Tensor]:
        return ag.gradients(layer(x, w, b, v, F.relu).sum(), [b, w, v])

    (of_b, of_w, of_v), bent = commands(step, x, w, v)
    X, W, B, V = (to_host(z.data).astype(float) for z in (x, w, b, v))
    before = X @ W.T + rounded(B)
    hidden, back = rounded(np.maximum(before, 0)), (before > 0) * V.sum(axis=0)
    np.testing.assert_array_equal(of_b, rounded(back.sum(axis=0)))
    np.testing.assert_array_equal(of_w, rounded(back.T @ X))
    np.testing.assert_array_equal(of_v, rounded(np.ones((8, 40)) @ hidden))
    assert sorted(bent) == ["", "", "drelu_bgrad", "relu_aux"]


@pytest.mark.parametrize(
    ("bend", "wanted"),
    [
        (F.gelu, ""),
        (lambda h: F.gelu(h, "tanh"), "gelu"),
        (lambda h: 0.5 * h * (1 + ag.tanh(0.7978845608 * h * (1 + 0.044715 * h * h))), "gelu"),
        (lambda h: 0.5 * h * (1 + ag.tanh(0.7978845608 * h * (1 + 0.0447 * h * h))), ""),
        (lambda h: F.gelu(h, "tanh") + h, ""),
        (lambda h: F.gelu(h + 1, "tanh"), ""),
        (lambda h: F.relu(h) + h, ""),
    ],
)
@pytest.mark.parametrize("columns", [32, 36])
def test_what_is_something_else_stays(bend: Callable[[Tensor], Tensor], wanted: str, columns: int) -> None:
    """Another GELU, another constant, what is wanted before it is rounded, rows that are not aligned."""
    pytest.importorskip("ml_dtypes")
    x, w, b, v = numbers(16, 24), numbers(columns, 24, seed=1), numbers(columns, seed=2), numbers(8, columns, seed=3)
    (made,), bent = commands(lambda x, w, v: (layer(x, w, b, v, bend),), x, w, v)
    assert bent == [wanted if columns == 32 else "", ""]
    with ag.cuda.matmul_algorithms("expected"):
        (before,), _ = commands(lambda x, w, v: (layer(x, w, b, v, bend),), x, w, v)
    assert distance(made, before) < 5e-3


def test_gelu_of_float32_is_left_to_loops() -> None:
    """The library's tanh is off by more than float32 is."""
    x, w = numbers(16, 8), numbers(8, 16, seed=1)
    bent = commands(lambda x, w: (F.gelu(x @ w, "tanh"),), x, w)[1]
    assert bent == [""]


def test_what_is_wanted_before_it_is_rounded_stays() -> None:
    pytest.importorskip("ml_dtypes")
    x, w = numbers(16, 8), numbers(8, 16, seed=1)
    (made,), bent = commands(ag.autocast()(lambda x, w: (F.relu(x @ w),)), x, w)
    assert bent == [""]
    np.testing.assert_allclose(made, np.maximum(to_host(x.data) @ to_host(w.data), 0), atol=5e-2)


@pytest.mark.parametrize("cast", [True, False])
def test_a_product_adds_up_the_rows_of_its_factor(cast: bool) -> None:
    """The gradient of a bias, beside that of its weight, where there is no activation."""
    pytest.importorskip("ml_dtypes")
    x, w, b, v = whole(40, 24, most=9), whole(32, 24, most=9, seed=1), whole(32, most=9, seed=2), whole(8, 32, most=3)

    def step(x: Tensor, w: Tensor, v: Tensor) -> list[Tensor]:
        with ag.autocast(enabled=cast):
            made = F.linear(F.linear(x, w, b), v)
        return ag.gradients((made * made).sum(), [b, w])

    (of_b, of_w), bent = commands(step, x, w, v)
    with ag.cuda.matmul_algorithms("expected"):
        (b_before, w_before), _ = commands(step, x, w, v)
    np.testing.assert_array_equal(of_b, rounded(b_before) if cast else b_before)
    np.testing.assert_array_equal(of_w, w_before)
    assert sorted(bent)[-1] in ("bgrad_a", "bgrad_b")
    with ag.cuda.matmul_precision("tf32"):
        assert not any("bgrad" in word for word in commands(step, x, w, v)[1]) or cast


def test_a_device_is_told_how_addresses_are_aligned(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parameter may begin anywhere, what is cast lies in the program's own memory."""
    pytest.importorskip("ml_dtypes")
    found = []
    monkeypatch.setattr(simulated.Simulated, "pays", lambda self, fused, apart, saved, aligned: found.append(aligned))
    w, b = numbers(16, 8, seed=1), numbers(16, seed=2)
    for cast in (False, True):
        fast = ag.compile(ag.autocast(enabled=cast)(lambda x: F.relu(F.linear(x, w, b)) @ w))
        fast(numbers(5, 8))
    assert found == [4, 16]


def test_another_setting_compiles_anew() -> None:
    x, w = numbers(5, 8), numbers(8, 16, seed=1)
    fast = ag.compile(lambda x, w: F.relu(x @ w))
    for word, count in (("timed", 1), ("expected", 2), ("timed", 2)):
        with ag.cuda.matmul_algorithms(word):
            fast(x, w)
        assert len(fast.programs) == count
