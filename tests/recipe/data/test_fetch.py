"""Fetching, from a server on the loopback: only right bytes reach the cache, and failures go on to the next mirror."""

from __future__ import annotations

import errno
import os
import threading
import urllib.request
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from recipe.data import DataError, fetch, mnist

NAME = "t10k-labels-idx1-ubyte"
GOOD = (mnist.SHIPPED / f"{NAME}.gz").read_bytes()
OTHER = (mnist.SHIPPED / "train-labels-idx1-ubyte.gz").read_bytes()
MIRRORS = ("https://first.example/mnist/", "https://second.example/mnist")


class Handler(BaseHTTPRequestHandler):
    """Answers /<mirror>/... with what the test has put under that mirror's name: bytes, or a status."""

    def do_GET(self):
        self.server.asked.append(self.path)
        answer = self.server.answers[self.path.split("/")[1]]
        if isinstance(answer, int):
            self.send_error(answer)
            return
        body, length = answer if isinstance(answer, tuple) else (answer, len(answer))
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Nothing: the test run's output is not the place."""


@pytest.fixture(scope="module")
def running():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def server(running):
    running.asked, running.answers = [], {}
    return running


@pytest.fixture
def locate(server, tmp_path):
    """mnist.locate with no shipped copy, a cache of its own, and the mirrors' names leading to the loopback."""

    def open_url(url):
        host, _, path = url.removeprefix("https://").partition(".example")
        address = f"http://127.0.0.1:{server.server_port}/{host}{path}"
        return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(address, timeout=10)

    return partial(
        mnist.locate, NAME, shipped=tmp_path / "none", cache=tmp_path / "a" / "b", mirrors=MIRRORS, open_url=open_url
    )


def test_the_first_mirror_fills_the_cache_once(server, locate, tmp_path):
    server.answers = {"first": GOOD}
    path = locate()
    assert path == tmp_path / "a" / "b" / f"{NAME}.gz"
    assert path.read_bytes() == GOOD
    assert mnist.read(path)[0] == 7
    assert locate() == path
    assert server.asked == [f"/first/mnist/{NAME}.gz"]


def test_the_cache_is_private(server, locate, tmp_path):
    server.answers = {"first": GOOD}
    path = locate()
    modes = [oct(p.stat().st_mode & 0o777) for p in (path.parent.parent, path.parent, path)]
    assert modes == ["0o700", "0o700", "0o600"]


@pytest.mark.parametrize(
    "bad",
    [404, 500, b"<html>", b"", GOOD[:-7], (GOOD[:-7], len(GOOD)), OTHER],
    ids=["404", "500", "page", "empty", "short", "broken off", "other file"],
)
def test_a_mirror_that_fails_is_passed_over(server, locate, bad):
    server.answers = {"first": bad, "second": GOOD}
    path = locate()
    assert path.read_bytes() == GOOD
    assert os.listdir(path.parent) == [path.name]
    assert len(server.asked) == 2


def test_when_all_fail_one_error_names_the_file_the_folder_and_the_remedy(server, locate, tmp_path):
    server.answers = {"first": 404, "second": b"<html>"}
    with pytest.raises(DataError) as caught:
        locate()
    text = str(caught.value)
    assert text.startswith(f"{NAME}.gz could not be fetched: ")
    assert f"https://first.example/mnist/{NAME}.gz failed (HTTP Error 404: Not Found)." in text
    assert f"https://second.example/mnist/{NAME}.gz is damaged" in text
    assert f"not in {tmp_path / 'none'} either" in text
    assert f"Run again with a network, or put the file into {tmp_path / 'a' / 'b'} by hand." in text
    assert not (tmp_path / "a").exists()


def test_a_mirror_that_sends_too_much_is_given_up(server, locate, monkeypatch):
    monkeypatch.setattr(fetch, "_LIMIT", 1000)
    server.answers = {"first": GOOD, "second": GOOD}
    with pytest.raises(DataError, match="sent more than 1000 bytes"):
        locate()


def test_a_mirror_that_takes_too_long_is_given_up(server, locate, monkeypatch):
    monkeypatch.setattr(fetch, "_DEADLINE", -1.0)
    server.answers = {"first": GOOD, "second": GOOD}
    with pytest.raises(DataError, match="took longer than"):
        locate()


def test_the_shipped_copy_comes_first_and_asks_nobody(server, locate):
    assert locate(shipped=mnist.SHIPPED).parent == mnist.SHIPPED
    assert server.asked == []


def test_a_full_disk_leaves_no_file_and_says_what_to_do(server, locate, tmp_path, monkeypatch):
    server.answers = {"first": GOOD}

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match=r"cannot be written \(No space left on device\): make room"):
        locate()
    assert os.listdir(tmp_path / "a" / "b") == []


def test_only_https_is_opened(server):
    server.answers = {"first": GOOD}
    path = mnist.SHIPPED / "unused.gz"
    with pytest.raises(DataError, match="unknown url type: http"):
        fetch.fetch(path, [f"http://127.0.0.1:{server.server_port}/first"], lambda data, url: None)
    assert server.asked == []
    assert not path.exists()
