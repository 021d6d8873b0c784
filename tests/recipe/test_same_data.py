"""A run goes on with the data and the settings that it began with, or says which are others now."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path

import numpy as np
import pytest

from recipe import checkpoint
from recipe.cli import main
from recipe.report import report
from tests.recipe.small import run_of, timeless_run

CUT = ["train", "--data", "rows", "--epochs", "3", "--hidden", "4", "--dropout", "0.5", "--batch-size", "10"]
CUT += ["--checkpoint-steps", "1", "--time-limit", "1e-9", "--out", "out"]
TOLD = "the data in rows are others than the run in out began with: put those back, or train anew."


def write(name: str, array: np.ndarray, pack=lambda raw: raw) -> None:
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    Path("rows", name).write_bytes(pack(head + array.astype("uint8").tobytes()))


@pytest.fixture(autouse=True)
def rows(tmp_path, monkeypatch):
    """In a folder of its own with few small images, and without the report, whose plots take a second."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("recipe.report.report", lambda folder: folder / "report.html")
    Path("rows").mkdir()
    random = np.random.default_rng(0)
    for part, count in (("train", 60), ("t10k", 12)):
        write(f"{part}-images-idx3-ubyte", random.integers(0, 256, (count, 3, 2)))
        write(f"{part}-labels-idx1-ubyte", np.arange(count) % 3)


def other_label() -> None:
    labels = np.arange(60) % 3
    labels[7] = 0
    write("train-labels-idx1-ubyte", labels)


def other_pixel() -> None:
    path = Path("rows/t10k-images-idx3-ubyte")
    path.write_bytes(path.read_bytes()[:-1] + b"\x05")


def other_order() -> None:
    path = Path("rows/train-images-idx3-ubyte")
    images = np.frombuffer(path.read_bytes()[16:], "uint8").reshape(60, 3, 2)
    write(path.name, images[::-1])


@pytest.mark.parametrize("change", [other_label, other_pixel, other_order])
def test_a_run_does_not_go_on_with_other_rows(change, capsys):
    assert main(CUT) == 0
    before = {path.name: path.read_bytes() for path in Path("out").iterdir()}
    change()
    capsys.readouterr()
    assert main(["resume", "out"]) == 2
    assert capsys.readouterr().err == f"recipe: {TOLD}\n"
    assert {path.name: path.read_bytes() for path in Path("out").iterdir()} == before


def test_the_same_rows_in_other_files_are_the_same():
    assert main([*CUT[:-4], "--out", "whole"]) == 0
    assert main(CUT) == 0
    path = Path("rows/train-images-idx3-ubyte")
    Path("rows", f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    assert main(["resume", "out"]) == 0
    assert timeless_run(run_of("out")) == timeless_run(run_of("whole"))


def test_a_run_of_a_version_that_kept_no_digest_goes_on():
    assert main(CUT) == 0
    run = run_of("out")
    del run["data_digest"]
    Path("out/run.json").write_text(json.dumps(run))
    other_label()
    assert main(["resume", "out"]) == 0
    assert run_of("out")["data_digest"]


def test_a_set_that_is_built_in_is_always_the_same():
    assert main(["train", "--data", "blobs", "--limit-rows", "60", "--epochs", "1", "--out", "blobs"]) == 0
    assert run_of("blobs")["data_digest"] is None


def test_what_is_looked_at_later_is_not_looked_at_with_other_rows(capsys):
    assert main([*CUT[:-4], "--out", "out"]) == 0
    other_pixel()
    capsys.readouterr()
    assert main(["ensemble", "out", "--masks", "1"]) == 2
    assert capsys.readouterr().err == f"recipe: {TOLD}\n"
    assert f"The test set was not looked at in detail: {TOLD}" in report(Path("out"), out="page.html").read_text()


def with_options(options: dict) -> None:
    """Edit the configuration in run.json."""
    run = run_of("out")
    for key, value in options.items():
        section, _, name = key.rpartition(".")
        (run["config"][section] if section else run["config"])[name] = value
    Path("out/run.json").write_text(json.dumps(run))


@pytest.mark.parametrize(
    ("key", "before", "now"),
    [
        ("seed", 0, 1),
        ("optim.lr", 0.001, 0.5),
        ("fit.epochs", 3, 9),
        ("model.dropout", [0.5], [0.2]),
        ("paper", None, "pocket"),
    ],
)
def test_a_run_does_not_go_on_with_other_settings(key, before, now, capsys):
    assert main(CUT) == 0
    with_options({key: now})
    edited = Path("out/run.json").read_bytes()
    capsys.readouterr()
    assert main(["resume", "out"]) == 2
    assert capsys.readouterr().err == (
        f"recipe: out/run.json says {key} = {json.dumps(now)}, and its checkpoint was made with "
        f"{json.dumps(before)}: put that back, or train anew.\n"
    )
    assert Path("out/run.json").read_bytes() == edited
    with_options({key: before})
    assert main(["resume", "out"]) == 0


def test_what_does_not_decide_how_a_run_goes_on_may_change():
    assert main([*CUT[:-4], "--out", "whole"]) == 0
    assert main(CUT) == 0
    Path("rows").rename("elsewhere")
    with_options({"data.source": "elsewhere", "fit.checkpoint_steps": None, "fit.log_every": 1, "name": "other"})
    assert main(["resume", "out"]) == 0
    for folder in ("out", "whole"):
        assert run_of(folder)["epochs"][-1]["val_loss"] == run_of("whole")["epochs"][-1]["val_loss"], folder


def test_a_checkpoint_of_a_version_that_kept_no_settings_is_gone_on_from():
    assert main(CUT) == 0
    path = Path("out/checkpoint.safetensors")
    state = checkpoint.load(path)
    del state["config"]
    checkpoint.save(path, state)
    with_options({"fit.epochs": 4})
    assert main(["resume", "out"]) == 0
    assert len(run_of("out")["epochs"]) == 4


def test_a_fix_on_other_rows_is_not_said_to_help(capsys):
    assert (
        main([*CUT[:3], "--epochs", "2", "--hidden", "4", "--optimizer", "sgd", "--lr", "1e-6", "--out", "slow"]) == 0
    )
    other_label()
    capsys.readouterr()
    assert main(["diagnose", "slow", "--fix", "--out", "fixed"]) == 0
    why = "the data were changed between the two runs."
    assert f"Whether it helped cannot be said: {why}\n" in capsys.readouterr().out
    assert main(["diagnose", "slow", "--fix", "--json", "--out", "again"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["better"], found["same_data"]) == (None, False)
