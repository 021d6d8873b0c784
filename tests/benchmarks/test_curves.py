"""Two runs of the same settings on two devices: how long their losses agree, and which runs are refused."""

from __future__ import annotations

import json
import math

import pytest

import benchmarks.__main__ as cli
from benchmarks.curves import compare, show_curves
from benchmarks.measure import BenchmarkError

LOSSES = {1: 2.0, 11: 1.0, 21: 0.5, 31: 0.25}


@pytest.fixture
def write(tmp_path):
    """Writes a run folder; gives its path."""

    def folder(device, losses, *, errors=(1.5,), lr=0.1, machine=None, **more):
        config = {"seed": 3, "device": device, "threads": 1 if device == "cpu" else 2, "name": "a net"}
        keys = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
        epochs = [
            {"epoch": i, "step": 20 * (i + 1), **dict.fromkeys(keys, 1 - error / 100)} for i, error in enumerate(errors)
        ]
        run = {
            **{"config": {**config, "optim": {"lr": lr}}, "machine": {"processor": "one", **(machine or {})}},
            **{"epochs": epochs, "seconds": 12.34, "steps": {"text": "eager"}},
            **{"test": {"error_percent": errors[-1]}, **more},
        }
        path = tmp_path / f"{device.replace(':', '')}-{len(list(tmp_path.iterdir()))}"
        path.mkdir()
        (path / "run.json").write_text(json.dumps(run))
        rows = [f"{step},{loss},0.1,1.0\n" for step, loss in losses.items()]
        (path / "steps.csv").write_text("step,loss,lr,gradient_norm\n" + "".join(rows))
        return path

    return folder


def test_the_losses_agree_until_one_differs_by_more(write):
    other = LOSSES | {11: 1.0 + 1e-7, 21: 0.5 * (1 + 1e-3), 31: 0.25 * (1 + 1e-7)}
    document = json.loads(json.dumps(compare(write("cpu", LOSSES), write("cuda", other))))
    assert document["steps"] == {"logged": 4, "first": 1, "last": 31}
    assert [(found["within"], found["until"], (found["beyond"] or {}).get("step")) for found in document["agree"]] == [
        (1e-6, 11, 21),
        (1e-4, 11, 21),
        (1e-2, 31, None),
    ]
    assert document["agree"][0]["beyond"]["difference"] == pytest.approx(1e-3, rel=1e-2)
    assert [row["step"] for row in document["losses"]] == [1, 11, 21, 31]
    assert document["losses"][2]["difference"] == pytest.approx(1e-3, rel=1e-2)


def test_an_epoch_whose_loss_is_no_number_is_compared_as_far_as_it_can_be(write, capsys):
    one, other = write("cpu", LOSSES, errors=(1.5,)), write("cuda", LOSSES, errors=(1.5,))
    run = json.loads((other / "run.json").read_text())
    run["epochs"][0]["val_loss"] = None  # as run.json has it
    (other / "run.json").write_text(json.dumps(run))
    document = compare(one, other)
    assert document["epochs"][0]["val_loss"] == {"one": 0.985, "other": None, "difference": None}
    show_curves(document)
    assert "1      0.9850 +0.0000  1.50 % +0.00  no number  1.50 % +0.00\n" in capsys.readouterr().out


def test_losses_that_never_agree_or_are_no_numbers(write):
    first = compare(write("cpu", LOSSES), write("cuda", LOSSES | {1: 3.0}))
    assert [found["until"] for found in first["agree"]] == [None, None, None]
    broken = compare(write("cpu", LOSSES | {21: math.nan}), write("cuda", LOSSES | {21: math.nan}))
    assert broken["agree"][2] == {"within": 1e-2, "until": 11, "beyond": {"step": 21, "difference": None}}
    json.dumps(broken, allow_nan=False)
    same = compare(write("cpu", {1: 0.0}), write("cuda", {1: 0.0}))
    assert same["agree"][0] == {"within": 1e-6, "until": 1, "beyond": None}


def test_epochs_and_test_errors_stand_side_by_side(write):
    document = compare(write("cpu", LOSSES, errors=(2.0, 1.5)), write("cuda", LOSSES, errors=(2.5, 1.25, 1.0)))
    assert len(document["epochs"]) == 2  # the other had one more
    assert document["epochs"][1] == {"epoch": 2} | {
        key: {"one": 0.985, "other": 0.9875, "difference": pytest.approx(0.0025)}
        for key in ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
    }
    assert document["test_error"] == {"one": 1.5, "other": 1.0, "difference": -0.5}
    one, other = document["runs"]
    assert (one["device"], one["threads"], one["updates"], one["machine"]) == ("cpu", 1, 40, {"processor": "one"})
    assert (other["device"], other["updates"], other["epochs"], other["seconds"]) == ("cuda", 60, 3, 12.3)


def test_what_cannot_be_compared(write, tmp_path):
    one = write("cpu", LOSSES)
    with pytest.raises(BenchmarkError, match="holds no concluded run"):
        compare(one, tmp_path / "nowhere")
    with pytest.raises(BenchmarkError, match="holds no concluded run"):
        compare(one, write("cuda", LOSSES, test=None))
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "run.json").write_text("[" * 100_000)
    with pytest.raises(BenchmarkError, match="holds no concluded run"):
        compare(one, tmp_path / "deep")
    with pytest.raises(BenchmarkError, match=r"the runs differ in optim.lr \(0.1 and 0.2\): .* device and threads"):
        compare(one, write("cuda", LOSSES, lr=0.2))
    rates = [dict.fromkeys("abcde", rate) for rate in (0.1, 0.2)]
    with pytest.raises(BenchmarkError, match=r"a \(0.1 and 0.2\), [^,]*, optim.lr.c \(0.1 and 0.2\) and 2 more: only"):
        compare(write("cpu", LOSSES, lr=rates[0]), write("cuda", LOSSES, lr=rates[1]))
    with pytest.raises(BenchmarkError, match="not one step"):
        compare(one, write("cuda", {5: 1.0}))


def test_the_command_saves_by_the_runs_name_and_shows_it_again(write, tmp_path, capsys):
    folders = [str(write("cpu", LOSSES)), str(write("cuda:1", LOSSES | {21: 0.6}))]
    assert cli.main(["curves", *folders]) == 0
    assert "not saved; --out FOLDER saves it" in capsys.readouterr().out
    assert cli.main(["curves", *folders, "--gpu", "NVIDIA H200", "--out", str(tmp_path)]) == 0
    capsys.readouterr()
    assert cli.main(["show", str(tmp_path / "curves-a-net.json")]) == 0
    out = capsys.readouterr().out
    assert "one:   one, cpu; 20 updates in 12 s, eager\n" in out
    assert "other: one, cuda:1 (NVIDIA H200, as given, not by the run); 20 updates in 12 s, eager\n" in out
    assert "losses agree to 1e-06 of their size until step 11; at step 21 they are 0.17 apart\n" in out
    assert "test error 1.50 % and 1.50 %: +0.00 points\n" in out
    assert cli.main(["curves", folders[0], folders[0], "--gpu", "NVIDIA H200"]) == 1
    assert "none of the runs was made on a GPU" in capsys.readouterr().err


def test_the_help_says_why_the_bits_differ(capsys):
    with pytest.raises(SystemExit):
        cli.main(["curves", "--help"])
    assert "same quality at the end, not the same bits" in " ".join(capsys.readouterr().out.split())
