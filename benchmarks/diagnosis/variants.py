"""The second bank: one run for each verdict, in other ways than in the first bank.

One idea: it was written down, and committed, before anything of it was run and before the thresholds were looked at
again, and no threshold was chosen with it since. Its author knew what the rules measure and their first draft, so
expect no more than its score of runs that nobody thought of. It differs from the first bank in data, widths, depths,
activations, optimizers, rates, sizes of batches and in what is spoilt. Read `confirming.py` next.
"""

from __future__ import annotations

from collections.abc import Mapping

from .setups import SetUp, by, fit, net

__all__ = ["VARIANTS"]


VARIANTS: Mapping[str, SetUp] = {
    "fine-tanh": SetUp("fine", fit(12_000, 64, 5, "mnist 14x14") | net((200,), "tanh") | by("sgd", 0.05, momentum=0.9)),
    # Each layer multiplies the gradient by at most a quarter.
    "eight-sigmoids": SetUp(
        "vanishing_gradient",
        fit(4000, 50, 10) | net((64,) * 8, "sigmoid") | by("sgd", 0.05, momentum=0.9),
    ),
    # Each update moves every weight by about 1, ten times the size of the weights.
    "adam-1": SetUp("rate_too_high", fit(5000, 100, 10) | net((100,) * 3) | by("adam", 1.0)),
    # 1256 updates of about a millionth each cannot matter to weights of about a tenth.
    "adam-millionth": SetUp("rate_too_low", fit(5000, 32, 8) | net((64, 64), "elu") | by("adam", 1e-6)),
    "400-rows": SetUp("overfit", fit(400, 20, 40) | net((256, 256), "tanh") | by("sgd", 0.05, momentum=0.9)),
    # Pixels are not below 0, so no unit of the first layer is above 0 for any row.
    "negative-weights": SetUp(
        "dead_units", fit(4000, 64, 10) | net((200, 100)) | by("adam", 1e-3), start="weights below 0"
    ),
    # The mean of the pixels is large, not their spread.
    "shifted-pixels": SetUp(
        "unnormalised_input",
        fit(4000, 50, 10, "mnist 14x14") | net((100, 100), "tanh") | by("sgd", 0.05),
        rows="pixels from 100 to 120",
    ),
    # Wrong labels with a system, which a net can mistake for a property of the rows.
    "next-labels": SetUp(
        "label_noise",
        fit(4000, 50, 30) | net((300, 300)) | by("rmsprop", 1e-3),
        rows="1 label in 5 the next class's",
    ),
    "validated-on-training": SetUp(
        "leak", fit(5000, 50, 8) | net((64,)) | by("adam", 2e-3), rows="validated on training rows"
    ),
    "dropout-0.9": SetUp(
        "over_regularised",
        fit(4000, 50, 12) | net((100,) * 3, dropout=(0.5, 0.9)) | by("adam", 1e-3),
    ),
    # No straight line parts two spirals.
    "linear-spirals": SetUp("low_capacity", fit(None, 32, 30, "spirals") | net(()) | by("adam", 0.01)),
    "zero-weights": SetUp(
        "identical_units", fit(3000, 100, 12) | net((100, 50), "sigmoid") | by("adam", 0.01), start="weights of 0"
    ),
    "rand-weights": SetUp(
        "init_too_large", fit(4000, 32, 8) | net((64,) * 3) | by("adam", 1e-3), start="weights from -1 to 1"
    ),
    # A batch holds two or three classes of ten.
    "short-shuffle": SetUp(
        "not_shuffled",
        fit(5000, 50, 10) | net((128,)) | {"fit.shuffle": False} | by("sgd", 0.1),
        rows="shuffled in a window",
    ),
    "other-labels": SetUp(
        "validation_mismatch",
        fit(5000, 100, 8) | net((150,), "leaky_relu") | by("adam", 2e-3),
        rows="validation labels count from another class",
    ),
    "thirty-updates": SetUp("too_few_updates", fit(5000, 1000, 6) | net((100, 100), "tanh") | by("adam", 1e-3)),
    "sixty-layers": SetUp(
        "signal_collapse",
        fit(6000, 64, 5) | net((50,) * 60, init="he") | by("sgd", 0.01, momentum=0.9),
    ),
    # The net, its start and its rate are fit for the task; four epochs are not.
    "four-epochs": SetUp("train_longer", fit(4000, 40, 4) | net((128, 64)) | by("sgd", 0.02)),
}
