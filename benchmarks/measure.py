"""The parent's side: start a process for each contender, let them take turns, check that they agree.

One idea: in every round each contender is asked, one at a time and in a new random order, for a short turn of steps, so
whatever the machine does in the course of a run it does to all of them. Only ratios within one run are worth printing.
Read `summary.py` next.
"""

# Note [Threads that wait]
# A pool of threads spins for a while after its work before it sleeps: OpenBLAS about 25 ms, OpenMP a few.
# OMP_WAIT_POLICY and KMP_BLOCKTIME would stop that, but spinning is what makes a step of many small parallel regions
# fast, so setting them would slow a contender down in its own turn. Instead the parent rests a little after each turn,
# until the pools sleep, and each worker reports the CPU time it took between its turns, which the results keep as
# `idle_seconds`.

from __future__ import annotations

import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .contender import Contender

__all__ = [
    "DAMAGE",
    "BenchmarkError",
    "Measured",
    "Plan",
    "TookTooLong",
    "WorkerProcess",
    "check_agreement",
    "clean_environment",
    "measure",
    "outside",
    "workers",
]

VALUES = 20  # steps of each job whose values are compared
_SCRIPT = Path(__file__).with_name("worker.py")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# What would change a contender behind the run's back when it is set in the user's shell.
_STRAY = (
    *("GLIBC_TUNABLES", "MALLOC_", "TAPEGRAD_", "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "XLA_", "LD_PRELOAD"),
    *("NVIDIA_TF32_OVERRIDE", "CUPY_TF32", "CUPY_ACCELERATORS", "TORCH_ALLOW_TF32", "JAX_DEFAULT_MATMUL_PRECISION"),
)
# Where frameworks keep what they have compiled, for the next time.
_CACHES = ("XDG_CACHE_HOME", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "CUPY_CACHE_DIR", "CUDA_CACHE_PATH")


# What a file of another form, or a damaged one, makes fail where it is read.
DAMAGE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class BenchmarkError(Exception):
    """A run that cannot count: contenders disagree, or one of them failed."""


class TookTooLong(BenchmarkError):
    """A request was not answered in time, and its process was ended."""


@dataclass(frozen=True)
class Plan:
    """How a benchmark measures."""

    rounds: int
    threads: int
    turn_seconds: float  # about how long one turn lasts
    rest_seconds: float  # pause after a turn, see Note [Threads that wait]
    calls: int = 1  # steps a sample: more than one where a step is too short for the clock
    seed: int = 0  # of the order of the turns


@dataclass
class Measured:
    """What one contender did on one job."""

    values: list[float]  # of its first steps
    build_seconds: float | None = None  # of the first step, where it traces and compiles
    rounds: list[list[float]] = field(default_factory=list)  # nanoseconds a step: one list a round, one number a sample
    page_faults: list[float] = field(default_factory=list)  # a step, by round
    idle_seconds: list[float] = field(default_factory=list)  # CPU time used between turns


def clean_environment(contender: Contender, threads: int, caches: str | None = None) -> dict[str, str]:
    """The environment of a contender's process: the shell's without stray settings, the thread counts, its own.

    `caches` is a folder for what frameworks compile, instead of the user's.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_STRAY)}
    moved = dict.fromkeys(_CACHES, caches) if caches else {}
    return {**kept, **moved, **dict.fromkeys(_THREADS, str(threads)), **contender.environment}


class WorkerProcess:
    """A contender's process, seen from the parent."""

    def __init__(self, contender: Contender, threads: int, caches: str | None = None) -> None:
        self.contender = contender
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (lives as long as the process; close() ends both)
        command = [sys.executable, "-P", str(_SCRIPT), type(contender).__module__, contender.name]
        self._process = subprocess.Popen(
            command,
            env=clean_environment(contender, threads, caches),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def ask(self, do: str, *, timeout: float | None = None, **request: Any) -> Any:
        """The answer to a request. Raises BenchmarkError, with what the process wrote, when there is none.

        Ends the process and raises TookTooLong where there is none after `timeout` seconds.
        """
        if timeout is None:
            return self._ask(do, request)
        late = threading.Event()

        def stop() -> None:
            late.set()
            self._process.kill()

        timer = threading.Timer(timeout, stop)
        timer.start()
        try:
            return self._ask(do, request)
        except BenchmarkError as error:
            if late.is_set():
                raise TookTooLong(f"{self.contender.name} took more than {timeout:g} s to {do}") from error
            raise
        finally:
            timer.cancel()

    def _ask(self, do: str, request: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line.endswith("\n"):  # it may have died in the middle of one
            status = self._process.wait()
            self._errors.seek(0)
            raise BenchmarkError(f"{self.contender.name} died (exit status {status}): {_end_of(self._errors.read())}")
        answer = json.loads(line)
        if "error" in answer:
            raise BenchmarkError(f"{self.contender.name} failed to {do}: {_end_of(answer['error'])}")
        return answer["answer"]

    def close(self) -> None:
        """End the process; when it does not end by itself, by force."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()


def _end_of(text: str) -> str:
    lines = text.strip().splitlines()
    return "\n".join(lines[-12:]) if lines else "it wrote nothing"


@contextmanager
def workers(
    contenders: Sequence[Contender], threads: int, caches: str | None = None
) -> Iterator[dict[str, WorkerProcess]]:
    """A process for each contender, by name; all are ended at the end, whatever happens.

    `caches`: see `clean_environment`.
    """
    started: dict[str, WorkerProcess] = {}
    try:
        for contender in contenders:
            started[contender.name] = WorkerProcess(contender, threads, caches)
        yield started
    finally:
        for worker in started.values():
            worker.close()


def check_agreement(job: str, values: Mapping[str, Sequence[float]], rtol: Mapping[int, float]) -> None:
    """Raise BenchmarkError unless all contenders have the same value at each step of `rtol` (steps count from 1).

    `rtol` allows a relative difference from the median of all contenders, by step.
    """
    for step, allowed in rtol.items():
        here = {name: v[step - 1] for name, v in values.items()}
        middle = statistics.median(here.values())
        wrong = outside(here, allowed)
        if wrong:
            listed = ", ".join(f"{name} {v:.9g}" for name, v in here.items())
            raise BenchmarkError(
                f"{job}: the results of step {step} disagree, so the times mean nothing: {listed} "
                f"(allowed: {allowed:g} from the median {middle:.9g}; outside: {', '.join(wrong)})."
            )


def outside(values: Mapping[str, float], allowed: float) -> list[str]:
    """Whose values are farther from the median of all than the share `allowed` of it; NaN is."""
    middle = statistics.median(values.values())
    return [name for name, v in values.items() if not abs(v - middle) <= allowed * abs(middle)]


def measure(
    workers: Mapping[str, WorkerProcess],
    job: str,
    plan: Plan,
    rtol: Mapping[int, float],
    progress: Callable[[str], None] = lambda text: None,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Measured]:
    """Times of one job by every worker, in interleaved turns, after a check that they compute the same.

    Raises BenchmarkError when they do not agree within `rtol` (see `check_agreement`), or when one fails.
    """
    measured = {}
    for name, worker in workers.items():
        progress(f"{job}: preparing {name}")
        measured[name] = Measured(**worker.ask("prepare", job=job, steps=VALUES))
    check_agreement(job, {name: m.values for name, m in measured.items()}, rtol)
    samples = {name: _samples_per_turn(worker, job, plan) for name, worker in workers.items()}
    order = list(workers)
    shuffle = random.Random(plan.seed).shuffle
    sleep(plan.rest_seconds)
    for number in range(1, plan.rounds + 1):
        progress(f"{job}: round {number} of {plan.rounds}")
        shuffle(order)
        for name in order:
            steps = samples[name]
            turn = workers[name].ask("turn", job=job, steps=steps, warm_up=max(1, steps // 5), calls=plan.calls)
            measured[name].rounds.append(turn["nanoseconds"])
            measured[name].page_faults.append(turn["page_faults"])
            measured[name].idle_seconds.append(turn["idle_seconds"])
            sleep(plan.rest_seconds)
    for worker in workers.values():
        worker.ask("drop", job=job)
    return measured


def _samples_per_turn(worker: WorkerProcess, job: str, plan: Plan) -> int:
    """How many samples fill a turn; a number for the whole run, so that every round weighs the same."""
    trial = worker.ask("turn", job=job, steps=3, warm_up=1, calls=plan.calls)
    sample = min(trial["nanoseconds"]) * plan.calls * 1e-9  # the least: one hiccup must not make every turn short
    return min(max(3, math.ceil(plan.turn_seconds / sample)), 1000)
