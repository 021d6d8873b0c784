"""The rules on facts made by hand: each verdict can be reached, and doubt is said where there is doubt."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipe.config import configure, options
from recipe.diagnose import Facts, Line, Thresholds
from recipe.diagnose.logic import State, above, below, both, either
from recipe.diagnose.remedies import REMEDIES, proposal
from recipe.diagnose.rules import SET_UP, TRAINING, VALIDATION
from recipe.diagnose.verdict import decide
from recipe.history import flat

LINES = Thresholds()

HEALTHY = Facts(
    task="classification",
    train_rows=3000,
    val_rows=1000,
    guess_loss=2.303,
    duplicate_share=0.0,
    batch_entropy_share=0.99,
    input_mean=0.13,
    input_std=0.31,
    first_loss=2.4,
    identical_units=1.1,
    gradient_ratio=0.4,
    dead_at_start=0.0,
    dead_at_end=0.01,
    rectifiers=True,
    hidden_layers=2,
    cosine_last=0.6,
    collapse=0.8,
    movement_first=0.3,
    weight_norm=1.1,
    updates=600,
    train_losses=(0.6, 0.4, 0.3, 0.25, 0.22, 0.2),
    val_losses=(0.65, 0.45, 0.36, 0.32, 0.30, 0.29),
    train_score=0.95,
    running_score=0.94,
    val_score=0.93,
    val_chance=0.1,
    val_input_shift=0.01,
    contradicted=0.01,
    most_lead=-0.02,
    predicted_class=1,
    predicted_share=0.11,
    labelled_share=0.11,
)
LEVEL = (1.2, 1.1, 1.05, 1.03, 1.02, 1.02)
POOR = replace(HEALTHY, train_score=0.6, running_score=0.58, val_score=0.58, train_losses=LEVEL, val_losses=LEVEL)

REACHED = {
    "fine": HEALTHY,
    "leak": replace(HEALTHY, duplicate_share=0.2),
    "not_shuffled": replace(HEALTHY, batch_entropy_share=0.02),
    "unnormalised_input": replace(POOR, input_std=79.0, first_loss=100.0),
    "init_too_large": replace(HEALTHY, first_loss=60.0),
    "identical_units": replace(POOR, identical_units=1e-6),
    "vanishing_gradient": replace(POOR, gradient_ratio=1e-5),
    "signal_collapse": replace(POOR, cosine_last=0.99, collapse=0.02),
    "dead_units": replace(POOR, dead_at_start=1.0, dead_at_end=1.0, gradient_ratio=0.0, movement_first=0.0),
    "rate_too_high": replace(POOR, train_losses=(9.0, 30.0, 4.0, 3.9, 3.8, 3.9)),
    "over_regularised": replace(POOR, weight_norm=0.2),
    "label_noise": replace(HEALTHY, contradicted=0.2),
    "too_few_updates": replace(POOR, updates=20),
    "rate_too_low": replace(POOR, movement_first=1e-4),
    "train_longer": replace(POOR, train_losses=(2.2, 2.0, 1.7, 1.4, 1.1, 0.9)),
    "low_capacity": POOR,
    "validation_mismatch": replace(HEALTHY, val_score=0.12),
    "overfit": replace(HEALTHY, val_score=0.85),
}


def verdict(facts: Facts, lines: Thresholds = LINES, settings: dict | None = None):
    return decide(facts, lines, settings or {})


@pytest.mark.parametrize("code", REACHED)
def test_each_verdict_is_reached_by_the_one_thing_that_is_wrong(code):
    found = verdict(REACHED[code])
    assert found.verdict == code, str(found)
    if code != "fine":
        assert any(row["fired"] for row in found.evidence)


def test_the_table_has_every_code_that_a_rule_can_give():
    given_by_rules = {rule(POOR, LINES).code for rule in (*SET_UP, *TRAINING, *VALIDATION)}
    assert given_by_rules | {"fine"} == set(REMEDIES) == set(REACHED)


def test_other_ways_to_the_same_verdicts():
    assert verdict(replace(POOR, dead_at_end=0.97)).verdict == "dead_units"
    assert verdict(replace(POOR, not_finite="the loss is NaN")).verdict == "rate_too_high"
    assert verdict(replace(POOR, movement_first=40.0)).verdict == "rate_too_high"
    rising = (1.0, 2.0, 1.5, 2.2, 1.7, 2.4)
    assert verdict(replace(POOR, train_losses=rising)).verdict == "rate_too_high"
    assert verdict(replace(POOR, dropout=0.9, running_score=0.3)).verdict == "over_regularised"
    assert verdict(replace(POOR, val_score=0.8, contradicted=0.3)).verdict == "label_noise"
    assert verdict(replace(HEALTHY, val_losses=(0.3, 0.2, 0.5))).verdict == "overfit"


def test_dropout_beyond_use_is_blamed_for_a_bad_result_unless_the_start_or_the_steps_are():
    thinned = replace(POOR, dropout=0.9, dead_at_start=0.0, movement_first=0.1)
    assert verdict(thinned).verdict == "over_regularised"
    assert verdict(replace(thinned, dead_at_end=1.0)).verdict == "over_regularised"
    assert verdict(replace(thinned, dead_at_end=1.0, dropout=0.5)).verdict == "dead_units"
    assert verdict(replace(thinned, dead_at_end=1.0, dead_at_start=1.0, movement_first=0.01)).verdict == "dead_units"
    assert verdict(replace(thinned, movement_first=1e-4)).verdict == "rate_too_low"
    assert verdict(replace(thinned, updates=20)).verdict == "too_few_updates"
    assert verdict(replace(HEALTHY, dropout=0.9, running_score=0.85)).verdict == "fine"


def test_a_loss_that_falls_as_a_straight_line_has_not_arrived():
    slow = (2.26, 2.22, 2.18, 2.14, 2.10, 2.06)
    assert verdict(replace(POOR, train_losses=slow, first_loss=2.3)).verdict == "train_longer"
    arrived = (1.2, 1.0, 0.92, 0.90, 0.89, 0.88)
    assert verdict(replace(POOR, train_losses=arrived, first_loss=2.3)).verdict == "low_capacity"


def test_a_loss_that_is_high_because_it_began_so_was_not_driven_there():
    high = (5.9, 5.8, 5.7, 5.6, 5.5, 5.4)
    began_so = replace(POOR, first_loss=6.0, train_losses=high, movement_first=1e-4)
    assert verdict(began_so).verdict == "rate_too_low"
    assert verdict(replace(began_so, first_loss=2.4)).verdict == "rate_too_high"


def test_units_that_start_at_the_ends_of_their_range_are_a_start_too_large_where_the_result_is_bad():
    assert verdict(replace(POOR, saturated_at_start=0.8)).verdict == "init_too_large"
    assert verdict(replace(HEALTHY, saturated_at_start=0.8)).verdict == "fine"


def test_a_loss_that_stands_still_because_the_rate_went_to_0_has_not_arrived():
    cosine = replace(POOR, train_losses=(2.1, 1.7, 1.3, 1.1, 1.05, 1.04), rates=(0.093, 0.075, 0.05, 0.025, 0.007, 0.0))
    assert verdict(cosine).verdict == "train_longer"
    assert verdict(replace(cosine, train_losses=(1.2, 1.1, 1.09, 1.08, 1.08, 1.08))).verdict == "low_capacity"
    short = replace(cosine, train_losses=(1.5, 1.2, 1.15), rates=(0.075, 0.025, 0.0))
    assert verdict(short).candidates == ["train_longer", "low_capacity"]


def test_a_net_that_learned_nothing_is_not_called_small():
    deaf = replace(POOR, train_losses=(2.301, 2.302, 2.3, 2.301, 2.3, 2.301), first_loss=2.303)
    found = verdict(deaf)
    assert found.verdict == "undecided"
    assert "learned nothing" in str(found)


def test_validation_rows_on_another_scale_are_of_another_kind():
    assert verdict(replace(HEALTHY, val_score=0.7, val_input_shift=0.9)).verdict == "validation_mismatch"
    assert verdict(replace(HEALTHY, val_score=0.7, val_input_shift=0.05)).verdict == "overfit"


def test_batches_that_are_partly_shuffled_are_blamed_where_the_result_is_bad():
    assert verdict(replace(POOR, batch_entropy_share=0.7)).verdict == "not_shuffled"
    assert verdict(replace(HEALTHY, batch_entropy_share=0.7)).verdict == "fine"


def test_a_net_without_hidden_layers_has_no_units_to_ask_for():
    linear = replace(POOR, hidden_layers=0, identical_units=None, rectifiers=None, dead_at_start=None, dead_at_end=None)
    linear = replace(linear, gradient_ratio=None, cosine_last=None, collapse=None)
    assert verdict(linear).verdict == "low_capacity"
    assert verdict(replace(linear, hidden_layers=2)).verdict == "undecided"


def test_a_layer_of_one_unit_has_nobody_to_be_like():
    lonely = replace(POOR, identical_units=None, lone_units=True)
    assert verdict(lonely).verdict == "low_capacity"
    assert verdict(replace(lonely, lone_units=False)).verdict == "undecided"


def test_a_loss_that_swings_in_both_parts_is_not_over_fitting():
    val = (0.3, 0.2, 0.15, 0.25)
    assert verdict(replace(HEALTHY, train_losses=(0.3, 0.2, 0.15, 0.25), val_losses=val)).verdict == "fine"
    assert verdict(replace(HEALTHY, train_losses=(0.3, 0.2, 0.15, 0.10), val_losses=val)).verdict == "overfit"


@pytest.mark.parametrize(
    ("train", "val", "code"),
    [
        ((0.9, 0.3, 0.15, 0.4), (None, 0.31, 0.2, 0.5), "fine"),  # both swing
        ((0.9, 0.3, 0.15, 0.1), (None, 0.31, 0.2, 0.5), "overfit"),
        ((0.5, 0.3, 0.15, 0.1), (0.5, 0.2, 0.5, None), "overfit"),
    ],
)
def test_a_validation_loss_that_is_no_number_leaves_the_others_at_their_epochs(train, val, code):
    read = Facts.of({"curves": {"train_loss": train, "val_loss": val}})
    assert verdict(replace(HEALTHY, train_losses=read.train_losses, val_losses=read.val_losses)).verdict == code


def test_a_rate_that_is_not_known_leaves_the_others_at_their_epochs():
    read = Facts.of({"curves": {"train_loss": LEVEL, "lr": [0.1, None, 0.1, 0.1, 0.01, 0.01]}})
    assert read.losses_at_full_rate == LEVEL[:4]


def test_the_first_layer_is_not_the_first_whose_gradient_is_known():
    look = {"epoch": 0, "gradient_rms": {"0": None, "2": 1e-9, "4": 1.0}}
    assert Facts.of({"looks": [look]}).gradient_ratio is None


def test_few_validation_rows_cannot_settle_a_thin_gap():
    few = replace(HEALTHY, train_score=0.97, val_score=0.90, val_rows=50)
    assert verdict(few).verdict == "undecided"
    assert verdict(replace(few, val_rows=5000)).verdict == "overfit"


def test_validation_that_is_better_by_chance_says_nothing_of_the_labels():
    lucky = replace(POOR, contradicted=0.12, val_score=POOR.train_score + 0.09, val_rows=200)
    assert verdict(lucky).verdict == "low_capacity"
    assert verdict(replace(lucky, val_rows=20_000, train_rows=20_000)).verdict == "label_noise"


@pytest.mark.parametrize(
    ("rows", "then", "code"),
    [
        (600, (0.64, 0.72), "fine"),  # on the way up, where so many rows say little
        (20_000, (0.64, 0.72), "label_noise"),
        (600, (0.64, 0.82), "label_noise"),
    ],
)
def test_a_lead_is_as_sure_as_the_rows_of_its_own_epoch_make_it(rows, then, code):
    """At the end both scores are near 1, of which few rows say much; of those on the way they do not."""
    curves = {"train_score": [then[0], 0.998], "val_score": [then[1], 1.0]}
    setup = {"train_rows": rows, "val_rows": rows}
    lead = Facts.of({"task": "classification", "setup": setup, "curves": curves}).most_lead
    good = replace(HEALTHY, train_score=0.998, val_score=1.0, train_rows=rows, val_rows=rows, contradicted=0.0)
    assert verdict(replace(good, most_lead=lead)).verdict == code


def test_a_net_that_contradicts_labels_it_never_saw_as_often_may_be_at_fault_itself():
    doubting = replace(HEALTHY, contradicted=0.065)
    found = verdict(replace(doubting, contradicted_more=-0.01))
    assert found.candidates == ["label_noise", "fine"]
    (why,) = found.because
    assert why.endswith(": the net surely contradicts as many validation labels, so the fault may be its own.")
    assert verdict(replace(doubting, contradicted_more=0.03)).verdict == "label_noise"
    assert verdict(replace(doubting, contradicted_more=None)).verdict == "label_noise"  # an older run's
    assert verdict(replace(doubting, contradicted_more=-0.01, most_lead=0.2)).verdict == "label_noise"
    assert verdict(replace(HEALTHY, contradicted_more=-0.01)).verdict == "fine"


def test_dead_units_are_not_called_a_vanishing_gradient():
    dead = REACHED["dead_units"]
    assert dead.gradient_ratio == 0.0
    assert verdict(dead).verdict == "dead_units"


def test_the_deep_net_without_shortcuts_is_not_called_a_vanishing_gradient():
    deep = replace(POOR, hidden_layers=55, gradient_ratio=0.6, cosine_last=0.987, collapse=0.02, movement_first=0.1)
    assert verdict(deep).verdict == "signal_collapse"


def test_a_signal_that_collapsed_before_the_first_update_did_so_whatever_the_rate():
    still = replace(POOR, cosine_last=0.99, collapse=0.02, movement_first=1e-4)
    assert verdict(still).verdict == "signal_collapse"


def test_rows_that_look_alike_for_another_reason_are_no_collapsed_signal():
    alike = replace(POOR, cosine_last=0.995, collapse=0.02)
    assert verdict(alike).verdict == "signal_collapse"
    # What a sigmoid gives is about a half for every row, which the next layer's biases can take away.
    assert verdict(replace(alike, offset_activations=True)).verdict == "low_capacity"
    # Rows that come out of a dead layer as zeros have no direction that could be compared.
    dead = replace(POOR, dead_at_start=1.0, dead_at_end=1.0, gradient_ratio=0.0, movement_first=0.01)
    assert verdict(replace(dead, cosine_last=None, collapse=None)).verdict == "dead_units"


def test_labels_are_doubted_where_the_best_net_agrees_more_with_those_it_never_saw():
    learned_by_heart = replace(HEALTHY, val_score=0.7, train_score=0.98)
    assert verdict(replace(learned_by_heart, most_lead=0.2)).verdict == "label_noise"
    assert verdict(replace(learned_by_heart, most_lead=-0.02)).verdict == "overfit"
    # On the way to learning wrong labels by heart the loss falls and falls: longer is not what it needs.
    on_the_way = replace(POOR, train_losses=(1.6, 1.4, 1.1, 0.9, 0.7, 0.5), train_score=0.87, val_score=0.81)
    assert verdict(replace(on_the_way, most_lead=0.2, contradicted=0.15)).verdict == "label_noise"
    assert verdict(on_the_way).verdict == "train_longer"


def test_the_one_class_note_names_the_share():
    found = verdict(replace(POOR, predicted_class=1, predicted_share=1.0, labelled_share=0.1135, gradient_ratio=1e-5))
    assert "class 1" in found.notes[0]
    assert "11.3 %" in found.notes[0] or "11.4 %" in found.notes[0]
    assert "class 1" in str(found)
    assert not verdict(HEALTHY).notes


# Doubt


def test_a_thin_margin_that_matters_is_undecided():
    found = verdict(replace(HEALTHY, val_score=0.95 - 0.0501))
    assert found.verdict == "undecided"
    assert found.candidates == ["overfit", "fine"]
    assert any("Too close to call" in line for line in found.because)


def test_a_thin_margin_that_changes_nothing_is_passed_over():
    # Whatever the answer about 4.9e-3, the run had too few updates.
    assert verdict(replace(POOR, updates=20, movement_first=4.9e-3)).verdict == "too_few_updates"
    close_gate = replace(HEALTHY, train_score=0.9001, duplicate_share=0.3)
    assert verdict(close_gate).verdict == "leak"


def test_a_result_at_the_target_itself_is_undecided():
    found = verdict(replace(HEALTHY, train_score=0.9, val_score=0.89))
    assert found.verdict == "undecided"
    assert "fine" in found.candidates


def test_what_was_not_measured_counts_only_where_it_could_decide():
    assert verdict(replace(POOR, gradient_ratio=None)).verdict == "undecided"
    assert verdict(replace(HEALTHY, gradient_ratio=None)).verdict == "fine"
    found = verdict(replace(HEALTHY, val_score=None, val_losses=(), val_rows=0, duplicate_share=None, val_chance=None))
    assert found.verdict == "undecided"
    assert any("validation" in line for line in found.because)


def test_nothing_known_is_undecided_and_says_so():
    found = verdict(Facts())
    assert found.verdict == "undecided"
    assert "Too little was measured" in str(found)


def test_evidence_that_contradicts_itself_is_undecided():
    found = verdict(replace(POOR, val_score=0.95))
    assert found.verdict == "undecided"
    assert any("better than training" in line for line in found.because)


@pytest.mark.parametrize("name", [f.name for f in fields(Facts)])
def test_no_rule_minds_a_missing_fact(name):
    default = next(f.default for f in fields(Facts) if f.name == name)
    for facts in REACHED.values():
        json.dumps(verdict(replace(facts, **{name: default})).to_json(), allow_nan=False)


# Regression


def test_a_regression_is_diagnosed_by_what_applies():
    good = replace(HEALTHY, task="regression", batch_entropy_share=None, contradicted=None, val_chance=0.0)
    assert verdict(good).verdict == "fine"
    assert "regression" in str(verdict(good))
    deaf = replace(good, train_score=0.2, val_score=0.2, gradient_ratio=1e-6)
    assert verdict(deaf).verdict == "vanishing_gradient"


def test_how_good_a_regression_can_be_is_not_guessed_but_a_target_settles_it():
    noisy = replace(POOR, task="regression", batch_entropy_share=None, contradicted=None, val_chance=0.0)
    assert verdict(noisy).verdict == "undecided"
    assert "noise" in str(verdict(noisy))
    high = replace(LINES, train_score=Line(0.95, 0.001, "mine"))
    assert decide(noisy, high, {}, explicit_target=True).verdict == "low_capacity"
    low = replace(LINES, train_score=Line(0.5, 0.001, "mine"))
    assert decide(noisy, low, {}, explicit_target=True).verdict == "fine"


# The logic of four values


def test_a_line_has_two_sides_and_a_band():
    line = Line(1.0, 0.1, "")
    assert [above("x", v, line).state for v in (1.2, 1.05, 0.95, 0.8, None)] == [
        State.FIRED,
        State.CLOSE,
        State.CLOSE,
        State.RULED_OUT,
        State.UNKNOWN,
    ]
    assert below("x", 0.8, line).state is State.FIRED
    assert below("x", 1.0, Line(1.0, 0.0, "")).state is State.RULED_OUT


@given(st.lists(st.sampled_from(State), min_size=1, max_size=4))
def test_both_and_either_agree_with_every_way_to_settle_the_open_ones(states):
    def settled(state):
        return {State.FIRED: [True], State.RULED_OUT: [False]}.get(state, [True, False])

    ways = [[]]
    for state in states:
        ways = [[*way, answer] for way in ways for answer in settled(state)]
    for combine, rule in ((both, all), (either, any)):
        outcomes = {rule(way) for way in ways}
        expected = {State.FIRED} if outcomes == {True} else {State.RULED_OUT} if outcomes == {False} else None
        assert {combine(*states)} == expected if expected else combine(*states) in (State.CLOSE, State.UNKNOWN)


# Remedies


SETTINGS = {row.key: row.default for row in options()} | {"optim.lr": 0.1}


@pytest.mark.parametrize("code", REMEDIES)
@pytest.mark.parametrize("settings", [SETTINGS, SETTINGS | {"optim.l2": 0.1, "fit.batch_size": 5000}, {}])
def test_every_change_is_one_that_the_command_line_takes(code, settings):
    change = proposal(code, settings)
    flags = verdict(REACHED[code], settings=settings).change
    assert bool(change) == bool(flags)
    configure({key: list(value) if isinstance(value, tuple) else value for key, value in change.items()})
    by_flag = {row.flag: row.key for row in options()}
    words = flags.split()
    assert configure(flags={by_flag[flag]: text for flag, text in zip(words[::2], words[1::2], strict=True)})
    assert all(settings.get(key) != value for key, value in change.items())


@pytest.mark.parametrize(
    ("code", "options", "change"),
    [
        ("low_capacity", {"model.hidden": [30_000, 100]}, {"model.hidden": [65_536, 400]}),
        ("low_capacity", {"model.hidden": [65_536]}, {}),
        ("over_regularised", {"model.input_scale": 2.0}, {"model.dropout": [], "model.input_scale": None}),
        ("rate_too_high", {"optim.schedule": "cosine", "optim.min_lr": 0.05}, {}),
    ],
)
def test_a_change_that_a_run_could_not_be_made_with_is_not_proposed(code, options, change):
    settings = dict(flat(configure({"optim.lr": 0.1} | options).to_dict()))
    assert proposal(code, settings) == change
    configure(settings | change)


@pytest.mark.parametrize(
    ("code", "name", "lr", "better"),
    [
        ("rate_too_high", "sgd", 3.0, 0.3),
        ("rate_too_high", "adam", 1.0, 1e-3),
        ("rate_too_high", "adam", 1e-3, 1e-4),
        ("rate_too_low", "sgd", 0.01, 0.1),
        ("rate_too_low", "sgd", 1e-4, 0.1),
        ("rate_too_low", "adam", 2e-6, 1e-3),
    ],
)
def test_a_rate_is_changed_tenfold_or_to_the_usual_one_where_that_is_far(code, name, lr, better):
    assert proposal(code, {"optim.name": name, "optim.lr": lr}) == {"optim.lr": better}


def test_dead_units_get_another_start_and_no_higher_rate_than_usual():
    settings = {"model.activation": "relu", "model.init": "glorot", "optim.name": "sgd"}
    start = {"model.activation": "leaky_relu", "model.init": "he"}
    assert proposal("dead_units", settings | {"optim.lr": 0.05}) == start
    assert proposal("dead_units", settings | {"optim.lr": 3.0}) == start | {"optim.lr": 0.1}


def test_a_run_that_counts_updates_is_made_longer_in_updates():
    assert proposal("train_longer", {"fit.epochs": 8, "fit.updates": 300}) == {"fit.updates": 900}
    assert proposal("train_longer", {"fit.epochs": 8, "fit.updates": None}) == {"fit.epochs": 24}


def test_rows_that_one_chose_to_train_on_are_given_back_to_validation():
    assert proposal("leak", {"data.train_on_validation": True}) == {"data.train_on_validation": False}
    assert proposal("leak", {"data.train_on_validation": False}) == {"data.drop_leaked": True}


def test_over_fitting_gets_dropout_and_the_epochs_it_takes_then_early_stopping():
    settings = {"model.dropout": (), "fit.epochs": 10, "stop.monitor": "val_loss", "stop.criterion": None}
    first = proposal("overfit", settings)
    assert first == {"model.dropout": [0.2, 0.5], "optim.schedule": "cosine", "fit.epochs": 30}
    assert "optim.schedule" not in proposal("overfit", settings | {"optim.schedule": "step"})  # it falls already
    assert proposal("overfit", settings | first) == {"stop.criterion": "patience", "stop.monitor": "val_accuracy"}


def test_every_threshold_says_why():
    for item in fields(Thresholds):
        line = getattr(LINES, item.name)
        assert line.why.endswith(".")
        assert line.band >= 0
