"""The other callbacks: guard, monitors, logs, progress, checkpoints and the learning-rate finder."""

from __future__ import annotations

import csv
import io
import json
import math
import re

import numpy as np
import pytest

import autograd as ag
import nn
import optim
from autograd.random import Generator
from recipe import Trainer, checkpoint
from recipe.callbacks import (
    ActivationMonitor,
    Callback,
    EarlyStopping,
    GradientMonitor,
    HistoryLog,
    LRFinder,
    ModelCheckpoint,
    NanGuard,
    NotFinite,
    Progress,
    StepLog,
    Target,
    TimeLimit,
    WeightMonitor,
)
from recipe.callbacks.monitors import measure_activations
from recipe.callbacks.progress import line
from tests.recipe.small import BATCH, EPOCHS, assert_same_run, data, fit, network, plain, timeless, trainer, weights

# The guard


class Poison(Callback):
    """Spoils something before a step."""

    def __init__(self, step, spoil):
        self.at, self.spoil = step, spoil

    def on_batch_end(self, run, loss):
        if run.step == self.at:
            self.spoil(run)


class Root(nn.Module):
    """sqrt(x^2): its gradient at 0 is 0 * inf."""

    def forward(self, x):
        return ag.sqrt(x * x)


class Trap(nn.Module):
    """Finite where dropout silenced a unit, NaN where it did not."""

    def forward(self, x):
        return ag.log(10.0 - x)


def guarded(run, epochs=2):
    with pytest.raises(NotFinite) as caught, np.errstate(all="ignore"):
        fit(run, epochs=epochs)
    return caught.value


def test_the_guard_names_the_layer_whose_output_is_first_not_finite():
    def blow_up(run):
        run.model[4].weight.data[...] = 3e38

    error = guarded(trainer(callbacks=[NanGuard(), Poison(8, blow_up)]))
    assert (error.step, error.epoch) == (9, 1)
    assert "the output of layer 4 (Linear) is" in error.where
    assert str(error).startswith("step 9 (epoch 2): the output of layer 4 (Linear) is")
    assert "in the forward pass" in error.where  # the operation, as anomaly() tells it


def test_the_guard_names_spoilt_weights_and_inputs():
    def spoil(run):
        run.model[0].bias.data[0] = np.nan

    error = guarded(trainer(callbacks=[NanGuard(), Poison(3, spoil)]))
    assert error.where == "the parameter 0.bias is NaN in 1 of 12 places, left by an earlier step"
    x, y = data()
    x = x.copy()
    x[:2] = np.inf
    run = trainer(plain(), callbacks=[NanGuard()])
    text = "the input is not finite in 2 of the batch's 90 rows"
    with pytest.raises(NotFinite, match=text), np.errstate(all="ignore"):
        run.fit((x, y), epochs=1, batch_size=90)


def test_the_guard_names_a_gradient_that_is_born_not_finite_before_the_update():
    model = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), Root(), nn.Linear(4, 3))
    run = trainer(model, callbacks=[NanGuard()])
    model[0].bias.data[...] = -100.0  # every unit is silent: the root is at 0
    before = weights(run)
    error = guarded(run)
    assert error.step == 1
    assert "the gradient of 0.bias is NaN in 4 of 4 places, from a finite loss" in error.where
    assert "in the backward pass" in error.where
    np.testing.assert_equal(weights(run), before)


def test_the_guard_names_the_loss():
    model = plain()

    def loss(output, y):
        return ag.sum(output) * float("inf")

    run = Trainer(model, loss, optim.SGD(model.parameters()), callbacks=[NanGuard()])
    assert "the loss is" in guarded(run).where


def test_the_guard_repeats_the_step_with_the_same_dropout():
    """A row is bad where a unit is kept, which happens to one in twenty: another mask would find nothing."""
    model = nn.Sequential(nn.Linear(2, 1), nn.Dropout(0.95, generator=Generator(1)), Trap(), nn.Linear(1, 3))
    nn.init.zeros_(model[0].weight)
    nn.init.ones_(model[0].bias)
    optimizer = optim.SGD(model.parameters(), lr=0.0)
    for accumulate in (1, 2):
        guard = NanGuard()
        run = Trainer(model, nn.functional.cross_entropy, optimizer, callbacks=[guard], accumulate=accumulate)
        with pytest.raises(NotFinite) as caught, np.errstate(all="ignore"):
            run.fit(data(), epochs=20, batch_size=2)
        assert caught.value.where.startswith("the output of layer 2 (Trap) is NaN in 1 of")
        assert "[log gave NaN in the forward pass" in caught.value.where


