"""A diagnosis in words, for a terminal: what was found, why, what was ruled out, what to do.

One idea: the text is made from the JSON, so whoever has a run.json can print it. Read `verdict.py` for its making.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["as_text", "shown"]

_WIDTH = 100
_STAGES = {
    "set-up": "the set-up",
    "training": "the result on training data",
    "validation": "the result on validation data",
}


def shown(value: float | None, unit: str = "") -> str:
    """A measurement for reading: three digits, shares in per cent; what is less than all is not shown as 100 %."""
    if value is None:
        return "not measured"
    if unit in ("share", "points"):
        text = ">99.9" if value < 1 and f"{100 * value:.3g}" == "100" else f"{100 * value:.3g}"
        return f"{text} {'%' if unit == 'share' else 'points'}"
    if value and (abs(value) < 1e-3 or abs(value) >= 1e5):
        return f"{value:.1e}"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def as_text(diagnosis: Mapping[str, Any]) -> str:
    """The diagnosis, as `Diagnosis.to_json` gives it, as lines of text."""
    d = diagnosis
    parts = ["Verdict: " + d["title"], _wrapped(d["meaning"])]
    parts += [_wrapped(d["applies"])] if d["applies"] else []
    if d["because"]:
        parts.append("Why it cannot be decided\n" + _bullets(d["because"]))
    if d["evidence"]:
        parts.append("What was seen, looking at " + _STAGES[d["stage"]] + "\n" + _table(d["evidence"]))
    if d["ruled_out"]:
        parts.append("Ruled out before that\n" + "\n".join(map(_ruled_out, d["ruled_out"])))
    if d["notes"]:
        parts.append("To note\n" + _bullets(d["notes"]))
    parts.append("What to do\n" + _wrapped(d["remedy"], "  "))
    if d["change"]:
        parts.append("Try\n  " + d["change"])
    return "\n\n".join(parts)


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    width = max(len(row["what"]) for row in rows)
    lines = []
    for row in rows:
        line = f"  {'*' if row['fired'] else ' '} {row['what']:<{width}}"
        if row["sign"]:
            side = "above" if row["sign"] == ">" else "below"
            problem = "a problem" if row["fired"] else "would be a problem"
            line += f"  {shown(row['value'], row['unit']):>12}   {problem} {side} "
            line += shown(row["threshold"], row["unit"])
        lines.append(line.rstrip())
    return "\n".join(lines)


def _ruled_out(row: Mapping[str, Any]) -> str:
    return f"{_bullets([row['title']])}\n{_wrapped(row['why'], '      ')}"


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(textwrap.fill(line, _WIDTH, initial_indent="  - ", subsequent_indent="    ") for line in lines)


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(text, _WIDTH, initial_indent=indent, subsequent_indent=indent)
