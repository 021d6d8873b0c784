"""The banks carried out: every set-up with every seed, its remedy too, in a few processes.

One idea: what comes out of one set-up with one seed is a plain dictionary, made by one call that needs nothing else, so
processes can share the work. Read `score.py` for the counting, `shown.py` for the tables.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .. import machine
from .broken import BROKEN
from .confirming import CONFIRMING
from .fresh import FRESH
from .healthy import HEALTHY
from .score import score
from .setups import Outcome, SetUp, carry_out
from .variants import VARIANTS

__all__ = ["BANKS", "Unit", "measure_diagnosis", "names", "outcome", "units"]

BANKS: Mapping[str, Mapping[str, SetUp]] = {
    "broken": BROKEN,
    "variants": VARIANTS,
    "confirming": CONFIRMING,
    "fresh": FRESH,
    "healthy": HEALTHY,
}
ROOT = Path(__file__).resolve().parents[2]
SCHEMA = 1

Unit = tuple[str, str, int]  # bank, set-up, seed: what one process does at a time


def units(seeds: Iterable[int], names: Sequence[str] = ()) -> list[Unit]:
    """All that is to be done, or what concerns the set-ups (or whole banks) that are named."""
    return [
        (bank, name, seed)
        for seed in seeds
        for bank, set_ups in BANKS.items()
        for name in set_ups
        if not names or bank in names or name in names
    ]


def outcome(bank: str, name: str, seed: int, with_remedy: bool = True) -> dict[str, Any]:
    """Carry out one set-up with one seed, and once more with the change that the diagnosis proposes.

    "fix" is None where the run is a healthy one or no change is proposed; the change is that for the verdict found,
    be it right or wrong.
    """
    set_up, began = BANKS[bank][name], time.perf_counter()
    before = carry_out(set_up, seed)
    change = before.diagnosis.settings if set_up.verdict != "fine" and with_remedy else {}
    after = carry_out(set_up, seed, change) if change else None
    return {
        "bank": bank,
        "set_up": name,
        "seed": seed,
        "wanted": set_up.verdict,
        **_plain(before),
        "fix": None if after is None else {"change": before.diagnosis.change, **_plain(after)},
        "seconds": round(time.perf_counter() - began, 2),
    }


def _plain(run: Outcome) -> dict[str, Any]:
    found = run.diagnosis
    measured = {
        name: {what: None if value is None else round(value, 4) for what, value in part.items()}
        for name, part in (("train", run.train), ("val", run.val), ("test", run.test))
    }
    return {"found": found.verdict, "candidates": found.candidates, "because": found.because, **measured}


def measure_diagnosis(
    work: Sequence[Unit], processes: int, with_remedy: bool, tell: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Do the work in so many processes of one thread each, `tell` of each outcome, and give the document."""
    described, began = machine.describe(ROOT), time.perf_counter()
    found = []
    with _one_thread_each():
        pool = ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn"))
        try:
            for done in as_completed([pool.submit(outcome, *unit, with_remedy) for unit in work]):
                found.append(done.result())
                tell(found[-1])
        finally:
            pool.shutdown(cancel_futures=True)
    place = {unit: number for number, unit in enumerate(work)}
    found.sort(key=lambda o: place[o["bank"], o["set_up"], o["seed"]])
    return {
        "schema": SCHEMA,
        "benchmark": "diagnosis",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": described,
        "processes": processes,
        "seconds": round(time.perf_counter() - began, 1),
        "scores": {bank: score([o for o in found if o["bank"] == bank]) for bank in {o["bank"]: None for o in found}},
        "outcomes": found,
    }


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes started meanwhile keep to one thread: two on two cores wait for each other otherwise."""
    wanted = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    were = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in were.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
