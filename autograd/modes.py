"""Modes: whether operations are recorded, and whether they are watched for NaN.

One idea: a mode is a context variable, so it belongs to one thread (and one asyncio task): a thread under `no_grad()`
takes nothing from another that is training. Read `tensor.py` next.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["anomaly", "enable_grad", "is_recording", "is_watching", "no_grad"]

_recording: ContextVar[bool] = ContextVar("autograd.recording", default=True)
_watching: ContextVar[bool] = ContextVar("autograd.watching", default=False)

# Called once per operation, so these are the bare C methods rather than functions around them.
is_recording = _recording.get
is_watching = _watching.get


@contextmanager
def _switch(mode: ContextVar[bool], value: bool) -> Iterator[None]:
    token = mode.set(value)
    try:
        yield
    finally:
        mode.reset(token)


@contextmanager
def no_grad() -> Iterator[None]:
    """Record nothing inside; `x[i] = v` and `x += y` then write in place. A context manager and a decorator."""
    with _switch(_recording, False):
        yield


@contextmanager
def enable_grad() -> Iterator[None]:
    """Record again inside a `no_grad()` block. A context manager and a decorator."""
    with _switch(_recording, True):
        yield


@contextmanager
def anomaly() -> Iterator[None]:
    """Find where the first NaN or Inf is born, forward or backward; slow, for debugging.

    Inside, every result and every gradient is checked, each node keeps the line that made it, and saved arrays are
    made read-only, so that an unseen write fails where it happens. The first value that is not finite raises
    `AnomalyError`, which names the operation and the line.
    """
    with _switch(_watching, True):
        yield
