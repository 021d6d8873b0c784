"""The command `ensemble`: the Monte-Carlo figure of a run that was trained with dropout.

One idea: the command reads a run's folder, asks `ensemble/figure.py`, and leaves the numbers in the folder, where the
report finds them. Read `cli_inspect.py` for the other commands that look at things.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .errors import UsageError
from .files import write_json
from .finished import load_finished
from .history import kept
from .kinds import whole
from .metrics import in_percent

__all__ = ["add_command"]

_ENSEMBLE = """Compare two ways to use a net that was trained with dropout: one net with scaled weights, and the average
of many thinned ones, each with masks of its own (Srivastava et al. 2014, figure 11). Prints the test error over the
number of masks, with its standard deviation over the repetitions, writes ensemble.json into the run's folder, and the
run's report again, with the figure in it."""

_EXAMPLES = """examples:
  python -m recipe ensemble runs/20260102-030405-dropout-2014
  python -m recipe ensemble runs/20260102-030405-train --masks 1,10,50 --repetitions 3 --rows 2000
"""


def add_command(commands: Any) -> None:
    """Add the subcommand to argparse's `commands`."""
    from .ensemble.figure import MASKS

    command = commands.add_parser(
        "ensemble",
        help="the test error of many thinned nets, against the one with scaled weights",
        description=_ENSEMBLE,
        epilog=_EXAMPLES,
    )
    usual = ",".join(map(str, MASKS))
    command.add_argument("folder", metavar="RUN", help="the run's folder")
    command.add_argument("--masks", metavar="K,K,...", default=usual, help=f"numbers of masks (default: {usual})")
    command.add_argument("--repetitions", metavar="N", default="10", help="with masks of their own (default: 10)")
    command.add_argument("--rows", metavar="N", help="the first N test rows only")
    command.add_argument("--seed", metavar="N", default="0", help="of the masks (default: 0)")
    command.add_argument("--device", metavar="DEVICE", default="cpu", help="cpu, cuda or cuda:1 (default: cpu)")
    command.set_defaults(run=_ensemble)


def _ensemble(arguments: argparse.Namespace) -> int:
    from autograd.backend import move
    from autograd.errors import DeviceError

    from .ensemble.figure import monte_carlo_figure
    from .ensemble.masks import dropout_layers
    from .report import report

    masks = [_whole(part, "--masks") for part in arguments.masks.split(",")]
    if masks != sorted(set(masks)):
        raise UsageError(f"--masks {arguments.masks}: wanted are numbers, each larger than the one before.")
    repetitions = _whole(arguments.repetitions, "--repetitions")
    seed = _whole(arguments.seed, "--seed", 0, 2**63 - 1)
    folder = Path(arguments.folder)
    finished = load_finished(folder)
    model, parts = finished.network()
    if not dropout_layers(model):
        raise UsageError(f"the run in {folder} was trained without dropout: it is one network, and no ensemble.")
    rows = len(parts.x_test) if arguments.rows is None else _whole(arguments.rows, "--rows")
    try:
        model.to(arguments.device)
        x, y = (move(part[:rows], arguments.device) for part in (parts.x_test, parts.y_test))
    except DeviceError as error:
        raise UsageError(f"--device {arguments.device}: {error}") from None
    found = monte_carlo_figure(model, x, y, masks, repetitions=repetitions, seed=seed, tell=_tell)
    found["step"] = kept(finished.run).get("step")  # so that nobody takes it for one of weights that came later
    try:
        write_json(folder / "ensemble.json", found)
    finally:  # what took minutes to find is shown where it cannot be kept
        print(_table(found))
    print(f"report {report(folder)}")
    return 0


def _tell(text: str) -> None:
    print(text, flush=True)


def _whole(text: str, flag: str, least: int = 1, most: int | None = None) -> int:
    try:
        return int(whole(least, most).of_text(text.strip()))
    except ValueError:
        raise UsageError(f"{flag} {text}: wanted is {whole(least, most).wanted}.") from None


def _table(found: dict[str, Any]) -> str:
    lines = [f"\n{'masks':>5}  {'test error':>10}  {'std':>7}"]
    for point in found["points"]:
        std = "" if point["std"] is None else f"{point['std']:.3f} %"
        lines.append(f"{point['masks']:>5}  {in_percent(point['mean'], 3):>10}  {std:>7}".rstrip())
    lines.append(f"one net with scaled weights: {in_percent(found['scaled'], 3)}")
    crosses = "is nowhere as good" if found["crosses"] is None else f"is as good from {found['crosses']} masks on"
    lines.append(f"the average {crosses}, and ends {found['ends']:+.3f} points from it")
    if found["as_expected"] is not None:
        lines.append(
            "expected (crosses between 10 and 100 masks, ends within 0.05 points): "
            + ("yes" if found["as_expected"] else "no")
        )
    return "\n".join(lines)
