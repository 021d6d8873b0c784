"""Parameters of one kind laid end to end in one flat array, their state in others beside it.

One idea: every rule is elementwise, so it need not know where one parameter ends and the next begins. `parameter.data`
becomes a view into the flat array, and a step is a few passes over a few long arrays instead of many short ones.
Read `runs.py` next, which cuts them into blocks, then `optimizer.py`, which decides what is laid out together.
"""

from __future__ import annotations

from itertools import accumulate, groupby
from operator import attrgetter, itemgetter
from typing import Any

from autograd.backend import Array, float32, module_of, move
from autograd.tensor import Tensor

from .runs import Run, check_kinds

__all__ = ["Flat", "state_dtype"]

# Mapped over all parameters at each step, these walk in C.
_GRAD, _STEP = attrgetter("grad"), itemgetter("step")

_TENSORS = {Tensor}


def state_dtype(dtype: Any) -> Any:
    """That of the state of parameters of this dtype: those of 16 bits are moved in float32, see `rule.py`."""
    return float32 if dtype.itemsize == 2 else dtype


class Flat:
    """Some parameters in one array `data`, their state in one array for each name in `state`.

    `entries` holds a dictionary for each parameter: "step", how many steps it has made, and its state arrays by name.
    They are the truth that outlives this object: laying out replaces `parameter.data` and the arrays in `entries` by
    views of equal values, or, `in_place`, leaves the array of the one parameter where it is. `starts` has the values at
    which the states of the rule start, by name.
    """

    def __init__(
        self, parameters: list[Tensor], entries: list[dict[str, Any]], starts: dict[str, float], in_place: bool = False
    ) -> None:
        # Odd lengths last: the matrices before them then start at multiples of 16 elements, as BLAS likes it.
        order = sorted(range(len(parameters)), key=lambda i: parameters[i].size % 16 != 0)
        self.parameters = [parameters[i] for i in order]
        self.entries = [entries[i] for i in order]
        self.xp = module_of(self.parameters[0].data)
        self.sizes = [p.size for p in self.parameters]
        self.ends = [0, *accumulate(self.sizes)]  # parameter i lies from ends[i] to ends[i + 1]
        self.shapes = [p.shape for p in self.parameters]
        self.dtype, self.device = self.parameters[0].dtype, self.parameters[0].device

        parts = [p.data.reshape(-1) for p in self.parameters]
        self.data = parts[0] if in_place else self.xp.concatenate(parts)
        self.views = [p.data for p in self.parameters] if in_place else self._views(self.data)
        for parameter, view in zip(self.parameters, self.views, strict=True):
            parameter.data = view

        self._runs: dict[tuple[int, int], Run] = {}
        self.state: dict[str, Array] = {}
        for name in dict.fromkeys(name for entry in self.entries for name in entry if name != "step"):
            self.add_state(name, starts.get(name, 0.0))

    def add_states(self, starts: dict[str, float]) -> None:
        """Make the states that are not there yet; `starts` has their values at the start, by name."""
        for name, start in starts.items():
            if name not in self.state:
                self.add_state(name, start)

    def add_state(self, name: str, start: float) -> None:
        """Make the state `name`, equal to `start` where a parameter has none yet."""
        dtype = state_dtype(self.dtype)
        parts = [
            move(entry[name], self.device).astype(dtype, copy=False).reshape(-1)
            if name in entry
            else self.xp.full(size, start, dtype=dtype)
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
        check_kinds(kinds)
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
