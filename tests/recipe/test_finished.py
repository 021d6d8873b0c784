"""A run that is over: its folder keeps the weights that it was tested with, and its figures are theirs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import nn
from recipe.cli import main
from recipe.errors import UsageError
from recipe.finished import load_finished
from recipe.metrics import accuracy, error_percent
from recipe.report import report
from tests.recipe.small import run_of

SMALL = ["train", "--data", "spirals", "--limit-rows", "600", "--lr", "0.02", "--out", "out"]
STOPPING = ["--epochs", "12", "--early-stopping", "patience", "--patience", "2", "--min-delta", "0.1"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("recipe.report.report", lambda folder: folder / "report.html")


def error_of_kept() -> float:
    """The test error of the weights that the run's folder gives back, in per cent."""
    model, parts = load_finished(Path("out")).network()
    model.eval()
    return error_percent(float(accuracy(model(parts.x_test).data, parts.y_test)))


def test_with_a_least_improvement_the_tested_weights_are_kept():
    assert main([*SMALL, *STOPPING]) == 0
    run, found = run_of("out"), load_finished(Path("out"))
    losses = [record["val_loss"] for record in run["epochs"]]
    selected = run["evidence"]["selected_epoch"]
    assert losses[selected] > min(losses)  # a later one was less, by less than was asked for
    assert found.epoch == selected
    assert found.train_loss == run["epochs"][selected]["train_loss"]
    assert error_of_kept() == pytest.approx(run["test"]["error_percent"])


def test_the_errors_of_a_report_are_of_the_weights_that_were_tested():
    assert main([*SMALL, *STOPPING]) == 0
    run = run_of("out")
    kept = run["epochs"][run["evidence"]["selected_epoch"]]
    assert kept["val_accuracy"] != run["epochs"][-1]["val_accuracy"]
    shown = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", report(Path("out")).read_text()))
    assert shown["test error"] == f"{run['test']['error_percent']:.2f} %"
    assert shown["validation error"] == f"{100 * (1 - kept['val_accuracy']):.2f} %"
    assert shown["training error"] == f"{100 * (1 - kept['train_accuracy']):.2f} %"
    assert shown["selected epoch"] == str(kept["epoch"] + 1)
    assert shown["epochs"] == str(len(run["epochs"]))


def test_a_run_that_failed_later_than_its_checkpoint_has_no_weights_to_look_at():
    """The penalty doubles the weights at each step, until they overflow inside an epoch."""
    growing = ["--hidden", "none", "--optimizer", "sgd", "--lr", "3", "--l2", "1", "--schedule", "constant"]
    assert main(["train", "--data", "blobs", *growing, "--checkpoint-steps", "50", "--out", "out"]) == 1
    run = run_of("out")
    assert run["status"] == "failed"
    assert run["epochs"][-1]["step"] % 50
    text = f"out failed after {run['epochs'][-1]['step']} updates, and its newest checkpoint is of "
    with pytest.raises(UsageError, match=text):
        load_finished(Path("out"))
    assert '<figure id="confusion">' not in report(Path("out")).read_text()


def test_a_failure_counts_epochs_from_one_as_the_progress_lines_do(capsys):
    assert main([*SMALL, "--optimizer", "sgd", "--lr", "1e9", "--epochs", "2"]) == 1
    out, err = capsys.readouterr()
    assert "epoch  1/2" in out or "epoch 1/2" in out
    assert re.match(r"recipe: step \d+ \(epoch 1\): ", err)
    assert "(epoch 1)" in run_of("out")["stop"]


@pytest.mark.parametrize("state", ["[]", "{}", "{", '{"model": {"$array": "gone"}}'])
def test_a_checkpoint_of_other_contents_is_refused_in_one_line(state, capsys):
    assert main([*SMALL, "--epochs", "1"]) == 0
    nn.save({}, Path("out/checkpoint.safetensors"), metadata={"state": state})
    run = run_of("out")
    Path("out/run.json").write_text(json.dumps(run | {"status": "interrupted"}))
    capsys.readouterr()
    for command in (["resume", "out"], ["ensemble", "out"], ["train", "--data", "spirals", "--start-from", "out"]):
        assert main(command) == 2, command
        assert re.fullmatch(r"recipe: .*checkpoint.safetensors.*\n", capsys.readouterr().err), command
