"""Exact resume: stopped anywhere, by anything, and resumed, a run ends in the same bits as one that never stopped."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nn
import optim
from autograd.tree import flatten, flatten_like
from recipe import checkpoint
from recipe.callbacks import (
    Callback,
    EarlyStopping,
    GradientMonitor,
    HistoryLog,
    ModelCheckpoint,
    NanGuard,
    StepLog,
    TimeLimit,
    WeightMonitor,
)
from recipe.checkpoint import CheckpointError
from tests.recipe.small import EPOCHS, assert_same_run, data, fit, network, plain, trainer, weights

ROOT = Path(__file__).resolve().parents[2]


class Killed(BaseException):
    pass


class Kill(Callback):
    """Ends the process, as far as the trainer can tell, after `step` updates."""

    order = 200

    def __init__(self, step):
        self.at = step

    def on_batch_end(self, run, loss):
        if run.step == self.at:
            raise Killed


def watched(folder, every=None):
    """Callbacks with memories of every sort."""
    return [
        NanGuard(),
        GradientMonitor(every=4),
        WeightMonitor(),
        EarlyStopping("val_accuracy", patience=2),
        StepLog(folder / "steps.csv", every=2),
        HistoryLog(folder / "history.jsonl"),
        ModelCheckpoint(folder, every_steps=every),
    ]


def logs(folder):
    rows = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return (folder / "steps.csv").read_text(), [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.integers(1, 23), min_size=1, max_size=3, unique=True), every=st.sampled_from([None, 1, 4]))
def test_killed_at_any_steps_and_resumed_it_ends_in_the_same_bits(tmp_path_factory, steps, every):
    whole, broken = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("broken")
    one = fit(trainer(callbacks=watched(whole)))
    for step in sorted(steps):
        run = trainer(network(seed=1), callbacks=[*watched(broken, every), Kill(step)])
        if (broken / "checkpoint.safetensors").exists():
            run.load_state_dict(checkpoint.load(broken / "checkpoint.safetensors"))
        with contextlib.suppress(Killed):  # early stopping may come first
            fit(run)
    run = trainer(callbacks=watched(broken, every))
    if (broken / "checkpoint.safetensors").exists():
        run.load_state_dict(checkpoint.load(broken / "checkpoint.safetensors"))
    other = fit(run)
    assert_same_run(one, other)
    assert one.stop == other.stop
    assert logs(whole) == logs(broken)
    assert (whole / "best.safetensors").read_bytes() == (broken / "best.safetensors").read_bytes()


def test_steps_logged_beyond_the_checkpoint_are_cut_off(tmp_path):
    """The log of an epoch's end was written, the checkpoint after it was not."""
    log = StepLog(tmp_path / "steps.csv", every=1)
    run = fit(trainer(callbacks=[log, ModelCheckpoint(tmp_path)]), epochs=1)
    with open(log.path, "a") as file:
        file.write("7,0.5,0.01,1.0\n8,0.5,0.01,1.0\n")
    again = trainer(callbacks=[StepLog(log.path, every=1)])
    again.load_state_dict(checkpoint.load(tmp_path / "checkpoint.safetensors"))
    fit(again, epochs=2)
    steps = [int(line.split(",")[0]) for line in log.path.read_text().splitlines()[1:]]
    assert steps == list(range(1, 2 * run.step + 1))


def test_a_line_that_was_cut_is_none_of_the_log(tmp_path):
    """A full disk took the beginning of a later step's line, which looks like an earlier one's, or nothing of it."""
    log = StepLog(tmp_path / "steps.csv", every=1)
    state = fit(trainer(callbacks=[log]), epochs=1).state_dict()
    whole = log.path.read_text()
    for cut in ("1", "1,0.5,0.01,1.", "\n"):
        log.path.write_text(whole + cut)
        again = trainer(callbacks=[StepLog(log.path, every=1)])
        again.load_state_dict(state)
        fit(again, epochs=1)
        assert log.path.read_text() == whole


@pytest.mark.parametrize("options", [{"accumulate": 3}, {"clip_norm": 0.1}])
def test_resume_with_other_options(tmp_path, options):
    with pytest.raises(Killed):
        fit(trainer(callbacks=[ModelCheckpoint(tmp_path, every_steps=1), Kill(9)], **options))
    run = trainer(**options)
    run.load_state_dict(checkpoint.load(tmp_path / "checkpoint.safetensors"))
    assert_same_run(fit(run), fit(trainer(**options)))


