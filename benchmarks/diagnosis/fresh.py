"""The fourth bank: once more a run for each verdict, written after the mending that the third one asked for.

One idea: it was written down and committed before anything of it was run; its author knew the rules and the thresholds,
but took what people do wrong, not what a line is near. Its first score led to more mending. Read `final.py` next.
"""

from __future__ import annotations

from collections.abc import Mapping

from .setups import SetUp, by, fit, net

__all__ = ["FRESH"]

FRESH: Mapping[str, SetUp] = {
    "fine-elu": SetUp("fine", fit(15_000, 64, 4) | net((150, 100), "elu") | by("adamw", 1e-3)),
    "five-wide-sigmoids": SetUp("vanishing_gradient", fit(5000, 100, 8) | net((200,) * 5, "sigmoid") | by("sgd", 0.1)),
    "rmsprop-0.3": SetUp("rate_too_high", fit(4000, 50, 8) | net((100, 100), "tanh") | by("rmsprop", 0.3)),
    "sgd-1e-5": SetUp("rate_too_low", fit(3000, 50, 10) | net((100, 100)) | by("sgd", 1e-5, momentum=0.9)),
    "700-rows": SetUp("overfit", fit(700, 20, 40, "mnist 14x14") | net((300,)) | by("rmsprop", 1e-3)),
    "dead-middle": SetUp(
        "dead_units", fit(3000, 50, 8) | net((100,) * 3) | by("adam", 1e-3), start="biases of -20 in one layer"
    ),
    "16-bit-pixels": SetUp(
        "unnormalised_input", fit(3000, 50, 8) | net((100,)) | by("sgd", 0.01), rows="pixels of 16 bits"
    ),
    "noisier-labels": SetUp(
        "label_noise", fit(3000, 50, 30) | net((256,)) | by("adam", 2e-3), rows="4 labels in 10 drawn anew"
    ),
    "small-leak": SetUp(
        "leak",
        fit(4000, 50, 6) | net((100, 50), "tanh") | by("adagrad", 0.01),
        rows="a few validation rows in training",
    ),
    "l1-too-strong": SetUp("over_regularised", fit(3000, 50, 12) | net((128, 128)) | by("sgd", 0.1, l1=0.01)),
    "three-units": SetUp("low_capacity", fit(4000, 50, 30, "mnist 14x14") | net((3,), "tanh") | by("adam", 3e-3)),
    # The first layer's units are alike in what comes in and in what goes out.
    "equal-hidden": SetUp(
        "identical_units", fit(3000, 50, 10) | net((80, 80)) | by("sgd", 0.05), start="hidden weights of 0.02"
    ),
    "weights-times-5": SetUp(
        "init_too_large", fit(3000, 50, 8) | net((128, 128)) | by("sgd", 0.01), start="weights five times as large"
    ),
    # A batch holds five classes of ten.
    "two-files": SetUp(
        "not_shuffled",
        fit(4000, 50, 8) | net((128, 64)) | by("sgd", 0.1) | {"fit.shuffle": False},
        rows="one half after the other",
    ),
    "other-scale": SetUp(
        "validation_mismatch",
        fit(5000, 50, 6) | net((128,), "tanh") | by("adam", 1e-3),
        rows="validation pixels to 255",
    ),
    "twenty-updates": SetUp("too_few_updates", fit(8000, 2000, 5) | net((128,)) | by("sgd", 0.1)),
    "seventy-layers": SetUp(
        "signal_collapse", fit(5000, 100, 4) | net((100,) * 70, init="he") | by("sgd", 0.01, momentum=0.9)
    ),
    "four-sigmoid-epochs": SetUp("train_longer", fit(3000, 50, 4) | net((100, 100), "sigmoid") | by("adam", 1e-3)),
}
