"""What others do to the machine during a run is seen, and our own work is not taken for theirs."""

from __future__ import annotations

import pytest

from benchmarks import machine


@pytest.fixture
def clocks(monkeypatch):
    """The three clocks that a watch reads, as one dictionary to turn."""
    now = {"wall": 100.0, "busy": 1000.0, "own": 10.0}
    monkeypatch.setattr(machine.time, "monotonic", lambda: now["wall"])
    monkeypatch.setattr(machine, "_busy_seconds", lambda: now["busy"])
    monkeypatch.setattr(machine, "_own_seconds", lambda: now["own"])
    return now


def test_own_work_is_not_taken_for_that_of_others(clocks):
    watch = machine.Watch()
    clocks.update(wall=110.0, busy=1019.0, own=26.5)  # in 10 s: 19 s on all cores, of which 16.5 s were ours
    assert watch.others_cores() == 0.25


def test_rounding_of_the_clocks_never_gives_less_than_nothing(clocks):
    watch = machine.Watch()
    clocks.update(wall=110.0, busy=1010.0, own=20.05)
    assert watch.others_cores() == 0.0


def test_a_system_that_does_not_tell_gives_none(clocks):
    clocks["busy"] = None
    assert machine.Watch().others_cores() is None


def test_the_systems_counters_are_read(monkeypatch):
    monkeypatch.setattr(machine, "_read", lambda path: "cpu  100 20 30 9999 9999 4 5 6 7 8\ncpu0 1 2 3\n")
    monkeypatch.setattr(machine.os, "sysconf", lambda name: 10)
    assert machine._busy_seconds() == 16.5  # without idling and waiting for disks, with what the host took
    monkeypatch.setattr(machine, "_read", lambda path: "")
    assert machine._busy_seconds() is None