def test_a_time_limit_stops_where_a_resume_goes_on(tmp_path):
    run = fit(trainer(callbacks=[TimeLimit(1e-9), ModelCheckpoint(tmp_path)]))
    assert run.step == 1
    assert run.history.last["partial"]
    again = trainer()
    again.load_state_dict(checkpoint.load(tmp_path / "checkpoint.safetensors"))
    assert_same_run(fit(again), fit(trainer()))


def test_a_run_that_stopped_early_does_not_go_on_when_resumed(tmp_path):
    def stopping():
        return [EarlyStopping(patience=1, min_delta=10.0), ModelCheckpoint(tmp_path)]

    one = fit(trainer(callbacks=stopping()))
    assert one.epoch == 2 < EPOCHS
    again = trainer(callbacks=stopping())
    again.load_state_dict(checkpoint.load(tmp_path / "checkpoint.safetensors"))
    fit(again)
    assert again.stop == one.stop
    np.testing.assert_equal(weights(again), weights(one))


PROGRAM = """
import sys
from pathlib import Path
from recipe import checkpoint
from recipe.callbacks import Callback, ModelCheckpoint
from tests.recipe.small import fit, trainer

class Tell(Callback):
    order = 200
    def on_batch_end(self, run, loss):
        print(run.step, flush=True)
        if run.step == 9:
            sys.stdin.read()  # wait to be killed

fit(trainer(callbacks=[ModelCheckpoint(sys.argv[1], every_steps=2), Tell()]))
"""


