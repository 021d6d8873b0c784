"""`python -m benchmarks speed`, and whatever else it measures, gathers and shows: the command line.

One idea: a run that could mislead is not saved by itself. Only a full one goes to benchmarks/results/; a trial or a
part is printed, and saved where `--out` says. A wrong flag is one line and exit status 2; contenders that fail or
disagree are exit status 1, and so is a disk that is full; a run that is stopped is 130. Read `arguments.py` next.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from recipe.printing import TellingParser, forget_output, take_any_output

from .arguments import folder, names, positive, seconds
from .claims.command import add_claims, run_claims, show_claims
from .curves import add_curves, run_curves, show_curves
from .diagnosis.command import add_diagnosis, run_diagnosis, show_diagnosis
from .gpu import run as gpu
from .gpu import shown as gpu_shown
from .gpu.kernels import add_kernels, run_kernels, show_kernels
from .gpu.precision import PRECISIONS
from .gpu.products import add_products, run_products, show_products
from .layers.run import LAYERS_BENCHMARK
from .measure import DAMAGE, VALUES, BenchmarkError, Plan, workers
from .memory import MEMORY
from .operations.run import OPERATIONS_BENCHMARK
from .output import RESULTS, heading, left_out_lines, save
from .overhead.run import OVERHEAD
from .papers import add_papers, run_papers, show_papers
from .plot import Panel, can_draw, draw
from .run import Benchmark, present
from .speed.run import SPEED

__all__ = ["main"]

BENCHMARKS = {b.name: b for b in (SPEED, LAYERS_BENCHMARK, OPERATIONS_BENCHMARK, MEMORY, OVERHEAD)}
TEXTS = {  # shown as text only
    "papers": show_papers,
    "curves": show_curves,
    "kernels": show_kernels,
    "products": show_products,
}


class Parser(TellingParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Say what was wrong and leave with status 2."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _document(text: str) -> dict[str, Any]:
    """A saved result, with its path as `path`."""
    path = Path(text)
    try:
        document = json.loads(path.read_text())
        known = document["benchmark"] in (*BENCHMARKS, "gpu", "claims", "diagnosis", *TEXTS)
    except (OSError, *DAMAGE):
        known = False
    if not known:
        raise argparse.ArgumentTypeError(f"'{text}' is no result of a benchmark")
    return {**document, "path": path}


def _add_benchmark(commands: Any, benchmark: Benchmark) -> None:
    name = benchmark.name
    listed = "\n".join(f"  {c.name:25} {c.about}" for c in benchmark.contenders.values())
    command = commands.add_parser(
        name,
        help=benchmark.what,
        description=benchmark.description,
        epilog=f"contenders:\n{listed}\n\nThose that are not installed are left out, with a line that says so.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    rounds, threads = benchmark.plan.rounds, benchmark.plan.threads
    jobs, contenders = benchmark.jobs, list(benchmark.contenders)
    command.add_argument("--rounds", type=positive, help=f"{benchmark.rounds} (default {rounds})")
    command.add_argument("--threads", type=positive, help=f"threads for each contender (default {threads})")
    command.add_argument("--only", type=names(jobs), metavar="NAMES", help=f"some of: {', '.join(jobs)}")
    command.add_argument("--contenders", type=names(contenders), metavar="NAMES", help="some of those listed below")
    command.add_argument("--quick", action="store_true", help="a trial in seconds, to see that everything works")
    command.add_argument(
        "--out",
        type=folder,
        metavar="FOLDER",
        help=f"where {name}-cpu.json and {name}-cpu.svg go (default: benchmarks/results for a full run; "
        "one with --quick, --only or --contenders is saved only where --out says)",
    )


def _add_gpu(commands: Any) -> None:
    usual, jobs = gpu.Budget(), [gpu_shown.LAUNCHES, *gpu.WORKLOADS]
    listed = "\n".join(f"  {c.name:25} {c.about}" for c in gpu.CONTENDERS.values())
    command = commands.add_parser(
        "gpu",
        help="training steps on a GPU, and what a launch costs",
        description="Time full training steps on a GPU and what it costs to launch a kernel. Each contender runs in a\n"
        "process that has the GPU to itself; all must have the same losses at steps 1, 5 and 20, or the exit status\n"
        "is 1. What fails or takes too long is a line of the table, and the others go on.\n\njobs:\n"
        + f"  {gpu_shown.LAUNCHES:10} one small kernel, asked for in every way\n"
        + "\n".join(f"  {w.name:10} {w.about()}" for w in gpu.WORKLOADS.values()),
        epilog=f"contenders:\n{listed}\n\nThose that are not installed are left out, with a line that says so.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "--only",
        type=names(jobs),
        metavar="NAMES",
        help=f"some of: {', '.join(jobs)} (default: {gpu_shown.LAUNCHES}, {', '.join(gpu.USUAL)})",
    )
    command.add_argument("--contenders", type=names(list(gpu.CONTENDERS)), metavar="NAMES", help="some of those below")
    for flag, field, what in (
        ("--seconds", "seconds", "a turn, of which each contender gets two or four on each workload"),
        ("--limit", "limit", "the first steps of one contender on one workload, compiling included"),
        ("--budget", "total", "the whole run"),
    ):
        default = getattr(usual, field)
        command.add_argument(
            flag, type=seconds, dest=field, default=default, metavar="S", help=f"{what} (default {default:g})"
        )
    command.add_argument(
        "--precision", choices=PRECISIONS, default="float32", help="in which everybody multiplies (default float32)"
    )
    command.add_argument(
        "--out",
        type=folder,
        metavar="FOLDER",
        help="where gpu-<name of the GPU>.json and .svg go, with the precision in their names, but for float32 "
        "(default: benchmarks/results for a full run; "
        "one with --only or --contenders is saved only where --out says)",
    )


def _add_show(commands: Any) -> None:
    command = commands.add_parser(
        "show",
        help="print a saved result, and draw its picture",
        description="Print a saved result, and draw its picture beside it, where Matplotlib is installed.",
    )
    command.add_argument("document", type=_document, metavar="FILE")


def _add_profile(commands: Any) -> None:
    command = commands.add_parser(
        "profile",
        help="where a training step spends its time",
        description="Print cProfile's table of training steps. The profiler makes calls of Python look dear.",
    )
    command.add_argument("workload", choices=SPEED.jobs)
    command.add_argument("--contender", choices=list(SPEED.contenders), default="tapegrad", metavar="NAME")
    command.add_argument("--steps", type=positive, default=200)
    command.add_argument("--threads", type=positive, default=SPEED.plan.threads)
    command.add_argument("--sort", choices=("tottime", "cumulative", "ncalls"), default="tottime")
    command.add_argument("--lines", type=positive, default=30)


def _parser() -> Parser:
    parser = Parser(
        prog="python -m benchmarks",
        description="Measure tapegrad against other frameworks.",
        epilog="Leave the machine alone while a benchmark runs. Only the ratios of one run mean something; times\n"
        "depend on the machine, and the result says which it was.\n\n"
        "examples:\n"
        "  python -m benchmarks speed --quick                   does everything work?\n"
        "  python -m benchmarks speed                           the whole comparison, some minutes\n"
        "  python -m benchmarks speed --only tiny,deep --contenders tapegrad,torch\n"
        "  python -m benchmarks layers                          one layer at a time\n"
        "  python -m benchmarks operations                      a hundred operations one at a time\n"
        "  python -m benchmarks memory                          what a step holds at its peak\n"
        "  python -m benchmarks overhead                        what one operation costs\n"
        "  python -m benchmarks gpu                             training steps on a GPU, some minutes\n"
        "  python -m benchmarks claims                          what the lecture claims, measured\n"
        "  python -m benchmarks diagnosis                       how often the diagnosis is right\n"
        "  python -m benchmarks papers runs/*-pocket            runs by the settings of papers, side by side\n"
        "  python -m benchmarks curves runs/cuda runs/cpu       the same run on two devices\n"
        "  python -m benchmarks kernels gpt-char                what a GPU does in a step\n"
        "  python -m benchmarks products mlp-128                what a GPU's products take in a step\n"
        "  python -m benchmarks show benchmarks/results/speed-cpu.json\n"
        "  python -m benchmarks profile mlp-sgd                 where a step of ours spends its time",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    known = "speed|layers|operations|memory|overhead|gpu|claims|diagnosis|papers|curves|kernels|products|show|profile"
    commands = parser.add_subparsers(dest="command", required=True, metavar=known)
    for benchmark in BENCHMARKS.values():
        _add_benchmark(commands, benchmark)
    _add_gpu(commands)
    add_claims(commands, names, positive, folder)
    add_diagnosis(commands, positive, folder)
    add_papers(commands, folder)
    add_curves(commands, folder)
    add_kernels(commands, folder)
    add_products(commands, folder)
    _add_show(commands)
    _add_profile(commands)
    return parser


def _plan(benchmark: Benchmark, arguments: argparse.Namespace) -> Plan:
    usual = benchmark.plan
    plan = replace(usual, rounds=arguments.rounds or usual.rounds, threads=arguments.threads or usual.threads)
    if not arguments.quick:
        return plan
    return replace(
        plan,
        rounds=arguments.rounds or benchmark.quick_rounds,
        turn_seconds=plan.turn_seconds / 10,
        rest_seconds=plan.rest_seconds / 10,
    )


def _show_progress(text: str) -> None:
    """One line that overwrites itself, where somebody looks at it."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def _tell(text: str) -> None:
    """A line that stays."""
    _show_progress("")
    print(text, flush=True)


