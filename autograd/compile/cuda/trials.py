"""Trials: which of cuBLASLt's algorithms is the fastest for a product, found out by running them.

One idea: cuBLASLt orders its algorithms by what it expects, and a clock knows better. What was found is kept in the
user's folder under a name made of all that it depends on, so a product is tried once on a machine, and every run
multiplies with the same algorithm, to the last bit. Read `nvrtc.py` next.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from ...cuda.blas import Blas, BlasError, Plan, Product, UnsupportedProduct
from ..native.library import folder

__all__ = ["Trial", "Trials"]

_MOST = 8  # algorithms that are tried
_CLEARLY = 0.97  # of the time of the expected one: what is faster by less may be so by chance

Clock = Callable[[Plan], float]  # the seconds that a product takes


class Trial(NamedTuple):
    """A product with its fastest algorithm, the seconds that it takes, and those of the one expected to be so."""

    plan: Plan
    seconds: float
    expected: float


class Trials:
    """Those of a device, which `machine` tells from every other, with the version of its library."""

    def __init__(self, blas: Blas, machine: str, clock: Clock) -> None:
        self._blas, self._machine, self._clock = blas, machine, clock
        self._known: dict[tuple[Product, int], Trial] = {}
        self._lock = Lock()

    def of(self, product: Product, alignment: int) -> Trial:
        """The trial of a product whose addresses are multiples of `alignment`, made when it is first asked for.

        Raises UnsupportedProduct where cuBLASLt has no algorithm that runs.
        """
        with self._lock:
            if (product, alignment) not in self._known:
                self._known[product, alignment] = self._tried(product, alignment)
            return self._known[product, alignment]

    def _tried(self, product: Product, alignment: int) -> Trial:
        plan, path = Plan(self._blas, product, alignment), self._path(product, alignment)
        algorithms = {bytes(found.algorithm).hex(): found for found in plan.algorithms(_MOST)}
        kept, *seconds = _read(path)
        if kept not in algorithms:
            times = {}
            for name, algorithm in algorithms.items():
                plan.use(algorithm)
                try:
                    times[name] = self._clock(plan)
                except BlasError:
                    continue  # it is no algorithm for this GPU after all
            if not times:
                raise UnsupportedProduct(f"cuBLASLt, {product}: none of its algorithms runs.")
            first, best = next(iter(times)), min(times, key=times.__getitem__)
            kept = best if times[best] < _CLEARLY * times[first] else first
            seconds = [times[kept], times[first]]
            _write(path, {"product": str(product), "algorithm": kept, "seconds": times[kept], "expected": times[first]})
        plan.use(algorithms[kept])
        return Trial(plan, *seconds)

    def _path(self, product: Product, alignment: int) -> Path:
        key = "|".join((self._machine, repr(product), str(alignment), str(_MOST)))
        return folder() / f"{hashlib.sha256(key.encode()).hexdigest()[:40]}.trial.json"


def _read(path: Path) -> tuple[str, float, float]:
    """What was found before: algorithm and seconds. Of a file that is not there, or damaged, no algorithm."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return str(record["algorithm"]), float(record["seconds"]), float(record["expected"])
    except (OSError, ValueError, KeyError, TypeError):
        return "", 0.0, 0.0


def _write(path: Path, record: dict[str, object]) -> None:
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
        json.dump(record, file)
    os.replace(file.name, path)
