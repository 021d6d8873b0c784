"""The loop: events in order, two kinds of metrics, pieces equal to the whole, and the same run from the same seed."""

from __future__ import annotations

import math
import os
import re
import signal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd as ag
import nn
import optim
from autograd.backend import module_of
from autograd.random import Generator
from recipe import Trainer, callbacks
from recipe.callbacks import Callback
from recipe.metrics import accuracy
from tests.autograd.compile import simulated
from tests.recipe.small import BATCH, EPOCHS, assert_same_run, data, fit, network, plain, timeless, trainer, weights


class Events(Callback):
    def __init__(self):
        self.seen = []

    def __getattribute__(self, name):
        if name.startswith("on_"):
            self.seen.append(name)
        return super().__getattribute__(name)


def test_events_come_in_the_promised_order():
    events = Events()
    fit(trainer(callbacks=[events]), rows=32, epochs=2)
    batch = ["on_batch_begin", "on_backward_end", "on_batch_end"]
    epoch = ["on_epoch_begin", *batch, *batch, "on_epoch_end"]
    assert events.seen == ["on_fit_begin", *epoch, *epoch, "on_fit_end"]


def test_callbacks_are_sorted_by_order_and_keep_their_places_within_it():
    class Late(Callback):
        order = 9

    late, first, second = Late(), Callback(), Callback()
    assert trainer(callbacks=[late, first, second]).callbacks == [first, second, late]


def test_it_learns_and_the_record_says_so():
    run = fit(trainer(plain()), epochs=4)
    assert run.history["train_accuracy"][-1] > 0.9
    assert run.history["train_loss"][-1] < run.history["train_loss"][0]
    record = run.history.last
    assert record["epoch"] == EPOCHS - 1
    assert record["step"] == run.step == EPOCHS * 6
    assert record["lr"] == run.optimizer.param_groups[0]["lr"]


def test_running_and_evaluation_metrics_are_told_apart():
    """The running loss is the mean over the thinned, moving nets; the others are the whole net's, at the end."""
    seen = []

    class Losses(Callback):
        def on_batch_end(self, run, loss):
            seen.append((float(loss), len(run.batches.x) % BATCH if len(seen) == 5 else BATCH))

    run = fit(trainer(callbacks=[Losses()]), epochs=1)
    record = run.history.last
    total = sum(loss * rows for loss, rows in seen)
    assert record["running_loss"] == pytest.approx(total / 90, rel=1e-6)
    x, y = data()
    run.model.eval()
    logits = run.model(ag.Tensor(x)).detach().numpy()
    assert record["train_accuracy"] == (logits.argmax(axis=1) == y).mean()
    assert record["running_accuracy"] != record["train_accuracy"]


def test_evaluate_rows_measures_the_first_rows_only():
    run = trainer(plain())
    run.fit(data(), epochs=1, batch_size=BATCH, evaluate_rows=20)
    x, y = data()
    assert run.history.last["train_loss"] == run.evaluate(x[:20], y[:20])["loss"]
    assert not any(name.startswith("val_") for name in run.history.last)


def test_rows_come_in_their_order_where_they_are_not_to_be_shuffled():
    class Seen(Callback):
        def __init__(self):
            self.rows = []

        def on_batch_begin(self, trainer, x, y):
            self.rows += list(y)

    x, y = data()
    seen = {shuffle: Seen() for shuffle in (False, True)}
    for shuffle, callback in seen.items():
        trainer(plain(), callbacks=[callback]).fit((x, y), epochs=2, batch_size=BATCH, shuffle=shuffle)
    assert seen[False].rows == [*y, *y]
    assert seen[True].rows != seen[False].rows
    assert sorted(seen[True].rows) == sorted(seen[False].rows)


