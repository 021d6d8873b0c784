"""`python -m benchmarks products JOB`: how long the matrix products of a training step take, one by one.

One idea: a step cannot take less than those of its products that wait for one another. Each is timed alone, in a
recording, with the algorithm that cuBLASLt expects to be the fastest and with the fastest of eight; then those of the
step in which products do the activations beside them, where that pays. Read `kernels.py` for all that a step does.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ..machine import describe
from ..output import duration, save, table
from ..run import ROOT
from . import all_contenders, device
from .precision import PRECISIONS, told
from .workloads import WORKLOADS

__all__ = ["add_products", "run_products", "show_products", "timed_products"]

_ABOUT = """Time the matrix products of tapegrad's compiled training step one by one: with the algorithm that cuBLASLt
expects to be the fastest, and with the fastest of eight. A step's products may run beside one another, so they may take
less than their sum."""

_ALIGNED = 16  # bytes: a step's addresses are multiples of that at least, but for single parameters


def add_products(commands: Any, folder: Any) -> None:
    """Add the command to argparse's `commands`; `folder` reads a flag."""
    about = "how long the matrix products of a training step take on a GPU"
    command = commands.add_parser("products", help=about, description=_ABOUT)
    command.add_argument("job", choices=list(WORKLOADS), metavar="JOB", help=f"one of: {', '.join(WORKLOADS)}")
    command.add_argument("--precision", choices=PRECISIONS, default="float32", help="(default float32)")
    command.add_argument("--out", type=folder, metavar="FOLDER", help="where the result goes (default: nowhere)")


def run_products(arguments: argparse.Namespace) -> None:
    """Carry out the command. Raises BenchmarkError where there is no GPU."""
    gpu = device.describe()
    precision = PRECISIONS[arguments.precision]
    contender = told(all_contenders()["tapegrad-compiled"], precision)
    os.environ.update(contender.environment)
    document = {
        "schema": 1,
        "benchmark": "products",
        "job": arguments.job,
        "about": WORKLOADS[arguments.job].about(),
        "precision": precision.name,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {**describe(ROOT), "gpu": gpu},
        "versions": contender.versions(),
        **_of_step(contender.prepare(arguments.job)),
    }
    show_products(document)
    if arguments.out:
        name = f"{arguments.job}-{device.slug(gpu['name'])}{precision.ending}"
        print(f"\nsaved {save(document, arguments.out, name)}")


def _of_step(step: Any) -> dict[str, list[dict[str, Any]]]:
    """The products of a compiled step, as they are and with epilogues."""
    from autograd.compile.cuda import Tape, device_named
    from autograd.compile.cuda.commands import Multiply
    from autograd.cuda.precision import is_tf32

    step()
    gpu: Any = device_named("cuda:0")
    tapes = {
        name: Tape(step.programs[-1], is_tf32(), gpu.does, pays)
        for name, pays in (("products", None), ("with_epilogues", gpu.pays))
    }
    return {
        name: timed_products([c.product for c in tape.commands if isinstance(c, Multiply)], gpu.trials.of)
        for name, tape in tapes.items()
    }


def timed_products(products: Sequence[Any], trial: Callable[[Any, int], Any]) -> list[dict[str, Any]]:
    """Each kind of product with how often it is wanted and the microseconds of one, those that take longest first."""
    found = []
    for product, times in Counter(products).items():
        tried = trial(product, _ALIGNED)
        us = {"expected_us": tried.expected * 1e6, "fastest_us": tried.seconds * 1e6}
        found.append({"product": str(product).removeprefix("the "), "times": times, **us})
    return sorted(found, key=lambda one: -one["times"] * one["expected_us"])


def show_products(document: Mapping[str, Any]) -> None:
    """Print a result."""
    print(f"{document['machine']['gpu']['name']}; {document['job']}: {document['about']}; {document['precision']}")
    for name, about in (("products", "as they are"), ("with_epilogues", "with the epilogues that pay")):
        products = document[name]
        sums = [sum(one["times"] * one[which] for one in products) for which in ("expected_us", "fastest_us")]
        rows = [
            (one["product"][:120], f"{one['times']}", duration(one["expected_us"]), duration(one["fastest_us"]))
            for one in products
        ]
        count = sum(one["times"] for one in products)
        rows.append(("all of them, one after the other", f"{count}", duration(sums[0]), duration(sums[1])))
        print(f"\n{about}\n")
        print(table(("product", "times", "expected", "fastest"), rows, texts=1))
