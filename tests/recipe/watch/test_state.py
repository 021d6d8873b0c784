"""What the page is told of a run: the lines of its charts, and a verdict that never says more than is known."""

from __future__ import annotations

import copy
import json

import pytest

from recipe.config import configure
from recipe.diagnose import diagnose
from recipe.watch.state import MOST_POINTS, curves, gradients, so_far, state_of, thinned, verdict

NAN = float("nan")


def record(epoch: int, train: float, val: float, loss: float = 0.5) -> dict:
    return {
        **{"epoch": epoch, "step": 100 * (epoch + 1), "train_loss": loss, "val_loss": loss},
        **{"train_accuracy": train, "val_accuracy": val, "gradient_rms": {"linear1": 0.1, "linear2": 0.2}},
    }


def evidence(train: list[float], val: list[float], losses: list[float], **more: object) -> dict:
    """What a healthy run leaves after some epochs, before its end."""
    setup = {
        **{"train_rows": 900, "val_rows": 300, "classes": 3, "label_counts": [300] * 3, "first_loss": 1.1},
        **{"val_label_counts": [100] * 3, "guess_loss": 1.0986, "duplicate_share": 0.0, "repeated_share": 0.0},
        **{"input_mean": 0.0, "input_std": 1.0, "batch_label_entropy": 1.0, "shuffled_label_entropy": 1.0},
    }
    look = {
        **{"gradient_rms": {"linear1": 0.01, "linear2": 0.01}, "dead": {"relu1": 0.0}, "saturated": {}},
        **{"row_cosine": {"linear1": 0.1, "linear2": 0.2}, "identical_units": {"linear1": 1.0}},
    }
    looks = [{"epoch": i, **look, "movement": 0.3, "weight_norm": 1.2} for i in range(len(train) + 1)]
    found = {
        **{"schema": 1, "task": "classification", "setup": setup, "looks": looks, "updates": 100 * len(train)},
        "curves": {
            **{"train_loss": losses, "val_loss": losses, "running_loss": losses},
            **{"train_score": train, "val_score": val, "running_score": train},
        },
        **{"contradicted": {"epoch": 0, "share": 0.0, "rows": 900}, "activations": {"relu1": "ReLU"}, "dropout": 0.0},
    }
    return found | more


def run(train: list[float], val: list[float], losses: list[float] | None = None, **more: object) -> dict:
    losses = losses or [0.5] * len(train)
    config = configure(flags={"data.source": "blobs", "fit.epochs": "10"}).to_dict()
    return {
        **{"status": "running", "config": config, "parameters": 1234, "seconds": 2.5, "stop": None, "test": None},
        "epochs": [record(i, *values) for i, values in enumerate(zip(train, val, losses, strict=True))],
        **{"evidence": evidence(train, val, losses), "diagnosis": None, "plan": {"epochs": 10, "updates": 1000}},
        **more,
    }


def test_the_lines_of_the_charts():
    found = curves({"epochs": [record(0, 0.9, 0.8, 0.3), record(1, 1.0, 0.75, NAN), {"epoch": 2, "step": 250}]})
    assert found["loss"] == {"training": [(1, 0.3), (2, None)], "validation": [(1, 0.3), (2, None)]}
    assert found["error"]["training"] == [(1, pytest.approx(10)), (2, pytest.approx(0))]
    assert found["error"]["validation"] == [(1, pytest.approx(20)), (2, pytest.approx(25))]


def test_gradients_by_layer_skip_epochs_without_them():
    records = [record(0, 1, 1), {"epoch": 1, "step": 200}, record(2, 1, 1) | {"gradient_rms": {"linear1": NAN}}]
    assert gradients({"epochs": records}) == {"linear1": [(1, 0.1), (3, None)], "linear2": [(1, 0.2), (3, None)]}


