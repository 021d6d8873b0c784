"""The live view in headless Chromium: what a person, or a screen reader, is shown while a run goes on and after it."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from recipe.callbacks import Callback
from recipe.cli import main
from recipe.watch import serving
from recipe.watch.server import Server
from tests.recipe.watch.chromium import CHROMIUM, Chromium

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium"),
]

SPITEFUL = "<img src=x onerror=document.title='no'> & \"'"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    chromium = Chromium(tmp_path_factory.mktemp("profile"))
    yield chromium
    chromium.close()


def state(**more):
    """A state as a run would show it."""
    epochs = range(1, 4)
    lines = {"training": [[i, 1 / i] for i in epochs], "validation": [[i, 1.1 / i] for i in epochs]}
    return {
        **{"name": SPITEFUL, "net": "hidden layers 8 relu", "status": "running", "stop": None, "test": None},
        "progress": {"epoch": 3, "epochs": 8, "step": 30, "steps": 80, "seconds": 61.0, "lr": 1e-3},
        "curves": {
            "loss": {**lines, "running": [[0.5, 2.0], [1.5, None], [3.2, 0.4]]},
            "error": {"training": [[1, 20.0]], "validation": [[1, 25.5]], "running": []},
        },
        "gradients": {"linear1": [[0.5, 1e-7], [3.2, 2e-6]], "linear2": [[0.5, 0.0], [3.2, 0.01]]},
        "verdict": {
            **{"provisional": True, "mark": "bad", "title": "over-fitting", "lines": [SPITEFUL, "Two."]},
            **{"advice": "more data", "change": "--dropout 0.2,0.5", "epochs": 3},
        },
        **more,
    }


def opened(browser, server, **more):
    server.board.update(**state(**more))
    browser.open(server.address)
    browser.wait("document.readyState === 'complete' && document.querySelectorAll('#loss path').length > 0")


def test_a_run_is_shown_with_its_curves_and_its_verdict_so_far(browser):
    with serving() as server:
        opened(browser, server)
        assert browser.ask("document.title") == "So far: over-fitting"
        text = browser.ask("document.body.innerText")
        assert SPITEFUL in text
        assert "3 of 8 epochs complete · update 30 of 80 · 1 min 1 s · about 1 min 42 s to go" in text
        assert "Provisional: this is what 3 epochs of this run can tell." in text
        assert "Try: --dropout 0.2,0.5" in text
        assert browser.ask("document.images.length") == 0
        # Three lines of the loss: the gap where it was not finite makes the third start twice.
        paths = browser.ask("[...document.querySelectorAll('#loss > svg > path')].map(p => p.getAttribute('d'))")
        assert [path.count("M") for path in paths] == [1, 1, 2]
        # The gradients are on a logarithmic scale: 0 is left out, powers of ten are marked.
        paths = browser.ask("[...document.querySelectorAll('#gradients > svg > path')].map(p => p.getAttribute('d'))")
        assert [(path.count("M"), path.count("L")) for path in paths] == [(1, 1), (1, 0)]
        marks = browser.ask("[...document.querySelectorAll('#gradients > svg > text')].map(t => t.textContent)")
        assert marks[:6] == ["1e-7", "1e-6", "1e-5", "1e-4", "0.001", "0.01"]
        assert browser.complaints() == []


def test_news_is_drawn_without_asking(browser):
    with serving() as server:
        opened(browser, server)
        browser.ask("window.mark = document.getElementById('title').firstChild")
        curves = state()["curves"]
        curves["loss"]["training"].append([4, 0.125])
        server.board.update(curves=curves)
        browser.wait("document.querySelector('#loss .legend').innerText.includes('training 0.125')")
        # What has not changed was not written again: a screen reader has nothing to say.
        assert browser.ask("document.getElementById('title').firstChild === window.mark")


def test_a_screen_reader_gets_words_for_everything(browser):
    with serving() as server:
        opened(browser, server)
        nodes = browser.send("Accessibility.getFullAXTree")["nodes"]
        found = [(n["role"]["value"], n.get("name", {}).get("value", "")) for n in nodes if not n.get("ignored")]
        images = [name for role, name in found if role == "image"]
        assert images == [
            "Loss by epoch; the newest values: training 0.333, validation 0.367, running 0.4",
            "Error, % by epoch; the newest values: training 20, validation 25.5",
            "Gradient of each layer by epoch; the newest values: linear1 2.0e-6, linear2 0.01",
        ]
        assert ("progressbar", "updates made") in found or ("ProgressIndicator", "updates made") in found
        assert {"status", "heading", "main"} <= {role for role, _ in found}
        live = browser.ask("document.getElementById('verdict').getAttribute('aria-live')")
        assert live == "polite"
        headings = [name for role, name in found if role == "heading"]
        assert headings == [SPITEFUL, "So far: over-fitting", "Loss", "Error, %", "Gradient of each layer"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_on_light_and_on_dark_and_on_a_narrow_window(browser, scheme):
    browser.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.send("Emulation.setDeviceMetricsOverride", width=320, height=600, deviceScaleFactor=1, mobile=False)
    try:
        with serving() as server:
            for mark in ("good", "bad", "doubt"):
                opened(browser, server, verdict={**state()["verdict"], "mark": mark})
                assert browser.ask("document.documentElement.scrollWidth") <= 320
                pairs = browser.ask(COLOURS)
                assert len(pairs) > 15
                assert min(contrast(ink, paper) for ink, paper in pairs) >= 4.5
            lines = browser.ask(LINES)
            assert min(contrast(ink, paper) for ink, paper in lines) >= 3.0
            heights = browser.ask("[...document.querySelectorAll('text')].map(t => t.getBoundingClientRect().height)")
            assert min(heights) > 10
    finally:
        browser.send("Emulation.setEmulatedMedia", features=[])
        browser.send("Emulation.clearDeviceMetricsOverride")


COLOURS = """[...document.querySelectorAll("h1, h2, p, li, figcaption, summary, code, text")].filter(
  (e) => e.textContent.trim() && e.getClientRects().length
).map((e) => {
  const style = getComputedStyle(e), ink = e instanceof SVGElement ? style.fill : style.color;
  let paper = e;
  while (paper && getComputedStyle(paper).backgroundColor === "rgba(0, 0, 0, 0)") paper = paper.parentElement;
  return [ink, getComputedStyle(paper).backgroundColor];
})"""


LINES = """[...document.querySelectorAll("path")].map(
  (path) => [getComputedStyle(path).stroke, getComputedStyle(document.body).backgroundColor]
)"""


def contrast(one: str, other: str) -> float:
    """WCAG 2's ratio between two colours in CSS's words."""

    def luminance(colour: str) -> float:
        if colour.startswith("oklab"):
            return oklab_luminance(*map(float, re.findall(r"-?[\d.]+(?:e-?\d+)?", colour)[:3]))
        rgb = np.array([int(part) for part in re.findall(r"\d+", colour)[:3]]) / 255
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def oklab_luminance(lightness: float, a: float, b: float) -> float:
    """Of a colour in Oklab (Ottosson 2020), by way of linear sRGB."""
    lms = np.array(
        [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.2914855480]]
    )
    to_rgb = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    return float((to_rgb @ (lms @ [lightness, a, b]) ** 3).clip(0, 1) @ [0.2126, 0.7152, 0.0722])


def test_pointing_at_a_chart_tells_the_values_there(browser):
    with serving() as server:
        opened(browser, server)
        browser.ask("document.querySelector('#loss').scrollIntoView()")
        box = browser.ask(
            "(({x, y, width}) => [x, y, width])(document.querySelector('#loss > svg').getBoundingClientRect())"
        )
        browser.send("Input.dispatchMouseEvent", type="mouseMoved", x=box[0] + 60, y=box[1] + 50)
        browser.wait("document.querySelector('#loss .legend').innerText.includes('training 1\\n')")
        assert browser.ask("document.querySelectorAll('#loss .rule').length") == 1
        browser.send("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=1)
        browser.wait("document.querySelector('#loss .legend').innerText.includes('training 0.333')")


def test_a_server_that_is_gone_is_said_and_what_was_shown_stays_until_it_is_back(browser):
    with serving() as server:
        port = server.server_port
        opened(browser, server)
    browser.wait("!document.getElementById('lost').hidden")
    assert re.search(
        r"training The server is gone; what is shown is from \S+.*\. Trying again\.",
        browser.ask("document.querySelector('[role=status]').innerText"),
    )
    assert browser.ask("document.querySelectorAll('#loss > svg > path').length") == 3
    with serving(port) as server:
        server.board.update(**state(name="another run"))
        browser.wait("document.getElementById('name').textContent === 'another run'")
        assert browser.ask("document.getElementById('lost').hidden")


@pytest.mark.parametrize(
    ("status", "words"),
    [("interrupted", "interrupted: the run can be gone on with; a reason"), ("failed", "failed; a reason")],
)
def test_an_end_is_told_and_is_no_loss(browser, status, words):
    with serving() as server:
        opened(browser, server)
        server.board.update(status=status, stop="a reason")
        browser.wait(f"document.getElementById('state').textContent === {words!r}")
    browser.ask("new Promise((done) => setTimeout(done, 300))")
    assert browser.ask("document.getElementById('lost').hidden")


def test_a_whole_run_is_watched_to_its_end(browser, tmp_path, monkeypatch):
    """The real thing: the browser opens the page inside a run, and still has its result when the run is gone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("recipe.watch.view.TICK", 0.0)
    monkeypatch.setattr("recipe.report.report", lambda folder: folder / "report.html")
    servers = []
    begin = Server.__init__
    monkeypatch.setattr(Server, "__init__", lambda self, port: (begin(self, port), servers.append(self))[0])

    class Opening(Callback):
        def on_epoch_end(self, trainer, record):
            if record["epoch"] == 1:
                browser.open(servers[0].address)
                browser.wait("document.title.startsWith('So far: ')")
                said.append(browser.ask("document.getElementById('state').textContent"))

    said: list[str] = []
    import recipe.run

    callbacks = recipe.run._callbacks
    monkeypatch.setattr(recipe.run, "_callbacks", lambda *a: [*callbacks(*a), Opening()])
    threads = threading.active_count()
    assert main(["train", "--data", "blobs", "--epochs", "4", "--hidden", "8", "--watch", "--out", "out"]) == 0
    end = time.monotonic() + 10  # the thread of a stream ends after the server that it belongs to
    while threading.active_count() > threads and time.monotonic() < end:
        time.sleep(0.01)
    assert threading.active_count() == threads
    assert said == ["training"]
    browser.wait("document.title.startsWith('Verdict: ')")
    text = browser.ask("document.body.innerText")
    assert re.search(r"finished; test error \d+\.\d\d %", text)
    assert "4 of 4 epochs complete · update 228 of 228" in text
    assert browser.ask("document.getElementById('lost').hidden")
    assert browser.complaints() == []
    assert Path("out/run.json").exists()
