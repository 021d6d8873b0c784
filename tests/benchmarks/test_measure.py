"""Workers and turns: known times come back exactly, peers are left alone, disagreement is an error."""

from __future__ import annotations

import math

import pytest

from benchmarks.measure import BenchmarkError, Plan, check_agreement, clean_environment, measure, workers

PLAN = Plan(rounds=4, threads=2, turn_seconds=0.001, rest_seconds=0.0)
RTOL = {1: 1e-6, 20: 1e-4}


def times_of(fakes, *names, plan=PLAN, rtol=RTOL):
    with workers([fakes[name] for name in names], plan.threads) as started:
        return measure(started, "job", plan, rtol)


def test_known_times_come_back_exactly(fakes):
    measured = times_of(fakes, "fast", "slow")
    assert measured["fast"].rounds == [[10_000.0] * 100] * 4  # a turn of 1 ms holds 100 steps of 10 us
    assert measured["slow"].rounds == [[40_000.0] * 25] * 4


def test_a_sample_of_several_calls_is_a_time_a_call(fakes):
    plan = Plan(rounds=2, threads=1, turn_seconds=0.001, rest_seconds=0.0, calls=20)
    assert times_of(fakes, "fast", plan=plan)["fast"].rounds == [[10_000.0] * 5] * 2


def test_a_lazy_result_is_waited_for_inside_the_time(fakes):
    assert set(times_of(fakes, "lazy")["lazy"].rounds[0]) == {30_000.0}


def test_values_of_the_first_steps_are_kept(fakes):
    assert times_of(fakes, "fast")["fast"].values == [1 / n for n in range(1, 21)]


def test_the_time_of_the_first_step_is_kept_where_it_builds(fakes):
    measured = times_of(fakes, "fast", "compiling")
    assert measured["fast"].build_seconds is None
    assert measured["compiling"].build_seconds > 0


class Recorder:
    """A worker that notes when it was asked."""

    def __init__(self, name, log):
        self.name, self.log = name, log

    def ask(self, do, **request):
        if do == "turn":
            self.log.append((self.name, request["steps"]))
        turn = {"nanoseconds": [1e6] * request.get("steps", 1), "page_faults": 0.0, "idle_seconds": 0.0}
        return {"prepare": {"values": [1.0] * 20}, "turn": turn, "drop": None}[do]


def test_in_every_round_each_has_one_turn_and_the_order_changes():
    log, rests = [], []
    plan = Plan(rounds=20, threads=1, turn_seconds=0.01, rest_seconds=0.25)
    measure({name: Recorder(name, log) for name in "abc"}, "job", plan, {1: 0.0}, sleep=rests.append)
    turns = [name for name, steps in log if steps == 10]
    rounds = [tuple(turns[i : i + 3]) for i in range(0, len(turns), 3)]
    assert len(rounds) == 20
    assert all(sorted(r) == ["a", "b", "c"] for r in rounds)
    assert len(set(rounds)) > 2
    assert rests == [0.25] * 61  # after every turn, and before the first


def test_a_wrong_value_at_step_20_is_an_error_that_names_it(fakes):
    with pytest.raises(BenchmarkError, match=r"job: the results of step 20 disagree.*outside: drifting\)"):
        times_of(fakes, "fast", "slow", "drifting")


def test_a_value_that_is_no_number_is_an_error(fakes):
    with pytest.raises(BenchmarkError, match=r"outside: .*exploding"):
        times_of(fakes, "fast", "slow", "exploding")


def test_agreement_is_relative_to_the_median():
    values = {"a": [100.0], "b": [100.5], "c": [101.0]}
    check_agreement("job", values, {1: 0.006})
    with pytest.raises(BenchmarkError, match=r"outside: a, c\)"):
        check_agreement("job", values, {1: 0.004})
    with pytest.raises(BenchmarkError, match="disagree"):
        check_agreement("job", {"a": [math.nan], "b": [math.nan]}, {1: 1.0})


def test_two_that_disagree_are_both_named():
    with pytest.raises(BenchmarkError, match=r"outside: a, b\)"):
        check_agreement("job", {"a": [1.0], "b": [1.1]}, {1: 1e-3})


def test_a_worker_that_fails_says_why(fakes):
    with pytest.raises(BenchmarkError, match=r"(?s)broken failed to prepare: .*RuntimeError: no idea how to do job"):
        times_of(fakes, "broken")


def test_a_worker_that_dies_says_what_it_wrote_last(fakes):
    with pytest.raises(BenchmarkError, match=r"dying died \(exit status 3\): out of luck"):
        times_of(fakes, "dying")


def test_a_peer_never_loads_autograd_and_may_print(fakes):
    with workers([fakes["witness"]], 2) as started:
        told = started["witness"].ask("hello")
    assert told["autograd loaded"] == "False"
    assert told["benchmarks.measure loaded"] == "False"


def test_threads_are_explicit_and_a_contender_has_the_last_word(fakes):
    with workers([fakes["witness"]], 2) as started:
        told = started["witness"].ask("hello")
    assert (told["OMP_NUM_THREADS"], told["MKL_NUM_THREADS"], told["OPENBLAS_NUM_THREADS"]) == ("2", "2", "1")


def test_settings_of_the_shell_do_not_reach_a_contender(fakes, monkeypatch):
    for name in ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES", "OMP_WAIT_POLICY", "TAPEGRAD_MALLOC", "LD_PRELOAD"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("KEPT", "1")
    environment = clean_environment(fakes["fast"], 3)
    assert environment["KEPT"] == "1"
    assert environment["OMP_NUM_THREADS"] == "3"
    assert not {"MALLOC_ARENA_MAX", "GLIBC_TUNABLES", "OMP_WAIT_POLICY", "TAPEGRAD_MALLOC", "LD_PRELOAD"} & set(
        environment
    )


def test_what_is_compiled_goes_where_the_run_says(fakes):
    names = ("XDG_CACHE_HOME", "TORCHINDUCTOR_CACHE_DIR")
    assert {clean_environment(fakes["fast"], 1, "/somewhere")[name] for name in names} == {"/somewhere"}
    assert "/somewhere" not in clean_environment(fakes["fast"], 1).values()


def test_every_process_is_ended_whatever_happens(fakes):
    processes = []

    def interrupted():
        with workers([fakes["fast"], fakes["slow"]], 1) as started:
            processes.extend(worker._process for worker in started.values())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [process.poll() for process in processes] == [0, 0]
