"""The speed tables of the README say what the committed results say.

One idea: a figure on a page is a figure in `benchmarks/results/`, written there by a run; nobody types it.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from benchmarks.operations.run import ratios
from benchmarks.operations.table import SIZES

EAGER = ("torch", "torch-fused-malloc")  # the peers of the eager step, and of the compiled one
COMPILED = ("torch-fused-malloc", "torch-compile", "jax")
ON_GPU = ("torch-graph", "torch", "torch-compile")
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


def test_the_readme_gives_the_ratios_of_the_older_machine() -> None:
    result = json.loads((ROOT / "benchmarks" / "results" / "speed-cpu-avx2.json").read_text(encoding="utf-8"))
    *most, last = (f"{job['ratios']['tapegrad']['torch']['ratio']:.2f}" for job in result["jobs"].values())
    page = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"eager steps take {', '.join(most)} and {last} of PyTorch's" in page


def test_the_readme_gives_the_committed_memory() -> None:
    result = json.loads((ROOT / "benchmarks" / "results" / "memory-cpu.json").read_text(encoding="utf-8"))
    ratios = [job["ratios"]["tapegrad-native"]["torch"]["ratio"] for job in result["jobs"].values()]
    page = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"holds {min(ratios):.2f} to {max(ratios):.2f} of the memory" in page


def rows_of_gpu(result: dict[str, Any]) -> list[str]:
    """The rows of the GPU's table: the network, then our compiled time and ratios of medians to peers."""
    found = []
    for name, job in result["jobs"].items():
        ratios = job["ratios"]["tapegrad-compiled"]
        cells = [f"{name}: {job['about']}", f"{job['results']['tapegrad-compiled']['median_us'] / 1000:.3g} ms"]
        cells += [f"{ratios[peer]['ratio']:.2f}" for peer in ON_GPU]
        found.append(f"| {' | '.join(cells)} |")
    return found


def test_the_readme_gives_the_committed_figures_of_a_gpu() -> None:
    path = ROOT / "benchmarks" / "results" / "gpu-nvidia-h100-80gb-hbm3.json"
    result = json.loads(path.read_text(encoding="utf-8"))
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(rows_of_gpu(result)) == 5
    for row in rows_of_gpu(result):
        assert row in page, f"the README lacks the row {row}"


def test_the_readme_gives_the_committed_steps_on_an_h200() -> None:
    path = ROOT / "benchmarks" / "results" / "steps-nvidia-h200.json"
    first, _, last = (visit["median_us"] for visit in json.loads(path.read_text(encoding="utf-8"))["visits"])
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    for job in ("mlp-128 float32", "cnn float32", "gpt-small bfloat16", "gpt-char bfloat16"):
        before, now = (visit[job]["tapegrad-compiled"] for visit in (first, last))
        peer = first[job].get("torch-graph")
        cells = [job.replace(" ", ", "), *(f"{time / 1000:.3g} ms" for time in (before, now))]
        cells += [f"{peer / 1000:.3g} ms", f"{now / peer:.2f}"] if peer else ["", ""]
        row = "".join(f"| {cell} " if cell else "| " for cell in cells) + "|"
        assert row in page, f"the README lacks the row {row}"


def test_the_pages_give_the_committed_layers() -> None:
    result = json.loads((ROOT / "benchmarks" / "results" / "layers-cpu.json").read_text(encoding="utf-8"))
    page = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    ratios: dict[str, list[float]] = {"eager": [], "compiled": []}
    for name, job in result["jobs"].items():
        times = {contender: found["median_us"] for contender, found in job["results"].items()}
        compiled = times.pop("tapegrad-native")
        # Images in the better of the two orders of memory.
        eager, theirs = (min(us for c, us in times.items() if c.startswith(who)) for who in ("tapegrad", "torch"))
        ratios["eager"].append(eager / theirs)
        ratios["compiled"].append(compiled / theirs)
        cells = [*(f"{us / 1000:.3g}" for us in (eager, compiled, theirs)), *(f"{r[-1]:.2f}" for r in ratios.values())]
        assert f"| {name} | {' | '.join(cells)} |" in page, f"the page lacks the row {name}: {cells}"
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    *most, last = sorted(ratios["eager"])
    slowest = list(result["jobs"])[ratios["eager"].index(last)]
    assert f"of {len(most) + 1} layers and losses {len(most)} take {most[0]:.2f} to {most[-1]:.2f} of" in readme
    assert f"{slowest} takes {last:.1f}," in readme
    least, *_, most_of_all = sorted(ratios["compiled"])
    assert f"In compiled steps all take {least:.2f} to {most_of_all:.2f} " in readme


def test_the_pages_give_the_committed_operations() -> None:
    result = json.loads((ROOT / "benchmarks" / "results" / "operations-cpu.json").read_text(encoding="utf-8"))
    page = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    said = []
    for size, found in ratios(result).items():
        less, middle = sum(ratio < 1 for ratio in found.values()), f"{statistics.median(found.values()):.2f}"
        slowest, fastest = list(found.items())[:6], list(found.items())[:-4:-1]
        cells = [" x ".join(map(str, SIZES[size])), f"{less} of {len(found)}", middle]
        cells += [", ".join(f"{name} {ratio:.1f}" for name, ratio in slowest)]
        cells += [", ".join(f"{name} {ratio:.2f}" for name, ratio in fastest)]
        assert f"| {' | '.join(cells)} |" in page
        said.append((len(found), less, middle))
    (count, small, at_16), (_, large, at_512) = said
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"of {count} one at a time, forward and backward, {small} take less time than PyTorch's on 16 x 16" in readme
    assert f"and {large} on 512 x 512; the medians of the ratios are {at_16} and {at_512}" in readme