def test_evaluation_in_batches_is_the_mean_over_the_rows_and_leaves_the_modes_alone():
    run = trainer()
    run.model.train()
    run.model[3].training = False
    x, y = data()
    whole, parts = run.evaluate(x, y), run.evaluate(x, y, batch_size=7)
    assert parts["accuracy"] == pytest.approx(whole["accuracy"], rel=1e-12)
    assert parts["loss"] == pytest.approx(whole["loss"], rel=1e-6)
    assert [m.training for m in run.model] == [True, True, True, False, True]
    with pytest.raises(ValueError, match="got no rows"):
        run.evaluate(x[:0], y[:0])


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9), st.integers(1, 40))
def test_pieces_give_the_gradient_of_the_whole_batch(pieces, rows):
    x, y = data(rows)
    gradients = []
    for accumulate in (1, pieces):
        run = trainer(plain().to("float64"), accumulate=accumulate)
        loss = run.backward(x.astype("float64"), y)
        gradients.append([float(loss), *(p.grad.numpy() for p in run.model.parameters())])
        assert run.running.read()["loss"] == pytest.approx(float(loss), rel=1e-12)
    for one, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


def test_a_run_in_pieces_is_the_run_in_whole_batches():
    """90 rows in batches of 16 end in a batch of 10, and 10 rows in 4 pieces in a piece of 1."""
    one, other = (fit(trainer(plain().to("float64"), accumulate=n)) for n in (1, 4))
    for name, values in weights(one).items():
        np.testing.assert_allclose(values, weights(other)[name], rtol=1e-8, atol=1e-10)
    assert one.step == other.step


@pytest.mark.parametrize("options", [{}, {"accumulate": 3}, {"clip_norm": 0.5}, {"clip_value": 0.01}])
def test_the_same_seed_is_the_same_run(options):
    assert_same_run(fit(trainer(**options)), fit(trainer(**options)))


def test_another_seed_is_another_run():
    one, other = fit(trainer(), epochs=1), fit(trainer(seed=8), epochs=1)
    assert timeless(one.history.last) != timeless(other.history.last)


def test_clipping_bounds_what_the_optimizer_is_given():
    class Norms(Callback):
        before, after = 0.0, 0.0

        def on_backward_end(self, run, loss):
            self.before = float(norm(run))

        def on_batch_end(self, run, loss):
            self.after = float(norm(run))

    def norm(run):
        return np.sqrt(sum((p.grad.numpy() ** 2).sum() for p in run.model.parameters()))

    norms = Norms()
    fit(trainer(plain(), callbacks=[norms], clip_norm=1e-3), epochs=1)
    assert norms.before > 2e-3
    assert norms.after == pytest.approx(1e-3, rel=1e-3)


def test_the_schedule_is_stepped_per_update_and_the_plateau_per_epoch():
    run = fit(trainer(), epochs=EPOCHS)
    assert run.schedule.last_epoch == run.step
    assert run.history["lr"][-1] == pytest.approx(0.0, abs=1e-12)
    model = plain()
    optimizer = optim.SGD(model.parameters(), lr=0.0)
    plateau = optim.ReduceLROnPlateau(optimizer, patience=1)
    run = fit(Trainer(model, nn.functional.cross_entropy, optimizer, schedule=plateau), epochs=4)
    assert plateau.last_epoch == 4
    assert plateau.best == run.history["val_loss"][0]


def test_fit_counts_epochs_in_all_and_goes_on():
    one = fit(trainer())
    other = trainer()
    fit(fit(other, epochs=1), epochs=EPOCHS)
    assert_same_run(one, other)


def test_a_callback_stops_in_the_middle_and_the_record_is_partial():
    class Stop(Callback):
        def on_batch_end(self, run, loss):
            if run.step == 8:
                run.stop = "enough"

    run = fit(trainer(callbacks=[Stop()]))
    assert run.stop == "enough"
    assert (run.step, run.epoch, len(run.history)) == (8, 1, 2)
    assert run.history.last["partial"] is True


def test_a_stop_at_the_last_batch_is_a_whole_epoch():
    class Stop(Callback):
        def on_batch_end(self, run, loss):
            if run.step == 6:
                run.stop = "enough"

    run = fit(trainer(callbacks=[Stop()]))
    assert "partial" not in run.history.last
    assert run.epoch == 1


class Signal(Callback):
    """Ctrl-C at one step, when the update is half made."""

    def __init__(self, step, times=1):
        self.at, self.times = step, times
        self.told = []

    def on_backward_end(self, run, loss):
        if run.step + 1 == self.at:
            for _ in range(self.times):
                os.kill(os.getpid(), signal.SIGINT)

    def on_interrupt(self, run):
        self.told.append(run.step)


