"""Plots over time: losses, errors, the learning rate.

One idea: the lecture's question needs two curves that can be compared, both measured in evaluation mode after an epoch;
what the batches showed on the way is a thin line behind them. Read `layers.py` next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..metrics import error_percent
from .plot import BLUE, GREEN, ORANGE, SKY, Plot, cells, draw, legend_below

__all__ = ["errors", "learning_rate", "losses"]

Run = Mapping[str, Any]


def losses(run: Run) -> Plot | None:
    """Training and validation loss after each epoch."""
    return _curves(run, "loss", "Loss", "loss", lambda value: value)


def errors(run: Run) -> Plot | None:
    """Training and validation error after each epoch, in per cent."""
    return _curves(run, "accuracy", "Error", "error, %", error_percent)


def _curves(run: Run, quantity: str, title: str, label: str, of: Any) -> Plot | None:
    records = run.get("epochs") or []
    kinds = [kind for kind in ("train", "val", "running") if any(f"{kind}_{quantity}" in record for record in records)]
    if not kinds or kinds == ["running"]:
        return None
    epochs = [record["epoch"] + 1 for record in records]
    series = {kind: [_applied(of, record.get(f"{kind}_{quantity}")) for record in records] for kind in kinds}
    marks = _marks(run, records)
    words = {"train": "training", "val": "validation", "running": "running (over the batches of the epoch)"}

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        for kind, colour, style in (("running", SKY, ":"), ("train", BLUE, "o-"), ("val", ORANGE, "s-")):
            if kind in series:
                thin = {"linewidth": 1.2} if kind == "running" else {"markersize": 4}
                axes.plot(epochs, cells(series[kind]), style, color=colour, label=words[kind], **thin)
        axes.margins(y=0.15)  # room for the words of the marks
        for epoch, text in marks:
            axes.axvline(epoch, color=GREEN, linewidth=1.2, linestyle="--")
            left = epoch > 0.7 * max(epochs)
            place = {
                "xytext": (-5 if left else 5, -2),
                "textcoords": "offset points",
                "ha": "right" if left else "left",
            }
            axes.annotate(text, (epoch, 1.0), xycoords=("data", "axes fraction"), va="top", fontsize=9, **place)
        axes.set(xlabel="epochs", ylabel=label, ylim=(0, None) if quantity == "accuracy" else None)
        axes.xaxis.get_major_locator().set_params(integer=True)
        legend_below(axes)

    marked = "; ".join(f"{text} at epoch {epoch}" for epoch, text in marks)
    caption = (
        "After each epoch, the whole net in evaluation mode on all rows. The dotted line is what the batches showed "
        "while the weights moved and dropout was on; it is not to be compared with the others."
    )
    return Plot(
        name=title.lower(),
        title=f"{title} on training and validation rows",
        caption=caption,
        alt=f"{title} by epoch for {', '.join(words[kind] for kind in kinds)}. {marked}".strip(),
        columns=("epoch", *kinds),
        rows=list(zip(epochs, *(series[kind] for kind in kinds), strict=True)),
        svg=draw(title.lower(), paint),
    )


def _applied(of: Any, value: float | None) -> float | None:
    return None if value is None else of(value)


def _marks(run: Run, records: Sequence[Mapping[str, Any]]) -> list[tuple[int, str]]:
    """Epochs to be marked: the selected one, or else the one with the least validation loss, and an early end."""
    evidence = run.get("evidence") or {}
    marks = []
    selected = evidence.get("selected_epoch")
    known = [record for record in records if record.get("val_loss") is not None]
    if selected is not None:
        marks.append((selected + 1, "selected"))
    elif len(known) > 1:
        marks.append((min(known, key=lambda record: record["val_loss"])["epoch"] + 1, "lowest validation loss"))
    if run.get("stop") and records:
        last = records[-1]["epoch"] + 1
        marks = [(epoch, f"{text}, stopped") if epoch == last else (epoch, text) for epoch, text in marks]
        marks += [] if any(epoch == last for epoch, _ in marks) else [(last, "stopped")]
    return marks


def learning_rate(run: Run, steps: Sequence[Mapping[str, str]] = ()) -> Plot | None:
    """The learning rate by update, from the rows of steps.csv, or else by epoch."""
    if steps:
        points = [(int(row["step"]), float(row["lr"])) for row in steps]
    else:
        points = [(record["step"], record["lr"]) for record in run.get("epochs") or [] if "lr" in record]
    if not points:
        return None
    drawn = points[:: max(1, len(points) // 1000)]

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        axes.plot(*zip(*drawn, strict=True), color=BLUE)
        axes.set(xlabel="updates", ylabel="learning rate", ylim=(0, None))

    return Plot(
        name="learning-rate",
        title="Learning rate",
        caption="The rate of each update, as the schedule set it.",
        alt=f"Learning rate by update, from {points[0][1]:.3g} to {points[-1][1]:.3g}.",
        columns=("update", "learning rate"),
        rows=list(points),
        svg=draw("learning-rate", paint, (7.0, 2.6)),
    )
