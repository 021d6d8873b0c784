"""The lecture's recipe: train a network with one visible loop, look at what happened, and say what to change.

One idea: whatever a run does can be seen (events, records, a run folder) and done again (one seed, exact resume). This
is the only package that uses autograd, nn and optim together. Read `trainer.py` first, then `callbacks/base.py`;
`ensemble/` and `piecewise/` hold what the lecture says of dropout and of ReLU, to be computed and compared.
`python -m recipe --help` is the command line.
"""

from _tapegrad_marker import require_own_autograd

require_own_autograd()

from .history import History
from .trainer import Trainer

__all__ = ["History", "Trainer"]
