"""`python -m benchmarks diagnosis`: its flags, what it prints, and where its result goes.

One idea: each run is a line as soon as it is over, the tables come last, and only a full run replaces the committed
result. Read `run.py` next.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recipe.files import write_bytes

from ..output import RESULTS, save

__all__ = ["add_diagnosis", "run_diagnosis", "show_diagnosis"]

SEEDS = 3

_ABOUT = """Train small networks of which it is known what is wrong with them, ask the diagnosis, and count: the
confusion table of each bank, the false alarms in healthy runs, and what the proposed changes did for the validation
accuracy."""

_EXAMPLES = f"""examples:
  python -m benchmarks diagnosis                       {SEEDS} seeds and the remedies: some minutes on two cores
  python -m benchmarks diagnosis --quick               one seed, no remedies
  python -m benchmarks diagnosis --only healthy        a bank: broken, variants, confirming, fresh, final, healthy
  python -m benchmarks diagnosis --only dead-relu,leak some of the runs
"""


def add_diagnosis(commands: Any, positive: Any, folder: Any) -> None:
    """Add the command to argparse's `commands`; the others are readers of flags."""
    command = commands.add_parser(
        "diagnosis",
        help="how often the diagnosis is right",
        description=_ABOUT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--quick", action="store_true", help="one seed, and no remedies")
    command.add_argument("--only", type=_known, metavar="NAMES", help="banks, or runs in them, with commas between")
    command.add_argument("--seeds", type=positive, metavar="N", help=f"seeds, from 0 on (default {SEEDS}; quick: 1)")
    command.add_argument(
        "--out",
        type=folder,
        metavar="FOLDER",
        help="for diagnosis-cpu.json and .txt (default: benchmarks/results for a full run; others are not saved)",
    )


def _known(text: str) -> list[str]:
    """The names of banks and runs in a text."""
    # Imported when the flag is given: the banks need the whole recipe, which other commands do not.
    from .run import BANKS

    known = [*BANKS, *(name for set_ups in BANKS.values() for name in set_ups)]
    chosen = [name.strip() for name in text.split(",")]
    for name in chosen:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = (
                f"; did you mean {near[0]}?"
                if near
                else f"; known are the banks {', '.join(BANKS)}, and the runs in them"
            )
            raise argparse.ArgumentTypeError(f"unknown name '{name}'{hint}")
    return chosen


def run_diagnosis(arguments: argparse.Namespace) -> None:
    """Carry out the command."""
    from .run import measure_diagnosis, units
    from .shown import case

    only, seeds = arguments.only or (), arguments.seeds or (1 if arguments.quick else SEEDS)
    work = units(range(seeds), only)

    def tell(found: dict[str, Any], done: int) -> None:
        print(f"{done:>3} of {len(work)}  {case(found)}", flush=True)

    document = measure_diagnosis(work, not arguments.quick, tell)
    full = not (arguments.quick or only) and seeds >= SEEDS
    folder = arguments.out or (RESULTS if full else None)
    show_diagnosis(document, save(document, folder) if folder else None)


def show_diagnosis(document: Mapping[str, Any], path: Path | None) -> None:
    """Print the tables of a document, and write them beside `path`."""
    from .shown import heading, tables

    text = f"{heading(document)}\n\n{tables(document)}\n"
    kept = "not saved, being a trial or a part; --out FOLDER saves it"
    if path is not None:
        beside = path.with_suffix(".txt")
        write_bytes(beside, text.encode())
        kept = f"saved {path}\nsaved {beside}"
    print(f"\n{text}\n{kept}")
