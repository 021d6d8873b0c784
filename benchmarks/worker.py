"""A contender's own process: it waits for a request on its input, does it, and answers on its output.

One idea: between two requests it sleeps in a read, so a contender that is not at its turn takes nothing from the one
that is. Requests and answers are lines of JSON, `{"do": "turn", "job": "tiny", ...}`. What the framework itself
prints goes to the standard error. The parent's side is `measure.py`: read it next.

The file runs as a script, `python -P worker.py MODULE NAME`, see Note [A package without its init].
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from benchmarks.contender import Contender, Step

# Note [A package without its init]
# benchmarks/__init__.py checks that `autograd` is tapegrad's, and to do so imports it; that raises the allocator's
# thresholds for the whole process (autograd/allocator.py), and it fails where the other project named autograd is the
# contender. Neither may happen to a peer. So a worker opens the package as a bare folder, and only tapegrad's own
# contenders import tapegrad.


def open_package() -> None:
    """Make the files of `benchmarks` importable, without running its __init__."""
    package = ModuleType("benchmarks")
    package.__path__ = [str(Path(__file__).resolve().parent)]
    sys.modules["benchmarks"] = package


def find_contender(module: str, name: str) -> Contender:
    """The contender called `name` among a module's `contenders`."""
    found: dict[str, Contender] = {c.name: c for c in import_module(module).contenders}
    return found[name]


class Worker:
    """The requests that a contender's process understands, a method each; all answers are plain JSON values."""

    def __init__(self, contender: Contender) -> None:
        self.contender = contender
        self.steps: dict[str, Step] = {}
        self.busy_until = time.process_time()  # CPU time of this process when its last request was done

    def hello(self) -> dict[str, str]:
        """What is running here."""
        return self.contender.versions()

    def prepare(self, job: str, steps: int) -> dict[str, Any]:
        """Build a job and give the values of its first `steps` steps, which also warm it up.

        `build_seconds` is the time of the first step where it traces and compiles, else None.
        """
        self.steps[job] = step = self.contender.prepare(job)
        start = time.perf_counter()
        values = self.contender.values(step())
        first = time.perf_counter() - start
        while len(values) < steps:
            values += self.contender.values(step())
        return {"values": values[:steps], "build_seconds": first if self.contender.builds() else None}

    def turn(self, job: str, steps: int, warm_up: int, calls: int, waiting: bool = True) -> dict[str, Any]:
        """Time `steps` samples of `calls` steps each, after `warm_up` samples that are not counted.

        Where a contender does several steps in a call, samples have as many more as fill the last call.

        Without `waiting` a sample ends when its steps are asked for, though a GPU may still be busy with them.

        Gives nanoseconds per step of each sample, the pages that the system had to hand out per step, and the CPU time
        that this process used while it was none of its turn (a pool of threads that spins shows here).
        """
        idle = time.process_time() - self.busy_until
        step, wait, clock = self.steps[job], self.contender.wait, type(self.contender).clock
        calls = -(-calls // self.contender.together)
        gc.collect()
        _samples(step, wait, clock, warm_up, calls, waiting)
        faults = _page_faults()
        times = _samples(step, wait, clock, steps, calls, waiting)
        faults = _page_faults() - faults
        return {
            "nanoseconds": [t / (calls * self.contender.together) for t in times],
            "page_faults": faults / (steps * calls * self.contender.together),
            "idle_seconds": idle,
        }

    def peak(self, job: str, steps: int) -> int:
        """Bytes that `steps` steps hold at most, above what there was before the first one.

        The job is built and run once before, and forgotten: what a framework loads or makes ready at its first use is
        not the step's. What the first step builds and keeps is, but not the memory that building takes.
        """
        from benchmarks.resident import highest, reset_highest, resident

        for _ in range(2):
            step = self.contender.prepare(job)
            before = resident()
            self.contender.value(step())
            self.contender.value(step())
        resident()
        reset_highest()
        for _ in range(steps):
            self.contender.wait(step())
        return highest() - before

    def device_peak(self, job: str) -> int | None:
        """Bytes on a GPU that a step of a prepared job holds at its peak."""
        return self.contender.device_peak(self.steps[job])

    def profile(self, job: str, steps: int, sort: str, lines: int) -> str:
        """cProfile's table of `steps` steps."""
        import cProfile
        import io
        import pstats

        step = self.steps[job]
        profiler = cProfile.Profile()
        profiler.enable()
        for _ in range(steps):
            step()
        profiler.disable()
        text = io.StringIO()
        pstats.Stats(profiler, stream=text).strip_dirs().sort_stats(sort).print_stats(lines)
        return text.getvalue()

    def drop(self, job: str) -> None:
        """Forget a job and its memory."""
        del self.steps[job]
        gc.collect()

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """One request's answer, or the traceback of what went wrong."""
        try:
            method = getattr(self, request.pop("do"))
            return {"answer": method(**request)}
        except Exception:
            return {"error": traceback.format_exc()}
        finally:
            self.busy_until = time.process_time()


def _samples(
    step: Step, wait: Callable[[Any], None], clock: Callable[[], int], samples: int, calls: int, waiting: bool
) -> list[int]:
    times = []
    repeat = range(calls)
    for _ in range(samples):
        start = clock()
        for _ in repeat:
            result = step()
        asked = clock()
        wait(result)
        times.append((clock() if waiting else asked) - start)
    return times


def _page_faults() -> int:
    """Pages handed out to this process so far (0 on systems that do not tell)."""
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def serve(worker: Worker, requests: TextIO, answers: TextIO) -> None:
    """Answer request after request until the input ends."""
    for line in requests:
        print(json.dumps(worker.answer(json.loads(line))), file=answers, flush=True)


def main(module: str, name: str) -> None:
    """Serve the contender `name` of `module` on the standard input and output."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    open_package()
    serve(Worker(find_contender(module, name)), sys.stdin, answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
