"""The file that a run on a GPU leaves, and the sentence where there is none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import autograd
from tests import gpu_outcome

ROOT = Path(__file__).resolve().parents[1]


def test_the_outcome_is_named_after_the_device(tmp_path):
    path = gpu_outcome.write(tmp_path / "new", {"device": "NVIDIA H100 80GB HBM3"}, 12, {"b", "a"})
    assert path.name == "test-gpu-nvidia-h100-80gb-hbm3.json"
    outcome = json.loads(path.read_text())
    assert (outcome["passed"], outcome["failed"], outcome["failures"]) == (12, 2, ["a", "b"])


def test_a_missing_gpu_is_one_sentence(monkeypatch):
    def refuse(*args, **options):
        raise autograd.DeviceError("no GPU here.")

    monkeypatch.setattr(gpu_outcome, "Tensor", refuse)
    assert gpu_outcome.missing() == "no GPU here."


_CONFTEST = """
from pathlib import Path

from tests import gpu_outcome
from tests.conftest import *

gpu_outcome.RESULTS = Path(__file__).parent
gpu_outcome.missing = lambda: None
gpu_outcome.describe = lambda: {"device": "made up"}
"""
_TESTS = """
import pytest

@pytest.mark.parametrize("where", ["gpu", "cpu"])
def test_that_names_a_gpu(where):
    assert where == "cpu"

@pytest.mark.parametrize("where", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_that_runs_on_one(where):
    pass
"""


@pytest.mark.parametrize("processes", [(), ("-n", "1")])
def test_only_what_is_marked_counts_as_run_on_a_gpu(tmp_path, processes):
    (tmp_path / "conftest.py").write_text(_CONFTEST)
    (tmp_path / "test_some.py").write_text(_TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = gpu: on a device\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *processes]
    there = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, cwd=tmp_path, env=there, capture_output=True, text=True, timeout=120, check=False)
    assert "1 failed, 3 passed" in run.stdout, run.stdout + run.stderr
    outcome = json.loads((tmp_path / "test-gpu-made-up.json").read_text())
    assert (outcome["passed"], outcome["failed"]) == (1, 0)


@pytest.mark.skipif(gpu_outcome.missing() is None, reason="this machine has a GPU")
def test_without_a_gpu_the_marked_tests_stop_at_once():
    pytest_gpu = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "gpu"]
    command = [*pytest_gpu, "tests/autograd/test_laws.py"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 2
    assert "need a GPU" in run.stdout + run.stderr