def test_ctrl_c_waits_for_the_step_and_the_next_fit_goes_on_exactly():
    callback = Signal(8)
    run = trainer(callbacks=[callback])
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit(run)
    assert callback.told == [8]
    assert signal.getsignal(signal.SIGINT) is before
    assert_same_run(fit(run), fit(trainer()))


def test_a_second_ctrl_c_stops_at_once():
    callback = Signal(8, times=2)
    run = trainer(callbacks=[callback])
    with pytest.raises(KeyboardInterrupt):
        fit(run)
    assert callback.told == []
    assert run.step == 7


def test_an_error_closes_what_is_open():
    class Broken(Callback):
        closed = 0

        def on_batch_end(self, run, loss):
            raise RuntimeError("broken")

        def on_abort(self, run):
            self.closed += 1

    broken = Broken()
    with pytest.raises(RuntimeError, match="broken"):
        fit(trainer(callbacks=[broken]))
    assert broken.closed == 1


def test_generators_of_layers_are_found():
    shared = Generator(3)
    model = nn.Sequential(nn.Dropout(0.5, generator=shared), nn.Sequential(nn.RReLU(generator=shared)), nn.Linear(2, 3))
    names = trainer(model).generators()
    assert set(names) == {"shuffle", "default", "model.0.generator", "model.1.0.generator"}


def test_wrong_arguments():
    for options, kind, text in [
        ({"accumulate": 0}, ValueError, "Trainer got accumulate=0: 1 or more is wanted."),
        ({"accumulate": 2.0}, TypeError, "Trainer takes a whole number as accumulate, got 2.0."),
        ({"clip_norm": "1"}, TypeError, "Trainer takes a number as clip_norm, got '1'."),
        ({"clip_value": math.nan}, ValueError, "Trainer got clip_value=nan: 0 or more is wanted."),
        ({"device": None}, TypeError, 'Trainer takes a device such as "cpu" or "cuda", got None.'),
    ]:
        with pytest.raises(kind, match=f"^{re.escape(text)}"):
            trainer(**options)
    for size, kind, text in [
        (0, ValueError, "evaluate got batch_size=0: 1 or more is wanted."),
        (-1, ValueError, "evaluate got batch_size=-1: 1 or more is wanted."),  # of which the means would be none
        (2.5, TypeError, "evaluate takes a whole number as batch_size, got 2.5."),
    ]:
        with pytest.raises(kind, match=f"^{re.escape(text)}"):
            trainer().evaluate(data(8), batch_size=size)


def test_there_may_be_more_epochs_than_python_counts_to():
    class Stop(Callback):
        def on_batch_end(self, trainer, loss):
            trainer.stop = "enough"

    assert fit(trainer(callbacks=[Stop()]), epochs=10**23).step == 1


def test_metrics_of_ones_own():
    def error(output, y):
        return abs(output[:, 0] - y).mean()

    model = network()
    run = Trainer(model, nn.functional.cross_entropy, optim.SGD(model.parameters(), lr=0.1), metrics={"error": error})
    fit(run, epochs=1)
    assert {"running_error", "train_error", "val_error"} <= set(run.history.last)
    assert "train_accuracy" not in run.history.last


@pytest.mark.parametrize("compile", [False, pytest.param(True, marks=simulated.needed)])
def test_a_metric_may_give_what_a_later_step_writes_to(compile, device):
    model, kept, seen = plain().to(device), [], {"bias": [], "mean": []}

    def bias(output, y):
        value = model[2].bias.data[:1].reshape(())
        seen["bias"].append(float(value))
        return value

    def mean(output, y):
        value = output.mean()
        seen["mean"].append(float(value))
        kept[:] = kept or [module_of(output).zeros((), output.dtype)]
        kept[0][...] = value
        return kept[0]

    run = trainer(model, device=device, compile=compile, metrics={"bias": bias, "mean": mean})
    run.fit(data(64), epochs=1, batch_size=16)
    for name, values in seen.items():
        assert run.history.last[f"running_{name}"] == pytest.approx(np.mean(values[:4]), rel=1e-6)


