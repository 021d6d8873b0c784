"""Effects: what a traced function leaves behind, other than its results, and what it must not leave.

One idea: a program writes to the places that the function changed, after each call as after the first. What would be
seen after the first call only (a change of an argument, an array that two Tensors share, a graph) is an error here,
before anything is written. Read `places.py` next.
"""

# Note [Made inside]
# An array that the function made looks like one that it found: both are bare arrays, and the trace meets them when a
# Tensor takes them. But nobody except the trace holds what it made, neither at a write nor when the function has ended;
# `spare.py` counts holders in the same way. What is written into such an array is another variable, and the array stays
# as it was made, which who holds it would see.

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..backend import host
from ..errors import TraceError
from ..tensor import Tensor
from .places import DataOf, Fixed, GradOf, shares, touched
from .trace import Trace
from .traced import Traced
from .watch import data_of, grad_of

__all__ = ["changes_of", "gradients_of", "settings_of"]


def gradients_of(trace: Trace) -> list[tuple[Tensor, Tensor | None]]:
    """The Tensors from outside whose gradient is another now, or has another array, each with that gradient."""
    changed = {}
    for place, traced, _ in trace.captured:
        if isinstance(place, GradOf):
            tensor, grad = trace.found[id(place.tensor)]
            if data_of(grad) is not traced:
                changed[id(tensor)] = tensor, grad
    return list({**changed, **trace.grads}.values())


def changes_of(trace: Trace) -> list[tuple[Any, Traced]]:
    """The places that have another value now, with that value.

    An array that the function made is not among them: each call has it as it was made. See Note [Made inside].

    Raises TraceError where one of them shares memory with another array that was read, or shall from now on, for an
    argument that was changed in place or asked for its gradient, and for a change of a NumPy array.
    """
    _refuse_changed_arguments(trace)
    _refuse_shared_data(trace)
    found = [(place, traced) for place, traced, first in trace.captured if traced.variable is not first]
    _refuse_changed_arrays([place for place, _ in found if isinstance(place, Fixed)])
    found = [(place, traced) for place, traced in found if not isinstance(place, Fixed)]
    own = {id(place.tensor): (place, t) for place, t, _ in trace.captured if isinstance(place, DataOf)}
    for key, (tensor, traced) in trace.data.items():
        place, first = own.get(key, (DataOf(tensor), None))
        if first is not traced:  # another array was assigned
            found = [(other, t) for other, t in found if other is not place]
            found.append((place, traced))
    written = [place for place, _ in found]
    shared = shares(written, [place for place, _, _ in trace.captured]) or touched(written, trace.given)
    if shared is not None:
        raise TraceError(
            f"a compiled function changes a {shared} and also reads another array in the same memory, where the "
            "change would not be seen: use one Tensor for both, or copy."
        )
    return found


def settings_of(trace: Trace) -> list[Callable[[], None]]:
    """What sets `requires_grad` of Tensors from outside after each call, as the function did.

    Raises TraceError for a Tensor from outside that was given a node: its graph would leave the function.
    """
    settings: list[Callable[[], None]] = []
    for (_, name), (tensor, value) in trace.slots.items():
        if name == "requires_grad":
            settings.append(functools.partial(setattr, tensor, name, value))
        elif value is not None:
            raise TraceError(
                "a compiled function changes a Tensor from outside on the record, and its graph cannot leave the "
                "function: change it under no_grad(), or return the new one."
            )
    return settings


def _refuse_changed_arguments(trace: Trace) -> None:
    changed = any(traced.variable is not first for traced, first in trace.arguments)
    if changed or any(data_of(tensor) is not argument for tensor, argument in trace.tensors):
        raise TraceError(
            "a compiled function changes an argument in place, which would be seen at this call only: return the "
            "new value, or change a Tensor that the function finds by itself."
        )
    if any(grad_of(tensor) is not None or tensor.requires_grad for tensor, _ in trace.tensors):
        raise TraceError(
            "a compiled function leaves requires_grad or a gradient on a Tensor of an argument, where it would not "
            "be seen: begin with x = x.detach(), and return the gradient."
        )


def _refuse_changed_arrays(places: list[Fixed]) -> None:
    if not all(map(_is_made_inside, places)):
        raise TraceError(
            "a NumPy array was changed in place by a compiled function, through a Tensor in its memory: hold what "
            "changes in a Tensor from outside, or write into x.clone()."
        )


def _is_made_inside(place: Fixed) -> bool:
    """Whether nobody but the trace holds an array. See Note [Made inside]."""
    return place.array.base is None and place.holders() == _ALONE


def _alone() -> int:
    """The holders of an array that only a trace holds."""
    trace = Trace()
    trace.lift(host.zeros(1))
    place: Fixed = trace.captured[0][0]
    return place.holders()


_ALONE = _alone()


def _refuse_shared_data(trace: Trace) -> None:
    """Raise TraceError where a Tensor would be given the memory of another, or of an argument: it gets a copy."""
    holders: dict[int, Any] = {id(traced): None for traced, _ in trace.arguments}
    for place, traced, _ in trace.captured:
        holder = place.tensor if isinstance(place, DataOf) else None
        if holder is None or trace.data.get(id(holder), (holder, traced))[1] is traced:
            holders[id(traced)] = holder
    for tensor, traced in trace.data.values():
        while traced.base is not None:
            traced = traced.base
        if holders.get(id(traced), tensor) is not tensor:
            raise TraceError(
                "a compiled function assigns an array that is there already to the data of a Tensor, which would "
                "share its memory as written and not here: assign a copy, w.data = u.data.copy(), or write "
                "w[...] = u."
            )
