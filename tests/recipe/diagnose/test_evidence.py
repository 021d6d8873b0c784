"""Evidence gathered by real runs on small data: what it holds, that it changes nothing, and that it outlives a kill."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

import nn
import optim
from autograd.random import Generator
from autograd.tensor import Tensor
from recipe import Trainer
from recipe.callbacks import EarlyStopping, NanGuard, NotFinite
from recipe.data import synthetic
from recipe.diagnose import Evidence, Facts, Line, Thresholds, diagnose, probe
from recipe.errors import UsageError
from recipe.history import kept


def blobs(rows: int = 300, seed: int = 0):
    x, y = synthetic.blobs(rows + 100, classes=3, generator=Generator(seed))
    return (x[:rows], y[:rows]), (x[rows:], y[rows:])


def net(seed: int = 0, *, features: int = 2, dropout: float = 0.0, out: int = 3) -> nn.Sequential:
    generator = Generator(seed, stream=2)
    return nn.Sequential(
        nn.Linear(features, 16, generator=generator),
        nn.ReLU(),
        nn.Dropout(dropout, generator=Generator(seed, stream=9)),
        nn.Linear(16, 16, generator=generator),
        nn.Sigmoid(),
        nn.Linear(16, out, generator=generator),
    )


def trainer_of(model: nn.Module, *callbacks, lr: float = 0.05, loss=nn.functional.cross_entropy, **options) -> Trainer:
    optimizer = optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    return Trainer(model, loss, optimizer, callbacks=callbacks, **options)


def test_evidence_of_a_run_is_plain_json_and_names_every_layer():
    evidence = Evidence()
    trainer = trainer_of(net(dropout=0.1), evidence)
    trainer.fit(*blobs(), epochs=5, batch_size=20)
    found = json.loads(json.dumps(evidence.to_json(), allow_nan=False))
    assert found["task"] == "classification"
    assert [look["epoch"] for look in found["looks"]] == [0, 1, 2, 3, 4, 5]
    assert list(found["looks"][0]["gradient_rms"]) == ["0", "3", "5"]
    assert found["activations"] == {"1": "ReLU", "4": "Sigmoid"}
    assert found["looks"][0]["dead"].keys() == {"1"}
    assert found["looks"][0]["saturated"].keys() == {"4"}
    assert found["dropout"] == 0.1
    assert found["updates"] == 75
    assert found["setup"]["guess_loss"] == pytest.approx(math.log(3))
    assert found["setup"]["label_counts"] == [100, 100, 100]
    assert len(found["curves"]["train_loss"]) == 5
    assert sum(found["weights"]["3"]["end"]["counts"]) == 256
    facts = Facts.of(found)
    unknown = {name for name, value in vars(facts).items() if value is None} - {"not_finite"}
    assert not unknown
    assert facts.movement_first == found["looks"][1]["movement"]
    assert diagnose(evidence).verdict == "fine"


def test_a_run_ends_in_the_same_weights_with_evidence_as_without():
    ends = []
    for callbacks in ([], [Evidence()]):
        trainer = trainer_of(net(dropout=0.3), *callbacks)
        trainer.fit(*blobs(), epochs=3, batch_size=32)
        ends.append({name: tensor.data for name, tensor in trainer.model.state_dict().items()})
    for name in ends[0]:
        np.testing.assert_array_equal(ends[0][name], ends[1][name])


def test_a_look_leaves_modes_and_gradients_as_they_were():
    model = net(dropout=0.5)
    (x, y), _ = blobs(50)
    model[0].eval()
    model[0].weight.grad = Tensor(np.ones((16, 2), np.float32))
    seen = probe.look(model, nn.functional.cross_entropy, x, y)
    assert [module.training for module in model.children()] == [False, True, True, True, True, True]
    np.testing.assert_array_equal(model[0].weight.grad.data, 1.0)
    assert model[3].weight.grad is None
    assert seen.loss == probe.look(model, nn.functional.cross_entropy, x, y).loss  # nothing was dropped
    assert not vars(model[1])["_hooks"].after


def test_a_resumed_run_has_the_evidence_of_one_that_never_stopped():
    whole = Evidence()
    trainer_of(net(), whole).fit(*blobs(), epochs=4, batch_size=30)
    first, rest = Evidence(), Evidence()
    stopped = trainer_of(net(), first)
    stopped.fit(*blobs(), epochs=2, batch_size=30)
    going_on = trainer_of(net(seed=5), rest)
    going_on.load_state_dict(stopped.state_dict())
    going_on.fit(*blobs(), epochs=4, batch_size=30)
    assert rest.to_json() == whole.to_json()


def test_a_run_that_was_watched_from_its_middle_on_does_not_pretend_to_know_its_start():
    trainer = trainer_of(net())
    trainer.fit(*blobs(), epochs=2, batch_size=30)
    evidence = Evidence()
    trainer.callbacks.append(evidence)
    trainer.fit(*blobs(), epochs=4, batch_size=30)
    facts = Facts.of(evidence.to_json())
    assert facts.movement_first is None
    assert facts.gradient_ratio is None
    assert len(facts.train_losses) == 4


def test_a_run_that_left_the_numbers_is_a_rate_too_high():
    evidence = Evidence()
    generator = Generator(0)
    model = nn.Sequential(nn.Linear(2, 16, generator=generator), nn.ReLU(), nn.Linear(16, 3, generator=generator))
    trainer = trainer_of(model, NanGuard(), evidence, lr=1e30)
    with np.errstate(all="ignore"), pytest.raises(NotFinite):
        trainer.fit(*blobs(), epochs=5, batch_size=20)
    json.dumps(evidence.to_json(), allow_nan=False)
    assert diagnose(evidence).verdict == "rate_too_high"


def test_early_stopping_is_judged_at_the_epoch_it_selected():
    (x, y), val = blobs(60)
    y = np.random.default_rng(0).permutation(y)  # labels that can only be learned by heart
    evidence = Evidence()
    trainer = trainer_of(net(), EarlyStopping("val_loss", patience=4), evidence, lr=0.3)
    trainer.fit((x, y), val, epochs=30, batch_size=10)
    data = evidence.to_json()
    assert data["selected_epoch"] == trainer.callbacks[0].best_epoch < len(trainer.history) - 1
    assert len(Facts.of(data).val_losses) == data["selected_epoch"] + 1


def test_an_epoch_that_was_cut_and_gone_on_with_counts_once():
    (x, y), val = blobs(60)
    y = np.random.default_rng(0).permutation(y)
    evidence = Evidence()
    trainer = trainer_of(net(), EarlyStopping("val_loss", patience=4), evidence, lr=0.3)
    trainer.fit((x, y), val, epochs=30, batch_size=10, updates=4)
    trainer.fit((x, y), val, epochs=30, batch_size=10)
    assert [record["epoch"] for record in trainer.history][:3] == [0, 0, 1]
    of_best = trainer.evaluate(x, y)  # early stopping put the weights of its epoch back
    assert Facts.of(evidence.to_json()).train_score == of_best["accuracy"]
    record = kept({"epochs": trainer.history.records, "evidence": evidence.to_json()})
    assert (record["epoch"], record["train_loss"]) == (trainer.callbacks[0].best_epoch, of_best["loss"])


def test_a_regression_is_scored_by_the_variance_explained():
    x, y = synthetic.sine(400, noise=0.05, generator=Generator(3))
    evidence = Evidence()
    model = net(features=1, out=1)
    trainer = Trainer(
        model, nn.functional.mse_loss, optim.Adam(model.parameters(), lr=0.01), metrics={}, callbacks=[evidence]
    )
    trainer.fit((x[:300], y[:300]), (x[300:], y[300:]), epochs=40, batch_size=20)
    facts = Facts.of(evidence.to_json())
    assert facts.task == "regression"
    assert facts.guess_loss == pytest.approx(np.var(y[:300]), rel=1e-4)
    assert facts.train_score == pytest.approx(1 - trainer.history.last["train_loss"] / facts.guess_loss)
    assert diagnose(evidence).verdict == "fine", str(diagnose(evidence))


def test_validation_inputs_on_another_scale_are_seen_however_well_the_net_does():
    (x, y), (val_x, val_y) = blobs()
    evidence = Evidence()
    trainer_of(net(), evidence).fit((x, y), (val_x * 3, val_y), epochs=5, batch_size=10)
    assert Facts.of(evidence.to_json()).val_input_shift > 1
    assert diagnose(evidence).verdict == "validation_mismatch"
    wide = replace(Thresholds(), input_shift=Line(100.0, 1.0, "These rows are meant to be on another scale."))
    assert diagnose(evidence, thresholds=wide).verdict != "validation_mismatch"


def test_a_lead_of_validation_is_that_of_the_best_epoch_for_it():
    curves = {"train_score": [0.5, 0.6, 0.9], "val_score": [0.6, 0.8, 0.7]}
    assert Facts.of({"curves": curves}).most_lead == pytest.approx(0.2)
    assert Facts.of({"curves": {"train_score": [0.5]}}).most_lead is None


@pytest.mark.parametrize(("wrong_too", "more"), [(False, True), (True, False)])
def test_labels_that_the_net_contradicts_are_counted_against_those_it_never_saw(wrong_too, more):
    """One in five training labels is the next class's, and of the validation labels as many or none."""
    (x, y), (val_x, val_y) = blobs(600)
    y = np.where(np.arange(len(y)) % 5 == 0, (y + 1) % 3, y)
    val_y = np.where(np.arange(len(val_y)) % 5 == 0, (val_y + 1) % 3, val_y) if wrong_too else val_y
    evidence = Evidence()
    trainer_of(net(), evidence).fit((x, y), (val_x, val_y), epochs=8, batch_size=20)
    found = evidence.to_json()["contradicted"]
    assert (found["rows"], found["val_rows"]) == (600, 100)
    assert found["share"] > 0.1
    assert (Facts.of(evidence.to_json()).contradicted_more > 0) is more


