"""Parameters of one kind laid end to end in one flat array, their state in others beside it.

One idea: every rule is elementwise, so it need not know where one parameter ends and the next begins. `parameter.data`
becomes a view into the flat array, and a step is a few passes over a few long arrays instead of many short ones. It
goes block by block, so that the temporaries of a plainly written formula stay in the processor's cache.
Read `optimizer.py` next, which decides what is laid out together and runs the rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, groupby
from operator import attrgetter, itemgetter
from types import NoneType
from typing import Any

from autograd.backend import Array, module_of, move
from autograd.tensor import Tensor

__all__ = ["Flat", "Run"]

# 1 MiB of float32. Of a rule with four arrays (Adam, of 0.7 to 6 million weights) a block of 32,768 takes 11 to 25 %
# longer, for a call costs 0.6 us and each block makes twelve, and one of a million 2 to 8 % longer, in a colder cache.
BLOCK = 262_144

# At least this large, a gradient is used where it lies; smaller ones are gathered into one array first.
LARGE = 16_384

# Mapped over all parameters at each step, these walk in C.
_DATA, _GRAD, _SHAPE, _STEP = attrgetter("data"), attrgetter("grad"), attrgetter("shape"), itemgetter("step")


class Flat:
    """Some parameters in one array `data`, their state in one array for each name in `state`.

    `entries` holds a dictionary for each parameter: "step", how many steps it has made, and its state arrays by name.
    They are the truth that outlives this object: laying out replaces `parameter.data` and the arrays in `entries` by
    views of equal values.
    """

    def __init__(self, parameters: list[Tensor], entries: list[dict[str, Any]]) -> None:
        # Odd lengths last: the matrices before them then start at multiples of 16 elements, as BLAS likes it.
        order = sorted(range(len(parameters)), key=lambda i: parameters[i].size % 16 != 0)
        self.parameters = [parameters[i] for i in order]
        self.entries = [entries[i] for i in order]
        self.xp = module_of(self.parameters[0].data)
        self.sizes = [p.size for p in self.parameters]
        self.ends = [0, *accumulate(self.sizes)]  # parameter i lies from ends[i] to ends[i + 1]
        self.shapes = [p.shape for p in self.parameters]
        self.dtype, self.device = self.parameters[0].dtype, self.parameters[0].device

        self.data = self.xp.concatenate([p.data.reshape(-1) for p in self.parameters])
        self.views = self._views(self.data)
        for parameter, view in zip(self.parameters, self.views, strict=True):
            parameter.data = view

        self._runs: dict[tuple[int, int], Run] = {}
        self.state: dict[str, Array] = {}
        for name in dict.fromkeys(name for entry in self.entries for name in entry if name != "step"):
            self.add_state(name, 0.0)

    def add_state(self, name: str, start: float) -> None:
        """Make the state `name`, equal to `start` where a parameter has none yet."""
        parts = [
            move(entry[name], self.device).astype(self.dtype, copy=False).reshape(-1)
            if name in entry
            else self.xp.full(size, start, dtype=self.dtype)
            for entry, size in zip(self.entries, self.sizes, strict=True)
        ]
        self.state[name] = self.xp.concatenate(parts)
        for entry, view in zip(self.entries, self._views(self.state[name]), strict=True):
            entry[name] = view
        self._runs.clear()

    def _views(self, array: Array) -> list[Array]:
        return [
            array[start:stop].reshape(shape)
            for start, stop, shape in zip(self.ends, self.ends[1:], self.shapes, strict=False)
        ]

    def runs(self) -> list[tuple[Run, int]]:
        """Neighbours that move together, with the steps they have made: all have a gradient and are of one age."""
        ages: list[Any] = list(map(_STEP, self.entries))
        kinds = set(map(type, map(_GRAD, self.parameters)))
        if kinds == _TENSORS and ages.count(ages[0]) == len(ages):
            return [(self._run(0, len(ages)), ages[0])]
        for kind in kinds:
            if not issubclass(kind, (Tensor, NoneType)):
                raise TypeError(f"parameter.grad must be a Tensor or None, got a {kind.__name__}: assign Tensor(...).")
        ages = [None if p.grad is None else age for p, age in zip(self.parameters, ages, strict=True)]
        runs = []
        for age, members in groupby(range(len(ages)), key=ages.__getitem__):
            first, *rest = members
            if age is not None:
                runs.append((self._run(first, first + len(rest) + 1), age))
        return runs

    def _run(self, first: int, last: int) -> Run:
        run = self._runs.get((first, last))
        if run is None:
            run = self._runs[first, last] = Run(self, first, last)
        return run


_TENSORS = {Tensor}


class Run:
    """The parameters `first` to `last - 1` of a flat array, which move together."""

    def __init__(self, flat: Flat, first: int, last: int) -> None:
        self.views, self.entries = flat.views[first:last], flat.entries[first:last]
        whole = last - first == len(flat.views)  # then not a view, of which less would be known to be written
        self.data = flat.data if whole else flat.data[flat.ends[first] : flat.ends[last]]
        self.pieces = [_Piece(flat, i, j) for i, j in _cut(flat, first, last)]

    def blocks(self) -> Iterator[tuple[Array, Array, dict[str, Array]]]:
        """Parameters, gradients and state, block by block."""
        for piece in self.pieces:
            gradient = piece.gradient()
            for w, place, state in piece.blocks:
                yield w, gradient if place is None else gradient[place], state


def _cut(flat: Flat, first: int, last: int) -> list[tuple[int, int]]:
    """The run in pieces: a large parameter alone, neighbouring small ones together, all of them on a GPU."""
    if flat.device != "cpu":
        return [(first, last)]
    pieces = []
    for large, members in groupby(range(first, last), key=lambda i: flat.sizes[i] >= LARGE):
        i, *rest = members
        j = i + len(rest) + 1
        pieces += [(k, k + 1) for k in range(i, j)] if large else [(i, j)]
    return pieces


class _Piece:
    """Neighbours whose gradients are used as one array, in blocks."""

    def __init__(self, flat: Flat, i: int, j: int) -> None:
        self.xp, self.dtype = flat.xp, flat.dtype
        self.parameters, self.shapes = flat.parameters[i:j], flat.shapes[i:j]
        start, stop = flat.ends[i], flat.ends[j]
        block = BLOCK if flat.device == "cpu" else stop - start  # a GPU wants few, long calls
        self.blocks: list[tuple[Array, slice | None, dict[str, Array]]] = []
        for a in range(start, stop, block or 1):
            b = min(a + block, stop)
            place = None if b - a == stop - start else slice(a - start, b - start)
            self.blocks.append((flat.data[a:b], place, {name: array[a:b] for name, array in flat.state.items()}))

    def gradient(self) -> Array:
        """The gradients, flat, of the parameters' dtype; the array may be the user's own."""
        gradients = list(map(_DATA, map(_GRAD, self.parameters)))
        shapes = list(map(_SHAPE, gradients))
        if shapes != self.shapes:
            got, wanted = next((s, w) for s, w in zip(shapes, self.shapes, strict=True) if s != w)
            raise ValueError(
                f"a parameter of shape {wanted} has a gradient of shape {got}: "
                "assign a gradient of the parameter's own shape, or leave it to backward()."
            )
        alone = len(gradients) == 1
        gathered = gradients[0].reshape(-1) if alone else self.xp.concatenate(gradients, axis=None)
        return gathered if gathered.dtype == self.dtype else gathered.astype(self.dtype)
