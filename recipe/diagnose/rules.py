"""The rules: the lecture's questions in the lecture's order, each a pure function from facts to a finding.

One idea: a finding is a conjunction of comparisons in a logic of four values. A comparison fires, is ruled out, is too
close to call, or was not measured; so a rule knows not only what it found but whether it could have found anything.
The order matters: what stands earlier explains away what stands later (a net with identical units also learns slowly).
Read `verdict.py` for how findings become a verdict, `thresholds.py` for the lines.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from .facts import Facts
from .measure import fall_in_second_half, late_share_of_fall, share_rising
from .thresholds import Line, Thresholds

__all__ = ["SET_UP", "TRAINING", "VALIDATION", "Check", "Finding", "Rule", "State", "good_on_training"]


class State(StrEnum):
    """What became of a comparison, or of a rule."""

    FIRED = "fired"
    RULED_OUT = "ruled out"
    CLOSE = "too close to call"
    UNKNOWN = "not measured"


@dataclass(frozen=True)
class Check:
    """One comparison: `what` was measured, whether it should be above (">") or below ("<") the threshold to fire."""

    what: str
    value: float | None
    sign: str
    threshold: float
    unit: str
    state: State


@dataclass(frozen=True)
class Finding:
    """What one rule found: its code, its comparisons and what they come to; `note` where they do not apply."""

    code: str
    state: State
    checks: tuple[Check, ...] = ()
    note: str = ""


Rule = Callable[[Facts, Thresholds], Finding]

_NO_HIDDEN = "the net has no hidden layer"


def above(what: str, value: float | None, line: Line, unit: str = "") -> Check:
    """A comparison that fires above the line."""
    return Check(what, value, ">", line.at, unit, _state(value, line, 1.0))


def below(what: str, value: float | None, line: Line, unit: str = "") -> Check:
    """A comparison that fires below the line."""
    return Check(what, value, "<", line.at, unit, _state(value, line, -1.0))


def _state(value: float | None, line: Line, sign: float) -> State:
    if value is None:
        return State.UNKNOWN
    beyond = sign * (value - line.at)
    if abs(beyond) < line.band:
        return State.CLOSE
    return State.FIRED if beyond > 0 else State.RULED_OUT


def both(*states: State) -> State:
    """All must hold."""
    return next((s for s in (State.RULED_OUT, State.UNKNOWN, State.CLOSE) if s in states), State.FIRED)


def either(*states: State) -> State:
    """One is enough."""
    return next((s for s in (State.FIRED, State.UNKNOWN, State.CLOSE) if s in states), State.RULED_OUT)


def _all(code: str, *checks: Check) -> Finding:
    return Finding(code, both(*(check.state for check in checks)), checks)


def _any(code: str, *checks: Check) -> Finding:
    return Finding(code, either(*(check.state for check in checks)), checks)


def _not_here(code: str, why: str) -> Finding:
    return Finding(code, State.RULED_OUT, note=why)


def _last(losses: Sequence[float]) -> float | None:
    return losses[-1] if losses else None


def _times_guessing(loss: float | None, facts: Facts) -> float | None:
    return loss / facts.guess_loss if loss is not None and facts.guess_loss else None


# Is the set-up right?


def leak(f: Facts, t: Thresholds) -> Finding:
    """Rows to validate with were also trained on."""
    if f.val_rows == 0:
        return _not_here("leak", "there are no validation rows")
    return _all("leak", above("validation rows that are training rows too", f.duplicate_share, t.duplicates, "share"))


def not_shuffled(f: Facts, t: Thresholds) -> Finding:
    """Batches hold far fewer classes than chance would put there; or somewhat fewer, and it shows."""
    if f.task != "classification":
        return _not_here("not_shuffled", "it is seen by labels, and this run has none")
    what = "label entropy of a batch, over that of shuffled batches"
    hardly, partly = (below(what, f.batch_entropy_share, line) for line in (t.batch_entropy, t.partly_shuffled))
    bad = _bad(f, t)
    state = either(hardly.state, both(partly.state, bad.state))
    return Finding("not_shuffled", state, (hardly,) if hardly.state is State.FIRED else (partly, bad))


def unnormalised_input(f: Facts, t: Thresholds) -> Finding:
    """Inputs are far from mean 0 and std 1, and it shows."""
    high = _first_loss(f, t)
    bad = _bad(f, t)
    wide = above("standard deviation of the inputs", f.input_std, t.input_size)
    off = above(
        "distance of the inputs' mean from 0", None if f.input_mean is None else abs(f.input_mean), t.input_size
    )
    state = both(either(bad.state, high.state), either(wide.state, off.state))
    return Finding("unnormalised_input", state, (wide, off, high, bad))


def init_too_large(f: Facts, t: Thresholds) -> Finding:
    """Before the first update the net is surely wrong; or its units are at the ends of their range, and it shows."""
    high = _first_loss(f, t)
    if f.saturated_at_start is None:
        return _all("init_too_large", high)
    bad, stuck = (
        _bad(f, t),
        above("largest share of saturated units in a layer at the start", f.saturated_at_start, t.saturated, "share"),
    )
    return Finding("init_too_large", either(high.state, both(stuck.state, bad.state)), (high, stuck, bad))


def _first_loss(f: Facts, t: Thresholds) -> Check:
    return above("loss before training, over that of guessing", _times_guessing(f.first_loss, f), t.first_loss)


def _bad(f: Facts, t: Thresholds) -> Check:
    what = "training accuracy" if f.task == "classification" else "share of the training targets' variance explained"
    return below(what, f.train_score, t.train_score, "share")


def good_on_training(f: Facts, t: Thresholds) -> Check:
    """The lecture's first question, as the comparison that fires when the answer is no."""
    return _bad(f, t)


