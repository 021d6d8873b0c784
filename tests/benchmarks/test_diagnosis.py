"""The score of the diagnosis: what is spoilt is so as its name says, counts are right, full results are kept."""

from __future__ import annotations

import json

import numpy as np
import pytest

import benchmarks.__main__ as cli
import nn
from autograd.random import Generator
from benchmarks.diagnosis import run, shown, spoilt
from benchmarks.diagnosis.rows import load
from benchmarks.diagnosis.score import confusion, score
from benchmarks.diagnosis.setups import PLAIN, SetUp, carry_out, fit, net
from recipe.config import DataConfig, configure
from recipe.data import Parts
from recipe.diagnose import measure
from recipe.diagnose.remedies import REMEDIES
from recipe.sources import mended

SET_UPS = [(bank, name, set_up) for bank, set_ups in run.BANKS.items() for name, set_up in set_ups.items()]


def rows(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.random((count, 6)).astype(np.float32), np.arange(count) % 10


@pytest.fixture
def parts() -> Parts:
    return Parts(*rows(2000, 0), *rows(400, 1), *rows(300, 2))


def spoil(parts: Parts, name: str) -> Parts:
    return spoilt.ROWS[name](parts, np.random.default_rng(0))


# The set-ups


def test_every_bank_has_what_it_promises():
    wanted = {bank: [set_up.verdict for set_up in set_ups.values()] for bank, set_ups in run.BANKS.items()}
    every = sorted(REMEDIES)
    assert sorted(wanted["broken"]) == [code for code in every if code not in ("signal_collapse", "train_longer")]
    assert sorted(wanted["variants"]) == sorted(wanted["fresh"]) == sorted(wanted["final"]) == every
    assert wanted["healthy"] == ["fine"] * 10


def test_names_are_unique_so_that_one_is_enough_to_choose_by():
    names = [name for _, name, _ in SET_UPS]
    assert len({*names, *run.BANKS}) == len(names) + len(run.BANKS)


@pytest.mark.parametrize(("bank", "name", "set_up"), SET_UPS, ids=[name for _, name, _ in SET_UPS])
def test_every_set_up_is_a_configuration_with_names_that_exist(bank, name, set_up):
    config = configure({**PLAIN, **set_up.options})
    assert config.optim.lr is not None
    assert set_up.rows is None or set_up.rows in spoilt.ROWS
    assert set_up.start is None or set_up.start in spoilt.STARTS
    assert set_up.network is None or bank == "healthy"


@pytest.mark.parametrize(
    ("source", "features", "classes"),
    [("mnist", 784, 10), ("mnist 14x14", 196, 10), ("is it 8", 784, 2), ("sine", 1, None), ("spirals", 2, 2)],
)
def test_sources(source, features, classes):
    found = load(DataConfig(source=source, limit_rows=100), seed=3)
    assert len(found.x_train) == 100
    assert all(x.shape[1] == features and x.dtype == np.float32 for x in found[::2])
    assert all(len(x) == len(y) for x, y in zip(found[::2], found[1::2], strict=True))
    if classes:
        assert {*found.y_valid.tolist()} == set(range(classes))
    again = load(DataConfig(source=source, limit_rows=100), seed=3)
    np.testing.assert_array_equal(found.x_train, again.x_train)


# What is spoilt


def test_labels_are_wrong_in_the_share_that_is_named(parts):
    for name, share in (("3 labels in 10 drawn anew", 0.27), ("1 label in 5 the next class's", 0.2)):
        found = spoil(parts, name)
        assert (found.y_train != parts.y_train).mean() == pytest.approx(share, abs=0.04)
        assert found.y_valid is parts.y_valid
        assert found.x_train is parts.x_train


def test_leaks_are_seen_and_dropping_them_mends_them(parts):
    for name, share in (("validation rows in training", 0.2), ("validated on training rows", 1.0)):
        found = spoil(parts, name)
        assert len(found.x_train) == len(parts.x_train)
        assert measure.equal_rows(found.x_train, found.x_valid)[0] == share
        dropped = mended(found, DataConfig(drop_leaked=True))
        assert measure.equal_rows(dropped.x_train, found.x_valid)[0] == 0.0
        assert len(dropped.x_train) == len(parts.x_train) - round(share * len(parts.x_valid))
        assert len(dropped.y_train) == len(dropped.x_train)


def test_orders_keep_every_row_with_its_label(parts):
    for name in ("sorted", "shuffled in a window", "shuffled in blocks", "one half after the other"):
        found = spoil(parts, name)
        assert not np.array_equal(found.y_train, parts.y_train)
        pairs = [{(row.tobytes(), int(y)) for row, y in zip(p.x_train, p.y_train, strict=True)} for p in (parts, found)]
        assert pairs[0] == pairs[1]
    assert list(spoil(parts, "sorted").y_train) == sorted(parts.y_train)


def test_validation_rows_of_another_kind_keep_what_is_not_spoilt(parts):
    for name in ("validation pixels in another order", "validation pixels to 255"):
        found = spoil(parts, name)
        assert not np.array_equal(found.x_valid, parts.x_valid)
        assert found.y_valid is parts.y_valid
        assert found.x_train is parts.x_train
        assert found.x_test is parts.x_test
    found = spoil(parts, "validation labels count from another class")
    assert not (found.y_valid == parts.y_valid).any()


def test_starts_spoil_what_they_name():
    def layers() -> list[nn.Linear]:
        generator = Generator(0)
        return [nn.Linear(4, 3, generator=generator) for _ in range(4)]

    def spoilt_by(name):
        found = layers()
        spoilt.STARTS[name](found, Generator(1))
        return found

    assert [float(layer.bias.data.max()) == -5.0 for layer in spoilt_by("biases of -5")] == [True, True, True, False]
    assert [float(layer.bias.data.max()) for layer in spoilt_by("biases of -20 in one layer")].count(-20.0) == 1
    assert [bool((layer.weight.data <= 0).all()) for layer in spoilt_by("weights below 0")] == [True, True, True, False]
    assert all(not layer.weight.data.any() for layer in spoilt_by("weights of 0"))
    for layer, usual in zip(spoilt_by("weights five times as large"), layers(), strict=True):
        np.testing.assert_array_equal(layer.weight.data, 5 * usual.weight.data)


def test_a_change_of_the_start_replaces_a_spoilt_one_and_no_other_change_does():
    dead = SetUp("dead_units", fit(200, 50, 1) | net((8,)), start="biases of -20 in one layer")
    kept, replaced = (carry_out(dead, 0, change) for change in ({"optim.lr": 0.01}, {"model.init": "he"}))
    assert kept.diagnosis.notes  # one class, for all rows are silent
    assert replaced.train["loss"] != kept.train["loss"]
    assert not replaced.diagnosis.notes


# Counting


def outcomes() -> list[dict]:
    def of(wanted, found, fix=..., seed=0):
        made = {"bank": "broken", "set_up": wanted, "seed": seed, "wanted": wanted, "found": found, "because": []}
        made |= {"candidates": [], "val": {"score": 0.5, "loss": 1.0}}
        return made if fix is ... else made | {"fix": fix and {"change": "--lr 1", "val": {"score": fix, "loss": 0.5}}}

    return [
        of("fine", "fine"),
        of("fine", "undecided", seed=1),
        of("overfit", "overfit", 0.9),
        of("overfit", "overfit", 0.505, seed=1),
        of("overfit", "leak", 0.5, seed=2),
        of("leak", "leak", None),
    ]


def test_a_score_tells_wrong_from_undecided_and_better_from_not():
    found = score(outcomes())
    assert [found[key] for key in ("cases", "right", "undecided", "wrong")] == [6, 4, 1, 1]
    assert found["confusion"] == confusion(outcomes())
    assert found["confusion"] == {
        "fine": {"fine": 1, "undecided": 1},
        "overfit": {"overfit": 2, "leak": 1},
        "leak": {"leak": 1},
    }
    assert found["remedies"] == {
        "cases": 4,
        "better": 2,
        "better by a point": 1,
        "not better": 1,
        "none offered": 1,
    }


def document() -> dict:
    return {
        "schema": 1,
        "benchmark": "diagnosis",
        "device": "cpu",
        "machine": {"processor": {"model": "A processor"}, "python": "3.11, x", "numpy": "2.4", "commit": "abc"},
        "processes": 2,
        "seconds": 90.0,
        "scores": {"broken": score(outcomes())},
        "outcomes": outcomes(),
    }


def test_the_tables_tell_all_of_it():
    text = shown.tables(document())
    assert "4 of 6 right (67 %), 1 undecided, 1 wrong" in text
    rows = {line.split()[1]: line.split()[2:] for line in text.splitlines() if line[:3].strip().isdigit()}
    # The columns are those of the rows: leak, overfit, fine, undecided.
    assert rows == {"leak": ["1", ".", ".", "."], "overfit": ["1", "2", ".", "."], "fine": [".", ".", "1", "1"]}
    assert "WRONG broken     overfit                seed 2  leak for overfit; validation 50.0 -> 50.0" in text
    assert "2 of 4 broken runs (50 %)" in text
    assert "50.0 -> 90.0, 50.0 -> 50.5, 50.0 -> 50.0" in text


# The command


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """The command with two small set-ups, carried out here; gives the folder of its results."""
    small = fit(200, 20, 2, "spirals") | net((8,))
    banks = {
        "broken": {"slow": SetUp("rate_too_low", small | {"optim.lr": 1e-6})},
        "healthy": {"good": SetUp("fine", small)},
    }
    monkeypatch.setattr(run, "BANKS", banks)
    monkeypatch.setattr(
        run, "shared_out", lambda do, work, processes: ((i, do(*item)) for i, item in reversed([*enumerate(work)]))
    )
    monkeypatch.setattr("benchmarks.diagnosis.command.RESULTS", tmp_path / "results")
    return tmp_path / "results"


def test_a_full_run_is_saved_and_shown_again_and_a_part_is_not(quick, capsys):
    assert cli.main(["diagnosis", "--quick"]) == 0
    assert cli.main(["diagnosis", "--only", "slow"]) == 0
    assert "not saved" in capsys.readouterr().out
    assert not quick.exists()
    assert cli.main(["diagnosis"]) == 0
    printed = capsys.readouterr().out
    saved = json.loads((quick / "diagnosis-cpu.json").read_text())
    assert [(o["set_up"], o["seed"]) for o in saved["outcomes"]] == [(n, s) for s in range(3) for n in ("slow", "good")]
    assert all("fix" in o if o["bank"] == "broken" else "fix" not in o for o in saved["outcomes"])
    text = (quick / "diagnosis-cpu.txt").read_text()
    assert text in printed
    (quick / "diagnosis-cpu.txt").unlink()
    assert cli.main(["show", str(quick / "diagnosis-cpu.json")]) == 0
    assert (quick / "diagnosis-cpu.txt").read_text() == text


@pytest.mark.parametrize(
    ("name", "hint"), [("slwo", "did you mean slow?"), ("xyz", "known are the banks broken, healthy")]
)
def test_a_name_that_is_not_known_is_one_line_and_status_2(quick, capsys, name, hint):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["diagnosis", "--only", name])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert hint in error


def test_work_is_shared_among_processes_and_comes_back_with_its_place():
    from benchmarks.processes import shared_out

    assert sorted(shared_out(divmod, [(7, 2), (9, 4)])) == [(0, (3, 1)), (1, (2, 1))]
    with pytest.raises(ZeroDivisionError):
        list(shared_out(divmod, [(1, 0)]))
