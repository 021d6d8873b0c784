"""The server: one page and one stream of events, for browsers on this machine.

One idea: there is nothing to be had but two fixed answers, so there is nothing to find. No file is served, nothing that
a browser sends is used, and only a request that names this very address gets an answer (a page elsewhere whose name has
been pointed at 127.0.0.1 names another). Each connection has a thread of its own, which the run never waits for.
Read `page.html` next.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any

from ..errors import UsageError
from .board import Board

__all__ = ["Server", "port_of", "serving"]

HOST = "127.0.0.1"
_CONNECTIONS = 32  # at a time; each is a thread
_SILENCE = 5.0  # seconds after which a word is sent that the server is still there
_PATIENCE = 10.0  # seconds that a browser may take to send its request, or to take what it is sent
_FAREWELL = 1.0  # seconds at the end in which browsers may still take the last state


def _policy(page: str) -> str:
    """A Content-Security-Policy that lets the page run its own script, and lets nobody do anything else."""
    sources = {}
    for kind in ("script", "style"):
        (text,) = re.findall(rf"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
        sources[kind] = f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
    return (
        f"default-src 'none'; script-src {sources['script']}; style-src {sources['style']}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def port_of(text: str | None, flag: str) -> int:
    """The port that the text of a flag names; 0, which takes a free one, where there is none. Raises UsageError."""
    if text is None:
        return 0
    if not (text.isascii() and text.isdigit() and int(text) <= 65_535):
        raise UsageError(f"{flag} {text}: wanted is a port, a whole number from 0 (a free one) to 65535.")
    return int(text)


class Server(ThreadingHTTPServer):
    """Serves what is on `board` at `address`. Raises UsageError where the port cannot be had; 0 takes a free one."""

    daemon_threads = True
    request_queue_size = _CONNECTIONS

    def __init__(self, port: int = 0) -> None:
        self.board = Board()
        self.page = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
        self.policy = _policy(self.page)
        self._open: set[socket.socket] = set()
        self._open_changed = threading.Condition()
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            why = error.strerror or error
            raise UsageError(f"port {port} cannot be had on {HOST} ({why}): name another, or none.") from None

    @property
    def address(self) -> str:
        """What to type into a browser."""
        return f"http://{HOST}:{self.server_port}/"

    def server_bind(self) -> None:
        # HTTPServer's own asks the name service who 127.0.0.1 is, and may wait for it.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_changed:
            room = len(self._open) < _CONNECTIONS
            if room:
                self._open.add(request)
        if room:
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._open_changed:
                self._open.discard(request)
                self._open_changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # a browser that goes away is none
            super().handle_error(request, client_address)

    def farewell(self) -> None:
        """Let those that listen have the last state; who does not take it in a moment is cut off."""
        self.board.close()
        with self._open_changed:
            self._open_changed.wait_for(lambda: not self._open, _FAREWELL)
            for request in self._open:
                with suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)


@contextmanager
def serving(port: int = 0) -> Iterator[Server]:
    """A server that runs inside; at the end the port is free again."""
    server = Server(port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.farewell()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    """One connection: a request, an answer, the end."""

    server: Server
    timeout = _PATIENCE
    server_version, sys_version = "tapegrad", ""

    def do_GET(self) -> None:
        here = {f"{HOST}:{self.server.server_port}", f"localhost:{self.server.server_port}"}
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1 or hosts[0] not in here:
            self.send_error(403, f"this server answers to {self.server.address} only")
        elif self.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            self.send_error(403, "another page asked for this")
        elif self.path == "/":
            self._answer(200, "text/html; charset=utf-8", self.server.page)
        elif self.path == "/events":
            self._stream()
        else:
            self.send_error(404, "there is / and nothing else")

    def _stream(self) -> None:
        """Server-sent events: the whole state at once, and again whenever it has changed."""
        self._head(200, "text/event-stream")
        version, over = 0, False
        while not over:
            version, parts, over = self.server.board.after(version, _SILENCE)
            if parts is not None:
                self.wfile.write(f"data: {json.dumps(parts)}\n\n".encode())
            elif not over:
                self.wfile.write(b": still here\n\n")

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        code = 405 if code == 501 else code  # another method than GET
        self._answer(code, "text/plain; charset=utf-8", f"{message or 'no'}\n")

    def _answer(self, code: int, kind: str, text: str) -> None:
        body = text.encode()
        self._head(code, kind, len(body))
        self.wfile.write(body)

    def _head(self, code: int, kind: str, length: int | None = None) -> None:
        self.send_response(code)
        if code == 405:
            self.send_header("Allow", "GET")
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.send_header("Content-Type", kind)
        self.send_header("Content-Security-Policy", self.server.policy)
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass
