"""The flat memory changes nothing: any shapes, any blocks, any missing gradients give the bits of the bare rule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import optim
from optim import runs
from tests.optim.helpers import give, parameter

RULES = [
    (optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    (optim.Adagrad, {"lr": 0.1, "lr_decay": 0.1}),
    (optim.Adadelta, {"lr": 0.5}),
    (optim.RMSprop, {"lr": 0.1, "centered": True, "momentum": 0.5}),
    (optim.RMSprop, {"lr": 0.1, "init": "lecture"}),
    (optim.Adam, {"lr": 0.1, "amsgrad": True}),
    (optim.AdamW, {"lr": 0.1}),
]

shapes = st.lists(
    st.lists(st.integers(0, 9), max_size=3).map(tuple).filter(lambda s: np.prod(s) < 200), min_size=1, max_size=6
)


def bare(rule, options, weights, steps):
    """The rule by itself, parameter by parameter, with state by hand: the truth for the walk."""
    given_options = rule([parameter([0.0])], **options).param_groups[0]
    options = {k: v for k, v in given_options.items() if k not in ("params", "maximize", "penalties")}
    flat_weights = [w.reshape(-1).copy() for w in weights]
    states = [{k: np.full_like(w, v) for k, v in rule.slots(options).items()} for w in flat_weights]
    ages = [0] * len(weights)
    for gradients in steps:
        for i, g in enumerate(gradients):
            if g is not None:
                ages[i] += 1
                rule.update(np, flat_weights[i], g.reshape(-1), states[i], ages[i], **options)
    return [w.tobytes() for w in flat_weights]


@pytest.mark.parametrize(("rule", "options"), RULES, ids=lambda x: getattr(x, "__name__", ""))
@settings(max_examples=25, deadline=None)
@given(
    shapes=shapes,
    block=st.integers(1, 300),
    large=st.integers(1, 300),
    dtype=st.sampled_from(["float32", "float64"]),
    missing=st.sampled_from([0.0, 0.5]),
    seed=st.integers(0, 999),
)
def test_any_blocks_give_the_bits_of_the_bare_rule(rule, options, shapes, block, large, dtype, missing, seed):
    random = np.random.default_rng(seed)
    weights = [np.asarray(random.normal(size=s), dtype=dtype) for s in shapes]
    steps = [
        [None if random.random() < missing else np.asarray(random.normal(size=s), dtype=dtype) for s in shapes]
        for _ in range(4)
    ]
    parameters = [parameter(w) for w in weights]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "BLOCK", block)
        patch.setattr(runs, "LARGE", large)
        optimizer = rule(parameters, **options)
        for gradients in steps:
            give(parameters, gradients)
            optimizer.step()
    assert [p.data.tobytes() for p in parameters] == bare(rule, options, weights, steps)


def test_matrices_start_where_blas_likes_it():
    # A bias of 10 before a matrix must not move the matrix off a multiple of 16 elements.
    parameters = [parameter(np.zeros(s, dtype="float32")) for s in [(10,), (32, 16), (3,), (64,)]]
    give(parameters, [np.ones(p.shape) for p in parameters])
    optim.SGD(parameters).step()
    start = parameters[1].data.base.ctypes.data
    offsets = [(p.data.ctypes.data - start) // 4 for p in parameters]
    assert offsets[1] % 16 == 0
    assert offsets[3] % 16 == 0
    assert sorted(offsets) == [0, 512, 576, 586]


def test_large_gradients_are_used_where_they_lie(monkeypatch):
    seen = []

    def update(xp, w, g, state, t, **options):
        seen.append(g)

    monkeypatch.setattr(optim.SGD, "update", staticmethod(update))
    parameters = [parameter(np.zeros(n, dtype="float32")) for n in (runs.LARGE, 3, 4, 2 * runs.BLOCK)]
    give(parameters, [np.ones(p.shape) for p in parameters])
    optim.SGD(parameters).step()
    assert [g.size for g in seen] == [runs.LARGE, runs.BLOCK, runs.BLOCK, 7]
    assert [any(np.shares_memory(g, p.grad.data) for p in parameters) for g in seen] == [True, True, True, False]
