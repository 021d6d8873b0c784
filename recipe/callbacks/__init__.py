"""Callbacks: what may be hung on the loop.

One idea: each watches one thing. Read `base.py` first, then any of them: `time_limit.py` is the shortest; `target.py`
and `early_stopping.py` end a run, `nan_guard.py` guards it, `checkpoint.py` saves it, `monitors.py` looks inside,
`log.py` and `progress.py` tell of it, and `lr_finder.py` looks for a rate.
"""

from typing import TYPE_CHECKING

from .base import Callback
from .checkpoint import ModelCheckpoint
from .early_stopping import EarlyStopping
from .log import HistoryLog, StepLog
from .lr_finder import LRFinder, Sweep
from .monitors import ActivationMonitor, GradientMonitor, WeightMonitor
from .nan_guard import NanGuard, NotFinite
from .progress import Progress
from .target import Target
from .time_limit import TimeLimit

__all__ = [
    "ActivationMonitor",
    "Callback",
    "EarlyStopping",
    "GradientMonitor",
    "HistoryLog",
    "LRFinder",
    "ModelCheckpoint",
    "NanGuard",
    "NotFinite",
    "Progress",
    "StepLog",
    "Sweep",
    "Target",
    "TimeLimit",
    "WeightMonitor",
]

if not TYPE_CHECKING:  # a type checker shall find what is not there

    def __getattr__(name):
        from autograd.hints import missing  # only a wrong name asks for this

        raise missing("recipe.callbacks", name)
