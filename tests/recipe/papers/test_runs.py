"""Runs by the settings of a paper, with few rows and small nets: they go to their end, and say what they are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import nn
from recipe.cli import main
from recipe.config import ConfigError, DataConfig
from recipe.data import Parts
from recipe.finished import load_finished
from recipe.papers import NAMES, paper, text_of
from recipe.report.write import _again
from recipe.sources import load_parts
from tests.recipe.small import run_of

ROWS, PIXELS = (300, 100, 80), 30


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch):
    """In a folder of its own, with three clouds of few pixels in the place of MNIST, and without the report."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("recipe.report.report", lambda folder: folder / "report.html")
    random = np.random.default_rng(0)
    centres = random.normal(0, 1, (3, PIXELS))
    found = []
    for rows in ROWS:
        y = random.integers(0, 3, rows)
        found += [(centres[y] + random.normal(0, 1, (rows, PIXELS))).astype(np.float32), y]
    parts = Parts(*found)

    def load(config, seed):
        if config.train_on_validation:
            x, y = np.concatenate([parts.x_train, parts.x_valid]), np.concatenate([parts.y_train, parts.y_valid])
            return parts._replace(x_train=x, y_train=y), None
        return parts, None

    monkeypatch.setattr("recipe.run.load_with_digest", load)
    monkeypatch.setattr("recipe.finished.load_with_digest", load)
    return parts


@pytest.mark.parametrize("name", [name for name in NAMES if paper(name).begins_with is None])
def test_every_paper_trains(name, capsys):
    length = ["--updates", "5"] if "updates" in paper(name).options["fit"] else ["--epochs", "2"]
    assert main(["train", "--paper", name, "--hidden", "16,12", *length, "--out", "out"]) == 0
    run = run_of("out")
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("paper "))
    assert line == run["paper"]["text"]
    assert line.startswith(f"paper {name}: test error {run['test']['error_percent']:.2f} %")
    assert "not comparable (other settings than the paper's: model.hidden, fit." in line
    assert run["config"]["paper"] == name
    rows = sum(ROWS[:2]) if run["config"]["data"]["train_on_validation"] else ROWS[0]
    per_epoch = -(-rows // run["config"]["fit"]["batch_size"])
    assert run["epochs"][-1]["step"] == (5 if "--updates" in length else 2 * per_epoch)


def test_a_run_that_is_cut_short_is_not_comparable_and_when_it_went_on_is_held_against_the_paper(capsys, monkeypatch):
    monkeypatch.setattr("recipe.papers.outcome._changed", lambda config: [])  # as if the small net were the paper's
    few = ["--hidden", "16", "--epochs", "9", "--lr", "0.02"]
    assert main(["train", "--paper", "pocket", *few, "--time-limit", "1e-9", "--out", "out"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^paper pocket: .*: not comparable \(cut after 1 update of 27\)$", out, re.M)
    assert run_of("out")["paper"]["outcome"] == "not comparable"
    assert main(["resume", "out", "--time-limit", "1e-8"]) == 0
    assert "cut after 2 updates of 27" in capsys.readouterr().out
    assert main(["resume", "out"]) == 0
    held = run_of("out")["paper"]
    assert held["outcome"] == ("inside" if held["test_error"] <= 1.95 else "outside")
    assert capsys.readouterr().out.count(f"accepted is at most 1.95 %: {held['outcome']}\n") == 1
    assert held["whole"]


def test_both_stages_of_maxout(capsys, small, monkeypatch):
    few = ["--hidden", "16,12"]
    command = ["train", "--paper", "maxout-2013", *few, "--init-scale", "0.5", "--epochs", "4", "--patience", "2"]
    assert main([*command, "--out", "one"]) == 0
    first, run = load_finished(Path("one")), run_of("one")
    accuracies = [record["val_accuracy"] for record in run["epochs"]]
    assert first.epoch == accuracies.index(max(accuracies)) == run["evidence"]["selected_epoch"]
    assert first.train_loss == run["epochs"][first.epoch]["train_loss"]
    model, _ = first.network()
    model.eval()
    wrong = (model(nn.Parameter(small.x_test)).argmax(axis=1).numpy() != small.y_test).mean()
    assert 100 * wrong == pytest.approx(run["test"]["error_percent"])  # these are the weights that were tested
    shown = {name: tensor.numpy() for name, tensor in _again(Path("one"))[0].state_dict().items()}
    np.testing.assert_equal(shown, {name: tensor.numpy() for name, tensor in first.weights.items()})
    assert "next: " not in capsys.readouterr().out  # with other settings it is not the paper's first stage

    weights = []
    fit = nn.Module.load_state_dict
    monkeypatch.setattr(
        nn.Module, "load_state_dict", lambda self, state, *a: (fit(self, state, *a), weights.append(dict(state)))[0]
    )
    command = ["train", "--paper", "maxout-2013-all", *few, "--start-from", "one", "--epochs", "30", "--out", "two"]
    assert main(command) == 0
    np.testing.assert_equal(
        {k: v.numpy() for k, v in weights[0].items()}, {k: v.numpy() for k, v in first.weights.items()}
    )
    second = run_of("two")
    assert second["config"]["stop"]["target"] == first.train_loss
    assert second["evidence"]["setup"]["train_rows"] == 400
    losses = [record["val_loss"] for record in second["epochs"]]
    assert losses[-1] <= first.train_loss < min(losses[:-1], default=np.inf)
    assert second["stop"].startswith("target: val_loss is ")
    assert second["status"] == "finished"
    out = capsys.readouterr().out
    assert "the paper's is 0.94 %, accepted is at most 1.15 %: not comparable (other settings" in out
    assert "it did not begin with a whole run of maxout-2013)" in out


def test_a_whole_first_stage_names_the_command_that_goes_on(capsys, monkeypatch):
    monkeypatch.setattr("recipe.papers.outcome._changed", lambda config: [])
    command = ["train", "--paper", "maxout-2013", "--hidden", "8,8", "--epochs", "1", "--out", "one"]
    assert main(command) == 0
    assert (
        capsys.readouterr().out.splitlines()[-1].endswith(" -m recipe train --paper maxout-2013-all --start-from one")
    )


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["train", "--paper", "maxout"], '--paper "maxout": wanted is one of dropout-2012, '),
        (["train", "--paper", "maxout-2013-all"], "--target start needs --start-from, the folder of the run"),
        (["train", "--paper", "maxout-2013-all", "--start-from", "no"], "no is no run folder: it has no run.json."),
        (["train", "--start-from", "one", "--hidden", "9"], "the weights of the run in one do not fit the network: "),
        (["train", "--start-from", "begun"], "the run in begun has not one epoch: let it train first."),
        (["papers", "maxuot-2013"], "papers knows no maxuot-2013; did you mean maxout-2013?"),
    ],
)
def test_mistakes_are_one_line(argv, message, capsys):
    assert main(["train", "--hidden", "8", "--epochs", "1", "--out", "one"]) == 0
    Path("begun").mkdir()
    Path("begun/run.json").write_text(json.dumps(run_of("one") | {"epochs": []}))
    capsys.readouterr()
    assert main(argv) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"recipe: {message}")
    assert err.count("\n") == 1


