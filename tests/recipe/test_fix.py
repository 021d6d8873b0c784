"""diagnose --fix: the remedy is tried in a folder of its own and compared, and what cannot be tried says why."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from recipe import fix
from recipe.cli import main
from recipe.config import configure
from tests.recipe.small import run_of

# Two clouds of points, and steps far too short to tell them apart.
SLOW = ["train", "--data", "blobs", "--limit-rows", "400", "--hidden", "8", "--optimizer", "sgd", "--lr", "1e-5"]
SLOW += ["--epochs", "4", "--batch-size", "10", "--schedule", "constant", "--name", "slow"]


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """The folder of a run whose rate is too low."""
    folder = tmp_path_factory.mktemp("runs") / "slow"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recipe.report.report", lambda folder: folder / "report.html")
        assert main([*SLOW, "--out", str(folder)]) == 0
    return folder


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """In a folder of its own and without the report, whose plots take a second."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("recipe.report.report", lambda folder: folder / "report.html")


def spoilt(slow: Path, to: Path, **changes) -> Path:
    """A copy of the run's run.json with some of its entries changed."""
    run = run_of(slow)
    to.mkdir()
    (to / "run.json").write_text(json.dumps(run | changes))
    return to


def test_the_remedy_is_tried_and_both_runs_stand_side_by_side(slow, capsys):
    assert main(["diagnose", str(slow), "--fix"]) == 0
    text = capsys.readouterr().out
    assert "the learning rate is too low: trying --lr 0.1\n" in text
    made = next(Path("runs").glob("*-slow-fix"))
    assert f"before:  the learning rate is too low  ({slow})\nafter:   fine  ({made})\n" in text
    assert "change:  --lr 0.1\n" in text
    assert "It helped.\n" in text
    before, after = (run_of(folder) for folder in (slow, made))
    shown = next(line for line in text.splitlines() if line.strip().startswith("validation accuracy"))
    for run in (before, after):
        assert f"{100 * run['epochs'][-1]['val_accuracy']:.2f} %" in shown
    assert {**before["config"]["optim"], "lr": 0.1} == after["config"]["optim"]
    assert before["config"]["data"] == after["config"]["data"]


def test_accuracies_that_differ_are_not_shown_as_equal():
    kept = [
        {"title": "", "run": "", "epochs": 1, "verdict": "", **{p: {"score": s, "loss": 0.1} for p in ("train", "val")}}
        for s in (0.9941, 0.9944)
    ]
    text = fix.as_text(
        {"before": kept[0], "after": kept[1], "change": "", "same_data": True, "better": True, "by_hand": ""}
    )
    assert "validation accuracy  99.41 %  99.44 %" in text


def test_as_json_nothing_else_is_on_stdout_and_the_command_by_hand_is_the_same_run(slow, capsys):
    assert main(["diagnose", str(slow), "--fix", "--json", "--out", "fixed"]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert "Verdict: fine" in captured.err
    assert found["before"]["verdict"] == "rate_too_low"
    assert found["after"]["verdict"] == "fine"
    assert found["better"] is True
    assert found["settings"] == {"optim.lr": 0.1}
    assert found["after"]["val"]["score"] > found["before"]["val"]["score"] + 0.2
    command = shlex.split(found["by_hand"])
    assert command[:3] == ["python", "-m", "recipe"]
    assert main([*command[3:], "--out", "by-hand"]) == 0
    one, other = (run_of(folder) for folder in ("fixed", "by-hand"))
    assert one["config"] == other["config"]
    assert one["epochs"][-1]["val_loss"] == other["epochs"][-1]["val_loss"]


def test_train_says_how_to_try_its_remedy(capsys):
    assert main([*SLOW, "--out", "slow run"]) == 0
    assert "to try it: python -m recipe diagnose 'slow run' --fix\n" in capsys.readouterr().out.replace(
        "python3", "python"
    )


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        ({}, ""),
        ({"data.source": "my folder", "optim.name": "sgd", "optim.lr": 0.1}, "--data 'my folder' --optimizer sgd"),
        ({"data.source": "spirals", "optim.max_norm": 3.0}, "--data spirals --max-norm 3"),
        ({"optim.lr": 0.00123456789, "stop.time_limit": 1234567.25}, "--lr 0.00123456789 --time-limit 1234567.25"),
        ({"name": "-x"}, "--name=-x"),
        ({"model.dropout": [], "optim.max_norm": None}, "--dropout none --max-norm none"),
        ({"paper": "standard"}, "--paper standard"),
        ({"paper": "dropout-2012", "optim.lr": 0.1}, "--lr 0.1 --paper dropout-2012"),
        ({"fit.shuffle": False, "data.drop_leaked": True}, "--drop-leaked true --shuffle false"),
    ],
)
def test_a_configuration_by_hand_is_what_is_not_as_usual(options, flags):
    assert fix.by_hand(configure(options)) == f"python -m recipe train {flags}".strip()


