"""The commands that look at things: watch, diagnose and report for a run, papers, gradcheck for the layers.

One idea: each command is a few lines around one function of the package. Read `cli.py` for the frame around them.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import json
import sys
from pathlib import Path
from typing import Any

from . import fix, run
from .callbacks import NotFinite
from .errors import UsageError
from .run_folder import new_folder, read_run
from .threads import use_threads

__all__ = ["add_commands"]

_DIAGNOSE = """Say what is wrong with a run, if anything: first the set-up, then the result on the training data, then
the result on the validation data. With each verdict come the measurements behind it, what was ruled out and why, and
one change to try. Where the measurements allow more than one answer, the verdict is "undecided". With --fix the run is
made once more with that change, in a folder of its own, and both are shown side by side."""

_REPORT = """Write the report of a run again: one HTML page with every plot inside, and each plot's numbers as CSV in a
folder beside it. `train` does the same at its end."""

_WATCH = """Serve the live view of a run: a page on this machine (127.0.0.1 only) that shows what its run.json says, and
follows it while the run goes on. `train --watch` shows more, since it also sees what happens inside an epoch; this is
for a run that was begun without, or that is over. Ctrl-C ends it, and leaves the run alone."""

_PAPERS = """List the papers whose settings `train --paper NAME` takes, with the test error that each gives and the band
in which a run must end. With a name, print its file: every setting, its source, and what is estimated."""

_GRADCHECK = """Compare the gradients of every layer, activation and loss, to the second order, with what the function
does when its inputs and parameters move a little. The exit code is 1 when one is wrong."""


def add_commands(commands: Any) -> None:
    """Add the subcommands to argparse's `commands`; each sets `run`, a function from arguments to the exit code."""
    command = commands.add_parser(
        "diagnose",
        help="what is wrong with a run, and what to change",
        description=_DIAGNOSE,
        epilog="examples:\n  python -m recipe diagnose runs/20260102-030405-train\n"
        "  python -m recipe diagnose runs/20260102-030405-train --target 0.98 --json\n"
        "  python -m recipe diagnose runs/20260102-030405-train --fix\n",
    )
    command.add_argument("folder", metavar="RUN", help="the run's folder")
    command.add_argument("--json", action="store_true", help="as JSON")
    command.add_argument(
        "--target", metavar="X", help="training accuracy from which a result counts as good (default: 0.9)"
    )
    command.add_argument("--fix", action="store_true", help="train once more with the change, and compare")
    command.add_argument(
        "--out", metavar="DIR", help="with --fix: the new run's folder, empty or new (default: runs/<time>-<name>-fix)"
    )
    command.set_defaults(run=_diagnose)

    command = commands.add_parser(
        "report",
        help="write the report of a run",
        description=_REPORT,
        epilog="example:\n  python -m recipe report runs/20260102-030405-train --out page.html\n",
    )
    command.add_argument("folder", metavar="RUN", help="the run's folder")
    command.add_argument("--out", metavar="FILE", help="the page (default: report.html in the run's folder)")
    command.set_defaults(run=_report)

    command = commands.add_parser(
        "watch",
        help="show a run on a page, also while it goes on",
        description=_WATCH,
        epilog="example:\n  python -m recipe watch runs/20260102-030405-train\n",
    )
    command.add_argument("folder", metavar="RUN", help="the run's folder")
    command.add_argument("--port", metavar="N", help="the page's port (default: a free one)")
    command.set_defaults(run=_watch)

    command = commands.add_parser(
        "papers",
        help="the papers whose settings can be trained",
        description=_PAPERS,
        epilog="examples:\n  python -m recipe papers\n  python -m recipe papers maxout-2013\n"
        "  python -m recipe train --paper maxout-2013 --device cuda\n",
    )
    command.add_argument("name", metavar="NAME", nargs="?", help="a paper of the list")
    command.set_defaults(run=_papers)

    command = commands.add_parser(
        "gradcheck",
        help="check the gradients of the layers",
        description=_GRADCHECK,
        epilog="examples:\n  python -m recipe gradcheck\n  python -m recipe gradcheck Linear GELU\n",
    )
    command.add_argument("names", metavar="NAME", nargs="*", help="layers, activations and losses (default: all)")
    command.set_defaults(run=_gradcheck)


