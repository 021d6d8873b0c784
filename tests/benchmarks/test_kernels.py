"""What a GPU does in a step: kernels gathered by name and size, and what is said where there is none."""

from __future__ import annotations

import json

import pytest

from benchmarks import __main__ as cli
from benchmarks.gpu import device, kernels
from benchmarks.gpu.kernels import kernels_of
from benchmarks.measure import BenchmarkError


def event(name, dur, cat="kernel", **args):
    return {"name": name, "dur": dur, "cat": cat, "args": args}


EVENTS = [
    *(event("add", 2.0, grid=[4, 1, 1], block=[256, 1, 1]) for _ in range(4)),
    *(event("add", 9.0, grid=[8, 1, 1], block=[256, 1, 1]) for _ in range(2)),
    event("Memcpy HtoD", 1.0, cat="gpu_memcpy"),
    event("cudaGraphLaunch", 50.0, cat="cuda_runtime"),
    {"name": "process_name"},
]
FOUND = [
    {"name": "add", "grid": "[8, 1, 1]", "block": "[256, 1, 1]", "launches": 1.0, "us": 9.0},
    {"name": "add", "grid": "[4, 1, 1]", "block": "[256, 1, 1]", "launches": 2.0, "us": 4.0},
    {"name": "Memcpy HtoD", "grid": "", "block": "", "launches": 0.5, "us": 0.5},
]


def test_kernels_are_gathered_by_name_and_size_the_longest_first():
    assert kernels_of(EVENTS, 2) == FOUND
    assert kernels_of([], 2) == []


class Counted:
    """A contender whose step counts its calls."""

    name, environment = "counted", {}

    def __init__(self):
        self.calls = 0

    def prepare(self, job):
        return lambda: setattr(self, "calls", self.calls + 1) or self.calls

    def values(self, result):
        return [float(result)]

    def wait(self, result):
        pass

    def versions(self):
        return {"counted": "1"}


def test_a_result_is_shown_and_kept(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(device, "describe", lambda: {"name": "NVIDIA Toy"})
    monkeypatch.setattr(kernels, "told", lambda contender, precision: Counted())
    monkeypatch.setattr(kernels, "_events", lambda contender, step, steps: EVENTS)
    monkeypatch.setattr(kernels, "_SECONDS", 1e-6)
    monkeypatch.setattr(kernels, "find_spec", lambda name: name)  # PyTorch need not be here
    assert cli.main(["kernels", "mlp-128", "--precision", "tf32", "--out", str(tmp_path)]) == 0
    path = tmp_path / "kernels-mlp-128-counted-nvidia-toy-tf32.json"
    assert json.loads(path.read_text())["losses"] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    told = capsys.readouterr().out
    assert told.startswith("NVIDIA Toy; mlp-128: 784-512-512-10, batch 128, sgd; float32, factors rounded to TF32\n")
    assert cli.main(["show", str(path)]) == 0
    assert capsys.readouterr().out.splitlines() == told.partition("\n\nsaved")[0].splitlines()


def test_without_a_gpu_it_says_so(monkeypatch, capsys):
    def none():
        raise BenchmarkError("there is no GPU here")

    monkeypatch.setattr(device, "describe", none)
    assert cli.main(["kernels", "mlp-128"]) == 1
    assert capsys.readouterr().err == "python -m benchmarks kernels: there is no GPU here\n"


def test_an_unknown_job_is_one_line(capsys):
    with pytest.raises(SystemExit):
        cli.main(["kernels", "mlp"])
    assert "invalid choice" in capsys.readouterr().err


def test_without_a_profiler_it_says_so_before_it_measures(monkeypatch, capsys):
    contender = Counted()
    monkeypatch.setattr(device, "describe", lambda: {"name": "NVIDIA Toy"})
    monkeypatch.setattr(kernels, "told", lambda *_: contender)
    monkeypatch.setattr(kernels, "find_spec", lambda name: None)
    assert cli.main(["kernels", "mlp-128"]) == 1
    error = "kernels are seen by PyTorch's profiler, and torch is not installed here."
    assert capsys.readouterr().err == f"python -m benchmarks kernels: {error}\n"
    assert contender.calls == 0