# Not good on training data: why?


def identical_units(f: Facts, t: Thresholds) -> Finding:
    """The units of a layer all compute the same."""
    if f.hidden_layers == 0:
        return _not_here("identical_units", _NO_HIDDEN)
    if f.lone_units:
        return _not_here("identical_units", "no hidden layer has two units that could be alike")
    return _all(
        "identical_units",
        below("spread between a layer's units, over its mean |w|", f.identical_units, t.identical_units),
    )


def vanishing_gradient(f: Facts, t: Thresholds) -> Finding:
    """The gradient shrinks on its way to the first layer (and is not cut off by units that are dead)."""
    if f.hidden_layers == 0:
        return _not_here("vanishing_gradient", _NO_HIDDEN)
    checks = [below("gradient of the first layer, over the largest", f.gradient_ratio, t.gradient_ratio)]
    if f.rectifiers:
        checks.append(
            below("largest share of silent units in a layer at the start", f.dead_at_start, t.dead_share, "share")
        )
    return _all("vanishing_gradient", *checks)


def signal_collapse(f: Facts, t: Thresholds) -> Finding:
    """The forward signal, not the gradient, is lost: all rows look alike at the last hidden layer."""
    if f.hidden_layers is not None and f.hidden_layers < 2:
        return _not_here("signal_collapse", "the net has fewer than two hidden layers")
    if f.offset_activations:
        return _not_here("signal_collapse", "what its activations give is alike for all rows, but for a constant")
    if f.dead_at_start is not None and f.dead_at_start > t.dead_share.at:
        return _not_here("signal_collapse", "a dead layer lets no signal through that could be compared")
    return _all(
        "signal_collapse",
        above("mean cosine between rows at the last hidden layer, at the start", f.cosine_last, t.collapsed_cosine),
        below("share of the rows' difference left from first to last hidden layer", f.collapse, t.collapse, "share"),
    )


def dead_from_the_start(f: Facts, t: Thresholds) -> Finding:
    """Units are silent for every row, and nothing has moved."""
    if why := _cannot_die(f):
        return _not_here("dead_units", why)
    return _all(
        "dead_units",
        _dead(f, t),
        below("movement of the weights in the first epoch", f.movement_first, t.dead_movement),
    )


