"""The first bank: sixteen runs, fifteen of them broken in one way each. The thresholds were chosen with it at hand.

One idea: a broken run differs from a healthy one by the one thing that is named. Read `variants.py` next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .setups import SetUp

__all__ = ["BROKEN"]


def _adam(lr: float, **options: Any) -> dict[str, Any]:
    return {"optim.name": "adam", "optim.lr": lr, **options}


BROKEN: Mapping[str, SetUp] = {
    "fine": SetUp("fine", {"data.limit_rows": 10_000, "fit.epochs": 4}),
    "deep-sigmoid": SetUp("vanishing_gradient", {"model.hidden": (128,) * 6, "model.activation": "sigmoid"}),
    "rate-too-high": SetUp("rate_too_high", {"optim.lr": 3.0}),
    "rate-too-low": SetUp("rate_too_low", {"optim.lr": 1e-4}),
    "over-fit": SetUp("overfit", _adam(1e-3, **{"data.limit_rows": 500, "fit.epochs": 25})),
    "dead-relu": SetUp("dead_units", start="biases of -5"),
    "raw-pixels": SetUp("unnormalised_input", rows="pixels to 255"),
    "noisy-labels": SetUp("label_noise", _adam(1e-3, **{"fit.epochs": 25}), rows="3 labels in 10 drawn anew"),
    "leak": SetUp("leak", rows="validation rows in training"),
    "l2-too-strong": SetUp("over_regularised", {"optim.l2": 0.1}),
    "two-units": SetUp("low_capacity", _adam(3e-3, **{"model.hidden": (2,), "fit.epochs": 25})),
    "equal-weights": SetUp("identical_units", start="weights of 0.01"),
    "large-weights": SetUp("init_too_large", start="weights of spread 0.5"),
    "sorted": SetUp("not_shuffled", {"fit.shuffle": False}, rows="sorted"),
    "other-pixels": SetUp("validation_mismatch", rows="validation pixels in another order"),
    "whole-batches": SetUp("too_few_updates", {"fit.batch_size": 3000, "fit.epochs": 25}),
}
