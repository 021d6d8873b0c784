"""The README says of the lecture's claims what the committed result says."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_readme_counts_the_claims_that_hold() -> None:
    result = json.loads((ROOT / "benchmarks" / "results" / "claims-cpu.json").read_text(encoding="utf-8"))
    states = [claim["state"] for claim in result["claims"].values()]
    holds, fails = states.count("holds"), states.count("fails")
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"{holds} of the lecture's {len(states)} claims hold and {fails} fail, each in one seed" in page
    orders = [o for e in result["experiments"].values() for o in e["judged"]["orders"] if not o["against"]]
    failed = {c: {s for o in orders if o["claim"] == c for s in o["failed_in"]} for c in result["claims"]}
    assert all(len(seeds) <= 1 for seeds in failed.values())
