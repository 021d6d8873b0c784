"""The run: every part of every experiment and seed, in two processes, then judged; the result is one document.

One idea: a part is the unit of work, so two cores stay busy to the end and a part that fails takes nothing else with
it. Read `page.py` next.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from ..processes import shared_out
from .experiment import Experiment, Found, Numbers
from .judge import Judged, judge, verdicts
from .kept import Kept
from .lecture import CLAIMS
from .setting import rounded

__all__ = ["PROCESSES", "Work", "experiments", "found_in", "judged_in", "measure_claims", "work_of"]

SCHEMA = 1
PROCESSES = 2

Tell = Callable[[str, int, int], None]  # what ended, how many have ended, of how many


@dataclass(frozen=True)
class Work:
    """One part of one seed."""

    experiment: str
    part: str
    seed: int
    quick: bool


@cache
def experiments() -> dict[str, Experiment]:
    """All experiments by their keys, in the lecture's order."""
    # Imported when asked for: they pull in the whole recipe, which `--help` does not need.
    from . import all_experiments

    return {experiment.key: experiment for experiment in all_experiments.EXPERIMENTS}


def work_of(chosen: Sequence[str], seeds: Sequence[int], quick: bool) -> list[Work]:
    """What there is to do; a part without chance is done for the first seed only."""
    return [
        Work(key, part.name, seed, quick)
        for key in chosen
        for part in experiments()[key].parts(quick)
        for seed in (seeds if part.seeded else seeds[:1])
    ]


def do(work: Work) -> tuple[Numbers | str, float]:
    """The numbers of a part, or the text of its error, and the seconds that it took; runs in a process of its own."""
    parts = {part.name: part for part in experiments()[work.experiment].parts(work.quick)}
    began = time.perf_counter()
    found: Numbers | str
    try:
        found = rounded(parts[work.part].measure(work.seed))
    except Exception as error:
        found = "".join(traceback.format_exception(error)).strip()
    return found, time.perf_counter() - began


def measure_claims(
    chosen: Sequence[str],
    seeds: Sequence[int],
    quick: bool,
    kept: Kept,
    tell: Tell = lambda text, done, total: None,
) -> dict[str, Any]:
    """Measure the experiments, but for the parts that are kept already, and judge them; gives the document."""
    began, before = time.perf_counter(), kept.seconds
    work = work_of(chosen, seeds, quick)
    left = [item for item in work if asdict(item) not in [part["work"] for part in kept.parts]]
    failed: list[dict[str, Any]] = []
    ended = len(work) - len(left)
    for place, (found, spent) in shared_out(do, [(item,) for item in left], PROCESSES):
        item = left[place]
        if isinstance(found, str):
            failed.append({**asdict(item), "error": found})
        else:
            at = round(before + time.perf_counter() - began, 1)
            kept.add({"work": asdict(item), "found": found, "seconds": round(spent, 2), "at": at})
        ended += 1
        tell(f"{item.experiment} {item.part}, seed {item.seed}", ended, len(work))
    # The order of the parts is that of the experiment, whichever ended first.
    measured: dict[str, dict[str, dict[str, Any]]] = {key: {} for key in chosen}
    for item in work:
        measured[item.experiment].setdefault(item.part, {})
    seconds = dict.fromkeys(chosen, 0.0)
    for part in kept.parts:
        item = Work(**part["work"])
        if item in work:
            measured[item.experiment][item.part][str(item.seed)] = part["found"]
            seconds[item.experiment] += part["seconds"]
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "benchmark": "claims",
        "device": "cpu",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "seeds": list(seeds),
        "seconds": round(before + time.perf_counter() - began, 1),
        "machine": kept.about["machine"],
        "experiments": {
            key: {"title": experiments()[key].title, "seconds": round(seconds[key], 1), "parts": measured[key]}
            for key in chosen
        },
        "failed": failed,
    }
    judged = judged_in(document)
    for key, of_one in judged.items():
        document["experiments"][key]["judged"] = of_one.to_json()
    document["claims"] = {claim: asdict(verdict) for claim, verdict in verdicts(judged, list(CLAIMS)).items()}
    return document


def found_in(document: Mapping[str, Any], key: str) -> Found:
    """What a document says that an experiment found; null becomes NaN."""
    parts = document["experiments"][key]["parts"]
    seeds: list[int] = document["seeds"]
    unseeded = {part.name for part in experiments()[key].parts(document["quick"]) if not part.seeded}

    def of(part: str, seed: int) -> Numbers | None:
        by_seed = parts[part]
        return by_seed.get(str(seeds[0] if part in unseeded else seed))

    return Found(
        {seed: {part: _numbers(of(part, seed)) for part in parts if of(part, seed) is not None} for seed in seeds}
    )


def _numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return float("nan") if value is None else value


def judged_in(document: Mapping[str, Any]) -> dict[str, Judged]:
    """The verdicts on what a document says was found, by experiment."""
    return {key: judge(experiments()[key], found_in(document, key)) for key in document["experiments"]}
