"""A headless Chromium that a test speaks to over two pipes, in the words of the DevTools protocol.

One idea: a command is a JSON object with a number, and its answer carries the same number; what comes in between is an
event, and is kept. Read `test_page.py` for a use.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
    "--remote-debugging-pipe",
)
# Chromium reads commands from descriptor 3 and answers on 4.
_LAUNCH = (
    "import os, sys; r, w = int(sys.argv[1]), int(sys.argv[2]); os.dup2(r, 63); os.dup2(w, 64); os.dup2(63, 3);"
    "os.dup2(64, 4); os.execv(sys.argv[3], sys.argv[3:])"
)
_PATIENCE = 60.0


class Chromium:
    """A browser with one tab."""

    def __init__(self, profile: Path) -> None:
        assert CHROMIUM is not None
        read, self._to = os.pipe()
        self._from, write = os.pipe()
        command = [sys.executable, "-c", _LAUNCH, str(read), str(write), CHROMIUM, *FLAGS, f"--user-data-dir={profile}"]
        self._process = subprocess.Popen(command, pass_fds=(read, write), stderr=subprocess.DEVNULL)
        os.close(read)
        os.close(write)
        self._count = 0
        self._bytes = b""
        self.events: list[dict[str, Any]] = []
        self._session: str | None = None
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Accessibility"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Carry out a command; gives what it answers."""
        self._count += 1
        command: dict[str, Any] = {"id": self._count, "method": method, "params": parameters}
        if self._session is not None:
            command["sessionId"] = self._session
        os.write(self._to, json.dumps(command).encode() + b"\0")
        end = time.monotonic() + _PATIENCE
        while (answer := self._read(end)).get("id") != self._count:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def _read(self, end: float) -> dict[str, Any]:
        while b"\0" not in self._bytes:
            ready, _, _ = select.select([self._from], [], [], max(0.0, end - time.monotonic()))
            assert ready, "Chromium does not answer"
            more = os.read(self._from, 1 << 16)
            assert more, "Chromium has gone"
            self._bytes += more
        message, _, self._bytes = self._bytes.partition(b"\0")
        return json.loads(message)

    def open(self, address: str) -> None:
        self.events.clear()
        self.send("Page.navigate", url=address)

    def ask(self, expression: str) -> Any:
        """The value of an expression of JavaScript in the page; of a promise, what it comes to."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, expression: str, seconds: float = 20.0) -> None:
        """Until an expression is true."""
        end = time.monotonic() + seconds
        while not self.ask(expression):
            assert time.monotonic() < end, f"{expression} is not true: {self.ask('document.body.innerText')}"
            time.sleep(0.05)

    def complaints(self) -> list[str]:
        """What the page wrote to the console, and what the browser refused or failed to load."""
        self.ask("0")  # whatever came before is here after it
        return [json.dumps(e) for e in self.events if e["method"] in ("Log.entryAdded", "Runtime.consoleAPICalled")] + [
            json.dumps(e) for e in self.events if e["method"] == "Runtime.exceptionThrown"
        ]

    def close(self) -> None:
        self._session = None
        self.send("Browser.close")
        self._process.wait(_PATIENCE)
        os.close(self._to)
        os.close(self._from)
