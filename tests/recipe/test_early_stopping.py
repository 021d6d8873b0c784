"""Early stopping: the criteria by hand, by a slow reading of Prechelt's definitions, and in a run."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipe.callbacks import Callback, EarlyStopping
from recipe.callbacks.early_stopping import generalization_loss, progress_quotient, strips_rising
from recipe.history import History
from tests.recipe.small import fit, trainer, weights

errors = st.lists(st.floats(0.01, 10.0), min_size=1, max_size=30)


class Stand:
    """A trainer that is only a place to stop."""

    stop = None

    class model:
        state_dict = staticmethod(dict)


def play(callback: EarlyStopping, validation, training=None) -> int | None:
    """The epoch at which the callback stops a run that measures these errors, or None."""
    run = Stand()
    for epoch, value in enumerate(validation):
        record = {"epoch": epoch, "val_loss": value, "val_accuracy": -value}
        callback.on_epoch_end(run, record | {"train_loss": training[epoch] if training else 1.0})
        if run.stop:
            return epoch
    return None


def test_generalization_loss_by_hand():
    assert generalization_loss([2.0, 1.0, 1.1]) == pytest.approx(10.0)
    assert generalization_loss([2.0, 1.0]) == 0.0
    assert generalization_loss([0.0, 0.0]) == 0.0
    assert generalization_loss([0.0, 0.1]) == np.inf


def test_progress_quotient_by_hand():
    """The last five training errors have mean 1.2 and least 1: P = 200, and GL is 10."""
    training = [9.0, 1.4, 1.3, 1.2, 1.1, 1.0]
    assert progress_quotient([1.0, 1.1], training) == pytest.approx(10.0 / 200.0)
    assert progress_quotient([1.0, 1.1], [1.0] * 5) == np.inf
    assert progress_quotient([1.0, 1.0], [1.0] * 5) == 0.0


@given(errors, st.integers(1, 4))
def test_strips_rising_is_prechelts_recursion(values, k):
    def stops(s, t):
        """UP_s at epoch t, counted from 1: UP_(s-1) at t - k, and E_va(t) > E_va(t - k)."""
        if s == 0:
            return True
        return t - k >= 1 and values[t - 1] > values[t - k - 1] and stops(s - 1, t - k)

    end = len(values) // k * k
    expected = 0
    while end and stops(expected + 1, end):
        expected += 1
    assert strips_rising(values, k) == expected


@given(errors, st.integers(1, 5))
def test_patience_is_epochs_since_the_best(values, patience):
    expected = None
    best = 0
    for t, value in enumerate(values):
        if value < values[best]:
            best = t
        elif t - best >= patience:
            expected = t
            break
    callback = EarlyStopping(patience=patience)
    assert play(callback, values) == expected == callback.stopped_epoch
    assert callback.best_epoch == int(np.argmin(values[: None if expected is None else expected + 1]))


@given(errors, st.floats(0.5, 50.0))
def test_gl_stops_at_the_first_loss_above_alpha(values, alpha):
    losses = [generalization_loss(values[: t + 1]) for t in range(len(values))]
    expected = next((t for t, loss in enumerate(losses) if loss > alpha), None)
    assert play(EarlyStopping(criterion="GL", alpha=alpha), values) == expected


def test_pq_looks_after_each_strip_only():
    validation = [1.0, 5.0, 5.0, 5.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0]
    training = [1.0 - 0.001 * t for t in range(10)]
    assert play(EarlyStopping(criterion="PQ", alpha=0.5), validation, training) == 9
    assert play(EarlyStopping(criterion="PQ", alpha=0.5, strip=3), validation, training) == 2


def test_up_wants_strips_in_a_row():
    rising_once = [3, 2, 1, 1, 2, 3, 3, 2, 1]
    assert play(EarlyStopping(criterion="UP", patience=2, strip=3), rising_once) is None
    assert play(EarlyStopping(criterion="UP", patience=1, strip=3), rising_once) == 5


def test_min_delta_and_mode():
    assert play(EarlyStopping(patience=2, min_delta=0.5), [3.0, 2.8, 2.6, 2.4]) == 2
    assert play(EarlyStopping("val_accuracy", patience=2), [3.0, 2.0, 1.0]) is None
    assert play(EarlyStopping("val_accuracy", patience=2), [1.0, 2.0, 3.0]) == 2
    assert play(EarlyStopping("val_accuracy", mode="min", patience=2), [3.0, 2.0, 1.0]) == 2


def test_nan_is_never_better():
    assert play(EarlyStopping(patience=2), [1.0, float("nan"), float("nan")]) == 2


def test_a_loss_that_is_no_number_is_not_the_least_so_far():
    assert generalization_loss([float("nan"), 2.0, 1.0, 1.1]) == pytest.approx(10.0)
    assert generalization_loss([float("nan")]) == 0.0
    assert play(EarlyStopping(criterion="GL", alpha=5.0), [float("nan"), 2.0, 1.0, 1.1]) == 3


def test_patience_counts_from_the_best_also_in_a_run_that_began_without_it():
    callback, run = EarlyStopping(patience=2), Stand()
    for epoch in range(5, 8):
        assert run.stop is None
        callback.on_epoch_end(run, {"epoch": epoch, "val_loss": 1.0, "train_loss": 1.0})
    assert (callback.best_epoch, callback.stopped_epoch) == (5, 7)


@pytest.mark.parametrize("restore", [True, False])
def test_the_best_weights_come_back_bit_for_bit(restore):
    kept = {}

    class Keep(Callback):
        def on_epoch_end(self, run, record):
            kept[record["epoch"]] = weights(run)

    early = EarlyStopping("val_accuracy", patience=1, restore_best=restore)
    run = fit(trainer(lr=0.1, callbacks=[Keep(), early]), epochs=12)
    assert early.best_epoch < early.stopped_epoch == len(run.history) - 1
    np.testing.assert_equal(weights(run), kept[early.best_epoch if restore else early.stopped_epoch])


def test_wrong_options():
    for options, text in [
        ({"criterion": "GLX"}, "EarlyStopping: criterion must be one of patience, GL, PQ, UP, got 'GLX'."),
        ({"monitor": "val_accuracy", "criterion": "GL"}, "EarlyStopping: GL compares errors by their ratio"),
        ({"patience": 0}, "EarlyStopping got patience=0: 1 or more is wanted."),
        ({"mode": "least"}, 'mode must be "min" or "max", got \'least\'.'),
        ({"min_delta": -1.0}, "EarlyStopping got min_delta=-1.0: 0 or more is wanted."),
    ]:
        with pytest.raises(ValueError, match=f"^{re.escape(text)}"):
            EarlyStopping(**options)


def test_a_monitor_that_is_not_measured_is_named_with_those_that_are():
    with pytest.raises(KeyError, match="has no 'val_acc' to monitor; it has epoch, val_loss"):
        play(EarlyStopping("val_acc"), [1.0])


def test_history_columns():
    history = History([{"epoch": 0, "a": 1.0}, {"epoch": 1, "a": 2.0, "b": 3}])
    assert history["a"] == [1.0, 2.0]
    assert history["b"] == [None, 3]
    with pytest.raises(KeyError, match="no record has 'c'; there are epoch, a, b"):
        history["c"]
    assert repr(history) == "History(2 epochs; last: epoch 1, a 2, b 3)"
    assert repr(History()) == "History(no epochs yet)"


def test_the_reason_counts_epochs_from_one_as_the_progress_lines_do():
    callback, run = EarlyStopping(patience=2), Stand()
    for epoch, value in enumerate([0.5, 0.3, 0.4, 0.6]):
        callback.on_epoch_end(run, {"epoch": epoch, "val_loss": value, "train_loss": 1.0})
    assert callback.best_epoch == 1
    assert run.stop.endswith("the best epoch was number 2")
