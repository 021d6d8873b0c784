"""Live against PyTorch and JAX: the rows of the table, and the transforms; run by `make test-peers`.

The other laws compare a rule with differences of its own forward; here two other engines say what value, gradient and
second derivative should be. `peers.py` holds how they spell an operation; `test_peers_corners.py` compares kinks, ties
and infinities, `test_peers_programs.py` what a program does with Tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import autograd as ag
from tests.opspecs import SPECS, Case, Spec
from tests.opspecs.laws import assert_close, call, signs
from tests.opspecs.spec import generators

pytestmark = pytest.mark.peers

EXAMPLES = {"jax": 4, "torch": 10}  # JAX compiles every operation anew for every shape


@pytest.fixture(scope="module")
def peers() -> Any:
    """The spellings, with JAX in double precision on the CPU."""
    jax = pytest.importorskip("jax")
    pytest.importorskip("torch")
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_disable_most_optimizations", True)  # they take longer than they save
    from tests.autograd import peers

    return peers


# ---- the table ------------------------------------------------------------------------------------------------------


def test_every_row_has_a_peer_or_a_reason(peers: Any) -> None:
    rows = [spec.name for spec in SPECS]
    for peer in peers.PEERS:
        without = {row for name, row in peers.WITHOUT if name == peer}
        assert without <= set(rows), f"rows that are no more: {without - set(rows)}"
        missing = [row for row in rows if row not in without and peers.peer_of(peer, row) is None]
        assert not missing, f"{peer} has nothing of these names; add a spelling or a reason: {', '.join(missing)}"


def compare(peers: Any, peer: str, spec: Spec, case: Case, rng: np.random.Generator) -> None:
    """Value, gradient and second derivative of one call are the peer's."""
    convert, derivatives = peers.PEERS[peer]
    theirs = peers.peer_of(peer, spec.name)
    places = spec.differentiable_in(case)
    # PyTorch's functions of two take a number in the second place only.
    inputs = [
        convert(np.asarray(x) if i == 0 and not isinstance(x, np.ndarray) else x) for i, x in enumerate(case.inputs)
    ]
    options = {name: converted(value, convert) for name, value in case.options.items()}

    def f(*xs: Any) -> Any:
        given = list(inputs)
        for place, x in zip(places, xs, strict=True):
            given[place] = x
        return theirs(*given, **options)

    xs = [np.array(case.inputs[i]) for i in places]
    found = np.asarray(call(spec, case, xs))
    wanted = np.asarray(f(*map(convert, xs)))
    assert found.dtype.kind == wanted.dtype.kind, f"{spec.name} gave {found.dtype}, {peer} {wanted.dtype}"
    assert_close(spec.name, found, wanted, 1e-10)
    if not xs or found.dtype.kind != "f":
        return
    weights, directions = rng.normal(size=found.shape), [signs(x.shape, rng) for x in xs]

    def total(leaves: Any) -> Any:
        return ag.sum(ag.multiply(call(spec, case, leaves), weights))

    ours = ag.grad(total)(xs), ag.hvp(total, xs, directions)
    first, second = derivatives(f, [convert(x) for x in xs], convert(weights), [convert(d) for d in directions])
    for x, g, g_theirs, h, h_theirs in zip(xs, ours[0], first, ours[1], second, strict=True):
        assert g.shape == h.shape == x.shape
        assert_close(f"{spec.name}: gradient", g, np.asarray(g_theirs), 1e-9)
        assert_close(f"{spec.name}: second derivative", h, np.asarray(h_theirs), 1e-8)


def converted(value: Any, convert: Callable[[Any], Any]) -> Any:
    """An option with the arrays in it, also inside a tuple, as the peer's."""
    return tuple(convert(part) for part in value) if isinstance(value, tuple) else convert(value)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
@pytest.mark.parametrize("peer", ["jax", "torch"])
def test_the_table_agrees(peers: Any, peer: str, spec: Spec) -> None:
    if (peer, spec.name) in peers.WITHOUT:
        pytest.skip(peers.WITHOUT[peer, spec.name])

    @settings(max_examples=EXAMPLES[peer], suppress_health_check=list(HealthCheck))
    @given(case=spec.cases, rng=generators())
    def agree(case: Case, rng: np.random.Generator) -> None:
        compare(peers, peer, spec, case, rng)

    agree()


# ---- the transforms -------------------------------------------------------------------------------------------------
# Each function takes the module that it is computed with: autograd or jax.numpy, whose names are the Array API's.


def rosenbrock(m: Any, x: Any) -> Any:
    return m.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def products(m: Any, x: Any) -> Any:
    return m.sum(m.exp(m.sin(x)) * m.prod(x)) / (1.0 + m.sum(x * x))


def network(m: Any, x: Any) -> Any:
    """Two layers and a log-softmax; x holds both matrices."""
    rows = m.asarray(np.linspace(-1.0, 1.0, 6).reshape(2, 3))
    first, second = x[:6].reshape(3, 2), x[2:8].reshape(2, 3)
    z = m.matmul(m.tanh(m.matmul(rows, first)), second)
    return m.sum(m.log(m.sum(m.exp(z), axis=1))) - m.sum(z[:, 0])


def attention(m: Any, x: Any) -> Any:
    table = x.reshape(4, 2)
    scores = m.exp(m.matmul(table, m.matrix_transpose(table)))
    shares = scores / m.sum(scores, axis=-1, keepdims=True)
    return m.sum(m.matmul(shares, table) ** 3)


