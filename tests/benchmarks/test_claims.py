"""The claims: verdicts follow from numbers, a result is judged again from its JSON, and the page says what came out."""

from __future__ import annotations

import json
import math

import pytest

from benchmarks.__main__ import main
from benchmarks.claims import command, e9_diagnosis, run
from benchmarks.claims.experiment import Experiment, Figure, Found, Order, Part
from benchmarks.claims.judge import State, judge, number, verdicts
from benchmarks.claims.kept import Kept
from benchmarks.claims.lecture import CLAIMS
from benchmarks.claims.page import page
from benchmarks.claims.setting import rounded
from benchmarks.machine import describe
from benchmarks.measure import BenchmarkError
from benchmarks.output import RESULTS
from benchmarks.run import ROOT


def experiment(*orders: Order, figures: tuple[Figure, ...] = (), parts: tuple[Part, ...] = ()) -> Experiment:
    return Experiment("E1", "A <trial>", ("C3",), "Nothing & more.", lambda quick: parts, orders, figures)


def found(*losses: float | None) -> Found:
    return Found({seed: {"a": {"loss": math.nan if loss is None else loss}} for seed, loss in enumerate(losses)})


BELOW_ONE = Order("C3", "the loss is below 1", lambda m: (0, "<", m["a"]["loss"], "<", 1))


@pytest.mark.parametrize(
    ("losses", "state", "failed_in"),
    [
        ((0.5, 0.7), State.HOLDS, []),
        ((0.5, 1.5), State.FAILS, [1]),
        ((0.5, None), State.FAILS, [1]),  # a run that blew up proves nothing
        ((-0.5, 0.5), State.FAILS, [0]),  # every sign of the chain counts
    ],
)
def test_a_comparison_must_hold_in_every_seed(losses, state, failed_in):
    (order,) = judge(experiment(BELOW_ONE), found(*losses)).orders
    assert order.state is state
    assert order.failed_in == failed_in


def test_what_was_not_measured_neither_holds_nor_fails():
    missing = Order("C3", "something else", lambda m: (m["b"]["loss"], "<", 1))
    judged = judge(experiment(missing), found(0.5))
    assert judged.orders[0].state is State.NOT_MEASURED
    assert verdicts({"E1": judged}, ["C3"])["C3"].state is State.NOT_MEASURED
    assert verdicts({"E1": judge(experiment(missing, BELOW_ONE), found(0.5))}, ["C3"])["C3"].state is State.HOLDS


def test_a_seed_that_lacks_a_part_leaves_the_comparison_open():
    half = Found({0: {"a": {"loss": 0.5}}, 1: {}})
    assert judge(experiment(BELOW_ONE), half).orders[0].state is State.NOT_MEASURED


def test_a_figure_outside_its_band_warns_and_an_exact_one_fails():
    loss = Figure("C3", "loss", lambda m: m["a"]["loss"], "0.5", 0.4, 0.6)
    exact = Figure("C3", "steps", lambda m: m["a"]["loss"], "0.5", 0.5, 0.5, exact=True)
    judged = {"E1": judge(experiment(BELOW_ONE, figures=(loss,)), found(0.5, 0.7))}
    verdict = verdicts(judged, ["C3"])["C3"]
    assert verdict.state is State.HOLDS
    assert verdict.outside == ["E1: loss"]
    judged = {"E1": judge(experiment(BELOW_ONE, figures=(exact,)), found(0.5, 0.7))}
    assert verdicts(judged, ["C3"])["C3"].fails == ["E1: steps"]


def test_what_is_measured_against_the_notes_decides_over_no_claim():
    against = Order("C3", "it is the other way round", lambda m: (m["a"]["loss"], ">", 0), against=True)
    verdict = verdicts({"E1": judge(experiment(against), found(0.5))}, ["C3"])["C3"]
    assert verdict.state is State.NOT_MEASURED
    assert verdict.against == ["E1: it is the other way round"]


