"""Writing the report of a run folder: collect the plots that its files allow, and set them into a page.

One idea: what can be drawn from run.json is always drawn; what needs the network and the test rows is drawn where both
can be had again, and otherwise the page says why not. Read `__init__.py` for the parts.
"""

from __future__ import annotations

import csv
import importlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nn.module import Module

from ..data import DataError
from ..errors import UsageError
from ..files import write_bytes
from ..finished import load_finished
from ..history import kept
from ..run_folder import read_run
from . import curves, layers
from .exam import confusion, examine, mistakes
from .masks import monte_carlo
from .page import page
from .plot import Plot

__all__ = ["report"]

Data = tuple[Any, Any]

# What a run keeps in its folder, for which a page is no substitute.
_FILES = {"run.json", "steps.csv", "history.csv", "ensemble.json", "checkpoint.safetensors", "best.safetensors"}


def report(
    run_folder: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str] | None = None,
    model: Module | None = None,
    test: Data | None = None,
) -> Path:
    """Write the report of a run: a page (`report.html` in its folder, or `out`) and a folder of CSV beside it.

    The test set is looked at with `model` and the rows `test` when given, else with those of the run's configuration
    and its newest checkpoint. Gives the page's path. Raises UsageError where there is no run, no matplotlib, no room.
    """
    folder = Path(run_folder)
    run = read_run(folder)
    target = folder / "report.html" if out is None else Path(out)
    if target.is_dir():
        raise UsageError(f"{target} is a folder: name a file, such as {target / 'report.html'}.")
    if target.name in _FILES and target.parent.resolve() == folder.resolve():
        raise UsageError(f"{target} is a file of the run: name another, such as report.html.")
    try:
        importlib.import_module("matplotlib")
    except ImportError:
        raise UsageError("a report needs matplotlib, which is not installed: pip install matplotlib.") from None
    missing = []
    try:
        if model is None or test is None:
            model, test = _again(folder)
    except (UsageError, DataError, OSError) as error:
        missing.append(f"The test set was not looked at in detail: {error}")
    of_test = [_of_ensemble(run, folder / "ensemble.json", missing), *_of_test(model, test)]
    try:
        plots = [plot for plot in (*_of_run(run, folder), *of_test) if plot is not None]
        text = page(run, folder.resolve().name, plots, _links(folder, target, plots), " ".join(missing))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise UsageError(f"{folder}/run.json is damaged: it lacks what a report needs ({error!r}).") from None
    return _written(text, target, plots)


def _of_run(run: Mapping[str, Any], folder: Path) -> list[Plot | None]:
    return [
        curves.losses(run),
        curves.errors(run),
        curves.learning_rate(run, _steps(folder / "steps.csv")),
        layers.gradients(run),
        layers.movements(run),
        layers.silence(run),
        layers.histograms(run),
    ]


def _of_test(model: Module | None, test: Data | None) -> list[Plot | None]:
    if model is None or test is None:
        return []
    x, y = test
    exam = examine(model, x, y)
    side = math.isqrt(x.shape[1]) if x.ndim == 2 else 0
    images = side >= 8 and side * side == x.shape[1]
    first = next((p.data for p in model.parameters() if p.ndim == 2 and p.shape[1] == x.shape[-1]), None)
    return [
        confusion(exam),
        mistakes(exam, x, side) if images else None,
        layers.filters(first, side) if images and first is not None else None,
    ]


def _again(folder: Path) -> tuple[Module, Data]:
    """The network of a run as it was tested, and its test rows."""
    model, parts = load_finished(folder).network()
    return model, (parts.x_test, parts.y_test)


def _of_ensemble(run: Mapping[str, Any], path: Path, missing: list[str]) -> Plot | None:
    """What `recipe ensemble` left in the folder, if anything; why it cannot be shown is added to `missing`."""
    if not path.exists():
        return None
    step = kept(run).get("step")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found.get("step", step) == step:
            return monte_carlo(found)
        why = "is of earlier weights of this run"
    except (OSError, AttributeError, LookupError, TypeError, ValueError):
        why = "is damaged"
    missing.append(f"{path.name} {why}: make it again with recipe ensemble.")
    return None


def _steps(path: Path) -> Sequence[Mapping[str, str]]:
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return [row for row in rows if float(row["lr"]) >= 0 and int(row["step"]) >= 0]
    except (OSError, KeyError, TypeError, ValueError):
        return []  # the epochs' rates will do


def _numbers_of(target: Path) -> Path:
    """The folder for the CSV of a page."""
    return target.parent / f"{target.stem}-data"


def _links(folder: Path, target: Path, plots: Sequence[Plot]) -> dict[str, str]:
    """What the page links to, by words: the numbers of each plot, and the files of the run."""
    links = {plot.name: f"{quote(os.fsencode(_numbers_of(target).name))}/{plot.name}.csv" for plot in plots}
    for name, words in (
        ("run.json", "everything, as JSON"),
        ("history.csv", "epochs, as CSV"),
        ("steps.csv", "steps, as CSV"),
    ):
        if (folder / name).exists():
            links[f"{name}: {words}"] = quote(os.fsencode(os.path.relpath(folder / name, target.parent)))
    return links


def _written(text: str, target: Path, plots: Sequence[Plot]) -> Path:
    numbers = _numbers_of(target)
    try:
        numbers.mkdir(parents=True, exist_ok=True)
        for plot in plots:
            write_bytes(numbers / f"{plot.name}.csv", plot.csv().encode())
        write_bytes(target, text.encode(errors="replace"))
    except OSError as error:
        raise UsageError(f"{error.filename or target} cannot be written: {error.strerror or error}.") from None
    return target
