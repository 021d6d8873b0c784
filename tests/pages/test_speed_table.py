"""The speed table of the README says what the committed result says.

One idea: a figure on a page is a figure in `benchmarks/results/`, written there by a run; nobody types it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PEERS = ("torch", "torch-malloc", "torch-fused", "torch-fused-malloc")
ROOT = Path(__file__).resolve().parents[2]


def rows(result: dict[str, Any]) -> list[str]:
    """The table's rows: the network, our time, and ratios of medians to PyTorch's optimizers, default and fused."""
    found = []
    for name, job in result["jobs"].items():
        ratios = job["ratios"]["tapegrad"]
        peers = [f"{ratios[peer]['ratio']:.2f}" for peer in PEERS]
        ours = job["results"]["tapegrad"]["median_us"]
        found.append(f"| {name}: {job['about']} | {ours / 1000:.3g} ms | {' | '.join(peers)} |")
    return found


def test_the_readme_gives_the_committed_figures() -> None:
    result = json.loads((ROOT / "benchmarks" / "results" / "speed-cpu.json").read_text(encoding="utf-8"))
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not result["quick"]
    assert len(rows(result)) == 5
    for row in rows(result):
        assert row in page, f"the README lacks the row {row}"
