"""What the experiment on optimizers computes that can be known beforehand."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import optim
from benchmarks.claims import e3_exact
from benchmarks.claims.e3_optimizers import STRIP, Losses, best


def test_the_valley_takes_the_steps_that_an_independent_implementation_took():
    assert e3_exact.valley(0)["steps"] == e3_exact.STEPS


def test_the_updates_are_those_by_hand_and_the_lectures_first_step_is_the_sign():
    found = e3_exact.by_hand(0)
    assert max(found["difference"].values()) < 1e-12
    assert found["first step"] == 0


def test_an_update_that_is_a_little_off_is_seen():
    off = partial(optim.Adam, eps=1.01e-8)
    update, _, options = e3_exact.RULES["Adam"]
    assert e3_exact.difference(update, off, options) > 1e-10


def test_the_way_is_the_mean_over_strips_of_updates():
    losses = Losses()
    for number in range(2 * STRIP + 3):
        losses.on_batch_end(None, np.float32(number))
    assert losses.means() == [(STRIP - 1) / 2, STRIP + (STRIP - 1) / 2]


def test_the_best_rate_is_no_run_that_blew_up():
    runs = {"Adam 0.001": 0.2, "Adam 0.01": 0.1, "Adam 0.1": float("nan")}
    assert best("Adam", {name: {"train_loss": loss} for name, loss in runs.items()}) == 0.1
    with pytest.raises(KeyError):
        best("Adam", {"Adam 0.001": {"train_loss": 0.2}})
