"""Batches: the rows of a data set in small groups, shuffled anew each epoch, resumable in the middle of one.

One idea: an epoch is its permutation and how many batches were given out, and the permutation is one numbered draw of a
generator, which can be made again. So two numbers are all that a checkpoint needs. Read `split.py` next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from autograd.backend import Array, module_of
from autograd.random import Draw, Generator, default

from ..numbers import check_count

__all__ = ["Batches"]

Batch = tuple[Array, Array]


@dataclass
class _Epoch:
    """One pass over the rows: the draw that orders them (None: as they stand), and how many batches were given out."""

    draw: Draw | None
    given: int = 0


class Batches:
    """The batches (x, y) of a data set, one epoch at each iteration.

    x and y are arrays with one row per case; the last batch holds what is left, unless `drop_last`. With `shuffle`,
    every epoch takes the next permutation of `generator` (the default one when None); without, the batches are views,
    not copies. With `prefetch` n, one thread gathers the rows of the next n batches ahead; the batches stay the same.
    Raises ValueError when the lengths differ, when there are no rows, or when `drop_last` would leave no batch.
    """

    def __init__(
        self,
        x: Array,
        y: Array,
        batch_size: int,
        *,
        shuffle: bool = True,
        generator: Generator | None = None,
        drop_last: bool = False,
        prefetch: int = 0,
    ) -> None:
        for part, rows in (("x", x), ("y", y)):
            if not hasattr(rows, "__len__"):
                raise TypeError(f"Batches takes arrays of rows, got a {type(rows).__name__} as {part}.")
        if len(x) != len(y):
            raise ValueError(f"Batches got {len(x)} rows of x and {len(y)} of y: one row of y per row of x is wanted.")
        check_count("Batches", "batch_size", batch_size)
        check_count("Batches", "prefetch", prefetch, least=0)
        if len(x) < (batch_size if drop_last else 1):
            raise ValueError(
                f"Batches got {len(x)} rows, which make no batch: batch_size={batch_size}, drop_last={drop_last}."
            )
        self.x, self.y, self.batch_size = x, y, batch_size
        self.shuffle, self.drop_last, self.prefetch = shuffle, drop_last, prefetch
        self.generator = default if generator is None else generator
        self._epoch: _Epoch | None = None  # the epoch under way
        self._resumed: _Epoch | None = None  # the epoch that the next iteration goes on with

    def __len__(self) -> int:
        rows = len(self.x)
        return rows // self.batch_size if self.drop_last else -(-rows // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        epoch = self._resumed or _Epoch(self.generator.next() if self.shuffle else None)
        self._epoch, self._resumed = epoch, None
        order = None if epoch.draw is None else epoch.draw.permutation(len(self.x))
        orders = [None if order is None else module_of(array).asarray(order) for array in (self.x, self.y)]

        def gather(number: int) -> Batch:
            rows = slice(number * self.batch_size, (number + 1) * self.batch_size)
            x, y = (
                array[rows if order is None else order[rows]]
                for array, order in zip((self.x, self.y), orders, strict=True)
            )
            return x, y

        numbers = range(epoch.given, len(self))
        for batch in _ahead(gather, numbers, self.prefetch) if self.prefetch else map(gather, numbers):
            epoch.given += 1
            yield batch
        if self._epoch is epoch:
            self._epoch = None

    def is_open(self) -> bool:
        """Whether batches of the epoch under way are still to come."""
        epoch = self._epoch or self._resumed
        return epoch is not None and epoch.given < len(self)

    def end_epoch(self) -> None:
        """Have done with the epoch under way, also where whoever took its last batch did not ask for another."""
        self._epoch = None

    def state_dict(self) -> dict[str, Any]:
        """Where the iteration stands, fit for JSON; inside the loop the batch at hand counts as done."""
        epoch = self._epoch or self._resumed
        return {
            **self._identity(),
            "epoch": None if epoch is None else asdict(epoch),
            "generator": self.generator.state_dict() if self.shuffle else None,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken: the next iteration gives the batches that were still to come in that epoch.

        Sets the generator, if one is used, to where it was. Raises ValueError when `state` was taken of other batches.
        """
        for name, value in self._identity().items():
            if state[name] != value:
                raise ValueError(
                    f"Batches cannot go on: {name} is {value} here and was {state[name]} in the checkpoint; "
                    "exact resume needs the same data and settings."
                )
        epoch = state["epoch"]
        resumed = _Epoch(Draw(**epoch["draw"]) if epoch["draw"] else None, epoch["given"]) if epoch else None
        if self.shuffle:
            self.generator.load_state_dict(state["generator"])
        self._epoch, self._resumed = None, resumed

    def fits(self, state: Mapping[str, Any]) -> bool:
        """Whether `state` was taken of such batches."""
        return all(state[name] == value for name, value in self._identity().items())

    def _identity(self) -> dict[str, Any]:
        """What two runs must share for one to go on where the other stopped."""
        return {
            "rows": len(self.x),
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "drop_last": self.drop_last,
        }


def _ahead(gather: Callable[[int], Batch], numbers: range, count: int) -> Iterator[Batch]:
    """gather(n) for each of `numbers`, in order, with up to `count` of them made ahead by one thread.

    What gather raises is raised here, at its place in the order. The thread ends with the iteration, also with one
    cut short.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix="batches")
    try:
        waiting: deque[Future[Batch]] = deque()
        for number in numbers:
            waiting.append(pool.submit(gather, number))
            if len(waiting) > count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