def rate_too_high(f: Facts, t: Thresholds) -> Finding:
    """The steps are so long that the loss is thrown up rather than led down."""
    if f.not_finite:
        return Finding("rate_too_high", State.FIRED, note=f.not_finite)
    losses = f.train_losses
    return _any(
        "rate_too_high",
        above("loss at the end, over that of guessing and of the start", _driven(_last(losses), f), t.final_loss),
        above(
            "highest loss, over that of guessing and of the start",
            _driven(max(losses, default=None), f),
            t.highest_loss,
        ),
        above("share of epochs in which the loss rose", _rising(losses), t.rising, "share"),
        above("movement of the weights in the first epoch", f.movement_first, t.most_movement),
    )


def _driven(loss: float | None, f: Facts) -> float | None:
    """How many times a loss is that of guessing or of the untrained net, whichever is more: it was driven so far up."""
    if loss is None or not f.guess_loss:
        return None
    return loss / max(f.guess_loss, f.first_loss or 0.0)


def _rising(losses: Sequence[float]) -> float | None:
    # Of fewer than three steps one rise would be a third: too few to tell a habit, so none is seen.
    return 0.0 if 0 < len(losses) < 4 else share_rising(losses)


def dead_units(f: Facts, t: Thresholds) -> Finding:
    """Units have gone silent for every row."""
    if why := _cannot_die(f):
        return _not_here("dead_units", why)
    return _all("dead_units", _dead(f, t))


def _cannot_die(f: Facts) -> str:
    if f.hidden_layers == 0:
        return _NO_HIDDEN
    return "the net has no units that can go silent for good" if f.rectifiers is False else ""


def drowned_by_dropout(f: Facts, t: Thresholds) -> Finding:
    """There was time and rate to learn, but so much dropout that the net was taught by noise."""
    if not f.dropout:
        return _not_here("over_regularised", "there is no dropout")
    return _all(
        "over_regularised",
        above("probability of dropout", f.dropout, t.dropout),
        above("updates", None if f.updates is None else float(f.updates), t.few_updates),
        above("movement of the weights in the first epoch", f.movement_first, t.least_movement),
    )


def _dead(f: Facts, t: Thresholds) -> Check:
    return above("largest share of silent units in a layer at the end", f.dead_at_end, t.dead_share, "share")


def over_regularised(f: Facts, t: Thresholds) -> Finding:
    """A penalty shrinks the weights, or dropout thins the net, beyond what training can bear."""
    shrunk = below("norm of the weights at the end, over that at the start", f.weight_norm, t.weight_norm)
    if not f.dropout or len(f.train_losses) < 3 or f.train_score is None or f.running_score is None:
        return _all("over_regularised", shrunk)
    gap = f.train_score - f.running_score
    return _any(
        "over_regularised", shrunk, above("accuracy lost by thinning the net in training", gap, t.thinned_gap, "points")
    )


def noisy_labels_in_training(f: Facts, t: Thresholds) -> Finding:
    """The net does better on validation rows than on the rows it learned: the labels it learned from are wrong."""
    if f.task != "classification" or f.val_score is None or f.train_score is None:
        return _not_here("label_noise", "it is seen by comparing with labelled validation rows, and there are none")
    lead = max(f.val_score - f.train_score, -1.0 if f.most_lead is None else f.most_lead)
    return _all("label_noise", _lead(lead, f, t), _contradicted(f, t))


def too_few_updates(f: Facts, t: Thresholds) -> Finding:
    """There were hardly any updates."""
    return _all("too_few_updates", below("updates", None if f.updates is None else float(f.updates), t.few_updates))


def rate_too_low(f: Facts, t: Thresholds) -> Finding:
    """The weights hardly move."""
    return _all("rate_too_low", below("movement of the weights in the first epoch", f.movement_first, t.least_movement))


def train_longer(f: Facts, t: Thresholds) -> Finding:
    """The loss is still on its way down."""
    losses = f.losses_at_full_rate
    run = "the run" if losses == f.losses_ever else "the epochs at full rate"
    fall, late = fall_in_second_half(losses), late_share_of_fall(losses, f.guess_loss)
    return _any(
        "train_longer",
        above(f"fall of the loss over the second half of {run}", fall, t.still_falling, "share"),
        above(f"part of the loss's whole fall that came in the second half of {run}", late, t.late_fall, "share"),
    )


