"""`python -m benchmarks claims`: its flags, what it prints, and where its result goes.

One idea: the verdicts are printed, the page has everything, and only a full run replaces the committed one. Read
`run.py` next.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from recipe.files import write_bytes

from ..measure import BenchmarkError
from ..output import RESULTS, save, table
from .judge import ClaimVerdict, verdicts
from .lecture import CLAIMS

__all__ = ["add_claims", "run_claims", "show_claims"]

KEYS = tuple(f"E{i}" for i in range(10))
SEEDS = 3
UNFINISHED = Path("runs") / "claims"  # where a run goes that is not the full one
PARTS = UNFINISHED / "parts.jsonl"  # what is measured so far

_ABOUT = """Test what the lecture "Tips for Deep Learning" claims, on MNIST: train some hundred small networks, compare
what must differ, and write one page with every verdict, figure and plot."""

_EXAMPLES = f"""examples:
  python -m benchmarks claims --quick       one seed and fewer networks, three minutes where two cores are free
  python -m benchmarks claims               {SEEDS} seeds, within 25 minutes on two cores
  python -m benchmarks claims --only E3,E5  some of the experiments
"""


def add_claims(commands: Any, names: Callable[..., Any], positive: Any, folder: Any) -> None:
    """Add the command to argparse's `commands`; the others are readers of flags."""
    command = commands.add_parser(
        "claims",
        help="what the lecture claims, measured",
        description=_ABOUT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--quick", action="store_true", help="one seed, fewer networks")
    command.add_argument("--only", type=names(KEYS), metavar="NAMES", help=f"some of: {', '.join(KEYS)}")
    command.add_argument(
        "--seeds", type=positive, metavar="N", help=f"how many seeds, from 0 on (default {SEEDS}; quick: 1)"
    )
    command.add_argument("--resume", action="store_true", help="go on with the last run, which was cut short")
    command.add_argument(
        "--out",
        type=folder,
        metavar="FOLDER",
        help=f"for claims-cpu.json and .html (default: benchmarks/results for a full run, {UNFINISHED} for others)",
    )


def run_claims(arguments: argparse.Namespace, show_progress: Callable[[str], None]) -> None:
    """Carry out the command. Raises BenchmarkError where a part failed."""
    # Imported here: the experiments need the whole recipe, which other commands do not.
    from .. import machine
    from ..run import ROOT
    from .kept import Kept
    from .run import experiments, measure_claims

    seeds = arguments.seeds or (1 if arguments.quick else SEEDS)
    chosen = [key for key in experiments() if key in (arguments.only or KEYS)]

    def tell(text: str, done: int, total: int) -> None:
        show_progress(f"{done} of {total}: {text}")
        if done % max(1, total // 20) == 0:
            print(f"{done} of {total} parts", flush=True)

    kept = Kept(PARTS, {"quick": arguments.quick, "machine": machine.describe(ROOT)}, arguments.resume)
    try:
        document = measure_claims(chosen, range(seeds), arguments.quick, kept, tell)
    except KeyboardInterrupt:
        count = len(kept.parts)
        what = f"{count} part{' is' if count == 1 else 's are'} kept"
        raise KeyboardInterrupt(f"{what}: the same command with --resume goes on") from None
    finally:
        show_progress("")
    full = not (arguments.quick or arguments.only) and seeds >= SEEDS
    path = save(document, arguments.out or (RESULTS if full else UNFINISHED))
    if not document["failed"]:
        kept.forget()
    show_claims(document, path)
    if document["failed"]:
        raise BenchmarkError(f"{len(document['failed'])} parts failed; the page and the JSON say where.")


def show_claims(document: Mapping[str, Any], path: Path) -> None:
    """Print the verdicts of a document, and write the page beside `path`."""
    from .page import page
    from .run import judged_in

    html = path.with_suffix(".html")
    write_bytes(html, page(document).encode())
    found = verdicts(judged_in(document), list(CLAIMS))
    seconds = f"{document['seconds']:.0f} s"
    print(_table(found), *_failures(found), f"{seconds}\nsaved {path}\nsaved {html}", sep="\n\n")


def _table(found: Mapping[str, ClaimVerdict]) -> str:
    rows = [
        (claim, CLAIMS[claim].title, verdict.state, _count(verdict.outside), _count(verdict.against))
        for claim, verdict in found.items()
    ]
    return table(("", "claim", "verdict", "outside a band", "against the notes"), rows, texts=3)


def _count(texts: list[str]) -> str:
    return str(len(texts)) if texts else ""


def _failures(found: Mapping[str, ClaimVerdict]) -> list[str]:
    texts = [f"{claim} fails: {text}" for claim, verdict in found.items() for text in verdict.fails]
    return [textwrap.fill(text, 100, subsequent_indent="    ") for text in texts]
