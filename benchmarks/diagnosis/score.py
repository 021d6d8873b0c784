"""The scores, counted from outcomes: plain dictionaries as `run.outcome` gives them.

One idea: right, wrong and undecided are three things; a diagnosis that abstains has not guessed. Read `run.py` next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["confusion", "remedies", "score"]


def score(outcomes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How often the verdict was right, how often it abstained; the confusion table, and what the remedies did."""
    right = sum(o["found"] == o["wanted"] for o in outcomes)
    undecided = sum(o["found"] == "undecided" for o in outcomes)
    return {
        "cases": len(outcomes),
        "right": right,
        "undecided": undecided,
        "wrong": len(outcomes) - right - undecided,
        "confusion": confusion(outcomes),
        "remedies": remedies(outcomes),
    }


def confusion(outcomes: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """How often each verdict was given, by the verdict that was wanted."""
    table: dict[str, dict[str, int]] = {}
    for o in outcomes:
        row = table.setdefault(o["wanted"], {})
        row[o["found"]] = row.get(o["found"], 0) + 1
    return table


def remedies(outcomes: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Of the broken runs whose remedy was asked for: how many had a better validation accuracy with the change and how
    many had not, and for how many there was no change to carry out."""
    counts = {"cases": 0, "better": 0, "better by a point": 0, "not better": 0, "none offered": 0}
    for o in outcomes:
        if "fix" in o:
            counts["cases"] += 1
            if o["fix"] is None:
                counts["none offered"] += 1
            else:
                rise = o["fix"]["val"]["score"] - o["val"]["score"]
                counts["better" if rise > 0 else "not better"] += 1
                counts["better by a point"] += rise >= 0.01
    return counts
