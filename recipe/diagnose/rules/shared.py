"""Comparisons that rules of more than one stage make.

One idea: what is measured in two places is said in one. Read `set_up.py` next.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..facts import Facts
from ..logic import Check, above, below
from ..measure import error_of_difference
from ..thresholds import Thresholds

__all__ = [
    "bad_on_training",
    "contradicted",
    "error_of_gap",
    "first_loss",
    "last",
    "times_guessing",
    "validation_leads",
]


def bad_on_training(f: Facts, t: Thresholds) -> Check:
    """The lecture's first question: the comparison that fires when the result on the training data is not good."""
    what = "training accuracy" if f.task == "classification" else "share of the training targets' variance explained"
    return below(what, f.train_score, t.train_score, "share")


def first_loss(f: Facts, t: Thresholds) -> Check:
    return above("loss before training, over that of guessing", times_guessing(f.first_loss, f), t.first_loss)


def validation_leads(lead: float, t: Thresholds) -> Check:
    what = "points by which validation was surely better than training in some epoch"
    return above(what, lead, t.noisy_training, "points")


def contradicted(f: Facts, t: Thresholds) -> Check:
    what = "training labels that the best net on validation surely contradicts"
    return above(what, f.contradicted, t.contradicted, "share")


def error_of_gap(f: Facts) -> float:
    """The standard error of the difference of two accuracies, each measured on so many rows; 0 where it is unknown."""
    if f.task != "classification" or f.train_score is None or f.val_score is None or not (f.train_rows and f.val_rows):
        return 0.0
    return error_of_difference(f.train_score, f.train_rows, f.val_score, f.val_rows)


def times_guessing(loss: float | None, facts: Facts) -> float | None:
    return loss / facts.guess_loss if loss is not None and facts.guess_loss else None


def last(losses: Sequence[float]) -> float | None:
    return losses[-1] if losses else None
