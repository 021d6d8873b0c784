"""A score of the diagnosis as tables: who was taken for whom, what was missed, what the remedies did.

One idea: the tables are made from the saved document alone. Read `run.py` for the making of the document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recipe.diagnose.remedies import REMEDIES

from ..output import table

__all__ = ["ABOUT", "case", "heading", "tables"]

ABOUT = {
    "broken": "first bank: the thresholds were chosen with it",
    "variants": "second bank: other ways to the same illnesses; the rules were mended after its first score",
    "confirming": "third bank: what the mended rules must and must not name; its first score led to more mending",
    "fresh": "fourth bank: a run for each verdict again; its first score led to more mending",
    "final": "last bank: a run for each verdict, written when the mending was over",
    "healthy": "healthy runs: any verdict but fine or undecided is a false alarm",
}


def heading(document: Mapping[str, Any]) -> str:
    """When, on what and how long."""
    about, remedies = document["machine"], sum(bool(o.get("fix")) for o in document["outcomes"])
    return (
        f"{about['processor']['model']}, {about['python'].split(',')[0]}, NumPy {about['numpy']}, {about['commit']}\n"
        f"{len(document['outcomes'])} runs, {remedies} of them once more with the proposed change, in "
        f"{document['processes']} processes of one thread: {document['seconds'] / 60:.1f} minutes"
    )


def case(outcome: Mapping[str, Any]) -> str:
    """One outcome in a line."""
    right = (
        "right" if outcome["found"] == outcome["wanted"] else "open " if outcome["found"] == "undecided" else "WRONG"
    )
    line = f"{right} {outcome['bank']:<10} {outcome['set_up']:<22} seed {outcome['seed']}  {outcome['found']}"
    if outcome["found"] != outcome["wanted"]:
        line += f" for {outcome['wanted']}"
    if outcome.get("fix"):
        line += f"; validation {_percent(outcome['val'])} -> {_percent(outcome['fix']['val'])}"
    return line


def tables(document: Mapping[str, Any]) -> str:
    """Everything, bank by bank."""
    parts = []
    for bank, score in document["scores"].items():
        outcomes = [o for o in document["outcomes"] if o["bank"] == bank]
        parts += [f"{bank}: {ABOUT[bank]}\n{_summary(score)}", _confusion(score["confusion"])]
        missed = [case(o) + _why(o) for o in outcomes if o["found"] != o["wanted"]]
        parts += ["\n".join(missed)] if missed else []
        if score["remedies"]["cases"]:
            parts += [_remedies_line(score["remedies"]), _remedies(outcomes)]
    return "\n\n".join(parts)


def _summary(score: Mapping[str, Any]) -> str:
    right = f"{score['right']} of {score['cases']} right ({100 * score['right'] / score['cases']:.0f} %)"
    return f"{right}, {score['undecided']} undecided, {score['wrong']} wrong"


def _confusion(confusion: Mapping[str, Mapping[str, int]]) -> str:
    """A row for each verdict that was wanted, a column for each that was given, numbered as the rows of REMEDIES."""
    given = {code for row in confusion.values() for code in row}
    codes = [code for code in (*REMEDIES, "undecided") if code in confusion or code in given]
    numbers = [str(codes.index(code) + 1) for code in codes]
    rows = [
        [f"{number:>2} {code}", *(str(confusion.get(code, {}).get(other, "")) or "." for other in codes)]
        for number, code in zip(numbers, codes, strict=True)
        if code in confusion or code != "undecided"
    ]
    return table(["wanted, and below each number how often it was given", *numbers], rows)


def _why(outcome: Mapping[str, Any]) -> str:
    return "".join(f"\n      {reason}" for reason in outcome["because"])


def _remedies_line(counts: Mapping[str, int]) -> str:
    share = 100 * counts["better"] / counts["cases"]
    return (
        f"remedies: with the proposed change {counts['better']} of {counts['cases']} broken runs ({share:.0f} %) had a "
        f"better validation accuracy, {counts['better by a point']} by a point or more;\n"
        f"{counts['not better']} had not, and for {counts['none offered']} no change could be carried out"
    )


def _remedies(outcomes: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for name in dict.fromkeys(o["set_up"] for o in outcomes if "fix" in o):
        cases = [o for o in outcomes if o["set_up"] == name]
        for change in dict.fromkeys(o["fix"]["change"] if o["fix"] else "" for o in cases):
            same = [o for o in cases if (o["fix"]["change"] if o["fix"] else "") == change]
            rises = [f"{_percent(o['val'])} -> {_percent(o['fix']['val'])}" for o in same if o["fix"]]
            rows.append([name, change or "none", ", ".join(rises)])
    return table(["set-up", "change", "validation accuracy in %, with each seed"], rows, texts=3)


def _percent(part: Mapping[str, Any]) -> str:
    return f"{100 * part['score']:.1f}" if part["score"] is not None else "?"
