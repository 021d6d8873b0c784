"""What stands behind a flag of the command line, read and refused: names, numbers, seconds, folders.

One idea: argparse names the flag, so an answer here says what came and what is wanted. Read `run.py` next.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path

__all__ = ["folder", "names", "positive", "seconds"]


def names(known: Sequence[str]) -> Callable[[str], list[str]]:
    """A reader of comma-separated names, which must be known; gives them in the order of `known`."""

    def read(text: str) -> list[str]:
        chosen = [name.strip() for name in text.split(",")]
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"unknown name '{name}'; known are: {', '.join(known)}")
        return [name for name in known if name in chosen]

    return read


def positive(text: str) -> int:
    """A whole number above zero."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number above zero")
    return number


def seconds(text: str) -> float:
    """A number of seconds above zero, and below infinity."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of seconds above zero")
    return number


def folder(text: str) -> Path:
    """A folder that is there, or can be made, and may be written to."""
    path = Path(text)
    there = next((place for place in (path, *path.absolute().parents) if place.exists()), path)
    if not there.is_dir():
        raise argparse.ArgumentTypeError(f"'{there}' is a file; a folder is wanted")
    if not os.access(there, os.W_OK):  # said before minutes of measuring
        raise argparse.ArgumentTypeError(f"'{text}' cannot be written to; name a folder that can")
    return path
