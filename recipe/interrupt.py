"""Ctrl-C that waits for the end of the step.

One idea: a signal in the middle of an update would leave half of the weights old; so the first one only raises a flag,
which the loop reads between two steps, and the second one stops at once. Read `trainer.py` next.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Interrupt", "deferred"]


class Interrupt:
    """Whether somebody asked to stop."""

    def __init__(self) -> None:
        self.asked = False

    def __bool__(self) -> bool:
        return self.asked

    def receive(self, number: int, frame: FrameType | None) -> None:
        """What is called on a signal: note it, and raise KeyboardInterrupt from the second time on."""
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def deferred() -> Iterator[Interrupt]:
    """Inside, SIGINT (Ctrl-C) and SIGTERM set the flag that is given; in other threads than the main one, nothing."""
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    before = {number: signal.signal(number, interrupt.receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