@pytest.mark.parametrize("targets", ["a column", "numbers", "one-hot"])
def test_without_classes_there_is_no_accuracy(targets):
    x, labels = data(64)
    y = {"a column": labels[:, None] == 1, "numbers": x[:, :1], "one-hot": np.eye(3)[labels]}[targets]
    outputs, loss = (3, nn.functional.cross_entropy) if targets == "one-hot" else (1, nn.functional.mse_loss)
    model = nn.Linear(x.shape[1], outputs)
    parts = model, loss, optim.SGD(model.parameters(), lr=0.1)
    y = y.astype("float32")
    assert "train_accuracy" not in Trainer(*parts).fit((x, y), epochs=1, batch_size=16).last
    run = Trainer(*parts, metrics={"accuracy": accuracy})
    if targets == "one-hot":
        run.fit((x, y), epochs=1, batch_size=16)
        assert run.evaluate((x, y))["accuracy"] == run.evaluate((x, y.argmax(axis=1)))["accuracy"]
    else:
        with pytest.raises(ValueError, match=re.escape("accuracy got outputs of shape (16, 1) and targets of float32")):
            run.fit((x, y), epochs=1, batch_size=16)


def test_a_metric_that_gives_a_row_is_named():
    run = made(metrics={"right": lambda output, y: output.argmax(axis=1) == y})
    with pytest.raises(ValueError, match=re.escape("the metric 'right' must give the mean over the rows, one number")):
        run.fit((np.ones((8, 4), "float32"), np.zeros(8, "int64")), epochs=1, batch_size=4)


@pytest.mark.parametrize(
    ("line", "kind", "text"),
    [
        ("run.predict(x)", AttributeError, "write trainer.model(autograd.Tensor(x)) under autograd.no_grad(), after"),
        ("run.save('a')", AttributeError, "write nn.save(trainer.model, path), or recipe.callbacks.ModelCheckpoint"),
        ("run.fit((x, y), validation_data=1)", TypeError, "validation_data is called val here."),
        ("run.fit((x, y), validation_split=0.2)", TypeError, "recipe.data.split(x, y, sizes) gives parts, leave"),
        ("run.fit((x, y), callbacks=[])", TypeError, "Trainer(..., callbacks=[...]) takes them, leave callbacks out."),
        ("run.evaluate(x, y, verbose=0)", TypeError, "recipe.callbacks.Progress() a run, leave verbose out."),
        ("callbacks.CSVLogger('a.csv')", AttributeError, "write recipe.callbacks.HistoryLog(path)"),
        ("callbacks.EarlyStopping(restore_best_weights=True)", TypeError, "is called restore_best here."),
    ],
)
def test_words_of_keras_are_answered(line, kind, text):
    rows = {"x": np.ones((8, 4), "float32"), "y": np.zeros(8, "int64")}
    with pytest.raises(kind, match=re.escape(text)):
        eval(line, {"run": made(), "callbacks": callbacks, **rows})


def test_a_run_that_is_stopped_by_the_last_batch_of_an_epoch_goes_on_with_the_next():
    class Stopping(Callback):
        def on_batch_end(self, trainer, loss):
            if trainer.step == 6:
                trainer.stop = "enough"

    stopped, whole = trainer(network(), callbacks=[Stopping()]), fit(trainer(network()))
    fit(stopped)
    assert [record.get("partial", False) for record in stopped.history] == [False]
    other = trainer(network(), callbacks=[Stopping()])
    other.load_state_dict(stopped.state_dict())
    assert_same_run(fit(other), whole)


# Updates in the place of epochs


@pytest.mark.parametrize(("updates", "records"), [(6, [False]), (7, [False, True]), (12, [False, False])])
def test_a_run_of_so_many_updates(updates, records):
    run = trainer(plain())
    run.fit(data(), data(40, seed=6), epochs=99, batch_size=BATCH, updates=updates)
    assert run.step == run.updates == updates
    assert [record.get("partial", False) for record in run.history] == records
    assert run.history.last["step"] == updates
    assert run.stop is None


def test_so_many_updates_are_the_first_of_a_longer_run():
    some, more = trainer(network()), trainer(network())
    some.fit(data(), epochs=99, batch_size=BATCH, updates=9)
    more.fit(data(), epochs=99, batch_size=BATCH, updates=9 + 6)
    again = trainer(network())
    again.fit(data(), epochs=1, batch_size=BATCH)
    again.fit(data(), epochs=99, batch_size=BATCH, updates=15)
    np.testing.assert_equal(weights(again), weights(more))
    assert [r["train_loss"] for r in more.history][:1] == [r["train_loss"] for r in some.history][:1]


