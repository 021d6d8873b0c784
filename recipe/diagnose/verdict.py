"""The verdict: findings walked in order until one decides, said as text for people and as JSON for programs.

One idea: follow every way in which the open questions could be answered. If all lead to the same verdict, it stands; if
not, the verdict is "undecided", with the candidates and what keeps them apart. So a missing measurement or a thin
margin matters exactly when it could change the outcome. Read `remedies.py` for what is advised,
`words.py` for the text.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..config import from_dict
from ..errors import UsageError
from ..files import finite
from ..history import flat
from ..run_folder import read_run
from .evidence import Evidence
from .facts import Facts, curves_of
from .logic import Check, Finding, State
from .remedies import REMEDIES, Remedy, as_flags, proposal
from .rules import SET_UP, TRAINING, VALIDATION, bad_on_training
from .thresholds import Line, Thresholds
from .words import as_text, shown

__all__ = ["Diagnosis", "decide", "diagnose"]

_UNDECIDED = Remedy("undecided", "", "Take the doubt away: measure what is missing, or train longer, and ask again.")


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a run, if anything, and how that is known.

    `verdict` is a code ("fine", "vanishing_gradient", ..., "undecided"), `stage` the question at which the lecture's
    order stopped. `evidence` has the comparisons that decided, `ruled_out` those that did not hold on the way there,
    each as {"what", "value", "threshold", "sign", "unit", "fired", "state"}. `change` is one line to try, as flags or
    TOML, and `settings` the same as options of the configuration.
    """

    verdict: str
    stage: str
    title: str
    meaning: str
    remedy: str
    change: str
    settings: dict[str, Any]
    evidence: list[dict[str, Any]]
    ruled_out: list[dict[str, Any]]
    candidates: list[str]
    because: list[str]
    notes: list[str]
    applies: str

    def to_json(self) -> dict[str, Any]:
        """The diagnosis as plain JSON."""
        plain: dict[str, Any] = {"schema": 1, **finite(asdict(self))}
        return plain

    def __str__(self) -> str:
        return as_text(self.to_json())


def diagnose(
    run: Mapping[str, Any] | str | os.PathLike[str] | Evidence,
    *,
    target: float | None = None,
    thresholds: Thresholds | None = None,
) -> Diagnosis:
    """The diagnosis of a run: its run.json (as a dictionary, a path, or the folder it is in) or an `Evidence`.

    `target` is the training score from which a result counts as good (0.9 unless told). `thresholds` moves other lines,
    each with its reason: `replace(Thresholds(), input_size=Line(100, 5, "These inputs are pixels."))`. Raises
    UsageError where there is no run to be read.
    """
    if isinstance(run, Evidence):
        run = {"evidence": run.to_json()}
    elif isinstance(run, (str, os.PathLike)):
        path = Path(run)
        run = read_run(path.parent if path.name == "run.json" else path)
    elif not isinstance(run, Mapping):
        raise UsageError(
            f"diagnose takes a run's folder or its Evidence, got a {type(run).__name__}: give the Trainer an Evidence "
            "as a callback, and after fit give that to diagnose."
        )
    lines = thresholds or Thresholds()
    if target is not None:
        lines = replace(lines, train_score=Line(target, lines.train_score.band, "You set this target."))
    try:
        return decide(_facts(run), lines, _settings(run), explicit_target=target is not None)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise UsageError(f"the evidence in the run is damaged ({error}): train again, or restore run.json.") from None


def _facts(run: Mapping[str, Any]) -> Facts:
    """What the evidence says, or where there is none, what the epochs alone can tell."""
    evidence = dict(run.get("evidence") or {})
    if not evidence.get("curves") and run.get("epochs"):
        evidence["curves"] = curves_of(run["epochs"])
        if "train_score" in evidence["curves"]:
            evidence.setdefault("task", "classification")
    return Facts.of(evidence)


