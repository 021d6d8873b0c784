"""Good on training data; good on validation data?

One idea: validation rows of another kind, and wrong labels, look like over-fitting, so they are asked for first. Read
`../verdict.py` next.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest

from ..facts import Facts, known
from ..logic import Finding, Rule, State, above, any_of, below, not_here
from ..thresholds import Thresholds
from .shared import contradicted, error_of_gap, validation_leads

__all__ = ["VALIDATION"]


def validation_mismatch(f: Facts, t: Thresholds) -> Finding:
    """Validation rows are of another kind: their numbers are, or the net knows nothing of them."""
    skill = None
    if f.val_score is not None and f.val_chance is not None and f.val_chance < 1:
        skill = (f.val_score - f.val_chance) / (1 - f.val_chance)
    unlike = "how far mean and spread of the validation inputs are off, over the training inputs' spread"
    return any_of(
        "validation_mismatch",
        below("validation result on the way from chance to perfect", skill, t.mismatch, "share"),
        *([] if f.val_input_shift is None else [above(unlike, f.val_input_shift, t.input_shift)]),
    )


def label_noise(f: Facts, t: Thresholds) -> Finding:
    """The best net contradicts too many labels that it learned from; or it agreed more with those that it never saw,
    before it knew the others by heart. Where it contradicts as many of the latter, nobody knows who is wrong: a net is
    at least as right on rows that it learned from."""
    if f.task != "classification":
        return not_here("label_noise", "it is seen by labels, and this run has none")
    lead = [] if f.most_lead is None else [validation_leads(f.most_lead, t)]
    found = any_of("label_noise", contradicted(f, t), *lead)
    lone = found.state is State.FIRED and not any(check.state is State.FIRED for check in lead)
    if lone and f.contradicted_more is not None and f.contradicted_more <= 0:
        note = "the net surely contradicts as many validation labels, so the fault may be its own"
        return replace(found, state=State.UNKNOWN, note=note)
    return found


def overfit(f: Facts, t: Thresholds) -> Finding:
    """What was learned holds for the training rows only."""
    gap = None if f.train_score is None or f.val_score is None else f.train_score - f.val_score
    line = replace(t.gap, band=max(t.gap.band, error_of_gap(f)))
    return any_of(
        "overfit",
        above("points by which training is better than validation", gap, line, "points"),
        above(
            "rise of the validation loss from its lowest, over that of the training loss", _rise(f), t.loss_above_best
        ),
    )


def _rise(f: Facts) -> float | None:
    """How the validation loss rose from its lowest to the end, as a factor; where the training loss rose as well, the
    steps swing, and nothing was learned by heart: only what goes beyond that counts."""
    least = min(known(f.val_losses), default=0.0)
    if least <= 0:
        return None
    measured = [(trained, loss) for trained, loss in zip_longest(f.train_losses, f.val_losses) if loss is not None]
    (trained_then, _), (trained_last, last) = min(measured, key=lambda pair: pair[1]), measured[-1]
    rise = last / least
    if trained_then is None or trained_last is None or trained_then <= 0:
        return rise
    return rise / max(trained_last / trained_then, 1.0)


VALIDATION: tuple[Rule, ...] = (validation_mismatch, label_noise, overfit)
