"""The command line: help that teaches, errors in one line, and what is saved when."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import benchmarks.__main__ as cli
from benchmarks.measure import Plan

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = "speed|layers|operations|memory|overhead|gpu|claims|diagnosis|papers|curves|kernels|products|show|profile"


@pytest.fixture
def results(fakes, monkeypatch, tmp_path):
    """The `speed` command with three fakes, one of them absent; gives the folder of its results."""
    names = ("ours", "slow", "absent", "drifting")
    plan = Plan(rounds=2, threads=1, turn_seconds=0.0005, rest_seconds=0.0)
    speed = replace(cli.SPEED, contenders={n: fakes[n] for n in names}, plan=plan)
    monkeypatch.setattr(cli, "BENCHMARKS", {"speed": speed})
    monkeypatch.setattr(cli, "RESULTS", tmp_path / "results")
    return tmp_path / "results"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: " + COMMANDS),
        (["sped"], "invalid choice: 'sped'"),
        (["speed", "--rounds", "0"], "argument --rounds: '0' is not a whole number above zero"),
        (["speed", "--threads", "two"], "argument --threads: 'two' is not a whole number above zero"),
        (
            ["speed", "--only", "tiny,huge"],
            "unknown name 'huge'; known are: tiny, deep, mlp-sgd, mlp-adam, big, lenet, gpt",
        ),
        (["memory", "--only", "tiny"], "unknown name 'tiny'; known are: mlp-sgd, mlp-adam, big, lenet, gpt"),
        (["overhead", "--only", "tiny"], "unknown name 'tiny'; known are: add, "),
        (["speed", "--contenders", "tensorflow"], "unknown name 'tensorflow'; known are: tapegrad, "),
        (["speed", "--out", __file__], "test_cli.py' is a file; a folder is wanted"),
        (["speed", "--out", f"{__file__}/deep/er"], "test_cli.py' is a file; a folder is wanted"),
        (["speed", "--fast"], "unrecognized arguments: --fast"),
        (["claims", "--only", "E77"], "unknown name 'E77'; known are: E0, E1, "),
        (["claims", "--seeds", "0"], "argument --seeds: '0' is not a whole number above zero"),
        (["curves", "one"], "the following arguments are required: RUN"),
        (["profile"], "the following arguments are required: workload"),
    ],
)
def test_a_wrong_flag_is_one_line_and_status_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    error = capsys.readouterr().err
    assert stopped.value.code == 2
    assert error.count("\n") == 1
    assert message in error


def test_help_lists_networks_contenders_and_examples(capsys):
    for arguments, texts in (
        (["--help"], ("speed --quick", "memory", "overhead", "profile mlp-sgd")),
        (["speed", "--help"], ("784-512-512-10, batch 128, adam", "torch-fused-malloc", "default 15")),
        (["speed", "--help"], ("4 layers, 128 wide, 4 heads", "HIPS autograd", "MyGrad")),
        (["memory", "--help"], ("conv 32, conv 64, pool", "fresh processes", "default 5")),
        (["overhead", "--help"], ("bare NumPy", "matmul")),
    ):
        with pytest.raises(SystemExit) as stopped:
            cli.main(arguments)
        assert stopped.value.code == 0
        shown = capsys.readouterr().out
        assert all(text in shown for text in texts)


def test_a_part_is_printed_and_not_saved(results, capsys):
    assert cli.main(["speed", "--only", "tiny", "--contenders", "ours,slow"]) == 0
    shown = capsys.readouterr().out
    assert "0.25 [0.25, 0.25]" in shown
    assert "not saved, being a trial or a part" in shown
    assert not results.exists()


def test_a_part_is_saved_where_out_says(results, tmp_path, capsys):
    folder = tmp_path / "mine"
    assert cli.main(["speed", "--quick", "--only", "tiny", "--contenders", "ours,slow", "--out", str(folder)]) == 0
    document = json.loads((folder / "speed-cpu.json").read_text())
    assert document["quick"] is True
    assert document["plan"]["rounds"] == 3
    assert {p.name for p in folder.iterdir()} == {"speed-cpu.json", "speed-cpu.svg"}
    assert not results.exists()


def test_a_full_run_is_saved_among_the_results_and_says_who_was_left_out(results, monkeypatch, capsys):
    speed = cli.BENCHMARKS["speed"]
    agreeing = {n: c for n, c in speed.contenders.items() if n != "drifting"}
    monkeypatch.setitem(cli.BENCHMARKS, "speed", replace(speed, contenders=agreeing))
    assert cli.main(["speed", "--rounds", "5", "--threads", "2"]) == 0
    shown = capsys.readouterr().out
    assert "left out: absent: no_such_framework is not installed here (pip install no-such-framework)" in shown
    document = json.loads((results / "speed-cpu.json").read_text())
    assert list(document["jobs"]) == ["tiny", "deep", "mlp-sgd", "mlp-adam", "big", "lenet", "gpt"]
    assert (document["plan"]["rounds"], document["plan"]["threads"]) == (5, 2)


def test_without_matplotlib_a_result_has_no_picture_and_says_so(results, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(cli, "can_draw", lambda: False)
    assert cli.main(["speed", "--only", "tiny", "--contenders", "ours,slow", "--out", str(tmp_path / "mine")]) == 0
    assert "no picture: Matplotlib is not installed" in capsys.readouterr().out
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["speed-cpu.json"]


def test_losses_that_disagree_are_status_1_and_nothing_is_saved(results, capsys):
    assert cli.main(["speed"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("python -m benchmarks speed: tiny: the results of step 20 disagree")
    assert "outside: drifting" in error
    assert not results.exists()


def test_stopped_by_the_user_is_status_130(results, monkeypatch, capsys):
    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setitem(cli.BENCHMARKS, "speed", replace(cli.BENCHMARKS["speed"], measure=stop))
    assert cli.main(["speed"]) == 130
    assert "nothing was saved" in capsys.readouterr().err


def test_a_profile_shows_where_the_time_goes(fakes, monkeypatch, capsys):
    monkeypatch.setattr(cli, "SPEED", replace(cli.SPEED, contenders={"tapegrad": fakes["fast"]}))
    assert cli.main(["profile", "tiny", "--steps", "7"]) == 0
    shown = capsys.readouterr().out
    assert "fake_contenders.py" in shown
    assert "(step)" in shown
    monkeypatch.setattr(cli, "SPEED", replace(cli.SPEED, contenders={"tapegrad": fakes["absent"]}))
    assert cli.main(["profile", "tiny"]) == 1
    assert "no_such_framework is not installed here" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error():
    command = [sys.executable, "-m", "benchmarks", "profile", "tiny", "--steps", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
@pytest.mark.parametrize("command", ["", "speed"])
def test_a_full_disk_behind_the_help_is_told(command):
    arguments = [sys.executable, "-m", "benchmarks", *command.split(), "--help"]
    usual, streams = {**os.environ, "PYTHONUNBUFFERED": ""}, {"stderr": subprocess.PIPE, "text": True}
    with open("/dev/full", "w") as full:
        done = subprocess.run(arguments, stdout=full, **streams, cwd=ROOT, env=usual, timeout=120)
    assert (done.returncode, done.stderr) == (1, "python -m benchmarks: standard output: No space left on device\n")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no sh")
def test_a_stream_that_is_closed_is_not_written_to():
    line = f"'{sys.executable}' -m benchmarks speed --help >&-"
    done = subprocess.run(["sh", "-c", line], stderr=subprocess.PIPE, text=True, cwd=ROOT, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_result_that_cannot_be_saved_is_shown(results, monkeypatch, capsys):
    def full(document, folder):
        raise OSError(28, "No space left on device", str(folder / "speed-cpu.json"))

    monkeypatch.setattr(cli, "save", full)
    arguments = ["speed", "--only", "tiny", "--contenders", "ours,slow", "--out", str(results)]
    assert cli.main(arguments) == 1
    out, err = capsys.readouterr()
    assert "tiny" in out
    assert out.endswith("not saved\n")
    assert err == f"python -m benchmarks speed: {results / 'speed-cpu.json'}: No space left on device\n"


def test_a_result_of_another_form_is_one_line(tmp_path, capsys):
    path = tmp_path / "a.json"
    for kind in ("speed", "gpu", "claims", "diagnosis", "papers", "curves"):
        path.write_text(json.dumps({"benchmark": kind}))
        assert cli.main(["show", str(path)]) == 1, kind
        err = capsys.readouterr().err
        assert err.startswith(f"python -m benchmarks show: {path} is damaged, or of another version: KeyError("), kind
        assert err.count("\n") == 1, kind


def nothing_of(record):
    return {**record, "results": {}}


def noughts(record):
    """As if no step had taken or held anything."""
    none = {"median_us": 0, "peak_bytes": 0, "peaks_bytes": [0]}
    return {**record, "results": {name: result | none for name, result in record["results"].items()}}


def too_long(record):
    """Times that no float holds."""
    return {**record, "results": {name: result | {"median_us": 10**400} for name, result in record["results"].items()}}


@pytest.mark.parametrize(
    ("kind", "change", "why"),
    [
        *(
            (kind, None, "has no job: nothing was measured")
            for kind in ("speed", "layers", "operations", "memory", "overhead")
        ),
        ("memory", nothing_of, "is damaged, or of another version: IndexError("),
        ("memory", noughts, "is damaged, or of another version: ZeroDivisionError("),
        ("speed", noughts, "is damaged, or of another version: ZeroDivisionError("),
        ("overhead", too_long, "is damaged, or of another version: OverflowError("),
    ],
)
def test_a_result_without_what_was_measured_is_one_line(kind, change, why, tmp_path, capsys):
    document = json.loads((cli.RESULTS / f"{kind}-cpu.json").read_text())
    document["jobs"] = {name: change(record) for name, record in document["jobs"].items()} if change else {}
    path = tmp_path / "a.json"
    path.write_text(json.dumps(document))
    assert cli.main(["show", str(path)]) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"python -m benchmarks show: {path} {why}")
    assert err.endswith("; measure anew.\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "text", ["", "5", "[" * 100_000, '{"benchmark": "speed", "jobs": ', '{"benchmark": ["speed"]}']
)
def test_what_is_no_result_is_one_line(text, tmp_path, capsys):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(SystemExit) as stopped:
        cli.main(["show", str(tmp_path / "a.json")])
    assert stopped.value.code == 2
    err = capsys.readouterr().err
    assert f"'{tmp_path / 'a.json'}' is no result of a benchmark (see" in err
    assert err.count("\n") == 1


def test_a_folder_that_takes_no_files_is_refused_before_anything_is_measured(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    with pytest.raises(SystemExit):
        cli.main(["speed", "--out", str(tmp_path / "new" / "folder")])
    assert "cannot be written to; name a folder that can (see" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_is_told_as_ctrl_c_is(number, monkeypatch, capsys):
    monkeypatch.setattr(cli, "run_diagnosis", lambda arguments: os.kill(os.getpid(), number))
    before = [signal.signal(number, signal.SIG_DFL)]
    try:
        assert cli.main(["diagnosis"]) == 130
    finally:
        signal.signal(number, before[0])
    assert capsys.readouterr().err == "python -m benchmarks diagnosis: stopped; nothing was saved\n"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), OSError(28, "No space left on device", "x")])
def test_a_full_disk_is_one_line_that_names_what_was_full(error, monkeypatch, capsys):
    def full(arguments):
        raise error

    monkeypatch.setattr(cli, "run_diagnosis", full)
    assert cli.main(["diagnosis"]) == 1
    name = error.filename or "standard output"
    assert capsys.readouterr().err == f"python -m benchmarks diagnosis: {name}: No space left on device\n"
