"""Live against PyTorch and JAX where functions have corners: kinks, ties, zeros, infinities, places named twice.

There the peers do not always agree, nor need we agree with them. Each row says where we stand: with both, or apart
from one of them or from both, with the reason and the gradient that is meant. Run by `make test-peers`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import autograd as ag
from nn import functional as F

pytestmark = [
    pytest.mark.peers,
    # NumPy's word, and PyTorch's, for the spread of one element, of which one is to be taken off.
    pytest.mark.filterwarnings("ignore:Degrees of freedom:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:.*degrees of freedom is <= 0:UserWarning"),
]

INF, NAN = float("inf"), float("nan")

# For `apart`: why ours is another than the peer's.
ZERO = "where no slope is the right one, 0 leaves the parameters alone; NaN would destroy them"
EVEN = "there JAX shares between the sides or takes the other; ours are PyTorch's, on which recipes are tuned"
LAST = (
    "what stays of two writes to one place is left open by PyTorch, whose gradient goes to both; ours goes to the last"
)
ROUND = "PyTorch's slope is that of a formula which is only near: g (p - t) / max(p (1 - p), 1e-12)"
FIRST = "which of equal elements is taken is left open by PyTorch; ours are the first"


@dataclass(frozen=True)
class Corner:
    """A function `ours(m, *points)`, m being autograd or jax.numpy, and the same in PyTorch (and JAX, if spelled so).

    `jax` is None where JAX has no such function. `apart` names the peers from which we differ, with the reason;
    `gradients` is then what is meant. The derivative is that of the sum of all elements, times 1, 2, 3, ...
    """

    name: str
    points: tuple[Any, ...]
    ours: Callable[..., Any]
    torch: Callable[..., Any]
    jax: Callable[..., Any] | str | None = "as ours"
    apart: dict[str, str] = field(default_factory=dict)
    gradients: tuple[Any, ...] = ()


def corner(name: str, points: Any, ours: Any, torch: Any, jax: Any = "as ours", **differs: Any) -> Corner:
    """A row; points that are no tuple are the only ones."""
    return Corner(name, points if isinstance(points, tuple) else (points,), ours, torch, jax, **differs)


def apart(reason: str, *peers: str, gradients: tuple[Any, ...]) -> dict[str, Any]:
    """How a row differs from these peers."""
    return {"apart": dict.fromkeys(peers, reason), "gradients": gradients}


BOTH_ZEROS = [0.0, -0.0]

ROWS = [
    # Kinks
    corner(
        "abs", BOTH_ZEROS, lambda m, x: m.abs(x), lambda t, x: x.abs(), **apart(EVEN, "jax", gradients=([0.0, 0.0],))
    ),
    corner("sign", [1.0, 0.0], lambda m, x: m.sign(x) + x, lambda t, x: x.sign() + x),
    corner("relu", BOTH_ZEROS, lambda m, x: F.relu(x), lambda t, x: t.relu(x), lambda j, x: j.nn.relu(x)),
    corner("maximum with 0", BOTH_ZEROS, lambda m, x: m.maximum(x, 0.0), lambda t, x: t.maximum(x, t.zeros(()))),
    corner(
        "clip at its borders",
        [-1.0, 0.0, 1.0],
        lambda m, x: m.clip(x, -1.0, 1.0),
        lambda t, x: x.clip(-1.0, 1.0),
        **apart(EVEN, "jax", gradients=([1.0, 2.0, 3.0],)),
    ),
    corner("clip, low above high", [0.0, 2.5, 5.0], lambda m, x: m.clip(x, 3.0, 2.0), lambda t, x: x.clip(3.0, 2.0)),
    corner("hardtanh", [-1.0, 1.0], lambda m, x: F.hardtanh(x), lambda t, x: t.nn.functional.hardtanh(x), None),
    corner("relu6", [0.0, 6.0], lambda m, x: F.relu6(x), lambda t, x: t.nn.functional.relu6(x), None),
    corner("hardswish", [-3.0, 3.0], lambda m, x: F.hardswish(x), lambda t, x: t.nn.functional.hardswish(x), None),
    corner("leaky_relu", BOTH_ZEROS, lambda m, x: F.leaky_relu(x), lambda t, x: t.nn.functional.leaky_relu(x), None),
    corner("elu", BOTH_ZEROS, lambda m, x: F.elu(x, 0.5), lambda t, x: t.nn.functional.elu(x, 0.5), None),
    corner(
        "prelu", (BOTH_ZEROS, [0.25]), lambda m, x, a: F.prelu(x, a), lambda t, x, a: t.nn.functional.prelu(x, a), None
    ),
    corner(
        "huber at its edge",
        [1.0, -1.0],
        lambda m, x: F.huber_loss(x, x.detach() * 0),
        lambda t, x: t.nn.functional.huber_loss(x, t.zeros(2, dtype=x.dtype)),
        None,
    ),
    corner(
        "l1 of equal ones",
        ([1.0], [1.0]),
        lambda m, a, b: F.l1_loss(a, b),
        lambda t, a, b: t.nn.functional.l1_loss(a, b),
        None,
    ),
    corner(
        "where, of a branch not taken",
        BOTH_ZEROS,
        lambda m, x: m.where(x > 0, m.log(x), 0.0),
        lambda t, x: t.where(x > 0, x.log(), 0.0),
    ),
    corner("floor", [1.5], lambda m, x: m.floor(x) + x, lambda t, x: x.floor() + x),
    corner(
        "remainder of a multiple",
        ([4.0, -4.0], [2.0, 2.0]),
        lambda m, x, y: m.remainder(x, y),
        lambda t, x, y: t.remainder(x, y),
    ),
    # Roots and norms at 0
    corner("sqrt", BOTH_ZEROS, lambda m, x: m.sqrt(x * x), lambda t, x: (x * x).sqrt()),
    corner(
        "norm",
        BOTH_ZEROS,
        lambda m, x: m.sqrt(m.sum(x * x)) if m is not ag else x.norm(),
        lambda t, x: t.linalg.vector_norm(x),
        **apart(ZERO, "jax", gradients=([0.0, 0.0],)),
    ),
    corner(
        "hypot",
        ([0.0], [0.0]),
        lambda m, x, y: m.hypot(x, y),
        lambda t, x, y: t.hypot(x, y),
        **apart(ZERO, "torch", "jax", gradients=([0.0], [0.0])),
    ),
    corner(
        "atan2",
        ([0.0], [0.0]),
        lambda m, y, x: m.atan2(y, x),
        lambda t, y, x: t.atan2(y, x),
        None,
        **apart("atan2 has no direction at 0, 0, and JAX and we say so", "torch", gradients=([NAN], [NAN])),
    ),
    # Powers
    *(corner(f"0 ** {n}", [0.0], lambda m, x, n=n: x**n, lambda t, x, n=n: x**n) for n in (0, 1, 2, 3, 0.5, 1.5, -1)),
    corner(
        "0 ** 0.0",
        [0.0],
        lambda m, x: x**0.0,
        lambda t, x: x**0.0,
        **apart(ZERO, "jax", gradients=([0.0],)),
    ),
    corner("0.0 ** x", [0.0, 1.0, 2.0], lambda m, x: 0.0**x, lambda t, x: 0.0**x),
    corner(
        "0 ** 0 of two",
        ([0.0], [0.0]),
        lambda m, x, y: x**y,
        lambda t, x, y: x**y,
        **apart(ZERO, "jax", gradients=([0.0], [0.0])),
    ),
    corner("0 ** 2 of two", ([0.0], [2.0]), lambda m, x, y: x**y, lambda t, x, y: x**y),
    corner(
        "(-2) ** 2 of two",
        ([-2.0], [2.0]),
        lambda m, x, y: x**y,
        lambda t, x, y: x**y,
        **apart(ZERO, "torch", "jax", gradients=([-4.0], [0.0])),
    ),
    # Products with zeros
    *(
        corner(f"prod of {x}", x, lambda m, x: m.prod(x), lambda t, x: x.prod())
        for x in ([0.0, 2.0, 3.0], [0.0, 0.0, 3.0], [0.0])
    ),
    corner("cumprod", [2.0, 0.0, 3.0, 0.0, 4.0], lambda m, x: m.cumulative_prod(x), lambda t, x: x.cumprod(0)),
    # Spreads
    corner("var of one", [2.0], lambda m, x: m.var(x), lambda t, x: x.var(correction=0)),
    corner("var of one, corrected", [2.0], lambda m, x: m.var(x, correction=1), lambda t, x: x.var()),
    *(
        corner(
            f"std of {x}",
            x,
            lambda m, x: m.std(x),
            lambda t, x: x.std(correction=0),
            **apart(ZERO, "jax", gradients=([0.0] * len(x),)),
        )
        for x in ([2.0], [2.0, 2.0, 2.0])
    ),
    corner("std of one, corrected", [2.0], lambda m, x: m.std(x, correction=1), lambda t, x: x.std()),
    # Ties
    corner("max", [1.0, 3.0, 3.0], lambda m, x: m.max(x), lambda t, x: x.max()),
    corner("max along an axis", [[1.0, 3.0, 3.0]], lambda m, x: m.max(x, axis=1), lambda t, x: x.amax(1)),
    corner(
        "max along an axis, against the one with indices",
        [[1.0, 3.0, 3.0]],
        lambda m, x: m.max(x, axis=1),
        lambda t, x: x.max(1).values,
        **apart(
            "max(dim) goes with its indices, to one of them; max and amax share",
            "torch",
            gradients=([[0.0, 0.5, 0.5]],),
        ),
    ),
    corner("min", [1.0, 1.0, 3.0], lambda m, x: m.min(x), lambda t, x: x.min()),
    corner("maximum", ([1.0], [1.0]), lambda m, x, y: m.maximum(x, y), lambda t, x, y: t.maximum(x, y)),
    corner("maximum of x and x", [1.0], lambda m, x: m.maximum(x, x), lambda t, x: t.maximum(x, x)),
    corner("minimum", ([1.0], [1.0]), lambda m, x, y: m.minimum(x, y), lambda t, x, y: t.minimum(x, y)),
    corner(
        "max with a NaN",
        [NAN, 1.0],
        lambda m, x: m.max(x),
        lambda t, x: x.max(),
        **apart("the largest is NaN, and JAX and we say so of its gradient too", "torch", gradients=([NAN, NAN],)),
    ),
    corner("median of an even number", [5.0, 1.0, 2.0, 3.0], lambda m, x: m.median(x), lambda t, x: x.quantile(0.5)),
    corner(
        "median with ties",
        [1.0, 2.0, 2.0],
        lambda m, x: m.median(x),
        lambda t, x: x.median(),
        **apart(
            "ours and JAX's is the element in the middle of the sorted ones", "torch", gradients=([0.0, 1.0, 0.0],)
        ),
    ),
    corner("sort", [2.0, 1.0, 2.0], lambda m, x: m.sort(x), lambda t, x: x.sort(stable=True).values),
    corner(
        "sort downwards",
        [2.0, 1.0, 2.0],
        lambda m, x: m.sort(x, descending=True),
        lambda t, x: x.sort(stable=True, descending=True).values,
        **apart(
            "stable: equal elements keep their order, as in PyTorch and the Array API",
            "jax",
            gradients=([1.0, 3.0, 2.0],),
        ),
    ),
    corner(
        "topk",
        [2.0, 1.0, 2.0, 2.0],
        lambda m, x: m.topk(x, 2)[0],
        lambda t, x: x.topk(2).values,
        lambda j, x: j.lax.top_k(x, 2)[0],
        **apart(FIRST, "torch", gradients=([1.0, 0.0, 2.0, 0.0],)),
    ),
    # Far out
    corner(
        "sigmoid",
        [800.0, -800.0],
        lambda m, x: F.sigmoid(x),
        lambda t, x: x.sigmoid(),
        lambda j, x: j.nn.sigmoid(x),
    ),
    *(
        corner(
            name,
            [800.0, -800.0],
            lambda m, x, name=name: getattr(F, name)(x),
            lambda t, x, name=name: getattr(t.nn.functional, name)(x),
            lambda j, x, name=name: getattr(j.nn, {"logsigmoid": "log_sigmoid"}.get(name, name))(x),
        )
        for name in ("softplus", "logsigmoid", "silu", "mish")
    ),
    corner("gelu", [40.0, -40.0], lambda m, x: F.gelu(x), lambda t, x: t.nn.functional.gelu(x), None),
    corner(
        "log_softmax",
        [1000.0, 0.0],
        lambda m, x: F.log_softmax(x, 0),
        lambda t, x: x.log_softmax(0),
        lambda j, x: j.nn.log_softmax(x),
    ),
    corner(
        "softmax with -inf",
        [-INF, 0.0, 1.0],
        lambda m, x: F.softmax(x, 0),
        lambda t, x: x.softmax(0),
        lambda j, x: j.nn.softmax(x),
    ),
    corner(
        "logsumexp of nothing",
        [-INF, -INF],
        lambda m, x: ag.logsumexp(x),
        lambda t, x: x.logsumexp(0),
        lambda j, x: j.nn.logsumexp(x),
        **apart(ZERO, "torch", "jax", gradients=([0.0, 0.0],)),
    ),
    corner(
        "logaddexp of nothing",
        ([-INF], [-INF]),
        lambda m, x, y: m.logaddexp(x, y),
        lambda t, x, y: t.logaddexp(x, y),
        **apart(ZERO, "torch", "jax", gradients=([0.0], [0.0])),
    ),
    # Losses at certainty
    corner(
        "binary cross entropy, right at 0 and 1",
        [0.0, 1.0],
        lambda m, x: F.binary_cross_entropy(x, x.detach(), reduction="none"),
        lambda t, x: t.nn.functional.binary_cross_entropy(x, x.detach(), reduction="none"),
        None,
        **apart(ROUND, "torch", gradients=([1.0, -2.0],)),
    ),
    corner(
        "KL divergence, a share of 0",
        [-1.0, -2.0],
        lambda m, x: F.kl_div(x, np.array([0.0, 1.0]), reduction="sum"),
        lambda t, x: t.nn.functional.kl_div(x, t.tensor([0.0, 1.0]), reduction="sum"),
        None,
    ),
    # Places named twice
    corner("x[[0, 0, 1]]", [1.0, 2.0, 3.0], lambda m, x: x[np.array([0, 0, 1])], lambda t, x: x[[0, 0, 1]]),
    corner(
        "x[[[0, 0]], [1, 1]]",
        [[1.0, 2.0]],
        lambda m, x: x[np.array([[0, 0]]), np.array([1, -1])],
        lambda t, x: x[t.tensor([[0, 0]]), t.tensor([1, -1])],
    ),
    corner("x[x > 1]", [1.0, 2.0, 3.0], lambda m, x: x[x > 1.0], lambda t, x: x[x > 1.0], None),
    corner(
        "a write",
        ([1.0, 2.0, 3.0], [4.0]),
        lambda m, x, v: written(x * 1.0, slice(1, None), v),
        lambda t, x, v: written(x * 1.0, slice(1, None), v),
        lambda j, x, v: x.at[1:].set(v),
    ),
    corner(
        "a write to one place twice",
        ([1.0, 2.0, 3.0], [4.0, 5.0]),
        lambda m, x, v: written(x * 1.0, [0, 0], v),
        lambda t, x, v: written(x * 1.0, [0, 0], v),
        lambda j, x, v: x.at[np.array([0, 0])].set(v),
        **apart(LAST, "torch", gradients=([0.0, 2.0, 3.0], [0.0, 1.0])),
    ),
    # Broadcasting
    corner(
        "(2, 1) + (3,)",
        ([[1.0], [2.0]], [3.0, 4.0, 5.0]),
        lambda m, x, y: m.sin(x + y) * y,
        lambda t, x, y: (x + y).sin() * y,
    ),
    corner("a number and a matrix", (2.0, [[1.0, 2.0]]), lambda m, x, y: x**y, lambda t, x, y: x**y),
]


def written(x: Any, index: Any, value: Any) -> Any:
    """x with a value written at an index, in place."""
    x[index] = value
    return x


def weights_of(y: Any) -> np.ndarray:
    return np.arange(1.0, 1.0 + np.prod(y.shape, dtype=int)).reshape(tuple(y.shape))


def by_torch(torch: Any, row: Corner) -> list[Any]:
    leaves = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in row.points]
    y = row.torch(torch, *leaves)
    (y * torch.tensor(weights_of(y))).sum().backward()
    return [x.grad.numpy() for x in leaves]


def by_jax(jax: Any, row: Corner) -> list[Any]:
    f = (lambda *xs: row.ours(jax.numpy, *xs)) if row.jax == "as ours" else (lambda *xs: row.jax(jax, *xs))

    def total(xs: Any) -> Any:
        y = f(*xs)
        return (y * weights_of(y)).sum()

    return [np.asarray(g) for g in jax.grad(total)([jax.numpy.asarray(x, "float64") for x in row.points])]


def by_us(row: Corner) -> list[Any]:
    leaves = [ag.Tensor(x, dtype="float64", requires_grad=True) for x in row.points]
    with np.errstate(all="ignore"):
        y = row.ours(ag, *leaves)
        (y * weights_of(y)).sum().backward()
    return [x.grad.data for x in leaves]


def agree(a: list[Any], b: list[Any]) -> bool:
    return all(np.allclose(x, y, rtol=1e-12, atol=1e-14, equal_nan=True) for x, y in zip(a, b, strict=True))


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def jax() -> Any:
    module = pytest.importorskip("jax")
    module.config.update("jax_enable_x64", True)
    module.config.update("jax_platforms", "cpu")
    return module


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_gradient_is_theirs_or_apart_for_a_reason(torch: Any, jax: Any, row: Corner) -> None:
    ours = by_us(row)
    theirs = {"torch": by_torch(torch, row)}
    if row.jax is not None:
        theirs["jax"] = by_jax(jax, row)
    for peer, gradients in theirs.items():
        if peer in row.apart:
            assert not agree(ours, gradients), f"{peer} agrees now: take {row.name} off the list"
        else:
            assert agree(ours, gradients), f"{row.name}: ours {ours}, {peer} {gradients}"
    if row.apart:
        assert agree(ours, [np.array(g) for g in row.gradients]), f"{row.name}: ours {ours}, meant {row.gradients}"


def test_no_two_corners_have_one_name() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
