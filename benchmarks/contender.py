"""What takes part in a benchmark: one framework in one configuration.

One idea: a contender turns the name of a job into a function without arguments that does it once; all the rest
(processes, turns, clocks, statistics) is the harness's. A new contender is one small file with a tuple `contenders`,
and one word in the list of its benchmark (`speed/__init__.py`). Read `worker.py` next.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any, ClassVar

__all__ = ["Contender", "Step", "contenders_of"]

Step = Callable[[], Any]  # does the job once and returns its result, which may be lazy


@dataclass(frozen=True)
class Contender(ABC):
    """A framework in one configuration.

    The file that defines a contender is imported without the framework itself, which `prepare` and `versions` load:
    so a contender can be listed where its framework is not installed.
    """

    name: str
    about: str
    # Set in the process that runs it, on top of the thread counts. PYTHONPATH belongs here too.
    environment: Mapping[str, str] = field(default_factory=dict)

    module: ClassVar[str] = "numpy"  # what must be importable
    install: ClassVar[str] = "pip install numpy"  # how to get it
    ours: ClassVar[bool] = False  # whether it is tapegrad, whose ratios to the others count
    together: ClassVar[int] = 1  # how many steps one call of its step does
    clock: ClassVar[Callable[[], int]] = staticmethod(time.perf_counter_ns)

    @abstractmethod
    def prepare(self, job: str) -> Step:
        """The job as a function to call again and again; every call of `prepare` starts from the same numbers."""

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """What is running: versions, BLAS, thread counts, as texts by name."""

    def does(self, job: str) -> bool:
        """Whether it takes part in a job."""
        return True

    def builds(self) -> bool:
        """Whether the first call of a step builds it (traces, compiles), so that its time stands apart."""
        return False

    def wait(self, result: Any) -> None:
        """Block until `result` is there. Only frameworks that return before the work is done have to wait."""
        return None

    def value(self, result: Any) -> float:
        """The one number of a result, by which contenders are checked against each other."""
        return float(result.item())

    def values(self, result: Any) -> list[float]:
        """The numbers of all steps that one call does."""
        return [self.value(result)]

    def device_peak(self, step: Step) -> int | None:
        """Bytes on a GPU that a prepared step holds at its peak, state and data included; None where nobody counts."""
        return None

    def is_installed(self) -> bool:
        """Whether this interpreter finds the framework."""
        return find_spec(self.module) is not None


def contenders_of(package: str, modules: Iterable[str]) -> dict[str, Contender]:
    """Those of some modules of a package, by name and in their order, installed here or not."""
    return {c.name: c for module in modules for c in import_module(f"{package}.{module}").contenders}
