"""Numbers: what Python works out for a call, on its way to the GPU; for several calls, a row for each.

One idea: learning rates, and which draw of random numbers comes next, lie in one piece of memory that is sent as a
whole, and only where it changed. Read `steps.py` next.
"""

from __future__ import annotations

from typing import Any

from ..native.memory import Plan
from .device import Device
from .tape import NUMBERS

__all__ = ["Numbers"]


class Numbers:
    """So many rows of numbers. Each of `rows` is a pair of arrays to fill in: numbers, and the words of draws."""

    def __init__(self, device: Device, plan: Plan, count: int = 1) -> None:
        self._plan = plan
        self._size = 8 * max(1, len(plan.numbers) + 3 * len(plan.draws))  # bytes of a row
        self._staged, sent, self._send = device.staged(self._size * count)
        self._sent = device.address(sent), sent
        end = 8 * len(plan.numbers)
        self.rows: list[tuple[Any, Any]] = [
            (row[:end].view("float64"), row[end:].view("uint64")) for row in self._staged.reshape(count, self._size)
        ]
        self._last = b""

    def addresses(self, row: int) -> dict[int, int]:
        """Where a row lies on the device, for a program's addresses."""
        start, plan = self._sent[0] + row * self._size, self._plan
        words = start + 8 * len(plan.numbers)
        return {NUMBERS: start, **{plan.slots[draw]: words + 24 * i for i, draw in enumerate(plan.draws)}}

    def send(self) -> None:
        """Send the rows, where they are others than before."""
        now = self._staged.tobytes()
        if now != self._last:
            self._last = now
            self._send()