@pytest.mark.parametrize(
    ("evidence", "message"),
    [
        ({"train_score": [0.99], "val_score": [0.98]}, "is fine: there is nothing to fix"),
        ({"train_score": [0.901], "val_score": [0.90]}, "is undecided (rate_too_low, fine)"),
        (
            {"train_score": [0.99], "val_score": [0.01]},
            "of another kind: no option of a run can mend that. Look at both",
        ),
    ],
)
def test_a_run_without_a_remedy_says_why(slow, tmp_path, capsys, evidence, message):
    run = run_of(slow)
    run["evidence"]["curves"] |= evidence
    run["evidence"] |= {"val_chance": 0.3, "contradicted": {"share": 0.0}}
    folder = spoilt(slow, tmp_path / "run", evidence=run["evidence"])
    assert main(["diagnose", str(folder), "--fix"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not Path("runs").exists()


@pytest.mark.parametrize("config", [None, {}, {"optim": {"name": "magic"}}])
def test_a_run_without_a_configuration_is_refused(slow, tmp_path, capsys, config):
    folder = spoilt(slow, tmp_path / "run", config=config)
    assert main(["diagnose", str(folder), "--fix"]) == 2
    error = capsys.readouterr().err
    assert "no configuration that could be trained by again" in error
    assert error.count("\n") == 1


def test_data_that_are_gone_are_named_before_a_folder_is_made(slow, tmp_path, capsys):
    run = run_of(slow)
    run["config"]["data"]["source"] = str(tmp_path / "gone")
    folder = spoilt(slow, tmp_path / "run", config=run["config"])
    assert main(["diagnose", str(folder), "--fix", "--out", "new"]) == 2
    error = capsys.readouterr().err
    assert f"{tmp_path / 'gone'}: there is no such folder" in error
    assert not Path("new").exists()


def test_folders_in_the_way_and_flags_that_do_not_go_together(slow, capsys):
    assert main(["diagnose", str(slow), "--fix", "--out", str(slow)]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert main(["diagnose", str(slow), "--out", "new"]) == 2
    assert "give both, or neither" in capsys.readouterr().err


def test_a_change_that_leaves_the_numbers_is_still_compared(slow, monkeypatch, capsys):
    run = run_of(slow)
    monkeypatch.setattr("recipe.diagnose.verdict.proposal", lambda code, settings: {"optim.lr": 1e30})
    assert main(["diagnose", str(slow), "--fix", "--out", "worse"]) == 1
    captured = capsys.readouterr()
    assert "the run with the change failed: step" in captured.err
    assert "It did not help" in captured.out
    assert run["status"] == "finished"
    assert run_of("worse")["status"] == "failed"


def test_a_leak_is_not_said_to_have_become_worse(slow, tmp_path):
    comparison = {
        "change": "--drop-leaked true",
        "same_data": True,
        "better": False,
        "by_hand": "",
        "before": {"verdict": "leak", "title": "leak", "run": "a", "epochs": 1}
        | {part: {"score": 0.9, "loss": 0.1} for part in ("train", "val")},
    }
    text = fix.as_text(comparison | {"after": comparison["before"]})
    assert "the result after is true" in text
    assert "did not help" not in text
