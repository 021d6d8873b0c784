"""Live against PyTorch and JAX: the rows of the table, and the transforms; run by `make test-peers`.

The other laws compare a rule with differences of its own forward; here two other engines say what value, gradient and
second derivative should be. `peers.py` holds how they spell an operation, `test_peers_corners.py` compares kinks, ties
and repeated indices.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import autograd as ag
from autograd.fused import Fused
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
    inputs = [convert(np.asarray(x) if i == 0 and not isinstance(x, np.ndarray) else x) for i, x in enumerate(case.inputs)]
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