def powers(m: Any, x: Any) -> Any:
    return m.sum(m.pow(m.abs(x[:4]) + 0.5, x[4:])) * m.max(x)


SCALARS = [rosenbrock, products, network, attention, powers]
POINT = np.array([0.3, -1.2, 0.8, 1.7, -0.4, 0.9, 0.25, -0.7])
DIRECTION = np.array([1.0, -0.5, 0.25, 2.0, -1.0, 0.75, 0.1, -0.3])


def curve(m: Any, x: Any) -> Any:
    """Eight numbers to a matrix."""
    return m.stack([m.sin(x[:4]) * x[4:], m.cumulative_sum(x[:4]) / (1.0 + x[4:] ** 2)])


def close(found: Any, wanted: Any) -> None:
    """Equal, to rounding, in the same containers."""
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        found, wanted = [found[key] for key in wanted], list(wanted.values())
    if isinstance(wanted, (list, tuple)):
        assert len(found) == len(wanted)
        for a, b in zip(found, wanted, strict=True):
            close(a, b)
        return
    assert_close("transform", found, np.asarray(wanted), 1e-11)


@pytest.fixture
def jax(peers: Any) -> Any:
    return peers.jax


def both(f: Callable[..., Any], jax: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The function as one of autograd, and as one of JAX."""
    return (lambda *xs: f(ag, *xs)), (lambda *xs: f(jax.numpy, *xs))


@pytest.mark.parametrize("f", SCALARS)
def test_grad_value_and_grad_hessian_and_hvp_are_jaxs(jax: Any, f: Callable[..., Any]) -> None:
    ours, theirs = both(f, jax)
    close(ag.grad(ours)(POINT), jax.grad(theirs)(POINT))
    close(ag.value_and_grad(ours)(POINT), jax.value_and_grad(theirs)(POINT))
    close(ag.hessian(ours)(POINT), jax.hessian(theirs)(POINT))
    close(ag.hvp(ours, POINT, DIRECTION), jax.jvp(jax.grad(theirs), (POINT,), (DIRECTION,))[1])


@pytest.mark.parametrize("f", [*SCALARS, curve])
def test_jacobian_jvp_and_vjp_are_jaxs(jax: Any, f: Callable[..., Any]) -> None:
    ours, theirs = both(f, jax)
    close(ag.jacobian(ours)(POINT), jax.jacrev(theirs)(POINT))
    close(ag.jacobian(ours)(POINT), jax.jacfwd(theirs)(POINT))
    close(ag.jvp(ours, (POINT,), (DIRECTION,)), jax.jvp(theirs, (POINT,), (DIRECTION,)))
    (y, pull), (y_theirs, pull_theirs) = ag.vjp(ours, POINT), jax.vjp(theirs, POINT)
    close(y, y_theirs)
    weights = np.cos(np.arange(y.size)).reshape(y.shape)
    close(pull(weights), pull_theirs(jax.numpy.asarray(weights)))


def test_orders_beyond_the_second_are_jaxs(jax: Any) -> None:
    def f(m: Any, x: Any) -> Any:
        return m.sin(x) * m.exp(x * 0.5) / (1.0 + x * x)

    ours, theirs = both(f, jax)
    for _ in range(5):
        ours, theirs = ag.grad(ours), jax.grad(theirs)
        close(ours(np.array(0.7)), theirs(0.7))


@pytest.mark.parametrize("f", [products, network])
def test_mixtures_of_transforms_are_jaxs(jax: Any, f: Callable[..., Any]) -> None:
    ours, theirs = both(f, jax)
    close(
        ag.grad(lambda x: ag.sum(ag.jvp(ag.grad(ours), (x,), (DIRECTION,))[1] ** 2))(POINT),
        jax.grad(lambda x: (jax.jvp(jax.grad(theirs), (x,), (DIRECTION,))[1] ** 2).sum())(POINT),
    )
    close(ag.jacobian(ag.hessian(ours))(POINT), jax.jacfwd(jax.hessian(theirs))(POINT))
    close(
        ag.grad(lambda x: ag.vjp(ours, x)[1](ag.sum(x))[0][2])(POINT),
        jax.grad(lambda x: jax.vjp(theirs, x)[1](x.sum())[0][2])(POINT),
    )


def test_trees_and_several_arguments_are_jaxs(jax: Any) -> None:
    def f(m: Any, parameters: Any, x: Any) -> Any:
        for layer in parameters["layers"]:
            x = m.tanh(m.matmul(x, layer["w"]) + layer["b"])
        return m.sum(x * parameters["scale"])

    layers = [{"w": POINT[:4].reshape(2, 2), "b": POINT[4:6]}, {"w": POINT[2:6].reshape(2, 2), "b": POINT[6:]}]
    tree, x = {"layers": layers, "scale": np.array(0.7)}, DIRECTION.reshape(4, 2)
    ours, theirs = both(f, jax)
    close(ag.grad(ours, (0, 1))(tree, x), jax.grad(theirs, (0, 1))(tree, x))
    close(ag.jacobian(ours, (0, 1))(tree, x), jax.jacrev(theirs, (0, 1))(tree, x))
    close(ag.hessian(ours)(tree, x), jax.hessian(theirs)(tree, x))
    close(ag.jvp(ours, (tree, x), (tree, x)), jax.jvp(theirs, (tree, x), (tree, x)))
    close(ag.hvp(lambda t: ours(t, x), tree, tree), jax.jvp(jax.grad(theirs), (tree, x), (tree, 0 * x))[1])
