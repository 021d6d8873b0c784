"""The command line: python -m recipe train, resume, watch, diagnose, report, papers, gradcheck and ensemble.

One idea: whatever the user got wrong (a flag, a value, a file) is one clear line on stderr and exit code 2, never a
traceback; exit code 1 is for a run that failed, 130 for one interrupted. Read `config.py` for the options of `train`,
`printing.py` for output that nobody takes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NoReturn

from . import run
from .callbacks import NotFinite
from .config import Option, configure, in_flags, nearest, options, read_toml
from .data import DataError
from .errors import UsageError
from .printing import TellingParser, forget_output, take_any_output
from .run_folder import new_folder
from .threads import use_threads
from .watch import Server, port_of, serving

__all__ = ["main"]

_ABOUT = """Train a network by the lecture's recipe, look at what happened, and say what to change."""

_EXAMPLES = """examples:
  python -m recipe train                                 the default network on MNIST, 8 epochs
  python -m recipe train --epochs 15                     its full form
  python -m recipe train --data spirals --activation tanh --hidden 16,16
  python -m recipe train --config run.toml --lr 0.01     a file, and a flag that overrides it
  python -m recipe train --watch                         with a page that shows the run while it goes on
  python -m recipe train --paper dropout-2014            a paper's settings; the test error is held against the paper's
  python -m recipe resume runs/20260102-030405-train     go on after Ctrl-C or a crash, to the same end
  python -m recipe diagnose runs/20260102-030405-train   what went wrong, and what to change
"""

_TRAIN = """Train a fully connected network, then test it, diagnose the run and write a report.

Every option can stand in a TOML file (--config), as a flag, or as --set KEY=VALUE; flags override the file. The run
goes to a folder of its own: run.json, steps.csv, history.csv, checkpoint.safetensors (to resume from),
best.safetensors (the weights with the best validation loss, or of what --monitor names) and report.html. Epochs count
from 1, but for run.json, where they are places in a list, from 0. Ctrl-C saves and prints the command that goes on. The
same seed gives the same run, bit for bit, with the same number of threads on the same machine.

--paper takes every setting from a paper (python -m recipe papers lists them); at the end the run's test error stands
beside the paper's, with the band in which it is accepted: inside, outside, or not comparable, and why.

--watch serves a page on this machine (127.0.0.1 only) with the curves, the gradient of each layer and the verdict so
far, and prints its address; the run is the same to the last bit, whoever looks.
"""

_TRAIN_EXAMPLES = """examples:
  python -m recipe train --limit-rows 5000 --epochs 3    a quick look
  python -m recipe train --hidden 128,128 --dropout none --max-norm none --optimizer sgd --momentum 0.9
  python -m recipe train --early-stopping patience --patience 3 --epochs 50
  python -m recipe train --activation maxout --set model.pieces=5

a file with the same options:
  seed = 1
  [model]
  hidden = [256, 256]
  [optim]
  name = "sgd"
  lr = 0.05
"""


class Parser(TellingParser):
    """A parser that raises UsageError with one line, where argparse prints the usage and exits."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        message = message.replace(": ignored explicit argument", " takes no value, got")
        raise UsageError(f"{message} ({self.prog} --help shows what there is)")

    def parse_all(self, argv: list[str] | None) -> argparse.Namespace:
        """The arguments; an unknown one is refused with the one of its command that is meant, if that can be told."""
        argv = sys.argv[1:] if argv is None else argv
        arguments, unknown = self.parse_known_args(argv)
        if unknown:
            command, given = _chosen(self, argv), unknown[0].partition("=")[0]
            known = command._option_string_actions
            meant = _FLAGS_ELSEWHERE.get(given, "")
            hint = f"; did you mean {meant}?" if meant.partition(" ")[0] in known else nearest(given, known)
            raise UsageError(f"unknown argument {given}{hint or f' ({command.prog} --help shows what there is)'}")
        return arguments


# What other programs call a flag -> ours.
_FLAGS_ELSEWHERE = {
    "--batch": "--batch-size",
    "--bs": "--batch-size",
    "--cuda": "--device cuda",
    "--gpu": "--device cuda",
    "--layers": "--hidden",
    "--learning-rate": "--lr",
    "--num-epochs": "--epochs",
    "--output": "--out",
    "--port": "--watch-port",
    "--units": "--hidden",
    "--watch-port": "--port",
    "--wd": "--weight-decay",
}


def _chosen(parser: argparse.ArgumentParser, argv: list[str]) -> argparse.ArgumentParser:
    """The parser of the command that was given, or the one above where there is none."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return next((action.choices[word] for word in argv if word in action.choices), parser)
    return parser


def build_parser() -> Parser:
    """The whole command line; each subcommand's `run` is a function of the arguments that gives the exit code."""
    from .cli_ensemble import add_command
    from .cli_inspect import add_commands

    parser = Parser(prog="python -m recipe", description=_ABOUT, epilog=_EXAMPLES)
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    _add_train(commands)
    _add_resume(commands)
    add_commands(commands)
    add_command(commands)
    return parser