def _settings(run: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the run by their dotted keys; none where it was not made from a configuration."""
    if not run.get("config"):
        return {}
    try:
        return dict(flat(from_dict(run["config"], "run.json").to_dict()))
    except (AttributeError, UsageError):
        return {}


def decide(f: Facts, t: Thresholds, settings: Mapping[str, Any], *, explicit_target: bool = False) -> Diagnosis:
    """The verdict of facts; `settings` are the options of the run by dotted keys, for the change that is proposed."""
    gate = bad_on_training(f, t)
    set_up = [rule(f, t) for rule in SET_UP]
    ways = []
    if gate.state is not State.RULED_OUT:
        ways.append(("training", [*set_up, *_of_training(f, t, explicit_target)]))
    if gate.state is not State.FIRED:
        ways.append(("validation", [*set_up, *(rule(f, t) for rule in VALIDATION)]))
    candidates = list(dict.fromkeys(code for _, findings in ways for code in _possible(findings)))
    against = _contradictions(f, candidates[0])
    decided = len(candidates) == 1 and not against
    code = candidates[0] if decided else "undecided"
    remedy = REMEDIES[code] if decided else _UNDECIDED
    stage, walked = ways[0]
    path = _path(walked, code)
    # Nothing fired in a run that is fine: the last question of all decided.
    decisive = path[-1] if code in (path[-1].code, "fine") else None
    if decisive in set_up:
        stage = "set-up"
    change = proposal(code, settings)
    return Diagnosis(
        verdict=code,
        stage=stage,
        title=remedy.title,
        meaning=remedy.meaning if decided else _undecided(candidates),
        remedy=remedy.advice,
        change=as_flags(change),
        settings=change,
        evidence=_rows(decisive, gate, stage),
        ruled_out=_ruled_out([finding for finding in path if finding is not decisive]),
        candidates=[] if decided else candidates,
        because=[] if decided else [*against, *_doubts(ways, gate)],
        notes=_notes(f, t),
        applies=_applies(f),
    )


def _of_training(f: Facts, t: Thresholds, explicit_target: bool) -> list[Finding]:
    """What the rules find of a bad training result; one that only misses a target is one where the user set that."""
    *before, last = (rule(f, t) for rule in TRAINING)
    if explicit_target and last.state is State.UNKNOWN:
        last = replace(last, state=State.FIRED, note="training went as it should, and misses your target")
    return [*before, last]


def _possible(findings: Sequence[Finding]) -> list[str]:
    """The codes that the verdict could have, the open questions being answered this way or that."""
    codes = []
    for finding in findings:
        if finding.state is not State.RULED_OUT:
            codes.append(finding.code)
        if finding.state is State.FIRED:
            return codes
    return [*codes, "fine"]


def _path(findings: Sequence[Finding], code: str) -> list[Finding]:
    """The findings up to the one that decided; all of them where none did."""
    for i, finding in enumerate(findings):
        if finding.state is State.FIRED and finding.code == code:
            return list(findings[: i + 1])
    return list(findings)


def _contradictions(f: Facts, code: str) -> list[str]:
    """Measurements that cannot both be right, as far as they bear on `code`."""
    found = []
    if f.not_finite and f.train_score is not None and code in ("fine", "overfit", "label_noise"):
        found.append(f"The training result is good, and yet {f.not_finite}.")
    if f.val_score is not None and f.train_score is not None and code in ("low_capacity", "train_longer"):
        better = f.val_score - f.train_score
        if better > 0.1:
            found.append(
                f"Validation is {100 * better:.1f} points better than training, both in evaluation mode: the rows are "
                "easier, or the training labels wrong."
            )
    return found


def _undecided(candidates: Sequence[str]) -> str:
    titles = [REMEDIES[code].title for code in candidates]
    if len(titles) > 4:
        return "Too little was measured to tell what is wrong, or whether anything is."
    if len(titles) == 1:
        return f"It looks like: {titles[0]}. But the evidence contradicts itself."
    return f"The evidence allows more than one answer: {'; '.join(titles[:-1])}; or {titles[-1]}."


def _doubts(ways: Sequence[tuple[str, Sequence[Finding]]], gate: Check) -> list[str]:
    """What keeps the candidates apart, in words."""
    open_ones = []
    for _, findings in ways:
        fired = next((i for i, finding in enumerate(findings) if finding.state is State.FIRED), len(findings))
        open_ones += [finding for finding in findings[:fired] if finding.state is not State.RULED_OUT]
    checks = list(dict.fromkeys([gate, *(check for finding in open_ones for check in finding.checks)]))
    missing = [check.what for check in checks if check.state is State.UNKNOWN]
    return [
        *([f"Not measured: {'; '.join(missing)}."] if missing else []),
        *(_close(check) for check in checks if check.state is State.CLOSE),
        *dict.fromkeys(f"{REMEDIES[finding.code].title}: {finding.note}." for finding in open_ones if finding.note),
    ]


def _close(check: Check) -> str:
    value, line = shown(check.value, check.unit), shown(check.threshold, check.unit)
    return f"Too close to call: {check.what}: {value}, and the line is {line}."


def _rows(last: Finding | None, gate: Check, stage: str) -> list[dict[str, Any]]:
    """The comparisons that decided: the question of the stage first, then the rule's own."""
    rows = [] if stage == "set-up" else [_check(gate)]
    if last is not None:
        rows += [_check(check) for check in last.checks if check.what != gate.what or stage == "set-up"]
        if last.note:
            rows.append(_check(Check(last.note, None, "", 0.0, "", last.state)))
    return rows


def _check(check: Check) -> dict[str, Any]:
    return {**asdict(check), "state": str(check.state), "fired": check.state is State.FIRED}


def _ruled_out(path: Sequence[Finding]) -> list[dict[str, Any]]:
    """The rules on the way that did not hold, each reason once."""
    rows = [_row(finding) for finding in path if finding.state is State.RULED_OUT]
    return [row for i, row in enumerate(rows) if row not in rows[:i]]


def _row(finding: Finding) -> dict[str, Any]:
    """A rule that was ruled out: the comparison that did it, and why it does not apply where it does not."""
    first = next((check for check in finding.checks if check.state is State.RULED_OUT), None)
    row = {"code": finding.code, "title": REMEDIES[finding.code].title, "why": finding.note}
    return row if first is None else {**_check(first), **row, "why": finding.note or _reason(first)}


def _reason(check: Check) -> str:
    side = "not above" if check.sign == ">" else "not below"
    return f"{check.what}: {shown(check.value, check.unit)}, {side} {shown(check.threshold, check.unit)}"


def _notes(f: Facts, t: Thresholds) -> list[str]:
    notes = []
    share, labelled = f.predicted_share, f.labelled_share
    if share is not None and labelled is not None and share > t.one_class.at and labelled < 0.9:
        notes.append(
            f"The net gives {shown(share, 'share')} of the rows class {f.predicted_class}, whatever they are: such an "
            f"accuracy is nothing but the share of one class ({shown(labelled, 'share')} of these rows)."
        )
    return notes


def _applies(f: Facts) -> str:
    if f.task == "classification":
        return ""
    if f.task == "regression":
        return (
            "This is a regression: a score of 90 % means that the loss is 90 % below that of always answering the mean "
            "(for squared errors: 90 % of the variance is explained). The tests of labels do not apply."
        )
    return "This is neither a classification by labels nor a regression: only what losses and weights tell applies."
