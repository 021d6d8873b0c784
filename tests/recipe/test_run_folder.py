"""What a run's folder says of the machine: on a GPU also which one it was."""

from __future__ import annotations

import autograd as ag
from recipe.cli import main
from recipe.config import configure
from recipe.run_folder import RunFile, machine
from tests.recipe.small import run_of


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
