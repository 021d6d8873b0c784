"""The fakes, by name, importable here and in the workers."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest


@pytest.fixture
def fakes(monkeypatch):
    """The contenders of `fake_contenders.py` by name."""
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parent))
    return {c.name: c for c in import_module("fake_contenders").contenders}