def test_few_different_inputs_are_no_leak():
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)[np.arange(200) % 4]
    y = (x[:, 0] != x[:, 1]).astype(np.int64)
    evidence = Evidence()
    trainer = trainer_of(net(out=2), evidence, lr=0.3)
    trainer.fit((x[:160], y[:160]), (x[160:], y[160:]), epochs=20, batch_size=8)
    assert evidence.data["setup"]["duplicate_share"] == 1.0
    assert diagnose(evidence).verdict == "fine"


def test_few_classes_are_no_missing_shuffle():
    x, y = synthetic.blobs(300, classes=2, generator=Generator(1))
    y = np.where(np.arange(300) % 10 == 0, 1, 0)  # nine in ten are of one class
    x[y == 1] += 3.0
    evidence = Evidence()
    trainer_of(net(out=2), evidence).fit((x[:200], y[:200]), (x[200:], y[200:]), epochs=5, batch_size=10)
    share = Facts.of(evidence.to_json()).batch_entropy_share
    assert share is not None
    assert share > 0.8


def test_a_list_of_epochs_alone_is_read_as_far_as_it_goes():
    epochs = [
        {"train_loss": 2.0 / n, "train_accuracy": 0.5, "val_loss": 2.0 / n, "val_accuracy": 0.5} for n in (1, 2, 3)
    ]
    found = diagnose({"epochs": epochs})
    assert found.verdict == "undecided"
    assert found.stage == "training"


