"""The command line: a run leaves what it promises, a mistake is one line and exit code 2, Ctrl-C saves."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nn
from autograd.compile.native import missing
from recipe import checkpoint
from recipe.callbacks import Callback, StepLog
from recipe.cli import main
from recipe.config import ConfigError
from recipe.run_folder import alone_in, new_folder
from recipe.trainer import Trainer
from tests.recipe.small import run_of, timeless_run

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["train", "--data", "blobs", "--limit-rows", "300", "--epochs", "2", "--hidden", "8"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch, request):
    """In a folder of its own and, but for the test of it, without the report, whose plots take a second."""
    monkeypatch.chdir(tmp_path)
    if "whole" not in request.fixturenames:
        monkeypatch.setattr("recipe.report.report", lambda folder: folder / "report.html")


@pytest.fixture
def whole():
    """Asked for by tests of a run with its report."""


def timeless(run: dict) -> dict:
    """What two runs from one seed share, whatever their options are called."""
    return {name: value for name, value in timeless_run(run).items() if name != "config"}


@pytest.mark.usefixtures("whole")
def test_a_run_leaves_what_it_promises(capsys):
    assert main([*SMALL, "--out", "out", "--dropout", "0.1,0.2", "--max-norm", "2"]) == 0
    text = capsys.readouterr().out
    run = run_of("out")
    assert re.search(r"^2-8-3 relu, 51 parameters, on cpu; blobs: 300 rows to train on", text)
    assert f"test error {run['test']['error_percent']:.2f} %" in text
    assert str(Path("out") / "report.html") in text
    assert run["status"] == "finished"
    assert run["schema"] == 1
    assert run["parameters"] == 51
    assert run["steps"]["compiled"] == []
    assert run["steps"]["text"] == "eager: compiling begins after 500 updates"
    assert f"steps {run['steps']['text']}\n" in text
    assert run["steps"]["text"] in Path("out/report.html").read_text()
    assert [record["epoch"] for record in run["epochs"]] == [0, 1]  # places in the list; everything else counts from 1
    assert [line.partition(",")[0] for line in Path("out/history.csv").read_text().splitlines()] == ["epoch", "1", "2"]
    assert {"gradient_rms", "activations", "weights", "running_loss", "train_loss", "val_loss"} <= set(run["epochs"][0])
    assert run["test"]["error_percent"] == pytest.approx(100 * (1 - run["test"]["accuracy"]))
    assert run["config"]["model"]["hidden"] == [8]
    assert run["evidence"]
    assert run["diagnosis"]["verdict"] in text.replace(" ", "_") or run["diagnosis"]["verdict"]
    files = {"run.json", "steps.csv", "history.csv", "checkpoint.safetensors", "best.safetensors", "report.html"}
    assert files <= {path.name for path in Path("out").iterdir()}


def test_the_default_folder_is_under_runs_and_has_the_time_and_the_name(tmp_path):
    folder = new_folder(None, "try")
    assert re.fullmatch(r"runs/\d{8}-\d{6}-try", str(folder))
    folder.mkdir(parents=True)
    assert not new_folder(None, "try").exists()


@pytest.mark.parametrize("compile", ["--compile", "--no-compile"])
def test_the_same_seed_gives_the_same_run_and_another_another(compile):
    for out, seed in (("a", "5"), ("b", "5"), ("c", "6")):
        assert main([*SMALL, compile, "--out", out, "--seed", seed, "--dropout", "0.2"]) == 0
    assert timeless(run_of("a")) == timeless(run_of("b"))
    assert run_of("a")["test"] != run_of("c")["test"]
    assert Path("a/steps.csv").read_bytes() == Path("b/steps.csv").read_bytes()


def interrupting(monkeypatch, step):
    """Ctrl-C at a step of every run from now on."""

    class Interrupting(Callback):
        def on_batch_end(self, trainer, loss):
            if trainer.step == step:
                os.kill(os.getpid(), signal.SIGINT)

    import recipe.run

    callbacks = recipe.run._callbacks
    monkeypatch.setattr(recipe.run, "_callbacks", lambda *a: [*callbacks(*a), Interrupting()])


@pytest.mark.parametrize("compile", ["--compile", "--no-compile"])
def test_ctrl_c_saves_and_the_command_it_prints_ends_in_the_same_bits(compile, monkeypatch, capsys):
    options = [*SMALL, compile, "--dropout", "0.2", "--early-stopping", "patience"]
    assert main([*options, "--out", "whole"]) == 0
    capsys.readouterr()
    with monkeypatch.context() as patch:
        interrupting(patch, 13)
        assert main([*options, "--out", "broken"]) == 130
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("interrupted at step 13; to go on: ")
    assert last.endswith(" -m recipe resume broken")
    assert run_of("broken")["status"] == "interrupted"
    assert main(["resume", "broken"]) == 0
    assert timeless(run_of("broken")) == timeless(run_of("whole"))
    for name in ("steps.csv",):
        assert (Path("broken") / name).read_bytes() == (Path("whole") / name).read_bytes()
    np.testing.assert_equal(
        *(checkpoint.load(Path(folder) / "checkpoint.safetensors")["model"] for folder in ("broken", "whole"))
    )


@pytest.mark.parametrize("part", ["recipe.diagnose.diagnose", "recipe.run.outcome"])
def test_what_is_interrupted_after_the_training_is_done_by_a_resume(part, monkeypatch):
    options = ["--checkpoint-steps", "4", "--early-stopping", "patience"]
    assert main([*SMALL, *options, "--out", "whole"]) == 0

    def interrupt(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(part, interrupt)
        assert main([*SMALL, *options, "--out", "out"]) == 130
    assert main(["resume", "out"]) == 0
    assert timeless(run_of("out")) == timeless(run_of("whole"))


def test_a_time_limit_can_be_gone_on_from(capsys):
    assert main([*SMALL, "--out", "limited", "--time-limit", "1e-9"]) == 0
    assert "to go on: " in capsys.readouterr().out
    run = run_of("limited")
    assert run["status"] == "interrupted"
    assert run["epochs"][0]["partial"]
    assert main(["resume", "limited"]) == 0
    assert main([*SMALL, "--out", "whole"]) == 0
    assert timeless(run_of("limited")) == timeless(run_of("whole"))


def test_a_run_that_fails_says_where_and_is_still_diagnosed(capsys):
    assert main([*SMALL, "--out", "bad", "--optimizer", "sgd", "--lr", "1e30", "--schedule", "constant"]) == 1
    out, err = capsys.readouterr()
    assert re.fullmatch(r"recipe: step \d+ \(epoch \d\): .*", err.strip())
    run = run_of("bad")
    assert run["status"] == "failed"
    assert run["failure"]["text"] in err
    assert run["diagnosis"] is not None
    assert "report" in out


def test_a_run_whose_last_update_spoils_the_weights_is_diagnosed():
    """No step comes after it, whose loss could tell."""
    one_step = ["--epochs", "1", "--batch-size", "300", "--weight-decay", "1e300"]
    assert main([*SMALL, *one_step, "--out", "bad"]) == 0
    run = run_of("bad")
    assert run["epochs"][0]["train_loss"] is None
    assert run["diagnosis"]["verdict"] == "rate_too_high"


def test_a_full_disk_is_told_with_the_file(monkeypatch, tmp_path, capsys):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # Python names no file here

    monkeypatch.setattr("recipe.files.os.fsync", full)
    assert main(["train", "--data", "blobs", "--limit-rows", "300", "--epochs", "1", "--out", str(tmp_path / "r")]) == 2
    assert capsys.readouterr().err == f"recipe: {tmp_path / 'r' / 'steps.csv'}: No space left on device\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
def test_a_disk_that_fills_up_while_steps_are_logged_is_told_with_the_file(monkeypatch, capsys):
    fit = Trainer.fit

    def full(trainer, *args, **options):
        Path("out/steps.csv").symlink_to("/dev/full")
        monkeypatch.setattr(StepLog, "on_fit_begin", lambda log, trainer: None)
        return fit(trainer, *args, **options)

    monkeypatch.setattr(Trainer, "fit", full)
    assert main([*SMALL, "--out", "out"]) == 2
    assert capsys.readouterr().err == "recipe: out/steps.csv: No space left on device\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
@pytest.mark.parametrize("argv", [["papers"], ["--help"], ["train", "--help"]])
def test_a_full_disk_behind_what_is_printed_is_told(argv):
    done = in_a_shell(argv, "> /dev/full")
    assert (done.returncode, done.stderr) == (2, "recipe: standard output: No space left on device\n")


def test_a_disk_that_fills_up_while_lines_are_printed_costs_nothing(monkeypatch, capsys):
    class Full(io.StringIO):
        room = True

        def write(self, text):
            self.room = self.room and "epoch 2/3" not in text
            if not self.room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(text)

    monkeypatch.setattr("sys.stdout", Full())
    assert main([*SMALL[:-4], "--epochs", "3", "--out", "out"]) == 2
    saved, told = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"interrupted at step \d+; to go on: .* -m recipe resume out", saved)
    assert told == "recipe: standard output: No space left on device"
    assert len(checkpoint.load(Path("out/checkpoint.safetensors"))["history"]) == 2


@pytest.mark.parametrize("log", [b"step,loss,lr,gradient_norm\nx,1,2,3\n", b"\xff\xfe\n"])
def test_a_log_of_another_kind_is_told_and_left_alone(log, capsys):
    assert main([*SMALL, "--checkpoint-steps", "1", "--time-limit", "1e-9", "--out", "out"]) == 0
    Path("out/steps.csv").write_bytes(log)
    capsys.readouterr()
    assert main(["resume", "out"]) == 2
    err = capsys.readouterr().err
    assert re.fullmatch(r"recipe: out/steps.csv is no log of steps \(.*\): move it away, and go on.\n", err)
    assert Path("out/steps.csv").read_bytes() == log
    Path("out/steps.csv").unlink()
    assert main(["resume", "out"]) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="folders are not locked there")
def test_two_processes_do_not_train_in_one_folder(capsys):
    assert main([*SMALL, "--checkpoint-steps", "1", "--time-limit", "1e-9", "--out", "out"]) == 0
    before = {path.name: path.read_bytes() for path in Path("out").iterdir()}
    with alone_in(Path("out")):  # as another process would be
        capsys.readouterr()
        assert main(["resume", "out"]) == 2
    assert capsys.readouterr().err == (
        "recipe: another process trains in out: wait for its end, or end it, and resume then.\n"
    )
    assert {path.name: path.read_bytes() for path in Path("out").iterdir()} == before
    assert main(["resume", "out"]) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="folders are not locked there")
def test_a_run_has_its_folder_to_itself(monkeypatch):
    met = []

    def fit(trainer, *args, **options):
        with pytest.raises(ConfigError, match="another process trains in out"), alone_in(Path("out")):
            pass
        met.append(trainer)
        raise KeyboardInterrupt

    monkeypatch.setattr("recipe.run.Trainer.fit", fit)
    assert main([*SMALL, "--out", "out"]) == 130
    assert met
    with alone_in(Path("out")):
        pass


@pytest.mark.parametrize(
    ("flags", "value"),
    [
        ([], "auto"),
        (["--compile"], True),
        (["--set", "fit.compile=false"], False),
        (["--config", "run.toml", "--no-compile"], False),
    ],
)
def test_updates_are_compiled_as_one_asks_for(flags, value, capsys):
    Path("run.toml").write_text("[fit]\ncompile = true\n")
    assert main([*SMALL, *flags, "--out", "out"]) == 0
    run = run_of("out")
    assert run["config"]["fit"]["compile"] == value
    assert run["steps"]["text"].startswith("eager: compile is false" if value is False else "")
    assert bool(run["steps"]["compiled"]) == (value is True and missing() is None)
    assert f"\nsteps {run['steps']['text']}\n" in capsys.readouterr().out


def test_a_file_and_flags():
    Path("run.toml").write_text('seed = 4\n[data]\nsource = "spirals"\n[model]\nhidden = [6]\n[fit]\nepochs = 9\n')
    assert main(["train", "--config", "run.toml", "--epochs", "1", "--set", "optim.l2=0.5", "--out", "out"]) == 0
    config = run_of("out")["config"]
    assert (config["seed"], config["model"]["hidden"], config["fit"]["epochs"]) == (4, [6], 1)
    assert config["optim"]["l2"] == 0.5


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["trian"], "argument COMMAND: invalid choice: 'trian'"),
        ([], "the following arguments are required: COMMAND"),
        (["train", "--epoch", "3"], "unknown argument --epoch; did you mean --epochs?"),
        (["train", "--lr"], "argument --lr: expected one argument"),
        (["train", "--epochs", "three"], '--epochs "three": wanted is a whole number from 1 up.'),
        (["train", "--lr", "-1"], '--lr "-1": wanted is a number above 0, or none.'),
        (["train", "--activation", "rlu"], '--activation "rlu": wanted is one of relu, '),
        (["train", "--set", "stop.patiens=1"], "there is no option stop.patiens; did you mean stop.patience?"),
        (["train", "--monitor", "val_acc"], '--monitor "val_acc": wanted is one of val_loss, val_accuracy, '),
        (["train", "--compile", "maybe"], '--compile "maybe": wanted is true, false or auto.'),
        (["train", "--compile=1"], '--compile "1": wanted is true, false or auto.'),
        (["train", "--no-compile=1"], "argument --no-compile takes no value, got '1' (python -m recipe train --help"),
        (["train", "--watch=8080"], "argument --watch takes no value, got '8080' (python -m recipe train --help"),
        (["train", "--learning-rate", "0.1"], "unknown argument --learning-rate; did you mean --lr?"),
        (["train", "--layers=64,64"], "unknown argument --layers; did you mean --hidden?"),
        (["train", "--gpu"], "unknown argument --gpu; did you mean --device cuda?"),
        (["train", "--rowz", "3"], "unknown argument --rowz (python -m recipe train --help shows what there is)"),
        (["ensemble", "run", "--rowz", "3"], "unknown argument --rowz; did you mean --rows?"),
        (["train", "more"], "unknown argument more (python -m recipe train --help shows what there is)"),
        (["train", "--nocompile"], "unknown argument --nocompile; did you mean --no-compile?"),
        (["train", "--hidden", "1000000"], '--hidden "1000000": wanted is widths'),
        (["train", "--nesterov"], "--nesterov needs --optimizer sgd and --momentum above 0."),
        (
            ["train", "--optimizer", "sgd", "--min-lr", "1"],
            "--min-lr 1 needs a rate that begins there or above, and --lr ",
        ),
        (["train", "--config", "good.toml", "--lr", "x"], '--lr "x": wanted is a number above 0'),
        (
            ["train", "--config", "good.toml", "--nesterov"],
            "--nesterov needs optim.name = sgd and optim.momentum above",
        ),
        (["train", "--set", "optim.lr=x"], 'optim.lr = "x": wanted is a number above 0'),
        (["train", "--set", "lr"], "--set lr: wanted is KEY=VALUE, such as --set optim.lr=0.01"),
        (["train", "--config", "none.toml"], "none.toml cannot be read: No such file or directory."),
        (["train", "--config", "bad.toml"], "there is no option fit.epoch in bad.toml; did you mean fit.epochs?"),
        (["train", "--config", "worse.toml"], "worse.toml is no TOML: "),
        (["train", "--data", "nowhere"], "--data nowhere: there is no such folder"),
        (["train", "--data", "bad.toml"], "--data bad.toml is a file: wanted is a folder with four IDX files"),
        (["train", "--data", "."], ". has neither train-images-idx3-ubyte nor train-images-idx3-ubyte.gz"),
        (["train", "--data", "blobs", "--device", "gpu"], '--device gpu: unknown device "gpu"'),
        (["train", "--data", "blobs", "--out", "."], ". is not empty: name another folder, or use resume"),
        (["train", "--data", "blobs", "--out", "bad.toml/x"], "bad.toml/x cannot be"),
        (["train", "--data", "blobs", "--limit-rows", "9999"], "--limit-rows 9999, but there are 1800 rows"),
        (["resume", "nowhere"], "nowhere is no run folder: it has no run.json."),
        (["resume", "bad.toml"], "bad.toml is no run folder: it has no run.json."),
        (["resume", "empty"], "empty/checkpoint.safetensors does not exist: the run saved nothing there"),
        (["resume", "broken"], "broken/run.json is damaged: it is no JSON ("),
        (["resume", "older"], "older/run.json has the form 0, and this version reads 1: use the version that wrote"),
        (["resume", "empty", "--time-limit", "x"], '--time-limit "x": wanted is a number above 0, or none.'),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(argv, message, capsys):
    Path("bad.toml").write_text("[fit]\nepoch = 3\n")
    Path("worse.toml").write_text("fit = [\n")
    Path("good.toml").write_text("[fit]\nepochs = 3\n")
    for name, text in [("empty", None), ("broken", "{"), ("older", '{"schema": 0}')]:
        Path(name).mkdir()
        if text is None:
            from recipe.config import configure

            config = configure(flags={"data.source": "blobs"}).to_dict()
            text = json.dumps({"schema": 1, "status": "running", "config": config})
        (Path(name) / "run.json").write_text(text)
    assert main(argv) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith(f"recipe: {message}")
    assert not Path("runs").exists()


def without_settings(folder):
    """Make a run's checkpoint one of an older version, which did not say of which settings it is."""
    path = Path(folder, "checkpoint.safetensors")
    checkpoint.save(path, checkpoint.load(path) | {"config": None})


