"""What a run of a paper's settings came to, beside what the paper says.

One idea: a figure may be compared with another only where both mean the same, so the first question is what was not
done as in the paper; only without such a thing is a run inside or outside the band. Read `../run.py` for its use.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..config import Config, configure
from ..history import flat
from ..metrics import in_percent
from .files import Paper, paper

__all__ = ["outcome"]

# What a run may set for itself: the random numbers, the machine, and what is written down.
_FREE = {
    *("seed", "device", "threads", "name", "fit.compile", "fit.log_every", "fit.checkpoint_seconds"),
    *("fit.checkpoint_steps", "fit.evaluate_rows", "fit.start_from", "stop.time_limit"),
}


def outcome(config: Config, run: Mapping[str, Any]) -> dict[str, Any] | None:
    """How a concluded run (its run.json) stands to the paper of its configuration; None where it has none.

    "outcome" is "inside" or "outside" of the band "accept", or "not comparable", with the reasons in "why"; all errors
    are in per cent. "whole" says whether the run is the paper's from beginning to end, and "then" which paper goes on
    from it. "text" is all this in a line.
    """
    if config.paper is None:
        return None
    about, error = paper(config.paper), float(run["test"]["error_percent"])
    why = [*_cut(config, run), *_changed(config), *_begun(config, about)]
    whole = not why
    if about.error is None:
        why.append(f"the source gives no test error for it; it does for {about.then}")
    held = "not comparable" if why else "inside" if _is_in(error, about) else "outside"
    return {
        "name": about.name,
        "title": about.title,
        "source": about.source,
        "error": about.error,
        "accept": about.accept,
        "accept_mean": about.accept_mean,
        "test_error": error,
        "outcome": held,
        "why": why,
        "whole": whole,
        "then": about.then if whole else None,
        "text": _text(about, error, held, why),
    }


def _is_in(error: float, about: Paper) -> bool:
    assert about.accept is not None
    low, high = about.accept
    return low <= round(error, 6) <= high  # an error is a count of rows, whose last bits would decide at an end


def _text(about: Paper, error: float, held: str, why: list[str]) -> str:
    line = f"paper {about.name}: test error {in_percent(error)}"
    if about.error is not None:
        line += f", the paper's is {about.error:g} %, accepted is {about.band}"
    return f"{line}: {held}" + (f" ({'; '.join(why)})" if why else "")


def _cut(config: Config, run: Mapping[str, Any]) -> Iterator[str]:
    """Whether the run ended before its end."""
    step, planned = run["epochs"][-1]["step"] if run["epochs"] else 0, run["plan"]["updates"]
    if run["status"] == "failed":
        yield f"it failed after {step:,} updates"
    elif run["status"] == "interrupted":
        ends_by_itself = config.stop.criterion is not None or config.stop.target is not None
        rest = ", before it stopped by itself" if ends_by_itself else f" of {planned:,}"
        yield f"cut after {step:,} update{'s' * (step != 1)}{rest}"


def _changed(config: Config) -> Iterator[str]:
    """Which options are others than the paper's."""
    wanted = dict(flat(configure({"paper": config.paper, "fit": {"start_from": config.fit.start_from}}).to_dict()))
    free = _FREE | ({"stop.target"} if wanted["stop.target"] == "start" else set())
    changed = [key for key, value in flat(config.to_dict()) if key not in free and value != wanted[key]]
    if changed:
        yield f"other settings than the paper's: {', '.join(changed)}"


def _begun(config: Config, about: Paper) -> Iterator[str]:
    """Whether the run began as the paper's did."""
    if about.begins_with is None:
        if config.fit.start_from is not None:
            yield "it did not begin with new weights"
        return
    assert config.fit.start_from is not None
    try:
        first = json.loads((Path(config.fit.start_from) / "run.json").read_text()).get("paper") or {}
    except (OSError, ValueError):
        first = {}
    if first.get("name") != about.begins_with or not first.get("whole"):
        yield f"it did not begin with a whole run of {about.begins_with}"
