"""The figure of Monte-Carlo averaging: the test error over the number of masks, beside the one net with scaled weights.

One idea: repetitions with masks of their own give error bars, and one pass over a repetition's masks gives all its
points. Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov 2014, section 7.5 and figure 11: averages of few
nets are clearly worse than weight scaling, about 50 match it, more are slightly better, within one standard deviation.
Read `monte_carlo.py` for the averages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd.backend import Array, to_host
from nn.module import Module

from ..metrics import in_percent
from .monte_carlo import mc_curve
from .single import scaled_predict

__all__ = ["MASKS", "monte_carlo_figure"]

MASKS = (1, 2, 5, 10, 20, 50, 100)


def monte_carlo_figure(
    model: Module,
    x: Array,
    y: Array,
    masks: Sequence[int] = MASKS,
    *,
    repetitions: int = 10,
    seed: int = 0,
    tell: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """The errors in per cent on the rows x with labels y, as plain JSON.

    "scaled" is the error of the net with scaled weights; "points" has, for each number of masks, the "errors" of the
    repetitions, their "mean" and "std" (None for one repetition). "crosses" is the first number of masks whose mean is
    no worse than "scaled", None where there is none, and "ends" by how many points the last mean is worse than it.
    "as_expected" says whether it crosses after 10 masks and by 100 at the latest and ends within 0.05 points; None
    where fewer than 100 masks were averaged. `tell` is given a line after each repetition.
    """
    labels = to_host(y)

    def error(probabilities: Any) -> float:
        return float(100.0 * (probabilities.argmax(axis=1) != labels).mean())

    scaled = error(scaled_predict(model, x))
    runs = []
    for repetition in range(repetitions):
        averages = mc_curve(model, x, masks, seed=seed + repetition)
        runs.append([error(average.arithmetic) for average in averages])
        tell(f"repetition {repetition + 1} of {repetitions}: {in_percent(runs[-1][-1])} with {masks[-1]} masks")
    points: list[dict[str, Any]] = [
        {
            "masks": k,
            "errors": list(errors),
            "mean": float(np.mean(errors)),
            "std": float(np.std(errors, ddof=1)) if repetitions > 1 else None,
        }
        for k, errors in zip(masks, zip(*runs, strict=True), strict=True)
    ]
    crosses = next((point["masks"] for point in points if point["mean"] <= scaled), None)
    ends = points[-1]["mean"] - scaled
    expected = None if masks[-1] < 100 else crosses is not None and 10 < crosses <= 100 and abs(ends) <= 0.05
    return {
        **{"rows": len(labels), "repetitions": repetitions, "seed": seed, "scaled": scaled, "points": points},
        **{"crosses": crosses, "ends": ends, "as_expected": expected},
    }