def test_measured_values_become_plain_json():
    values = {"a": [1.23456789, float("nan")], "b": {"n": 3, "yes": True}}
    assert json.loads(json.dumps(rounded(values))) == {"a": [1.23457, None], "b": {"n": 3, "yes": True}}


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "NaN"), (3.0, "3"), (0.04765, "0.0476"), (94.96, "95"), (123.44, "123.4"), (1.1e-6, "1.1e-06")],
)
def test_numbers_are_written_for_reading(value, text):
    assert number(value) == text


def small(seed: int) -> dict[str, float]:
    return {"loss": 0.25 + 0.5 * seed}


def broken(seed: int) -> dict[str, float]:
    raise ArithmeticError(f"seed {seed} cannot be had")


@pytest.fixture
def known(monkeypatch):
    """Experiments that are known for the time of a test; parts are measured in this process."""

    def know(trial: Experiment) -> None:
        monkeypatch.setattr(run, "experiments", lambda: {"E1": trial})
        monkeypatch.setattr("benchmarks.claims.page.experiments", lambda: {"E1": trial})
        monkeypatch.setattr(run, "shared_out", lambda do, work, processes: ((i, do(*w)) for i, w in enumerate(work)))

    return know


def measure(folder, seeds, resume=False):
    """A run of what is known, with its parts kept in a folder."""
    kept = Kept(folder / "parts.jsonl", {"quick": False, "machine": describe(ROOT)}, resume)
    return run.measure_claims(["E1"], range(seeds), False, kept)


def test_a_document_is_judged_again_from_its_json(known, tmp_path):
    known(experiment(BELOW_ONE, parts=(Part("a", small), Part("fixed", small, seeded=False))))
    document = measure(tmp_path, 3)
    again = json.loads(json.dumps(document))
    assert document["failed"] == []
    assert list(document["experiments"]["E1"]["parts"]["fixed"]) == ["0"]  # once, and it stands for every seed
    assert run.found_in(again, "E1").by_seed[2]["fixed"]["loss"] == 0.25
    (order,) = run.judged_in(again)["E1"].orders
    assert order.failed_in == [2]
    assert document["claims"]["C3"]["state"] == "fails"
    text = page(again)
    assert "A &lt;trial&gt;" in text
    assert "Nothing &amp; more." in text
    assert "1.25" in text
    assert "<script" not in text


def test_a_part_that_fails_is_told_and_the_others_are_kept(known, tmp_path):
    known(experiment(BELOW_ONE, parts=(Part("a", small), Part("b", broken))))
    document = measure(tmp_path, 1)
    (failure,) = document["failed"]
    assert (failure["part"], failure["seed"]) == ("b", 0)
    assert "seed 0 cannot be had" in failure["error"]
    assert document["claims"]["C3"]["state"] == "holds"
    assert "seed 0 cannot be had" in page(document)


def test_a_run_that_was_cut_short_goes_on(known, tmp_path):
    def stops(seed: int) -> dict[str, float]:
        raise KeyboardInterrupt

    known(experiment(BELOW_ONE, parts=(Part("a", small), Part("b", stops))))
    with pytest.raises(KeyboardInterrupt):
        measure(tmp_path, 1)
    with (tmp_path / "parts.jsonl").open("a") as file:
        file.write('{"work": {"experi')  # written when the power failed
    asked = []
    parts = (Part("a", lambda seed: asked.append(seed) or {}), Part("b", small))
    known(experiment(BELOW_ONE, parts=parts))
    document = measure(tmp_path, 1, resume=True)
    assert measure(tmp_path, 1, resume=True)["experiments"] == document["experiments"]  # and once more
    assert asked == []  # it was measured before
    assert document["experiments"]["E1"]["parts"] == {"a": {"0": {"loss": 0.25}}, "b": {"0": {"loss": 0.25}}}