def test_a_checkpoint_of_another_network_is_refused(capsys):
    assert main([*SMALL, "--out", "one"]) == 0
    run = run_of("one")
    run["status"] = "interrupted"
    run["config"]["model"]["hidden"] = [9]
    Path("one/run.json").write_text(json.dumps(run))
    without_settings("one")
    capsys.readouterr()
    assert main(["resume", "one"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("recipe: one/checkpoint.safetensors does not fit the run's configuration: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("length", [["30", "--time-limit", "0.001"], ["1"]])
def test_a_run_whose_data_are_others_now_is_not_gone_on_from(capsys, length):
    # Cut within an epoch, and at the end of one.
    assert main([*SMALL, "--out", "one", "--epochs", *length]) == 0
    run = run_of("one") | {"status": "interrupted"}
    run["config"]["data"]["limit_rows"] = 90
    run["config"]["fit"]["epochs"] = 30
    text = json.dumps(run)
    Path("one/run.json").write_text(text)
    without_settings("one")
    capsys.readouterr()
    assert main(["resume", "one"]) == 2
    assert capsys.readouterr().err == (
        "recipe: one/checkpoint.safetensors does not fit the run's configuration: Batches cannot go on: rows is 90 "
        "here and was 300 in the checkpoint; exact resume needs the same data and settings.\n"
    )
    assert Path("one/run.json").read_text() == text


def test_a_finished_run_is_not_resumed(capsys):
    assert main([*SMALL, "--out", "one"]) == 0
    assert main(["resume", "one"]) == 2
    assert "the run in one is finished" in capsys.readouterr().err


def test_help_teaches(capsys):
    for argv in (["--help"], ["train", "--help"], ["resume", "--help"], ["watch", "--help"]):
        with pytest.raises(SystemExit) as caught:
            main(argv)
        assert caught.value.code == 0
        assert "example" in capsys.readouterr().out


def test_best_weights_load_into_the_model():
    from recipe.build import build_model
    from recipe.config import from_dict

    assert main([*SMALL, "--out", "one"]) == 0
    config = from_dict(run_of("one")["config"], "run.json")
    model = build_model(config.model, 2, 3, seed=99)
    model.load_state_dict(nn.load(Path("one/best.safetensors")))


def command(*argv, encoding=False):
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    environment |= {"PYTHONPATH": str(ROOT)} | ({"PYTHONIOENCODING": "ascii"} if encoding else {})
    return subprocess.Popen(
        [sys.executable, "-m", "recipe", *argv],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_threads_are_set_before_numpy_is_loaded():
    with command(*SMALL, "--threads", "1", "--out", "one") as process:
        _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert run_of("one")["machine"]["threads"] == "1"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_to_a_process_save_like_ctrl_c(number):
    with command(*SMALL[:-4], "--epochs", "100000", "--threads", "1", "--out", "long") as process:
        while "epoch" not in (line := process.stdout.readline()) or "/" not in line:
            assert line or process.poll() is None, process.stderr.read()
        process.send_signal(number)
        out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (130, "")
    assert "to go on: " in out
    assert checkpoint.load(Path("long/checkpoint.safetensors"))["step"] > 0


def in_a_shell(argv, behind):
    """What is left of `python -m recipe ...` with something behind it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""}
    line = f"{shlex.quote(sys.executable)} -m recipe {shlex.join(argv)} {behind}"
    return subprocess.run(["sh", "-c", line], env=environment, capture_output=True, text=True, timeout=120)


def test_a_reader_that_leaves_costs_nothing():
    behind = "| head -3"  # two lines stand before that of the first epoch
    done = in_a_shell([*SMALL[:-4], "--epochs", "100000", "--threads", "1", "--out", "long"], behind)
    assert re.fullmatch(r"interrupted at step \d+; to go on: .* -m recipe resume long\n", done.stderr)
    assert main(["resume", "long", "--time-limit", "1e-9"]) == 0


@pytest.mark.parametrize(("argv", "closing", "code"), [(["papers"], ">&-", 0), (["resume", "none"], "2>&-", 2)])
def test_a_stream_that_is_closed_is_not_written_to(argv, closing, code):
    done = in_a_shell(argv, closing)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="names are UTF-8 there")
@pytest.mark.usefixtures("whole")
def test_a_folder_whose_name_is_no_text_has_its_report():
    folder = os.fsdecode(b"caf\xe9")
    assert main([*SMALL, "--out", folder]) == 0
    assert "caf?" in (Path(folder) / "report.html").read_text(encoding="utf-8")


def test_a_folder_in_the_place_of_the_report_is_told(capsys, whole):
    assert main([*SMALL, "--out", "one"]) == 0
    Path("two.html").mkdir()
    capsys.readouterr()
    assert main(["report", "one", "--out", "two.html"]) == 2
    assert capsys.readouterr().err == "recipe: two.html is a folder: name a file, such as two.html/report.html.\n"


def test_a_run_without_its_configuration_cannot_go_on(capsys):
    assert main([*SMALL, "--out", "one"]) == 0
    run = run_of("one") | {"status": "interrupted", "config": None}
    Path("one/run.json").write_text(json.dumps(run))
    capsys.readouterr()
    assert main(["resume", "one"]) == 2
    assert capsys.readouterr().err == (
        "recipe: the run in one has no configuration to go on with in its run.json: train anew.\n"
    )


def test_ctrl_c_before_the_training_is_one_line(monkeypatch, capsys):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("recipe.run.load_with_digest", interrupted)
    assert main(SMALL) == 130
    assert capsys.readouterr().err == "recipe: interrupted\n"


def test_a_terminal_of_few_letters(tmp_path):
    with command(*SMALL, "--threads", "1", encoding=True) as process:
        _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")


def test_a_closed_pipe_is_no_traceback():
    process = command("train", "--help")
    process.stdout.close()
    err = process.stderr.read()
    process.wait(timeout=60)
    process.stderr.close()
    assert "Traceback" not in err
