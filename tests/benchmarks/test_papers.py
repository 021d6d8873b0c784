"""Runs of papers gathered into a result: what each says of itself, the mean of whole ones, and nothing invented."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import benchmarks.__main__ as cli
from benchmarks.gpu import device as gpu_device
from benchmarks.measure import BenchmarkError
from benchmarks.papers import gather, show_papers

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def write(tmp_path):
    """Writes a run folder; gives its path."""

    def folder(name, seed, error, *, outcome="inside", why=(), device="cpu", **more):
        paper = {
            **{"name": name, "title": "A net", "source": "a paper", "error": 1.05, "accept": [0.0, 1.2]},
            **{"accept_mean": [0.0, 1.15], "test_error": error, "outcome": outcome, "why": list(why)},
            **{"whole": not why, "then": None, "text": f"paper {name}: {error}"},
        }
        run = {
            **{"paper": paper, "config": {"seed": seed, "device": device, "threads": 1}, "seconds": 12.34},
            "epochs": [{"epoch": 0, "step": 500, "val_accuracy": 0.98}],
            **{"plan": {"epochs": 2, "updates": 1000}, "stop": None, "steps": {"text": "eager"}},
            **{"diagnosis": {"verdict": "fine"}, "machine": {"processor": "one"}, **more},
        }
        path = tmp_path / f"{name}-{seed}"
        path.mkdir()
        (path / "run.json").write_text(json.dumps(run))
        return path

    return folder


def test_each_run_stands_with_its_outcome_and_its_length(write):
    cut = write("dropout", 0, 1.8, outcome="not comparable", why=["cut after 500 updates of 1,000"])
    document = json.loads(json.dumps(gather([cut])))
    (run,) = document["runs"]
    assert (run["outcome"], run["why"]) == ("not comparable", ["cut after 500 updates of 1,000"])
    assert (run["updates"], run["updates_planned"], run["validation_error"]) == (500, 1000, 2.0)
    assert run["ensemble"] is None
    assert (document["benchmark"], document["device"], document["means"]) == ("papers", "cpu", {})
    assert {"processor", "cores", "load_average_before", "commit"} <= set(document["gathered_on"])
    assert run["machine"] == {"processor": "one"}


@pytest.mark.parametrize(("errors", "outcome"), [((1.1, 1.0, 1.2), "inside"), ((1.1, 1.2, 1.2), "outside")])
def test_the_mean_of_three_whole_runs_is_judged(write, errors, outcome):
    folders = [write("dropout", seed, error) for seed, error in enumerate(errors)]
    assert gather(folders[:2])["means"] == {}
    found = gather([*folders, write("dropout", 7, 9.0, why=["cut"])])["means"]["dropout"]
    assert found == {
        "seeds": [0, 1, 2],
        "mean": pytest.approx(sum(errors) / 3),
        "accept": [0.0, 1.15],
        "outcome": outcome,
    }


def test_the_machine_is_the_runs_and_the_one_that_gathers_stands_apart(write, monkeypatch, capsys):
    def on_gpu(seed, **machine):
        return write("dropout", seed, 1.1, device="cuda", machine={"processor": "far away", **machine})

    def no_gpu():
        raise BenchmarkError("there is no GPU here")

    folders = [on_gpu(0, gpu="NVIDIA H100"), on_gpu(1)]
    monkeypatch.setattr(gpu_device, "describe", no_gpu)
    silent = gather(folders)
    assert [run["machine"].get("gpu") for run in silent["runs"]] == ["NVIDIA H100", None]
    assert "gpu" not in silent["gathered_on"]
    monkeypatch.setattr(gpu_device, "describe", lambda: {"name": "NVIDIA A100"})
    given = gather(folders, "NVIDIA H200")
    assert [run["machine"] for run in given["runs"]] == [
        {"processor": "far away", "gpu": "NVIDIA H100"},
        {"processor": "far away", "gpu": "NVIDIA H200", "gpu_given": True},
    ]
    assert given["gathered_on"]["gpu"] == {"name": "NVIDIA A100"}
    show_papers(given)
    show_papers(silent)
    out = capsys.readouterr().out
    assert "made on far away, cuda (NVIDIA H100)\n" in out
    assert "made on far away, cuda (NVIDIA H200, as given, not by the run)\n" in out
    assert "made on far away, cuda (the run does not say which GPU)\n" in out
    assert f"gathered on {given['gathered_on']['processor']['model']}\n" in out


def test_what_cannot_be_gathered(write, tmp_path):
    with pytest.raises(BenchmarkError, match="holds no concluded run of a paper's settings"):
        gather([tmp_path / "nowhere"])
    with pytest.raises(BenchmarkError, match="holds no concluded run of a paper's settings"):
        gather([write("other", 0, 1.0, paper=None)])
    with pytest.raises(BenchmarkError, match="holds no concluded run of a paper's settings"):
        gather([write("another", 0, 1.0, epochs=[5])])
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "run.json").write_text("[" * 100_000)
    with pytest.raises(BenchmarkError, match="holds no concluded run of a paper's settings"):
        gather([tmp_path / "deep"])
    with pytest.raises(BenchmarkError, match="the runs are of cpu and cuda: gather those of one kind"):
        gather([write("dropout", 0, 1.0), write("dropout", 1, 1.0, device="cuda:1")])
    with pytest.raises(BenchmarkError, match="--gpu NVIDIA H200: none of the runs was made on a GPU"):
        gather([write("dropout", 2, 1.0)], "NVIDIA H200")


def test_the_command_saves_where_it_is_told_and_shows_it_again(write, tmp_path, capsys):
    folder = str(write("dropout", 0, 1.1))
    point = {"masks": 5, "mean": 1.234, "std": 0.1, "errors": [1.2, 1.3]}
    (Path(folder) / "ensemble.json").write_text(json.dumps({"points": [point], "scaled": 1.1}))
    assert cli.main(["papers", folder]) == 0
    assert "not saved; --out FOLDER saves it" in capsys.readouterr().out
    assert cli.main(["papers", folder, "--out", str(tmp_path)]) == 0
    assert "dropout" in capsys.readouterr().out
    assert cli.main(["show", str(tmp_path / "papers-cpu.json")]) == 0
    out = capsys.readouterr().out
    assert "\ndropout 0: 5 masks 1.23 %; scaled weights 1.10 %\n" in out
    line = next(line for line in out.splitlines() if line.startswith("dropout"))
    assert line.split() == ["dropout", "0", "1.10", "%", "1.05", "%", "500", "12", "s", "inside"]


@pytest.mark.parametrize("damage", [{"outcome": 5}, {"device": 5}])
def test_a_run_whose_words_are_numbers_is_one_line(damage, write, capsys):
    assert cli.main(["papers", str(write("dropout", 0, 1.0, **damage))]) == 1
    err = capsys.readouterr().err
    assert err.startswith("python -m benchmarks papers: one of the runs holds a damaged run.json: ")
    assert err.count("\n") == 1