@pytest.mark.parametrize("killed_at", [3, 6, 8, 9])
def test_a_run_of_so_many_updates_goes_on_to_the_same_end(killed_at):
    whole = trainer(network())
    whole.fit(data(), epochs=99, batch_size=BATCH, updates=9)
    states = []

    class Saving(Callback):
        order = 100

        def on_batch_end(self, trainer, loss):
            if trainer.step == killed_at:
                states.append(trainer.state_dict())

    broken = trainer(network(), callbacks=[Saving()])
    broken.fit(data(), epochs=99, batch_size=BATCH, updates=9)
    other = trainer(network(), callbacks=[Callback()])
    states[0]["callbacks"] = {}
    other.load_state_dict(states[0])
    other.fit(data(), epochs=99, batch_size=BATCH, updates=9)
    assert [timeless(r) for r in other.history] == [timeless(r) for r in whole.history]
    np.testing.assert_equal(weights(other), weights(whole))
    # And what is over stays over.
    other.fit(data(), epochs=99, batch_size=BATCH, updates=9)
    assert len(other.history) == 2


@pytest.mark.parametrize("through_state", [False, True])
def test_a_run_of_more_updates_goes_on_inside_the_epoch_where_they_were_made(through_state):
    whole = fit(trainer(network()))
    run = trainer(network())
    run.fit(data(), data(40, seed=6), epochs=EPOCHS, batch_size=BATCH, updates=9)
    if through_state:
        other = trainer(network())
        other.load_state_dict(run.state_dict())
        run = other
    fit(run)
    assert (run.epoch, run.step) == (EPOCHS, EPOCHS * 6)
    np.testing.assert_equal(weights(run), weights(whole))
    assert [record.get("partial", False) for record in run.history] == [False, True, False, False, False]
    assert [record["train_loss"] for record in run.history][2:] == whole.history["train_loss"][1:]


def test_other_batches_after_an_epoch_that_was_cut_short_begin_a_new_one():
    run = trainer(network())
    run.fit(data(), epochs=2, batch_size=BATCH, updates=9)
    run.fit(data(32), epochs=2, batch_size=8)
    assert (run.epoch, run.step) == (2, 9 + 4)
    assert "partial" not in run.history.last


def test_larger_batches_make_all_epochs_as_well():
    run = trainer(plain())
    run.fit(data(), epochs=2, batch_size=10)
    run.fit(data(), epochs=4, batch_size=45)
    assert (run.epoch, run.step, run.updates) == (4, 2 * 9 + 2 * 2, 2 * 9 + 2 * 2)
    assert len(run.history) == 4


def test_fewer_updates_than_were_made_when_it_was_interrupted_end_the_run():
    run = trainer(callbacks=[Signal(8)])
    with pytest.raises(KeyboardInterrupt):
        fit(run)
    run.fit(data(), epochs=EPOCHS, batch_size=BATCH, updates=7)
    assert run.step == 8
    assert run.history.last["partial"] is True


def test_parts_that_were_replaced_are_used_from_then_on():
    run = fit(trainer(plain()), epochs=1)
    run.model = plain(seed=3)
    assert run.evaluate(*data()) == trainer(plain(seed=3)).evaluate(*data())
    run.loss = nn.functional.nll_loss
    x, y = data()
    assert run.evaluate(x, y)["loss"] == pytest.approx(run.loss(run.model(ag.Tensor(x)), ag.Tensor(y)).item())
    run.optimizer = optim.SGD(run.model.parameters(), lr=0.5)
    run.schedule = None
    before = weights(run)
    run.backward(x, y)
    run.update()
    for name, parameter in run.model.named_parameters():
        np.testing.assert_allclose(parameter.data, before[name] - 0.5 * parameter.grad.data, rtol=1e-6)


@pytest.mark.parametrize("compile", [False, True])
def test_gradients_that_the_optimizer_does_not_move_do_not_pile_up(compile):
    class Norms(Callback):
        def on_backward_end(self, run, loss):
            gradients = {name: p.grad.numpy().copy() for name, p in run.model.named_parameters()}
            run.model.zero_grad()
            run.loss(run.model(ag.Tensor(self.x)), ag.Tensor(self.y)).backward()
            for name, parameter in run.model.named_parameters():
                np.testing.assert_allclose(gradients[name], parameter.grad.numpy(), rtol=1e-4, atol=1e-6)

        def on_batch_begin(self, run, x, y):
            self.x, self.y = x, y

    model = plain()
    run = trainer(model, callbacks=[Norms()], compile=compile, schedule=None)
    run.optimizer = optim.SGD(list(model.parameters())[2:], lr=0.1)
    fit(run, epochs=1)


