"""The test set in detail: which classes are taken for which, and where the net is surest and wrong.

One idea: one pass over the test rows gives both; nothing here changes the model. Read `page.py` next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nn.module import Module

from ..diagnose import measure
from ..diagnose.probe import outputs
from ..metrics import in_percent
from .plot import Plot, draw

__all__ = ["Exam", "Mistake", "confusion", "examine", "mistakes"]

_SHOWN = 24


@dataclass(frozen=True)
class Mistake:
    """A test row that was given another class than its label's."""

    row: int
    label: int
    predicted: int
    confidence: float


@dataclass(frozen=True)
class Exam:
    """`counts[label][predicted]` over the test rows, and the mistakes, the surest first."""

    counts: np.ndarray[Any, Any]
    mistakes: list[Mistake]


def examine(model: Module, x: Any, y: Any) -> Exam:
    """The exam of a classifier on host arrays: x of shape (rows, features), y labels."""
    probabilities = measure.softmax(np.concatenate(list(outputs(model, x))))
    predicted = probabilities.argmax(axis=1)
    classes = probabilities.shape[1]
    counts = np.bincount(y * classes + predicted, minlength=classes * classes).reshape(classes, classes)
    wrong = np.flatnonzero(predicted != y)
    wrong = wrong[np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")]
    surest = [Mistake(int(i), int(y[i]), int(predicted[i]), float(probabilities[i, predicted[i]])) for i in wrong]
    return Exam(counts, surest)


def confusion(exam: Exam) -> Plot:
    """Labels against predictions."""
    counts, classes = exam.counts, len(exam.counts)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    off = np.where(np.eye(classes, dtype=bool), np.nan, shares)
    most = max(float(np.nanmax(off)) if classes > 1 else 0.0, 1e-6)

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        axes.grid(False)
        axes.imshow(off, cmap="Blues", vmin=0.0, vmax=most)
        if classes <= 20:
            for i in range(classes):
                for j in range(classes):
                    # On a dark square light ink, on a light one dark ink; the diagonal has none and takes the page's.
                    ink = {} if i == j else {"color": "#ffffff" if off[i, j] > 0.55 * most else "#222222"}
                    axes.text(
                        j, i, str(counts[i, j]) if counts[i, j] else "", ha="center", va="center", fontsize=8, **ink
                    )
        axes.set(xlabel="predicted", ylabel="label", xticks=range(classes), yticks=range(classes))
        axes.spines[:].set_visible(False)

    worst = sorted(((int(counts[i, j]), i, j) for i in range(classes) for j in range(classes) if i != j), reverse=True)
    said = f"The most frequent mistake: {worst[0][1]} taken for {worst[0][2]}, {worst[0][0]} times." if worst else ""
    side = min(2.0 + 0.34 * classes, 7.0)
    return Plot(
        name="confusion",
        title="Which classes are taken for which",
        caption="The test rows by label and prediction. The diagonal is right; squares are shaded by the share of the "
        "label's rows.",
        alt=f"Confusion matrix of {classes} classes. {said}".strip(),
        columns=("label", *(f"predicted {j}" for j in range(classes))),
        rows=[(i, *map(int, row)) for i, row in enumerate(counts)],
        svg=draw("confusion", paint, (side, side * 0.92)),
    )


def mistakes(exam: Exam, x: Any, side: int) -> Plot | None:
    """The surest mistakes, as images of `side` x `side` pixels."""
    chosen = exam.mistakes[:_SHOWN]
    if not chosen:
        return None
    columns = min(8, len(chosen))
    high = -(-len(chosen) // columns)

    def paint(figure: Any) -> None:
        grid: Sequence[Any] = list(figure.subplots(high, columns, squeeze=False).flat)
        for axes in grid:
            axes.set_axis_off()
        for axes, mistake in zip(grid, chosen, strict=False):
            axes.imshow(x[mistake.row].reshape(side, side), cmap="gray_r", interpolation="none")
            sure = in_percent(100 * mistake.confidence, decimals=0)
            axes.set_title(f"{mistake.label}, not {mistake.predicted}\n{sure}", fontsize=8)

    return Plot(
        name="mistakes",
        title="The surest mistakes",
        caption="Test rows that the net is surest of, and gets wrong: the label, what it said, and how sure it was.",
        alt="Images of test rows: " + "; ".join(f"a {m.label} taken for {m.predicted}" for m in chosen[:8]) + ".",
        columns=("test row", "label", "predicted", "confidence"),
        rows=[(m.row, m.label, m.predicted, m.confidence) for m in exam.mistakes],
        svg=draw("mistakes", paint, (7.2, 1.35 * high)),
    )
