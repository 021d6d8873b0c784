"""The board: what a run shows, handed from the thread that trains to the threads that serve.

One idea: a value is never changed once it is on the board, only replaced; so the lock is held for as long as it takes
to copy a small dictionary, and nobody can keep the run waiting. Read `view.py` for who writes, `server.py` for who
reads.
"""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

__all__ = ["Board", "News"]


class News(NamedTuple):
    """What a reader finds: the newest version, the parts where they are newer than what it knew, whether it is over."""

    version: int
    parts: dict[str, Any] | None
    over: bool


class Board:
    """Named parts, each plain data fit for JSON, and a version that counts the changes."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._parts: dict[str, Any] = {}
        self._version = 0
        self._over = False

    def update(self, **parts: Any) -> None:
        """Replace parts, and wake those that wait."""
        with self._changed:
            self._parts = {**self._parts, **parts}
            self._version += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Say that nothing will change any more."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def after(self, version: int, timeout: float) -> News:
        """What is new after `version`, at once or when it comes, `timeout` seconds from now at the latest."""
        with self._changed:
            self._changed.wait_for(lambda: self._over or self._version > version, timeout)
            return News(self._version, self._parts if self._version > version else None, self._over)
