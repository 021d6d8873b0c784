"""Kept: the parts of a run that are done, in a file, so that a run that was cut short can go on.

One idea: a part is a line, written as soon as it ends; whatever happens later, to the machine or in the judging, what
was measured is there. Read `run.py`, which fills it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recipe.files import append_bytes, write_bytes

from ..measure import DAMAGE, BenchmarkError

__all__ = ["Kept"]


class Kept:
    """A file of lines: what the run is, then each part that ended, with its numbers.

    `about` says what the run is. With `resume` the file's run goes on: it must be as quick, and a commit that is not
    the one that it was begun at is named beside that. Raises BenchmarkError where there is nothing to go on with.
    """

    def __init__(self, path: Path, about: Mapping[str, Any], resume: bool = False) -> None:
        self.path, self.about = path, dict(about)
        self.parts: list[dict[str, Any]] = []
        if resume:
            self.about, self.parts = _read(path)
            if self.about.get("quick") != about["quick"]:
                kind = "quick" if self.about.get("quick") else "full"
                raise BenchmarkError(f"the run in {path} was a {kind} one; give the same flags to go on with it.")
            commit = about["machine"]["commit"]
            before = self.about["machine"].get("commit", "")
            if commit not in before:
                self.about["machine"]["commit"] = f"{before}, then {commit}"
        # Anew also when it goes on: a line that was cut would take the next one with it.
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps(line) + "\n" for line in (self.about, *self.parts)]
        write_bytes(path, "".join(lines).encode())

    @property
    def seconds(self) -> float:
        """How long the run had taken when its last part ended."""
        return float(self.parts[-1]["at"]) if self.parts else 0.0

    def add(self, part: Mapping[str, Any]) -> None:
        """Keep a part."""
        self.parts.append(dict(part))
        append_bytes(self.path, (json.dumps(part) + "\n").encode())

    def forget(self) -> None:
        """Remove the file, when the result is saved."""
        self.path.unlink()


def _read(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]  # a line that was cut has no end
        about, *parts = [json.loads(line) for line in lines]
        if all(isinstance(found, dict) for found in (about, about["machine"], *parts)):
            return about, parts
    except (OSError, *DAMAGE):
        pass
    raise BenchmarkError(f"there is no run to go on with in {path}; start one without --resume.")