def _run(benchmark: Benchmark, arguments: argparse.Namespace) -> None:
    contenders = [benchmark.contenders[name] for name in arguments.contenders or benchmark.contenders]
    for line in left_out_lines(present(contenders)[1]):
        print(line)
    jobs, plan = arguments.only or benchmark.jobs, _plan(benchmark, arguments)
    try:
        document = benchmark.measure(contenders, jobs, plan, arguments.quick, _show_progress)
    finally:
        _show_progress("")
    full = not (arguments.quick or arguments.only or arguments.contenders)
    folder = arguments.out or (RESULTS if full else None)
    # Saved before it is printed: minutes of measuring must not be lost to a pipe that closes.
    kept = "not saved" if folder else "not saved, being a trial or a part; --out FOLDER saves it"
    try:
        if folder:
            kept = _keep(benchmark, document, folder)
    finally:  # nor to a disk that is full
        print(heading(document), benchmark.tables(document), kept, sep="\n\n")


def _keep(benchmark: Benchmark, document: dict[str, Any], folder: Path) -> str:
    """Save the document and its picture; says what was saved."""
    path = save(document, folder)
    return f"saved {path}\n{_picture(benchmark.panels(document), heading(document), path)}"


def _picture(panels: Sequence[Panel], title: str, path: Path) -> str:
    """Draw a picture beside a result; says what was saved."""
    if not can_draw():
        return "no picture: Matplotlib is not installed (pip install matplotlib)"
    if not panels:
        return "no picture: nothing was measured that could be drawn"
    picture = path.with_suffix(".svg")
    draw(panels, title, picture)
    return f"saved {picture}"


