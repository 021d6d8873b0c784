"""The memory of a step: what the system counts comes back, and the document says how ours compares."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import benchmarks.__main__ as cli
from benchmarks import memory, output, resident
from benchmarks.measure import BenchmarkError, Plan, workers
from benchmarks.memory import MEMORY, measure_memory, state_bytes
from benchmarks.plot import draw
from benchmarks.speed.workloads import WORKLOADS

MIB = 2**20
PLAN = Plan(rounds=2, threads=1, turn_seconds=0.0, rest_seconds=0.0)
counted = pytest.mark.skipif(not resident.can_count(), reason="only Linux tells how much memory a process held at most")


@pytest.fixture
def document(fakes):
    """A run where `hungry` stands for tapegrad and `hungrier` for another; states are counted as nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "state_bytes", lambda workload: 0)
        yield measure_memory([fakes["hungry"], fakes["hungrier"]], ["mlp-sgd", "gpt"], PLAN, True, lambda text: None)


@counted
def test_what_was_held_for_a_moment_is_the_highest_mark():
    # Linux counts the highest mark some 2 MiB late, so what is held is many times that.
    before = resident.resident()
    resident.reset_highest()
    held = np.ones(128 * MIB, np.uint8)
    with_it = resident.resident()
    del held
    after = resident.resident()
    assert with_it - before == pytest.approx(128 * MIB, rel=0.05)
    assert abs(after - before) < MIB
    assert resident.highest() - before == pytest.approx(128 * MIB, rel=0.05)
    resident.reset_highest()
    assert resident.highest() - before < MIB


@counted
def test_a_peak_is_what_steps_hold_and_keep(fakes):
    with workers([fakes["hungry"], fakes["hungrier"]], 1) as started:
        peaks = {name: worker.ask("peak", job="tiny", steps=2) for name, worker in started.items()}
    assert peaks == {"hungry": pytest.approx(16 * MIB, rel=0.05), "hungrier": pytest.approx(48 * MIB, rel=0.05)}


def test_the_state_of_an_optimizer_is_as_big_as_its_parameters_once_or_twice():
    parameters = 4 * sum(out * given + out for given, out in ((784, 512), (512, 512), (512, 10)))
    assert state_bytes(WORKLOADS["mlp-sgd"]) == parameters
    assert state_bytes(WORKLOADS["mlp-adam"]) == 2 * parameters


@counted
def test_the_state_is_not_the_steps(fakes):
    ask = [fakes["hungry"]], ["mlp-sgd"], replace(PLAN, rounds=1), True, lambda text: None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "state_bytes", lambda workload: 8 * MIB)
        (peak,) = measure_memory(*ask)["jobs"]["mlp-sgd"]["results"]["hungry"]["peaks_bytes"]
    assert peak == pytest.approx(8 * MIB, rel=0.05)


@counted
def test_the_document_has_a_peak_for_each_process_and_their_median(document):
    assert json.loads(json.dumps(document)) == document
    assert (document["benchmark"], list(document["jobs"])) == ("memory", ["mlp-sgd", "gpt"])
    record = document["jobs"]["gpt"]
    assert len(record["results"]["hungry"]["peaks_bytes"]) == 2
    assert record["results"]["hungry"]["peak_bytes"] == np.median(record["results"]["hungry"]["peaks_bytes"])
    assert record["ratios"]["hungry"]["hungrier"]["ratio"] == pytest.approx(1 / 3, rel=0.05)
    assert document["contenders"]["hungry"]["versions"] == {"fake": "1.0"}
    assert document["bars"] == []
    assert "1 threads each, 2 fresh processes each" in output.heading(document)


@counted
def test_the_table_and_the_picture_show_multiples_of_the_baseline(document, tmp_path):
    lines = MEMORY.tables(document).splitlines()
    assert lines[0].split() == ["workload", "contender", "peak,", "MiB", "least", "-", "most", "/", "hungry"]
    row = lines[3].split()
    assert row[:2] == ["mlp-sgd", "hungrier"]
    assert float(row[2]) == pytest.approx(48, rel=0.05)
    assert float(row[-1]) == pytest.approx(3, rel=0.05)
    (panel,) = MEMORY.panels(document)
    assert panel.bars["hungry"]["gpt"][0] == 1.0
    draw([panel], output.heading(document), tmp_path / "memory.svg")
    assert (tmp_path / "memory.svg").stat().st_size > 10_000


def test_the_ratio_lies_between_what_the_processes_allow():
    found = memory.ratio([10, 20, 30], [40, 50, 80])
    assert (found.ratio, found.low, found.high) == (20 / 50, 10 / 80, 30 / 40)


@counted
def test_ours_compiled_is_judged_against_pytorch(fakes):
    ours = replace(fakes["hungrier"], name="tapegrad-native")
    theirs = replace(fakes["hungry"], name="torch")
    assert [memory.judge(bar, {"ratio": 1.0, "low": 1.0, "high": 1.0})["verdict"] for bar in memory.BARS] == [
        "reached"
    ] * len(memory.JOBS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "workers", fake_workers({"tapegrad-native": 30 * MIB, "torch": 20 * MIB}))
        patch.setattr(memory, "state_bytes", lambda workload: 10 * MIB)
        document = measure_memory([ours, theirs], ["big"], PLAN, True, lambda text: None)
    (judged,) = document["bars"]
    assert (judged["ratio"], judged["verdict"]) == (2.0, "missed")
    assert MEMORY.tables(document).splitlines()[-1].split()[-3:] == ["2.00", "1.00", "missed"]


def fake_workers(peaks):
    """In place of processes: answers with known peaks."""
    from contextlib import contextmanager

    class Worker:
        def __init__(self, name):
            self.name = name

        def ask(self, do, **request):
            return peaks[self.name] if do == "peak" else {}

    @contextmanager
    def started(contenders, threads, caches):
        yield {c.name: Worker(c.name) for c in contenders}

    return started


def test_a_system_that_does_not_count_is_an_error_in_one_line(fakes, monkeypatch):
    monkeypatch.setattr(memory, "can_count", lambda: False)
    with pytest.raises(BenchmarkError, match="does not tell how much memory"):
        measure_memory([fakes["hungry"]], ["big"], PLAN, True, lambda text: None)


@counted
def test_a_trial_takes_one_process_each(fakes, monkeypatch, capsys):
    few = replace(MEMORY, contenders={name: fakes[name] for name in ("hungry", "absent")})
    monkeypatch.setattr(cli, "BENCHMARKS", {"memory": few})
    assert cli.main(["memory", "--quick", "--only", "gpt"]) == 0
    shown = capsys.readouterr().out
    assert "1 fresh processes each" in shown
    assert "left out: absent" in shown
    assert "not saved, being a trial" in shown


def test_who_is_measured_takes_part_in_speed():
    assert set(MEMORY.contenders) <= set(cli.SPEED.contenders)
    for bar in memory.BARS:
        assert {bar.ours, bar.theirs} <= set(MEMORY.contenders)
        assert bar.workload in MEMORY.jobs
