"""The remedy, tried: a run once more with the change that its diagnosis proposes, and both side by side.

One idea: a remedy is options, so trying it is an ordinary run in a folder of its own; what is compared is read from the
two run.json alone. Read `diagnose/remedies.py` for the changes, `cli_inspect.py` for the command.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .config import Config, ConfigError, configure, from_dict
from .diagnose import Diagnosis, diagnose
from .diagnose.remedies import as_flags
from .diagnose.words import shown
from .errors import UsageError
from .files import finite
from .history import flat, kept
from .metrics import in_percent
from .run_folder import read_run

__all__ = ["Fix", "as_text", "by_hand", "compared", "planned"]


@dataclass(frozen=True)
class Fix:
    """What is to be tried: the run that was diagnosed, and its configuration with the change."""

    folder: Path
    before: Diagnosis
    config: Config


def planned(folder: Path, target: float | None = None) -> Fix:
    """The remedy for the run in `folder`, as a configuration to train by.

    Raises UsageError where there is nothing to try: a run that is fine or undecided, one that was not made from a
    configuration, or one whose remedy is no option.
    """
    run = read_run(folder)
    found = diagnose(run, target=target)
    if found.verdict == "fine":
        raise UsageError(f"the run in {folder} is fine: there is nothing to fix.")
    if found.verdict == "undecided":
        raise UsageError(
            f"the verdict on the run in {folder} is undecided ({', '.join(found.candidates)}): there is nothing to fix "
            "before that is settled; diagnose without --fix says what keeps it open."
        )
    try:
        settings = dict(flat(from_dict(run.get("config") or {}, f"{folder}/run.json").to_dict()))
    except (AttributeError, ConfigError) as error:
        raise UsageError(f"the run in {folder} has no configuration that could be trained by again: {error}") from None
    if not run.get("config"):
        raise UsageError(f"the run in {folder} has no configuration that could be trained by again.")
    if not found.settings:
        raise UsageError(f"{found.title}: no option of a run can mend that. {found.remedy}")
    return Fix(folder, found, configure(settings | found.settings))


def by_hand(config: Config) -> str:
    """The command line that trains by a configuration: what is not as usual, as flags."""
    named = {"data.source": config.data.source} | ({"paper": config.paper} if config.paper else {})
    usual = dict(flat(configure(named).to_dict())) | {"data.source": Config().data.source, "paper": None}
    if config.paper is None:  # the usual rate is that of the optimizer, whichever it is
        usual["optim.lr"] = configure({"optim.name": config.optim.name}).optim.lr
    other = {key: value for key, value in flat(config.to_dict()) if value != usual[key]}
    return f"python -m recipe train {as_flags(other)}".rstrip()


def compared(fix: Fix, folder: Path, target: float | None = None) -> dict[str, Any]:
    """The run before and the one in `folder` side by side, as plain JSON.

    "better" says whether the validation score rose (without validation rows: the training score), None where one of
    the two was not measured, or of other data.
    """
    before = _summary(fix.folder, fix.before)
    after = _summary(folder, diagnose(folder, target=target))
    part = "val" if before["val"]["score"] is not None else "train"
    scores = before[part]["score"], after[part]["score"]
    digests = [read_run(run).get("data_digest") for run in (fix.folder, folder)]
    same_data = digests[0] in (None, digests[1])  # older runs do not say
    return {
        "schema": 1,
        "change": fix.before.change,
        "settings": finite(fix.before.settings),
        "before": before,
        "after": after,
        "same_data": same_data,
        "better": None if None in scores or not same_data else scores[1] > scores[0],
        "by_hand": by_hand(fix.config),
    }


def _summary(folder: Path, found: Diagnosis) -> dict[str, Any]:
    """Verdict, loss and score of a run, at the epoch whose weights it kept."""
    run = read_run(folder)
    record = kept(run)
    return {
        "run": str(folder),
        "verdict": found.verdict,
        "title": found.title,
        "epochs": len(run["epochs"]),
        **{
            part: {"score": record.get(f"{part}_accuracy"), "loss": record.get(f"{part}_loss")}
            for part in ("train", "val")
        },
    }


def as_text(comparison: Mapping[str, Any]) -> str:
    """The comparison as `compared` gives it, as lines of text."""
    before, after = comparison["before"], comparison["after"]
    rows: list[tuple[str, ...]] = [("", "before", "after")]
    for part, name in (("train", "training"), ("val", "validation")):
        scores, losses = ([run[part][what] for run in (before, after)] for what in ("score", "loss"))
        # With the digits of a single row of ten thousand, as errors have them: what helped a little is seen to.
        shares = ["not measured" if score is None else in_percent(100 * score) for score in scores]
        rows += [(f"{name} accuracy", *shares), (f"{name} loss", *map(shown, losses))]
    rows.append(("epochs", str(before["epochs"]), str(after["epochs"])))
    wide = max(len(row[1]) for row in rows), max(len(row[2]) for row in rows)
    return "\n".join(
        [
            f"before:  {before['title']}  ({before['run']})",
            f"after:   {after['title']}  ({after['run']})",
            f"change:  {comparison['change']}",
            "",
            *(f"  {row[0]:<20} {row[1]:>{wide[0]}}  {row[2]:>{wide[1]}}" for row in rows),
            "",
            _judgement(comparison),
            f"by hand: {comparison['by_hand']}",
        ]
    )


def _judgement(comparison: Mapping[str, Any]) -> str:
    if not comparison["same_data"]:
        return "Whether it helped cannot be said: the data were changed between the two runs."
    if comparison["before"]["verdict"] == "leak":
        return (
            "Validation looked better before, since the net had been trained on part of it; the result after is true."
        )
    if comparison["better"] is None:
        return "Whether it helped cannot be said: a score is missing."
    if comparison["better"]:
        return "It helped."
    return "It did not help: read the rest of the advice, and undo the change."