def _add_train(commands: Any) -> None:
    train = commands.add_parser(
        "train",
        help="train, test, diagnose, report",
        usage="python -m recipe train [--config FILE] [--out DIR] [--watch] [OPTION VALUE ...]",
        description=_TRAIN,
        epilog=_TRAIN_EXAMPLES,
    )
    train.add_argument("--config", metavar="FILE", help="a TOML file with options")
    train.add_argument("--out", metavar="DIR", help="the run's folder, empty or new (default: runs/<time>-<name>)")
    train.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="any option by its key, as often as wanted"
    )
    _add_watch(train)
    groups: dict[str, Any] = {}
    for row in options():
        if row.section not in groups:
            title = row.key.partition(".")[0] if "." in row.key else "run"
            groups[row.section] = train.add_argument_group(title, row.section)
        group = groups[row.section]
        bare = {"nargs": "?", "const": "true"} if row.kind.is_switch else {}
        group.add_argument(row.flag, dest=row.key, metavar=row.kind.metavar, help=_help(row), **bare)
        if row.kind.is_switch and row.default is not False:
            off, help = f"--no-{row.flag[2:]}", f"the same as {row.flag} false"
            group.add_argument(off, dest=row.key, action="store_const", const="false", help=help)
    train.set_defaults(run=_train)


def _help(row: Option) -> str:
    default = f"default: {_shown(row.default)}"
    if row.synthetic != row.default:
        default += f"; blobs, spirals: {_shown(row.synthetic)}"
    choices = f" {row.kind.wanted};" if row.kind.wanted.startswith("one of") else ""
    return f"{row.help};{choices} {default}".replace("%", "%%")


def _shown(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return ",".join(map(str, value)) or "none"
    return str(value).lower() if value is None or isinstance(value, bool) else f"{value}"


def _add_resume(commands: Any) -> None:
    resume = commands.add_parser(
        "resume",
        help="go on with an interrupted run",
        description="Go on from the last checkpoint of a run; it ends as if it had never stopped, to the last bit.",
        epilog="example:\n  python -m recipe resume runs/20260102-030405-train\n",
    )
    resume.add_argument("folder", metavar="RUN", help="the run's folder")
    resume.add_argument("--time-limit", metavar="X", help="seconds of training, those before included (default: none)")
    _add_watch(resume)
    resume.set_defaults(run=_resume)


def _add_watch(command: Any) -> None:
    command.add_argument("--watch", action="store_true", help="serve the live view, a page that shows the run")
    command.add_argument("--watch-port", metavar="N", help="its port (default: a free one); means --watch")


def _served(arguments: argparse.Namespace) -> AbstractContextManager[Server | None]:
    """The server of the live view where one is asked for, else None."""
    if not arguments.watch and arguments.watch_port is None:
        return nullcontext()
    return serving(port_of(arguments.watch_port, "--watch-port"))


def _train(arguments: argparse.Namespace) -> int:
    given = vars(arguments)
    flags = {row.key: given[row.key] for row in options() if given[row.key] is not None}
    only_flags = arguments.config is None and not arguments.set
    with _telling_of_flags([row.key for row in options()] if only_flags else [*flags]):
        for text in arguments.set:
            key, equals, value = text.partition("=")
            if not equals:
                raise UsageError(f"--set {text}: wanted is KEY=VALUE, such as --set optim.lr=0.01")
            flags[key.strip()] = value.strip()
        file = None if arguments.config is None else read_toml(Path(arguments.config))
        config = configure(file, flags, arguments.config or "")
        use_threads(config, arguments.own_process)
        folder = new_folder(arguments.out, config.name)
        with _served(arguments) as server:
            return run.train(config, folder, server)


def _resume(arguments: argparse.Namespace) -> int:
    limit = None
    if arguments.time_limit is not None:
        with _telling_of_flags(["stop.time_limit"]):
            limit = configure(flags={"stop.time_limit": arguments.time_limit}).stop.time_limit
    folder = Path(arguments.folder)
    config = run.config_of(folder, limit)
    use_threads(config, arguments.own_process)
    with _served(arguments) as server:
        return run.resume(folder, config, server)


@contextmanager
def _telling_of_flags(keys: Collection[str]) -> Iterator[None]:
    """What is wrong with these options is said of their flags, which the user gave or can give."""
    try:
        yield
    except (UsageError, DataError) as error:
        raise UsageError(in_flags(str(error), keys)) from None


def main(argv: list[str] | None = None) -> int:
    """Carry out a command line (the process's own when None) and give the exit code."""
    if argv is None:
        take_any_output()
    try:
        arguments = build_parser().parse_all(argv)
        arguments.own_process = argv is None
        code = int(arguments.run(arguments) or 0)
        sys.stdout.flush()  # here, where it may fail
        return code
    except (UsageError, DataError) as error:
        return _complain(error, 2)
    except NotFinite as error:
        return _complain(error, 1)
    except KeyboardInterrupt:
        return _complain("interrupted", run.INTERRUPTED)
    except BrokenPipeError:
        forget_output()  # whoever read it has gone
        return 1
    except OSError as error:
        # Whoever writes a file names it, so what has no name is where we print.
        if error.filename is None and argv is None:
            forget_output()
        return _complain(f"{error.filename or 'standard output'}: {error.strerror or error}", 2)


def _complain(error: Any, code: int) -> int:
    print(f"recipe: {' '.join(str(error).split())}", file=sys.stderr)
    return code