def test_tensors_are_data_as_well():
    x, y = data(64)
    runs = [trainer(plain()) for _ in range(2)]
    histories = [
        run.fit(pair, pair, epochs=1, batch_size=BATCH)
        for run, pair in zip(runs, [(x, y), (ag.Tensor(x), ag.Tensor(y))], strict=True)
    ]
    assert timeless(histories[0].last) == timeless(histories[1].last)


def made(**changes):
    """A Trainer of small parts, some of them changed."""
    model = nn.Linear(4, 3)
    parts = {"model": model, "loss": nn.CrossEntropyLoss(), "optimizer": optim.SGD(model.parameters(), lr=0.1)}
    return Trainer(**(parts | changes))


@pytest.mark.parametrize(
    ("changes", "kind", "text"),
    [
        ({"model": nn.Linear}, TypeError, "Trainer takes a Module as its model, got the class Linear: make one"),
        ({"loss": nn.CrossEntropyLoss}, TypeError, "as its loss, got the class CrossEntropyLoss: make one"),
        ({"loss": "mse"}, TypeError, "Trainer takes a function loss(output, y) as its loss, got 'mse', a str."),
        ({"optimizer": optim.SGD}, TypeError, "an Optimizer of optim as its optimizer, got the class SGD: make one"),
        ({"optimizer": "adam"}, TypeError, "an Optimizer of optim as its optimizer, got 'adam', a str."),
        ({"optimizer": optim.SGD(nn.Linear(4, 3).parameters())}, ValueError, "moves no parameter of this Linear"),
        ({"optimizer": optim.LBFGS(nn.Linear(4, 3).parameters())}, TypeError, "and LBFGS several of one loss: write"),
        ({"schedule": optim.StepLR}, TypeError, "a Schedule of optim as its schedule, got the class StepLR: make one"),
        ({"metrics": ["accuracy"]}, TypeError, 'Trainer takes metrics by name, {"accuracy": accuracy}, got a list.'),
        ({"callbacks": Callback()}, TypeError, "takes several callbacks, got a Callback alone: put it in a list."),
        ({"callbacks": [Callback]}, TypeError, "as a callback, got the class Callback: make one, Callback(...)."),
    ],
)
def test_parts_that_would_fail_later_or_train_nothing_are_refused(changes, kind, text):
    made()
    with pytest.raises(kind, match=re.escape(text)):
        made(**changes)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"train": np.ones((8, 4), "float32")}, "as a pair, fit((x, y), epochs=..., batch_size=...), got a ndarray of"),
        ({"train": (np.ones((8, 4)).tolist(), [0] * 8)}, "turn lists into arrays first"),
        ({"train": (np.ones((8, 4), "float32"), None)}, "fit got None in the place of the labels."),
        ({"val": np.zeros(8, int)}, "fit takes rows and labels as a pair"),
        ({"epochs": "2"}, "fit takes a whole number as epochs, got '2'."),
        ({"updates": 2.5}, "fit takes a whole number as updates, got 2.5."),
        ({"batch_size": 2.0}, "fit takes a whole number as batch_size, got 2.0."),
    ],
)
def test_what_fit_is_given_is_named(changes, text):
    rows = (np.ones((8, 4), "float32"), np.zeros(8, "int64"))
    with pytest.raises(TypeError, match=re.escape(text)):
        made().fit(**({"train": rows, "epochs": 1, "batch_size": 4} | changes))


class Given(nn.Module):
    """A model that gives what it is told to give."""

    def __init__(self, give):
        self.layer, self.give = nn.Linear(4, 3), give

    def forward(self, x):
        return self.give(self.layer(x))


