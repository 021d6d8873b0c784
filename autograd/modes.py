"""Modes: whether operations are recorded, and whether they are watched for NaN.

One idea: a mode is a context variable, so it belongs to one thread (and one asyncio task): a thread under `no_grad()`
takes nothing from another that is training. Read `tensor.py` next.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

__all__ = ["Watch", "anomaly", "enable_grad", "is_recording", "is_tracing", "is_watching", "no_grad", "tracing"]


class Watch:
    """One `anomaly()` block: how to unlock what it made read-only, by the node that keeps it."""

    def __init__(self) -> None:
        self.unlock: weakref.WeakKeyDictionary[Any, Callable[[], Any]] = weakref.WeakKeyDictionary()


_recording: ContextVar[bool] = ContextVar("autograd.recording", default=True)
_watching: ContextVar[Watch | None] = ContextVar("autograd.watching", default=None)

# The trace that writes down what this thread computes (autograd/compile), or None.
tracing: ContextVar[Any] = ContextVar("autograd.tracing", default=None)

# Called once per operation, so these are the bare C methods rather than functions around them.
is_recording = _recording.get
is_watching = _watching.get
is_tracing = tracing.get


@contextmanager
def _switch(value: bool) -> Iterator[None]:
    token = _recording.set(value)
    try:
        yield
    finally:
        _recording.reset(token)


@contextmanager
def no_grad() -> Iterator[None]:
    """Record nothing inside; `x[i] = v` and `x += y` then write in place. A context manager and a decorator."""
    with _switch(False):
        yield


@contextmanager
def enable_grad() -> Iterator[None]:
    """Record again inside a `no_grad()` block. A context manager and a decorator."""
    with _switch(True):
        yield


@contextmanager
def anomaly() -> Iterator[None]:
    """Find where the first NaN or Inf is born, forward or backward; slow, for debugging.

    Inside, every result and every gradient is checked, each node keeps the line that made it, and saved arrays are
    made read-only until backward has used them, so that an unseen write fails where it happens. The first value that is
    not finite raises `AnomalyError`, which names the operation and the line.
    """
    watch = Watch()
    token = _watching.set(watch)
    try:
        yield
    finally:
        _watching.reset(token)
        for unlock in list(watch.unlock.values()):
            unlock()
