"""The files of the papers, read.

One idea: the list of papers is the list of files. Read `outcome.py` next.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["NAMES", "Band", "Paper", "in_words", "paper", "text_of"]

_HERE = Path(__file__).parent

NAMES = tuple(sorted(path.stem for path in _HERE.glob("*.toml")))

Band = tuple[float, float]


@dataclass(frozen=True)
class Paper:
    """What the table [paper] says, and the options of the run.

    `error` is the paper's test error in per cent, None where it gives none for this run; a run is expected to end in
    the band `accept`, and the mean over three seeds in `accept_mean`, where one is given. `then` names the paper that
    goes on from this one's run, `begins_with` the one that it must begin with. `minutes_cpu` and `minutes_gpu` are
    words: how many minutes a run takes, and whether they were measured or are estimated.
    """

    name: str
    title: str
    source: str
    options: dict[str, Any]
    error: float | None = None
    accept: Band | None = None
    accept_mean: Band | None = None
    then: str | None = None
    begins_with: str | None = None
    minutes_cpu: str = ""
    minutes_gpu: str = ""

    @property
    def band(self) -> str:
        """The band of a single run in words."""
        return in_words(self.accept)


def in_words(band: Band | None) -> str:
    """ "at most 1.2 %", "1.45 to 1.75 %", or "none"."""
    if band is None:
        return "none"
    low, high = band
    return f"{low:g} to {high:g} %" if low else f"at most {high:g} %"


@cache
def paper(name: str) -> Paper:
    """The paper of this name, one of NAMES."""
    options = tomllib.loads(text_of(name))
    about = options.pop("paper")
    for key in ("accept", "accept_mean"):
        if key in about:
            about[key] = tuple(about[key])
    return Paper(name=name, options=options, **about)


def text_of(name: str) -> str:
    """The file of a paper as it stands, with its comments."""
    return (_HERE / f"{name}.toml").read_text(encoding="utf-8")
