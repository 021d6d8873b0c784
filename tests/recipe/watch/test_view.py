"""The view of a run: right numbers, at the ticks of a clock, and the same run as without it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from recipe import checkpoint
from recipe.callbacks import Callback
from recipe.cli import main
from recipe.metrics import in_percent
from recipe.watch import LiveView, follow, serving
from recipe.watch.board import Board
from tests.recipe.small import run_of, timeless_run

ROOT = Path(__file__).resolve().parents[3]
SMALL = ["train", "--data", "blobs", "--limit-rows", "300", "--epochs", "2", "--hidden", "8", "--dropout", "0.2"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """In a folder of its own, showing every step, and without the report, whose plots take a second."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("recipe.watch.view.TICK", 0.0)
    monkeypatch.setattr("recipe.report.report", lambda folder: folder / "report.html")


@pytest.fixture
def shown(monkeypatch):
    """Every state that a board has had in the test."""
    states = []
    update = Board.update

    def kept(self, **parts):
        update(self, **parts)
        states.append(json.loads(json.dumps(self.after(0, 0.0).parts)))

    monkeypatch.setattr(Board, "update", kept)
    return states


@pytest.fixture
def beside(monkeypatch):
    """Adds callbacks to every run of the test."""
    import recipe.run

    def add(*more):
        callbacks = recipe.run._callbacks
        monkeypatch.setattr(recipe.run, "_callbacks", lambda *a: [*callbacks(*a), *more])

    return add


@pytest.mark.parametrize("compile", ["--compile", "--no-compile"])
def test_a_run_is_the_same_to_the_last_bit_and_to_the_last_line(compile, capsys):
    assert main([*SMALL, compile, "--out", "plain"]) == 0
    plain = capsys.readouterr().out
    assert main([*SMALL, compile, "--out", "shown", "--watch"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"live view: http://127\.0\.0\.1:\d+/", lines.pop(2))
    same = re.compile(r"\d+\.\d s$|traced in \S+ s")
    assert [same.sub("", line) for line in lines] == [
        same.sub("", x) for x in plain.replace("plain", "shown").splitlines()
    ]
    assert timeless_run(run_of("plain")) == timeless_run(run_of("shown"))
    assert Path("plain/steps.csv").read_bytes() == Path("shown/steps.csv").read_bytes()
    states = [checkpoint.load(Path(folder) / "checkpoint.safetensors") for folder in ("plain", "shown")]
    for name in ("model", "optimizer", "generators", "running", "step"):
        np.testing.assert_equal(states[0][name], states[1][name])
    assert sorted(path.name for path in Path("plain").iterdir()) == sorted(
        path.name for path in Path("shown").iterdir()
    )


def test_every_step_shows_its_batch_and_its_gradients(shown, beside):
    seen = []

    class Own(Callback):
        order = 99

        def on_backward_end(self, trainer, loss):
            weights = {"linear1": trainer.model.linear1.weight, "linear2": trainer.model.linear2.weight}
            rms = {name: float(np.sqrt(np.mean(np.square(w.grad.data)))) for name, w in weights.items()}
            seen.append((float(loss), rms))

    beside(Own())
    assert main([*SMALL, "--watch", "--out", "out"]) == 0
    last = shown[-1]
    assert len(seen) == 20  # ten batches an epoch
    assert [x for x, _ in last["curves"]["loss"]["running"]] == [pytest.approx((i + 1) / 10) for i in range(20)]
    assert [y for _, y in last["curves"]["loss"]["running"]] == [pytest.approx(loss, rel=1e-6) for loss, _ in seen]
    for layer, points in last["gradients"].items():
        assert [y for _, y in points] == [pytest.approx(rms[layer], rel=1e-6) for _, rms in seen]
    run = run_of("out")
    assert last["curves"]["error"]["validation"] == [
        [i + 1, pytest.approx(100 * (1 - record["val_accuracy"]))] for i, record in enumerate(run["epochs"])
    ]
    assert last["status"] == "finished"
    assert last["name"] == "out"
    assert last["test"] == run["test"] | {"error": in_percent(run["test"]["error_percent"])}
    assert last["progress"] | {"seconds": 0, "lr": 0} == {
        **{"epoch": 2, "epochs": 2, "step": 20, "steps": 20, "seconds": 0, "lr": 0}
    }
    assert (last["verdict"]["provisional"], last["verdict"]["title"]) == (False, run["diagnosis"]["title"])


def test_verdicts_are_provisional_until_the_last_one(shown):
    assert main([*SMALL, "--watch", "--out", "out"]) == 0
    told = [(state["status"], state["verdict"]["provisional"]) for state in shown if "verdict" in state]
    assert set(told[:-1]) == {("running", True), ("concluding", True)}
    assert told[-1] == ("finished", False)
    assert {state["verdict"]["epochs"] for state in shown if "verdict" in state} == {0, 1, 2}


def test_between_two_ticks_nothing_is_measured(shown, monkeypatch):
    monkeypatch.setattr("recipe.watch.view.TICK", 1e9)
    assert main([*SMALL, "--watch", "--out", "out"]) == 0
    assert [len(state["gradients"]) for state in shown if "gradients" in state] == [
        0
    ] * 4  # the first, and three at the end
    assert shown[-1]["progress"]["step"] == 20


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        (["--optimizer", "sgd", "--lr", "1e30", "--schedule", "constant"], "failed", 1),
        (["--time-limit", "1e-9"], "interrupted", 0),
    ],
)
def test_how_a_run_ends_is_shown(options, status, code, shown):
    assert main([*SMALL, *options, "--watch", "--out", "out"]) == code
    assert shown[-1]["status"] == status
    assert shown[-1]["stop"]
    json.dumps(shown[-1], allow_nan=False)


