"""The file that a run on a GPU leaves, and the sentence where there is none."""

from __future__ import annotations

import json
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


@pytest.mark.skipif(gpu_outcome.missing() is None, reason="this machine has a GPU")
def test_without_a_gpu_the_marked_tests_stop_at_once():
    pytest_gpu = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "gpu"]
    command = [*pytest_gpu, "tests/autograd/test_laws.py"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 2
    assert "need a GPU" in run.stdout + run.stderr
