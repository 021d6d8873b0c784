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
    """Inside, SIGINT (Ctrl-C), SIGTERM and SIGHUP (the terminal closes) set the flag that is given.

    In other threads than the main one nothing does, and a SIGHUP that is ignored, as `nohup` has it, stays so.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # Windows has none
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, interrupt.receive) for number in numbers}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
