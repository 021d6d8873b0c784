"""The project as it is built and set up: the wheel, the pins, the Makefile's targets and its clear refusals."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("autograd", "nn", "optim", "recipe", "benchmarks")
MAKE = shutil.which("make")
PEERS = ["peers", "peers-hips", "peers-mygrad"]
PIN = re.compile(r"[a-z0-9-]+(\[[a-z]+\])?==[0-9][0-9a-z.]*")

needs_make = pytest.mark.skipif(MAKE is None, reason="make is not installed")


@pytest.fixture(scope="module")
def config():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def test_every_package_is_typed_and_listed(config):
    assert lines(config["options.packages.find"]["include"]) == [f"{name}*" for name in PACKAGES]
    for name in PACKAGES:
        assert (ROOT / name / "py.typed").is_file()


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda path: path.name)
def test_every_requirement_is_pinned_once(path):
    pins = [line for line in lines(path.read_text()) if not line.startswith("-r ")]
    assert [line for line in pins if not PIN.fullmatch(line)] == []
    names = [line.split("==")[0] for line in pins]
    assert len(names) == len(set(names))


def test_what_the_extras_promise_is_pinned(config):
    extras = config["options.extras_require"]
    for file, wanted in [
        ("run.txt", lines(extras["recipe"]) + lines(extras["nn"]) + ["numpy"]),
        ("dev.txt", lines(extras["test"]) + lines(extras["lint"])),
        ("gpu.txt", ["cupy-cuda13x[ctk]", *(re.split("[<>=]", line)[0] for line in lines(extras["cudnn"]))]),
        ("peers.txt", ["torch", "jax"]),
    ]:
        pinned = {line.split("==")[0] for line in lines((ROOT / "requirements" / file).read_text())}
        assert set(wanted) <= pinned


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The names in the wheel, built from a copy of the tree so that nothing is left in it."""
    copy = tmp_path_factory.mktemp("source")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, copy)
    program = "import setuptools.build_meta as b, sys; print(b.build_wheel(sys.argv[1]))"
    build = subprocess.run(
        [sys.executable, "-c", program, str(copy / "dist")], cwd=copy, capture_output=True, text=True, timeout=300
    )
    assert build.returncode == 0, build.stderr
    with zipfile.ZipFile(copy / "dist" / build.stdout.splitlines()[-1]) as archive:
        yield {info.filename: info.file_size for info in archive.infolist()}


def test_the_wheel_holds_every_module_and_marker_file(wheel):
    modules = {str(path.relative_to(ROOT)) for name in PACKAGES for path in (ROOT / name).rglob("*.py")}
    typed = {f"{name}/py.typed" for name in PACKAGES}
    assert modules | typed | {"_tapegrad_marker.py"} <= set(wheel)


def test_the_wheel_holds_what_is_read_beside_the_modules(wheel):
    read = {str(path.relative_to(ROOT)) for kind in ("html", "toml") for path in (ROOT / "recipe").rglob(f"*.{kind}")}
    assert "recipe/watch/page.html" in read
    assert read <= set(wheel)


def test_the_wheel_holds_no_data_and_no_tests(wheel):
    assert [name for name in wheel if name.endswith(".gz") or name.startswith("tests/")] == []
    assert sum(wheel.values()) < 4_000_000


def make(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    assert MAKE is not None
    # What an outer make leaves in the environment would change this one.
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "MFLAGS"}
    return subprocess.run([MAKE, *arguments], cwd=cwd, env=env, capture_output=True, text=True, timeout=60)


@needs_make
def test_make_alone_prints_every_target():
    text = make().stdout
    tests = ["test", "test-gpu", "test-pretended", "test-peers", "lint"]
    targets = ["help", "train", "train-full", *tests, "bench", "gpu-report", "peers", "clean"]
    assert re.findall(r"^  make ([a-z-]+) +\S", text, re.M) == targets


@needs_make
@pytest.mark.parametrize(
    ("target", "requirements", "command"),
    [
        ("train", ["run"], "-m recipe train\n"),
        ("train-full", ["run"], "-m recipe train --epochs 15\n"),
        ("test", ["dev"], "-m pytest -q -n 2\n"),
        ("lint", ["dev"], "-m mypy"),
        ("test-peers", PEERS, "-m pytest -q -m peers\n"),
        ("test-gpu", ["gpu"], "-m pytest -q -m gpu\n"),
        ("bench", PEERS, "-m benchmarks speed\n"),
        ("peers", PEERS, "--no-deps --target .venv/peers/hips -r requirements/peers-hips.txt\n"),
    ],
)
def test_a_target_sets_up_what_it_needs_and_no_more(target, requirements, command, tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    text = make("-n", target, cwd=tmp_path).stdout
    assert "-m venv .venv" in text
    assert re.findall(r"-r requirements/([\w-]+)\.txt", text) == requirements
    assert command in text


@needs_make
def test_a_second_call_sets_nothing_up(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "pip").touch()
    (tmp_path / ".venv" / ".dev").touch()
    assert "pip install" not in make("-n", "test", cwd=tmp_path).stdout
    # A changed pin, also one of the runtime's own, is installed at the next call.
    later = (tmp_path / ".venv" / ".dev").stat().st_mtime + 10
    os.utime(tmp_path / "requirements" / "run.txt", (later, later))
    assert "pip install" in make("-n", "test", cwd=tmp_path).stdout


@needs_make
def test_a_machine_with_its_own_cupy_installs_nothing():
    assert make("-n", "test-gpu", "GPU_PYTHON=python3").stdout.endswith("python3 -m pytest -q -m gpu\n")


OLD = "case $* in -V) echo Python 3.10.2;; *) exit 1;; esac"
NO_VENV = "case $* in *ensurepip*) exit 1;; *) exit 0;; esac"


@needs_make
@pytest.mark.parametrize(
    ("script", "text"),
    [
        (OLD, "tapegrad needs Python 3.11 or newer, and {} is Python 3.10.2: install a newer one"),
        (
            NO_VENV,
            "{} has no venv module, which the set-up needs: install it (on Debian: apt-get install python3-venv)",
        ),
        (None, "tapegrad needs Python 3.11 or newer, and there is no {} here: install it"),
    ],
    ids=["old", "no venv", "none"],
)
def test_a_machine_that_cannot_is_told_why_in_one_sentence(script, text, tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    python = tmp_path / "some-python"
    if script:
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
    run = make("train", f"PYTHON={python}", cwd=tmp_path)
    assert run.returncode == 2
    assert run.stderr.startswith(text.format(python))
    assert not (tmp_path / ".venv").exists()