def test_what_the_run_measured_before_the_failure_is_kept():
    def blow_up(run):
        run.model[4].weight.data[...] = np.inf

    run = trainer(callbacks=[NanGuard(), Poison(8, blow_up)])
    guarded(run)
    assert len(run.history) == 2
    assert run.history.last["partial"]
    assert run.stop.startswith("not finite: step 9")


def test_the_guard_changes_nothing():
    assert_same_run(fit(trainer(callbacks=[NanGuard()])), fit(trainer()))


# Monitors


def test_the_gradient_monitor_measures_what_the_update_did():
    model = plain()
    run = Trainer(model, nn.functional.cross_entropy, optim.SGD(model.parameters(), lr=0.5), callbacks=[])
    before = weights(run)
    run = Trainer(
        model, nn.functional.cross_entropy, run.optimizer, callbacks=[GradientMonitor(every=1)], clip_norm=None
    )
    run.fit(data(), epochs=1, batch_size=90)
    record = run.history.last
    for name in ("0", "2"):
        moved = before[f"{name}.weight"] - weights(run)[f"{name}.weight"]
        rms = np.sqrt((moved**2).mean())
        assert record["gradient_rms"][name] == pytest.approx(rms / 0.5, rel=1e-4)
        size = np.sqrt((before[f"{name}.weight"] ** 2).mean())
        assert record["update_ratio"][name] == pytest.approx(rms / size, rel=1e-4)
    assert record["gradient_ratio"] == record["gradient_rms"]["0"] / record["gradient_rms"]["2"]


def test_the_activation_monitor_sees_dead_and_saturated_units():
    class Fixed(nn.Module):
        def forward(self, x):
            rows = np.array([[0.0, 10.0, -10.0, 1.0], [-1.0, 10.0, 0.5, 2.0]], "float32")
            return ag.Tensor(rows) + x * 0.0

    found = measure_activations(nn.Sequential(Fixed(), nn.ReLU()), np.zeros((2, 4), "float32"))
    std = np.std([0, 10, 0, 1, 0, 10, 0.5, 2])
    assert found["1"] == {"mean": pytest.approx(23.5 / 8), "std": pytest.approx(std), "dead": 0.25}
    found = measure_activations(nn.Sequential(Fixed(), nn.Tanh()), np.zeros((2, 4), "float32"))
    assert found["1"]["saturated"] == 3 / 8
    assert "dead" not in found["1"]


def test_the_weight_monitor_by_hand():
    measured = WeightMonitor(tau=0.5, bins=4).measure(np.array([[3.0, -4.0], [0.0, 0.1]], "float32"))
    assert measured["l1"] == pytest.approx(7.1)
    assert measured["l2"] == pytest.approx(np.sqrt(25.01))
    assert (measured["max"], measured["small"]) == (4.0, 0.5)
    assert measured["histogram"] == [1, 0, 2, 1]
    assert WeightMonitor(bins=2).measure(np.zeros((2, 2), "float32"))["histogram"] == [0, 4]
    for spoilt in (np.nan, np.inf):
        measured = WeightMonitor().measure(np.array([[1.0, spoilt]], "float32"))
        assert measured["histogram"] == []
        assert not np.isfinite(measured["max"])


def test_monitors_change_nothing_and_add_their_keys():
    monitors = [GradientMonitor(every=4), ActivationMonitor(rows=10), WeightMonitor()]
    run, bare = fit(trainer(callbacks=monitors)), fit(trainer())
    record = run.history.last
    assert list(record["weights"]) == ["0", "4"]
    assert set(record["activations"]) == {"2"}
    measured = {"gradient_rms", "gradient_ratio", "update_ratio", "activations", "weights"}
    assert set(record) - set(bare.history.last) == measured
    np.testing.assert_equal(weights(run), weights(bare))


# Logs


