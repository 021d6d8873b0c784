"""The commands diagnose, report and gradcheck, called as the command line calls them."""

from __future__ import annotations

import json

import pytest

import nn
from recipe import gradient_table
from recipe.cli import main
from tests.recipe.small import run_of

SMALL = ("--data", "blobs", "--hidden", "16", "--epochs", "3", "--batch-size", "50")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "run"
    assert main(["train", *SMALL, "--out", str(folder)]) == 0
    return folder


def test_diagnose_prints_the_verdict_as_text_and_as_json(run, capsys):
    assert main(["diagnose", str(run)]) == 0
    assert capsys.readouterr().out.startswith("Verdict: ")
    assert main(["diagnose", str(run), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == run_of(run)["diagnosis"]["verdict"]


def test_a_higher_target_changes_the_question(run, capsys):
    assert main(["diagnose", str(run), "--json", "--target", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["evidence"][0]["threshold"] == 1.0


def test_report_writes_a_page_where_it_is_told(run, tmp_path, capsys):
    (run / "report.html").unlink()
    assert main(["report", str(run)]) == 0
    assert (run / "report.html").is_file()
    assert main(["report", str(run), "--out", str(tmp_path / "page.html")]) == 0
    assert (tmp_path / "page-data" / "loss.csv").is_file()
    assert capsys.readouterr().out.splitlines() == [str(run / "report.html"), str(tmp_path / "page.html")]


@pytest.mark.parametrize("command", ["diagnose", "report"])
@pytest.mark.parametrize("text", [None, "{", "[]", '{"schema": 1, "evidence": 3}', '{"schema": 1, "epochs": [1]}'])
def test_a_missing_or_damaged_run_is_one_line_and_exit_code_2(tmp_path, capsys, command, text):
    if text is not None:
        (tmp_path / "run.json").write_text(text)
    assert main([command, str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert str(tmp_path) in captured.err or "evidence" in captured.err


@pytest.mark.parametrize("target", ["0", "2", "high", "nan"])
def test_a_target_that_cannot_be_is_refused(run, capsys, target):
    assert main(["diagnose", str(run), "--target", target]) == 2
    assert "--target" in capsys.readouterr().err


def test_gradcheck_prints_a_verdict_for_each_name(capsys):
    assert main(["gradcheck", "linear", "GELU"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines[1:3]] == [["Linear", "right", "right"], ["GELU", "right", "right"]]
    assert lines[-1] == "2 of 2 right"


def test_gradcheck_catches_a_rule_that_is_one_per_cent_off(capsys, monkeypatch):
    class Off(nn.Module):
        def forward(self, x):
            return x * x.detach() * 2.02 - x.detach() * x.detach() * 1.02  # is x * x, and its gradient 2.02 x

    monkeypatch.setitem(gradient_table._ROWS, "Linear", lambda: (Off(), [gradient_table._x(3, 2)]))
    assert main(["gradcheck", "Linear"]) == 1
    captured = capsys.readouterr()
    assert "WRONG" in captured.out
    assert "0 of 1 right" in captured.out
    assert "rules" in captured.err


def test_gradcheck_names_the_nearest_layer(capsys):
    assert main(["gradcheck", "Lineer"]) == 2
    assert "did you mean Linear?" in capsys.readouterr().err


def test_every_layer_of_nn_has_a_row():
    containers = {"Module", "Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict"}
    public = {
        name for name in nn.__all__ if isinstance(found := getattr(nn, name), type) and issubclass(found, nn.Module)
    }
    assert public - containers == set(gradient_table.names())