def _run_gpu(arguments: argparse.Namespace) -> None:
    precision = PRECISIONS[arguments.precision]
    contenders = [gpu.CONTENDERS[name] for name in arguments.contenders or gpu.CONTENDERS]
    only = arguments.only or [gpu_shown.LAUNCHES, *gpu.USUAL]
    budget = gpu.Budget(arguments.seconds, limit=arguments.limit, total=arguments.total)
    workloads = [name for name in only if name != gpu_shown.LAUNCHES]
    folder = arguments.out or (None if arguments.only or arguments.contenders else RESULTS)
    unfinished: set[Path] = set()  # a run may be cut short, and what it took minutes of a GPU to find is kept

    def keep(document: dict[str, Any]) -> None:
        if folder and gpu_shown.was_measured(document):
            unfinished.add(save(document, folder, f"{document['device']}-unfinished"))

    launches = gpu_shown.LAUNCHES in only
    try:
        document = gpu.measure_gpu(
            contenders, workloads, launches, budget, _show_progress, _tell, precision=precision, keep=keep
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(*(f"what was measured until then is in {path}" for path in unfinished)) from None
    finally:
        _show_progress("")
    for line in left_out_lines(document["left_out"]):
        print(line)
    kept = "not saved, being a part; --out FOLDER saves it"
    if not gpu_shown.was_measured(document):
        kept = "not saved: nothing was measured"
    elif folder:
        path = save(document, folder)
        kept = f"saved {path}\n{_picture(gpu_shown.panels(document), gpu_shown.heading(document), path)}"
        for path in unfinished:
            path.unlink()
    print(kept, gpu_shown.heading(document), gpu_shown.tables(document), sep="\n\n", flush=True)
    if gpu_shown.problems(document):
        raise BenchmarkError("not all went well; what failed stands above.")


def _show(document: dict[str, Any]) -> None:
    path = document.pop("path")
    try:
        _show_kind(document, path)
    except DAMAGE as error:
        raise BenchmarkError(f"{path} is damaged, or of another version: {error!r}; measure anew.") from None


def _show_kind(document: dict[str, Any], path: Path) -> None:
    if document["benchmark"] == "claims":
        show_claims(document, path)
        return
    if document["benchmark"] == "diagnosis":
        show_diagnosis(document, path)
        return
    if document["benchmark"] in TEXTS:
        TEXTS[document["benchmark"]](document)
        return
    on_gpu = document["benchmark"] == "gpu"
    if not (on_gpu or document["jobs"]):
        raise BenchmarkError(f"{path} has no job: nothing was measured; measure anew.")
    shown: Any = gpu_shown if on_gpu else BENCHMARKS[document["benchmark"]]
    title = gpu_shown.heading(document) if on_gpu else heading(document)
    print(title, shown.tables(document), _picture(shown.panels(document), title, path), sep="\n\n")


def _profile(arguments: argparse.Namespace) -> None:
    contender, job = SPEED.contenders[arguments.contender], arguments.workload
    if not contender.is_installed():
        raise BenchmarkError(f"{contender.module} is not installed here ({contender.install})")
    with workers([contender], arguments.threads) as started:
        worker = started[contender.name]
        worker.ask("prepare", job=job, steps=VALUES)
        print(worker.ask("profile", job=job, steps=arguments.steps, sort=arguments.sort, lines=arguments.lines))


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


@contextmanager
def _ended_as_by_ctrl_c() -> Iterator[None]:
    """Inside, a signal to end, and a terminal that closes, let a command clean up; `nohup` stays what it is."""
    known = [number for number in signal.Signals if number.name in ("SIGTERM", "SIGHUP")]  # Windows has not both
    usual = [number for number in known if signal.getsignal(number) is signal.SIG_DFL]
    for number in usual:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number in usual:
            signal.signal(number, signal.SIG_DFL)


def _carry_out(arguments: argparse.Namespace) -> None:
    if arguments.command == "profile":
        _profile(arguments)
    elif arguments.command == "gpu":
        _run_gpu(arguments)
    elif arguments.command == "claims":
        run_claims(arguments, _show_progress)
    elif arguments.command == "diagnosis":
        run_diagnosis(arguments)
    elif arguments.command == "papers":
        run_papers(arguments)
    elif arguments.command == "curves":
        run_curves(arguments)
    elif arguments.command == "kernels":
        run_kernels(arguments)
    elif arguments.command == "products":
        run_products(arguments)
    elif arguments.command == "show":
        _show(arguments.document)
    else:
        _run(BENCHMARKS[arguments.command], arguments)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; gives the exit status."""
    name = "python -m benchmarks"
    if argv is None:
        take_any_output()
    try:
        arguments = _parser().parse_args(argv)
        name = f"{name} {arguments.command}"
        with _ended_as_by_ctrl_c():
            _carry_out(arguments)
            sys.stdout.flush()  # here, where it may fail
    except BenchmarkError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        forget_output()  # whoever read it has gone (`| head`)
    except OSError as error:
        # Whoever writes a file names it, so what has no name is where we print.
        if error.filename is None and argv is None:
            forget_output()
        print(f"{name}: {error.filename or 'standard output'}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as stop:
        print(f"{name}: stopped; {str(stop) or 'nothing was saved'}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
