"""Holding a run against its paper: inside, outside, or not comparable and why; never a verdict on another run."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from recipe.config import configure, options
from recipe.papers import NAMES, in_words, paper, text_of
from recipe.papers.outcome import outcome

KEYS = {row.key for row in options()}


def config_of(name, **flags):
    start = {"fit": {"start_from": "first"}} if paper(name).begins_with else {}
    return configure({"paper": name} | start, {key.replace("__", "."): value for key, value in flags.items()})


def run_of(error, *, status="finished", step=100_000, updates=100_000):
    return {
        **{"status": status, "test": {"error_percent": error}, "plan": {"epochs": 200, "updates": updates}},
        "epochs": [{"epoch": 0, "step": step}],
    }


@pytest.fixture
def first(tmp_path, monkeypatch):
    """Writes what the run in the folder "first" says of its paper."""
    monkeypatch.chdir(tmp_path)

    def write(**about):
        Path("first").mkdir(exist_ok=True)
        Path("first/run.json").write_text(json.dumps({"paper": about or None}))

    return write


# The files


@pytest.mark.parametrize("name", NAMES)
def test_every_paper_says_what_it_is_and_sets_known_options(name):
    about = paper(name)
    assert about.title
    assert about.source
    assert about.minutes_cpu
    assert about.minutes_gpu
    assert (about.error is None) == (about.accept is None)
    if about.accept is not None:
        low, high = about.accept
        assert low < about.error <= high
    if about.accept_mean is not None:
        assert about.accept[0] <= about.accept_mean[0] < about.accept_mean[1] <= about.accept[1]
    for other in (about.then, about.begins_with):
        assert other is None or other in NAMES
    assert about.then is None or paper(about.then).begins_with == name
    config = config_of(name)
    assert (config.paper, config.name) == (name, name)
    assert config.optim.schedule == about.options["optim"]["schedule"]
    # The file begins with the source in words, and is itself no more than comments and options.
    assert text_of(name).startswith("# ")
    sections = {key: value for key, value in tomllib.loads(text_of(name)).items() if key != "paper"}
    keys = {
        f"{s}.{k}" if isinstance(v, dict) else s
        for s, v in sections.items()
        for k in (v if isinstance(v, dict) else [s])
    }
    assert keys <= KEYS


def test_the_settings_that_are_known_by_heart():
    maxout, dropout, authors = config_of("maxout-2013"), config_of("dropout-2012"), config_of("dropout-2014")
    assert maxout.optim.gamma == 1 / 1.000004
    assert maxout.stop.monitor == "val_accuracy"
    assert (dropout.stop.patience, dropout.optim.max_norm) == (100, (4.378017, 2.970242, 4.626974))
    assert (authors.fit.updates, authors.model.dropout_mode, authors.model.init) == (100_000, "classic", "lecun")
    # The default network in its full form, so that `train --epochs 15` may be held against it.
    full, pocket = configure(flags={"fit.epochs": "15"}), config_of("pocket")
    assert replace(pocket, name="train", paper=None) == full


@pytest.mark.parametrize(
    ("band", "words"), [((0.0, 1.2), "at most 1.2 %"), ((1.45, 1.75), "1.45 to 1.75 %"), (None, "none")]
)
def test_bands_in_words(band, words):
    assert in_words(band) == words


# The outcome


@pytest.mark.parametrize(
    ("name", "error", "held"),
    [
        ("dropout-2014", 1.05, "inside"),
        ("dropout-2014", 100.0 * (1 - 0.988), "inside"),  # 1.2000000000000011
        ("dropout-2014", 1.21, "outside"),
        ("standard", 1.45, "inside"),
        ("standard", 1.44, "outside"),
        ("pocket", 1.69, "inside"),
    ],
)
def test_a_whole_run_is_inside_or_outside(name, error, held):
    found = outcome(config_of(name), run_of(error))
    assert (found["outcome"], found["why"], found["whole"]) == (held, [], True)
    assert found["text"] == (
        f"paper {name}: test error {error:.2f} %, the paper's is {paper(name).error:g} %, accepted is "
        f"{paper(name).band}: {held}"
    )
    json.dumps(found, allow_nan=False)


def test_an_error_of_a_few_rows_is_not_shown_as_none():
    assert "test error <0.01 %," in outcome(config_of("dropout-2014"), run_of(0.0017))["text"]


def test_what_a_run_may_set_for_itself_changes_nothing():
    free = {"seed": "7", "device": "cuda", "threads": "1", "fit.log_every": "5", "stop.time_limit": "9999"}
    found = outcome(config_of("dropout-2014", **free), run_of(1.1))
    assert found["outcome"] == "inside"


def test_a_run_that_is_cut_short_is_not_comparable():
    found = outcome(config_of("dropout-2014"), run_of(1.1, status="interrupted", step=8123))
    assert found["text"].endswith(": not comparable (cut after 8,123 updates of 100,000)")
    assert not found["whole"]
    found = outcome(config_of("dropout-2012"), run_of(1.1, status="interrupted", step=8123))
    assert found["why"] == ["cut after 8,123 updates, before it stopped by itself"]
    found = outcome(config_of("dropout-2014"), run_of(90.2, status="failed", step=500))
    assert found["why"] == ["it failed after 500 updates"]


def test_other_settings_are_named():
    found = outcome(config_of("dropout-2014", data__limit_rows="5000", optim__lr="0.5"), run_of(1.1))
    assert found["outcome"] == "not comparable"
    assert found["why"] == ["other settings than the paper's: data.limit_rows, optim.lr"]


def test_a_first_stage_has_no_figure_and_says_what_comes_next():
    found = outcome(config_of("maxout-2013"), run_of(1.3))
    assert (found["outcome"], found["whole"], found["then"]) == ("not comparable", True, "maxout-2013-all")
    assert found["why"] == ["the source gives no test error for it; it does for maxout-2013-all"]
    cut = outcome(config_of("maxout-2013"), run_of(1.3, status="interrupted"))
    assert (cut["whole"], cut["then"]) == (False, None)


def test_a_second_stage_needs_the_first(first):
    config = replace(config_of("maxout-2013-all"), stop=replace(config_of("maxout-2013-all").stop, target=0.0123))
    first(name="maxout-2013", whole=True)
    assert outcome(config, run_of(0.97))["outcome"] == "inside"
    for about in ({"name": "maxout-2013", "whole": False}, {"name": "pocket", "whole": True}, {}):
        first(**about)
        assert outcome(config, run_of(0.97))["why"] == ["it did not begin with a whole run of maxout-2013"]
    Path("first/run.json").unlink()
    assert outcome(config, run_of(0.97))["outcome"] == "not comparable"


def test_a_run_that_begins_with_the_weights_of_another_is_another():
    found = outcome(config_of("pocket", fit__start_from="first"), run_of(1.5))
    assert found["why"] == ["it did not begin with new weights"]


def test_without_a_paper_nothing_is_said():
    assert outcome(configure(), run_of(1.0)) is None