def test_the_step_log_has_every_step_it_promises(tmp_path):
    losses = {}

    class Losses(Callback):
        def on_batch_end(self, run, loss):
            losses[run.step] = float(loss)

    run = fit(trainer(callbacks=[StepLog(tmp_path / "steps.csv", every=4), Losses()]))
    with open(tmp_path / "steps.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == list(range(1, run.step + 1, 4))
    assert [float(row["loss"]) for row in rows] == [losses[int(row["step"])] for row in rows]
    assert float(rows[0]["lr"]) == 0.02
    assert all(float(row["gradient_norm"]) > 0 for row in rows)


def test_the_history_log_as_csv_and_as_json_lines(tmp_path):
    logs = [HistoryLog(tmp_path / "h.csv"), HistoryLog(tmp_path / "h.jsonl"), WeightMonitor()]
    run = fit(trainer(callbacks=logs))
    with open(tmp_path / "h.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["val_loss"]) for row in rows] == run.history["val_loss"]
    assert float(rows[-1]["weights.0.max"]) == run.history.last["weights"]["0"]["max"]
    assert "weights.0.histogram" not in rows[0]
    assert [int(row["epoch"]) for row in rows] == [epoch + 1 for epoch in run.history["epoch"]]  # as everybody counts
    lines = [json.loads(text) for text in (tmp_path / "h.jsonl").read_text().splitlines()]
    assert lines == [record | {"epoch": record["epoch"] + 1} for record in run.history]


def test_the_history_log_of_an_earlier_version_is_written_anew_by_a_resume(tmp_path):
    first = fit(trainer(callbacks=[HistoryLog(tmp_path / "h.csv")]), epochs=2)
    written = (tmp_path / "h.csv").read_text()
    (tmp_path / "h.csv").write_text("epoch,step\n0,10\n1,20\n")  # its epochs counted from 0
    going_on = trainer(callbacks=[HistoryLog(tmp_path / "h.csv")])
    going_on.load_state_dict(first.state_dict())
    fit(going_on, epochs=2)
    assert (tmp_path / "h.csv").read_text() == written


def test_wrong_options_of_callbacks(tmp_path):
    for make, text in [
        (lambda: StepLog(tmp_path / "s.csv", every=0), "StepLog got every=0"),
        (lambda: HistoryLog("h.txt"), "HistoryLog writes .csv or .jsonl files, got h.txt"),
        (lambda: TimeLimit(0), "TimeLimit got seconds=0: more than 0 is wanted."),
        (lambda: NanGuard(every=0), "NanGuard got every=0"),
        (lambda: GradientMonitor(every=0), "GradientMonitor got every=0"),
        (lambda: ActivationMonitor(rows=0), "ActivationMonitor got rows=0"),
        (lambda: WeightMonitor(tau=0), "WeightMonitor got tau=0"),
        (lambda: ModelCheckpoint(tmp_path, every_steps=0), "ModelCheckpoint got every_steps=0"),
        (lambda: LRFinder(smoothing=1), "LRFinder got smoothing=1: less than 1 is wanted"),
        (lambda: LRFinder(lowest=1.0, highest=0.1), "LRFinder got highest=0.1: more than 1 is wanted."),
    ]:
        with pytest.raises(ValueError, match=f"^{re.escape(text)}"):
            make()


@pytest.mark.parametrize(
    "make",
    [
        lambda n: NanGuard(every=n),
        lambda n: StepLog("s.csv", every=n),
        lambda n: ModelCheckpoint("runs", every_seconds=n),
        lambda n: EarlyStopping(patience=n),
        lambda n: EarlyStopping(alpha=n),
        lambda n: Target("val_loss", n),
        lambda n: WeightMonitor(bins=n),
        lambda n: LRFinder(diverged=n),
    ],
)
@pytest.mark.parametrize("number", [math.nan, "3"])
def test_what_is_no_number_is_refused_where_it_is_given(make, number):
    with pytest.raises((TypeError, ValueError), match=f"(takes a .*number as .*, got {number!r}|=nan: .*wanted)"):
        make(number)


# Checkpoints


@pytest.mark.parametrize("monitor", ["val_loss", "val_accuracy"])
def test_a_target_ends_the_run_with_the_first_epoch_that_reaches_it(monitor):
    free = fit(trainer(plain()))
    values = free.history[monitor]
    run = fit(trainer(plain(), callbacks=[Target(monitor, values[2])]))
    assert len(run.history) == min(i for i, v in enumerate(values) if (v <= values[2]) == (monitor == "val_loss")) + 1
    assert run.stop == f"target: {monitor} is {run.history[monitor][-1]:.4g}, and {values[2]:.4g} was wished for"
    again = trainer(plain(), callbacks=[Target(monitor, values[2])])
    again.load_state_dict(run.state_dict())
    assert len(fit(again).history) == len(run.history)
    out_of_reach = fit(trainer(plain(), callbacks=[Target(monitor, -1.0 if monitor == "val_loss" else 2.0)]))
    assert (len(out_of_reach.history), out_of_reach.stop) == (EPOCHS, None)


def test_a_folder_that_is_not_there_is_made(tmp_path):
    folder = tmp_path / "runs" / "first"
    written = [ModelCheckpoint(folder), StepLog(folder / "logs" / "steps.csv"), HistoryLog(folder / "history.csv")]
    for callback in written:
        fit(trainer(callbacks=[callback]), epochs=1)
    names = ["best.safetensors", "checkpoint.safetensors", "history.csv", "logs/steps.csv"]
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*")) == names


@pytest.mark.parametrize("best", ["val_los", "val_f1", "loss"])
def test_a_misspelt_best_is_told(tmp_path, best):
    with pytest.raises(KeyError, match=f"has no '{best}' to monitor; it has epoch"):
        fit(trainer(callbacks=[ModelCheckpoint(tmp_path, best=best)]), epochs=1)


def test_without_validation_rows_no_best_is_kept(tmp_path):
    run = trainer(callbacks=[ModelCheckpoint(tmp_path)])
    run.fit(data(90), epochs=1, batch_size=BATCH)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.safetensors"]


def test_best_weights_are_those_of_the_best_epoch(tmp_path):
    kept = {}

    class Keep(Callback):
        def on_epoch_end(self, run, record):
            kept[record["epoch"]] = weights(run)

    run = fit(trainer(lr=0.3, callbacks=[Keep(), ModelCheckpoint(tmp_path)]), epochs=EPOCHS)
    best = int(np.argmin(run.history["val_loss"]))
    saved = {name: tensor.numpy() for name, tensor in nn.load(tmp_path / "best.safetensors").items()}
    np.testing.assert_equal(saved, kept[best])
    about = json.loads(nn.load_metadata(tmp_path / "best.safetensors")["about"])
    assert about == {"epoch": best, "val_loss": run.history["val_loss"][best]}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.safetensors", "checkpoint.safetensors"]


# Progress


def test_an_error_that_is_not_0_is_not_shown_as_0():
    record = {"epoch": 0, "train_loss": 0.1, "val_loss": 0.1, "lr": 0.1, "seconds": 1.0}
    text = line(record | {"train_accuracy": 59_999 / 60_000, "val_accuracy": 1.0}, 1)
    assert "train loss 0.1000, error <0.01 %  val loss 0.1000, error 0.00 %" in text


def test_progress_prints_a_line_an_epoch():
    out = io.StringIO()
    run = fit(trainer(callbacks=[Progress(stream=out)]), epochs=2)
    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    assert lines == [line(record, 2) for record in run.history]
    assert re.fullmatch(
        r"epoch 1/2  train loss \d\.\d{4}, error \d+\.\d\d %  val loss \d\.\d{4}, error \d+\.\d\d %  "
        r"next lr \d\.\d\de-\d\d  \d+\.\d s",
        lines[0],
    )


def test_what_was_trained_is_saved_when_nobody_reads_the_lines_any_more(tmp_path):
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    run = trainer(callbacks=[Progress(stream=Gone()), ModelCheckpoint(tmp_path)])
    with pytest.raises(KeyboardInterrupt):
        fit(run, epochs=3)
    assert checkpoint.load(tmp_path / "checkpoint.safetensors")["step"] == run.step > 0
    assert len(run.history) == 1


def test_a_live_bar_ends_with_the_run_and_prints_the_same_lines():
    pytest.importorskip("rich")
    out = io.StringIO()
    run = fit(trainer(callbacks=[Progress(stream=out, live=True)]), epochs=2)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", out.getvalue())
    for record in run.history:
        assert " ".join(line(record, 2).split()) in " ".join(text.split())
    assert run.callbacks[0]._bar is None


# The learning-rate finder


def test_the_finder_sweeps_and_leaves_everything_as_it_was():
    run, untouched = trainer(), trainer()
    fit(run, epochs=1)
    fit(untouched, epochs=1)
    sweep = LRFinder(1e-4, 10.0, steps=40).run(run, data(), BATCH)
    assert sweep.rates[0] == pytest.approx(1e-4)
    assert sweep.rates == sorted(sweep.rates)
    assert len(sweep.rates) == len(sweep.losses) <= 40
    assert 1e-4 < sweep.suggestion < 1.0
    assert_same_run(run, untouched)
    assert_same_run(fit(run), fit(untouched))


def test_the_finder_smooths_as_much_as_it_is_told():
    raw, smooth = (LRFinder(1e-5, 1e-4, steps=20, smoothing=s).run(trainer(), data(), BATCH) for s in (0.0, 0.5))
    mean, means = 0.0, []
    for i, loss in enumerate(raw.losses, start=1):
        mean = 0.5 * mean + 0.5 * loss
        means.append(mean / (1 - 0.5**i))
    assert smooth.losses == pytest.approx(means)


def test_the_finder_stops_when_the_loss_breaks():
    model = plain()
    run = Trainer(model, nn.functional.cross_entropy, optim.SGD(model.parameters(), lr=0.1))
    with np.errstate(all="ignore"):
        sweep = LRFinder(1e-3, 1e6, steps=60).run(run, data(), BATCH)
    assert len(sweep.rates) < 60
    assert all(np.isfinite(sweep.losses))


def test_small_helpers_agree():
    """The small run's own helpers, since everything here leans on them."""
    one, other = fit(trainer(), epochs=1), fit(trainer(), epochs=1)
    assert timeless(one.history.last) == timeless(other.history.last)
    other.model[0].weight.data[0, 0] += 1e-6
    with pytest.raises(AssertionError):
        assert_same_run(one, other)
    assert network()[3].p == 0.3
