"""The lecture's recipe: train a network with one visible loop, look at what happened, and say what to change.

One idea: whatever a run does can be seen (events, records, a run folder) and done again (one seed, exact resume). This
is the only package that uses autograd, nn and optim together. Read `trainer.py` first, then `callbacks/base.py`.

The loop: `trainer.py`, with `given.py`, `numbers.py`, `formulas.py`, `rows.py`, `metrics.py`, `history.py`,
`interrupt.py`, `checkpoint.py` and `files.py`; what hangs on it is in `callbacks/`, and what it trains on in `data/`.
A run from options: `config.py` with `kinds.py` and `together.py`; `sources.py`, `build.py` with `noise.py`,
`schedules.py` and `assembly.py`; `run.py` with `run_folder.py`, `finished.py` and `papers/`.
The command line, `python -m recipe --help`: `cli.py`, `cli_inspect.py` with `fix.py` and `gradient_table.py`,
`cli_ensemble.py`, `threads.py` and `errors.py`.
Looking at a run: `diagnose/`, `report/`, `watch/`, and inside a network `inside.py` with `units.py`; `ensemble/` and
`piecewise/` hold what the lecture says of dropout and of ReLU, to be computed and compared.
"""

from typing import TYPE_CHECKING

from _tapegrad_marker import require_own_autograd

require_own_autograd()

from .history import History
from .trainer import Trainer

__all__ = ["History", "Trainer"]

if not TYPE_CHECKING:  # a type checker shall find what is not there

    def __getattr__(name):
        from autograd.hints import missing  # only a wrong name asks for this

        raise missing("recipe", name)
