"""Tables for the terminal, and the files of a result.

One idea: a table is rows of texts, aligned; it reads the same in a terminal, a log and a page. Read `plot.py` next.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from recipe.files import write_bytes

__all__ = ["RESULTS", "duration", "heading", "left_out_lines", "ratio_table", "ratio_text", "save", "table"]

RESULTS = Path(__file__).with_name("results")


def table(header: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> str:
    """Rows under a header: the first `texts` columns stand left, as texts do, and the others right, as numbers do."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        sides = ["<" if i < texts else ">" for i in range(len(cells))]
        return "  ".join(f"{c:{s}{w}}" for c, s, w in zip(cells, sides, widths, strict=True)).rstrip()

    return "\n".join([line(header), line(["-" * w for w in widths]), *map(line, rows)])


def duration(microseconds: float) -> str:
    """Three digits and a unit."""
    for size, unit in ((1e6, "s"), (1e3, "ms"), (1, "us")):
        if microseconds >= size:
            return f"{_three_digits(microseconds / size)} {unit}"
    return f"{_three_digits(microseconds * 1000)} ns"


def _three_digits(number: float) -> str:
    return f"{number:.0f}" if number >= 999.5 else f"{number:.3g}"


def ratio_text(ratio: dict[str, float]) -> str:
    """A ratio with its interval."""
    return f"{ratio['ratio']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]"


def ratio_table(
    title: str, records: Mapping[str, Any], contenders: Iterable[str], shown: Callable[[float], str]
) -> str:
    """A table of jobs: the median of each contender, microseconds as `shown` writes them, then ours over the others."""
    names = [name for name in contenders if any(name in record["results"] for record in records.values())]
    ratios = {job: record["ratios"] for job, record in records.items()}
    ours = [name for name in names if any(name in by for by in ratios.values())]
    pairs = [(a, b) for a in ours for b in names if b not in ours]
    rows = [
        [
            job,
            *(shown(record["results"][name]["median_us"]) if name in record["results"] else "" for name in names),
            *(ratio_text(ratios[job][a][b]) if b in ratios[job].get(a, {}) else "" for a, b in pairs),
        ]
        for job, record in records.items()
    ]
    return table([title, *names, *(f"{a} / {b}" for a, b in pairs)], rows)


def heading(document: dict[str, Any]) -> str:
    """The machine and the settings of a run, in a few lines."""
    about, plan = document["machine"], document["plan"]
    software = [about["python"].split(",")[0], f"NumPy {about['numpy']}"]
    torch = {c["versions"]["torch"] for c in document["contenders"].values() if "torch" in c["versions"]}
    software += [f"PyTorch {version}" for version in sorted(torch)]
    lines = [
        f"{about['processor']['model']}, {about['cores_usable']} cores, {', '.join(software)}",
        f"{plan['threads']} threads each, {plan['rounds']} {_what_rounds_are(plan)}",
    ]
    if document["quick"]:
        lines.append("a quick trial: the times are not worth keeping")
    timed = bool(plan["turn_seconds"])  # bytes do not mind who else is there
    load = about["load_average_before"]
    if timed and load is not None and load > 0.5:
        lines.append(f"the machine was busy before the run (load average {load:g}): expect noise")
    others = about["others_cores_during"]
    if timed and others is not None and others > 0.05:
        lines.append(
            f"others kept {others:.2g} cores busy during the run: threads waited for cores, do not trust the ratios"
        )
    return "\n".join(lines)


def _what_rounds_are(plan: dict[str, Any]) -> str:
    seconds = plan["turn_seconds"]
    return f"rounds of turns of about {seconds:g} s" if seconds else "fresh processes each"


def left_out_lines(left_out: dict[str, str]) -> list[str]:
    """One line for each reason, naming those whom it concerns."""
    return [
        f"left out: {', '.join(name for name, why in left_out.items() if why == reason)}: {reason}"
        for reason in dict.fromkeys(left_out.values())
    ]


def save(document: dict[str, Any], folder: Path, name: str | None = None) -> Path:
    """Write the document as <benchmark>-<name>.json into `folder`; replaces an older one in one step.

    The name is the device's where none is given.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{document['benchmark']}-{name or document['device']}.json"
    write_bytes(path, (json.dumps(document, indent=1) + "\n").encode())
    return path
