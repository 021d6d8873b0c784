"""Shown: what the document of a GPU's run says, as text and as a picture.

One idea: everything here reads the document alone, so a run that was saved is shown again as it was.
Read `../__main__.py` next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..output import duration, ratio_text, table
from ..plot import Panel

__all__ = ["COMPILED", "LAUNCHES", "heading", "last_line", "panels", "problems", "tables", "was_measured"]

COMPILED = "tapegrad-compiled"  # its ratios to the others are in the table
BASELINE = "torch-graph"  # what a picture shows the others against
END = 4.0  # of its axis
LAUNCHES = "launches"  # what --only calls them


def problems(document: dict[str, Any]) -> dict[str, list[str]]:
    """What went wrong, by the text of it: those whom it befell. To be late is not wrong."""
    return {text: whom for (text, late), whom in _befallen(document).items() if not late}


def _befallen(document: dict[str, Any]) -> dict[tuple[str, bool], list[str]]:
    """Every problem, and whether it is one of time, with those whom it befell."""
    parts = {job: record["results"] for job, record in document["jobs"].items()} | {LAUNCHES: document["launches"]}
    found: dict[tuple[str, bool], list[str]] = {}
    for job, results in parts.items():
        for name, result in results.items():
            if "problem" in result:
                whom = name if job == LAUNCHES else f"{name} on {job}"
                found.setdefault((result["problem"], result["late"]), []).append(whom)
    return found


def was_measured(document: dict[str, Any]) -> bool:
    """Whether there is a single time."""
    results = [*document["launches"].values(), *(r for j in document["jobs"].values() for r in j["results"].values())]
    return any("problem" not in result for result in results)


def last_line(problem: str) -> str:
    """What a traceback ends with, cut where it is long."""
    last = problem.strip().splitlines()[-1]
    return last if len(last) <= 160 else f"{last[:157]}..."


def heading(document: dict[str, Any]) -> str:
    """The machine, the software and the settings of a run, in a few lines."""
    about, plan = document["machine"], document["plan"]
    gpu = about["gpu"]
    driver = f"driver {gpu['driver']}, " if gpu["driver"] else ""
    software = [about["python"].split(",")[0], f"NumPy {about['numpy']}"]
    for name, module in (("CuPy", "cupy"), ("PyTorch", "torch"), ("JAX", "jax")):
        versions = {c["versions"][module] for c in document["contenders"].values() if module in c["versions"]}
        software += [f"{name} {version}" for version in sorted(versions)]
    lines = [
        f"{gpu['name']}, {gpu['memory_gib']:g} GiB, {driver}CUDA {gpu['driver_cuda']}; "
        f"{about['processor']['model']}, {about['cores_usable']} cores",
        ", ".join(software),
        f"{document['precision']}; turns of about {plan['seconds']:g} s; {document['took_seconds']:.0f} s in all",
    ]
    others = about["others_cores_during"]
    if others is not None and others > 0.05 * about["cores_usable"]:
        lines.append(f"others kept {others:.2g} cores busy during the run: expect noise")
    return "\n".join(lines)


def tables(document: dict[str, Any]) -> str:
    """What launches cost, then the times of every contender on every workload, then what went wrong."""
    texts = []
    if document["launches"]:
        texts.append(_launch_table(document["launches"]))
    rows = []
    for job, record in document["jobs"].items():
        for name, result in record["results"].items():
            if "problem" in result:
                rows.append([job, name, "late" if result["late"] else "failed", "", "", "", ""])
                continue
            times, peak = result["round_medians_us"], result["peak_bytes"]
            compared = record["ratios"].get(COMPILED, {}).get(name)
            rows.append(
                [
                    job,
                    name,
                    duration(result["median_us"]),
                    f"{duration(min(times))} - {duration(max(times))} ({len(times)})",
                    "" if result["first_seconds"] is None else f"{result['first_seconds']:.1f} s",
                    "" if peak is None else f"{peak / 2**20:.0f}",
                    ratio_text(compared) if compared else "",
                ]
            )
    if rows:
        header = ["workload", "contender", "step", "least - most (turns)", "first", "peak, MiB", f"{COMPILED} / it"]
        texts.append(table(header, rows, texts=2))
    notes = [
        f"{'late' if late else 'failed'}: {', '.join(whom)}: {text}"
        for (text, late), whom in _befallen(document).items()
    ]
    return "\n\n".join([*texts, *(["\n".join(notes)] if notes else [])])


def _launch_table(launches: Mapping[str, dict[str, Any]]) -> str:
    rows = []
    for path, record in launches.items():
        if "problem" in record:
            rows.append([path, "late" if record["late"] else "failed", "", ""])
            continue
        each = record["done_us"] / record["nodes"]
        rows.append([path, duration(record["asked_us"]), duration(record["done_us"]), duration(each)])
    return table(["launch", "asked for", "done", "done, a kernel"], rows)


def panels(document: dict[str, Any]) -> list[Panel]:
    """Steps as multiples of PyTorch's whole graph (or of the first contender's that has a time), and launches."""
    drawn = []
    names = list(document["contenders"])
    base = BASELINE if BASELINE in names else names[0]
    bars: dict[str, dict[str, tuple[float, float, float]]] = {name: {} for name in names}
    groups = []
    for job, record in document["jobs"].items():
        good = {name: result for name, result in record["results"].items() if "problem" not in result}
        if base not in good:
            continue
        groups.append(job)
        whole = good[base]["median_us"]
        for name, result in good.items():
            times = result["round_medians_us"]
            bars[name][job] = (result["median_us"] / whole, min(times) / whole, max(times) / whole)
    if groups:
        shown = {name: by_group for name, by_group in bars.items() if by_group}
        drawn.append(Panel("", f"time of a training step, {base} = 1 (least, most)", groups, shown, end=END))
    costs = {path: r["asked_us"] / r["nodes"] for path, r in document["launches"].items() if "problem" not in r}
    if costs:
        launches = {"asked for": {path: (cost, cost, cost) for path, cost in costs.items()}}
        drawn.append(Panel("", "microseconds to ask for a kernel", list(costs), launches))
    return drawn