def test_a_run_that_is_stopped_says_what_is_kept(known, tmp_path, monkeypatch, capsys):
    def stops(seed: int) -> dict[str, float]:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "PARTS", tmp_path / "parts.jsonl")
    known(experiment(BELOW_ONE, parts=(Part("a", small), Part("b", stops))))
    assert main(["claims", "--only", "E1", "--seeds", "1"]) == 130
    text = "stopped; 1 part is kept: the same command with --resume goes on"
    assert capsys.readouterr().err == f"python -m benchmarks claims: {text}\n"


def test_a_run_that_goes_on_at_another_commit_names_both(tmp_path):
    path = tmp_path / "parts.jsonl"
    for resume, commit in ((False, "abc"), (True, "def"), (True, "def")):
        kept = Kept(path, {"quick": False, "machine": {"commit": commit}}, resume)
    assert kept.about["machine"]["commit"] == "abc, then def"


def test_a_run_that_cannot_go_on_says_why(tmp_path):
    (tmp_path / "broken.jsonl").write_text("{\n")
    with pytest.raises(BenchmarkError, match="no run to go on with"):
        Kept(tmp_path / "broken.jsonl", {"quick": False}, resume=True)
    with pytest.raises(BenchmarkError, match="no run to go on with"):
        Kept(tmp_path / "parts.jsonl", {"quick": False}, resume=True)
    for text in ("5", "{}", '{"quick": false, "machine": 5}', '{"quick": false, "machine": {}}\n5'):
        (tmp_path / "other.jsonl").write_text(text + "\n")
        with pytest.raises(BenchmarkError, match="no run to go on with"):
            Kept(tmp_path / "other.jsonl", {"quick": False}, resume=True)
    Kept(tmp_path / "parts.jsonl", {"quick": True, "machine": {}})
    with pytest.raises(BenchmarkError, match="was a quick one"):
        Kept(tmp_path / "parts.jsonl", {"quick": False}, resume=True)


def outcome(train: float, test: float, fix: float | None) -> dict[str, object]:
    changed = {} if fix is None else {"val": {"score": fix}}
    scores = {name: {"score": score} for name, score in (("train", train), ("val", test), ("test", test))}
    return {"wanted": "rate_too_high", "found": "rate_too_high", "fix": changed, **scores}


def test_remedies_are_counted_where_there_is_none_and_where_a_run_blew_up():
    parts = {part.name: outcome(0.5, math.nan, None) for part in e9_diagnosis.EXPERIMENT.parts(False)}
    first = next(iter(parts))
    parts[first] = outcome(0.5, 0.5, 0.6)
    document = json.loads(json.dumps(rounded({"parts": parts})))  # NaN is null in it, as in a result
    seed = run._numbers(document["parts"])
    assert e9_diagnosis.remedied(seed) == (1, 16)
    assert e9_diagnosis.bad_on_training_too(seed) == 16
    parts[first]["fix"] = {"val": {"score": 0.4}}
    assert e9_diagnosis.remedied(parts)[0] == 0


# The experiments that there are


def test_every_claim_is_decided_somewhere():
    trials = run.experiments().values()
    decided = {order.claim for trial in trials for order in trial.orders if not order.against}
    assert decided | {figure.claim for trial in trials for figure in trial.figures if figure.exact} == set(CLAIMS)


def test_the_committed_result_measures_everything_and_its_verdicts_follow():
    document = json.loads((RESULTS / "claims-cpu.json").read_text(encoding="utf-8"))
    assert not document["quick"]
    assert not document["failed"]
    assert list(document["experiments"]) == list(run.experiments())
    judged = run.judged_in(document)
    for key, of_one in judged.items():
        missing = [x for x in (*of_one.orders, *of_one.figures) if x.state is State.NOT_MEASURED]
        assert missing == [], f"{key}: a part is named that there is not"
    states = {claim: verdict.state for claim, verdict in verdicts(judged, list(CLAIMS)).items()}
    assert states == {claim: verdict["state"] for claim, verdict in document["claims"].items()}
