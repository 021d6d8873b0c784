"""Facts: the evidence of a run as the few numbers that the rules read, None where something was not measured.

One idea: rules never look into JSON. What may be missing, what "the first layer" is and which epoch counts is settled
here, once. Read `thresholds.py` next.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..history import Record, whole
from .measure import error_of_difference

__all__ = ["Facts", "curves_of", "known"]

_OFFSET = {"Sigmoid", "Hardsigmoid", "LogSigmoid", "Softplus"}


@dataclass(frozen=True)
class Facts:
    """What is known of a run. Scores are accuracies, or for a regression shares of the variance explained."""

    task: str = "other"  # "classification" | "regression" | "other"
    train_rows: int | None = None
    val_rows: int | None = None
    guess_loss: float | None = None
    duplicate_share: float | None = None  # beyond what repeats among the training rows themselves
    batch_entropy_share: float | None = None  # mean label entropy per batch, over that of shuffled batches
    input_mean: float | None = None
    input_std: float | None = None
    val_input_shift: float | None = None  # from the training inputs, in units of their std
    first_loss: float | None = None
    identical_units: float | None = None
    lone_units: bool = False  # whether no hidden layer has two units
    gradient_ratio: float | None = None
    dead_at_start: float | None = None
    dead_at_end: float | None = None
    saturated_at_start: float | None = None  # the largest share in a layer of units that have ends to their range
    rectifiers: bool | None = None  # whether there are units that can die
    offset_activations: bool = False  # whether some activation gives the same large number for any small input
    hidden_layers: int | None = None
    cosine_last: float | None = None
    collapse: float | None = None
    movement_first: float | None = None
    weight_norm: float | None = None
    dropout: float = 0.0
    updates: int | None = None
    # Of each epoch, None where it is no number, so that all have an epoch at one place; the rates are those after it.
    train_losses: tuple[float | None, ...] = ()
    val_losses: tuple[float | None, ...] = ()
    rates: tuple[float | None, ...] = ()
    not_finite: str | None = None
    train_score: float | None = None
    running_score: float | None = None
    val_score: float | None = None
    val_chance: float | None = None
    contradicted: float | None = None
    contradicted_more: float | None = None  # how much more that surely is than of the validation labels
    most_lead: float | None = None  # by which the validation score was surely above the training score in some epoch
    predicted_class: int | None = None
    predicted_share: float | None = None
    labelled_share: float | None = None  # of rows whose label is predicted_class

    @property
    def losses_ever(self) -> tuple[float, ...]:
        """The training losses from before the first update on, as far as they are known."""
        return known((self.first_loss, *self.train_losses))

    @property
    def losses_at_full_rate(self) -> tuple[float, ...]:
        """`losses_ever` as long as the rate was at least half its highest: one that goes to 0 stops any loss."""
        half = max(known(self.rates), default=0.0) / 2
        full = [i for i, rate in enumerate(self.rates) if rate is not None and rate >= half]
        return known((self.first_loss, *(self.train_losses[: full[-1] + 1] if full else self.train_losses)))

    @classmethod
    def of(cls, evidence: Mapping[str, Any]) -> Facts:
        """The facts in `evidence` (see `evidence.py` for its form); whatever is missing or null becomes None."""
        setup = evidence.get("setup") or {}
        looks: Sequence[Mapping[str, Any]] = evidence.get("looks") or []
        start = looks[0] if looks and looks[0].get("epoch") == 0 else {}
        curves = evidence.get("curves") or {}
        contradicted = evidence.get("contradicted") or {}
        selected = evidence.get("selected_epoch")
        dead_start, dead_end = start.get("dead"), _last(looks, "dead")
        spreads = known(_least(look.get("identical_units")) for look in looks[:2])
        return cls(
            task=evidence.get("task") or "other",
            train_rows=setup.get("train_rows"),
            val_rows=setup.get("val_rows"),
            guess_loss=setup.get("guess_loss"),
            duplicate_share=_excess(setup.get("duplicate_share"), setup.get("repeated_share")),
            batch_entropy_share=_ratio(setup.get("batch_label_entropy"), setup.get("shuffled_label_entropy")),
            input_mean=setup.get("input_mean"),
            input_std=setup.get("input_std"),
            val_input_shift=setup.get("val_input_shift"),
            first_loss=setup.get("first_loss"),
            # At the first look after training began: what parts equal units later is rounding alone, and grows. Where
            # the weights are no numbers by then, the look before it has to do.
            identical_units=spreads[-1] if spreads else None,
            lone_units=_lone(start.get("identical_units")),
            gradient_ratio=_first_to_largest(start.get("gradient_rms")),
            dead_at_start=_most(dead_start),
            dead_at_end=_most(dead_end),
            saturated_at_start=_most(start.get("saturated")),
            rectifiers=None if not evidence.get("activations") else bool(dead_start or dead_end),
            offset_activations=bool(_OFFSET.intersection((evidence.get("activations") or {}).values())),
            **_signal(start.get("row_cosine")),
            movement_first=next((look.get("movement") for look in looks if look.get("epoch") == 1), None),
            weight_norm=_last(looks, "weight_norm"),
            dropout=evidence.get("dropout") or 0.0,
            updates=evidence.get("updates"),
            train_losses=_by_epoch(curves.get("train_loss")),
            val_losses=_by_epoch((curves.get("val_loss") or [])[: None if selected is None else selected + 1]),
            rates=_by_epoch(curves.get("lr")),
            not_finite=_text(evidence.get("not_finite")) or _hole(curves.get("train_loss")),
            train_score=_at(curves.get("train_score"), selected),
            running_score=_at(curves.get("running_score"), selected),
            val_score=_at(curves.get("val_score"), selected),
            val_chance=evidence.get("val_chance"),
            contradicted=contradicted.get("share"),
            contradicted_more=_contradicted_more(**contradicted),
            most_lead=_most_lead(curves, evidence.get("task"), setup),
            **_one_class(evidence.get("predicted"), evidence.get("labelled")),
        )


def _last(looks: Sequence[Mapping[str, Any]], name: str) -> Any:
    return next((look[name] for look in reversed(looks) if look.get(name) is not None), None)


def _numbers(values: Mapping[str, float | None] | None) -> list[float]:
    return [value for value in (values or {}).values() if value is not None]


def _lone(spreads: Mapping[str, float | None] | None) -> bool:
    return bool(spreads) and not _numbers(spreads)


def _most(values: Mapping[str, float | None] | None) -> float | None:
    return max(_numbers(values), default=None)


def _least(values: Mapping[str, float | None] | None) -> float | None:
    return min(_numbers(values), default=None)


def _ratio(number: float | None, base: float | None) -> float | None:
    return number / base if number is not None and base else None


def _excess(value: float | None, base: float | None) -> float | None:
    return None if value is None else max(value - (base or 0.0), 0.0)


def _first_to_largest(values: Mapping[str, float | None] | None) -> float | None:
    first = next(iter((values or {}).values()), None)
    numbers = _numbers(values)
    return _ratio(first, max(numbers)) if len(numbers) > 1 else None


def _signal(cosines: Mapping[str, float | None] | None) -> dict[str, Any]:
    """How alike rows are at the last hidden layer, and what share of their difference at the first is left there."""
    hidden = list((cosines or {}).values())[1:]
    known = [value for value in hidden if value is not None]
    found: dict[str, Any] = {"hidden_layers": len(hidden) if cosines else None}
    if len(known) == len(hidden) >= 1:
        found |= {"cosine_last": known[-1], "collapse": _ratio(1 - known[-1], 1 - known[0])}
    return found


def known(values: Iterable[float | None]) -> tuple[float, ...]:
    """The values that are numbers. Which epoch each is of cannot be told any more."""
    return tuple(value for value in values if value is not None)


def _text(value: Any) -> str | None:
    if not isinstance(value, str | None):
        raise TypeError(f"{value!r} where a text is wanted")
    return value


def _by_epoch(values: Sequence[float | None] | None) -> tuple[float | None, ...]:
    return tuple(value if value is not None and math.isfinite(value) else None for value in values or ())


def _hole(values: Sequence[float | None] | None) -> str | None:
    """A loss that is no number stands in JSON as null."""
    for epoch, value in enumerate(values or ()):
        if value is None or not math.isfinite(value):
            return f"the training loss of epoch {epoch + 1} is not finite"
    return None


def _at(values: Sequence[float | None] | None, epoch: int | None) -> float | None:
    if not values:
        return None
    return values[-1 if epoch is None or epoch >= len(values) else epoch]


def _contradicted_more(
    share: float | None = None,
    rows: int | None = None,
    val_share: float | None = None,
    val_rows: int | None = None,
    **others: Any,
) -> float | None:
    if share is None or val_share is None or not (rows and val_rows):
        return None
    return share - val_share - 2.0 * error_of_difference(share, rows, val_share, val_rows)


def _most_lead(
    curves: Mapping[str, Sequence[float | None]], task: str | None, setup: Mapping[str, Any]
) -> float | None:
    """The most that validation led in an epoch, less two standard errors of so many rows at that epoch's scores."""
    rows, val_rows = setup.get("train_rows") or 0, setup.get("val_rows") or 0
    counted = task == "classification" and rows and val_rows
    leads = [
        val - train - (2.0 * error_of_difference(train, rows, val, val_rows) if counted else 0.0)
        for val, train in zip(curves.get("val_score") or (), curves.get("train_score") or (), strict=False)
        if val is not None and train is not None
    ]
    return max(leads, default=None)


def _one_class(predicted: Sequence[int] | None, labelled: Sequence[int] | None) -> dict[str, Any]:
    if not predicted or not labelled or not sum(predicted):
        return {}
    largest = max(range(len(predicted)), key=predicted.__getitem__)
    return {
        "predicted_class": largest,
        "predicted_share": predicted[largest] / sum(predicted),
        "labelled_share": labelled[largest] / sum(labelled),
    }


# What a list of epochs alone can tell, for a run that was not watched


def curves_of(records: Sequence[Record]) -> dict[str, list[float | None]]:
    """The curves of the evidence from the records of a run."""
    records = whole(records)
    names = {
        "train_loss": "train_loss",
        "val_loss": "val_loss",
        "running_loss": "running_loss",
        "train_accuracy": "train_score",
        "val_accuracy": "val_score",
        "running_accuracy": "running_score",
        "lr": "lr",
    }
    return {
        curve: [record.get(name) for record in records]
        for name, curve in names.items()
        if any(name in record for record in records)
    }