def test_ctrl_c_is_shown_and_a_resume_can_be_watched_as_well(shown, beside, capsys):
    class Interrupting(Callback):
        def on_batch_end(self, trainer, loss):
            if trainer.step == 13:
                os.kill(os.getpid(), signal.SIGINT)

    beside(Interrupting())
    assert main([*SMALL, "--watch", "--out", "out"]) == 130
    assert capsys.readouterr().out.splitlines()[-1].startswith("interrupted at step 13; to go on: ")
    assert (shown[-1]["status"], shown[-1]["progress"]["step"]) == ("interrupted", 13)
    del shown[:]
    assert main(["resume", "out", "--watch"]) == 0
    assert "live view: http://127.0.0.1:" in capsys.readouterr().out
    assert [x for x, _ in shown[-1]["gradients"]["linear1"]] == [1, *(pytest.approx(i / 10) for i in range(14, 21))]
    assert [x for x, _ in shown[-1]["curves"]["loss"]["running"]] == [pytest.approx(i / 10) for i in range(14, 21)]
    assert [x for x, _ in shown[-1]["curves"]["loss"]["training"]] == [1, 2]


def test_an_end_without_a_word_is_shown(shown, beside):
    class Falling(Callback):
        def on_batch_end(self, trainer, loss):
            if trainer.step == 3:
                raise RuntimeError("a fault")

    beside(Falling())
    with pytest.raises(RuntimeError):
        main([*SMALL, "--watch", "--out", "out"])
    assert shown[-1]["status"] == "aborted"


def test_a_port_that_is_taken_is_one_line_and_nothing_is_begun(capsys):
    with serving() as server:
        assert main([*SMALL, "--watch-port", str(server.server_port), "--out", "out"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"recipe: port {server.server_port} cannot be had on 127.0.0.1")
    assert err.count("\n") == 1
    assert not Path("out").exists()
    assert main([*SMALL, "--watch-port", "x"]) == 2
    assert "--watch-port x: wanted is a port" in capsys.readouterr().err


def test_long_runs_keep_few_points():
    view = LiveView(Board(), {}, "x")
    from recipe.watch.view import _add

    for i in range(5000):
        _add(view._running["loss"], (float(i), 0.0))
    points = view._running["loss"]
    assert len(points) <= 801
    assert (points[0][0], points[-1][0]) == (0.0, 4999.0)
    assert [x for x, _ in points] == sorted(x for x, _ in points)


# Another terminal


def test_a_folder_is_followed_while_its_run_goes_on(shown, monkeypatch):
    assert main([*SMALL, "--out", "out"]) == 0
    finished = run_of("out")
    under_way = finished | {"status": "running", "diagnosis": None, "test": None, "epochs": finished["epochs"][:1]}
    path = Path("out/run.json")
    path.write_text(json.dumps(under_way))
    monkeypatch.setattr("recipe.watch.folder._EVERY", 0.0)
    monkeypatch.setattr("recipe.watch.folder._PAUSE", 0.005)

    class Until:
        looks = 0

        def __bool__(self):
            self.looks += 1
            if self.looks == 10:
                path.write_text(json.dumps(finished))
                os.utime(path, (2e9, 2e9))
            return self.looks > 20

    follow(Path("out"), Board(), Until())
    assert [(state["status"], len(state["curves"]["loss"]["training"])) for state in shown] == [
        ("running", 1),
        ("finished", 2),
    ]
    assert [state["verdict"]["provisional"] for state in shown] == [True, False]
    assert shown[1]["gradients"]["linear1"] == [[1, finished["epochs"][0]["gradient_rms"]["linear1"]]]
    assert shown[1]["written"] == 2e9


def test_watch_serves_a_folder_until_ctrl_c():
    assert main([*SMALL, "--out", "out"]) == 0
    environment = dict(os.environ) | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "recipe", "watch", "out"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        line = process.stdout.readline()
        port = int(re.fullmatch(r"live view: http://127\.0\.0\.1:(\d+)/ \(Ctrl-C ends it\)\n", line)[1])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/events")
        stream = connection.getresponse()
        state = json.loads(stream.readline().removeprefix(b"data: "))
        assert (state["status"], state["name"]) == ("finished", "out")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stderr.read() == ""
        connection.close()


def test_watch_refuses_what_is_no_run(capsys):
    assert main(["watch", "nowhere"]) == 2
    assert capsys.readouterr().err == "recipe: nowhere is no run folder: it has no run.json.\n"
