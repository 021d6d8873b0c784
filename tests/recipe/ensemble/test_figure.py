"""The Monte-Carlo figure: its numbers are those of the averages, and the command leaves them in the run's folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import nn
from autograd.random import Generator
from recipe.cli import main
from recipe.ensemble import mc_predict, scaled_predict
from recipe.ensemble.figure import monte_carlo_figure
from tests.recipe.small import run_of


def net():
    g = Generator(3)
    layers = [
        nn.Linear(5, 30, generator=g),
        nn.ReLU(),
        nn.Dropout(0.5, generator=Generator(4)),
        nn.Linear(30, 3, generator=g),
    ]
    return nn.Sequential(*layers)


def rows(count=200):
    random = np.random.default_rng(0)
    return random.normal(0, 1, (count, 5)).astype(np.float32), random.integers(0, 3, count)


def percent(probabilities, y):
    return 100 * float((probabilities.argmax(axis=1) != y).mean())


def test_the_points_are_the_errors_of_the_averages():
    model, (x, y) = net(), rows()
    told: list[str] = []
    found = monte_carlo_figure(model, x, y, (1, 3), repetitions=4, seed=7, tell=told.append)
    assert found["scaled"] == percent(scaled_predict(model, x), y)
    for point in found["points"]:
        errors = [percent(mc_predict(model, x, point["masks"], seed=7 + r).arithmetic, y) for r in range(4)]
        assert point["errors"] == errors
        assert point["mean"] == pytest.approx(np.mean(errors))
        assert point["std"] == pytest.approx(np.std(errors, ddof=1))
    assert len(told) == 4
    assert found["ends"] == pytest.approx(found["points"][-1]["mean"] - found["scaled"])
    assert (found["as_expected"], found["rows"]) == (None, 200)
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("means", "scaled", "crosses", "expected"),
    [
        ([9.0, 3.0, 1.99], 2.0, 100, True),
        ([9.0, 3.0, 2.04], 2.0, None, False),
        ([9.0, 1.5, 1.99], 2.0, 10, False),  # after ten masks: too early
        ([9.0, 3.0, 1.90], 2.0, 100, False),  # ends too far from it
    ],
)
def test_what_the_paper_lets_expect_is_computed(means, scaled, crosses, expected, monkeypatch):
    labels = np.zeros(10_000, int)

    class Answer:
        def __init__(self, error):
            self.arithmetic = np.eye(2)[(np.arange(10_000) < round(100 * error)).astype(int)]

    monkeypatch.setattr("recipe.ensemble.figure.scaled_predict", lambda *a: Answer(scaled).arithmetic)
    monkeypatch.setattr("recipe.ensemble.figure.mc_curve", lambda *a, **b: [Answer(mean) for mean in means])
    found = monte_carlo_figure(net(), labels, labels, (1, 10, 100), repetitions=1)
    assert (found["crosses"], found["as_expected"]) == (crosses, expected)
    assert found["points"][0]["std"] is None


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


SMALL = ["train", "--data", "blobs", "--limit-rows", "300", "--epochs", "2", "--hidden", "8"]


@pytest.mark.usefixtures("elsewhere")
def test_the_command_leaves_the_numbers_and_the_figure_in_the_folder(capsys, monkeypatch):
    with monkeypatch.context() as patch:  # the plots of a report take a second
        patch.setattr("recipe.report.report", lambda folder: folder / "report.html")
        assert main([*SMALL, "--dropout", "0.1,0.5", "--out", "run"]) == 0
    before = run_of("run")
    capsys.readouterr()
    assert main(["ensemble", "run", "--masks", "1,4", "--repetitions", "2", "--rows", "100"]) == 0
    out = capsys.readouterr().out
    found = json.loads(Path("run/ensemble.json").read_text())
    assert [point["masks"] for point in found["points"]] == [1, 4]
    assert (found["rows"], found["repetitions"]) == (100, 2)
    for text in (
        "repetition 2 of 2: ",
        f"one net with scaled weights: {found['scaled']:.3f} %",
        "report run/report.html",
    ):
        assert text in out
    assert run_of("run") == before
    page = Path("run/report.html").read_text()
    assert '<figure id="ensemble">' in page
    assert Path("run/report-data/ensemble.csv").read_text().startswith("masks,mean,std,scaled\n1,")
    # Of all rows, the one net is the one that was tested.
    monkeypatch.setattr("recipe.report.report", lambda folder: folder / "report.html")
    assert main(["ensemble", "run", "--masks", "1", "--repetitions", "1"]) == 0
    assert json.loads(Path("run/ensemble.json").read_text())["scaled"] == pytest.approx(before["test"]["error_percent"])


@pytest.mark.usefixtures("elsewhere")
def test_the_figure_of_weights_that_a_run_went_on_from_is_not_shown():
    assert main([*SMALL, "--dropout", "0.5", "--epochs", "200", "--time-limit", "0.05", "--out", "run"]) == 0
    assert main(["ensemble", "run", "--masks", "1", "--repetitions", "1"]) == 0
    assert '<figure id="ensemble">' in Path("run/report.html").read_text()
    assert main(["resume", "run", "--time-limit", "0.1"]) == 0
    page = Path("run/report.html").read_text()
    assert '<figure id="ensemble">' not in page
    assert "ensemble.json is of earlier weights of this run: make it again with recipe ensemble." in page
    Path("run/ensemble.json").write_text('{"points": [3]}')
    assert main(["report", "run"]) == 0
    assert "ensemble.json is damaged: make it again with" in Path("run/report.html").read_text()
    assert main(["ensemble", "run", "--masks", "1", "--repetitions", "1"]) == 0
    assert '<figure id="ensemble">' in Path("run/report.html").read_text()


@pytest.mark.usefixtures("elsewhere")
def test_a_table_that_cannot_be_kept_is_shown(capsys, monkeypatch):
    monkeypatch.setattr("recipe.report.report", lambda folder: folder / "report.html")
    assert main([*SMALL, "--dropout", "0.5", "--out", "run"]) == 0
    Path("run/ensemble.json").mkdir()
    capsys.readouterr()
    assert main(["ensemble", "run", "--masks", "1", "--repetitions", "1", "--rows", "50"]) == 2
    out, err = capsys.readouterr()
    assert "one net with scaled weights: " in out
    assert err == "recipe: run/ensemble.json: Is a directory\n"


@pytest.mark.usefixtures("elsewhere")
def test_mistakes_are_one_line(capsys, monkeypatch):
    monkeypatch.setattr("recipe.report.report", lambda folder: folder / "report.html")
    assert main([*SMALL, "--dropout", "0.5", "--out", "run"]) == 0
    assert main([*SMALL, "--dropout", "none", "--out", "whole"]) == 0
    for argv, message in [
        (["nowhere"], "nowhere is no run folder: it has no run.json."),
        (["whole"], "the run in whole was trained without dropout: it is one network, and no ensemble."),
        (["run", "--masks", "5,2"], "--masks 5,2: wanted are numbers, each larger than the one before."),
        (["run", "--masks", "5,x"], "--masks x: wanted is a whole number from 1 up."),
        (["run", "--repetitions", "0"], "--repetitions 0: wanted is a whole number from 1 up."),
        (["run", "--device", "gpu"], '--device gpu: unknown device "gpu"'),
        (["run", "--seed", "9" * 30], f"--seed {'9' * 30}: wanted is a whole number from 0 to 9223372036854775807."),
    ]:
        capsys.readouterr()
        assert main(["ensemble", *argv]) == 2
        err = capsys.readouterr().err
        assert err.startswith(f"recipe: {message}")
        assert err.count("\n") == 1
