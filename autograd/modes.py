"""Modes: whether operations are recorded, whether they are watched for NaN, and in which dtype products are made.

One idea: a mode is a context variable, so it belongs to one thread (and one asyncio task): a thread under `no_grad()`
takes nothing from another that is training. Read `shapes.py` next.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from .backend import bfloat16
from .blocks import Block
from .errors import TraceError
from .hints import telling

__all__ = ["anomaly", "autocast", "enable_grad", "is_recording", "no_grad"]  # for users; the engine takes the rest too

T = TypeVar("T")


class Watch:
    """One `anomaly()` block: how to unlock what it made read-only, by the node that keeps it."""

    def __init__(self) -> None:
        self.unlock: weakref.WeakKeyDictionary[Any, Callable[[], Any]] = weakref.WeakKeyDictionary()


_recording: ContextVar[bool] = ContextVar("autograd.recording", default=True)
_watching: ContextVar[Watch | None] = ContextVar("autograd.watching", default=None)
_casting: ContextVar[Any] = ContextVar("autograd.casting", default=None)

# The trace that writes down what this thread computes (autograd/compile), or None.
tracing: ContextVar[Any] = ContextVar("autograd.tracing", default=None)

# The runs of vmap inside of which this thread is (`vmap.py`), the outermost first.
batching: ContextVar[tuple[Any, ...]] = ContextVar("autograd.batching", default=())

# The shapes of Tensors with a gradient that a function has read as numbers, while it is differentiated; else None.
numbers_read: ContextVar[list[Any] | None] = ContextVar("autograd.numbers_read", default=None)

# Called once per operation, so these are the bare C methods rather than functions around them.
is_recording = _recording.get
is_watching = _watching.get
is_tracing = tracing.get
is_batching = batching.get
casting = _casting.get  # the dtype in which products multiply, or None


def refuse_in_trace(what: str) -> None:
    """Raise TraceError inside a compiled function, for what would be done while tracing only."""
    if is_tracing() is not None:
        raise TraceError(f"a compiled function {what}, which would be done at one call only: do it outside.")


@contextmanager
def set_inside(mode: ContextVar[T], value: T) -> Iterator[None]:
    """Let a mode have this value inside, and afterwards the one that it had."""
    token = mode.set(value)
    try:
        yield
    finally:
        mode.reset(token)


@telling
def no_grad() -> Block:
    """Record nothing inside; `x[i] = v` and `x += y` then write in place. A context manager and a decorator."""
    return Block("no_grad", lambda: set_inside(_recording, False))


@telling
def enable_grad() -> Block:
    """Record again inside a `no_grad()` block. A context manager and a decorator."""
    return Block("enable_grad", lambda: set_inside(_recording, True))


@telling
def anomaly() -> Block:
    """Find where the first NaN or Inf is born, forward or backward; slow, for debugging.

    Inside, every result and every gradient is checked, each node keeps the line that made it, and saved arrays are
    made read-only until backward has used them, so that an unseen write fails where it happens. The first value that is
    not finite raises `AnomalyError`, which names the operation and the line. A compiled function that is called inside
    runs as it is written; inside a compiled function it raises TraceError.
    """
    return Block("anomaly", _watched)


@contextmanager
def _watched() -> Iterator[None]:
    refuse_in_trace("enters anomaly()")
    watch = Watch()
    try:
        with set_inside(_watching, watch):
            yield
    finally:
        for unlock in list(watch.unlock.values()):
            unlock()


@contextmanager
def unwatched() -> Iterator[None]:
    """Inside an `anomaly()` block, look at nothing: for a trace, whose arrays have no values yet."""
    with set_inside(_watching, None):
        yield


@telling
def autocast(dtype: Any = "bfloat16", enabled: bool = True) -> Block:
    """Multiply in bfloat16 inside: products read and write half as much, and a GPU has tensor cores for them.

    It is for products of float32: `matmul` (@), `linear`, attention, and convolution, unless each channel is convolved
    by itself. Their factors are rounded to bfloat16, which has float32's range and 8 bits of its precision. The
    products are added up in float32, and the result is rounded once more. Their gradients are made in the same way, and
    on a GPU what they keep for backward is in bfloat16.

    Everything else stays in float32: parameters, their gradients, norms, softmax, losses, the optimizer's state. So
    nothing has to be scaled. One exception: a step compiled for a GPU also rounds a bias whose sum is only rounded
    again; see `compile/cuda/biases.py`. Backward may run inside or outside. `enabled=False` leaves things as they are
    outside any block.

        with autograd.autocast("bfloat16"):
            loss = cross_entropy(model(x), y)
        loss.backward()

    On the CPU it computes the same numbers with float32, which is slower than without: for study and for tests. A
    context manager and a decorator. Raises ValueError for another dtype, ImportError without ml_dtypes. Source:
    Micikevicius et al. 2018, section 3; Kalamkar et al. 2019.
    """
    if str(dtype) != "bfloat16":
        raise ValueError(f'autocast multiplies in "bfloat16", got {dtype!r}: other dtypes are not made for it.')
    cast = bfloat16() if enabled else None
    return Block("autocast", lambda: set_inside(_casting, cast))
