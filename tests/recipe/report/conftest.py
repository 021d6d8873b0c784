"""One run folder and its page for all tests of this folder; each test that changes it copies it first."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from recipe.report import report

_spec = importlib.util.spec_from_file_location("report_runs", Path(__file__).with_name("runs.py"))
assert _spec is not None
assert _spec.loader is not None
runs = importlib.util.module_from_spec(_spec)
sys.modules["report_runs"] = runs
_spec.loader.exec_module(runs)


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """(folder, model, test rows) of a finished run."""
    folder = tmp_path_factory.mktemp("runs") / "a <b>run & more"
    folder.mkdir()
    return folder, *runs.make(folder)


@pytest.fixture(scope="session")
def html_page(made):
    """The path of its report."""
    folder, model, test = made
    return report(folder, model=model, test=test)
