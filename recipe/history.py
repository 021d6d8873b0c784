"""History: what each epoch measured, one record (a dictionary) an epoch.

One idea: a history is a list of plain records, so it can be saved as JSON, compared, and read column by column.
Read `trainer.py` for who fills it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["History", "Record", "flat", "kept", "whole"]

Record = dict[str, Any]


class History:
    """The records of a run, oldest first; `history["val_loss"]` is one column as a list, with None where it is missing.

    `running_*` is what the batches of the epoch showed while the weights moved and dropout was on; `train_*` and
    `val_*` were measured at the end of the epoch, in evaluation mode. Only the latter two may be compared with one
    another.
    """

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.records: list[Record] = list(records)

    def append(self, record: Record) -> None:
        """Add the record of the newest epoch."""
        self.records.append(record)

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __getitem__(self, key: str) -> list[Any]:
        if self.records and not any(key in record for record in self.records):
            raise KeyError(f"no record has {key!r}; there are {', '.join(self.keys())}.")
        return [record.get(key) for record in self.records]

    def keys(self) -> list[str]:
        """Every name that some record has, in the order of its first appearance."""
        return list(dict.fromkeys(key for record in self.records for key in record))

    @property
    def last(self) -> Record:
        """The newest record. Raises IndexError before the first epoch has ended."""
        return self.records[-1]

    def __repr__(self) -> str:
        if not self.records:
            return "History(no epochs yet)"
        numbers = {k: v for k, v in self.last.items() if isinstance(v, (int, float))}
        return f"History({len(self)} epochs; last: " + ", ".join(f"{k} {v:.6g}" for k, v in numbers.items()) + ")"


def kept(run: Mapping[str, Any]) -> Record:
    """The record, in a run.json, of the epoch whose weights the run ended with; empty before the first.

    It is the one that early stopping selected, or else the last.
    """
    records, selected = whole(run.get("epochs") or []), (run.get("evidence") or {}).get("selected_epoch")
    if not records:
        return {}
    return records[-1 if selected is None or selected >= len(records) else selected]


def whole(records: Iterable[Record]) -> list[Record]:
    """The records without those of epochs that were cut short and gone on with, so that each has its epoch's place."""
    return list({record.get("epoch", place): record for place, record in enumerate(records)}.values())


def flat(record: Record, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The entries of a record with nested names joined by dots: {"a": {"b": 1}} gives ("a.b", 1)."""
    for key, value in record.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
