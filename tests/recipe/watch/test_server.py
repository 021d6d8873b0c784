"""The server: two answers, to this machine only, and nobody who looks can keep the run waiting or the port taken."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time

import pytest

from recipe.errors import UsageError
from recipe.watch import port_of, serving
from recipe.watch.board import Board
from recipe.watch.server import _CONNECTIONS


@pytest.fixture
def server():
    with serving() as found:
        yield found


def request(server, path="/", method="GET", **headers):
    """(status, headers, text) of an answer; `Host=None` sends none."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    try:
        connection.putrequest(method, path, skip_host=True)
        for name, value in ({"Host": f"127.0.0.1:{server.server_port}"} | headers).items():
            if value is not None:
                connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    finally:
        connection.close()


def listening(server):
    """A connection to the stream, past the head of the answer."""
    connection = socket.create_connection(("127.0.0.1", server.server_port), timeout=10)
    connection.sendall(f"GET /events HTTP/1.0\r\nHost: localhost:{server.server_port}\r\n\r\n".encode())
    stream = connection.makefile("rb")
    assert b"200" in stream.readline()
    while stream.readline().strip():
        pass
    return connection, stream


def event(stream):
    line = stream.readline()
    assert stream.readline() == b"\n"
    return json.loads(line.removeprefix(b"data: "))


def test_the_page_comes_with_a_policy_that_lets_only_its_own_script_run(server):
    status, headers, text = request(server)
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert re.fullmatch(r"'sha256-[\w+/]{43}='", policy["script-src"])
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    # One file that needs nothing: no address of anything else is in it.
    assert re.findall(r"""(?:src|href)=["']([^"']*)""", text) == ["data:,"]
    assert re.findall(r"https?://[^\s\"']+", text) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|\son\w+=", text)


@pytest.mark.parametrize(
    "host", [None, "", "example.org", "example.org:{port}", "127.0.0.1", "127.0.0.1:1", "[::1]:{port}"]
)
def test_a_request_for_another_host_is_refused(server, host):
    host = host and host.format(port=server.server_port)
    assert [request(server, path, Host=host)[0] for path in ("/", "/events")] == [403, 403]


def test_this_machine_may_be_called_localhost(server):
    assert request(server, Host=f"localhost:{server.server_port}")[0] == 200


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 403), ("none", 200), ("same-origin", 200)]
)
def test_another_page_gets_nothing(server, site, status):
    assert request(server, Sec_Fetch_Site=site)[0] == status


@pytest.mark.parametrize(
    "path",
    ["/page.html", "/run.json", "/../../../etc/passwd", "/%2e%2e/etc/passwd", "/events/", "/?x", "*", "server.py"],
)
def test_no_file_is_served(server, path):
    status, headers, text = request(server, path)
    assert (status, headers["Content-Type"], text) == (
        404,
        "text/plain; charset=utf-8",
        "there is / and nothing else\n",
    )
    assert "Content-Security-Policy" in headers


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "X"])
def test_only_get_is_answered(server, method):
    status, headers, _ = request(server, method=method)
    assert (status, headers["Allow"]) == (405, "GET")


def test_nonsense_is_refused_and_says_nothing_on_the_terminal(server, capfd):
    for text in (
        b"\x16\x03\x01nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.0\r\n\r\n",
        b"",
    ):
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
            connection.sendall(text)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
    assert request(server)[0] == 200
    assert capfd.readouterr() == ("", "")


def test_a_stream_gives_the_state_at_once_and_whenever_it_changes_and_the_last_one_at_the_end():
    with serving() as server:
        server.board.update(status="running", n=1)
        connection, stream = listening(server)
        with connection, stream:
            assert event(stream) == {"status": "running", "n": 1}
            server.board.update(n=2)
            assert event(stream) == {"status": "running", "n": 2}
            server.board.update(status="finished")
            server.shutdown()
            server.farewell()
            assert event(stream) == {"status": "finished", "n": 2}
            assert stream.read() == b""


def test_a_silent_run_sends_a_sign_of_life(monkeypatch):
    monkeypatch.setattr("recipe.watch.server._SILENCE", 0.01)
    with serving() as server:
        connection, stream = listening(server)
        with connection, stream:
            assert stream.readline() == b": still here\n"


def test_a_browser_that_hangs_blocks_neither_the_run_nor_the_end():
    """It asks for the stream and never reads, while far more is shown than fits between the two."""
    with serving() as server:
        before = threading.active_count()
        hanging = [listening(server)[0] for _ in range(2)]
        server.board.update(text="x" * 12_000_000)
        time.sleep(0.3)
        shown = time.monotonic()
        server.board.update(text="")
        assert time.monotonic() - shown < 2.0
        assert request(server)[0] == 200
        left = time.monotonic()
    assert 1.0 <= time.monotonic() - left < 8.0  # the farewell's second, not the ten of patience
    end = time.monotonic() + 5.0
    while threading.active_count() >= before and time.monotonic() < end:
        time.sleep(0.01)
    assert threading.active_count() < before  # those that were stuck have been let go, too
    for connection in hanging:
        connection.close()


def test_there_is_a_limit_to_connections(server):
    held = [socket.create_connection(("127.0.0.1", server.server_port), timeout=10) for _ in range(_CONNECTIONS)]
    time.sleep(0.3)
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        request(server)
    for connection in held:
        connection.close()
    end = time.monotonic() + 5.0
    while True:
        try:
            assert request(server)[0] == 200
            break
        except (http.client.HTTPException, ConnectionError):
            assert time.monotonic() < end


def test_the_port_is_free_again_and_only_this_machine_is_listened_to():
    with serving() as server:
        port = server.server_port
        assert server.server_address[0] == "127.0.0.1"
        with (
            pytest.raises(UsageError, match=rf"port {port} cannot be had on 127.0.0.1 \(Address already in use\)"),
            serving(port),
        ):
            pass
        request(server)
    with serving(port) as server:
        assert server.address == f"http://127.0.0.1:{port}/"
        assert request(server)[0] == 200


@pytest.mark.parametrize("text", ["x", "-1", "65536", "1.5", "", "٣"])
def test_what_is_no_port(text):
    with pytest.raises(UsageError, match="wanted is a port"):
        port_of(text, "--watch-port")


def test_a_board_hands_over_what_is_new_and_keeps_what_was_read():
    board = Board()
    assert board.after(0, 0.0) == (0, None, False)
    board.update(a=1)
    first = board.after(0, 0.0)
    board.update(b=2)
    assert first == (1, {"a": 1}, False)
    assert board.after(1, 0.0) == (2, {"a": 1, "b": 2}, False)
    threading.Timer(0.05, board.close).start()
    assert board.after(2, 30.0) == (2, None, True)
