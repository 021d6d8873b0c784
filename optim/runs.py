"""Runs: neighbours in a flat array that move together, and the blocks in which they do.

One idea: what a step needs of the flat array (views, blocks, which gradients are gathered) is the same at every step,
so it is cut once and kept. A rule that is one piece of work is done for a piece at once; where it is NumPy's passes,
blocks are small enough that the temporaries of a plainly written formula stay in the processor's cache.
Read `optimizer.py` next, which runs the rule over them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from types import NoneType
from typing import TYPE_CHECKING, Any

from autograd.backend import Array, Module, host
from autograd.compile.cuda.eager import OnDevice
from autograd.ops.join import concat
from autograd.ops.shape import reshape
from autograd.tensor import Tensor

if TYPE_CHECKING:
    from .flat import Flat

__all__ = ["Piece", "Run", "check_kinds", "check_shape", "in_dtype"]

# 1 MiB of float32. Of a rule with four arrays (Adam, of 0.7 to 6 million weights) a block of 32,768 takes 11 to 25 %
# longer, for a call costs 0.6 us and each block makes twelve, and one of a million 2 to 8 % longer, in a colder cache.
BLOCK = 262_144

# At least this large, a gradient is used where it lies; smaller ones are gathered into one array first.
LARGE = 16_384

# Mapped over all gradients at each step, these walk in C.
_DATA, _GRAD, _SHAPE = attrgetter("data"), attrgetter("grad"), attrgetter("shape")


class Run:
    """The parameters `first` to `last - 1` of a flat array, which move together."""

    def __init__(self, flat: Flat, first: int, last: int) -> None:
        self.views, self.entries = flat.views[first:last], flat.entries[first:last]
        whole = last - first == len(flat.views)  # then not a view, of which less would be known to be written
        self.data = flat.data if whole else flat.data[flat.ends[first] : flat.ends[last]]
        self.pieces = [Piece(flat, i, j) for i, j in _cut(flat, first, last)]

    def with_gradients(self) -> list[tuple[Piece, Array]]:
        """Each piece with its gradient. Raises what `Piece.gradient` does."""
        return [(piece, piece.gradient()) for piece in self.pieces]


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


class Piece:
    """Neighbours whose gradients are used as one array: their `weights` and `state`, flat."""

    def __init__(self, flat: Flat, i: int, j: int) -> None:
        self.xp, self.dtype = flat.xp, flat.dtype
        self.parameters, self.shapes = flat.parameters[i:j], flat.shapes[i:j]
        start, stop = flat.ends[i], flat.ends[j]
        self.weights = flat.data[start:stop]
        self.state = {name: array[start:stop] for name, array in flat.state.items()}
        block = BLOCK if flat.device == "cpu" else stop - start  # a GPU wants few, long calls
        places = [slice(a, a + block) for a in range(0, stop - start, block or 1)]
        self._blocks = [
            (self.weights[place], place, {name: array[place] for name, array in self.state.items()}) for place in places
        ]

    def blocks(self, gradient: Array) -> Iterator[tuple[Array, Array, dict[str, Array]]]:
        """Weights, gradients and state, block by block, of the whole gradient."""
        for w, place, state in self._blocks:
            yield w, gradient[place], state

    def gradient(self) -> Array:
        """The gradients, flat, of the parameters' dtype; the array may be the user's own.

        Raises ValueError for a gradient of another shape, TypeError for complex numbers.
        """
        gradients = list(map(_DATA, map(_GRAD, self.parameters)))
        shapes = list(map(_SHAPE, gradients))
        if shapes != self.shapes:
            for shape, wanted in zip(shapes, self.shapes, strict=True):
                check_shape(shape, wanted)
        alone = len(gradients) == 1
        return in_dtype(gradients[0].reshape(-1) if alone else _gathered(self.xp, gradients), self.dtype)


def check_kinds(kinds: Iterable[type]) -> None:
    """Raise TypeError for a kind of gradient that is none."""
    for kind in kinds:
        if not issubclass(kind, (Tensor, NoneType)):
            raise TypeError(f"parameter.grad must be a Tensor or None, got a {kind.__name__}: assign Tensor(...).")


def check_shape(shape: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    """Raise ValueError for a gradient that has not the shape of its parameter, to which it might be broadcast."""
    if shape != wanted:
        raise ValueError(
            f"a parameter of shape {wanted} has a gradient of shape {shape}: "
            "assign a gradient of the parameter's own shape, or leave it to backward()."
        )


def in_dtype(gradient: Array, dtype: Any) -> Array:
    """A gradient in its parameter's dtype. Raises TypeError for complex numbers."""
    if gradient.dtype == dtype:
        return gradient
    if gradient.dtype.kind == "c":
        raise TypeError(
            f"a parameter of {dtype} has a gradient of {gradient.dtype}, of which half would be lost: "
            "assign a real one."
        )
    return gradient.astype(dtype)


def _gathered(xp: Module, arrays: list[Array]) -> Array:
    """Arrays end to end, flat. CuPy's own function asks each of many things, and copies their addresses first."""
    made = None if xp is host else _end_to_end(tuple(arrays), {})
    return xp.concatenate(arrays, axis=None) if made is None else made[0]


_end_to_end = OnDevice(lambda *arrays: concat([reshape(x, -1) for x in arrays]))
