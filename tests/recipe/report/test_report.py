"""The report of a run: what the page holds, that it is sound HTML, and what happens where something is missing."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from collections import Counter
from html import escape
from html.parser import HTMLParser

import numpy as np
import pytest

from recipe.errors import UsageError
from recipe.report import report
from recipe.report.exam import confusion, examine
from recipe.report.plot import Plot, colours, draw
from tests.recipe.small import run_of

PLOTS = ("loss", "error", "learning-rate", "gradients", "movement", "dead-and-saturated", "weights", "confusion")
IMAGES = ("mistakes", "filters")
VOID = {"meta", "br", "img", "link", "hr", "input"}


class Sound(HTMLParser):
    """Follows the tags of a page: whether each is closed where it was opened, and every id and address."""

    def __init__(self):
        super().__init__()
        self.open, self.faults, self.ids, self.links, self.tags, self.text = [], [], Counter(), [], Counter(), []

    def handle_starttag(self, tag, attributes):
        self.tags[tag] += 1
        given = dict(attributes)
        self.faults += [f"{tag} has {name} twice" for name, n in Counter(n for n, _ in attributes).items() if n > 1]
        if "id" in given:
            self.ids[given["id"]] += 1
        self.links += [given[name] for name in ("href", "src") if name in given]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes another")

    def handle_data(self, data):
        self.text.append(data)


def parsed(text: str) -> Sound:
    page = Sound()
    page.feed(text)
    page.close()
    return page


def test_the_page_is_sound_and_needs_nothing_else(html_page):
    text = html_page.read_text(encoding="utf-8")
    page = parsed(text)
    assert text.startswith("<!DOCTYPE html>")
    assert not page.faults
    assert not page.open
    assert all(count == 1 for count in page.ids.values())
    assert not page.tags["script"]
    assert page.tags["svg"] == len(PLOTS + IMAGES)
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.ids
        elif not link.startswith("data:image/png;base64,"):
            assert (html_page.parent / link.replace("%20", " ")).is_file(), link
    for fetched in re.findall(r"url\(([^)]*)\)", text):
        assert fetched.startswith("#")
    assert "http://" not in text
    assert "https://" not in text


def test_the_verdict_comes_first_and_names_are_escaped(html_page):
    text = html_page.read_text(encoding="utf-8")
    assert "<b>run" not in text
    assert "a &lt;b&gt;run &amp; more" in text
    assert text.index("Verdict: fine") < text.index("<figure")
    assert "test error" in text
    assert "12.50 %" in text


def test_the_page_gives_what_the_diagnosis_saw_and_ruled_out(html_page):
    text, diagnosis = html_page.read_text(encoding="utf-8"), run_of(html_page.parent)["diagnosis"]
    assert "<h2>What was seen</h2>" in text
    assert f"Ruled out before that ({len(diagnosis['ruled_out'])})" in text
    for said in (diagnosis["meaning"], diagnosis["remedy"], *(row["why"] for row in diagnosis["ruled_out"])):
        assert escape(said) in text


def test_every_plot_has_its_numbers_as_csv(html_page):
    folder = html_page.with_name("report-data")
    assert {path.stem for path in folder.iterdir()} == set(PLOTS + IMAGES)
    run = run_of(html_page.parent)
    with open(folder / "loss.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["train"]) for row in rows] == [record["train_loss"] for record in run["epochs"]]
    with open(folder / "gradients.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(len(run["epochs"]) + 1))
    assert float(rows[0]["linear2"]) == run["evidence"]["looks"][0]["gradient_rms"]["linear2"]


def test_the_same_run_gives_the_same_page(made, html_page, tmp_path):
    folder, model, test = made
    again = report(folder, out=tmp_path / "again.html", model=model, test=test)
    strip = re.compile(r'href="[^"#][^"]*"')
    assert strip.sub("", again.read_text()) == strip.sub("", html_page.read_text())


def test_a_run_whose_data_or_weights_are_gone_is_reported_without_them(made, tmp_path):
    folder = tmp_path / "moved"
    shutil.copytree(made[0], folder)
    (folder / "checkpoint.safetensors").unlink()
    (folder / "steps.csv").write_text("step,loss\n1,nonsense\n")
    page = parsed(report(folder).read_text())
    assert page.tags["svg"] == len(PLOTS) - 1
    assert "The test set was not looked at" in "".join(page.text)


@pytest.mark.parametrize("gone", ["evidence", "diagnosis", "test", "epochs", "config", "machine", "model", "stop"])
def test_whatever_is_missing_leaves_a_page(made, tmp_path, gone):
    run = run_of(made[0])
    run[gone] = None
    (tmp_path / "run.json").write_text(json.dumps(run))
    page = parsed(report(tmp_path).read_text())
    assert not page.faults


def test_a_run_that_left_the_numbers_has_gaps_not_crashes(made, tmp_path):
    run = run_of(made[0])
    for record in run["epochs"][1:]:
        record |= dict.fromkeys(("train_loss", "val_loss", "running_loss"))
    for look in run["evidence"]["looks"]:
        look["gradient_rms"] = dict.fromkeys(look["gradient_rms"])
        look["movement_by_layer"] = dict.fromkeys(look["gradient_rms"])
    (tmp_path / "run.json").write_text(json.dumps(run))
    page = parsed(report(tmp_path).read_text())
    assert not page.faults
    assert "gradients" not in page.ids


def test_a_deep_net_fits_on_the_page(made, tmp_path):
    run = run_of(made[0])
    layers = [f"a_layer_with_a_long_name_{i}" for i in range(30)]
    for i, look in enumerate(run["evidence"]["looks"]):
        for key in ("gradient_rms", "dead", "saturated", "movement_by_layer"):
            look[key] = dict.fromkeys(layers[: 30 if key == "gradient_rms" else 9], 0.01 * (i + 1))
    run["evidence"]["weights"] = dict.fromkeys(layers, run["evidence"]["weights"]["linear1"])
    (tmp_path / "run.json").write_text(json.dumps(run))
    report(tmp_path)  # matplotlib warns, and so fails the test, where something does not fit


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 99}', "\x00"])
def test_a_damaged_run_is_a_usage_error(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(UsageError):
        report(tmp_path)


DAMAGE = [
    *({"epochs": 5}, {"epochs": [{"train_loss": 1.0}]}, {"evidence": {"looks": [3]}}, {"evidence": [1]}),
    *({"test": "x"}, {"test": {"loss": "x"}}, {"steps": {"n": 1}}, {"diagnosis": {"title": ""}}, {"seconds": "x"}),
]


@pytest.mark.parametrize("wrong", DAMAGE)
def test_a_run_with_other_contents_is_a_usage_error(made, tmp_path, wrong):
    run = run_of(made[0]) | wrong
    (tmp_path / "run.json").write_text(json.dumps(run))
    with pytest.raises(UsageError, match="damaged"):
        report(tmp_path)


def test_a_page_that_cannot_be_written_is_a_usage_error(made, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        report(made[0], out=tmp_path / "file" / "page.html", model=made[1], test=made[2])


@pytest.mark.parametrize("name", ["run.json", "steps.csv", "checkpoint.safetensors"])
def test_a_page_does_not_take_the_place_of_a_file_of_the_run(made, name, monkeypatch):
    before = {path: path.read_bytes() for path in made[0].iterdir() if path.is_file()}
    monkeypatch.chdir(made[0])
    with pytest.raises(UsageError, match=rf"{name} is a file of the run: name another, such as report\.html"):
        report(made[0], out=name, model=made[1], test=made[2])
    assert {path: path.read_bytes() for path in made[0].iterdir() if path.is_file()} == before


def test_a_folder_in_the_place_of_the_page_is_refused_before_anything_is_written(made, tmp_path):
    (tmp_path / "pages").mkdir()
    with pytest.raises(UsageError, match=r"pages is a folder: name a file, such as .*pages/report\.html"):
        report(made[0], out=tmp_path / "pages", model=made[1], test=made[2])
    assert [path.name for path in tmp_path.iterdir()] == ["pages"]


def test_a_page_whose_name_is_no_utf8_links_to_its_numbers(made, tmp_path):
    html = report(made[0], out=tmp_path / os.fsdecode(b"p\xff.html"), model=made[1], test=made[2]).read_text()
    assert 'href="p%FF-data/loss.csv"' in html
    assert (tmp_path / os.fsdecode(b"p\xff-data") / "loss.csv").exists()


# The parts


def test_an_exam_counts_every_row_once_and_puts_the_surest_mistake_first(made):
    _, model, (x, y) = made
    exam = examine(model, x, y)
    assert exam.counts.sum() == len(y)
    np.testing.assert_array_equal(exam.counts.sum(axis=1), np.bincount(y, minlength=4))
    assert len(exam.mistakes) == len(y) - np.trace(exam.counts)
    sure = [mistake.confidence for mistake in exam.mistakes]
    assert sure == sorted(sure, reverse=True)
    assert confusion(exam).rows == [(i, *exam.counts[i]) for i in range(4)]


def test_a_drawing_has_the_ink_of_its_page_and_ids_of_its_own():
    def paint(figure):
        figure.subplots().plot([0, 1], [1, 0], label="a")

    one, other = draw("one", paint), draw("other", paint)
    assert one == draw("one", paint)
    assert "currentColor" in one
    assert "#0a0b0c" not in one
    assert "<metadata" not in one
    assert not set(parsed(one).ids) & set(parsed(other).ids)


def test_missing_numbers_are_empty_cells_and_text_is_quoted():
    plot = Plot("n", "t", "c", "a", ("layer", "x"), [("a,b", None), ("c", 0.5)], "")
    assert plot.csv() == 'layer,x\n"a,b",\nc,0.5\n'


def test_no_two_lines_have_the_same_colour():
    for count in (1, 6, 7, 40):
        assert len(set(colours(count))) == count
