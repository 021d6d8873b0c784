"""The page in headless Chromium: what the browser makes of it."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
    *("--enable-logging=stderr", "--v=0"),
)


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_a_browser_shows_the_verdict_and_every_plot(html_page, tmp_path):
    assert CHROMIUM is not None
    done = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", html_page.resolve().as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    dom = done.stdout
    assert "<title>fine: " in dom
    assert re.search(r'<section class="verdict good" id="verdict">\s*<h2>Verdict: fine</h2>', dom)
    assert dom.count("<svg") == 10
    # A parser that met an error would have moved or closed things: every figure still holds its drawing and caption.
    assert (
        len(re.findall(r"<figure id=.*?<svg.*?</svg>\s*<figcaption>.*?</figcaption>\s*</figure>", dom, re.DOTALL)) == 10
    )
    assert "CONSOLE" not in done.stderr, done.stderr
