"""Live against JAX: vmap with derivatives inside and outside, nested, and with axes of every kind.

One idea: name and meaning are JAX's, so one text with either library gives the same numbers. Run by `make test-peers`.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import autograd as ag

pytestmark = pytest.mark.peers

RNG = np.random.default_rng(3)
X, Y, W, M = RNG.normal(size=(5, 3)), RNG.normal(size=5), RNG.normal(size=3), RNG.normal(size=(3, 3))
PLACES = RNG.integers(0, 3, (5, 2))


@pytest.fixture(scope="module")
def jax() -> Any:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    return jax


OURS = SimpleNamespace(
    **{name: getattr(ag, name) for name in ("vmap", "grad", "jacobian", "hessian", "vjp", "jvp")},
    **{name: getattr(ag, name) for name in ("tanh", "sin", "where", "einsum", "sort", "logsumexp", "linalg", "stack")},
    take=lambda x, i: ag.take(x, i, axis=0),
    compile=ag.compile,
)


def theirs(jax: Any) -> SimpleNamespace:
    jnp = jax.numpy
    return SimpleNamespace(
        **{name: getattr(jax, name) for name in ("vmap", "grad", "jacobian", "hessian", "vjp", "jvp")},
        **{name: getattr(jnp, name) for name in ("tanh", "sin", "where", "einsum", "sort", "linalg", "stack")},
        take=lambda x, i: jnp.take(x, i, axis=0),
        logsumexp=jax.nn.logsumexp,
        compile=jax.jit,
    )


def loss(lib: Any) -> Callable[..., Any]:
    return lambda w, x, y: (lib.tanh(x @ w) - y) ** 2


CASES: dict[str, Callable[[Any], Any]] = {
    "gradients of examples": lambda lib: lib.vmap(lib.grad(loss(lib)), in_axes=(None, 0, 0))(W, X, Y),
    "two of them, elsewhere": lambda lib: lib.stack(
        lib.vmap(lib.grad(loss(lib), (0, 1)), (None, 1, -1), (1, -1))(W, X.T, Y)
    ),
    "from outside": lambda lib: lib.grad(lambda w: lib.vmap(loss(lib), (None, 0, 0))(w, X, Y).sum())(W),
    "outside of inside": lambda lib: lib.grad(
        lambda w: (lib.vmap(lib.grad(loss(lib)), (None, 0, 0))(w, X, Y) ** 2).sum()
    )(W),
    "hessians": lambda lib: lib.vmap(lib.hessian(lambda x: (lib.sin(x) * x.sum()).sum()))(X),
    "jacobians": lambda lib: lib.vmap(lib.jacobian(lambda x: lib.tanh(M @ x)), out_axes=2)(X),
    "rows of a jacobian": lambda lib: lib.vmap(lib.vjp(lambda x: lib.tanh(M @ x), W)[1])(np.eye(3))[0],
    "columns of a jacobian": lambda lib: lib.vmap(
        lambda v: lib.jvp(lambda x: lib.tanh(M @ x), (W,), (v,))[1], out_axes=1
    )(np.eye(3)),
    "a vmap of a vmap": lambda lib: lib.vmap(lambda a: lib.vmap(lambda b: lib.sin(a * b).sum(), 1)(X.T))(X),
    "three, other axes": lambda lib: lib.vmap(
        lib.vmap(lib.vmap(lambda a, b: a * b, (0, None)), (None, 0), 1), (0, None), 2
    )(X, Y),
    "trees": lambda lib: lib.vmap(lambda p: {"s": p["a"] @ p["b"][0], "d": p["b"][0]}, ({"a": 0, "b": [None]},))(
        {"a": X, "b": [W]}
    )["s"],
    "positions": lambda lib: lib.vmap(lambda i, x: lib.take(x, i).sum(), (0, None))(PLACES, W),
    "gradients by positions": lambda lib: lib.vmap(lib.grad(lambda x, i: (lib.take(x, i) ** 3).sum()))(X, PLACES),
    "choices and orders": lambda lib: lib.vmap(lib.grad(lambda x: lib.where(x > 0, lib.sort(x), x * x).sum()))(X),
    "sums of products": lambda lib: lib.vmap(lambda x, y: lib.einsum("i,ij,j->", x, M, y))(X, X + 1),
    "equations": lambda lib: lib.vmap(lib.grad(lambda x: lib.linalg.inv(M + x * x[:, None]).sum()))(X * 0.1),
    "compiled": lambda lib: lib.compile(lambda x: lib.vmap(lib.hessian(lambda t: lib.logsumexp(t * t)))(x))(
        ag.Tensor(X) if lib is OURS else X
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_it_gives_what_jax_gives(jax: Any, name: str) -> None:
    ours, wanted = CASES[name](OURS), np.asarray(CASES[name](theirs(jax)))
    assert ours.shape == wanted.shape
    np.testing.assert_allclose(ours.numpy(), wanted, rtol=1e-11, atol=1e-12)
