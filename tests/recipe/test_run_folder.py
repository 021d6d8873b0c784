"""What a run's folder says: of the machine, also which GPU it was; and one line where it says nothing of use."""

from __future__ import annotations

import json

import pytest

import autograd as ag
from recipe.cli import main
from recipe.config import configure
from recipe.run_folder import RunFile, machine
from tests.recipe.small import run_of

SMALL = ["train", "--data", "blobs", "--limit-rows", "60", "--epochs", "1", "--hidden", "4"]


def test_a_run_on_a_gpu_says_on_which(monkeypatch, tmp_path):
    monkeypatch.setattr(ag.cuda, "device_name", {"cuda": "NVIDIA H100", "cuda:1": "NVIDIA H200"}.get)
    assert [machine(device)["gpu"] for device in ("cuda", "cuda:1")] == ["NVIDIA H100", "NVIDIA H200"]
    assert "gpu" not in machine("cpu")
    RunFile(tmp_path, configure(flags={"device": "cuda:1"})).write()
    assert run_of(tmp_path)["machine"]["gpu"] == "NVIDIA H200"


def test_the_first_line_and_the_report_name_the_gpu(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("recipe.run_folder.machine", lambda device: {"gpu": "NVIDIA H200"})
    out = str(tmp_path / "run")
    assert main(["train", "--data", "blobs", "--limit-rows", "300", "--epochs", "1", "--out", out]) == 0
    assert "parameters, on cpu (NVIDIA H200); blobs: " in capsys.readouterr().out
    assert "NVIDIA H200" in (tmp_path / "run" / "report.html").read_text()


def test_a_resumed_run_keeps_what_it_began_on(monkeypatch, tmp_path):
    out = str(tmp_path / "run")
    options = ["--data", "blobs", "--limit-rows", "300", "--epochs", "3", "--checkpoint-steps", "1", "--out", out]
    for name, command in (
        ("one", ["train", *options, "--time-limit", "1e-9"]),
        ("two", ["resume", out, "--time-limit", "1e-9"]),
        ("two", ["resume", out]),
    ):
        monkeypatch.setattr("recipe.run_folder.machine", lambda device, name=name: {"processor": name})
        main(command)
    run = run_of(tmp_path / "run")
    assert (run["status"], run["machine"], run["machines_before"]) == (
        "finished",
        {"processor": "two"},
        [{"processor": "one"}],
    )
    assert "Machine before a resume" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"schema": 1}', "is damaged: status is missing; restore it, or train anew."),
        ('{"schema": 1, "status": 5}', "is damaged: status is of type int; restore it, or train anew."),
        ('{"schema": 1, "status": "finished", "config": []}', "is damaged: config is of type list; "),
        ('{"schema": 1, "status": "finished", "epochs": [{}]}', "is damaged: record 1 of its epochs is none; "),
        *(
            (
                json.dumps({"schema": 1, "status": "finished", "evidence": {"selected_epoch": selected}}),
                f"is damaged: the selected epoch is {selected!r}; ",
            )
            for selected in ("x", -1, 1.5, True)
        ),
        ("[" * 100_000, "is damaged: it is no JSON ("),
        ("[1]", "was not written by the recipe: name the folder of a run."),
    ],
)
def test_a_run_json_of_another_form_is_one_line_for_every_command(text, why, tmp_path, capsys):
    (tmp_path / "run.json").write_text(text)
    for command in ("resume", "diagnose", "report", "ensemble", "watch"):
        assert main([command, str(tmp_path)]) == 2
        err = capsys.readouterr().err
        assert err.startswith(f"recipe: {tmp_path}/run.json {why}"), command
        assert err.count("\n") == 1


HUGE = 10**400  # which JSON allows, and no float holds


@pytest.mark.parametrize("damaged", [{"config": {}}, {"seconds": None, "plan": 5}, {"test": {"error_percent": HUGE}}])
def test_a_run_json_that_lacks_what_is_shown_is_one_line(damaged, tmp_path, capsys):
    assert main([*SMALL, "--out", str(tmp_path / "r")]) == 0
    path = tmp_path / "r" / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | damaged))
    capsys.readouterr()
    assert main(["watch", str(tmp_path / "r")]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"recipe: {path} is damaged: it lacks what is shown (")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [("dropout", "x"), ("labelled", [None]), ("updates", []), pytest.param("dropout", HUGE, id="huge")],
)
def test_evidence_of_another_form_is_one_line(name, value, tmp_path, capsys):
    assert main([*SMALL, "--out", str(tmp_path / "r")]) == 0
    path = tmp_path / "r" / "run.json"
    run = json.loads(path.read_text())
    path.write_text(json.dumps(run | {"evidence": run["evidence"] | {name: value}}))
    capsys.readouterr()
    assert main(["diagnose", str(tmp_path / "r")]) == 2
    err = capsys.readouterr().err
    assert err.startswith("recipe: the evidence in the run is damaged (")
    assert err.count("\n") == 1
