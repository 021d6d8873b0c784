"""The first bank with one seed, and shorter: what `python -m benchmarks diagnosis` scores in full."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.diagnosis.broken import BROKEN
from benchmarks.diagnosis.setups import SetUp, by, carry_out, fit, net

# With a third of the rows there are a third of the updates: low capacity cannot be told from too short a run.
ROWS = 1000
MORE_ROWS = {"noisy-labels": 3000}  # fewer rows are learned by heart before anything else is
EPOCHS = {
    "deep-sigmoid": 6,
    "rate-too-high": 6,
    "rate-too-low": 6,
    "over-fit": 15,
    "dead-relu": 6,
    "raw-pixels": 6,
    "noisy-labels": 20,
    "leak": 6,
    "l2-too-strong": 8,
    "equal-weights": 6,
    "large-weights": 6,
    "sorted": 6,
    "other-pixels": 10,
    "whole-batches": 6,
}


def shorter(set_up: SetUp, rows: int, epochs: int) -> SetUp:
    rows = min(rows, set_up.options.get("data.limit_rows", rows))
    return replace(set_up, options={**set_up.options, "data.limit_rows": rows, "fit.epochs": epochs})


@pytest.mark.parametrize("name", EPOCHS)
def test_a_broken_run_is_named_for_what_broke_it(name):
    set_up = shorter(BROKEN[name], MORE_ROWS.get(name, ROWS), EPOCHS[name])
    found = carry_out(set_up, seed=0).diagnosis
    assert found.verdict == set_up.verdict, str(found)
    if name == "deep-sigmoid":
        assert "whatever they are" in found.notes[0]  # it predicts one class
    # What only the data can be mended of has no change to offer.
    assert bool(found.settings) == (name != "other-pixels")


def test_a_healthy_run_is_fine():
    found = carry_out(BROKEN["fine"], seed=1).diagnosis
    assert found.verdict == "fine", str(found)
    assert not any(row["fired"] for row in found.evidence)


def test_a_plain_net_of_56_layers_loses_its_signal_and_no_gradient():
    deep = SetUp("signal_collapse", fit(1000, 50, 5) | net((64,) * 55, init="he") | by("sgd", 0.01, momentum=0.9))
    found = carry_out(deep, seed=0)
    assert found.diagnosis.verdict == "signal_collapse", str(found.diagnosis)
    assert any(row["code"] == "vanishing_gradient" for row in found.diagnosis.ruled_out)
    assert found.diagnosis.settings == {"model.hidden": [64] * 5}
    mended = carry_out(deep, seed=0, change=found.diagnosis.settings)
    assert mended.val["score"] > found.val["score"] + 0.3


def test_a_run_that_was_cut_off_is_undecided():
    cut_off = SetUp("undecided", fit(500, 5, 1) | by("sgd", 0.005))
    found = carry_out(cut_off, seed=0).diagnosis
    assert found.verdict == "undecided", str(found)
    assert "train_longer" in found.candidates
    assert not found.change
    assert "Not measured: fall of the loss" in "".join(found.because)