def test_killed_by_sigkill(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with process:
        while (line := process.stdout.readline().strip()) != "9":
            assert line, "the program ended before step 9"
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
    assert process.returncode == -signal.SIGKILL
    run = trainer()
    run.load_state_dict(checkpoint.load(tmp_path / "checkpoint.safetensors"))
    assert run.step == 8
    assert_same_run(fit(run), fit(trainer()))


def test_the_state_is_a_copy():
    run = fit(trainer(), epochs=1)
    state = run.state_dict()
    before = {name: array.copy() for name, array in state["model"].items()}
    fit(run)
    np.testing.assert_equal(state["model"], before)


def test_a_state_survives_the_file(tmp_path):
    state = {
        "numbers": [1, 0.1, float("inf"), None, True, "text"],
        "arrays": {"a.b": np.arange(6.0).reshape(2, 3), 3: [np.zeros((), "int64"), np.zeros((0, 2), "float32")]},
        "scalar": np.float32(0.5),
        "transposed": np.arange(6).reshape(2, 3).T,
    }
    checkpoint.save(tmp_path / "c.safetensors", state)
    again = checkpoint.load(tmp_path / "c.safetensors")
    assert again["numbers"] == state["numbers"]
    assert again["scalar"] == 0.5
    np.testing.assert_equal(again["arrays"], {"a.b": state["arrays"]["a.b"], "3": state["arrays"][3]})
    np.testing.assert_array_equal(again["transposed"], state["transposed"])
    assert again["arrays"]["3"][0].dtype == np.int64


def test_a_file_that_is_no_checkpoint(tmp_path):
    missing, damaged, only_weights = (tmp_path / name for name in ("missing", "damaged", "weights"))
    damaged.write_bytes(b"x" * 100)
    nn.save(plain(), only_weights)
    for path, text in [
        (missing, f"{missing} does not exist: the run saved nothing there, or the path is another."),
        (damaged, f"{damaged} cannot be used:"),
        (only_weights, f"{only_weights} holds weights but no state of a run"),
        (tmp_path, f"{tmp_path} is a folder: name the checkpoint.safetensors in it."),
    ]:
        with pytest.raises(CheckpointError, match=f"^{re.escape(text)}"):
            checkpoint.load(path)


def other_step(state, arrays):
    return {**state, "step": state["step"] - 1}, arrays


def other_weight(state, arrays):
    return state, {name: array + (name == "state/model/4.bias") for name, array in arrays.items()}


def other_kind(state, arrays):
    return state, {name: array.astype("float64") for name, array in arrays.items()}


def other_shape(state, arrays):
    return state, {name: array.reshape(-1) for name, array in arrays.items()}


@pytest.mark.parametrize("change", [other_step, other_weight, other_kind, other_shape])
def test_a_checkpoint_that_was_changed_is_refused(change, tmp_path):
    """By hand, or by a disk: whatever it is, the run that went on would be another."""
    path = tmp_path / "checkpoint.safetensors"
    checkpoint.save(path, fit(trainer(), epochs=1).state_dict())
    about, arrays = nn.load_metadata(path), {name: tensor.numpy() for name, tensor in nn.load(path).items()}
    nn.save(arrays, path, metadata=about)
    assert checkpoint.load(path)["epoch"] == 1
    state, arrays = change(json.loads(about["state"]), arrays)
    nn.save(arrays, path, metadata=about | {"state": json.dumps(state)})
    text = f"{path} cannot be used: it holds something else than was saved there; restore it, or train anew."
    with pytest.raises(CheckpointError, match=f"^{re.escape(text)}$"):
        checkpoint.load(path)


def test_a_checkpoint_of_a_version_that_kept_no_digest_is_taken(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    checkpoint.save(path, trainer().state_dict())
    nn.save(nn.load(path), path, metadata={"state": nn.load_metadata(path)["state"]})
    trainer().load_state_dict(checkpoint.load(path))


@pytest.mark.parametrize(
    ("name", "value"), [("step", -1), ("step", None), ("epoch", 1.0), ("epoch", True), ("seconds", "x")]
)
def test_a_state_that_counts_in_another_way_is_refused(name, value):
    run = trainer()
    with pytest.raises(TypeError, match=f"{name} of the state is {value!r}, which is no number of"):
        run.load_state_dict(run.state_dict() | {name: value})


@pytest.mark.parametrize("wrong", ["a path", {"0.weight": np.ones(3)}])
def test_what_is_no_state_of_a_run_is_named(wrong):
    with pytest.raises(TypeError, match=re.escape("weights alone go into trainer.model.load_state_dict(nn")):
        trainer(plain()).load_state_dict(wrong)


@pytest.mark.parametrize("cut", [10, 1000, -1])
def test_a_truncated_checkpoint(tmp_path, cut):
    path = tmp_path / "checkpoint.safetensors"
    checkpoint.save(path, trainer().state_dict())
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(CheckpointError, match=re.escape(str(path))):
        checkpoint.load(path)


def test_a_state_of_another_run_is_refused():
    state = trainer().state_dict()
    with pytest.raises(ValueError, match="generators"):
        trainer(plain()).load_state_dict(state)
    with pytest.raises(ValueError, match="has a schedule, and the other has none"):
        trainer(schedule=None).load_state_dict(state)


def without_running(state):
    return {name: part for name, part in state.items() if name != "running"}


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        (
            lambda state: state | {"optimizer": optim.Adam([nn.Parameter([1.0])]).state_dict()},
            ValueError,
            "the same parameters",
        ),
        (lambda state: state | {"schedule": {}}, ValueError, "takes a state with"),
        (lambda state: state | {"running": {}}, KeyError, "rows"),
        (without_running, TypeError, "takes what state_dict gave"),
    ],
)
def test_a_state_that_does_not_fit_in_one_part_changes_nothing(change, kind, text):
    other, run = trainer(), trainer()
    fit(other)
    before = run.state_dict()
    with pytest.raises(kind, match=text):
        run.load_state_dict(change(other.state_dict()))
    leaves, structure = flatten(before)
    for now, then in zip(flatten_like(run.state_dict(), structure), leaves, strict=True):
        np.testing.assert_array_equal(now, then)


def test_data_of_another_length_are_refused(tmp_path):
    with pytest.raises(Killed):
        fit(trainer(callbacks=[ModelCheckpoint(tmp_path, every_steps=1), Kill(2)]))
    run = trainer()
    run.load_state_dict(checkpoint.load(tmp_path / "checkpoint.safetensors"))
    with pytest.raises(ValueError, match="rows is 60 here and was 90 in the checkpoint"):
        run.fit(data(60), epochs=1, batch_size=16)
