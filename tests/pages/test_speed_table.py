"""The speed table of the README says what the committed result says.

One idea: a figure on a page is a figure in `benchmarks/results/`, written there by a run; nobody types it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

EAGER = ("torch", "torch-fused-malloc")  # the peers of the eager step, and of the compiled one
COMPILED = ("torch-fused-malloc", "torch-compile", "jax")
ROOT = Path(__file__).resolve().parents[2]


def rows(result: dict[str, Any]) -> list[str]:
    """The table's rows: the network, then our time and ratios of medians to peers, eager and compiled."""
    found = []
    for name, job in result["jobs"].items():
        cells = [f"{name}: {job['about']}"]
        for ours, peers in (("tapegrad", EAGER), ("tapegrad-native", COMPILED)):
            cells.append(f"{job['results'][ours]['median_us'] / 1000:.3g} ms")
            cells += [f"{job['ratios'][ours][peer]['ratio']:.2f}" for peer in peers]
        found.append(f"| {' | '.join(cells)} |")
    return found


def test_the_readme_gives_the_committed_figures() -> None:
    result = json.loads((ROOT / "benchmarks" / "results" / "speed-cpu.json").read_text(encoding="utf-8"))
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not result["quick"]
    assert len(rows(result)) == 7
    for row in rows(result):
        assert row in page, f"the README lacks the row {row}"
