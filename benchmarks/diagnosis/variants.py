"""The second bank: one run for each verdict, in other ways than in the first bank.

One idea: it was written down, and committed, before anything of it was run and before the thresholds were looked at
again, and no threshold was chosen with it since. Its author knew what the rules measure and their first draft, so
expect no more than its score of runs that nobody thought of. It differs from the first bank in data, widths, depths,
activations, optimizers, rates, sizes of batches and in what is spoilt. Read `healthy.py` next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .setups import SetUp

__all__ = ["VARIANTS"]


def _net(hidden: tuple[int, ...], activation: str, **options: Any) -> dict[str, Any]:
    return {"model.hidden": hidden, "model.activation": activation} | options


def _by(name: str, lr: float, **options: Any) -> dict[str, Any]:
    return {"optim.name": name, "optim.lr": lr, **options}


def _fit(rows: int | None, batch_size: int, epochs: int, source: str = "mnist") -> dict[str, Any]:
    return {"data.source": source, "data.limit_rows": rows, "fit.batch_size": batch_size, "fit.epochs": epochs}


VARIANTS: Mapping[str, SetUp] = {
    "fine-tanh": SetUp(
        "fine", _fit(12_000, 64, 5, "mnist 14x14") | _net((200,), "tanh") | _by("sgd", 0.05, **{"optim.momentum": 0.9})
    ),
    # Each layer multiplies the gradient by at most a quarter.
    "eight-sigmoids": SetUp(
        "vanishing_gradient",
        _fit(4000, 50, 10) | _net((64,) * 8, "sigmoid") | _by("sgd", 0.05, **{"optim.momentum": 0.9}),
    ),
    # Each update moves every weight by about 1, ten times the size of the weights.
    "adam-1": SetUp("rate_too_high", _fit(5000, 100, 10) | _net((100,) * 3, "relu") | _by("adam", 1.0)),
    # 1256 updates of about a millionth each cannot matter to weights of about a tenth.
    "adam-millionth": SetUp("rate_too_low", _fit(5000, 32, 8) | _net((64, 64), "elu") | _by("adam", 1e-6)),
    "400-rows": SetUp(
        "overfit", _fit(400, 20, 40) | _net((256, 256), "tanh") | _by("sgd", 0.05, **{"optim.momentum": 0.9})
    ),
    # Pixels are not below 0, so no unit of the first layer is above 0 for any row.
    "negative-weights": SetUp(
        "dead_units", _fit(4000, 64, 10) | _net((200, 100), "relu") | _by("adam", 1e-3), start="weights below 0"
    ),
    # The mean of the pixels is large, not their spread.
    "shifted-pixels": SetUp(
        "unnormalised_input",
        _fit(4000, 50, 10, "mnist 14x14") | _net((100, 100), "tanh") | _by("sgd", 0.05),
        rows="pixels from 100 to 120",
    ),
    # Wrong labels with a system, which a net can mistake for a property of the rows.
    "next-labels": SetUp(
        "label_noise",
        _fit(4000, 50, 30) | _net((300, 300), "relu") | _by("rmsprop", 1e-3),
        rows="1 label in 5 the next class's",
    ),
    "validated-on-training": SetUp(
        "leak", _fit(5000, 50, 8) | _net((64,), "relu") | _by("adam", 2e-3), rows="validated on training rows"
    ),
    "dropout-0.9": SetUp(
        "over_regularised",
        _fit(4000, 50, 12) | _net((100,) * 3, "relu", **{"model.dropout": (0.5, 0.9)}) | _by("adam", 1e-3),
    ),
    # No straight line parts two spirals.
    "linear-spirals": SetUp("low_capacity", _fit(None, 32, 30, "spirals") | _net((), "relu") | _by("adam", 0.01)),
    "zero-weights": SetUp(
        "identical_units", _fit(3000, 100, 12) | _net((100, 50), "sigmoid") | _by("adam", 0.01), start="weights of 0"
    ),
    "rand-weights": SetUp(
        "init_too_large", _fit(4000, 32, 8) | _net((64,) * 3, "relu") | _by("adam", 1e-3), start="weights from -1 to 1"
    ),
    # A batch holds two or three classes of ten.
    "short-shuffle": SetUp(
        "not_shuffled",
        _fit(5000, 50, 10) | _net((128,), "relu", **{"fit.shuffle": False}) | _by("sgd", 0.1),
        rows="shuffled in a window",
    ),
    "other-labels": SetUp(
        "validation_mismatch",
        _fit(5000, 100, 8) | _net((150,), "leaky_relu") | _by("adam", 2e-3),
        rows="validation labels count from another class",
    ),
    "thirty-updates": SetUp("too_few_updates", _fit(5000, 1000, 6) | _net((100, 100), "tanh") | _by("adam", 1e-3)),
    "sixty-layers": SetUp(
        "signal_collapse",
        _fit(6000, 64, 5)
        | _net((50,) * 60, "relu", **{"model.init": "he"})
        | _by("sgd", 0.01, **{"optim.momentum": 0.9}),
    ),
    # The net, its start and its rate are fit for the task; four epochs are not.
    "four-epochs": SetUp("train_longer", _fit(4000, 40, 4) | _net((128, 64), "relu") | _by("sgd", 0.02)),
}
