"""The check that keeps tapegrad's packages away from the other project named autograd.

Each case runs in an interpreter of its own, on a path built for it, so nothing here touches the test run's imports.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CHECK = "import _tapegrad_marker; _tapegrad_marker.require_own_autograd(); print('own')"


def package(folder: Path, text: str) -> Path:
    """A package `autograd` in `folder`, whose __init__ holds `text`."""
    (folder / "autograd").mkdir(parents=True)
    (folder / "autograd" / "__init__.py").write_text(text)
    return folder


def check(*path: Path, code: str = CHECK) -> subprocess.CompletedProcess[str]:
    """Run `code` in a fresh interpreter that sees only `path` before the standard library."""
    program = f"import sys; sys.path[:0] = {[str(p) for p in path]!r}; {code}"
    return subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, timeout=60)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder that holds the marker module, as site-packages does."""
    folder = tmp_path / "site"
    folder.mkdir()
    shutil.copy(ROOT / "_tapegrad_marker.py", folder)
    return folder


def test_own_autograd_passes(home):
    package(home, "__project__ = 'tapegrad'")
    assert check(home).stdout == "own\n"


def test_another_autograd_earlier_on_the_path_is_named_with_both_paths_and_the_repair(home, tmp_path):
    package(home, "__project__ = 'tapegrad'")
    other = package(tmp_path / "other", "def grad(f): ...")
    run = check(other, home)
    assert run.returncode == 1
    error = run.stderr.splitlines()[-1]
    assert error.startswith("ImportError: `import autograd` gave another project's code")
    assert f"from {other / 'autograd'}, where" in error
    assert f"from {home / 'autograd'}. " in error
    assert f"`{sys.executable} -m pip uninstall -y autograd`" in error
    assert f"take {other} off PYTHONPATH" in error


def test_another_autograd_installed_over_ours_asks_for_both_to_go(home):
    package(home, "def grad(f): ...")
    error = check(home).stderr.splitlines()[-1]
    assert "installed over tapegrad's" in error
    assert "pip uninstall -y autograd tapegrad`, then install tapegrad again" in error


def test_a_script_named_autograd_is_asked_to_be_renamed(home, tmp_path):
    package(home, "__project__ = 'tapegrad'")
    (tmp_path / "autograd.py").write_text("x = 1")
    error = check(tmp_path, home).stderr.splitlines()[-1]
    assert f"from {tmp_path / 'autograd.py'}, where" in error
    assert "rename it" in error


def test_a_folder_left_without_its_init_is_not_ours(home):
    (home / "autograd").mkdir()
    assert "gave another project's code" in check(home).stderr.splitlines()[-1]


@pytest.mark.parametrize("name", ["nn", "optim", "recipe", "benchmarks"])
def test_every_package_makes_the_check_before_anything_else(name, tmp_path):
    other = package(tmp_path / "other", "def grad(f): ...")
    error = check(other, ROOT, code=f"import {name}").stderr.splitlines()[-1]
    assert error.startswith("ImportError: `import autograd` gave another project's code")
