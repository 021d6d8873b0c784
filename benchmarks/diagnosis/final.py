"""The last bank: once more a run for each verdict, written when the mending was over and before any of it was run.

One idea: its first score is the one to expect: 51 of 54 right, none wrong, 3 undecided, because a single unit has
nobody to be like. That alone was mended since. Its author knew the rules and the thresholds, but took what people do
wrong, not what a line is near. Read `healthy.py` next.
"""

from __future__ import annotations

from collections.abc import Mapping

from .setups import SetUp, by, fit, net

__all__ = ["FINAL"]

_SMALL = "mnist 14x14"

FINAL: Mapping[str, SetUp] = {
    "fine-dropout-cosine": SetUp(
        "fine", fit(10_000, 64, 10) | net((128, 128), dropout=(0.2, 0.5)) | by("adam", 1e-3, schedule="cosine")
    ),
    "seven-sigmoids": SetUp(
        "vanishing_gradient",
        fit(4000, 50, 6) | net((100,) * 7, "sigmoid") | by("sgd", 0.1, momentum=0.9, nesterov=True),
    ),
    "adam-0.2": SetUp("rate_too_high", fit(3000, 50, 8) | net((64, 64), "elu") | by("adam", 0.2, schedule="cosine")),
    "adagrad-1e-6": SetUp("rate_too_low", fit(3000, 50, 8) | net((100,), "tanh") | by("adagrad", 1e-6)),
    "300-rows": SetUp("overfit", fit(300, 20, 40) | net((200, 100), "elu") | by("adam", 1e-3)),
    "dead-single-layer": SetUp(
        "dead_units", fit(3000, 50, 8) | net((200,)) | by("rmsprop", 1e-3), start="biases of -5"
    ),
    "shifted-pixels-relu": SetUp(
        "unnormalised_input", fit(3000, 50, 8) | net((100, 50)) | by("sgd", 0.1), rows="pixels from 100 to 120"
    ),
    "next-labels-tanh": SetUp(
        "label_noise",
        fit(3000, 50, 40, _SMALL) | net((128,), "tanh") | by("adam", 2e-3),
        rows="1 label in 5 the next class's",
    ),
    "validated-on-training-sigmoid": SetUp(
        "leak", fit(5000, 50, 6) | net((50,), "sigmoid") | by("adam", 5e-3), rows="validated on training rows"
    ),
    "decay-too-strong": SetUp(
        "over_regularised", fit(3000, 50, 12) | net((128, 128)) | by("sgd", 0.05, momentum=0.5, weight_decay=0.1)
    ),
    "one-unit": SetUp("low_capacity", fit(3000, 50, 30) | net((1,), "tanh") | by("adam", 5e-3)),
    "zero-elu": SetUp(
        "identical_units", fit(3000, 50, 8) | net((60, 60), "elu") | by("adam", 1e-3), start="weights of 0"
    ),
    "large-weights-leaky": SetUp(
        "init_too_large", fit(3000, 50, 8) | net((200,), "leaky_relu") | by("adam", 1e-3), start="weights of spread 0.5"
    ),
    "sorted-tanh": SetUp(
        "not_shuffled",
        fit(3000, 50, 8, _SMALL) | net((100,), "tanh") | by("adam", 1e-3) | {"fit.shuffle": False},
        rows="sorted",
    ),
    "other-pixels-elu": SetUp(
        "validation_mismatch",
        fit(4000, 50, 8, _SMALL) | net((100,), "elu") | by("adam", 2e-3),
        rows="validation pixels in another order",
    ),
    "twenty-four-updates": SetUp("too_few_updates", fit(2000, 500, 6) | net((256,)) | by("adamw", 1e-3)),
    "sixty-five-layers": SetUp(
        "signal_collapse", fit(4000, 80, 4) | net((64,) * 65, init="he") | by("sgd", 0.005, momentum=0.9)
    ),
    "three-epochs": SetUp("train_longer", fit(3000, 30, 3) | net((100, 100), "tanh") | by("sgd", 0.01)),
}
