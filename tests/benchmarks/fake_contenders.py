"""Contenders whose times are known: each counts its own time on a clock of its own.

A worker imports this file by its name, so the tests put this folder on the path, and every contender here passes it on.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from benchmarks.contender import Contender, Step
from benchmarks.gpu.precision import wanted

PATH = {"PYTHONPATH": str(Path(__file__).resolve().parent)}
time_passed = 0  # nanoseconds, in this process
library: list[Any] = []  # of Hungry, in this process


@dataclass(frozen=True)
class Fake(Contender):
    """Steps that last `microseconds` and whose losses are 1/1, 1/2, 1/3, ..., from step 20 on times `drift`."""

    microseconds: int = 10
    drift: float = 1.0

    clock = staticmethod(lambda: time_passed)

    def prepare(self, job: str) -> Step:
        count = itertools.count(1)

        def step() -> Any:
            global time_passed
            time_passed += self.microseconds * 1000
            number = next(count)
            return np.float64(1 / number * (self.drift if number >= 20 else 1.0))

        return step

    def versions(self) -> dict[str, str]:
        told = {} if wanted().word == "float32" else {"precision": wanted().word}
        return {"fake": "1.0", **told}


@dataclass(frozen=True)
class Ours(Fake):
    """A fake that counts as tapegrad."""

    ours: ClassVar[bool] = True


@dataclass(frozen=True)
class Together(Ours):
    """Does eight steps in a call, on one network only."""

    together: ClassVar[int] = 8

    def does(self, job: str) -> bool:
        return job == "mlp-128"

    def prepare(self, job: str) -> Step:
        step = super().prepare(job)
        return lambda: [step() for _ in range(self.together)]

    def values(self, result: Any) -> list[float]:
        return [float(loss) for loss in result]


@dataclass(frozen=True)
class Compiling(Fake):
    """Its first step builds."""

    def builds(self) -> bool:
        return True


@dataclass(frozen=True)
class Hungry(Ours):
    """Each step holds `mebibytes` for a moment; the first also makes as much again, and keeps it.

    The first of the process loads a library.
    """

    mebibytes: int = 1

    def prepare(self, job: str) -> Step:
        kept: list[Any] = []

        def step() -> Any:
            if not library:
                library.append(np.ones(32 << 20, np.uint8))
            held = np.ones(self.mebibytes << 20, np.uint8)  # written to, so that it is resident
            if not kept:
                kept.append(held.copy())
            return held[0]

        return step


@dataclass(frozen=True)
class Lazy(Fake):
    """Returns at once; the work is done when somebody waits."""

    def prepare(self, job: str) -> Step:
        return lambda: np.float64(1.0)

    def wait(self, result: Any) -> None:
        global time_passed
        time_passed += self.microseconds * 1000


@dataclass(frozen=True)
class Floor(Fake):
    """Only goes forward."""

    def does(self, job: str) -> bool:
        return job.endswith(", forward")


@dataclass(frozen=True)
class Absent(Fake):
    """Its framework is not installed."""

    module: ClassVar[str] = "no_such_framework"
    install: ClassVar[str] = "pip install no-such-framework"


@dataclass(frozen=True)
class Broken(Fake):
    """Fails to prepare."""

    def prepare(self, job: str) -> Step:
        raise RuntimeError(f"no idea how to do {job}")


@dataclass(frozen=True)
class Sleepy(Fake):
    """Does not get ready in time."""

    def prepare(self, job: str) -> Step:
        time.sleep(60)
        raise AssertionError("nobody waits so long")


@dataclass(frozen=True)
class Blind(Fake):
    """Is installed, but finds no device."""

    def versions(self) -> dict[str, str]:
        raise RuntimeError("no device in sight")


@dataclass(frozen=True)
class Counting(Fake):
    """Adds 1 and 1; its work goes on for `microseconds` after it returned. It holds three mebibytes of a GPU."""

    result: float = 2.0

    def prepare(self, job: str) -> Step:
        def step() -> Any:
            global time_passed
            time_passed += 1000
            return np.float64(self.result)

        return step

    def wait(self, result: Any) -> None:
        global time_passed
        time_passed += self.microseconds * 1000

    def device_peak(self, step: Step) -> int:
        return 3 << 20


@dataclass(frozen=True)
class Dying(Fake):
    """Its process ends without an answer."""

    def prepare(self, job: str) -> Step:
        print("out of luck", file=sys.stderr, flush=True)
        os._exit(3)


@dataclass(frozen=True)
class Witness(Fake):
    """Tells what its process is like, and prints where answers go."""

    def versions(self) -> dict[str, str]:
        print("a framework says hello")
        loaded = {f"{name} loaded": str(name in sys.modules) for name in ("autograd", "benchmarks.measure")}
        return {
            **loaded,
            **{k: v for k, v in os.environ.items() if k.endswith("_NUM_THREADS") or k == "MALLOC_ARENA_MAX"},
        }


contenders = (
    Ours("ours", "ten microseconds, ours", PATH, 10),
    Fake("fast", "ten microseconds", PATH, 10),
    Fake("slow", "forty microseconds", PATH, 40),
    Fake("drifting", "wrong from step 20 on", PATH, 10, drift=1.1),
    Fake("exploding", "no number from step 20 on", PATH, 10, drift=float("nan")),
    Lazy("lazy", "thirty microseconds when waited for", PATH, 30),
    Together("together", "eight steps of ten microseconds in a call", PATH, 10),
    Compiling("compiling", "builds in its first step", PATH, 20),
    Hungry("hungry", "eight mebibytes", PATH, mebibytes=8),
    Hungry("hungrier", "twenty-four mebibytes", PATH, mebibytes=24),
    Floor("floor", "five microseconds, forward only", PATH, 5),
    Absent("absent", "not installed", PATH),
    Broken("broken", "raises", PATH),
    Sleepy("sleepy", "sleeps", PATH),
    Blind("blind", "cannot say hello", PATH),
    Counting("counting", "one microsecond, and a hundred when waited for", PATH, 100),
    Counting("miscounting", "gives three", PATH, 100, result=3.0),
    Dying("dying", "dies", PATH),
    Witness("witness", "talks", {**PATH, "OPENBLAS_NUM_THREADS": "1"}),
)