def test_a_run_folder_is_read_and_a_damaged_one_named(tmp_path):
    evidence = Evidence()
    trainer_of(net(), evidence).fit(*blobs(), epochs=3, batch_size=20)
    run = {
        "schema": 1,
        "status": "finished",
        "epochs": [],
        "evidence": evidence.to_json(),
        "config": {"optim": {"lr": 0.05}},
    }
    (tmp_path / "run.json").write_text(json.dumps(run))
    assert diagnose(tmp_path) == diagnose(run) == diagnose(tmp_path / "run.json")
    assert diagnose(tmp_path, target=0.9999).verdict != "fine" or run["evidence"]["curves"]["train_score"][-1] == 1.0
    curves = {"train_loss": 5}
    for broken in ({"looks": 3}, {"setup": [1]}, {"looks": [1, 2]}, {"curves": curves}, {"not_finite": 1}, 7):
        (tmp_path / "run.json").write_text(json.dumps(run | {"evidence": broken}))
        with pytest.raises(UsageError, match="damaged"):
            diagnose(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(UsageError, match=r"run\.json"):
        diagnose(tmp_path)
    with pytest.raises(UsageError, match="no run folder"):
        diagnose(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="got a Trainer: give the Trainer an Evidence as a callback, and"):
        diagnose(trainer_of(net(), evidence))