def low_capacity(f: Facts, t: Thresholds) -> Finding:
    """Nothing is wrong with the training, so the net is too small for the task."""
    if f.task == "regression":
        note = "how much of the targets can be explained depends on their noise, which nobody told"
        return Finding("low_capacity", State.UNKNOWN, note=note)
    learned = below("loss at the end, over that of guessing", _times_guessing(_last(f.train_losses), f), t.learned)
    if learned.state is not State.FIRED:
        note = "the net learned nothing, so its size was never put to the test"
        return Finding("low_capacity", State.UNKNOWN, (learned,), note)
    return Finding("low_capacity", State.FIRED, note="training went as it should, and still the result is not good")


# Good on training data; good on validation data?


def validation_mismatch(f: Facts, t: Thresholds) -> Finding:
    """Validation rows are of another kind: their numbers are, or the net knows nothing of them."""
    skill = None
    if f.val_score is not None and f.val_chance is not None and f.val_chance < 1:
        skill = (f.val_score - f.val_chance) / (1 - f.val_chance)
    unlike = "how far mean and spread of the validation inputs are off, over the training inputs' spread"
    return _any(
        "validation_mismatch",
        below("validation result on the way from chance to perfect", skill, t.mismatch, "share"),
        *([] if f.val_input_shift is None else [above(unlike, f.val_input_shift, t.input_shift)]),
    )


def label_noise(f: Facts, t: Thresholds) -> Finding:
    """The best net contradicts too many labels that it learned from; or it agreed more with those that it never saw,
    before it knew the others by heart."""
    if f.task != "classification":
        return _not_here("label_noise", "it is seen by labels, and this run has none")
    lead = [] if f.most_lead is None else [_lead(f.most_lead, f, t)]
    return _any("label_noise", _contradicted(f, t), *lead)


def _lead(lead: float, f: Facts, t: Thresholds) -> Check:
    what = "points by which validation was surely better than training in some epoch"
    return above(what, lead - 2.0 * _error_of_gap(f), t.noisy_training, "points")


def _contradicted(f: Facts, t: Thresholds) -> Check:
    what = "training labels that the best net on validation surely contradicts"
    return above(what, f.contradicted, t.contradicted, "share")


def overfit(f: Facts, t: Thresholds) -> Finding:
    """What was learned holds for the training rows only."""
    gap = None if f.train_score is None or f.val_score is None else f.train_score - f.val_score
    line = replace(t.gap, band=max(t.gap.band, _error_of_gap(f)))
    return _any(
        "overfit",
        above("points by which training is better than validation", gap, line, "points"),
        above(
            "rise of the validation loss from its lowest, over that of the training loss", _rise(f), t.loss_above_best
        ),
    )


def _rise(f: Facts) -> float | None:
    """How the validation loss rose from its lowest to the end, as a factor; where the training loss rose as well, the
    steps swing, and nothing was learned by heart: only what goes beyond that counts."""
    losses = f.val_losses
    if not losses or min(losses) <= 0:
        return None
    best, rise = losses.index(min(losses)), losses[-1] / min(losses)
    trained = f.train_losses[: len(losses)]
    if len(trained) < len(losses) or trained[best] <= 0:
        return rise
    return rise / max(trained[-1] / trained[best], 1.0)


def _error_of_gap(f: Facts) -> float:
    """The standard error of the difference of two accuracies, each measured on so many rows; 0 where it is unknown."""
    measured = ((f.train_score, f.train_rows), (f.val_score, f.val_rows))
    if f.task != "classification" or any(score is None or not rows for score, rows in measured):
        return 0.0
    return math.sqrt(sum(score * (1.0 - score) / rows for score, rows in measured if score is not None and rows))


SET_UP: tuple[Rule, ...] = (leak, not_shuffled, unnormalised_input, init_too_large)
TRAINING: tuple[Rule, ...] = (
    identical_units,
    vanishing_gradient,
    signal_collapse,
    dead_from_the_start,
    rate_too_high,
    drowned_by_dropout,
    dead_units,
    over_regularised,
    noisy_labels_in_training,
    too_few_updates,
    rate_too_low,
    train_longer,
    low_capacity,
)
VALIDATION: tuple[Rule, ...] = (validation_mismatch, label_noise, overfit)