@pytest.mark.parametrize(("lines", "points"), [(1, 0), (1, 1), (1, 7), (1, 401), (1, 20_000), (200, 500)])
def test_thinned_lines_keep_their_ends_and_can_be_drawn(lines, points):
    found = thinned({str(name): [(float(i), 0.0) for i in range(points)] for name in range(lines)})
    assert len(found) == lines
    for line in found.values():
        assert len(line) <= MOST_POINTS + 1
        assert [x for x, _ in line] == sorted({x for x, _ in line})
        assert (line[0][0], line[-1][0]) == (0.0, points - 1.0) if points else line == []
    assert sum(map(len, found.values())) <= 2400 + 21 * lines


def test_the_whole_state_is_json_without_nan():
    state = state_of(run([0.5, 0.7], [0.5, 0.6], [NAN, float("inf")], test={"loss": NAN, "error_percent": 3.0}))
    json.dumps(state, allow_nan=False)
    assert state["progress"] == {"epoch": 2, "epochs": 10, "step": 200, "steps": 1000, "seconds": 2.5}
    assert state["net"] == "hidden layers 32-32 relu, 1,234 parameters, blobs, cpu"
    assert state["test"] == {"loss": None, "error_percent": 3.0, "error": "3.00 %"}


def test_a_good_run_is_fine_so_far_though_chance_was_not_measured_yet():
    healthy = run([0.95, 0.97], [0.94, 0.96])
    assert diagnose(healthy).verdict == "undecided"  # without the bound
    assert so_far(healthy).verdict == "fine"
    assert verdict(healthy) == {
        **{
            "provisional": True,
            "mark": "good",
            "title": "fine",
            "lines": ["Good on training data and on validation data."],
        },
        **{"advice": "", "change": "", "epochs": 2},
    }


def test_a_validation_result_that_may_be_chance_is_not_called_anything():
    """With the bound it would look like a mismatch; but how much is chance is not known, so it may be over-fitting."""
    doubtful = run([0.97, 0.98], [0.3, 0.33])
    bounded = copy.deepcopy(doubtful)
    bounded["evidence"]["val_chance"] = 1 / 3
    assert diagnose(bounded).verdict == "validation_mismatch"
    found = so_far(doubtful)
    assert found.verdict == "undecided"
    assert {"validation_mismatch", "overfit"} <= set(found.candidates)


def test_over_fitting_is_seen_while_it_happens_with_its_remedy():
    found = verdict(run([0.97, 0.99], [0.80, 0.79]))
    assert (found["title"], found["mark"], found["provisional"]) == ("over-fitting", "bad", True)
    assert "early stopping" in found["advice"]
    assert found["change"].startswith("--dropout 0.2,0.5 ")


@pytest.mark.parametrize("losses", [[1.0], [1.0, 0.9, 0.8, 0.5], [1.09, 0.7, 0.69, 0.69, 0.69, 0.69, 0.69, 0.69, 0.69]])
def test_what_only_the_end_can_tell_is_not_said_before(losses):
    learning = run([0.5] * len(losses), [0.5] * len(losses), losses)
    early = so_far(learning)
    assert {early.verdict, *early.candidates} <= {"too_few_updates", "train_longer", "low_capacity", "undecided"}
    found = verdict(learning)
    assert (found["title"], found["mark"], found["advice"], found["change"]) == ("still learning", "doubt", "", "")


def test_before_the_first_epoch_only_the_set_up_can_be_wrong():
    begun = run([], [])
    begun["evidence"]["curves"] = {}
    assert (verdict(begun)["title"], verdict(begun)["mark"]) == ("nothing was found yet", "doubt")
    begun["evidence"]["setup"]["duplicate_share"] = 0.5
    assert verdict(begun)["title"] == "validation rows leaked into training"
    assert verdict(run([], [], evidence=None))["title"] == "nothing was found yet"


def test_the_verdict_that_stands_replaces_the_one_so_far():
    finished = run([0.5, 0.5], [0.5, 0.5], [1.0, 0.9])
    finished["diagnosis"] = diagnose(finished).to_json()
    found = verdict(finished)
    assert not found["provisional"]
    assert found["title"] == finished["diagnosis"]["title"]
    assert found["advice"] == finished["diagnosis"]["remedy"]
