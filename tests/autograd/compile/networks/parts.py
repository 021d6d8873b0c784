"""Parts that networks of every kind are drawn from: activations and dropout, as plain data and as layers.

One idea: what is drawn is plain data, (kind, options), so that a network that fails can be read. Read `dense.py` next.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

import nn

ROWS = 4  # cases in a batch

Layer = tuple[Any, ...]

maybe = st.booleans()
numbers = st.sampled_from


def biases(exact: bool) -> st.SearchStrategy[bool]:
    """Whether there is a bias.

    Where results agree to rounding only, there is none before a normalisation that takes it off again, nor in the keys
    of attention: its gradient is zero but for rounding, and Adam makes steps of full length from that.
    """
    return maybe if exact else st.just(False)


ACTIVATIONS: tuple[Layer, ...] = (
    ("ReLU", {}),
    ("Tanh", {}),
    ("GELU", {}),
    ("GELU", {"approximate": "tanh"}),
    ("Sigmoid", {}),
    ("SiLU", {}),
    ("LeakyReLU", {"negative_slope": 0.2}),
    ("Softplus", {}),
    ("ELU", {}),
    ("Mish", {}),
    ("Hardtanh", {}),
    ("PReLU", {}),
    ("RReLU", {}),
    ("Softmax", {"dim": -1}),
    ("LogSoftmax", {"dim": -1}),
)

activations = st.sampled_from([("activation", *a) for a in ACTIVATIONS])

dropouts = st.tuples(
    st.just("Dropout"),
    st.fixed_dictionaries(
        {
            "p": numbers([0.0, 0.3, 0.5]),
            "mode": numbers(["inverted", "classic"]),
            "mask": numbers(["per_case", "per_batch"]),
        }
    ),
    maybe,  # a generator of its own
)


def activation(kind: str, options: dict[str, Any], width: int) -> nn.Module:
    """The layer that is meant."""
    return nn.PReLU(width) if kind == "PReLU" else getattr(nn, kind)(**options)
