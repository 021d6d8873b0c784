"""The third bank: runs that ask whether the rules that were mended after the second bank's first score are right now.

One idea: for each mended rule there is a run that it must name and one that it must leave alone; they were written down
and committed after the mending, before anything of them was run. Read `fresh.py` next.
"""

from __future__ import annotations

from collections.abc import Mapping

from .setups import SetUp, by, fit, net

__all__ = ["CONFIRMING"]

CONFIRMING: Mapping[str, SetUp] = {
    # Units that die of dropout, and units that are dead beside it.
    "dropout-0.95": SetUp(
        "over_regularised",
        fit(5000, 100, 12) | net((150, 150), dropout=(0.0, 0.95), init="he") | by("rmsprop", 1e-3),
    ),
    "dropout-0.85": SetUp(
        "over_regularised",
        fit(3000, 32, 10) | net((100,) * 4, dropout=(0.2, 0.85)) | by("adam", 2e-3),
    ),
    "dead-with-dropout": SetUp(
        "dead_units",
        fit(3000, 50, 10) | net((128, 128), dropout=(0.0, 0.5)) | by("adam", 1e-3),
        start="biases of -5",
    ),
    # Nets without hidden layers, or with hardly any.
    "linear-digits": SetUp("fine", fit(20_000, 100, 10) | net(()) | by("adam", 2e-3)),
    "two-tanh-spirals": SetUp("low_capacity", fit(None, 32, 40, "spirals") | net((2,), "tanh") | by("adam", 0.01)),
    # Equal units.
    "zero-relu": SetUp("identical_units", fit(3000, 50, 10) | net((100, 100)), start="weights of 0"),
    "equal-tanh": SetUp(
        "identical_units", fit(4000, 50, 10) | net((60,) * 3, "tanh") | by("rmsprop", 1e-3), start="weights of 0.01"
    ),
    # Batches of three or four classes.
    "shuffled-in-blocks": SetUp(
        "not_shuffled",
        fit(6000, 60, 8) | net((100,)) | {"fit.shuffle": False} | by("adam", 1e-3),
        rows="shuffled in blocks",
    ),
    # Losses that swing, and one that rises because noise is learned by heart.
    "sine-momentum": SetUp("fine", fit(None, 32, 60, "sine") | net((32, 32), "tanh") | by("sgd", 0.05, momentum=0.9)),
    "thirty-noisy-rows": SetUp("overfit", fit(30, 10, 400, "noisy sine") | net((100, 100)) | by("adam", 0.01)),
    # Labels so wrong that the net is better on validation rows, long before it learns any by heart.
    "noisy-labels-early": SetUp(
        "label_noise", fit(8000, 100, 5) | net((128,)) | by("adam", 1e-3), rows="3 labels in 10 drawn anew"
    ),
    "eighty-layers": SetUp(
        "signal_collapse",
        fit(5000, 50, 5) | net((40,) * 80, init="he") | by("sgd", 0.01, momentum=0.9),
    ),
}
