"""Where a command prints: to a stream that is closed, or lacks a letter, or takes no more.

One idea: what cannot be printed is told once, by the command; argparse would say nothing of its help, and Python would
say it again at its end. Read `cli.py` next.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from typing import Any

__all__ = ["TellingParser", "forget_output", "take_any_output"]


class TellingParser(argparse.ArgumentParser):
    """A parser whose help raises OSError where it cannot be printed."""

    def print_help(self, file: Any = None) -> None:
        """Print the help, to `file` or standard output."""
        stream = file or sys.stdout
        stream.write(self.format_help())
        stream.flush()


def take_any_output() -> None:
    """Make the streams of this process take whatever is printed."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who began the process
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  # for as long as the process lives
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a letter shows another in its place


def forget_output() -> None:
    """Let what is left to be printed go nowhere, where Python would fail to print it once more when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
