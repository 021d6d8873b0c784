"""Watch: while a thread traces, what it reads and writes of Tensors goes through its trace.

One idea: what a Tensor holds stands in plain slots. During a trace they are replaced, for the class as a whole, by
descriptors that ask whether this thread is tracing: if not, they do what the slot does. So no Tensor escapes, however
it is reached, none is changed before the trace has succeeded, and outside a trace nothing is slower.
Read `code.py` next.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

from ..batching import Batched
from ..modes import is_tracing, set_inside, tracing
from ..tensor import Tensor
from .traced import Traced

__all__ = ["check_grad", "data_of", "grad_of", "has_grad", "paused", "set_data", "set_grad", "watching"]

_slots: dict[str, Any] = {name: Tensor.__dict__[name] for name in ("data", "grad", "node", "requires_grad")}
data_of, set_data = _slots["data"].__get__, _slots["data"].__set__
grad_of, set_grad = _slots["grad"].__get__, _slots["grad"].__set__


def has_grad(tensor: Tensor) -> bool:
    """Whether a Tensor has a gradient. Raises TypeError where something else stands in its place."""
    grad = grad_of(tensor)
    check_grad(grad)
    return grad is not None


def check_grad(grad: Any) -> None:
    """Raise TypeError for what cannot be a gradient."""
    if grad is not None and not isinstance(grad, Tensor):
        raise TypeError(f"tensor.grad must be a Tensor or None, got a {type(grad).__name__}: assign Tensor(...).")


def _is_new(tensor: Tensor) -> bool:
    """Whether a Tensor was made inside a trace: then its data are Traced or hold such, or are not yet there."""
    try:
        return isinstance(data_of(tensor), (Batched, Traced))
    except AttributeError:
        return True


class _Plain:
    """`node` and `requires_grad`: what is assigned to a Tensor from outside stays in the trace until it succeeds."""

    def __init__(self, name: str) -> None:
        self.name, self.slot = name, _slots[name]

    def __get__(self, tensor: Any, kind: Any = None) -> Any:
        if tensor is None:
            return self
        trace = is_tracing()
        if trace is not None:
            if (id(tensor), self.name) in trace.slots:
                return trace.slots[id(tensor), self.name][1]
            if self.name == "requires_grad" and not _is_new(tensor):
                trace.ask_requires_grad(tensor)
        return self.slot.__get__(tensor)

    def __set__(self, tensor: Any, value: Any) -> None:
        trace = is_tracing()
        if trace is None or _is_new(tensor):
            self.slot.__set__(tensor, value)
        else:
            if self.name == "requires_grad":
                trace.ask_requires_grad(tensor)
            trace.slots[id(tensor), self.name] = (tensor, value)


class _Data:
    def __get__(self, tensor: Any, kind: Any = None) -> Any:
        if tensor is None:
            return self
        array = data_of(tensor)
        trace = is_tracing()
        return array if trace is None else trace.read_data(tensor, array)

    def __set__(self, tensor: Any, array: Any) -> None:
        trace = is_tracing()
        if trace is None:
            set_data(tensor, array)
        elif _is_new(tensor):
            set_data(tensor, trace.lift(array))
        else:
            trace.write_data(tensor, array)


class _Grad:
    def __get__(self, tensor: Any, kind: Any = None) -> Any:
        if tensor is None:
            return self
        trace = is_tracing()
        if trace is None or _is_new(tensor):
            return grad_of(tensor)
        return trace.read_grad(tensor)

    def __set__(self, tensor: Any, grad: Any) -> None:
        trace = is_tracing()
        if trace is None or _is_new(tensor):
            set_grad(tensor, grad)
        else:
            trace.write_grad(tensor, grad)


_descriptors = {"data": _Data(), "grad": _Grad(), "node": _Plain("node"), "requires_grad": _Plain("requires_grad")}


def _install(descriptors: dict[str, Any]) -> None:
    for name, descriptor in descriptors.items():
        setattr(Tensor, name, descriptor)


_lock = threading.RLock()
_traces: WeakSet[Any] = WeakSet()  # those that watch; one that Ctrl-C cut off is forgotten


@contextmanager
def watching(trace: Any) -> Iterator[None]:
    """Let `trace` see what this thread does to Tensors."""
    try:
        with _lock:
            _traces.add(trace)
            _install(_descriptors)
        with set_inside(tracing, trace):
            yield
    finally:
        with _lock:
            _traces.discard(trace)
            if not _traces:
                _install(_slots)


def paused() -> _Pause:
    """Inside a trace, do something that belongs to no program."""
    return _Pause()


class _Pause:
    """No generator, for one that Ctrl-C has cut off ends when it is forgotten, and would begin the trace again."""

    def __enter__(self) -> None:
        self._before = tracing.set(None)

    def __exit__(self, *error: Any) -> None:
        tracing.reset(self._before)
