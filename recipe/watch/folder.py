"""Looking at a run from another terminal: its run.json, read again whenever it has been written.

One idea: run.json is replaced whole after each epoch, so whoever reads it finds a valid one. Read `server.py` next.
"""

from __future__ import annotations

import time
from pathlib import Path

from ..errors import ConfigError
from ..interrupt import Interrupt
from ..run_folder import read_run
from .board import Board
from .state import state_of

__all__ = ["follow"]

_EVERY = 1.0  # seconds from one look at the file to the next
_PAUSE = 0.1  # seconds until Ctrl-C is noticed


def follow(folder: Path, board: Board, interrupt: Interrupt) -> None:
    """Keep what the run.json of a folder says on the board, until somebody asks to stop.

    Raises ConfigError where it cannot be read, or no longer.
    """
    written, looked = None, -_EVERY
    while not interrupt:
        if time.monotonic() - looked >= _EVERY:
            looked = time.monotonic()
            newest = (folder / "run.json").stat().st_mtime
            if newest != written:
                written = newest
                run = read_run(folder)
                try:
                    parts = state_of(run)
                except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
                    raise ConfigError(f"{folder}/run.json is damaged: it lacks what is shown ({error!r}).") from None
                board.update(name=folder.resolve().name, written=written, **parts)
        time.sleep(_PAUSE)
