"""Compiled updates in a run: the same numbers, the same events, the same bits after a resume, and a word about it.

One idea: whatever a run shows when it is eager it shows when it is compiled, so each test is one that an eager run
passes too, or compares the two.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator

import numpy as np
import pytest

import autograd as ag
import nn
import optim
from autograd.compile.cuda import device
from autograd.compile.native import library, missing
from autograd.random import Generator
from recipe import Trainer, checkpoint, formulas
from recipe.callbacks import (
    ActivationMonitor,
    Callback,
    EarlyStopping,
    GradientMonitor,
    LRFinder,
    ModelCheckpoint,
    NanGuard,
    NotFinite,
    Progress,
    StepLog,
)
from recipe.diagnose import Evidence
from tests.autograd.compile import simulated
from tests.autograd.compile.worlds import needs_c
from tests.recipe.small import BATCH, EPOCHS, assert_same_run, data, fit, network, plain, timeless, trainer, weights
from tests.recipe.test_resume import Kill, Killed

BOTH = ["gradients", "update"]


@pytest.fixture(autouse=True)
def executor(monkeypatch: pytest.MonkeyPatch) -> None:
    """C where it is there, whatever the environment says, else NumPy."""
    monkeypatch.delenv("TAPEGRAD_COMPILE", raising=False)
    monkeypatch.delenv("TAPEGRAD_EXECUTOR", raising=False)
    if missing() is not None:
        monkeypatch.setenv("TAPEGRAD_EXECUTOR", "numpy")


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch) -> None:
    """ "auto" begins after 7 updates, in the second epoch of the small run."""
    monkeypatch.setattr(formulas, "AFTER", 7)


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CC", "/no/such/compiler")
    monkeypatch.delenv("TAPEGRAD_EXECUTOR", raising=False)
    library._compiler.cache_clear()
    yield
    library._compiler.cache_clear()


def compiled(run: Trainer) -> list[str]:
    return run.formulas.way(run.step)["compiled"]


def programs(run: Trainer, name: str) -> int:
    return len(run.formulas._compiled[name].programs)


def assert_close(one: Trainer, other: Trainer, rtol: float = 1e-7) -> None:
    for a, b in zip(one.history, other.history, strict=True):
        assert timeless(a) == pytest.approx(timeless(b), rel=rtol, abs=1e-12)
    for name, values in weights(one).items():
        np.testing.assert_allclose(values, weights(other)[name], rtol=rtol, atol=1e-12)


# What is compiled, and what is said


@needs_c
def test_by_default_updates_are_compiled_once_they_repay_it(early):
    run = trainer()
    assert run.describe_steps() == "eager: compiling begins after 7 updates"
    fit(run, epochs=1)
    assert (run.step, compiled(run)) == (6, [])
    fit(run)
    assert compiled(run) == BOTH
    assert re.fullmatch(r"compiled \(native\) after 7 updates, traced in \d+\.\d s", run.describe_steps())
    # The rate changes at every update, and the last batch of an epoch is left as it is: one program for each.
    assert [programs(run, name) for name in ("gradients", "update", "outputs")] == [1, 1, 0]


def test_a_short_run_is_not_worth_it():
    assert fit(trainer()).describe_steps() == "eager: compiling begins after 500 updates"


def test_on_demand_all_is_compiled_from_the_first_update_on():
    run = fit(trainer(compile=True))
    assert compiled(run) == BOTH
    assert re.fullmatch(r"compiled \(\w+\), traced in \d+\.\d s", run.describe_steps())
    assert [programs(run, name) for name in ("gradients", "update")] == [2, 1]


def test_switched_off_nothing_is():
    run = fit(trainer(compile=False))
    assert run.describe_steps() == "eager: compile is false"
    assert programs(run, "gradients") == 0


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("TAPEGRAD_COMPILE", "0", "TAPEGRAD_COMPILE is 0"),
        ("TAPEGRAD_EXECUTOR", "numpy", "TAPEGRAD_EXECUTOR is numpy, which is slower"),
    ],
)
def test_the_environment_can_switch_it_off(early, monkeypatch, variable, value, why):
    monkeypatch.setenv(variable, value)
    run = fit(trainer())
    assert run.describe_steps() == f"eager: {why}"
    assert_same_run(run, fit(trainer(compile=False)))


def test_what_it_cannot_be_is_refused():
    with pytest.raises(ValueError, match="compile='always': True, False or \"auto\" is wanted"):
        trainer(compile="always")


def test_on_a_device_without_an_executor_steps_are_eager(monkeypatch):
    monkeypatch.delitem(device._makers, "guard")
    run = fit(trainer(plain().to("guard"), device="guard", compile=True))
    assert run.describe_steps() == 'eager: programs cannot run on "guard"'


@simulated.needed
@pytest.mark.usefixtures("no_compiler")
def test_on_a_gpu_steps_need_no_c_compiler():
    run = fit(trainer(plain().to("guard"), device="guard", compile=True))
    assert compiled(run) == BOTH
    assert run.describe_steps().startswith("compiled (guard), traced in ")


@pytest.mark.usefixtures("no_compiler")
@pytest.mark.parametrize("compile", ["auto", True])
def test_without_a_compiler_steps_are_eager(early, compile):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = fit(trainer(compile=compile))
    assert re.match("eager: the C compiler /no/such/compiler does not run", run.describe_steps())
    assert_same_run(run, fit(trainer(compile=False)))


def test_progress_says_when_the_way_changes(early):
    out = io.StringIO()
    run = fit(trainer(callbacks=[Progress(stream=out)], compile="auto" if missing() is None else True))
    lines = [line.split("  ")[0] for line in out.getvalue().splitlines()]
    assert lines[:1] + [line for line in lines if line.startswith("steps")] == [
        "epoch 1/4",
        f"steps {run.describe_steps()}",
    ]


# The same numbers


class Halve(Callback):
    """Changes the gradients between backward and update."""

    def on_backward_end(self, run, loss):
        for p in run.model.parameters():
            p.grad = ag.Tensor(p.grad.data * 0.5)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"accumulate": 3},
        {"clip_norm": 0.05},
        {"clip_value": 0.01},
        {"callbacks": lambda: [Halve()]},
        {"callbacks": lambda: [EarlyStopping("val_accuracy", patience=1)]},
    ],
)
@pytest.mark.parametrize("compile", ["auto", True])
def test_the_history_is_that_of_an_eager_run_to_rounding(early, compile, options):
    """With dropout, batch normalisation, Adam, a max-norm and a cosine."""
    x, y = data()
    x, val = x.astype("float64"), (data(40, seed=6)[0].astype("float64"), data(40, seed=6)[1])
    runs = []
    for way in (compile, False):
        given = {name: value() if callable(value) else value for name, value in options.items()}
        run = trainer(network().to("float64"), compile=way, **given)
        run.fit((x, y), val, epochs=EPOCHS, batch_size=BATCH)
        runs.append(run)
    assert_close(*runs)
    assert programs(runs[0], "update") == (missing() is None or compile is True)


def test_plateau_and_evaluation_are_those_of_an_eager_run(early):
    runs = []
    for way in (True, "auto", False):
        model = plain().to("float64")
        optimizer = optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
        plateau = optim.ReduceLROnPlateau(optimizer, patience=0)
        run = Trainer(model, nn.functional.cross_entropy, optimizer, schedule=plateau, compile=way)
        x, y = data(2100)
        x = x.astype("float64")
        run.fit((x, y), epochs=6, batch_size=500)
        runs.append(run)
    assert len(set(runs[2].history["lr"])) > 1
    assert_close(runs[0], runs[2])
    assert_close(runs[1], runs[2])
    assert programs(runs[0], "outputs") == 2  # of 1000 rows and of 100
    assert programs(runs[1], "outputs") == (missing() is None)


@pytest.mark.parametrize("options", [{}, {"accumulate": 3}, {"clip_norm": 0.5}])
def test_the_same_seed_is_the_same_run(options):
    assert_same_run(fit(trainer(compile=True, **options)), fit(trainer(compile=True, **options)))


# What callbacks see


def test_those_who_look_change_nothing(tmp_path):
    """Hooks of a look of their own leave the steps compiled."""
    watching = [
        NanGuard(),
        GradientMonitor(every=4),
        ActivationMonitor(rows=10),
        StepLog(tmp_path / "s.csv"),
        Evidence(),
    ]
    run, bare = (fit(trainer(callbacks=callbacks, compile=True)) for callbacks in (watching, []))
    np.testing.assert_equal(weights(run), weights(bare))
    assert run.history["val_loss"] == bare.history["val_loss"]
    assert [programs(run, name) for name in ("gradients", "update")] == [2, 1]


def test_a_bad_update_is_stopped_before_it_is_made():
    class Spoil(Callback):
        def on_batch_end(self, run, loss):
            if run.step == 8:
                run.model[4].weight.data[...] = 3e38
                self.then = weights(run)

    spoil = Spoil()
    run = trainer(callbacks=[NanGuard(), spoil], compile=True)
    with pytest.raises(NotFinite) as caught, np.errstate(all="ignore"):
        fit(run)
    assert (caught.value.step, caught.value.epoch) == (9, 1)
    assert "the output of layer 4 (Linear) is" in caught.value.where
    for name, values in spoil.then.items():
        if "running" not in name and "batches" not in name:
            np.testing.assert_array_equal(weights(run)[name], values)


def test_a_model_with_hooks_is_eager_until_they_are_gone():
    run = trainer(compile=True)
    calls = []
    handle = run.model[2].register_forward_hook(lambda *given: calls.append(run.step))
    fit(run, epochs=1)
    assert calls[:6] == list(range(6))
    assert compiled(run) == ["update"]
    assert run.describe_steps().endswith("; gradients eager: the model has hooks")
    handle.remove()
    fit(run)
    assert compiled(run) == BOTH
    assert set(calls) == {0, 1, 2, 3, 4, 5, 6}  # the last one is the evaluation's


@pytest.mark.parametrize("compile", ["auto", True])
def test_the_rate_finder_leaves_everything_as_it_was(early, compile):
    run, untouched = (fit(trainer(compile=compile), epochs=2) for _ in range(2))
    assert len(LRFinder(1e-4, 10.0, steps=40).run(run, data(), BATCH).rates) > 20
    assert_same_run(fit(run), fit(untouched))


# Resume


@pytest.mark.parametrize("compile", ["auto", True])
@pytest.mark.parametrize("steps", [[1], [7], [8], [3, 12, 20]])
def test_killed_and_resumed_it_ends_in_the_same_bits(tmp_path, early, compile, steps):
    """The steps before and after the kill are traced apart."""
    for step in steps:
        run = trainer(callbacks=[ModelCheckpoint(tmp_path, every_steps=1), Kill(step)], compile=compile)
        if (tmp_path / "checkpoint.safetensors").exists():
            run.load_state_dict(checkpoint.load(tmp_path / "checkpoint.safetensors"))
        with pytest.raises(Killed):
            fit(run)
    run = trainer(compile=compile)
    run.load_state_dict(checkpoint.load(tmp_path / "checkpoint.safetensors"))
    assert_same_run(fit(run), fit(trainer(compile=compile)))


def test_a_run_made_longer_has_the_same_bits(early):
    one, other = trainer(), trainer()
    for epochs in (1, 2, EPOCHS):
        fit(one, epochs=epochs)
    assert_same_run(one, fit(other))


# What cannot be compiled


class Deciding(nn.Module):
    """Looks at values to decide what to compute."""

    def __init__(self):
        self.inner = network()

    def forward(self, x):
        out = self.inner(x)
        return out * 2.0 if float(out.data[0, 0]) > 0 else out


def test_a_model_that_cannot_be_traced_runs_as_written(early):
    """In the same bits: no draw of the dropout was lost on the attempt."""
    run = fit(trainer(Deciding()))
    text = run.describe_steps()
    if missing() is None:
        assert compiled(run) == ["update"]
        assert re.search(r"gradients eager: .* was turned into a Python float", text)
    assert "\n" not in text
    only = trainer(Deciding(), compile=True)
    only.formulas._compiled["update"].refused = "not here"
    assert_same_run(fit(only), fit(trainer(Deciding(), compile=False)))


def test_a_model_that_keeps_changing_is_given_up_also_after_a_resume():
    class Anneal(Callback):
        def on_batch_begin(self, run, x, y):
            run.model[3].p = 0.5 / (1 + run.step)

    run, eager = (fit(trainer(network().to("float64"), callbacks=[Anneal()], compile=way)) for way in (True, False))
    assert run.formulas.refused == {"gradients": "what it finds around it keeps changing: it was traced 8 times"}
    assert_close(run, eager)
    again = trainer(network().to("float64"), compile=True)
    again.load_state_dict(run.state_dict())
    assert again.formulas.refused == run.formulas.refused


def test_a_wrong_label_is_the_same_error():
    x, y = data()
    for way in (True, False):
        run = trainer(plain(), compile=way)
        before = weights(run)
        with pytest.raises(ValueError, match="cross_entropy got labels from 0 to 7, and there are 3 classes"):
            run.fit((x, np.where(y == 1, 7, y)), epochs=1, batch_size=BATCH)
        np.testing.assert_equal(weights(run), before)
        assert run.formulas.refused == {}


def test_another_optimizer_is_found_by_the_next_fit():
    run = fit(trainer(plain(), schedule=None, compile=True), epochs=1)
    run.optimizer = optim.SGD(run.model.parameters(), lr=0.0)
    before = weights(run)
    fit(run, epochs=2)
    np.testing.assert_equal(weights(run), before)


def test_generators_of_layers_advance_as_in_an_eager_run():
    model, other = (nn.Sequential(nn.RReLU(generator=Generator(3)), nn.Linear(2, 3)) for _ in range(2))
    one, two = fit(trainer(model, compile=True), epochs=2), fit(trainer(other, compile=False), epochs=2)
    states = [{name: g.state_dict() for name, g in run.generators().items()} for run in (one, two)]
    assert states[0] == states[1]
