"""Is the set-up right? What is wrong with the data or the start, whatever came of it.

One idea: what is harmless in itself (large inputs, batches that are not quite shuffled) is blamed only where it shows.
Read `training.py` next.
"""

from __future__ import annotations

from ..facts import Facts
from ..logic import Finding, Rule, State, above, all_of, below, both, either, not_here
from ..thresholds import Thresholds
from .shared import bad_on_training, first_loss

__all__ = ["SET_UP"]


def leak(f: Facts, t: Thresholds) -> Finding:
    """Rows to validate with were also trained on."""
    if f.val_rows == 0:
        return not_here("leak", "there are no validation rows")
    return all_of("leak", above("validation rows that are training rows too", f.duplicate_share, t.duplicates, "share"))


def not_shuffled(f: Facts, t: Thresholds) -> Finding:
    """Batches hold far fewer classes than chance would put there; or somewhat fewer, and it shows."""
    if f.task != "classification":
        return not_here("not_shuffled", "it is seen by labels, and this run has none")
    what = "label entropy of a batch, over that of shuffled batches"
    hardly, partly = (below(what, f.batch_entropy_share, line) for line in (t.batch_entropy, t.partly_shuffled))
    bad = bad_on_training(f, t)
    state = either(hardly.state, both(partly.state, bad.state))
    return Finding("not_shuffled", state, (hardly,) if hardly.state is State.FIRED else (partly, bad))


def unnormalised_input(f: Facts, t: Thresholds) -> Finding:
    """Inputs are far from mean 0 and std 1, and it shows."""
    high = first_loss(f, t)
    bad = bad_on_training(f, t)
    wide = above("standard deviation of the inputs", f.input_std, t.input_size)
    off = above(
        "distance of the inputs' mean from 0", None if f.input_mean is None else abs(f.input_mean), t.input_size
    )
    state = both(either(bad.state, high.state), either(wide.state, off.state))
    return Finding("unnormalised_input", state, (wide, off, high, bad))


def init_too_large(f: Facts, t: Thresholds) -> Finding:
    """Before the first update the net is surely wrong; or its units are at the ends of their range, and it shows."""
    high = first_loss(f, t)
    if f.saturated_at_start is None:
        return all_of("init_too_large", high)
    bad, stuck = (
        bad_on_training(f, t),
        above("largest share of saturated units in a layer at the start", f.saturated_at_start, t.saturated, "share"),
    )
    return Finding("init_too_large", either(high.state, both(stuck.state, bad.state)), (high, stuck, bad))


SET_UP: tuple[Rule, ...] = (leak, not_shuffled, unnormalised_input, init_too_large)
