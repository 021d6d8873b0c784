"""Not good on training data: why? First what was wrong before the first update, then the steps, then the net.

One idea: the order matters, since what stands earlier explains away what stands later: a net with identical units also
learns slowly. Read `validation.py` next.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..facts import Facts, known
from ..logic import Check, Finding, Rule, State, above, all_of, any_of, below, not_here
from ..measure import fall_in_second_half, late_share_of_fall, share_rising
from ..thresholds import Thresholds
from .shared import contradicted, error_of_gap, last, times_guessing, validation_leads

__all__ = ["TRAINING"]

_NO_HIDDEN = "the net has no hidden layer"


def identical_units(f: Facts, t: Thresholds) -> Finding:
    """The units of a layer all compute the same."""
    if f.hidden_layers == 0:
        return not_here("identical_units", _NO_HIDDEN)
    if f.lone_units:
        return not_here("identical_units", "no hidden layer has two units that could be alike")
    return all_of(
        "identical_units",
        below("spread between a layer's units, over its mean |w|", f.identical_units, t.identical_units),
    )


def vanishing_gradient(f: Facts, t: Thresholds) -> Finding:
    """The gradient shrinks on its way to the first layer (and is not cut off by units that are dead)."""
    if f.hidden_layers == 0:
        return not_here("vanishing_gradient", _NO_HIDDEN)
    checks = [below("gradient of the first layer, over the largest", f.gradient_ratio, t.gradient_ratio)]
    if f.rectifiers:
        checks.append(
            below("largest share of silent units in a layer at the start", f.dead_at_start, t.dead_share, "share")
        )
    return all_of("vanishing_gradient", *checks)


def signal_collapse(f: Facts, t: Thresholds) -> Finding:
    """The forward signal, not the gradient, is lost: all rows look alike at the last hidden layer."""
    if f.hidden_layers is not None and f.hidden_layers < 2:
        return not_here("signal_collapse", "the net has fewer than two hidden layers")
    if f.offset_activations:
        return not_here("signal_collapse", "what its activations give is alike for all rows, but for a constant")
    if f.dead_at_start is not None and f.dead_at_start > t.dead_share.at:
        return not_here("signal_collapse", "a dead layer lets no signal through that could be compared")
    return all_of(
        "signal_collapse",
        above("mean cosine between rows at the last hidden layer, at the start", f.cosine_last, t.collapsed_cosine),
        below("share of the rows' difference left from first to last hidden layer", f.collapse, t.collapse, "share"),
    )


def dead_from_the_start(f: Facts, t: Thresholds) -> Finding:
    """Units are silent for every row, and nothing has moved."""
    if why := _cannot_die(f):
        return not_here("dead_units", why)
    return all_of(
        "dead_units",
        _dead(f, t),
        below("movement of the weights in the first epoch", f.movement_first, t.dead_movement),
    )


def rate_too_high(f: Facts, t: Thresholds) -> Finding:
    """The steps are so long that the loss is thrown up rather than led down."""
    if f.not_finite:
        return Finding("rate_too_high", State.FIRED, note=f.not_finite)
    losses = known(f.train_losses)
    return any_of(
        "rate_too_high",
        above("loss at the end, over that of guessing and of the start", _driven(last(losses), f), t.final_loss),
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


def drowned_by_dropout(f: Facts, t: Thresholds) -> Finding:
    """There was time and rate to learn, but so much dropout that the net was taught by noise."""
    if not f.dropout:
        return not_here("over_regularised", "there is no dropout")
    return all_of(
        "over_regularised",
        above("probability of dropout", f.dropout, t.dropout),
        above("updates", None if f.updates is None else float(f.updates), t.few_updates),
        above("movement of the weights in the first epoch", f.movement_first, t.least_movement),
    )


def dead_units(f: Facts, t: Thresholds) -> Finding:
    """Units have gone silent for every row."""
    if why := _cannot_die(f):
        return not_here("dead_units", why)
    return all_of("dead_units", _dead(f, t))


def _dead(f: Facts, t: Thresholds) -> Check:
    return above("largest share of silent units in a layer at the end", f.dead_at_end, t.dead_share, "share")


def _cannot_die(f: Facts) -> str:
    if f.hidden_layers == 0:
        return _NO_HIDDEN
    return "the net has no units that can go silent for good" if f.rectifiers is False else ""


def over_regularised(f: Facts, t: Thresholds) -> Finding:
    """A penalty shrinks the weights, or dropout thins the net, beyond what training can bear."""
    shrunk = below("norm of the weights at the end, over that at the start", f.weight_norm, t.weight_norm)
    if not f.dropout or len(f.train_losses) < 3 or f.train_score is None or f.running_score is None:
        return all_of("over_regularised", shrunk)
    gap = f.train_score - f.running_score
    return any_of(
        "over_regularised", shrunk, above("accuracy lost by thinning the net in training", gap, t.thinned_gap, "points")
    )


def noisy_labels_in_training(f: Facts, t: Thresholds) -> Finding:
    """The net does better on validation rows than on the rows it learned: the labels it learned from are wrong."""
    if f.task != "classification" or f.val_score is None or f.train_score is None:
        return not_here("label_noise", "it is seen by comparing with labelled validation rows, and there are none")
    at_the_end = f.val_score - f.train_score - 2.0 * error_of_gap(f)
    lead = at_the_end if f.most_lead is None else max(at_the_end, f.most_lead)
    return all_of("label_noise", validation_leads(lead, t), contradicted(f, t))


def too_few_updates(f: Facts, t: Thresholds) -> Finding:
    """There were hardly any updates."""
    return all_of("too_few_updates", below("updates", None if f.updates is None else float(f.updates), t.few_updates))


def rate_too_low(f: Facts, t: Thresholds) -> Finding:
    """The weights hardly move."""
    return all_of(
        "rate_too_low", below("movement of the weights in the first epoch", f.movement_first, t.least_movement)
    )


def train_longer(f: Facts, t: Thresholds) -> Finding:
    """The loss is still on its way down."""
    losses = f.losses_at_full_rate
    run = "the run" if losses == f.losses_ever else "the epochs at full rate"
    fall, late = fall_in_second_half(losses), late_share_of_fall(losses, f.guess_loss)
    return any_of(
        "train_longer",
        above(f"fall of the loss over the second half of {run}", fall, t.still_falling, "share"),
        above(f"part of the loss's whole fall that came in the second half of {run}", late, t.late_fall, "share"),
    )


def low_capacity(f: Facts, t: Thresholds) -> Finding:
    """Nothing is wrong with the training, so the net is too small for the task."""
    if f.task == "regression":
        note = "how much of the targets can be explained depends on their noise, which nobody told"
        return Finding("low_capacity", State.UNKNOWN, note=note)
    learned = below("loss at the end, over that of guessing", times_guessing(last(known(f.train_losses)), f), t.learned)
    if learned.state is not State.FIRED:
        note = "the net learned nothing, so its size was never put to the test"
        return Finding("low_capacity", State.UNKNOWN, (learned,), note)
    return Finding("low_capacity", State.FIRED, note="training went as it should, and still the result is not good")


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
