"""Dense networks: maps of rows, activations, normalisations, dropout, ways round, and one layer that stands twice.

One idea: any layer takes rows of any width, so a list of them is a network. Read `images.py` next.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import nn
from autograd.random import Generator
from tests.opspecs.spec import whole

from .parts import ACTIVATIONS, ROWS, Layer, activation, activations, biases, dropouts, maybe, numbers

_NORMS = st.one_of(
    st.tuples(st.just("BatchNorm1d"), st.fixed_dictionaries({"momentum": numbers([0.1, 0.5, None]), "affine": maybe})),
    st.just(("BatchNorm1d", {"track_running_stats": False})),
    st.tuples(st.just("LayerNorm"), st.fixed_dictionaries({"elementwise_affine": maybe, "eps": numbers([1e-5, 0.1])})),
    st.just(("RMSNorm", {})),
)


def drawn(exact: bool) -> st.SearchStrategy[dict[str, Any]]:
    """The width of a row of x, and layers."""
    sizes = whole(1, 6, first=4)
    linear = st.tuples(st.just("Linear"), sizes, biases(exact))
    one = st.one_of(
        linear,
        linear,
        activations,
        st.tuples(st.just("norm"), _NORMS),
        st.tuples(st.just("Maxout"), sizes, whole(1, 3), biases(exact)),
        dropouts,
        st.tuples(st.just("Residual"), st.sampled_from([("activation", *a) for a in ACTIVATIONS[:5]])),
        st.just(("shared",)),  # one Linear, wherever it stands
    )
    return st.fixed_dictionaries({"inputs": whole(1, 4, first=3), "layers": st.lists(one, min_size=1, max_size=5)})


def layers(network: dict[str, Any], seed: int) -> tuple[list[nn.Module], int]:
    """The layers, and the width of what they give."""
    shared = nn.Linear(3, 3)
    width, found = network["inputs"], []
    for number, layer in enumerate(network["layers"]):
        added, width = _layer(layer, width, Generator(seed, stream=number + 1), shared)
        found += added
    return found, width


def _layer(layer: Layer, width: int, generator: Generator, shared: nn.Module) -> tuple[list[nn.Module], int]:
    match layer:
        case ("Linear", out, with_bias):
            return [nn.Linear(width, out, with_bias)], out
        case ("activation", kind, options):
            return [activation(kind, options, width)], width
        case ("norm", (kind, options)):
            return [getattr(nn, kind)(width, **options)], width
        case ("Maxout", out, pieces, with_bias):
            return [nn.Maxout(width, out, pieces, with_bias)], out
        case ("Dropout", options, own):
            return [nn.Dropout(**options, generator=generator if own else None)], width
        case ("Residual", inner):
            return [nn.Residual(nn.Linear(width, width, False), *_layer(inner, width, generator, shared)[0])], width
    return [nn.Linear(width, 3, False), shared, shared], 3


def batch(network: dict[str, Any], rng: np.random.Generator, dtype: str) -> tuple[Any, int]:
    """x, and how many rows the network makes of it."""
    return rng.normal(size=(ROWS, network["inputs"])).astype(dtype), ROWS
