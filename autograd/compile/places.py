"""Places: where the arrays live that a compiled function finds around it, and which of them share memory.

One idea: a parameter's array may be another at the next call, so a program does not keep the array but the way to it.
What is written to must not reach into what else is read, where the change would not be seen.
Read `watch.py` next, which sees what is read.
"""

from __future__ import annotations

from sys import getrefcount
from typing import Any

from ..backend import host, module_of
from ..tensor import Tensor
from ..writes import mark_written
from .expression import Expression, named
from .watch import data_of, grad_of, set_data

__all__ = ["DataOf", "Fixed", "GradOf", "Item", "shares", "touched"]


class DataOf:
    """The place of a Tensor's array."""

    marks = True

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    def __str__(self) -> str:
        return f"Tensor of shape {data_of(self.tensor).shape}"

    def expression(self) -> Expression:
        name, scope = named(self.tensor)
        return Expression(f"{name}.data", scope)

    def get(self) -> Any:
        return data_of(self.tensor)

    def put(self, array: Any) -> None:
        old = data_of(self.tensor)
        if old.shape == array.shape and old.dtype == array.dtype:
            old[...] = array
            mark_written(old)
        else:
            set_data(self.tensor, array.copy())


class GradOf:
    """The place of a gradient that was there before the call."""

    marks = False

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    def __str__(self) -> str:
        return f"gradient of shape {self.tensor.shape}"

    def expression(self) -> Expression:
        name, scope = named(self.tensor)
        return Expression(f"{name}.grad.data", scope)

    def get(self) -> Any:
        return data_of(grad_of(self.tensor))

    def put(self, array: Any) -> None:
        self.get()[...] = array


class Item:
    """The place of an array under a key of a dictionary, as an optimizer keeps its state."""

    marks = False

    def __init__(self, entry: dict[str, Any], key: str) -> None:
        self.entry, self.key = entry, key

    def __str__(self) -> str:
        return f"{self.key} of shape {self.entry[self.key].shape}"

    def expression(self) -> Expression:
        name, scope = named(self.entry)
        return Expression(f"{name}[{self.key!r}]", scope)

    def get(self) -> Any:
        return self.entry[self.key]

    def put(self, array: Any) -> None:
        self.entry[self.key][...] = array


class Fixed:
    """The place of an array that the function holds itself; it is read at each call, and never written to."""

    marks = False

    def __init__(self, array: Any) -> None:
        self.array = array
        self._holders = 0

    def __str__(self) -> str:
        return f"array of shape {self.array.shape}"

    def holders(self) -> int:
        """How often the array is held, the most of all times that this was asked. See Note [Made inside]."""
        self._holders = max(self._holders, getrefcount(self.array))
        return self._holders

    def expression(self) -> Expression:
        return Expression(*named(self.array))

    def get(self) -> Any:
        return self.array

    def put(self, array: Any) -> None:
        raise AssertionError("an array from outside is never written to")


def shares(written: list[Any], read: list[Any]) -> Any:
    """A place that is written to and reaches into another one that is read, going through memory once; else None."""
    turns = {id(place): turn for turn, place in enumerate(written)}
    before = {id(place): place for place in read}
    places = {**before, **{id(place): place for place in written}}
    spans = [(*_span(place.get()), place) for place in places.values() if place.get().size]
    begun: list[tuple[int, int, int, Any]] = []  # those that reach to where we are
    shared: list[int] = []
    for span in sorted(spans, key=lambda span: span[:3]):
        kind, first, _, place = span
        begun = [other for other in begun if other[0] == kind and other[2] > first]
        for *_, other in begun:
            if not (isinstance(place, DataOf) and isinstance(other, DataOf) and other.tensor is place.tensor):
                pairs = (id(place), id(other)), (id(other), id(place))
                shared += [turns[new] for new, old in pairs if new in turns and old in before]
        begun.append(span)
    return written[min(shared)] if shared else None


def touched(written: list[Any], arrays: list[Any]) -> Any:
    """A place that is written to and reaches into one of these arrays; else None."""
    spans = [_span(array) for array in arrays if array.size]
    for place in written if spans else ():
        array = place.get()
        kind, first, last = _span(array)
        if array.size and any(kind == other and first < end and begin < last for other, begin, end in spans):
            return place
    return None


def _span(array: Any) -> tuple[int, int, int]:
    """Which kind of array it is, the first byte that it reaches, and the one behind its last."""
    library = host.lib.array_utils if isinstance(array, host.ndarray) else module_of(array)
    return (id(type(array)), *library.byte_bounds(array))