@pytest.mark.parametrize(
    ("give", "loss", "text"),
    [
        (
            lambda out: out,
            lambda out, y: None,
            "the loss must give one Tensor, it gave None: does it return its result?",
        ),
        (
            lambda out: out,
            lambda out, y: float(out.mean()),
            "the loss must give one Tensor, it gave a float, which has",
        ),
        (
            lambda out: None,
            lambda out, y: 0.0,
            "the model must give one Tensor, it gave None: does it return its result?",
        ),
        (lambda out: (out, out), lambda out, y: 0.0, "the model must give one Tensor, it gave a tuple, which has no"),
    ],
)
def test_what_a_model_or_a_loss_gives_is_named(give, loss, text):
    model = Given(give)
    rows = (np.ones((8, 4), "float32"), np.zeros(8, "int64"))
    run = Trainer(model, loss, optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises(TypeError, match=re.escape(text)):
        run.fit(rows, epochs=1, batch_size=4)
    with pytest.raises(TypeError, match=re.escape(text)):
        run.evaluate(*rows)


def test_a_fit_with_nothing_left_to_do_warns_and_says_how_to_go_on():
    run, rows = made(), (np.ones((8, 4), "float32"), np.zeros(8, "int64"))
    run.fit(rows, epochs=2, batch_size=4)
    with pytest.warns(UserWarning, match=r"fit\(epochs=2\) has nothing to do: 2 epochs .* write epochs=4\.") as caught:
        run.fit(rows, epochs=2, batch_size=4)
    assert caught[0].filename == __file__
    run.fit(rows, epochs=4, batch_size=4)
    assert (run.epoch, run.step) == (4, 8)


def test_a_finished_run_that_is_loaded_is_measured_without_a_warning():
    run, rows = made(), (np.ones((8, 4), "float32"), np.zeros(8, "int64"))
    run.fit(rows, epochs=1, batch_size=4)
    again = made()
    again.load_state_dict(run.state_dict())
    assert len(again.fit(rows, epochs=1, batch_size=4)) == 1


def test_evaluate_takes_tensors_and_pairs_as_fit_does():
    run, x, y = made(), np.ones((8, 4), "float32"), np.zeros(8, "int64")
    assert (
        run.evaluate(ag.Tensor(x), ag.Tensor(y)) == run.evaluate(x, y) == run.evaluate((x, y)) == run.evaluate([x, y])
    )
    with pytest.raises(
        TypeError, match=r"evaluate takes rows and labels as a pair, evaluate\(\(x, y\)\), got a ndarray"
    ):
        run.evaluate(x)


def test_rows_without_their_labels_and_counts_below_zero_are_refused():
    run, (x, y) = trainer(plain()), data()
    for call in (lambda: run.evaluate(x[:40], y), lambda: run.fit((x, y), (x[:40], y), epochs=1, batch_size=BATCH)):
        with pytest.raises(ValueError, match=r"got 40 rows and 90 labels: one of each is wanted"):
            call()
    for wrong in ({"epochs": -1}, {"updates": -1}, {"evaluate_rows": 0}, {"batch_size": 0}):
        with pytest.raises(ValueError, match=rf"fit got {next(iter(wrong))}=\S+: [01] or more is wanted"):
            run.fit((x, y), **{"epochs": 1, "batch_size": BATCH, **wrong})
    assert run.step == 0


def test_a_schedule_of_another_optimizer_is_refused():
    model = plain()
    one, other = (optim.SGD(model.parameters(), lr=0.1) for _ in range(2))
    with pytest.raises(ValueError, match="Trainer got a schedule of another optimizer"):
        Trainer(model, nn.CrossEntropyLoss(), one, schedule=optim.StepLR(other, 3))


def test_fit_takes_rows_and_labels_one_by_one_as_other_libraries_do():
    x, y = data()
    runs = trainer(plain()), trainer(plain())
    runs[0].fit((x, y), epochs=1, batch_size=BATCH)
    runs[1].fit(x, ag.Tensor(y), epochs=1, batch_size=BATCH)
    assert [run.history.last["train_loss"] for run in runs] == [runs[0].history.last["train_loss"]] * 2
    assert runs[1].val_data is None


def test_an_event_that_there_is_not_is_refused_when_it_is_written():
    with pytest.raises(TypeError, match=r"Mine\.on_epoch_finish is no event.*events are on_fit_begin, on_epoch_begin,"):

        class Mine(Callback):
            def on_epoch_finish(self, trainer):
                pass