SEED = "that run is of seed 0, and with seed 1 rows that it learned from would validate: give both one seed."
LEARNED = (
    "that run learned from the rows that would validate: give --train-on-validation, or begin with a run that did not."
)


@pytest.mark.parametrize(
    ("source", "first", "second", "why"),
    [
        ("a folder", [], [], ""),
        ("a folder", [], ["--seed", "1"], SEED),
        ("a folder", [], ["--seed", "1", "--train-on-validation"], ""),
        ("a folder", ["--train-on-validation"], [], LEARNED),
        ("a folder", ["--train-on-validation"], ["--train-on-validation"], ""),
        ("mnist", [], ["--seed", "1"], ""),  # of which the same rows validate, whatever the seed
        ("mnist", ["--train-on-validation"], ["--seed", "1"], LEARNED),
        ("spirals", ["--train-on-validation"], [], LEARNED),
        ("spirals", ["--train-on-validation"], ["--seed", "1"], ""),  # which are made anew
    ],
)
def test_what_validates_was_not_learned_from_by_the_run_that_is_begun_with(source, first, second, why, capsys):
    usual = ["train", "--hidden", "8", "--epochs", "1", "--data"]
    assert main([*usual, source, *first, "--out", "one"]) == 0
    capsys.readouterr()
    same = "a folder/" if source == "a folder" else source
    assert main([*usual, same, *second, "--start-from", "one", "--out", "two"]) == (2 if why else 0)
    assert capsys.readouterr().err == (f"recipe: --start-from one: {why}\n" if why else "")


def test_the_rows_of_mnist_that_validate_are_those_of_every_seed():
    zero, one = (load_parts(DataConfig(limit_rows=10), seed) for seed in (0, 1))
    assert not np.array_equal(zero.x_train, one.x_train)
    np.testing.assert_array_equal(zero.x_valid, one.x_valid)


def test_a_run_of_its_last_weights_is_found_in_its_checkpoint():
    assert main(["train", "--hidden", "8", "--epochs", "3", "--out", "one"]) == 0
    first = load_finished(Path("one"))
    assert first.epoch == 2
    with pytest.raises(ConfigError, match="nowhere is no run folder"):
        load_finished(Path("nowhere"))


def test_the_list_and_the_files(capsys):
    assert main(["papers"]) == 0
    text = capsys.readouterr().out
    for name in NAMES:
        assert f"{name}: {paper(name).title}\n" in text
    assert "Goodfellow et al. 2013, section 5.1, table 3; pylearn2 mnist_pi_continued.yaml: 0.94 % test error" in text
    assert "accepted: at most 1.15 %, the mean of three seeds 0.85 to 1.1 %" in text
    assert main(["papers", "Maxout-2013"]) == 0
    assert capsys.readouterr().out == text_of("maxout-2013")
