"""The banks carried out: every set-up with every seed, its remedy too, in a few processes.

One idea: what comes out of one set-up with one seed is a plain dictionary, made by one call that needs nothing else, so
processes can share the work. Read `score.py` for the counting, `shown.py` for the tables.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from .. import machine
from ..processes import shared_out
from ..run import ROOT
from .broken import BROKEN
from .confirming import CONFIRMING
from .final import FINAL
from .fresh import FRESH
from .healthy import HEALTHY
from .score import score
from .setups import Outcome, SetUp, carry_out
from .variants import VARIANTS

__all__ = ["BANKS", "PROCESSES", "REMEDIED", "Unit", "measure_diagnosis", "outcome", "units"]

BANKS: Mapping[str, Mapping[str, SetUp]] = {
    "broken": BROKEN,
    "variants": VARIANTS,
    "confirming": CONFIRMING,
    "fresh": FRESH,
    "final": FINAL,
    "healthy": HEALTHY,
}
REMEDIED = ("broken", "variants")  # the banks whose runs are made once more with the change that is proposed
SCHEMA = 1
PROCESSES = 2

Unit = tuple[str, str, int]  # bank, set-up, seed: what one process does at a time
Tell = Callable[[dict[str, Any], int], None]


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

    "fix" is None where no change is proposed; the change is that for the verdict found, be it right or wrong. It is
    left out for healthy runs, and without `with_remedy`.
    """
    set_up, began = BANKS[bank][name], time.perf_counter()
    before = carry_out(set_up, seed)
    tried: dict[str, Any] = {}
    if with_remedy and set_up.verdict != "fine":
        change = before.diagnosis.settings
        after = carry_out(set_up, seed, change) if change else None
        tried = {"fix": None if after is None else {"change": before.diagnosis.change, **_plain(after)}}
    return {
        "bank": bank,
        "set_up": name,
        "seed": seed,
        "wanted": set_up.verdict,
        **_plain(before),
        **tried,
        "seconds": round(time.perf_counter() - began, 2),
    }


def _plain(run: Outcome) -> dict[str, Any]:
    found = run.diagnosis
    measured = {
        name: {what: None if value is None else round(value, 4) for what, value in part.items()}
        for name, part in (("train", run.train), ("val", run.val), ("test", run.test))
    }
    return {"found": found.verdict, "candidates": found.candidates, "because": found.because, **measured}


def measure_diagnosis(work: Sequence[Unit], with_remedy: bool, tell: Tell = lambda found, done: None) -> dict[str, Any]:
    """Do the work in two processes, `tell` of each outcome and how many there are, and give the document."""
    described, began = machine.describe(ROOT), time.perf_counter()
    found: dict[int, dict[str, Any]] = {}
    calls = [(*unit, with_remedy and unit[0] in REMEDIED) for unit in work]
    for place, result in shared_out(outcome, calls, PROCESSES):
        found[place] = result
        tell(result, len(found))
    outcomes = [found[place] for place in range(len(work))]
    return {
        "schema": SCHEMA,
        "benchmark": "diagnosis",
        "device": "cpu",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": described,
        "processes": PROCESSES,
        "seconds": round(time.perf_counter() - began, 1),
        "scores": {
            bank: score([o for o in outcomes if o["bank"] == bank]) for bank in {o["bank"]: None for o in outcomes}
        },
        "outcomes": outcomes,
    }