def _diagnose(arguments: argparse.Namespace) -> int:
    from .diagnose import diagnose

    if arguments.fix:
        return _fix(arguments)
    if arguments.out is not None:
        raise UsageError("--out names the folder of the run that --fix makes: give both, or neither.")
    found = diagnose(Path(arguments.folder), target=_share(arguments.target))
    print(json.dumps(found.to_json(), indent=1, allow_nan=False) if arguments.json else found)
    return 0


def _fix(arguments: argparse.Namespace) -> int:
    target = _share(arguments.target)
    plan = fix.planned(Path(arguments.folder), target)
    use_threads(plan.config, arguments.own_process)
    folder = new_folder(arguments.out, f"{plan.config.name}-fix")
    # What the run tells on its way is no JSON.
    with contextlib.redirect_stdout(sys.stderr) if arguments.json else contextlib.nullcontext():
        print(f"{plan.before.title}: trying {plan.before.change}", flush=True)
        try:
            code = run.train(plan.config, folder)
        except NotFinite as error:
            print(f"the run with the change failed: {error}", file=sys.stderr)
            code = 1
    if code == run.INTERRUPTED:
        return code
    found = fix.compared(plan, folder, target)
    print(json.dumps(found, indent=1, allow_nan=False) if arguments.json else f"\n{fix.as_text(found)}")
    return code


def _share(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 < value <= 1.0:
        raise UsageError(f"--target {text}: wanted is a number above 0, up to 1.")
    return value


def _report(arguments: argparse.Namespace) -> int:
    from .report import report

    print(report(Path(arguments.folder), out=None if arguments.out is None else Path(arguments.out)))
    return 0


def _watch(arguments: argparse.Namespace) -> int:
    from .interrupt import deferred
    from .watch import follow, port_of, serving

    folder = Path(arguments.folder)
    read_run(folder)  # what is wrong with it is said before anything is served
    with serving(port_of(arguments.port, "--port")) as server, deferred() as interrupt:
        print(f"live view: {server.address} (Ctrl-C ends it)", flush=True)
        follow(folder, server.board, interrupt)
    return 0


def _papers(arguments: argparse.Namespace) -> int:
    from .papers import NAMES, in_words, paper, text_of

    if arguments.name is not None:
        print(text_of(_known(arguments.name, list(NAMES), "papers")), end="")
        return 0
    for about in map(paper, NAMES):
        error = "the source gives no test error" if about.error is None else f"{about.error:g} % test error"
        print(f"{about.name}: {about.title}")
        print(f"  {about.source}: {error}")
        bands = [about.band] if about.accept else []
        if about.accept_mean:
            bands.append(f"the mean of three seeds {in_words(about.accept_mean)}")
        if bands:
            print(f"  accepted: {', '.join(bands)}")
        if about.then:
            print(f"  gone on from by {about.then}")
        print(f"  minutes: {about.minutes_cpu}; on a GPU {about.minutes_gpu}")
    print("\ntrain one with: python -m recipe train --paper NAME [--device cuda]")
    return 0


def _gradcheck(arguments: argparse.Namespace) -> int:
    from .gradient_table import checks, names

    known = names()
    chosen = [_known(name, known, "gradcheck") for name in arguments.names] or known
    width = max(map(len, chosen))
    print(f"{'':{width}}  first   second  largest relative error")
    wrong = []
    for checked in checks(chosen):
        first, second = ("right" if verdict.ok else "WRONG" for verdict in (checked.first, checked.second))
        errors = [finding.error for verdict in (checked.first, checked.second) for finding in verdict.findings]
        print(f"{checked.name:{width}}  {first}   {second}   {max(errors, default=0.0):.1e}", flush=True)
        wrong += [] if checked.ok else [checked]
    for checked in wrong:
        print(f"\n{checked.name}\n{checked.first}\n{checked.second}", file=sys.stderr)
    print(f"{len(chosen) - len(wrong)} of {len(chosen)} right")
    return 1 if wrong else 0


def _known(name: str, known: list[str], command: str) -> str:
    by_lower = {entry.lower(): entry for entry in known}
    if name.lower() in by_lower:
        return by_lower[name.lower()]
    near = difflib.get_close_matches(name.lower(), by_lower, 1)
    hint = f"did you mean {by_lower[near[0]]}?" if near else f"there are {', '.join(known)}."
    raise UsageError(f"{command} knows no {name}; {hint}")
